"""Requests that a stranger makes through somebody's browser: refused before anything is read of them.

A page of any site can make a browser call a server on this machine. What it can't choose are the headers that
tell so: `Host` has the name under which it found the server (DNS rebinding), and `Origin` whose page it is.
"""

import ipaddress
import json
import socket
from collections.abc import Collection
from typing import Final
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

_LOCAL_NAMES: Final = frozenset({"localhost", "ip6-localhost", "localhost.localdomain"})


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a server that listens on `host`."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() in _LOCAL_NAMES


def names_of(bound: str) -> frozenset[str]:
    """The names, beside addresses, of a server that listens on `bound`: its own and this machine's."""
    here = set() if is_loopback(bound) else {socket.gethostname(), socket.getfqdn()}
    return frozenset(name.lower() for name in {bound, *here, *_LOCAL_NAMES})


class NoStrangers:
    """Refuses calls under a name that isn't one of `names` (None: any), and those of pages of other sites."""

    def __init__(self, app: ASGIApp, *, names: Collection[str] | None) -> None:
        self._app = app
        self._names = names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = self._refusal(scope) if scope["type"] == "http" else None
        if refusal is None:
            await self._app(scope, receive, send)
            return
        status, message = refusal
        body = json.dumps({"message": message}).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        said = [(name.lower(), value.decode("latin-1").strip()) for name, value in scope["headers"]]
        hosts = [value for name, value in said if name == b"host"]
        if self._names is not None and (len(hosts) != 1 or not self._known(hosts[0])):
            shown = ", ".join(hosts)[:100]
            return 421, f"This server isn't called {shown!r}: use its address, or serve --allow-host NAME."
        origins = [value for name, value in said if name == b"origin"]
        if any(not hosts or _place_of(each) != hosts[0].lower() for each in origins):
            return 403, "Pages of other sites can't call this server."
        site = [value.lower() for name, value in said if name == b"sec-fetch-site"]
        if any(each not in ("same-origin", "none") for each in site):
            return 403, "Pages of other sites can't call this server."
        return None

    def _known(self, host: str) -> bool:
        try:
            name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
        except ValueError:
            return False
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return name in (self._names or ()) or name.endswith(".localhost")
        return True  # nobody can make an address lead elsewhere


def _place_of(origin: str) -> str | None:
    """Host and port of an origin, None for what is none."""
    try:
        return urlsplit(origin).netloc.lower() or None
    except ValueError:
        return None
