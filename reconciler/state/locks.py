"""Locks: who holds one, and the lock on a file that the operating system frees when its holder dies."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from reconciler.errors import StateError, StateLocked
from reconciler.state.base import LockInfo
from reconciler.state.codec import decode_lock, encode_lock
from reconciler.state.durable import explained, make_folder

_POLL_SECONDS = 0.1


def new_lock(operation: str) -> LockInfo:
    """A lock of this process, from now on, for `operation`."""
    import getpass
    import socket
    from uuid import uuid4

    try:
        holder = getpass.getuser()
    except (KeyError, OSError):  # a container may run as a user that has no name
        holder = f"user {os.getuid()}"
    return LockInfo(str(uuid4()), holder, socket.gethostname(), os.getpid(), operation, time.time())


def locked_by(info: LockInfo | None, *, url: str) -> StateLocked:
    """What the loser is told; `info` None when the holder has not said who it is."""
    if info is None:
        who = "another process"
    else:
        who = f"{info.holder} on {info.host} (process {info.pid}) for {info.operation!r}{_since(info.since)}"
    return StateLocked(
        f"the state {url} is locked by {who}",
        hint="Run it again when that is done, or wait for it with --lock-timeout SECONDS.",
    )


def _since(seconds: float) -> str:
    """In local time with its offset, as people of two time zones need it."""
    from datetime import datetime

    try:
        return f" since {datetime.fromtimestamp(seconds).astimezone().isoformat(' ', 'seconds')}"
    except (ValueError, OverflowError, OSError):
        return ""


@contextmanager
def hold_file(path: Path, operation: str, *, url: str, timeout: float) -> Iterator[None]:
    """Holds the lock file `path`, which is there only while somebody holds it or after a crash.

    The lock itself is the operating system's, so a crashed holder holds nothing; what stands in the file is
    for people. StateLocked when somebody else still holds it after `timeout` seconds; StateError when
    the file can't be written or locked.
    """
    deadline = time.monotonic() + timeout
    with explained("lock", path):
        make_folder(path.parent)
        while (descriptor := _try_lock(path)) is None:
            wait = deadline - time.monotonic()
            if wait <= 0:
                raise locked_by(_holder(path), url=url)
            time.sleep(min(wait, _POLL_SECONDS))
    try:
        with explained("write", path):
            # The line first, then the cut: who reads in between sees a line of somebody, never half a one.
            line = json.dumps(encode_lock(new_lock(operation))).encode() + b"\n"
            os.truncate(descriptor, os.pwrite(descriptor, line, 0))
        yield
    finally:
        # In this order: nobody else can have locked the name that is removed.
        with suppress(OSError):
            path.unlink()
        os.close(descriptor)


def _try_lock(path: Path) -> int | None:
    """The descriptor of the locked file `path`; None when somebody else holds it."""
    try:
        import fcntl
    except ImportError:
        raise StateError(
            "this platform has no file locks that a file: state could use",
            hint="Run reconciler on Linux, macOS or WSL.",
        ) from None

    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # The holder before us may have removed the name after we opened it: a lock on nothing.
            if os.path.samestat(os.fstat(descriptor), path.stat()):
                return descriptor
        except BlockingIOError:
            os.close(descriptor)
            return None
        except FileNotFoundError:
            pass
        except OSError:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _holder(path: Path) -> LockInfo | None:
    try:
        line, _, _ = path.read_bytes().partition(b"\n")
        return decode_lock(json.loads(line))
    except (OSError, ValueError, RecursionError):
        return None
