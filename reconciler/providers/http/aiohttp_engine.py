"""The transport on aiohttp: for plans of ten thousand calls, which it sends several times as fast as httpx.

| what aiohttp says                                              | what it means |
|----------------------------------------------------------------|---------------|
| connector error (TCP, TLS, DNS), timeout of a connection       | NotExecuted   |
| disconnected, reset, payload, HTTP that can't be read, timeout | Unclear       |

By itself aiohttp sends a GET, PUT or DELETE again when a kept connection turns out to be cut: that is
switched off, and tests count what the server saw. Files go through the httpx engine, which sends them as
they are read, and is opened when the first one is sent.

Tests: `tests/providers/test_http_engine.py`, `tests/providers/test_http_tables.py`,
`tests/providers/test_pulse_engine.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from ssl import SSLContext
from typing import TYPE_CHECKING
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
    session = aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": f"reconciler/{__version__}", "Accept-Encoding": ACCEPTED},
        auto_decompress=False,
        skip_auto_headers=("Content-Type",),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=timeout, sock_read=timeout),
        read_bufsize=1 << 18,
    )
    # Not public: the tests of this engine fail should it cease to have its effect.
    session._retry_connection = False  # noqa: SLF001
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(session)
        yield AiohttpTransport(session, way, timeout, lambda: uploads(stack), AnswerReader(most))


class AiohttpTransport:
    """A `Transport` on one session of aiohttp."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        way: Way,
        seconds: float,
        uploads: Opener,
        reader: AnswerReader,
    ) -> None:
        from yarl import URL

        self._session = session
        self._way = way
        self._answered = False
        self._seconds = seconds
        self._uploads = uploads
        self._reader = reader
        self._upload: Transport | None = None
        self._opening = asyncio.Lock()
        self._url = URL

    async def send(self, request: Request) -> Response:
        """See `Transport.send`."""
        import aiohttp

        body = request.body
        if isinstance(body, FileBody):
            return await (await self._for_files()).send(request)
        query = f"?{urlencode(request.query, quote_via=quote)}" if request.query else ""
        try:
            url = self._url(f"{self._way.base}{request.path}{query}", encoded=True)
            async with (
                asyncio.timeout(self._seconds * WHOLE_ANSWER),
                self._session.request(
                    request.method, url, headers=request.headers, data=body, allow_redirects=False
                ) as answer,
            ):
                headers = answer.headers
                length, encoding = headers.get("Content-Length"), headers.get("Content-Encoding")
                if self._reader.small(length, encoding):
                    content = await answer.content.read()
                else:
                    pieces = answer.content.iter_any()
                    content = await self._reader.read(answer.status, length, encoding, pieces)
        except (aiohttp.ClientError, OSError) as error:
            raise _meaning(error, request, self._way, answered=self._answered) from error
        except ValueError as error:
            raise Refused(f"the request can't be sent: {error}", request=str(request)) from error
        except (AnswerTooLarge, Undecodable) as error:
            raise unusable(error, str(request), self._reader.most) from error
        self._answered = True
        return Response(answer.status, headers, content)

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
        case aiohttp.ClientResponseError() if "\\x15\\x03" in error.message:
            return unreadable(clip(error.message), where, way)
        case _:
            return unreadable(type(error).__name__, where, way)
