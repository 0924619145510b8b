"""One campaign from both sides, as the comparisons of its parts see it, and what each of them finds.

Tests: `tests/diff/test_diff_view.py`, `tests/diff/test_diff_campaign.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Generic, TypeVar

from reconciler.diff.packages import Bound
from reconciler.model import (
    Change,
    DesiredCampaign,
    Finding,
    Json,
    LiveCampaign,
    Place,
    Reason,
    Severity,
)
from reconciler.options import Options
from reconciler.providers.base import Facts, Field
from reconciler.state.base import Event, MembersApplied, Owned
from reconciler.state.declared import keeps

Todo = TypeVar("Todo")
EMPTY: frozenset[str] = frozenset()
_NONE: Final[Mapping[str, Json]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Ask:
    """What a comparison needs beside both sides.

    ``now`` is in epoch milliseconds.
    """

    options: Options
    now: int
    facts: Facts


@dataclass(frozen=True, slots=True)
class Part(Generic[Todo]):
    """The outcome of comparing one part: what to do, what to say, what the state learns without a call."""

    todo: tuple[Todo, ...] = ()
    changes: tuple[Change, ...] = ()
    findings: tuple[Finding, ...] = ()
    records: tuple[Event, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether there is nothing to do, to say or to learn."""
        return not (self.todo or self.changes or self.findings or self.records)


NOTHING: Final[Part[Any]] = Part()
"""Of a part that is as it should be: of nearly all, in most plans."""


@dataclass(frozen=True, slots=True)
class View:
    """A campaign; ``live`` and ``owned`` None when it is to be created.

    ``adopting``: it becomes ours by this plan, so that what can't be read is assumed to be as declared.
    ``members``: who is in it after this plan and not closed; ``joining`` those of them who are not yet.
    ``leaving``: who is in it, and is not after this plan.
    ``bound``: what its packages are; ``salt``: that of the digests of secrets.
    """

    campaign: DesiredCampaign
    live: LiveCampaign | None
    owned: Owned | None
    adopting: bool
    ask: Ask
    bound: Bound
    salt: str
    members: frozenset[str] = EMPTY
    joining: frozenset[str] = EMPTY
    leaving: frozenset[str] = EMPTY

    def readable(self, name: Field) -> bool:
        """Whether the live value tells."""
        return self.live is not None and self.ask.facts.readable(name)

    def assuming(self, name: Field) -> bool:
        """Whether a field is taken to be as declared, because it can't be read."""
        return self.adopting and not self.ask.options.reassert and not self.readable(name)

    def reasserting(self, name: Field) -> bool:
        """Whether a field is sent whatever was last sent of it, because it can't be read."""
        return self.ask.options.reassert and not self.readable(name)

    def value(self, name: Field, key: str) -> Json:
        """What the campaign has of a field: as the server tells, or else as it was last applied."""
        return self.known(name).get(key)

    def known(self, name: Field) -> Mapping[str, Json]:
        """Key → what the campaign has: as the server tells, or else as it was last applied."""
        if self.live and self.readable(name):
            return self.live.applied
        return self.owned.applied if self.owned else _NONE

    def values(self, name: Field, key: str) -> Mapping[str, frozenset[str]]:
        """Value → gateways that have it: as the server tells, or else as it was last applied."""
        if self.live and self.readable(name):
            return self.live.gateways.values.get(key, {}) if self.live.gateways else {}
        return self.recorded(key)

    def kept(self, key: str, wanted: Json, there: Json) -> bool:
        """Whether nothing is to be done, because the server makes `there` of `wanted`."""
        return self.owned is not None and keeps(self.owned, key, wanted, there)

    @property
    def closed_live(self) -> frozenset[str]:
        """Who is closed already."""
        return self.live.gateways.closed if self.live and self.live.gateways else EMPTY

    def recorded(self, name: str) -> Mapping[str, frozenset[str]]:
        """Value → gateways that it was last applied to."""
        return self.owned.members.get(name, {}) if self.owned else {}

    def note(
        self, code: str, message: str, at: Field | str, hint: str | None = None, *, place: Place | None = None
    ) -> Finding:
        """A word about this campaign that stops nothing."""
        where = place or self.campaign.place_of(at)
        return Finding(
            code, f"{self.campaign.resource}: {message}", where, hint, self.campaign.resource, Severity.NOTE
        )

    def applied(self, name: str, value: str, gateways: frozenset[str]) -> MembersApplied:
        """That these gateways have the value, for the state."""
        return MembersApplied(self.campaign.resource, name, value, tuple(sorted(gateways)))

    def why(self, name: Field, *, known: bool) -> Reason:
        """The reason for sending a value; ``known``: another one was last applied."""
        if self.live is None:
            return Reason.NOT_ON_SERVER
        if self.readable(name):
            return Reason.DIFFERS
        if self.ask.options.reassert:
            return Reason.REASSERTED
        return Reason.DECLARED_SINCE if known else Reason.NOT_RECORDED


def together(parts: Iterable[Part[Todo]]) -> Part[Todo]:
    """All that `parts` say, in their order."""
    parts = [part for part in parts if not part.empty]
    if len(parts) < 2:
        return parts[0] if parts else NOTHING
    return Part(
        tuple(todo for part in parts for todo in part.todo),
        tuple(change for part in parts for change in part.changes),
        tuple(finding for part in parts for finding in part.findings),
        tuple(record for part in parts for record in part.records),
    )


def count(gateways: Collection[str]) -> str:
    """``the gateway gw-7`` or ``37 gateways``."""
    return f"the gateway {next(iter(gateways))}" if len(gateways) == 1 else f"{len(gateways):,} gateways"
