"""The Pulse server behind the neutral seam: facts of the server, reads, and steps."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from types import MappingProxyType
from typing import Final

from reconciler.errors import ReconcilerError
from reconciler.model import (
    Action,
    CampaignSummary,
    DistributionList,
    LiveCampaign,
    LivePackage,
    Membership,
    Operation,
    Phase,
    SchedulePhase,
    Server,
    Step,
    Verb,
)
from reconciler.pacing import Backoff
from reconciler.pool import concurrently
from reconciler.providers.base import Bindings, Field, Lowered, Readback, Result, Traits
from reconciler.providers.pulse import gatewaystates, lifecycle, steps
from reconciler.providers.pulse.client import PulseClient
from reconciler.providers.pulse.engine import AsgiApp, check_url, open_engine
from reconciler.providers.pulse.operations import OPERATIONS
from reconciler.providers.pulse.transport import Transport
from reconciler.providers.pulse.wire import Wire
from reconciler.settings import EMBEDDED_URL, ServerSettings

_TRAITS: Final[Mapping[Field, Traits]] = MappingProxyType(
    {
        Field.NAME: Traits(Verb.EDIT, clearable=False),
        Field.DESCRIPTION: Traits(Verb.EDIT),
        Field.PACKAGES: Traits(Verb.EDIT),
        Field.SETTINGS: Traits(Verb.EDIT, readable=False),
        Field.GATEWAYS: Traits(Verb.ADD),
        Field.DISTRIBUTION: Traits(Verb.DISTRIBUTE, clearable=False),
        Field.OVERRIDES: Traits(Verb.OVERRIDE, clearable=False),
        Field.SCHEDULES: Traits(Verb.SCHEDULE, readable=False, clearable=False),
        Field.CALLBACKS: Traits(Verb.CALLBACK, readable=False, clearable=False),
        Field.CLOSED: Traits(Verb.CLOSE, clearable=False),
        Field.THINGS: Traits(Verb.THINGS, readable=False, clearable=False),
        Field.STATUS: Traits(Verb.START, clearable=False),
    }
)


class PulseProvider:
    """`reconciler.providers.base.Provider` over the Campaign Management API."""

    def __init__(self, settings: ServerSettings, wire: Wire, *, concurrency: int = 16) -> None:
        self._settings = settings
        self._wire = wire
        self._concurrency = concurrency
        self.client: Final = PulseClient(wire, page_size=settings.page_size, concurrency=concurrency)
        self._runner = steps.Runner(self.client)
        self._verifier = steps.OutcomeVerifier(self.client)

    # --- facts -------------------------------------------------------------------------------------

    @property
    def server(self) -> Server:
        """See `Provider.server`."""
        return self._settings.identity

    @property
    def operations(self) -> Mapping[str, Operation]:
        """See `Provider.operations`."""
        return OPERATIONS

    @property
    def requests(self) -> Mapping[str, int]:
        """See `Provider.requests`; ``sign-in`` and ``get-version`` beside the operations."""
        return self._wire.requests

    def traits(self, name: Field) -> Traits:
        """See `Provider.traits`."""
        return _TRAITS[name]

    def phase(self, status: str) -> Phase:
        """See `Provider.phase`."""
        return lifecycle.phase(status)

    def allows(self, verb: Verb, phase: Phase) -> bool:
        """See `Provider.allows`."""
        return lifecycle.allows(verb, phase, edits=self._settings.edit_while_started)

    def past(self, state: str, phase: SchedulePhase) -> bool:
        """See `Provider.past`."""
        return gatewaystates.past(state, phase)

    def in_flight(self, state: str) -> bool:
        """See `Provider.in_flight`."""
        return gatewaystates.in_flight(state)

    # --- reads -------------------------------------------------------------------------------------

    async def campaigns(self, names: Collection[str] | None = None) -> tuple[CampaignSummary, ...]:
        """See `Provider.campaigns`."""
        return await self.client.list_campaigns(names)

    async def campaign(self, campaign_id: str) -> LiveCampaign | None:
        """See `Provider.campaign`."""
        return await self.client.get_campaign(campaign_id)

    async def gateways(self, campaign_id: str) -> Membership:
        """See `Provider.gateways`."""
        return await self.client.list_gateways(campaign_id)

    async def distribution_list(self, campaign_id: str) -> DistributionList | None:
        """See `Provider.distribution_list`."""
        return await self.client.get_distribution_list(campaign_id)

    async def overrides(self, campaign_id: str, gateways: Collection[str]) -> Mapping[str, tuple[str, ...]]:
        """See `Provider.overrides`."""

        async def effective(gateway_id: str) -> tuple[str, ...]:
            return await self.client.get_gateway_packages(campaign_id, gateway_id)

        return await concurrently(sorted(gateways), effective, limit=self._concurrency)

    async def packages(self, names: Collection[str] | None = None) -> tuple[LivePackage, ...]:
        """See `Provider.packages`."""
        return await self.client.list_packages(names)

    async def package(self, package_id: str) -> LivePackage | None:
        """See `Provider.package`."""
        return await self.client.get_package(package_id)

    # --- steps -------------------------------------------------------------------------------------

    def lower(self, action: Action) -> Lowered:
        """See `Provider.lower`."""
        return steps.lower(action, batch_size=self._settings.batch_size)

    async def run(self, step: Step, bindings: Bindings) -> Result:
        """See `Provider.run`."""
        return await self._runner.run(step, bindings)

    async def verify(self, step: Step, bindings: Bindings) -> Readback:
        """See `Provider.verify`."""
        return await self._verifier.verify(step, bindings)


@asynccontextmanager
async def connect(
    settings: ServerSettings,
    *,
    app: AsgiApp | None = None,
    transport: Transport | None = None,
    concurrency: int = 16,
    backoff: Backoff | None = None,
) -> AsyncIterator[PulseProvider]:
    """A provider for the server that `settings` name, closed with the block. Nothing is sent yet.

    `app` is the server itself where it runs in this process (``embedded:``); `transport` replaces the
    HTTP engine. At most `concurrency` requests are under way at a time.
    """
    if transport is not None:
        wire = Wire(transport, settings, concurrency=concurrency, backoff=backoff)
        yield PulseProvider(settings, wire, concurrency=concurrency)
        return
    if settings.embedded and app is None:
        raise ReconcilerError(f"{EMBEDDED_URL} names a server in this process, and there is none")
    url = settings.url if settings.embedded else check_url(settings.url)
    async with open_engine(
        url,
        app=app,
        ca_file=settings.ca_file,
        timeout=settings.timeout,
        connections=concurrency,
        engine=settings.engine,
    ) as engine:
        wire = Wire(engine, settings, concurrency=concurrency, backoff=backoff)
        yield PulseProvider(settings, wire, concurrency=concurrency)
