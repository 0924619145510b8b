"""A server as it was when a snapshot of it was taken: reads answer from the snapshot, and nothing is sent.

What the server can do is still told by the real provider, which is asked for nothing that takes a call.
A read that the snapshot has no answer for is an error that says how to take one that has.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import NoReturn, Protocol

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
from reconciler.providers.base import Bindings, Field, Lowered, Provider, Readback, Result, Traits


class Saved(Protocol):
    """What a snapshot holds of a server. Large parts are read when they are asked for."""

    @property
    def server(self) -> Server: ...

    @property
    def campaigns(self) -> Mapping[str, LiveCampaign]:
        """Every campaign by its id, in the order of ids; without members, and ``phase`` is not told."""
        ...

    @property
    def packages(self) -> Mapping[str, LivePackage]:
        """Every package by its id, in the order of ids."""
        ...

    def gateways(self, campaign_id: str) -> Membership:
        """All gateways of a campaign."""
        ...

    def overrides(self, campaign_id: str) -> Mapping[str, tuple[str, ...]]:
        """The effective packages of those gateways that were asked about."""
        ...


class SnapshotProvider:
    """`reconciler.providers.base.Provider` over what was `saved`; `facts` is the provider of that server.

    ``requests`` counts the calls that the same reads would have made: a plan needs the same permissions.
    """

    def __init__(self, saved: Saved, facts: Provider) -> None:
        self._saved = saved
        self._facts = facts
        self._requests: Counter[str] = Counter()

    # --- facts -------------------------------------------------------------------------------------

    @property
    def server(self) -> Server:
        """The server that the snapshot is of."""
        return self._saved.server

    @property
    def operations(self) -> Mapping[str, Operation]:
        """See `Provider.operations`."""
        return self._facts.operations

    @property
    def requests(self) -> Mapping[str, int]:
        """See `Provider.requests`: what would have been sent."""
        return self._requests

    def traits(self, name: Field) -> Traits:
        """See `Provider.traits`."""
        return self._facts.traits(name)

    def phase(self, status: str) -> Phase:
        """See `Provider.phase`."""
        return self._facts.phase(status)

    def allows(self, verb: Verb, phase: Phase) -> bool:
        """See `Provider.allows`."""
        return self._facts.allows(verb, phase)

    def past(self, state: str, phase: SchedulePhase) -> bool:
        """See `Provider.past`."""
        return self._facts.past(state, phase)

    def in_flight(self, state: str) -> bool:
        """See `Provider.in_flight`."""
        return self._facts.in_flight(state)

    def lower(self, action: Action) -> Lowered:
        """See `Provider.lower`."""
        return self._facts.lower(action)

    # --- reads -------------------------------------------------------------------------------------

    async def campaigns(self, names: Collection[str] | None = None) -> tuple[CampaignSummary, ...]:
        """See `Provider.campaigns`."""
        self._would_ask("list-campaigns", names is None or bool(names))
        return tuple(
            CampaignSummary(saved.id, saved.name, saved.status)
            for saved in self._saved.campaigns.values()
            if names is None or saved.name in names
        )

    async def campaign(self, campaign_id: str) -> LiveCampaign | None:
        """See `Provider.campaign`."""
        self._would_ask("get-campaign")
        saved = self._saved.campaigns.get(campaign_id)
        return saved and replace(
            saved, phase=self.phase(saved.status), distribution=None, distribution_read=False
        )

    async def gateways(self, campaign_id: str) -> Membership:
        """See `Provider.gateways`."""
        self._would_ask("list-gateways")
        return self._saved.gateways(campaign_id)

    async def distribution_list(self, campaign_id: str) -> DistributionList | None:
        """See `Provider.distribution_list`."""
        self._would_ask("get-distribution-list")
        return self._saved.campaigns[campaign_id].distribution

    async def overrides(self, campaign_id: str, gateways: Collection[str]) -> Mapping[str, tuple[str, ...]]:
        """See `Provider.overrides`."""
        self._would_ask("get-gateway-packages", bool(gateways))
        saved = self._saved.overrides(campaign_id) if gateways else {}
        if missing := sorted(gateways - saved.keys()):
            more = f" and {len(missing) - 1:,} more" if len(missing) > 1 else ""
            raise ReconcilerError(
                f"the snapshot doesn't say which packages the gateway {missing[0]}{more} of campaign"
                f" {self._saved.campaigns[campaign_id].name!r} gets",
                hint="Take it again, with `--overrides all`, or with the resources that are planned now;"
                " or plan with `--refresh recorded`, which trusts what was last applied.",
            )
        return {gateway: saved[gateway] for gateway in sorted(gateways)}

    async def packages(self, names: Collection[str] | None = None) -> tuple[LivePackage, ...]:
        """See `Provider.packages`."""
        self._would_ask("list-packages", names is None or bool(names))
        return tuple(p for p in self._saved.packages.values() if names is None or p.name in names)

    async def package(self, package_id: str) -> LivePackage | None:
        """See `Provider.package`."""
        self._would_ask("get-package")
        return self._saved.packages.get(package_id)

    def _would_ask(self, operation: str, really: bool = True) -> None:
        """Count a call that the server would have got; none is needed for nothing."""
        if really:
            self._requests[operation] += 1

    # --- steps -------------------------------------------------------------------------------------

    async def run(self, step: Step, bindings: Bindings) -> Result:
        """A snapshot is not a server."""
        del step, bindings
        self._refuse()

    async def verify(self, step: Step, bindings: Bindings) -> Readback:
        """A snapshot is not a server."""
        del step, bindings
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise ReconcilerError(
            "a plan of a snapshot can't be applied", hint="Plan on the server itself: leave --snapshot out."
        )
