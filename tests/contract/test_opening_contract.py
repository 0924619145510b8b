"""Whatever is set for a connection arrives where it has its effect, whichever kind of server it is."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reconciler.errors import ServerError
from reconciler.pacing import Backoff, RateLimiter
from reconciler.providers.base import Provider
from reconciler.providers.hawkbit import kind as hawkbit
from reconciler.providers.http.paging import LIST_ANSWERS
from reconciler.providers.http.transport import Request, Response
from reconciler.providers.opening import kind_of, opened
from reconciler.providers.pulse import kind as pulse
from reconciler.settings import Engine, ServerSettings
from tests.providers.canned_server import Canned, answer

KINDS: dict[str, Any] = {"pulse": pulse, "hawkbit": hawkbit}
WAYS: dict[str, Callable[[Any, ServerSettings], Callable[..., AbstractAsyncContextManager[Provider]]]] = {
    "by its module": lambda module, settings: lambda **how: module.connect(settings, **how),
    "by its kind": lambda module, settings: (
        lambda **how: {"pulse": pulse.Pulse, "hawkbit": hawkbit.Hawkbit}[settings.provider]().connect(
            settings, **how
        )
    ),
    "by its name": lambda module, settings: lambda **how: opened(settings, **how),
}
SETTINGS = ServerSettings(
    url="http://server.example.com/",
    api_version="1",
    ca_file=Path("ca.pem"),
    timeout=7.0,
    engine=Engine.AIOHTTP,
    max_answer_megabytes=3,
    page_size=11,
    max_requests_per_second=1000,
)


class Counting(RateLimiter):
    """A limiter that counts whose turn it was."""

    turns = 0

    async def acquire(self) -> None:
        self.turns += 1


class Slow:
    """A transport that counts how many requests are under way."""

    def __init__(self) -> None:
        self.now = self.most = 0

    async def send(self, request: Request) -> Response:
        self.now += 1
        self.most = max(self.most, self.now)
        for _ in range(5):
            await asyncio.sleep(0)
        self.now -= 1
        return answer(b"", 404)


@pytest.fixture(params=KINDS)
def name(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


def connecting(name: str, way: str, transport: Any, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, list[Any]]:
    """How to connect with a server of this kind over `transport`, and how its engine was opened."""
    how: list[Any] = []

    @asynccontextmanager
    async def engine(*what: Any, **more: Any) -> AsyncIterator[Any]:
        how.append((what, more))
        yield transport

    monkeypatch.setattr(KINDS[name], "open_engine", engine)
    return WAYS[way](KINDS[name], replace(SETTINGS, provider=name)), how


def test_an_engine_is_opened_as_the_settings_say(
    name: str, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect, how = connecting(name, way, Slow(), monkeypatch)
    app: Any = object()

    async def main() -> None:
        async with connect(app=app, parallelism=5):
            pass

    asyncio.run(main())
    assert how == [
        (
            ("http://server.example.com",),
            {
                "app": app,
                "ca_file": Path("ca.pem"),
                "timeout": 7.0,
                "most": 3 << 20,
                "connections": 5,
                "engine": Engine.AIOHTTP,
            },
        )
    ]


@pytest.mark.parametrize("parallelism", [1, 3, 20])
def test_so_many_requests_are_under_way_at_most(
    name: str, way: str, parallelism: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = Slow()
    connect, _ = connecting(name, way, slow, monkeypatch)

    async def main() -> None:
        async with connect(parallelism=parallelism, limiter=RateLimiter()) as provider:
            await asyncio.gather(*(provider.reads.campaign(str(n)) for n in range(40)))

    asyncio.run(main())
    assert slow.most == parallelism


def test_requests_go_in_their_turn_and_are_sent_again_as_it_is_said(
    name: str, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    canned, limiter = Canned(answer(b"", 503)), Counting()
    connect, _ = connecting(name, way, canned, monkeypatch)

    async def main() -> None:
        backoff = Backoff(base=0.0, attempts=3)
        async with connect(backoff=backoff, limiter=limiter) as provider:
            with pytest.raises(ServerError):
                await provider.reads.campaign("1")
            if way == "by its name":
                assert provider.pace is limiter

    asyncio.run(main())
    assert (len(canned.seen), limiter.turns) == (3, 3)


def test_each_part_reads_in_pages_as_they_are_set(
    name: str, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = {"content": [], "total": 0} if name == "hawkbit" else {"page": {"totalElements": 0}}
    canned = Canned(answer(empty))
    connect, _ = connecting(name, way, canned, monkeypatch)

    async def main() -> None:
        async with connect(parallelism=5) as provider:
            assert await provider.reads.campaigns() == await provider.questions.package_infos() == ()
            for part in (provider.reads, provider.questions):
                assert (part.page_size, part.parallelism) == (11, 5)
                assert part.most_bytes == LIST_ANSWERS * 3 << 20
            assert provider.server == replace(SETTINGS, provider=name).identity
            assert provider.answers is part.wire.answers

    asyncio.run(main())
    key = {"hawkbit": "limit", "pulse": "page.size"}[name]
    assert [dict(request.query)[key] for request in canned.seen] == ["11", "11"]


CHECKED: dict[str, tuple[dict[str, Any], list[tuple[str, str]]]] = {
    "pulse": (
        {"apiVersion": "1 2", "organization": "ü", "pageSize": 501, "editWhileStarted": "allow"},
        [
            ("apiVersion", "the API version is empty or holds a blank"),
            ("organization", "the organization is empty or holds a blank"),
        ],
    ),
    "hawkbit": (
        {"apiVersion": "1", "organization": "x", "pageSize": 501, "editWhileStarted": "allow"},
        [
            ("apiVersion", "apiVersion means nothing to this server: hawkBit has one version of its API"),
            ("organization", "organization means nothing to this server: the tenant follows from the user"),
            ("editWhileStarted", "editWhileStarted means nothing to this server: a rollout that runs takes"),
            ("pageSize", "a page of this server has 500 rows at most"),
        ],
    ),
}


def test_what_is_wrong_with_settings(name: str) -> None:
    kind, (values, wrong) = kind_of(name), CHECKED[name]
    found = list(kind.check(values))
    assert [(each, why[: len(begin)]) for (each, why), (_, begin) in zip(found, wrong, strict=True)] == wrong
    assert list(kind.check({})) == list(kind.check({"pageSize": 500, "url": "http://h"})) == []


def test_the_servers_clock_is_told(name: str, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    canned = Canned(answer(b"", 404, date="Thu, 01 Jan 2099 00:00:00 GMT"))
    connect, _ = connecting(name, way, canned, monkeypatch)

    async def main() -> None:
        async with connect() as provider:
            assert provider.ahead() is None
            assert await provider.reads.campaign("1") is None
            ahead = provider.ahead()
            assert ahead is not None
            assert ahead > 1e8

    asyncio.run(main())


@pytest.mark.parametrize("rate", [None, 4.0])
def test_without_a_limiter_the_declared_rate_is_kept(name: str, rate: float | None) -> None:
    async def main() -> None:
        async with opened(
            replace(SETTINGS, ca_file=None, provider=name, max_requests_per_second=rate)
        ) as one:
            assert one.pace is not None
            assert one.pace.rate == rate

    asyncio.run(main())
