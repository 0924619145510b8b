"""The transport on aiohttp: for plans of ten thousand calls, which it sends several times as fast as httpx.

| what aiohttp says                                              | what it means |
|----------------------------------------------------------------|---------------|
| connector error (TCP, TLS, DNS), timeout of a connection       | NotExecuted   |
| disconnected, reset, payload, HTTP that can't be read, timeout | Unclear       |

Its connector makes, keeps and hands out connections, and its parser reads the answers. What lies between,
the session, is left out: it makes each request out of some forty objects, a task and several timers, for
redirects, cookies and streams that calls of an API don't have. It also sends a GET, PUT or DELETE again when
a kept connection turns out to be cut; nothing here does, and tests count what the server saw. Files go
through the httpx engine, which sends them as they are read, and is opened when the first one is sent.

Tests: `tests/providers/test_aiohttp_engine.py`, `tests/providers/test_http_engine.py`.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import cached_property, lru_cache
from ssl import SSLContext
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlencode

from reconciler import __version__
from reconciler.errors import ReconcilerError, Refused, ServerError, Unclear
from reconciler.providers.http.answerbody import (
    ACCEPTED,
    AnswerReader,
    AnswerTooLarge,
    Undecodable,
)
from reconciler.providers.http.connecting import (
    WHOLE_ANSWER,
    Way,
    cut,
    no_connection,
    too_late_to_connect,
    unreadable,
    unusable,
)
from reconciler.providers.http.filebody import FileBody
from reconciler.providers.http.shape import clip
from reconciler.providers.http.transport import Request, Response, Transport

if TYPE_CHECKING:
    import aiohttp

Opener = Callable[[], Awaitable[Transport]]

_LINE: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+ [!-~]+ HTTP/1\.1").fullmatch
_FIELD: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+: [^\x00-\x08\x0a-\x1f\x7f]*").fullmatch
_BUFFER: Final = 1 << 18
"""Bytes of an answer that are read ahead."""


@asynccontextmanager
async def open_aiohttp(
    way: Way,
    *,
    tls: SSLContext | bool,
    timeout: float,  # noqa: ASYNC109 - a setting, not a deadline of this call
    connections: int,
    keepalive: float,
    uploads: Callable[[AsyncExitStack], Awaitable[Transport]],
    most: int,
) -> AsyncIterator[Transport]:
    """An engine for the server that `way` leads to; `uploads` opens the one that files go through."""
    try:
        import aiohttp
    except ImportError:
        raise ReconcilerError(
            "the engine aiohttp is not installed",
            hint="pip install 'reconciler[fast]', or leave server.engine out.",
        ) from None

    connector = aiohttp.TCPConnector(limit=connections, keepalive_timeout=keepalive, ssl=tls)
    async with connector, AsyncExitStack() as stack:
        yield AiohttpTransport(connector, way, timeout, lambda: uploads(stack), AnswerReader(most))


class AiohttpTransport:
    """A `Transport` on the connections of `connector`, all to the server that `way` leads to.

    `seconds` is how long a connection, or the next piece of an answer, may take.
    """

    def __init__(
        self,
        connector: aiohttp.BaseConnector,
        way: Way,
        seconds: float,
        uploads: Opener,
        reader: AnswerReader,
    ) -> None:
        import aiohttp

        self._connector = connector
        self._loop = asyncio.get_running_loop()
        self._way = way
        self._answered = False
        self._seconds = seconds
        self._uploads = uploads
        self._reader = reader
        self._upload: Transport | None = None
        self._opening = asyncio.Lock()
        self._to_connect = aiohttp.ClientTimeout(total=None, sock_connect=seconds)

    @cached_property
    def _server(self) -> aiohttp.ClientRequest:
        """Never sent: it says whom a connection is to, as every request would. ValueError when nobody is."""
        import aiohttp
        from yarl import URL

        return aiohttp.ClientRequest("GET", URL(self._way.base, encoded=True), loop=self._loop)

    @cached_property
    def _prefix(self) -> str:
        """What paths begin with."""
        return self._server.url.raw_path.rstrip("/")

    @cached_property
    def _every(self) -> Mapping[str, str]:
        """The header fields of every request that doesn't say something else."""
        user = f"reconciler/{__version__}"
        host = self._server.headers["Host"]
        return {"Host": host, "User-Agent": user, "Accept-Encoding": ACCEPTED, "Accept": "*/*"}

    async def send(self, request: Request) -> Response:
        """See `Transport.send`."""
        import aiohttp

        if isinstance(request.body, FileBody):
            return await (await self._for_files()).send(request)
        try:
            sent = self._written(request)
            async with asyncio.timeout(self._seconds * WHOLE_ANSWER):
                connection = await self._connected()
                try:
                    response = await self._exchanged(connection, sent)
                except BaseException:
                    connection.close()
                    raise
                connection.release()
        except (aiohttp.ClientError, aiohttp.http.HttpProcessingError, OSError) as error:
            raise _meaning(error, request, self._way, answered=self._answered) from error
        except ValueError as error:
            raise Refused(f"the request can't be sent: {error}", request=str(request)) from error
        except (AnswerTooLarge, Undecodable) as error:
            raise unusable(error, str(request), self._reader.most) from error
        self._answered = True
        return response

    async def _connected(self) -> aiohttp.connector.Connection:
        """A connection on which nothing has come so far that was not asked for."""
        import aiohttp

        while True:
            try:
                connection = await self._connector.connect(self._server, [], self._to_connect)
            except TimeoutError as error:
                raise aiohttp.ConnectionTimeoutError(str(error)) from error
            protocol = connection.protocol
            assert protocol is not None
            # What came on a kept one, behind an answer, would be taken for the next answer. One that is new
            # has no timeout of its own yet; what comes on it first is for the parser to refuse.
            if protocol.read_timeout is None or not protocol.should_close:
                return connection
            connection.close()

    def _written(self, request: Request) -> bytes:
        """`request` as it goes over the wire; ValueError when it can't."""
        query = f"?{urlencode(request.query, quote_via=quote)}" if request.query else ""
        line = f"{request.method} {self._prefix}{request.path}{query} HTTP/1.1"
        if not _LINE(line):
            raise ValueError("its method or its path holds what can't stand there")
        head = _head(tuple({**self._every, **request.headers}.items()))
        body = request.body or b""
        assert isinstance(body, bytes)
        bare = request.body is None and request.method == "GET"
        size = b"" if bare else b"Content-Length: %d\r\n" % len(body)
        return b"%s\r\n%s%s\r\n%s" % (line.encode(), head, size, body)

    async def _exchanged(self, connection: aiohttp.connector.Connection, sent: bytes) -> Response:
        """The answer to `sent`, to its last byte; else an exception of aiohttp or of `AnswerReader`."""
        import aiohttp

        protocol = connection.protocol
        assert protocol is not None
        protocol.set_response_params(
            read_until_eof=True,
            auto_decompress=False,
            read_timeout=self._seconds,
            read_bufsize=_BUFFER,
        )
        transport = protocol.transport
        if transport is None or transport.is_closing():
            raise protocol.exception() or aiohttp.ServerDisconnectedError()
        # Bodies are small, and a no may come before the server has read all of one: nobody waits for that.
        transport.write(sent)
        protocol.start_timeout()
        while True:
            message, content = await protocol.read()
            # What comes before the answer, as 100 and 103, only says that it comes.
            if message.code >= 200 or message.code == 101:
                break
        headers = message.headers
        length, encoding = headers.get("Content-Length"), headers.get("Content-Encoding")
        if self._reader.small(length, encoding):
            body = await content.read()
        else:
            body = await self._reader.read(message.code, length, encoding, content.iter_any())
        return Response(message.code, headers, body)

    async def _for_files(self) -> Transport:
        async with self._opening:
            if self._upload is None:
                self._upload = await self._uploads()
        return self._upload


