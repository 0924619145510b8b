"""Uploads: streamed from disk, over a real socket, and never with content that was not planned."""

import asyncio
import hashlib
import re
import tracemalloc
from collections.abc import Awaitable, Callable
from dataclasses import replace
from email import message_from_bytes
from email.policy import HTTP
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.errors import Refused, Unclear
from reconciler.providers.http.filebody import CHUNK, FileBody, FileChangedError, disposition, multipart
from reconciler.providers.pulse.client import PulseClient
from reconciler.providers.pulse.kind import connect
from tests.providers.canned_server import (
    SETTINGS,
    Canned,
    Connection,
    RawServer,
    answer,
    client,
    raw_server,
    whole,
)


def body(path: Path, content: bytes) -> FileBody:
    path.write_bytes(content)
    return FileBody(path, len(content), hashlib.sha256(content).hexdigest())


def against(
    handler: Callable[[Connection], Awaitable[None]], send: Callable[[PulseClient], Awaitable[None]]
) -> RawServer:
    async def main() -> RawServer:
        async with raw_server(handler) as server, connect(replace(SETTINGS, url=server.url)) as provider:
            await send(provider.reads)
        return server

    return asyncio.run(main())


async def created(connection: Connection) -> None:
    await connection.reply(200, {"uuid": "p1"})


CONTENTS = [b"", b"x", bytes(range(256)) * 10, b"a" * CHUNK, b"b" * (2 * CHUNK + 17)]


@pytest.mark.parametrize("content", CONTENTS, ids=len)
def test_streaming_sends_the_file_as_the_body(tmp_path: Path, content: bytes) -> None:
    file = body(tmp_path / "x.bin", content)

    async def send(to: PulseClient) -> None:
        assert await to.stream_package(file, name="fw 1.zip", description="d & ä [sha256:0]") == "p1"

    (seen,) = against(created, send).seen
    assert seen.line == "POST /api/programs/"
    assert seen.body == content
    assert seen.query == {"description": "d & ä [sha256:0]"}
    assert seen.headers["content-type"] == "application/octet-stream"
    assert seen.headers["content-disposition"] == 'attachment; filename="fw 1.zip"'
    assert seen.headers["content-length"] == str(len(content))
    assert "transfer-encoding" not in seen.headers


@pytest.mark.parametrize("content", CONTENTS, ids=len)
def test_multipart_sends_a_part_named_file_and_the_description(tmp_path: Path, content: bytes) -> None:
    file = body(tmp_path / "x.bin", content)

    async def send(to: PulseClient) -> None:
        assert await to.upload_package(file, name="fw.zip", description="d ä") == "p1"

    (seen,) = against(created, send).seen
    assert seen.line == "POST /api/programs/"
    assert seen.query == {}
    head = f"Content-Type: {seen.headers['content-type']}\r\n\r\n".encode()
    parts: Any = message_from_bytes(head + seen.body, policy=HTTP).get_payload()
    described, sent = parts
    assert described["Content-Disposition"] == 'form-data; name="description"'
    assert described.get_payload(decode=True).decode() == "d ä"
    assert sent["Content-Disposition"] == 'form-data; name="file"; filename="fw.zip"'
    assert sent.get_payload(decode=True) == content


def test_a_large_file_is_never_in_memory_as_a_whole(tmp_path: Path) -> None:
    file = body(tmp_path / "x.bin", b"z" * (24 * CHUNK))

    async def drain() -> int:
        await file.check()
        total = 0
        async for chunk in file.chunks():
            total += len(chunk)
        return total

    tracemalloc.start()
    try:
        assert asyncio.run(drain()) == 24 * CHUNK
        assert tracemalloc.get_traced_memory()[1] < 6 * CHUNK
    finally:
        tracemalloc.stop()


def spoil_content(path: Path) -> None:
    path.write_bytes(b"y" * path.stat().st_size)


def spoil_length(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"!")


@pytest.mark.parametrize("spoil", [spoil_content, spoil_length, Path.unlink])
@pytest.mark.parametrize("way", ["upload_package", "stream_package"])
def test_a_file_that_changed_since_the_plan_is_not_sent(
    tmp_path: Path, spoil: Callable[[Path], None], way: str
) -> None:
    file = body(tmp_path / "x.bin", b"x" * 100)
    spoil(file.path)
    canned = Canned(answer({"uuid": "p1"}))
    with pytest.raises(Refused, match=re.escape(str(file.path))) as caught:
        asyncio.run(getattr(client(canned), way)(file, name="x", description="d"))
    assert caught.value.request == "POST /api/programs/"
    assert caught.value.hint == "Plan again."
    assert canned.seen == []


