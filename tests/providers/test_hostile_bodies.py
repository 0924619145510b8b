"""Answers that are too much: bombs, bodies and lists without end, deep nesting. Over TCP, both engines."""

import asyncio
import gzip
import hashlib
import json
import resource
import sys
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from reconciler.errors import ReconcilerError, Refusal, Refused, ServerError, Unclear
from reconciler.pacing import Backoff
from reconciler.providers.base import Provider
from reconciler.providers.http.answerbody import AnswerReader, AnswerTooLarge, Undecodable
from reconciler.providers.http.filebody import FileBody
from reconciler.providers.http.transport import TooMuch
from reconciler.providers.pulse.kind import connect
from reconciler.settings import Engine
from tests.providers.canned_server import SETTINGS, Connection, RawServer, raw_server

CAMPAIGN = {"id": "c1", "name": "x", "status": "CREATED"}
FAST = Backoff(base=0.001, random=lambda: 1.0, attempts=3)
MIB = 1 << 20

Handler = Callable[[Connection], Awaitable[None]]


@pytest.fixture(params=list(Engine), ids=str)
def engine(request: pytest.FixtureRequest) -> Engine:
    found: Engine = request.param
    return found


def failure(
    engine: Engine, handler: Handler, call: Callable[[Provider], Awaitable[Any]], **settings: Any
) -> tuple[ReconcilerError, RawServer]:
    """What `call` fails with against a server that answers with `handler`."""

    async def main() -> tuple[ReconcilerError, RawServer]:
        async with raw_server(handler) as server:
            known = replace(SETTINGS, url=server.url, engine=engine, **settings)
            async with connect(known, backoff=FAST) as provider:
                with pytest.raises(ReconcilerError) as caught:
                    await call(provider)
        return caught.value, server

    return asyncio.run(main())


async def get(provider: Provider) -> object:
    return await provider.reads.campaign("c1")


async def lists(provider: Provider) -> object:
    return await provider.reads.campaigns()


async def members(provider: Provider) -> object:
    return await provider.reads.gateways("c1")


async def start(provider: Provider) -> object:
    return await provider.reads.start_campaign("c1")  # type: ignore[attr-defined]


def head(*lines: str, status: int = 200) -> bytes:
    return "\r\n".join((f"HTTP/1.1 {status} X", *lines, "", "")).encode()


@cache
def bomb(mebibytes: int, layers: int = 1) -> bytes:
    packer = zlib.compressobj(9, wbits=31)
    packed = b"".join([*(packer.compress(b" " * MIB) for _ in range(mebibytes)), packer.flush()])
    for _ in range(layers - 1):
        packed = gzip.compress(packed)
    return packed


def zip_bomb(encoding: str, layers: int) -> Handler:
    packed = bomb(100, layers)

    async def reply(connection: Connection) -> None:
        length = f"Content-Length: {len(packed)}"
        await connection.send(head(length, f"Content-Encoding: {encoding}") + packed)

    return reply


async def announced(connection: Connection) -> None:
    await connection.send(head(f"Content-Length: {10**15}") + b"[")
    await asyncio.sleep(5)


async def announced_beyond_numbers(connection: Connection) -> None:
    await connection.send(head(f"Content-Length: {'9' * 30}") + b"[")
    connection.writer.close()


async def endless(connection: Connection) -> None:
    await connection.send(head("Transfer-Encoding: chunked"))
    piece = b"100000\r\n" + b" " * MIB + b"\r\n"
    while True:
        await connection.send(piece)


async def until_closed(connection: Connection) -> None:
    await connection.send(head("Connection: close"))
    while True:
        await connection.send(b" " * MIB)


TOO_MUCH: dict[str, Handler] = {
    "gzip": zip_bomb("gzip", 1),
    "gzip in gzip": zip_bomb("gzip, gzip", 2),
    "announced": announced,
    "chunks without end": endless,
    "until it closes": until_closed,
}


@pytest.mark.parametrize("what", TOO_MUCH)
def test_what_is_too_large_is_left_and_named(what: str, engine: Engine) -> None:
    error, server = failure(engine, TOO_MUCH[what], get, max_answer_megabytes=8)
    assert isinstance(error, TooMuch)
    assert error.message == "GET /api/campaigns/c1: the answer is larger than 8 MiB"
    assert "server.maxAnswerMegabytes" in (error.hint or "")
    assert len(server.seen) == 1, "it would be as large once more"


