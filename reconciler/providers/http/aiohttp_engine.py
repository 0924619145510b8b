"""The transport on aiohttp: for plans of ten thousand calls, which it sends several times as fast as httpx.

| what aiohttp says                                              | what it means |
|----------------------------------------------------------------|---------------|
| connector error (TCP, TLS, DNS), timeout of a connection       | NotExecuted   |
| disconnected, reset, payload, HTTP that can't be read, timeout | Unclear       |

By itself aiohttp sends a GET, PUT or DELETE again when a kept connection turns out to be cut: that is
switched off, and tests count what the server saw. Files go through the httpx engine, which sends them as
they are read, and is opened when the first one is sent.

Tests: `tests/providers/test_pulse_engine.py`.
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
from reconciler.providers.http.connecting import WHOLE_ANSWER, no_connection, too_late_to_connect
from reconciler.providers.http.filebody import FileBody
from reconciler.providers.http.transport import Request, Response, Transport

if TYPE_CHECKING:
    import aiohttp

Opener = Callable[[], Awaitable[Transport]]


@asynccontextmanager
async def open_aiohttp(
    base: str,
    *,
    tls: SSLContext | bool,
    timeout: float,  # noqa: ASYNC109 - a setting, not a deadline of this call
    connections: int,
    keepalive: float,
    uploads: Callable[[AsyncExitStack], Awaitable[Transport]],
) -> AsyncIterator[Transport]:
    """An engine for the server at `base`; `uploads` opens the one that files go through."""
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
        headers={"User-Agent": f"reconciler/{__version__}"},
        skip_auto_headers=("Content-Type",),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=timeout, sock_read=timeout),
        read_bufsize=1 << 18,
    )
    # Not public: the tests of this engine fail should it cease to have its effect.
    session._retry_connection = False  # noqa: SLF001
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(session)
        yield AiohttpTransport(session, base, timeout, lambda: uploads(stack))


class AiohttpTransport:
    """A `Transport` on one session of aiohttp."""

    def __init__(self, session: aiohttp.ClientSession, base: str, seconds: float, uploads: Opener) -> None:
        from yarl import URL

        self._session = session
        self._base = base
        self._seconds = seconds
        self._uploads = uploads
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
            url = self._url(f"{self._base}{request.path}{query}", encoded=True)
            async with (
                asyncio.timeout(self._seconds * WHOLE_ANSWER),
                self._session.request(
                    request.method, url, headers=request.headers, data=body, allow_redirects=False
                ) as answer,
            ):
                content = await answer.read()
        except aiohttp.InvalidURL as error:
            raise Refused(f"the request can't be sent: {error}", request=str(request)) from error
        except (aiohttp.ClientError, OSError) as error:
            raise _meaning(error, request, self._base) from error
        except ValueError as error:
            raise Refused(f"the request can't be sent: {error}", request=str(request)) from error
        return Response(answer.status, answer.headers, content)

    async def _for_files(self) -> Transport:
        async with self._opening:
            if self._upload is None:
                self._upload = await self._uploads()
        return self._upload


def _meaning(error: Exception, request: Request, base: str) -> ServerError:
    """What an exception says about the request."""
    import aiohttp

    where = str(request)
    match error:
        case aiohttp.ConnectionTimeoutError():
            return too_late_to_connect(base, where)
        case aiohttp.ClientConnectorCertificateError():
            return no_connection(error.certificate_error, where, base)
        case aiohttp.ClientConnectorError():
            return no_connection(error.os_error, where, base)
        case aiohttp.SocketTimeoutError():
            return Unclear("no answer in time", request=where)
        case TimeoutError():
            return Unclear("the answer took too long to arrive", request=where)
        case aiohttp.ClientConnectionError() | aiohttp.ClientPayloadError():
            kind = type(error).__name__
            return Unclear(f"the connection was cut before a whole answer came ({kind})", request=where)
        case _:
            kind = type(error).__name__
            return Unclear(f"there was no answer that can be read ({kind})", request=where)
