"""The transport on httpx: over TCP, or straight into an ASGI application in this process.

| what httpx says                                          | what it means |
|----------------------------------------------------------|---------------|
| connect error or timeout, pool timeout, TLS, DNS, proxy  | NotExecuted   |
| write or read error or timeout, cut, protocol, decoding  | Unclear       |

Proxies from the environment are honoured, but never for a server on this machine. Cookies are not kept:
a request depends on nothing but what it carries.

Tests: `tests/providers/test_pulse_engine.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http.cookiejar import DefaultCookiePolicy
from ssl import SSLContext
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlencode

from reconciler import __version__
from reconciler.errors import NotExecuted, ReconcilerError, Refused, ServerError, Unclear
from reconciler.providers.http.connecting import WHOLE_ANSWER, no_connection, too_late_to_connect
from reconciler.providers.http.filebody import FileBody, FileChangedError
from reconciler.providers.http.transport import CannotConnect, Request, Response, Transport

if TYPE_CHECKING:
    import httpx

PROXY_HINT: Final = "Look at HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY in the environment."
_UPLOAD_BYTES_PER_SECOND = 1_000_000
"""A server may need so long to store an upload before it answers."""


@asynccontextmanager
async def open_httpx(
    base: str,
    *,
    app: Any = None,
    tls: SSLContext | bool,
    timeout: float,  # noqa: ASYNC109 - a setting, not a deadline of this call
    connections: int,
    keepalive: float,
    proxies: bool,
) -> AsyncIterator[Transport]:
    """An engine for the server at `base`, or for `app` in this process; `proxies`: of the environment."""
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
            verify=tls,
            limits=limits,
            trust_env=proxies,
            headers={"User-Agent": f"reconciler/{__version__}"},
        )
    except (ImportError, ValueError, httpx.InvalidURL) as error:
        raise ReconcilerError(
            f"the proxy that the environment names can't be used: {type(error).__name__}", hint=PROXY_HINT
        ) from error
    async with client:
        client.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        yield HttpxTransport(client, base, timeout)


class HttpxTransport:
    """A `Transport` on one httpx client."""

    def __init__(self, client: httpx.AsyncClient, base: str, seconds: float) -> None:
        self._client = client
        self._base = base
        self._seconds = seconds

    async def send(self, request: Request) -> Response:
        """See `Transport.send`."""
        import httpx

        try:
            async with asyncio.timeout(self._deadline(request)):
                answer = await self._client.send(self._build(request))
        except httpx.InvalidURL as error:
            raise Refused(f"the request can't be sent: {error}", request=str(request)) from error
        except httpx.HTTPError as error:
            raise _meaning(error, request, self._base) from error
        except TimeoutError as error:
            raise Unclear("the answer took too long to arrive", request=str(request)) from error
        except FileChangedError as error:
            raise Refused(str(error), request=str(request), hint="Plan again.") from error
        return Response(answer.status_code, _lower(answer.headers.items()), answer.content)

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
            f"{self._base}{request.path}{query}",
            headers=headers,
            content=content,
            timeout=timeout,
        )

    def _deadline(self, request: Request) -> float | None:
        return None if isinstance(request.body, FileBody) else self._seconds * WHOLE_ANSWER


def _meaning(error: httpx.HTTPError, request: Request, base: str) -> ServerError:
    """What an exception of httpx says about the request."""
    import httpx

    where = str(request)
    match error:
        case httpx.ConnectTimeout():
            return too_late_to_connect(base, where)
        case httpx.PoolTimeout():
            return NotExecuted("no connection became free in time", request=where)
        case httpx.ProxyError() | httpx.UnsupportedProtocol():
            return CannotConnect(
                f"no connection to {base}: {error}",
                request=where,
                tries=1,
                hint=PROXY_HINT,
            )
        case httpx.ConnectError():
            return no_connection(error, where, base)
        case httpx.ReadTimeout():
            return Unclear("no answer in time", request=where)
        case httpx.RemoteProtocolError() | httpx.NetworkError():
            return Unclear(
                f"the connection was cut before a whole answer came ({_kind(error)})", request=where
            )
        case _:
            return Unclear(f"there was no answer that can be read ({_kind(error)})", request=where)


def _kind(error: httpx.HTTPError) -> str:
    return str(error) or type(error).__name__


def _lower(headers: Any) -> dict[str, str]:
    return {name.lower(): value for name, value in headers}
