"""Kinds of server by name: how to get the facts of one, check its settings, and open it.

A new kind is a line of `PROVIDERS`, and the one import of its folder.

Tests: `tests/contract/test_opening_contract.py`, `tests/providers/test_pulse_facts.py`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Protocol

from reconciler.errors import ReconcilerError
from reconciler.pacing import Backoff, RateLimiter
from reconciler.providers.base import Facts, Provider
from reconciler.settings import ServerSettings

if TYPE_CHECKING:
    from reconciler.providers.http.engine import AsgiApp

PARALLELISM: Final = 16
"""How many requests are under way at a time where nobody says otherwise."""


class ProviderKind(Protocol):
    """One kind of server."""

    def facts_of(self, settings: ServerSettings) -> Facts:
        """Its facts, without a connection."""
        ...

    def check(self, values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """What is wrong with the settings in `values`, as a project file names them: (name, why)."""
        ...

    def connect(
        self,
        settings: ServerSettings,
        *,
        app: AsgiApp | None = None,
        parallelism: int = PARALLELISM,
        backoff: Backoff | None = None,
        limiter: RateLimiter | None = None,
    ) -> AbstractAsyncContextManager[Provider]:
        """A server of this kind, closed with the block. Nothing is sent yet.

        `app` is the server itself where it runs in this process. At most `parallelism` requests are under way
        at a time, each in its turn of `limiter`, where that isn't the provider's own.
        """
        ...


def _pulse() -> ProviderKind:
    from reconciler.providers.pulse import kind

    return kind.Pulse()


def _hawkbit() -> ProviderKind:
    from reconciler.providers.hawkbit import kind

    return kind.Hawkbit()


PROVIDERS: Final[Mapping[str, Callable[[], ProviderKind]]] = MappingProxyType(
    {"hawkbit": _hawkbit, "pulse": _pulse}
)
"""Name → the kind of server, imported when it is needed."""

Kinds = Mapping[str, Callable[[], ProviderKind]]


def kind_of(name: str, kinds: Kinds = PROVIDERS) -> ProviderKind:
    """The kind of server called `name`."""
    if name not in kinds:
        raise ReconcilerError(
            f"there is no provider {name!r}", hint=f"server.provider is one of {', '.join(sorted(kinds))}."
        )
    return kinds[name]()


def facts_of(settings: ServerSettings, kinds: Kinds = PROVIDERS) -> Facts:
    """The facts of the server that `settings` name."""
    return kind_of(settings.provider, kinds).facts_of(settings)


@asynccontextmanager
async def opened(
    settings: ServerSettings,
    *,
    app: AsgiApp | None = None,
    parallelism: int = PARALLELISM,
    backoff: Backoff | None = None,
    limiter: RateLimiter | None = None,
    kinds: Kinds = PROVIDERS,
) -> AsyncIterator[Provider]:
    """The server that `settings` name; see `ProviderKind.connect`."""
    kind = kind_of(settings.provider, kinds)
    pace = limiter or RateLimiter(settings.max_requests_per_second)
    connection = kind.connect(settings, app=app, parallelism=parallelism, backoff=backoff, limiter=pace)
    async with connection as provider:
        yield replace(provider, pace=pace)
