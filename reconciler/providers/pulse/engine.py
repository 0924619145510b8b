"""The transport on httpx: over TCP, or straight into an ASGI application in this process.

| what httpx says                                          | what it means |
|----------------------------------------------------------|---------------|
| connect error or timeout, pool timeout, TLS, DNS, proxy  | NotExecuted   |
| write or read error or timeout, cut, protocol, decoding  | Unclear       |

Proxies from the environment are honoured, but never for a server on this machine. Cookies are not kept:
a request depends on nothing but what it carries.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, MutableMapping
from contextlib import asynccontextmanager
from http.cookiejar import DefaultCookiePolicy
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode, urlsplit

from reconciler import __version__
from reconciler.errors import NotExecuted, ReconcilerError, Refused, ServerError, Unclear
from reconciler.providers.pulse.filebody import FileBody, FileChangedError
from reconciler.providers.pulse.transport import CannotConnect, Request, Response, Transport

if TYPE_CHECKING:
    import httpx

AsgiApp = Callable[
    [
        MutableMapping[str, Any],
        Callable[[], Awaitable[MutableMapping[str, Any]]],
        Callable[[MutableMapping[str, Any]], Awaitable[None]],
    ],
    Awaitable[None],
]

_IN_PROCESS = "http://embedded"
_WHOLE_ANSWER = 4
"""A whole answer may take so many timeouts: a server that sends a byte now and then isn't waited for."""
_PROXY_HINT = "Look at HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY in the environment."
_UPLOAD_BYTES_PER_SECOND = 1_000_000
"""A server may need so long to store an upload before it answers."""


def check_url(url: str) -> str:
    """`url` without slashes at its end; ReconcilerError unless it is http(s) with a host and no secrets."""
    hint = "A server's URL looks like https://pulse.example.com."
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ReconcilerError("the server's URL can't be read", hint=hint) from None
    if parts.username is not None or parts.password is not None:
        raise ReconcilerError(
            "the server's URL carries credentials",
            hint="Leave them out of the URL; name them under server.auth.",
        )
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise ReconcilerError(f"{url!r} is not the URL of a server", hint=hint)
    if parts.query or parts.fragment or not url.isascii() or any(c <= " " for c in url):
        raise ReconcilerError(f"the server's URL {url!r} holds what a server's URL can't", hint=hint)
    return url.rstrip("/")


@asynccontextmanager
async def open_engine(
    url: str,
    *,
    app: AsgiApp | None = None,
    ca_file: Path | None = None,
    timeout: float = 30.0,  # noqa: ASYNC109 - a setting, not a deadline of this call
    connections: int = 16,
) -> AsyncIterator[Transport]:
    """An engine for the server at `url`, or for `app` in this process; `ca_file` alone is trusted then."""
    import httpx

    base = _IN_PROCESS if app is not None else check_url(url)
    inside = httpx.ASGITransport(app, raise_app_exceptions=False) if app is not None else None
    limits = httpx.Limits(
        max_connections=connections,
        max_keepalive_connections=connections,
        # Shorter than servers wait before they close: a request is rarely written into a closing connection.
        keepalive_expiry=2.0,
    )
    try:
        client = httpx.AsyncClient(
            transport=inside,
            verify=_tls(base, ca_file),
            limits=limits,
            trust_env=app is None and not _on_this_machine(base),
            headers={"User-Agent": f"reconciler/{__version__}"},
        )
    except (ImportError, ValueError, httpx.InvalidURL) as error:
        raise ReconcilerError(
            f"the proxy that the environment names can't be used: {type(error).__name__}", hint=_PROXY_HINT
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
        return None if isinstance(request.body, FileBody) else self._seconds * _WHOLE_ANSWER


def _meaning(error: httpx.HTTPError, request: Request, base: str) -> ServerError:
    """What an exception of httpx says about the request."""
    import httpx

    where = str(request)
    match error:
        case httpx.ConnectTimeout():
            return CannotConnect(
                f"{base} did not accept a connection in time",
                request=where,
                tries=2,
                hint="Is the server reachable from here, and is its URL right?",
            )
        case httpx.PoolTimeout():
            return NotExecuted("no connection became free in time", request=where)
        case httpx.ProxyError() | httpx.UnsupportedProtocol():
            return CannotConnect(
                f"no connection to {base}: {error}",
                request=where,
                tries=1,
                hint=_PROXY_HINT,
            )
        case httpx.ConnectError():
            return _no_connection(error, where, base)
        case httpx.ReadTimeout():
            return Unclear("no answer in time", request=where)
        case httpx.RemoteProtocolError() | httpx.NetworkError():
            return Unclear(
                f"the connection was cut before a whole answer came ({_kind(error)})", request=where
            )
        case _:
            return Unclear(f"there was no answer that can be read ({_kind(error)})", request=where)


def _no_connection(error: BaseException, where: str, base: str) -> CannotConnect:
    for cause in _causes(error):
        match cause:
            case ssl.SSLCertVerificationError():
                return CannotConnect(
                    f"the certificate of {base} is not trusted: {cause.verify_message}",
                    request=where,
                    tries=1,
                    hint="Name the certificate authority's file in server.caFile.",
                )
            case ssl.SSLError():
                return CannotConnect(
                    f"no TLS connection to {base} ({cause.reason or 'TLS error'})",
                    request=where,
                    tries=1,
                    hint="Does the server speak https on this port?",
                )
            case socket.gaierror():
                return CannotConnect(
                    f"the name {urlsplit(base).hostname!r} can't be resolved",
                    request=where,
                    tries=2,
                    hint="Is the host name in the server's URL right, and is there a network?",
                )
            case ConnectionRefusedError():
                return CannotConnect(
                    f"{base} refused the connection",
                    request=where,
                    tries=3,
                    hint="Is the server running, and is its URL right?",
                )
            case _:
                pass
    return CannotConnect(
        f"no connection to {base}: {error}",
        request=where,
        tries=3,
        hint="Is the server running, and is its URL right?",
    )


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error, what it came from, and the members of groups among those."""
    while error is not None:
        yield error
        if isinstance(error, BaseExceptionGroup):
            for member in error.exceptions:
                yield from _causes(member)
        error = error.__cause__ or error.__context__


def _kind(error: httpx.HTTPError) -> str:
    return str(error) or type(error).__name__


def _lower(headers: Any) -> dict[str, str]:
    return {name.lower(): value for name, value in headers}


def _tls(base: str, ca_file: Path | None) -> ssl.SSLContext | bool:
    if not base.startswith("https:"):
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # never used; spares loading the certificates
    if ca_file is None:
        return True
    try:
        return ssl.create_default_context(cafile=str(ca_file))
    except OSError as error:
        raise ReconcilerError(
            f"{ca_file} can't be used as a certificate authority's file: {error.strerror or error}",
            hint="server.caFile names a PEM file.",
        ) from error


def _on_this_machine(base: str) -> bool:
    host = urlsplit(base).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
