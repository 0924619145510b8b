"""A process that works on a state, for tests that kill it or race it.

`hold` locks, records what stdin says, line by line, and answers `recorded`; at the end of stdin it leaves.
`try` locks once with a timeout and says what came of it. The first line of both is `starting`.
"""

import sys
from pathlib import Path

from reconciler.errors import ReconcilerError
from reconciler.model import Server
from reconciler.state.base import Intent, IntentNoted
from reconciler.state.stores import open_store

SERVER = Server("pulse", "https://pulse.example.com", "blue")


def main(action: str, url: str, root: str, timeout: str) -> int:
    store = open_store(url, root=Path(root))
    _say("starting")
    try:
        with store.locked(SERVER, f"test {action}", timeout=float(timeout)) as session:
            _say("locked")
            if action == "hold":
                for line in sys.stdin:
                    session.record(IntentNoted(Intent(line.strip(), "name")))
                    _say("recorded")
        _say("left")
    except ReconcilerError as error:
        _say(f"{type(error).__name__}: {error.message}")
        return int(error.exit_code)
    return 0


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
