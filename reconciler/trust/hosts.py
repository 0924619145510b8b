"""Hosts as a URL names them and as a person does, and when the one is the other.

| entry                    | https and databases | http | port                        |
|--------------------------|---------------------|------|-----------------------------|
| ``pulse.example.com``    | yes                 | no   | any                         |
| ``pulse.example.com:8443`` | yes               | no   | that one                    |
| ``https://…``            | yes                 | no   | any, or the one that it has |
| ``http://…``             | yes                 | yes  | any, or the one that it has |

A host is written as it is sent: in ASCII, an IPv6 address in brackets or not. Upper case and a dot at the end
don't matter; a ``*`` stands for nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from reconciler.text import printable

PORTS: Final = {"http": 80, "https": 443, "postgresql": 5432}
"""Scheme → the port of a URL that names none."""

_NAME: Final = re.compile(
    r"(?=.{1,253}\Z)[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)*"
)
_NUMBER: Final = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)")
"""What resolvers take for an IPv4 address, in whatever spelling."""
_ENTRY: Final = re.compile(
    r"(?:(?P<scheme>https?|postgresql)://)?(?P<host>\[[0-9A-Fa-f:.]+\]|[^\[\]:/@?#\s\\]+)(?::(?P<port>[0-9]{1,5}))?/?",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, order=True)
class Destination:
    """Where something is sent. ``host`` without brackets; both are empty for ``embedded:``."""

    scheme: str
    host: str
    port: int | None = None

    @classmethod
    def of(cls, url: str) -> Destination:
        """That of an http(s) URL; ValueError when it has none."""
        parts = urlsplit(url)
        scheme = parts.scheme.lower()
        return cls.at(scheme, parts.hostname or "", parts.port)

    @classmethod
    def at(cls, scheme: str, host: str, port: int | None = None) -> Destination:
        """The same from its parts, in the one spelling that is compared."""
        return cls(scheme, plain_host(host) or host.lower(), PORTS.get(scheme) if port is None else port)

    @property
    def loopback(self) -> bool:
        """Whether it is surely this machine, or this process."""
        return not self.host or is_loopback(self.host)

    def __str__(self) -> str:
        if not self.host:
            return f"{self.scheme}:"
        host = f"[{self.host}]" if ":" in self.host else self.host
        shown = printable(host, 300)
        if self.port is None or PORTS.get(self.scheme) == self.port:
            return f"{self.scheme}://{shown}"
        return f"{self.scheme}://{shown}:{self.port}"


EMBEDDED: Final = Destination("embedded", "")
"""The server in this process."""


@dataclass(frozen=True, slots=True)
class TrustedHost:
    """A host that a person named. ``port`` None: any. ``http``: also without TLS."""

    host: str
    port: int | None = None
    http: bool = False

    def covers(self, destination: Destination) -> bool:
        """Whether a secret may go there."""
        return (
            destination.host == self.host
            and self.port in (None, destination.port)
            and (destination.scheme != "http" or self.http)
        )


def named(destination: Destination) -> TrustedHost:
    """The host of a URL that a person gave: that port alone."""
    return TrustedHost(destination.host, destination.port, http=destination.scheme == "http")


def trusted_hosts(text: str) -> tuple[tuple[TrustedHost, ...], tuple[str, ...]]:
    """The entries of a list that is separated by commas, and those that are no host."""
    found: list[TrustedHost] = []
    bad: list[str] = []
    for entry in filter(None, map(str.strip, text.split(","))):
        host = _entry(entry)
        if host is None:
            bad.append(entry)
        else:
            found.append(host)
    return tuple(found), tuple(bad)


def covered(destination: Destination, hosts: Iterable[TrustedHost]) -> bool:
    """Whether one of `hosts` covers `destination`."""
    return any(host.covers(destination) for host in hosts)


def is_loopback(host: str) -> bool:
    """Whether a host, without brackets, is this machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def plain_host(text: str) -> str | None:
    """`text` in the one spelling of that host; None when it isn't a host, or hides one.

    Spelled otherwise, as ``0x7f.1`` or with a character that some reader folds, a host equals none.
    """
    host = text.lower()
    if ":" in host:
        try:
            return str(ip_address(host)) if "%" not in host else None
        except ValueError:
            return None
    host = host.removesuffix(".")
    if _NUMBER.fullmatch(host):
        try:
            return str(ip_address(host))
        except ValueError:
            return None
    return host if _NAME.fullmatch(host) else None


def _entry(text: str) -> TrustedHost | None:
    try:
        # A bare IPv6 address: its colons don't begin a port.
        return TrustedHost(str(ip_address(text))) if "%" not in text else None
    except ValueError:
        pass
    found = _ENTRY.fullmatch(text)
    host = plain_host(found["host"].removeprefix("[").removesuffix("]")) if found else None
    if found is None or host is None:
        return None
    port = int(found["port"]) if found["port"] else None
    if port is not None and not 0 < port < 65_536:
        return None
    return TrustedHost(host, port, http=(found["scheme"] or "").lower() == "http")