def test_a_file_of_another_length_is_said_to_be_that(tmp_path: Path) -> None:
    file = body(tmp_path / "x.bin", b"x" * 100)
    spoil_length(file.path)
    with pytest.raises(FileChangedError, match=r"x\.bin has 101 bytes now, and had 100$"):
        asyncio.run(file.check())


@pytest.mark.parametrize("spoil", [spoil_content, spoil_length, Path.unlink])
def test_a_file_that_changes_on_its_way_never_arrives_as_a_whole(
    tmp_path: Path, spoil: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = body(tmp_path / "x.bin", b"x" * (3 * CHUNK))

    async def spoil_after_the_check(_: FileBody) -> None:
        spoil(file.path)

    monkeypatch.setattr(FileBody, "check", spoil_after_the_check)

    async def send(to: PulseClient) -> None:
        with pytest.raises(Refused, match=re.escape(str(file.path))):
            await to.stream_package(file, name="x", description="d")

    assert against(created, send).seen == [], "no whole request arrived"


def test_a_file_that_gets_shorter_on_its_way_is_noticed(tmp_path: Path) -> None:
    file = body(tmp_path / "x.bin", b"x" * 10)
    file.path.write_bytes(b"x" * 9)
    with pytest.raises(FileChangedError, match="has changed"):
        asyncio.run(whole(file))


def test_a_file_that_cannot_be_read_on_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def read(self, _: int) -> bytes:
            raise OSError(5, "Input/output error")

        def close(self) -> None:
            pass

    file = body(tmp_path / "x.bin", b"x" * 10)
    monkeypatch.setattr(Path, "open", lambda *_: Broken())
    with pytest.raises(FileChangedError, match="can't be read any more: Input/output error"):
        asyncio.run(whole(file))


def test_an_upload_that_is_cut_is_unclear_and_seen_once(tmp_path: Path) -> None:
    file = body(tmp_path / "x.bin", b"x" * 1000)

    async def cut(connection: Connection) -> None:
        connection.cut()

    async def send(to: PulseClient) -> None:
        with pytest.raises(Unclear):
            await to.upload_package(file, name="x", description="d")

    assert len(against(cut, send).seen) == 1


def test_an_upload_goes_out_again_after_a_new_sign_in(tmp_path: Path) -> None:
    from reconciler.settings import TokenFile

    file, token = body(tmp_path / "x.bin", b"x" * 1000), tmp_path / "token"
    token.write_text("old")

    async def reply(connection: Connection) -> None:
        if connection.seen.headers["authorization"] == "Bearer new":
            await connection.reply(200, {"id": "p1"})
        else:
            token.write_text("new")
            await connection.reply(401, b"")

    async def main() -> list[bytes]:
        async with raw_server(reply) as server:
            settings = replace(SETTINGS, url=server.url, auth=TokenFile(token))
            async with connect(settings) as provider:
                assert await provider.reads.stream_package(file, name="x", description="d") == "p1"
            return [seen.body for seen in server.seen]

    assert asyncio.run(main()) == [b"x" * 1000] * 2


# --- names ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("fw.zip", 'attachment; filename="fw.zip"'),
        ('a"b\\c.zip', 'attachment; filename="a\\"b\\\\c.zip"'),
        ("é.zip", "attachment; filename=\"_.zip\"; filename*=UTF-8''%C3%A9.zip"),
        ("a\r\nX: y", "attachment; filename=\"a__X: y\"; filename*=UTF-8''a%0D%0AX%3A%20y"),
    ],
)
def test_any_file_name_may_stand_in_a_header(name: str, header: str) -> None:
    assert disposition(name) == header


@given(st.text(min_size=1))
def test_no_file_name_breaks_out_of_its_header_or_part(name: str) -> None:
    if any("\ud800" <= c <= "\udfff" for c in name):
        return
    assert disposition(name).isascii()
    assert disposition(name).isprintable()
    _, framed = multipart(FileBody(Path("x"), 1, ""), filename=name, fields={"description": "d"})
    assert framed.head.count(b"\r\n\r\n") == 2
    assert framed.head.count(b"Content-Disposition") == 2 + name.count("Content-Disposition")


def test_each_form_has_a_boundary_of_its_own() -> None:
    kinds: set[Any] = {
        multipart(FileBody(Path("x"), 1, ""), filename="x", fields={"description": "d"})[0] for _ in range(9)
    }
    assert len(kinds) == 9
