"""A transport that notes what answers tell besides: the time that the server has, and its API version.

Tests: `tests/cli/test_cli_doctor.py`.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from reconciler.pacing import http_date
from reconciler.providers.http.transport import Request, Response, Transport

_VERSION = "api-version="


class Watched:
    """A transport that keeps the time that answers tell, and the version that requests ask for."""

    def __init__(self, inner: Transport, *, clock: Callable[[], float] = time.time) -> None:
        self._inner = inner
        self._clock = clock
        self._accept: str | None = None
        self.ahead: float | None = None
        """Seconds that the server's clock is ahead of ours, by its last answer with a Date."""
        self.version: str | None = None

    async def send(self, request: Request) -> Response:
        """See `Transport.send`."""
        accept = request.headers.get("Accept", "")
        if accept is not self._accept:  # nearly all ask for the same
            self._accept = accept
            if _VERSION in accept:
                self.version = accept.partition(_VERSION)[2]
        before = self._clock()
        response = await self._inner.send(request)
        # A Date has whole seconds: on average half a second has passed since.
        told = response.headers.get("date")
        if told and (date := http_date(told)):
            self.ahead = date.timestamp() + 0.5 - (before + self._clock()) / 2
        return response
