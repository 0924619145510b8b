"""What a test changes in a process of its own, before the command line begins: see `e2e_forks`."""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FunctionType, ModuleType
from typing import Any

OnRecord = Callable[[], object]
OnDisk = Callable[[str, tuple[Any, ...]], object]


def hurry(factor: float) -> None:
    """Every wait of the process takes the `factor`-th part of its time, and so does every time limit."""
    import asyncio

    from reconciler.providers.http.sender import Sender

    def clock(*_: object) -> float:
        return time.monotonic() * factor

    asyncio.BaseEventLoop.time = clock  # type: ignore[method-assign]
    sys.modules["uvloop"] = None  # type: ignore[assignment] # it has a clock of its own
    defaults = Sender.__init__.__kwdefaults__
    assert defaults is not None
    defaults["clock"] = clock


def clock_stands(seconds: float) -> None:
    """It is that time, and stays so; waits take their time all the same."""
    real = time.time

    def stands() -> float:
        return seconds

    time.time = stands
    # Who takes a clock took that one when it was imported.
    for name, module in list(sys.modules.items()):
        if name.startswith("reconciler."):
            for function in _functions(module):
                default, named = function.__defaults__ or (), function.__kwdefaults__ or {}
                if real in default:
                    function.__defaults__ = tuple(stands if each is real else each for each in default)
                named.update({key: stands for key, each in named.items() if each is real})


def _functions(module: ModuleType) -> Iterator[FunctionType]:
    for each in list(vars(module).values()):
        inside = list(vars(each).values()) if isinstance(each, type) else [each]
        yield from (one for one in inside if isinstance(one, FunctionType))


def ignore(kind: int) -> None:
    """The process was told to ignore that signal."""
    signal.signal(kind, signal.SIG_IGN)


def count(path: str) -> None:
    """Write an `r` for every record into the file `path`, and a `d` for all that changes the disk."""
    descriptor, write = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND), os.write
    _each_record(before=lambda: write(descriptor, b"r"))
    _each_on_disk(lambda *_: write(descriptor, b"d"))


def die_at_record(at: int, moment: str) -> None:
    """Die before or after the so-manieth record is written."""
    last = _countdown(at)
    _each_record(**{moment: lambda: last() and _die()})


def die_at_disk(at: int, moment: str) -> None:
    """Die before something on the disk is changed; "after": in the middle of it, where it is a write."""
    last, write = _countdown(at), os.write

    def on_disk(name: str, arguments: tuple[Any, ...]) -> None:
        if last():
            if name == "write" and moment == "after":
                descriptor, data = arguments
                write(descriptor, bytes(data)[: len(data) // 2])
            _die()

    _each_on_disk(on_disk)


def _countdown(at: int) -> Callable[[], bool]:
    left = iter(range(at - 1, -1, -1))
    return lambda: next(left) == 0


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class _Watched:
    """Something whose one method is another one; all else is as it is."""

    def __init__(self, real: Any, **methods: Any) -> None:
        self.__dict__.update(methods, _real=real)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


def _each_record(before: OnRecord = lambda: None, after: OnRecord = lambda: None) -> None:
    """Have something done before and after every record that says something."""
    from reconciler.state import stores

    real = stores.open_store

    def open_store(*arguments: Any, **more: Any) -> Any:
        store = real(*arguments, **more)

        @contextmanager
        def locked(*arguments: Any, **more: Any) -> Iterator[Any]:
            with store.locked(*arguments, **more) as session:

                def record(*events: Any, **more: Any) -> None:
                    if events:
                        before()
                    session.record(*events, **more)
                    if events:
                        after()

                yield _Watched(session, record=record)

        return _Watched(store, locked=locked)

    stores.open_store = open_store


def _each_on_disk(before: OnDisk) -> None:
    """Have something done before all that changes the disk; it is told what is about to be done."""
    for name in ("write", "pwrite", "fsync", "truncate", "replace", "rename", "unlink"):
        _watch(name, getattr(os, name), before)


def _watch(name: str, real: Any, before: OnDisk) -> None:
    def watched(*arguments: Any, **more: Any) -> Any:
        before(name, arguments)
        return real(*arguments, **more)

    setattr(os, name, watched)


def impatient() -> None:
    """Nothing is sent more than twice, and nobody waits for that."""
    from reconciler.pacing import Backoff

    def quick(self: Backoff, attempts: int, asked: float | None = None, waited: float = 0.0) -> float | None:
        return 0.0 if attempts < 2 else None

    Backoff.__call__ = quick  # type: ignore[method-assign]


def crash(method: str) -> None:
    """A bug in a method of the client: what it raises holds all that it was given, secrets in the open."""
    from reconciler.model import Secret
    from reconciler.providers.pulse.client import PulseClient

    async def buggy(self: Any, *arguments: Any, **more: Any) -> None:
        settings = more.get("settings") or {}
        opened = [value.reveal() for value in settings.values() if isinstance(value, Secret)]
        raise ValueError(f"{arguments} {more} {opened} {self._wire._sender.secrets}")

    setattr(PulseClient, method, buggy)


def crash_for_one(method: str) -> None:
    """A bug in a method of the client, for the first campaign that it is called with and for no other."""
    from reconciler.providers.pulse.client import PulseClient

    as_it_was = getattr(PulseClient, method)
    met: list[str] = []

    async def buggy(self: Any, campaign_id: str, *arguments: Any, **more: Any) -> Any:
        met.append(campaign_id)
        if campaign_id == met[0]:
            raise ValueError(f"{arguments} {more}")
        return await as_it_was(self, campaign_id, *arguments, **more)

    setattr(PulseClient, method, buggy)


def leak() -> None:
    """What a server repeats is said as it is."""
    from reconciler.hiding import Hiding

    Hiding.__call__ = lambda self, text: text  # type: ignore[method-assign]


def at_once() -> None:
    """Who doesn't say how long things take to settle looks for them once."""
    from dataclasses import MISSING, fields

    from reconciler.settings import ServerSettings

    names = [
        each.name for each in fields(ServerSettings) if not each.default is each.default_factory is MISSING
    ]
    made = ServerSettings.__init__
    assert made.__defaults__ is not None
    values = dict(zip(names, made.__defaults__, strict=True))
    made.__defaults__ = tuple({**values, "settle": 0.0}.values())
    assert ServerSettings().settle == 0.0
