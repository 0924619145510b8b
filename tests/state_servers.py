"""Real servers that keep states, one of each for a process of the test run: PostgreSQL, and moto's for S3.

    place_url("postgresql")   a schema that nobody used before
    place_url("s3")           a key in a bucket that nobody used before

They listen on loopback or a Unix socket, and end with the run.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from typing import IO, Any, TypeVar

import pytest

SECONDS = 60
BUCKET = "states"
_NUMBERS = count(1)

PlaceUrl = Callable[[str], str]
_T = TypeVar("_T")


@pytest.fixture(scope="session")
def place_url() -> Iterator[PlaceUrl]:
    """The URL of a state that nobody used before, by scheme; its server is started when first asked for."""
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        bases: dict[str, str] = {}

        def url(scheme: str) -> str:
            if scheme == "file":
                return "file:.reconciler/state.json"
            if scheme not in bases:
                bases[scheme] = stack.enter_context(_SERVERS[scheme](patch))
            return bases[scheme].format(number=next(_NUMBERS))

        yield url


# --- PostgreSQL ---------------------------------------------------------------------------------------


def programs_of_postgresql() -> Path | None:
    """The folder with `initdb`; Debian keeps it off the PATH."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    on_path = shutil.which("initdb")
    found = [*folders, *([Path(on_path).resolve().parent] if on_path else [])]
    return found[-1] if found else None


@contextmanager
def _postgresql(patch: pytest.MonkeyPatch) -> Iterator[str]:
    programs = programs_of_postgresql()
    if programs is None:
        pytest.skip("initdb of PostgreSQL is not installed (Debian: apt-get install postgresql)")
    # A short path, for a socket's name is, and one that another user may reach.
    with tempfile.TemporaryDirectory(prefix="pg", dir="/tmp") as folder:
        data, login = str(Path(folder) / "data"), dict[str, Any]()
        if os.getuid() == 0:
            # PostgreSQL refuses to run as root.
            login = {"user": "postgres", "group": "postgres", "extra_groups": []}
            shutil.chown(folder, "postgres", "postgres")
        initdb = [
            programs / "initdb",
            "-D",
            data,
            "-A",
            "trust",
            "-U",
            "ci",
            "-E",
            "UTF8",
            "--locale=C",
            "-N",
        ]
        subprocess.run(initdb, check=True, stdout=subprocess.DEVNULL, cwd=folder, **login)
        quick = ["fsync=off", "full_page_writes=off", "autovacuum=off", "shared_buffers=16MB", "timezone=UTC"]
        settings = [
            f"-c{each}" for each in (*quick, "listen_addresses=", f"unix_socket_directories={folder}")
        ]
        log = Path(folder, "log")
        with log.open("wb") as output, _served([programs / "postgres", "-D", data, *settings], output, login):
            _until(lambda: "ready to accept connections" in log.read_text())
            yield f"postgresql://ci@/postgres?host={folder}&schema=s{{number}}"


# --- S3 -----------------------------------------------------------------------------------------------


@contextmanager
def _s3(patch: pytest.MonkeyPatch) -> Iterator[str]:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        patch.delenv(name)
    patch.setenv("AWS_ACCESS_KEY_ID", "key-canary-77")
    patch.setenv("AWS_SECRET_ACCESS_KEY", "secret-canary-77")
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"]
    # What it is made of is no business of ours: it isn't measured, and may warn.
    env = {k: v for k, v in os.environ.items() if not k.startswith(("COV", "PYTHONWARN"))}
    with tempfile.TemporaryFile("w+b") as log, _served(command, log, {"env": env}):
        endpoint = _until(lambda: _address(log))
        request = urllib.request.Request(f"{endpoint}/{BUCKET}", method="PUT")
        urllib.request.urlopen(request, timeout=SECONDS).close()
        yield f"s3://{BUCKET}/states/{{number}}/state.json?endpoint={endpoint}&region=us-east-1"


def _address(log: IO[bytes]) -> str | None:
    text = os.pread(log.fileno(), 1 << 16, 0).decode()
    _, found, rest = text.partition("Running on ")
    return rest.split()[0] if found and "\n" in rest else None


WATCHED = '"$@" & server=$!; read -r _; kill -QUIT "$server"; kill -TERM "$server"; wait "$server"'
"""A shell that ends a server as soon as nobody holds the other end of its stdin: also when we are killed.

PostgreSQL ends at once when it is told to quit; what is told so behind a shell's back may ignore it.
"""


@contextmanager
def _served(command: Sequence[str | Path], output: IO[bytes], options: Mapping[str, Any]) -> Iterator[None]:
    """Runs a server, whose words go to `output`, for as long as the block runs."""
    watched = ["sh", "-c", WATCHED, "sh", *command]
    with subprocess.Popen(watched, stdin=subprocess.PIPE, stdout=output, stderr=output, cwd="/", **options):
        yield


def _until(ready: Callable[[], _T]) -> _T:
    """What `ready` gives, as soon as it is something."""
    deadline = time.monotonic() + SECONDS
    while not (found := ready()):
        assert time.monotonic() < deadline, f"a server doesn't answer: {ready}"
        time.sleep(0.02)
    return found


_SERVERS = {"postgresql": _postgresql, "s3": _s3}
