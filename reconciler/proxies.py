"""The proxy of the environment, as everything that calls out over HTTP here understands it.

| variable                            | says                                                             |
|-------------------------------------|------------------------------------------------------------------|
| ``http_proxy``, ``https_proxy``     | the proxy for URLs of that scheme, in small letters or capitals  |
| ``all_proxy``                       | the one for those that have none of their own                    |
| ``no_proxy``                        | what needs none, divided by commas: ``*``, a host and all below  |
|                                     | it, an address, a network; an IPv6 one in brackets or not; each  |
|                                     | with a port, or for all of them                                  |

The libraries read the same by themselves, but stumble over IPv6 in ``no_proxy`` and over impossible ports.

Tests: `tests/proxies/test_proxies.py`.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final
from urllib.parse import urlsplit
from urllib.request import getproxies, getproxies_environment, proxy_bypass

from reconciler.errors import ReconcilerError
from reconciler.text import clean

PROXY_HINT: Final = "Look at HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY in the environment."
_SCHEMES: Final = ("http", "https", "socks5", "socks5h")
_PORTS: Final = {"http": 80, "https": 443}
_HOST_AND_PORT: Final = re.compile(r"\[(?P<v6>[^\]]*)\](?::(?P<p6>\d+))?|(?P<host>[^:]+)(?::(?P<port>\d+))?")


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy. ``url`` may hold credentials and is never shown; ``place`` is its host and port."""

    url: str = field(repr=False)
    place: str
    by: str
    """What names it: ``HTTPS_PROXY``."""

    @property
    def socks(self) -> bool:
        return self.url.startswith("socks")

    @property
    def encrypted(self) -> bool:
        """Whether TLS is spoken with the proxy itself."""
        return self.url.startswith("https:")

    def __str__(self) -> str:
        return f"the proxy {self.place}"

    @property
    def hint(self) -> str:
        return f"{self.by} names that proxy. {PROXY_HINT}"


def proxy_for(url: str) -> Proxy | None:
    """The proxy for an http(s) URL, None for a direct way; ReconcilerError when what is named is none."""
    parts = urlsplit(url)
    proxies = getproxies()
    scheme = parts.scheme if proxies.get(parts.scheme) else "all"
    found = proxies.get(scheme)
    host = parts.hostname or ""
    if not found or _direct(host, parts.port or _PORTS.get(parts.scheme, 0), proxies.get("no", "")):
        return None
    return _read(found.strip(), _variable(scheme))


def _direct(host: str, port: int, listed: str) -> bool:
    if any(_matches(entry, host.lower(), port) for entry in re.split(r"[,\s]+", listed) if entry):
        return True
    # The operating system's proxy settings follow other rules.
    return not getproxies_environment() and bool(proxy_bypass(host))


def _matches(entry: str, host: str, port: int) -> bool:
    """Whether an entry of ``no_proxy`` is about `host`; one that can't be read is about none."""
    if entry == "*":
        return True
    entry = entry.rpartition("://")[2].rstrip("/").lower()
    address, parts = _address(host), _HOST_AND_PORT.fullmatch(entry)
    # Without its brackets, an address with a port would look like a longer address.
    if not (parts and parts["p6"]) and (network := _network(entry)):
        return address is not None and address in network
    if parts is None or not _same_port(parts["p6"] or parts["port"], port):
        return False
    if named := _address(parts["v6"] or parts["host"]):
        return named == address
    name = parts["host"].removeprefix("*").strip(".") if parts["host"] else ""
    return bool(name) and address is None and (host.rstrip(".") == name or host.endswith(f".{name}"))


def _network(entry: str) -> IPv4Network | IPv6Network | None:
    try:
        return ip_network(entry.replace("[", "").replace("]", ""), strict=False)
    except ValueError:
        return None


def _same_port(named: str | None, port: int) -> bool:
    return named is None or int(named) == port


def _address(host: str) -> IPv4Address | IPv6Address | None:
    """An IP address; of IPv4 in the clothes of IPv6 the plain one. None for a name."""
    try:
        found = ip_address(host)
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found


def _variable(scheme: str) -> str:
    """The variable that names the proxy, as it is written in the environment."""
    name = f"{scheme}_proxy"
    return next((each for each in (name, name.upper()) if os.environ.get(each)), f"the {scheme} proxy")


def _read(found: str, by: str) -> Proxy:
    """The proxy that a variable holds."""
    url = found if "://" in found else f"http://{found}"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise _unusable(by, "its address or port can't be read") from None
    scheme = parts.scheme.lower()
    if scheme not in _SCHEMES:
        raise _unusable(by, f"{clean(scheme)!r} is no kind of proxy that works here ({', '.join(_SCHEMES)})")
    if not host or port == 0 or any(c <= " " or c > "~" for c in url):
        raise _unusable(by, "its address can't be read")
    place = f"[{host}]" if ":" in host else host
    return Proxy(f"{scheme}{url[len(scheme) :]}", f"{place}:{port}" if port else place, by)


def _unusable(by: str, why: str) -> ReconcilerError:
    # Never show its value: it may contain credentials.
    return ReconcilerError(
        f"the proxy that the environment names can't be used: of {by}, {why}", hint=PROXY_HINT
    )


def socks_is_missing(proxy: Proxy) -> ReconcilerError:
    """The error of a SOCKS proxy where the package for it isn't installed."""
    return ReconcilerError(
        f"{proxy.by} names a SOCKS proxy, and the package socksio for it isn't installed",
        hint="Install it, or unset ALL_PROXY, HTTP_PROXY and HTTPS_PROXY.",
    )
