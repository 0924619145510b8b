"""Opens a Pulse server: facts without a connection, the other parts over one.

Tests: `tests/contract/test_opening_contract.py`, `tests/providers/test_pulse_embedded.py`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from reconciler.errors import ReconcilerError
from reconciler.pacing import Backoff, RateLimiter
from reconciler.providers.base import Facts, Provider
from reconciler.providers.http.auth import header_value
from reconciler.providers.http.engine import AsgiApp, check_url, open_engine
from reconciler.providers.http.paging import LIST_ANSWERS
from reconciler.providers.http.transport import Transport
from reconciler.providers.http.watched import Watched
from reconciler.providers.http.wire import Wire
from reconciler.providers.pulse.client import PulseClient
from reconciler.providers.pulse.entry import wire_of
from reconciler.providers.pulse.facts import facts_of
from reconciler.providers.pulse.questions import PulseQuestions
from reconciler.providers.pulse.writes import PulseWrites
from reconciler.settings import EMBEDDED_URL, ServerSettings


def provider_of(settings: ServerSettings, wire: Wire, watched: Watched, *, parallelism: int = 16) -> Provider:
    """The provider that calls over `wire`; `watched` is the transport below it."""
    how = {
        "page_size": settings.page_size,
        "parallelism": parallelism,
        "most_bytes": LIST_ANSWERS * settings.max_answer_megabytes << 20,
    }
    client = PulseClient(wire, **how)
    questions = PulseQuestions(wire, watched, **how)
    return Provider(
        settings.identity,
        facts_of(settings),
        client,
        PulseWrites(client),
        questions,
        wire.answers,
        ahead=lambda: watched.ahead,
    )


@asynccontextmanager
async def connect(
    settings: ServerSettings,
    *,
    app: AsgiApp | None = None,
    transport: Transport | None = None,
    parallelism: int = 16,
    backoff: Backoff | None = None,
    limiter: RateLimiter | None = None,
) -> AsyncIterator[Provider]:
    """A provider for the server that `settings` name, closed with the block. Nothing is sent yet.

    `app` is the server itself where it runs in this process (``embedded:``); `transport` replaces the
    HTTP engine. At most `parallelism` requests are under way at a time.
    """
    if transport is not None:
        watched = Watched(transport)
        wire = wire_of(watched, settings, concurrency=parallelism, backoff=backoff, limiter=limiter)
        yield provider_of(settings, wire, watched, parallelism=parallelism)
        return
    if settings.embedded and app is None:
        raise ReconcilerError(
            f"{EMBEDDED_URL} names a server in this process, and there is none",
            hint="Name the server by its URL.",
        )
    url = settings.url if settings.embedded else check_url(settings.url)
    async with open_engine(
        url,
        app=app,
        ca_file=settings.ca_file,
        timeout=settings.timeout,
        connections=parallelism,
        engine=settings.engine,
        most=settings.max_answer_megabytes << 20,
    ) as engine:
        watched = Watched(engine)
        wire = wire_of(watched, settings, concurrency=parallelism, backoff=backoff, limiter=limiter)
        yield provider_of(settings, wire, watched, parallelism=parallelism)


class Pulse:
    """`reconciler.providers.opening.ProviderKind`."""

    def facts_of(self, settings: ServerSettings) -> Facts:
        """See `ProviderKind.facts_of`."""
        return facts_of(settings)

    def check(self, values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """See `ProviderKind.check`: what is to travel in a header has to fit into one."""
        for name, what in (("apiVersion", "the API version"), ("organization", "the organization")):
            if name not in values:
                continue
            try:
                header_value(str(values[name]), what)
            except ReconcilerError as error:
                yield name, error.message

    def connect(
        self,
        settings: ServerSettings,
        *,
        app: AsgiApp | None = None,
        parallelism: int = 16,
        backoff: Backoff | None = None,
        limiter: RateLimiter | None = None,
    ) -> AbstractAsyncContextManager[Provider]:
        """See `ProviderKind.connect`."""
        return connect(settings, app=app, parallelism=parallelism, backoff=backoff, limiter=limiter)