def _meaning(  # noqa: PLR0911 - a table
    error: Exception, request: Request, way: Way, *, answered: bool
) -> ServerError:
    """What an exception says about the request."""
    import aiohttp

    where = str(request)
    match error:
        case aiohttp.InvalidURL():
            return Refused(f"the request can't be sent: {error}", request=where)
        case aiohttp.ConnectionTimeoutError():
            return too_late_to_connect(way, where)
        case aiohttp.ClientConnectorCertificateError():
            return no_connection(error.certificate_error, where, way)
        case aiohttp.ClientConnectorError():
            return no_connection(error.os_error, where, way)
        case aiohttp.SocketTimeoutError():
            return Unclear("no answer in time", request=where)
        case TimeoutError():
            return Unclear("the answer took too long to arrive", request=where)
        case aiohttp.ClientConnectionError() | aiohttp.ClientPayloadError():
            return cut(type(error).__name__, where, way, answered=answered)
        case aiohttp.http.HttpProcessingError() if "\\x15\\x03" in error.message:
            return unreadable(clip(error.message), where, way)
        case _:
            return unreadable(type(error).__name__, where, way)


@lru_cache(maxsize=64)
def _head(headers: tuple[tuple[str, str], ...]) -> bytes:
    """Header fields as they go over the wire; most requests have the same. ValueError when they can't."""
    lines = [f"{name}: {value}" for name, value in headers]
    if not all(map(_FIELD, lines)):
        raise ValueError("a header holds what can't stand there")
    return "".join(f"{line}\r\n" for line in lines).encode()