@pytest.mark.parametrize("what", TOO_MUCH)
def test_to_a_write_it_is_unclear(what: str, engine: Engine) -> None:
    error, server = failure(engine, TOO_MUCH[what], start, max_answer_megabytes=8)
    assert isinstance(error, Unclear)
    assert len(server.seen) == 1


def test_numbers_beyond_all_are_no_bug(engine: Engine) -> None:
    error, _ = failure(engine, announced_beyond_numbers, get)
    assert isinstance(error, Unclear)


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("status", [400, 404, 500])
def test_words_of_an_error_are_read_no_further(status: int, layers: int, engine: Engine) -> None:
    packed = bomb(100, layers)
    encoding = ", ".join(["gzip"] * layers)

    async def reply(connection: Connection) -> None:
        lines = (f"Content-Length: {len(packed)}", f"Content-Encoding: {encoding}")
        await connection.send(head(*lines, status=status) + packed)

    error, _ = failure(engine, reply, lists)
    assert isinstance(error, ServerError)
    assert error.status == status


@pytest.mark.parametrize("status", [400, 503])
def test_an_error_without_end_is_what_its_status_says(status: int, engine: Engine) -> None:
    async def reply(connection: Connection) -> None:
        await connection.send(head("Transfer-Encoding: chunked", status=status))
        piece = b"100000\r\n" + b"no " * (MIB // 3) + b"!\r\n"
        while True:
            await connection.send(piece)

    error, _ = failure(engine, reply, lists)
    assert isinstance(error, Refused if status == 400 else Unclear)
    assert "no no no" in error.message


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [
        ("gzip", gzip.compress(json.dumps(CAMPAIGN).encode(), mtime=0)),
        ("x-gzip", gzip.compress(json.dumps(CAMPAIGN).encode(), mtime=0)),
        ("GZIP", gzip.compress(b" " * 9, mtime=0) + gzip.compress(json.dumps(CAMPAIGN).encode(), mtime=0)),
        ("gzip", gzip.compress(json.dumps(CAMPAIGN).encode(), mtime=0) + b"left over"),
        ("deflate", zlib.compress(json.dumps(CAMPAIGN).encode())),
        ("deflate", zlib.compress(json.dumps(CAMPAIGN).encode())[2:-4]),
        ("identity", json.dumps(CAMPAIGN).encode()),
        ("deflate, gzip", gzip.compress(zlib.compress(json.dumps(CAMPAIGN).encode()), mtime=0)),
    ],
)
def test_what_was_asked_for_is_unpacked(encoding: str, packed: bytes, engine: Engine) -> None:
    async def reply(connection: Connection) -> None:
        await connection.reply(200, packed, {"Content-Encoding": encoding})

    async def main() -> None:
        async with raw_server(reply) as server:
            known = replace(SETTINGS, url=server.url, engine=engine)
            async with connect(known, backoff=FAST) as provider:
                found = await provider.reads.campaign("c1")
                assert found is not None
                assert found.name == "x"
            assert server.seen[0].headers["accept-encoding"] == "gzip, deflate"

    asyncio.run(main())


@pytest.mark.parametrize(
    ("encoding", "packed", "words"),
    [
        ("br", b"xx", "packed as 'br'"),
        ("gzip", b"no gzip", "says that it is gzip, and isn't"),
        ("gzip", gzip.compress(json.dumps(CAMPAIGN).encode(), mtime=0)[:-9], "ends too early"),
        ("gzip, gzip, gzip", b"xx", "packed 3 times over"),
    ],
)
def test_what_cant_be_unpacked_says_how(encoding: str, packed: bytes, words: str, engine: Engine) -> None:
    async def reply(connection: Connection) -> None:
        await connection.reply(200, packed, {"Content-Encoding": encoding})

    error, _ = failure(engine, reply, get)
    assert isinstance(error, Unclear)
    assert words in error.message


# --- JSON ------------------------------------------------------------------------------------------

