"""No connection came about: what that says, whichever engine tried.

Tests: `tests/providers/test_pulse_engine.py`.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from reconciler.providers.http.transport import CannotConnect

WHOLE_ANSWER: Final = 4
"""A whole answer may take so many timeouts: a server that sends a byte now and then isn't waited for."""


def too_late_to_connect(base: str, where: str) -> CannotConnect:
    """The server didn't take a connection in time."""
    return CannotConnect(
        f"{base} did not accept a connection in time",
        request=where,
        tries=2,
        hint="Is the server reachable from here, and is its URL right?",
    )


def no_connection(error: BaseException, where: str, base: str) -> CannotConnect:
    """What `error` says of why there is no connection."""
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
