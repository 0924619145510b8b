"""The seam to a server.

The core speaks in campaigns, gateways, packages and verbs; a provider knows how its server says them.
It answers four questions: what can a field do (`traits`), when may a thing be done (`allows`), what is
there (the reads), and what call does an action become (`lower`). Then it runs single steps (`run`) and
tells after an unclear answer what really happened (`verify`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from reconciler.model import (
    Action,
    CampaignSummary,
    DistributionList,
    LiveCampaign,
    LivePackage,
    Membership,
    Operation,
    OutcomeStatus,
    Phase,
    ResourceId,
    SchedulePhase,
    Server,
    Step,
    Verb,
)


class Field(StrEnum):
    """What a campaign consists of, as changes name it."""

    NAME = "name"
    DESCRIPTION = "description"
    PACKAGES = "packages"
    SETTINGS = "settings"
    GATEWAYS = "gateways"
    DISTRIBUTION = "distributionList"
    OVERRIDES = "packageOverrides"
    SCHEDULES = "schedules"
    CALLBACKS = "callbackSet"
    CLOSED = "closedGateways"
    THINGS = "runOnThings"
    STATUS = "status"


@dataclass(frozen=True, slots=True)
class Traits:
    """What a server can do with a field: set by `verb`, read back or write-only, cleared or not."""

    verb: Verb
    readable: bool = True
    clearable: bool = True


@dataclass(frozen=True, slots=True)
class Lowered:
    """The call that an action becomes. ``per_call``: gateways a call carries, 0 when it isn't about any."""

    operation: Operation
    per_call: int = 0


@dataclass(frozen=True, slots=True)
class Bindings:
    """Ids that steps of this run made: campaigns by resource, packages by content digest."""

    campaigns: Mapping[ResourceId, str] = field(default_factory=dict)
    packages: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Result:
    """How a step that the server took ended: DONE, NOT_NEEDED or WAITING. ``created``: a new id."""

    status: OutcomeStatus = OutcomeStatus.DONE
    created: str | None = None
    message: str = ""


@dataclass(frozen=True, slots=True)
class Readback:
    """What a look after an unclear answer found.

    ``done``: it happened (``created`` holds the id it made). Otherwise ``remaining`` says which gateways
    of the step are still to do; None means the whole step.
    """

    done: bool
    created: str | None = None
    remaining: tuple[str, ...] | None = None


class Provider(Protocol):
    """A server of campaigns.

    Reads raise ServerError (after retrying what may be retried) and never return a part of a list.
    """

    @property
    def server(self) -> Server:
        """Which server this is; every report names it."""
        ...

    @property
    def operations(self) -> Mapping[str, Operation]:
        """Every operation by its name."""
        ...

    @property
    def requests(self) -> Mapping[str, int]:
        """How many requests were sent so far, by operation name (sign-in and version too)."""
        ...

    def traits(self, name: Field) -> Traits:
        """What the server can do with a field."""
        ...

    def phase(self, status: str) -> Phase:
        """What a status means."""
        ...

    def allows(self, verb: Verb, phase: Phase) -> bool:
        """Whether the server takes `verb` for a campaign in `phase`. UNKNOWN allows what any phase allows."""
        ...

    def past(self, state: str, phase: SchedulePhase) -> bool:
        """Whether a gateway in `state` is past `phase`, so that a window for it would come too late."""
        ...

    def in_flight(self, state: str) -> bool:
        """Whether a gateway in `state` is in the middle of an update; a word that nobody knows says yes."""
        ...

    async def campaigns(self, names: Collection[str] | None = None) -> tuple[CampaignSummary, ...]:
        """The whole list of campaigns, or those of exactly these names, in the fewest requests."""
        ...

    async def campaign(self, campaign_id: str) -> LiveCampaign | None:
        """A campaign without its gateways and distribution list; None when there is no such id."""
        ...

    async def gateways(self, campaign_id: str) -> Membership:
        """All gateways of a campaign."""
        ...

    async def distribution_list(self, campaign_id: str) -> DistributionList | None:
        """The distribution list, None when it isn't set."""
        ...

    async def overrides(self, campaign_id: str, gateways: Collection[str]) -> Mapping[str, tuple[str, ...]]:
        """The effective packages of each of `gateways`."""
        ...

    async def packages(self, names: Collection[str] | None = None) -> tuple[LivePackage, ...]:
        """The whole list of packages, or those of exactly these names, in the fewest requests."""
        ...

    async def package(self, package_id: str) -> LivePackage | None:
        """A package, None when there is no such id."""
        ...

    def lower(self, action: Action) -> Lowered:
        """The call that does `action`; pure."""
        ...

    async def run(self, step: Step, bindings: Bindings) -> Result:
        """Send a step once.

        Raises NotExecuted, Unclear or Refused. A refusal that says that it has already happened is for
        the caller to `verify` at, for operations that look first.
        """
        ...

    async def verify(self, step: Step, bindings: Bindings) -> Readback:
        """Read what became of a step whose answer was unclear, or that was refused as already done.

        ReconcilerError when two objects could be what the step made: it names both.
        """
        ...


class Connect(Protocol):
    """Opens a provider for a run and closes it after."""

    def __call__(self) -> AbstractAsyncContextManager[Provider]: ...
