"""What differs, and all that a plan needs to know to put it right."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from reconciler.diff.attachments import CallbackFor
from reconciler.diff.overrides import PackagesFor
from reconciler.diff.schedules import WindowFor
from reconciler.model import (
    CampaignFields,
    Change,
    DesiredCampaign,
    DistributionList,
    Finding,
    Json,
    LiveCampaign,
    PackageFile,
    Reason,
    ResourceId,
)
from reconciler.providers.base import Field
from reconciler.state.base import Event, Owned, Uploaded


class Run(StrEnum):
    """What is to become of a campaign's running."""

    KEEP = "keep"
    START = "start"
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class Transition:
    """Whether to start or stop a campaign, and why; ``approve``: the server waits, and Git approves."""

    run: Run = Run.KEEP
    reason: Reason = Reason.DIFFERS
    approve: bool = False
    held: bool = False
    """Somebody stopped it, and it is left so."""
    findings: tuple[Finding, ...] = ()
    records: tuple[Event, ...] = ()


@dataclass(frozen=True, slots=True)
class Former:
    """A campaign that was replaced. ``live`` None: nothing more is to be done to it, so it wasn't read."""

    id: str
    live: LiveCampaign | None
    ended: bool
    """It never runs again, and nothing that it started is under way."""
    staying: frozenset[str] = frozenset()
    """Whose turn in the rollout is still to come: as long as there is somebody, it goes on for them."""
    leaving: frozenset[str] = frozenset()
    """Who else is in it, closed ones too."""


@dataclass(frozen=True, slots=True)
class CampaignDiff:
    """A declared campaign that is ours or to be created, beside its live side."""

    desired: DesiredCampaign
    live: LiveCampaign | None
    fields: CampaignFields
    """What a create or an edit carries."""
    changes: tuple[Change, ...] = ()
    edit: bool = False
    """Whether a field that only an edit can change differs."""
    gained: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    distribution: DistributionList | None = None
    """The distribution list to set; None when it needs no call."""
    callbacks: tuple[CallbackFor, ...] = ()
    overrides: tuple[PackagesFor, ...] = ()
    schedules: tuple[WindowFor, ...] = ()
    things: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    closes: tuple[str, ...] = ()
    transition: Transition = Transition()
    findings: tuple[Finding, ...] = ()
    records: tuple[Event, ...] = ()
    """What the state learns of it without a call."""
    successor: CampaignDiff | None = None
    """What is created in its place, where the server can't change it otherwise."""
    replaced: tuple[Field, ...] = ()
    """Of one that has a successor: the fields that call for it."""
    starts: bool = False
    """Of one that has a successor: whether that is to run."""
    keeps_name: bool = False
    """Of one that has a successor: it has its name to the end, because the server can't rename it."""
    formers: tuple[Former, ...] = ()
    """The campaigns that it replaced, oldest first."""
    itself: Former | None = None
    """Of one that has a successor: what it is to that."""
    gone: str | None = None
    """Of one that is created: the id of the one that the server has lost."""
    declares: Mapping[str, Json] = field(default_factory=dict, compare=False)
    """Field → what is declared of it, where the state doesn't know that yet; see `state/declared.py`."""
    refused: Finding | None = None
    """Why nothing may be done to it."""

    @property
    def create(self) -> bool:
        return self.live is None

    @property
    def renamed(self) -> bool:
        """Whether it gets another name than it has."""
        return self.live is None or any(change.field == Field.NAME for change in self.changes)


@dataclass(frozen=True, slots=True)
class Removal:
    """An owned campaign that is no longer declared, and is to be deleted."""

    owned: Owned
    live: LiveCampaign
    formers: tuple[Former, ...] = ()
    """The campaigns that it replaced, oldest first."""


@dataclass(frozen=True, slots=True)
class Diff:
    """Everything that differs. ``records`` take no call: what the state is to learn all the same."""

    campaigns: tuple[CampaignDiff, ...] = ()
    removals: tuple[Removal, ...] = ()
    uploads: tuple[PackageFile, ...] = ()
    package_removals: tuple[Uploaded, ...] = ()
    changes: tuple[Change, ...] = ()
    findings: tuple[Finding, ...] = ()
    records: tuple[Event, ...] = ()
    prune: bool = False
    """Whether what was replaced is deleted once it has ended."""
    untargeted: Mapping[ResourceId, frozenset[str]] = field(default_factory=dict)
    """Running campaigns that are left alone, and their gateways, where gateways join another one."""
