"""Locks: who holds one, how it is waited for, and the lock on a file, which its holder's end frees."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from reconciler.codec import parse
from reconciler.errors import StateError, StateLocked
from reconciler.state.base import LockInfo
from reconciler.state.durable import NOFOLLOW, explained, make_folder
from reconciler.state.state_format import decode_lock, encode_lock
from reconciler.text import local_moment

_T = TypeVar("_T")

_POLL_SECONDS = 0.1
_LOG = logging.getLogger("reconciler.state")


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


def described(info: LockInfo) -> str:
    """Who holds a lock, since when, for what."""
    return f"{info.holder} on {info.host} (process {info.pid}) for {info.operation!r}{_since(info.since)}"


def locked_by(info: LockInfo | None, *, url: str) -> StateLocked:
    """What the loser is told; `info` None when the holder has not said who it is."""
    who = described(info) if info else "another process"
    hint = "Run it again when that is done, or wait for it with --lock-timeout SECONDS."
    if info and info.expires is not None:
        hint += (
            f" If that process is gone, anybody may take the lock{moment(info.expires, after='from')} on;"
            f" `reconciler state unlock {info.id}` takes it away at once."
        )
    return StateLocked(f"the state {url} is locked by {who}", hint=hint)


def acquire(
    attempt: Callable[[], _T | None],
    holder: Callable[[], LockInfo | None],
    *,
    url: str,
    timeout: float,
    every: float = _POLL_SECONDS,
) -> _T:
    """What `attempt` gives, tried again every so many seconds while it gives None.

    StateLocked, naming the `holder`, when `timeout` seconds are over. Who has to wait is told so, once.
    """
    deadline = time.monotonic() + timeout
    told = False
    while (gained := attempt()) is None:
        wait = deadline - time.monotonic()
        if wait <= 0:
            raise locked_by(holder(), url=url)
        if not told:
            _LOG.warning("waiting up to %g s: %s", timeout, locked_by(holder(), url=url).message)
            told = True
        time.sleep(min(wait, every))
    return gained


def _since(seconds: float) -> str:
    return moment(seconds, after="since")


def moment(seconds: float, *, after: str) -> str:
    """The word `after` and a time, in local time with its offset, as people of two time zones need it."""
    found = local_moment(seconds)
    return f" {after} {found}" if found else ""


@contextmanager
def hold_file(path: Path, operation: str, *, url: str, timeout: float) -> Iterator[None]:
    """Holds the lock file `path`, which is there only while somebody holds it or after a crash.

    The lock itself is the operating system's, so a crashed holder holds nothing; what stands in the file is
    for people. StateLocked when somebody else still holds it after `timeout` seconds; StateError when
    the file can't be written or locked.
    """
    with explained("lock", path):
        make_folder(path.parent)
        descriptor = acquire(lambda: _try_lock(path), lambda: _holder(path), url=url, timeout=timeout)
    try:
        with explained("write", path):
            # The line first, then the cut: who reads in between sees a line of somebody, never half a one.
            line = json.dumps(encode_lock(new_lock(operation))).encode() + b"\n"
            os.truncate(descriptor, os.pwrite(descriptor, line, 0))
        yield
    finally:
        _let_go(path, descriptor)


def file_holder(path: Path, *, url: str) -> LockInfo | None:
    """Who holds the lock file `path` at this moment; None also for a file that a crash left behind.

    StateLocked when somebody holds it who has not said who it is.
    """
    with _left_behind(path) as free:
        if free:
            return None
        if info := _holder(path):
            return info
        raise locked_by(None, url=url)


def unlock_file(path: Path, *, url: str) -> None:
    """Removes the lock file `path` that a crash left behind; StateError when a process that lives holds it.

    Such a lock can't be taken from its holder: the system guards it until that process ends.
    """
    with _left_behind(path) as free:
        if free:
            path.unlink(missing_ok=True)
            return
        info = _holder(path)
        end = f"End that process (`kill {info.pid}`)" if info else "End that process"
        raise StateError(
            f"{locked_by(info, url=url).message}, which is alive: its lock can't be broken",
            hint=f"{end}, or wait for it; the lock goes with it.",
        )


@contextmanager
def _left_behind(path: Path) -> Iterator[bool]:
    """Whether nobody holds the lock file `path`, or there is none; in the block nobody begins to."""
    with explained("look at", path), ExitStack() as stack:
        try:
            descriptor = os.open(path, os.O_RDONLY | NOFOLLOW)
        except FileNotFoundError:
            yield True
            return
        stack.callback(os.close, descriptor)
        try:
            _flock(descriptor, shared=True)
        except BlockingIOError:
            yield False
        else:
            yield True


def _let_go(path: Path, descriptor: int) -> None:
    # In this order: nobody else can have locked the name that is removed.
    with suppress(OSError):
        path.unlink()
    os.close(descriptor)


def _flock(descriptor: int, *, shared: bool = False) -> None:
    """Locks the open file, alone or with others that only look; BlockingIOError when somebody holds it."""
    try:
        import fcntl
    except ImportError:
        raise StateError(
            "this platform has no file locks that a file: state could use",
            hint="Run reconciler on Linux, macOS or WSL.",
        ) from None

    fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)


def _try_lock(path: Path) -> int | None:
    """The descriptor of the locked file `path`; None when somebody else holds it."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | NOFOLLOW, 0o600)
        try:
            _flock(descriptor)
            # The holder before us may have removed the name after we opened it: a lock on nothing.
            if os.path.samestat(os.fstat(descriptor), path.stat()):
                return descriptor
        except BlockingIOError:
            os.close(descriptor)
            return None
        except FileNotFoundError:
            pass
        except (OSError, StateError):
            os.close(descriptor)
            raise
        os.close(descriptor)


def _holder(path: Path) -> LockInfo | None:
    try:
        line, _, _ = path.read_bytes().partition(b"\n")
        return decode_lock(parse(line))
    except (OSError, ValueError, RecursionError):
        return None
