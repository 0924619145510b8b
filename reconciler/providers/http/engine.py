"""Which HTTP engine is opened, and how: TLS, proxies, how long a connection is kept.

httpx is the default, and always there. `server.engine: aiohttp` sends small calls several times as fast;
behind a proxy of the environment, and for a server in this process, it is httpx all the same.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from reconciler.errors import ReconcilerError
from reconciler.providers.http.answerbody import DEFAULT_MOST
from reconciler.providers.http.connecting import Way
from reconciler.providers.http.transport import Transport
from reconciler.proxies import proxy_for
from reconciler.settings import Engine

AsgiApp = Callable[
    [
        MutableMapping[str, Any],
        Callable[[], Awaitable[MutableMapping[str, Any]]],
        Callable[[MutableMapping[str, Any]], Awaitable[None]],
    ],
    Awaitable[None],
]

_IN_PROCESS = "http://localhost"
_KEEPALIVE_SECONDS = 2.0
"""Shorter than servers wait before they close: a request is rarely written into a closing connection."""


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
    engine: Engine = Engine.HTTPX,
    most: int = DEFAULT_MOST,
) -> AsyncIterator[Transport]:
    """An engine for the server at `url`, or for `app` in this process; `ca_file` alone is trusted then.

    An answer has at most `most` bytes.
    """
    from reconciler.providers.http.httpx_engine import open_httpx

    base = _IN_PROCESS if app is not None else check_url(url)
    proxy = None if app is not None or _on_this_machine(base) else proxy_for(base)
    way = Way(base, proxy, ca_file=ca_file is not None)
    shared: dict[str, Any] = {
        "tls": _tls(base, ca_file),
        "timeout": timeout,
        "connections": connections,
        "keepalive": _KEEPALIVE_SECONDS,
        "most": most,
    }
    plain = partial(open_httpx, way, app=app, **shared)
    if engine is Engine.HTTPX or app is not None or proxy is not None:
        async with plain() as transport:
            yield transport
        return
    from reconciler.providers.http.aiohttp_engine import open_aiohttp

    async def uploads(stack: AsyncExitStack) -> Transport:
        return await stack.enter_async_context(plain())

    async with open_aiohttp(way, uploads=uploads, **shared) as transport:
        yield transport


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
