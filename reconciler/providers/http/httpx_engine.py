"""The transport on httpx: over TCP, or straight into an ASGI application in this process.

| what httpx says                                          | what it means |
|----------------------------------------------------------|---------------|
| connect error or timeout, pool timeout, TLS, DNS, proxy  | NotExecuted   |
| write or read error or timeout, cut, protocol, decoding  | Unclear       |

Proxies from the environment are honoured, but never for a server on this machine. Cookies are not kept:
a request depends on nothing but what it carries.

Tests: `tests/providers/test_http_engine.py`, `tests/providers/test_http_tables.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http.cookiejar import DefaultCookiePolicy
from ssl import SSLContext
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from reconciler import __version__
from reconciler.errors import NotExecuted, ReconcilerError, Refused, ServerError, Unclear
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
    no_socks,
    too_late_to_connect,
    unreadable,
    unusable,
)
from reconciler.providers.http.filebody import FileBody, FileChangedError
from reconciler.providers.http.transport import CannotConnect, Request, Response, Transport
from reconciler.proxies import PROXY_HINT, socks_is_missing

if TYPE_CHECKING:
    import httpx

_UPLOAD_BYTES_PER_SECOND = 1_000_000
"""A server may need so long to store an upload before it answers."""


@asynccontextmanager
async def open_httpx(
    way: Way,
    *,
    app: Any,
    tls: SSLContext | bool,
    timeout: float,  # noqa: ASYNC109 - a setting, not a deadline of this call
    connections: int,
    keepalive: float,
    most: int,
) -> AsyncIterator[Transport]:
    """An engine for the server that `way` leads to, or for `app` in this process."""
    import httpx

    inside = httpx.ASGITransport(app, raise_app_exceptions=False) if app is not None else None
    limits = httpx.Limits(
        max_connections=connections,
        max_keepalive_connections=connections,
        keepalive_expiry=keepalive,
    )
    try:
        client = httpx.AsyncClient(
            transport=inside,
            # httpx's own context, because the environment may name certificate authorities.
            verify=httpx.create_ssl_context() if tls is True else tls,
            limits=limits,
            proxy=way.proxy.url if way.proxy else None,
            trust_env=False,
            headers={"User-Agent": f"reconciler/{__version__}", "Accept-Encoding": ACCEPTED},
        )
    except ImportError as error:
        assert way.proxy is not None
        raise socks_is_missing(way.proxy) from error
    except (ValueError, httpx.InvalidURL) as error:
        raise ReconcilerError(
            f"the proxy that the environment names can't be used: {type(error).__name__}", hint=PROXY_HINT
        ) from error
    async with client:
        client.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        yield HttpxTransport(client, way, timeout, AnswerReader(most))


class HttpxTransport:
    """A `Transport` on one httpx client."""

    def __init__(self, client: httpx.AsyncClient, way: Way, seconds: float, reader: AnswerReader) -> None:
        self._client = client
        self._reader = reader
        self._way = way
        self._answered = False
        self._seconds = seconds

    async def send(self, request: Request) -> Response:
        """See `Transport.send`."""
        import httpx

        try:
            async with asyncio.timeout(self._deadline(request)):
                return await self._answer(request)
        except httpx.InvalidURL as error:
            raise Refused(f"the request can't be sent: {error}", request=str(request)) from error
        except httpx.HTTPError as error:
            raise _meaning(error, request, self._way, answered=self._answered) from error
        except TimeoutError as error:
            raise Unclear("the answer took too long to arrive", request=str(request)) from error
        except (AnswerTooLarge, Undecodable) as error:
            raise unusable(error, str(request), self._reader.most) from error
        except FileChangedError as error:
            raise Refused(str(error), request=str(request), hint="Plan again.") from error
        except Exception as error:
            if self._way.proxy and self._way.proxy.socks and _of_socks(error):
                raise no_socks(self._way.proxy, str(request)) from error
            raise

    async def _answer(self, request: Request) -> Response:
        answer = await self._client.send(self._build(request), stream=True)
        try:
            headers = _lower(answer.headers.items())
            length, encoding = headers.get("content-length"), headers.get("content-encoding")
            body = await self._reader.read(answer.status_code, length, encoding, answer.aiter_raw())
        finally:
            await answer.aclose()
        self._answered = True
        return Response(answer.status_code, headers, body)

    def _build(self, request: Request) -> httpx.Request:
        import httpx

        headers, body, timeout = dict(request.headers), request.body, httpx.Timeout(self._seconds)
        content: bytes | AsyncIterator[bytes] | None
        if isinstance(body, FileBody):
            headers["Content-Length"] = str(len(body))
            content = body.chunks()
            timeout = httpx.Timeout(self._seconds, read=self._seconds + body.size / _UPLOAD_BYTES_PER_SECOND)
        else:
            content = body
        query = f"?{urlencode(request.query, quote_via=quote)}" if request.query else ""
        return self._client.build_request(
            request.method,
            f"{self._way.base}{request.path}{query}",
            headers=headers,
            content=content,
            timeout=timeout,
        )

    def _deadline(self, request: Request) -> float | None:
        return None if isinstance(request.body, FileBody) else self._seconds * WHOLE_ANSWER


def _meaning(error: httpx.HTTPError, request: Request, way: Way, *, answered: bool) -> ServerError:
    """What an exception of httpx says about the request."""
    import httpx

    where = str(request)
    match error:
        case httpx.ConnectTimeout():
            return too_late_to_connect(way, where)
        case httpx.PoolTimeout():
            return NotExecuted("no connection became free in time", request=where)
        case httpx.ProxyError() | httpx.UnsupportedProtocol():
            through = f", through {way.proxy}" if way.proxy else ""
            return CannotConnect(
                f"no connection to {way.base}{through}: {error}",
                request=where,
                tries=1,
                hint=way.hint(PROXY_HINT),
            )
        case httpx.ConnectError():
            return no_connection(error, where, way)
        case httpx.ReadTimeout():
            return Unclear("no answer in time", request=where)
        case httpx.RemoteProtocolError() | httpx.NetworkError():
            return cut(_kind(error), where, way, answered=answered)
        case _:
            return unreadable(_kind(error), where, way)


def _of_socks(error: Exception) -> bool:
    """Whether it comes of a proxy that answers something other than SOCKS, which the library asserts."""
    return isinstance(error, AssertionError) or type(error).__module__.startswith("socksio")


def _kind(error: httpx.HTTPError) -> str:
    return str(error) or type(error).__name__


def _lower(headers: Any) -> dict[str, str]:
    return {name.lower(): value for name, value in headers}
