"""One request on its way: the seam below the client, so that another HTTP engine can stand in.

An engine never resends by itself, follows no redirect, and tells *surely not sent* (NotExecuted) from
*may have arrived* (Unclear). Everything that is an HTTP answer is a Response, whatever its status.

Tests: `tests/providers/test_pulse_engine.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from reconciler.errors import NotExecuted, Unclear
from reconciler.providers.http.filebody import FileBody


# Not frozen: one is made for each call, and a frozen one takes several times as long to make.
@dataclass(slots=True)
class Request:
    """What is sent. ``path`` is percent-encoded and starts with a slash; ``query`` is not encoded yet."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | FileBody | None = field(default=None, repr=False)

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


@dataclass(slots=True)
class Response:
    """A whole answer. Headers are found by their names in lower case."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)


class CannotConnect(NotExecuted):
    """No connection came about. ``tries``: how often it is worth trying before the first success."""

    def __init__(self, message: str, *, request: str, tries: int, hint: str | None = None) -> None:
        super().__init__(message, request=request, hint=hint)
        self.tries = tries


class TooMuch(Unclear):
    """The answer is larger than one may be: asking again brings it again."""


class Transport(Protocol):
    """An HTTP engine."""

    async def send(self, request: Request) -> Response:
        """Send `request` once. Raises NotExecuted or Unclear when there is no whole answer."""
        ...
