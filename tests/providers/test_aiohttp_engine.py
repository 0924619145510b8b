"""What the aiohttp engine writes, byte by byte, and what it takes for an answer."""

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest

from reconciler import __version__
from reconciler.errors import Refused, Unclear
from reconciler.providers.http.engine import open_engine
from reconciler.providers.http.transport import Request, Transport
from reconciler.settings import Engine
from tests.providers.canned_server import Connection, raw_server


@pytest.mark.parametrize(
    "request_",
    [
        Request("GET\n", "/"),
        Request("GET x", "/"),
        Request("", "/"),
        Request("GET", "/a b"),
        Request("GET", "/a\r\nX: y"),
        Request("GET", "/ä"),
        Request("GET", "/", headers={"X": "a\r\nY: b"}),
        Request("GET", "/", headers={"X": "a\n"}),
        Request("GET", "/", headers={"X": "a\0"}),
        Request("GET", "/", headers={"X:": "a"}),
        Request("GET", "/", headers={"": "a"}),
        Request("GET", "/", headers={"X\r\nY": "a"}),
    ],
    ids=lambda request: repr((request.method, request.path, dict(request.headers))),
)
def test_what_no_request_may_hold_is_refused(request_: Request) -> None:
    """Before anything is sent: the server at the other end would see another request, or two."""

    async def main() -> None:
        async with raw_server(lambda connection: connection.reply()) as server:
            async with open_engine(server.url, engine=Engine.AIOHTTP) as transport:
                with pytest.raises(Refused, match="can't be sent"):
                    await transport.send(request_)
            assert server.seen == []

    asyncio.run(main())


def test_each_byte_of_a_request_of_aiohttp() -> None:
    came: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1 << 16):
            came.append(data)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    async def ask(transport: Transport) -> None:
        headers = {"Accept": "a/b", "X-Name": "ä"}
        await transport.send(Request("GET", "/a%2Fb", (("q", "ä b"), ("n", "1")), headers))
        await transport.send(Request("PUT", "/p", body=b'{"a":1}'))
        await transport.send(Request("DELETE", "/p"))

    asyncio.run(_asked(serve, ask, "/base/"))
    first, second, third = came
    every = b"User-Agent: reconciler/%s\r\nAccept-Encoding: gzip, deflate\r\n" % __version__.encode()
    host, x_name = first.split(b"\r\n")[1], "X-Name: ä\r\n".encode()
    assert host.startswith(b"Host: 127.0.0.1:")
    assert first == (
        b"GET /base/a%%2Fb?q=%%C3%%A4%%20b&n=1 HTTP/1.1\r\n%s\r\n%sAccept: a/b\r\n%s\r\n"
        % (host, every, x_name)
    )
    rest = b" /base/p HTTP/1.1\r\n%s\r\n%sAccept: */*\r\nContent-Length: " % (host, every)
    assert second == b'PUT%s7\r\n\r\n{"a":1}' % rest
    assert third == b"DELETE%s0\r\n\r\n" % rest


@pytest.mark.parametrize("engine", list(Engine), ids=str)
def test_what_is_said_before_an_answer_is_no_answer(engine: Engine) -> None:
    async def early(connection: Connection) -> None:
        await connection.send(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n")
        await asyncio.sleep(0.01)
        await connection.send(b"HTTP/1.1 102 Processing\r\n\r\n")
        await connection.reply(201, {"path": connection.seen.path})

    async def main() -> None:
        async with raw_server(early) as server, open_engine(server.url, engine=engine) as transport:
            for path in ("/1", "/2"):
                found = await transport.send(Request("PUT", path, body=b"{}"))
                assert (found.status, json.loads(found.body)) == (201, {"path": path})

    asyncio.run(main())


@pytest.mark.parametrize("engine", list(Engine), ids=str)
def test_an_answer_that_nobody_asked_for_is_taken_for_none(engine: Engine) -> None:
    """It came on a kept connection, after the answer to the request before."""

    async def chatty(connection: Connection) -> None:
        await connection.reply(200, {"path": connection.seen.path})
        await asyncio.sleep(0.02)
        await connection.reply(200, {"path": "nobody asked"})

    async def main() -> None:
        async with raw_server(chatty) as server, open_engine(server.url, engine=engine) as transport:
            for path in ("/1", "/2", "/3"):
                found = await transport.send(Request("PUT", path, body=b"{}"))
                assert json.loads(found.body) == {"path": path}
                await asyncio.sleep(0.1)

    asyncio.run(main())


def test_a_server_that_speaks_first_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is no HTTP server; another connection would begin in the same way."""
    connect = aiohttp.TCPConnector.connect

    async def slowly(*arguments: Any) -> aiohttp.connector.Connection:
        connection = await connect(*arguments)
        await asyncio.sleep(0.05)
        return connection

    monkeypatch.setattr(aiohttp.TCPConnector, "connect", slowly)
    came: list[object] = []

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.append(writer)
        writer.write(b"SSH-2.0-OpenSSH\r\n")
        await reader.read()

    async def ask(transport: Transport) -> None:
        with pytest.raises(Unclear, match="no answer that can be read"):
            await transport.send(Request("PUT", "/"))

    asyncio.run(_asked(greet, ask))
    assert len(came) == 1


def test_a_no_that_comes_before_all_of_a_body_was_taken_is_heard() -> None:
    over = asyncio.Event()

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        await over.wait()

    async def ask(transport: Transport) -> None:
        found = await transport.send(Request("PUT", "/", body=b" " * (32 << 20)))
        over.set()
        assert found.status == 413

    asyncio.run(_asked(refuse, ask))


async def _asked(
    serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
    ask: Callable[[Transport], Awaitable[None]],
    path: str = "",
) -> None:
    """`ask` a server whose connections are served by `serve`, and then closed on both sides."""
    open_ones: set[asyncio.Future[None]] = set()

    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_ones.add(closed := asyncio.get_running_loop().create_future())
        with contextlib.suppress(ConnectionError):
            await serve(reader, writer)
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
        closed.set_result(None)

    server = await asyncio.start_server(served, "127.0.0.1", 0)
    async with server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}{path}"
        async with open_engine(url, engine=Engine.AIOHTTP, timeout=5) as transport:
            await ask(transport)
        await asyncio.gather(*open_ones)
