"""What the aiohttp engine writes, byte by byte, and what it takes for an answer."""

import asyncio
import json
from contextlib import closing, suppress

import pytest

from reconciler import __version__
from reconciler.errors import Refused
from reconciler.providers.http.engine import open_engine
from reconciler.providers.http.transport import Request
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
    async def main() -> list[bytes]:
        came: list[bytes] = []

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while data := await reader.read(1 << 16):
                came.append(data)
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server, open_engine(_url(server, "/base/"), engine=Engine.AIOHTTP) as transport:
            headers = {"Accept": "a/b", "X-Name": "ä"}
            await transport.send(Request("GET", "/a%2Fb", (("q", "ä b"), ("n", "1")), headers))
            await transport.send(Request("PUT", "/p", body=b'{"a":1}'))
            await transport.send(Request("DELETE", "/p"))
        return came

    first, second, third = asyncio.run(main())
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


def test_a_no_that_comes_before_all_of_a_body_was_taken_is_heard() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        await asyncio.sleep(0.5)
        writer.close()

    async def main() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server, open_engine(_url(server), engine=Engine.AIOHTTP, timeout=5) as transport:
            found = await transport.send(Request("PUT", "/", body=b" " * (32 << 20)))
            assert found.status == 413

    asyncio.run(main())


@pytest.mark.parametrize(
    ("engine", "late"), [(Engine.AIOHTTP, False), (Engine.AIOHTTP, True), (Engine.HTTPX, True)], ids=str
)
def test_what_comes_behind_an_answer_is_not_the_next_one(engine: Engine, late: bool) -> None:
    """In one piece with it, or while the connection rests. (Of the first httpx gives no sign.)"""

    async def main() -> list[str]:
        behind = b'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"nobody\'"'
        more = asyncio.Event()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with closing(writer), suppress(asyncio.IncompleteReadError, ConnectionError):
                while True:
                    path = (await reader.readuntil(b"\r\n\r\n")).split()[1]
                    answer = b'HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"%s"' % (len(path) + 2, path)
                    writer.write(answer if path != b"/1" or late else answer + behind)
                    if path == b"/1" and late:
                        await more.wait()
                        writer.write(behind)

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server, open_engine(_url(server), engine=engine, timeout=5) as transport:
            found = [await transport.send(Request("GET", "/1"))]
            more.set()
            await asyncio.sleep(0.1)
            found += [await transport.send(Request("GET", path)) for path in ("/2", "/3")]
        await asyncio.sleep(0.1)  # the other end closes, too
        return [json.loads(each.body) for each in found]

    assert asyncio.run(main()) == ["/1", "/2", "/3"]


def _url(server: asyncio.Server, path: str = "") -> str:
    return f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}{path}"
