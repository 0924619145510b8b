"""No connection came about: what that says, whichever engine tried.

| what was met                    | what it says                                                     |
|---------------------------------|------------------------------------------------------------------|
| a name, refused, too late       | of the proxy where there is one: only it was called              |
| a certificate that ended, …     | what is wrong with it: caFile helps only against an unknown CA   |
| no TLS at all                   | the port speaks plain HTTP                                       |
| plain HTTP answered by TLS      | the URL should begin with https                                  |

Tests: `tests/providers/test_http_tables.py`, `tests/providers/test_hostile_ways.py`.
"""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from reconciler.errors import Unclear
from reconciler.providers.http.answerbody import AnswerTooLarge
from reconciler.providers.http.transport import CannotConnect, TooMuch
from reconciler.proxies import Proxy

WHOLE_ANSWER: Final = 4
"""A whole answer may take so many timeouts: a server that sends a byte now and then isn't waited for."""

_EXPIRED, _NOT_YET, _NO_ISSUER = {10}, {9}, {2, 18, 19, 20, 21, 27}
_OTHER_HOST: Final = {62, 64}
"""Numbers of OpenSSL's X509_V_ERR."""
_NO_TLS: Final = {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE"}
_PLAIN_TO_TLS: Final = re.compile(
    r"\bhttp request (was )?(sent )?to (an )?https (port|server)|requires? tls", re.I
)
"""What servers and proxies with TLS answer to plain HTTP."""


@dataclass(frozen=True, slots=True)
class Way:
    """Where requests go: the server at ``base``, through a proxy or not."""

    base: str
    proxy: Proxy | None = None
    ca_file: bool = False
    """Whether only a named authority is trusted."""

    @property
    def first(self) -> str:
        """Whom a connection is made to."""
        return str(self.proxy) if self.proxy else self.base

    def hint(self, otherwise: str) -> str:
        return self.proxy.hint if self.proxy else otherwise


def too_late_to_connect(way: Way, where: str) -> CannotConnect:
    """Who is called first didn't take a connection in time."""
    return CannotConnect(
        f"{way.first} did not accept a connection in time",
        request=where,
        tries=2,
        hint=way.hint("Is the server reachable from here, and is its URL right?"),
    )


def no_connection(error: BaseException, where: str, way: Way) -> CannotConnect:
    """What `error` says of why there is no connection."""
    for cause in _causes(error):
        match cause:
            case ssl.SSLCertVerificationError():
                return CannotConnect(
                    f"the certificate of {_certified(way)} is not trusted: {cause.verify_message}",
                    request=where,
                    tries=1,
                    hint=certificate_hint(cause, ca_file=way.ca_file),
                )
            case ssl.SSLError():
                return CannotConnect(
                    f"no TLS connection to {_certified(way)} ({cause.reason or 'TLS error'})",
                    request=where,
                    tries=1,
                    hint=tls_hint(cause),
                )
            case socket.gaierror():
                name = repr(urlsplit(way.base).hostname)
                return CannotConnect(
                    f"the name of {way.proxy} can't be resolved"
                    if way.proxy
                    else f"the name {name} can't be resolved",
                    request=where,
                    tries=2,
                    hint=way.hint("Is the host name in the server's URL right, and is there a network?"),
                )
            case ConnectionRefusedError():
                return CannotConnect(
                    f"{way.first} refused the connection",
                    request=where,
                    tries=3,
                    hint=way.hint("Is the server running, and is its URL right?"),
                )
            case _:
                pass
    return CannotConnect(
        f"no connection to {way.first}: {error}",
        request=where,
        tries=3,
        hint=way.hint("Is the server running, and is its URL right?"),
    )


def cut(kind: str, where: str, way: Way, *, answered: bool) -> Unclear:
    """A connection that ended before a whole answer came; `kind`: what the engine says of it.

    `answered`: whether an answer ever came this way.
    """
    return Unclear(
        f"the connection was cut before a whole answer came ({kind})",
        request=where,
        hint=_is_it_tls(kind, way) or (None if answered else _perhaps_tls(way)),
    )


def unreadable(kind: str, where: str, way: Way) -> Unclear:
    """An answer that is no HTTP."""
    return Unclear(
        f"there was no answer that can be read ({kind})", request=where, hint=_is_it_tls(kind, way)
    )


def unusable(error: Exception, where: str, most: int) -> Unclear:
    """An answer whose body was not read to its end, or can't be unpacked."""
    if isinstance(error, AnswerTooLarge):
        return TooMuch(
            f"the answer is larger than {most >> 20:,} MiB",
            request=where,
            hint="A smaller server.pageSize makes smaller pages; server.maxAnswerMegabytes is the limit.",
        )
    return Unclear(f"there was no answer that can be read: {error}", request=where)


def no_socks(proxy: Proxy, where: str) -> CannotConnect:
    """The proxy doesn't speak SOCKS."""
    return CannotConnect(
        f"{proxy} did not answer as a SOCKS proxy does", request=where, tries=1, hint=proxy.hint
    )


def _is_it_tls(kind: str, way: Way) -> str | None:
    """A hint where what came looks like the beginning of a TLS alert."""
    # h11 doesn't quote the bytes where the first one can't begin a line.
    binary = "\\x15\\x03" in kind or kind == "illegal request line"
    return USE_HTTPS if binary and way.base.startswith("http:") else None


def _perhaps_tls(way: Way) -> str | None:
    """Many a server with TLS only hangs up on plain HTTP."""
    if not way.base.startswith("http:"):
        return None
    return "Does the server speak TLS on this port? Then its URL should begin with https."


USE_HTTPS: Final = "The server speaks TLS on this port: its URL should begin with https."


def wants_tls(said: str) -> bool:
    """Whether an error's words say that plain HTTP came to a port with TLS."""
    return _PLAIN_TO_TLS.search(said) is not None


def certificate_hint(error: ssl.SSLCertVerificationError, *, ca_file: bool) -> str:
    """What helps against a certificate that isn't trusted."""
    if error.verify_code in _EXPIRED:
        return "The certificate has ended: have it renewed, or set the clock of this machine right."
    if error.verify_code in _NOT_YET:
        return "The certificate isn't valid yet: is the clock of this machine right?"
    if error.verify_code in _OTHER_HOST:
        return "It is the certificate of another host: is the host name in the server's URL right?"
    if error.verify_code in _NO_ISSUER and ca_file:
        return "It was not issued by the authority in server.caFile: is that the right file?"
    if error.verify_code in _NO_ISSUER:
        return "Name the certificate authority's file in server.caFile."
    return "Have the server's certificate fixed; server.caFile names an authority to trust."


def tls_hint(error: ssl.SSLError) -> str:
    """What helps where TLS doesn't come about."""
    reason = error.reason or ""
    if reason in _NO_TLS:
        return "The server speaks plain HTTP on this port: should its URL begin with http://?"
    if "CERTIFICATE_REQUIRED" in reason or reason.endswith(("BAD_CERTIFICATE", "HANDSHAKE_FAILURE")):
        return "Does the server ask for a certificate of the client? That is not supported."
    return "Does the server speak https on this port, in a version that is still in use?"


def _certified(way: Way) -> str:
    """Whose certificate it is; with TLS on both ways it may be either's."""
    return f"{way.base} or of {way.proxy}" if way.proxy and way.proxy.encrypted else way.base


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error, what it came from, and the members of groups among those."""
    while error is not None:
        yield error
        if isinstance(error, BaseExceptionGroup):
            for member in error.exceptions:
                yield from _causes(member)
        error = error.__cause__ or error.__context__
