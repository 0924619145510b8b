"""Opens a hawkBit server: facts without a connection, the other parts over one.

Tests: `tests/contract/test_opening_contract.py`, `tests/providers/test_hawkbit_wire.py`.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final

from reconciler.errors import ReconcilerError
from reconciler.pacing import Backoff, RateLimiter
from reconciler.providers.base import Facts, Provider
from reconciler.providers.hawkbit.calls import MOST
from reconciler.providers.hawkbit.client import HawkbitClient
from reconciler.providers.hawkbit.entry import wire_of
from reconciler.providers.hawkbit.facts import facts_of
from reconciler.providers.hawkbit.questions import HawkbitQuestions
from reconciler.providers.hawkbit.writes import HawkbitWrites
from reconciler.providers.http.engine import AsgiApp, check_url, open_engine
from reconciler.providers.http.paging import LIST_ANSWERS
from reconciler.providers.http.transport import Transport
from reconciler.providers.http.watched import Watched
from reconciler.settings import ServerSettings

_OTHERS: Final[Mapping[str, str]] = {
    "apiVersion": "hawkBit has one version of its API, and it is in every address",
    "organization": "the tenant follows from the user",
    "editWhileStarted": "a rollout that runs takes another name and description, and nothing else",
}
"""Settings of other kinds of server → why there is no such thing here."""


def provider_of(settings: ServerSettings, transport: Transport, *, parallelism: int, **sent: Any) -> Provider:
    """The provider that calls over `transport`; `sent`: see `Sender`."""
    watched = Watched(transport)
    wire = wire_of(watched, settings, concurrency=parallelism, **sent)
    how = {
        "page_size": settings.page_size,
        "parallelism": parallelism,
        "most_bytes": LIST_ANSWERS * settings.max_answer_megabytes << 20,
    }
    client = HawkbitClient(wire, **how)
    questions = HawkbitQuestions(wire, watched, clock=time.time, **how)
    return Provider(
        settings.identity,
        facts_of(settings),
        client,
        HawkbitWrites(client),
        questions,
        wire.answers,
        ahead=lambda: watched.ahead,
    )


@asynccontextmanager
async def connect(
    settings: ServerSettings,
    *,
    app: AsgiApp | None = None,
    parallelism: int = 16,
    backoff: Backoff | None = None,
    limiter: RateLimiter | None = None,
) -> AsyncIterator[Provider]:
    """See `ProviderKind.connect`."""
    if settings.embedded:
        raise ReconcilerError(
            "there is no hawkBit in this process", hint="Name the server: server.url, or --url."
        )
    async with open_engine(
        check_url(settings.url),
        app=app,
        ca_file=settings.ca_file,
        timeout=settings.timeout,
        most=settings.max_answer_megabytes << 20,
        connections=parallelism,
        engine=settings.engine,
    ) as engine:
        yield provider_of(settings, engine, parallelism=parallelism, backoff=backoff, limiter=limiter)


class Hawkbit:
    """`reconciler.providers.opening.ProviderKind`."""

    def facts_of(self, settings: ServerSettings) -> Facts:
        """See `ProviderKind.facts_of`."""
        return facts_of(settings)

    def check(self, values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """See `ProviderKind.check`: what belongs to other kinds of server, and pages that are too long."""
        for name, why in _OTHERS.items():
            if name in values:
                yield name, f"{name} means nothing to this server: {why}"
        if int(values.get("pageSize", MOST)) > MOST:
            yield "pageSize", f"a page of this server has {MOST} rows at most"

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
