"""What is to be done as calls, and what became of them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

from reconciler.model.actions import Action, gateways_of
from reconciler.model.words import ResourceId


class Repeat(StrEnum):
    """How an operation may be repeated after an unclear answer: a fact of the operation."""

    IDEMPOTENT = "idempotent"
    VERIFY_FIRST = "verify-first"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of a server's API.

    ``path`` holds up to two placeholders in braces: first the object that it is about, then the gateway.
    ``section`` is the heading in the API reference, ``permissions`` are all that a call needs.
    """

    name: str
    method: str
    path: str
    section: str
    permissions: tuple[str, ...]
    repeat: Repeat
    destructive: bool = False


@dataclass(frozen=True, slots=True)
class Need:
    """A dependency on an earlier group: `group` must be done first.

    ``by_gateway``: a step needs only those steps of the group that carry one of its gateways.
    ``even_failed``: it is enough that the group has ended (the start that closes a bracket).
    """

    group: str
    """Its key."""
    by_gateway: bool = False
    """Only for the steps that carry one of the same gateways."""
    even_failed: bool = False
    """It is enough that the group has ended."""


@dataclass(frozen=True, slots=True)
class StepGroup:
    """Steps of one operation that do the same to one object and differ only in gateways.

    A schedule for 100,000 gateways is one group: its steps are made when asked for. ``per_call`` is how
    many gateways a call carries; 0 when calls are not about gateways, and then there is one step.
    """

    key: str
    """Unique in the plan."""
    action: Action
    """What is done."""
    operation: Operation
    """The call that each step makes."""
    per_call: int = 0
    """How many gateways a call carries; 0: a single call, for none or all of them."""
    needs: tuple[Need, ...] = ()
    """The groups that come first."""
    also: tuple[Operation, ...] = ()
    """Further calls that each step makes."""
    not_after: int | None = None
    """When a calendar closes for it, epoch milliseconds. It isn't sent from then on."""

    @property
    def gateways(self) -> tuple[str, ...]:
        """Those of all its steps, sorted."""
        return gateways_of(self.action)

    def __len__(self) -> int:
        return -(-len(self.gateways) // self.per_call) if self.per_call else 1

    def __iter__(self) -> Iterator[Step]:
        return (Step(self, index) for index in range(len(self)))

    def index_of(self, gateway: str) -> int | None:
        """Which step carries `gateway`; None where none does."""
        at = bisect_left(self.gateways, gateway)
        there = at < len(self.gateways) and self.gateways[at] == gateway
        if not there:
            return None
        return at // self.per_call if self.per_call else 0

    def steps_with(self, gateways: Iterable[str]) -> Iterator[int]:
        """Indices of the steps that carry any of `gateways` (sorted), each once, ascending."""
        last = None
        for gateway in gateways:
            index = self.index_of(gateway)
            if index is not None and index != last:
                last = index
                yield index


@dataclass(frozen=True, slots=True)
class Step:
    """One API call of a plan. ``part``: the gateways that it is sent for, where that isn't all of them."""

    group: StepGroup
    index: int
    part: tuple[str, ...] | None = None

    @property
    def id(self) -> str:
        """Unique in the plan and stable between two plans of the same difference."""
        if not self.group.per_call:
            return self.group.key
        if self.group.per_call == 1:
            return f"{self.group.key}:{self.gateways[0]}"
        return f"{self.group.key}:{self.index + 1}"

    @property
    def gateways(self) -> tuple[str, ...]:
        """The gateways of this call, sorted."""
        if self.part is not None:
            return self.part
        size = self.group.per_call
        return self.group.gateways[self.index * size : (self.index + 1) * size]

    def only(self, gateways: Iterable[str]) -> Step:
        """The same call for those of its gateways that are among `gateways`: at least one."""
        among = frozenset(gateways)
        return replace(self, part=tuple(gateway for gateway in self.gateways if gateway in among))

    @property
    def operation(self) -> Operation:
        return self.group.operation

    @property
    def action(self) -> Action:
        return self.group.action

    @property
    def resource(self) -> ResourceId:
        return self.group.action.resource


class OutcomeStatus(StrEnum):
    """What became of a step."""

    DONE = "done"
    NOT_NEEDED = "not-needed"
    WAITING = "waiting"
    """Left for a person, or for a time: an approval that Git doesn't give, a calendar that has closed."""
    FAILED = "failed"
    SKIPPED = "skipped"
    UNKNOWN = "unknown"
    """The answer was unclear and the operation must never be repeated."""


class Skip(StrEnum):
    """Why a step was not sent."""

    NOT_DONE = "not-done"
    """A step that it needs is not done."""
    IN_DOUBT = "in-doubt"
    """Nobody knows whether a step that it needs is done, and it is never sent again by itself."""
    WAITING = "waiting"
    """A step that it needs is left for a person, or for a time."""
    INTERRUPTED = "interrupted"
    UNRECORDED = "unrecorded"
    """The state can't be written, and nothing is sent that it doesn't know of."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a step, and why when it isn't done. ``created`` is an id the server gave.

    ``left``: the gateways that it isn't done for, sorted, where it is done for the others of its call.
    ``target``: the campaign that the step is about, where the plan couldn't know its id.
    """

    step: Step
    status: OutcomeStatus
    message: str = ""
    attempts: int = 1
    created: str | None = None
    unclear: bool = False
    """An answer was unclear, so that a step that isn't done may have happened all the same."""
    left: tuple[str, ...] = ()
    skip: Skip | None = None
    target: str | None = None
    refused: tuple[str, ...] = ()
    """Of those that it isn't done for: whom a clear no was about, and not their batch or campaign; sorted."""

    @classmethod
    def unsent(cls, step: Step, status: OutcomeStatus, message: str, skip: Skip | None = None) -> Outcome:
        """Of a step of which nothing was sent: no attempt was made."""
        return cls(step, status, message, attempts=0, skip=skip)

    @property
    def settled(self) -> bool:
        """Whether what needs this step may go on."""
        return self.status in (OutcomeStatus.DONE, OutcomeStatus.NOT_NEEDED)
