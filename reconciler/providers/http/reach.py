"""The way to a server below HTTP, a step at a time: its name, a connection, its certificate.

What fails is a `Blocked` that says at which step; nothing is sent to the server but a TLS handshake.

Tests: `tests/providers/test_http_reach.py`, `tests/cli/test_cli_doctor.py`.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from reconciler.providers.http.connecting import certificate_hint, tls_hint


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """Where a URL leads. ``host`` without brackets."""

    scheme: str
    host: str
    port: int

    @classmethod
    def of(cls, url: str) -> ServerAddress:
        """The address of an http(s) URL."""
        parts = urlsplit(url)
        return cls(parts.scheme, parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80))


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a server's certificate says. ``expires`` in epoch seconds."""

    names: tuple[str, ...]
    issuer: str
    expires: float
    protocol: str

    @property
    def days_left(self) -> int:
        """Whole days until it ends."""
        return int((self.expires - time.time()) // 86_400)


class Blocked(Exception):
    """A step that failed, in words; ``hint``: what helps, where the fault itself tells."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


async def resolve(address: ServerAddress) -> tuple[str, ...]:
    """The IP addresses of the host, each once."""
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise Blocked(f"the name {address.host!r} can't be resolved: {error.strerror or error}") from error
    return tuple(dict.fromkeys(str(entry[4][0]) for entry in found))


async def connect(address: ServerAddress, *, seconds: float) -> float:
    """Seconds that a TCP connection took."""
    began = time.monotonic()
    await _opened(address, None, seconds)
    return time.monotonic() - began


async def certificate(address: ServerAddress, ca_file: Path | None, *, seconds: float) -> Certificate:
    """The server's certificate, once it is trusted."""
    try:
        context = ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
    except OSError as error:
        raise Blocked(f"{ca_file} can't be used: {error.strerror or error}") from error
    found = await _opened(address, context, seconds, named=ca_file is not None)
    assert found is not None
    peer: Any = found.getpeercert()
    issuer = {key: value for pair in peer["issuer"] for key, value in pair}
    return Certificate(
        names=tuple(str(value) for _, value in peer["subjectAltName"]),
        issuer=str(issuer.get("organizationName") or issuer.get("commonName") or "unknown"),
        expires=ssl.cert_time_to_seconds(str(peer["notAfter"])),
        protocol=found.version() or "TLS",
    )


async def _opened(
    address: ServerAddress, context: ssl.SSLContext | None, seconds: float, *, named: bool = False
) -> ssl.SSLObject | None:
    """A connection, closed again; what TLS knows of it. `named`: one authority alone is trusted."""
    try:
        async with asyncio.timeout(seconds):
            _, writer = await asyncio.open_connection(address.host, address.port, ssl=context)
    except TimeoutError as error:
        raise Blocked(f"no connection within {seconds:g} s") from error
    except ssl.SSLCertVerificationError as error:
        hint = certificate_hint(error, ca_file=named)
        raise Blocked(f"the certificate is not trusted: {error.verify_message}", hint) from error
    except ssl.SSLError as error:
        raise Blocked(f"no TLS connection: {error.reason or error}", tls_hint(error)) from error
    except OSError as error:
        raise Blocked(f"no connection: {error.strerror or error}") from error
    found: ssl.SSLObject | None = writer.get_extra_info("ssl_object")
    writer.transport.abort()
    return found
