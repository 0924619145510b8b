"""A process that works on a state, for tests that kill it or race it.

`hold` locks, records what stdin says, line by line, and answers `recorded`; at the end of stdin it leaves.
`log` does the same with the audit log. `try` locks once with a timeout and says what came of it. `count`
records 0, 1, 2 … in sessions of three, up to the number on stdin. All of them begin with the line `starting`.
"""

import sys
from pathlib import Path

from reconciler.audit.chain import encode, link_of
from reconciler.errors import ReconcilerError
from reconciler.model import Server
from reconciler.state.base import Intent, IntentNoted, StateStore
from reconciler.state.stores import open_store

SERVER = Server("pulse", "https://pulse.example.com", "blue")


def main(action: str, url: str, root: str, timeout: str) -> int:
    store = open_store(url, root=Path(root))
    _say("starting")
    if action == "count":
        return count(store, int(sys.stdin.readline()))
    try:
        with store.locked(SERVER, f"test {action}", timeout=float(timeout)) as session:
            _say("locked")
            if action == "hold":
                for line in sys.stdin:
                    session.record(IntentNoted(Intent(line.strip(), "name")))
                    _say("recorded")
            if action == "log":
                for line in sys.stdin:
                    link = link_of(session.audit_tail)
                    entry, _ = encode({"type": "call", "message": line.strip()}, link, run=1)
                    session.audit(entry)
                    _say("recorded")
        _say("left")
    except ReconcilerError as error:
        _say(f"{type(error).__name__}: {error.message}")
        return int(error.exit_code)
    return 0


def count(store: StateStore, total: int) -> int:
    for first in range(0, total, 3):
        with store.locked(SERVER, "test count") as session:
            for number in range(first, first + 3):
                session.record(IntentNoted(Intent(str(number), "name")))
    return 0


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