DEEP = {
    "lists": b"[" * 100_000 + b"]" * 100_000,
    "objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "an error in it": b'{"error":' * 900 + b'"x"' + b"}" * 900,
    "open": b"[" * 1_000_000,
    "a long number": b'{"id": ' + b"9" * 10_000 + b"}",
    "infinity": b'{"id": 1e999, "name": NaN}',
    "surrogates": b'{"id": "c1", "name": "\\ud800"}',
}


@pytest.mark.parametrize("status", [200, 400, 500])
@pytest.mark.parametrize("what", DEEP)
def test_deep_json_is_an_error_of_ours(what: str, status: int, engine: Engine) -> None:
    async def reply(connection: Connection) -> None:
        await connection.reply(status, DEEP[what])

    for call in (lists, members, start):
        if status == 200 and call is start:
            continue
        error, _ = failure(engine, reply, call)
        assert isinstance(error, ServerError)
        assert len(error.message) < 400


def test_more_values_than_memory_has(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    async def reply(connection: Connection) -> None:
        await connection.reply(200, b"[" + b"[]," * (2 << 20) + b"[]]")

    monkeypatch.setattr("reconciler.providers.http.shape.MOST_VALUES", 1_000_000)
    error, _ = failure(engine, reply, lists)
    assert isinstance(error, Unclear)
    assert "JSON of at most 1,000,000 values" in error.message


# --- what is too large for the server ----------------------------------------------------------------


async def too_large(connection: Connection) -> None:
    await connection.reply(413, b"request entity too large")


def test_what_is_too_large_for_the_server_names_the_setting(engine: Engine) -> None:
    async def adds(provider: Provider) -> None:
        await provider.reads.add_gateways("c1", ["g1"])  # type: ignore[attr-defined]

    error, server = failure(engine, too_large, adds)
    assert isinstance(error, Refused)
    assert Refusal.TOO_LARGE in error.meaning
    assert "server.batchSize" in (error.hint or "")
    assert len(server.seen) == 1


def test_a_package_that_is_too_large_names_the_limit(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "fw.bin"
    path.write_bytes(b"content")
    body = FileBody(path, 7, hashlib.sha256(b"content").hexdigest())

    async def uploads(provider: Provider) -> None:
        await provider.reads.upload_package(body, name="fw.bin", description="d")  # type: ignore[attr-defined]

    error, _ = failure(engine, too_large, uploads)
    assert "takes no body of that size" in (error.hint or "")


# --- lists without end -----------------------------------------------------------------------------


def rows(number: int, size: int, name: str = "n") -> list[dict[str, str]]:
    return [{"id": f"{number}-{each}", "gatewayId": f"{number}-{each}", "name": name} for each in range(size)]


def paged(make: Callable[[int], object]) -> Handler:
    async def reply(connection: Connection) -> None:
        await connection.reply(200, make(int(connection.seen.query.get("page.number", "0"))))

    return reply


def keyed(found: list[dict[str, str]], **page: object) -> dict[str, object]:
    return {"campaigns": found, "gateways": found, "page": page}


ENDLESS: dict[str, tuple[Callable[[int], object], str]] = {
    "no totals": (lambda n: keyed(rows(n, 50)), "still goes on"),
    "bare lists": (lambda n: rows(n, 50), "still goes on"),
    "a total of 10^18": (
        lambda n: keyed(rows(n, 50), totalElements=10**18),
        "1,000,000,000,000,000,000 items",
    ),
    "a total of 10^18 in digits": (lambda n: keyed(rows(n, 5), totalElements="9" * 18), "items"),
    "a total beyond numbers": (lambda n: keyed(rows(n, 5), totalElements=10**60), "more than 10^24"),
    "a total that grows": (lambda n: keyed(rows(n, 5), totalElements=(n + 2) * 5), "still goes on"),
    "a total that runs away": (lambda n: keyed(rows(n, 5), totalElements=100 * 4**n), "items"),
    "a large page of few": (lambda n: keyed(rows(n, 2, "n" * 200_000)), "MiB came"),
    "a total of one a page": (lambda n: keyed(rows(n, 1), totalElements=500_000), "its pages have 1"),
    "pages that come again": (lambda n: keyed(rows(n % 3, 50), totalElements=900_000), "900000 items"),
    "empty pages": (lambda n: keyed([], totalElements=1_900_000), "items"),
}


@pytest.mark.parametrize("call", [lists, members], ids=lambda call: call.__name__)
@pytest.mark.parametrize("what", ENDLESS)
def test_a_list_without_end_is_given_up(
    what: str, call: Callable[[Provider], Awaitable[Any]], engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reconciler.providers.http.paging.PAGES_WITHOUT_TOTAL", 60)
    make, words = ENDLESS[what]
    error, server = failure(engine, paged(make), call, max_answer_megabytes=1)
    assert isinstance(error, ServerError)
    assert "the list can't be read as a whole" in error.message
    assert words in error.message
    assert len(server.seen) < 500


def test_more_items_than_any_list_has(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reconciler.providers.http.paging.MOST_ITEMS", 1_000)
    error, server = failure(engine, paged(lambda n: keyed(rows(n, 50))), members)
    assert "items came, and it still goes on" in error.message
    assert len(server.seen) < 30


def test_a_list_is_read_as_far_as_the_setting_says(engine: Engine) -> None:
    error, _ = failure(
        engine, paged(lambda n: keyed(rows(n, 40, "n" * 50_000))), lists, max_answer_megabytes=1
    )
    assert "the answer is larger than 1 MiB" in error.message


# --- memory ----------------------------------------------------------------------------------------


def test_bombs_side_by_side_stay_small(engine: Engine) -> None:
    """200 MiB each, 16 at a time: what is held is bounded by the limit."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    handler = TOO_MUCH["gzip"]

    async def many(provider: Provider) -> None:
        found = await asyncio.gather(*(get(provider) for _ in range(16)), return_exceptions=True)
        assert all(isinstance(each, TooMuch) for each in found)
        raise ReconcilerError("as expected")

    failure(engine, handler, many, max_answer_megabytes=8)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 200 * (1 << 10 if sys.platform != "darwin" else 1 << 20)


async def _pieces(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


def test_the_reader_alone() -> None:
    reader = AnswerReader(10)

    async def read(
        *pieces: bytes, status: int = 200, length: str | None = None, encoding: str | None = None
    ) -> bytes:
        return await reader.read(status, length, encoding, _pieces(*pieces))

    assert asyncio.run(read(b"12345", b"67890", length="10")) == b"1234567890"
    assert asyncio.run(read()) == b""
    assert asyncio.run(read(encoding="gzip")) == b""
    assert asyncio.run(read(b"x", length="no number")) == b"x"
    assert asyncio.run(read(b"12345678901", status=500)) == b"12345678901"
    assert asyncio.run(read(b"junk", status=500, encoding="br")) == b""
    for pieces, length in (((b"12345", b"678901"), None), ((), "11"), ((), "0" * 30 + "11")):
        with pytest.raises(AnswerTooLarge):
            asyncio.run(read(*pieces, length=length))
    with pytest.raises(AnswerTooLarge):  # packed larger than it is
        asyncio.run(read(gzip.compress(b"") * 5, encoding="gzip"))
    with pytest.raises(Undecodable):
        asyncio.run(read(b"\x1f\x8b", encoding="gzip"))


def test_only_a_few_large_answers_are_read_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many small ones came before, and whatever became of the large ones."""
    monkeypatch.setattr("reconciler.providers.http.answerbody._SMALL", 10)
    now = most = 0

    async def large(*, broken: bool) -> AsyncIterator[bytes]:
        nonlocal now, most
        yield b"x" * 11
        now, most = now + 1, max(most, now + 1)
        for _ in range(5):
            await asyncio.sleep(0)
        now -= 1
        if broken:
            raise ConnectionError
        yield b"x"

    async def main() -> None:
        reader = AnswerReader(100)
        for _ in range(9):
            assert await reader.read(200, None, None, _pieces(b"x" * 10)) == b"x" * 10
        reads = (reader.read(200, None, None, large(broken=n % 2 == 0)) for n in range(12))
        found = await asyncio.gather(*reads, return_exceptions=True)
        assert [each for each in found if isinstance(each, bytes)] == [b"x" * 12] * 6

    asyncio.run(main())
    assert most == 4
