"""A process that has imported the engine, and forks schedulers and workers of it: none of them pays for that.

It reads lines of JSON (what, arguments, env, log) from stdin, and answers each with a process id. Of the
project it has imported nothing: a worker may be of another version, or without it.
"""

import json
import os
import signal
import sys
from importlib import import_module

BEFORE = ("distributed", "distributed.cli.dask_scheduler", "distributed.cli.dask_worker", "aiohttp", "httpx")


def begin(what: str, arguments: list[str], env: dict[str, str], log: str) -> None:
    """Be a scheduler or a worker, from now on."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for number in (1, 2):
        os.dup2(file, number)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.environ.update(env)
    sys.argv = ["dask", *arguments]
    import_module(f"distributed.cli.dask_{what}").main()


def main() -> None:
    """Until nobody asks any more."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them
    for name in BEFORE:
        import_module(name)
    for line in sys.stdin:
        asked = json.loads(line)
        pid = os.fork()
        if not pid:
            begin(**asked)
            os._exit(0)
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
