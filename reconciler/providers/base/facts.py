"""What a kind of server can do and what its words mean: data, known without a connection.

Validation, resolution, comparison, plans and reports take facts and never a connection; what they do is what
the facts allow. A fact that none of them acts on has no place here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property

from reconciler.model import Action, LivePackage, Operation, Phase, SchedulePhase, UploadMode, Verb


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
    DELIVERY = "delivery"


class Detail(StrEnum):
    """What else a server may be told of packages, delivery and distribution lists, as YAML names it."""

    PACKAGE_VERSION = "packages.version"
    PACKAGE_TYPE = "packages.type"
    PACKAGE_VENDOR = "packages.vendor"
    SET_VERSION = "version"
    FORCE = "delivery.force"
    FORCE_AFTER = "delivery.forceAfter"
    ONLY = "delivery.only"
    CONFIRM = "delivery.confirm"
    START_AT = "delivery.startAt"
    INTERVAL = "distributionList.reevaluationIntervalSeconds"


class Changing(StrEnum):
    """How a field of a campaign that is there gets another value."""

    EDITED = "edited"
    """In place, by the verbs that set it. Where the phase forbids that it is as if it were ``replaced``, on a
    server that has successors."""
    REPLACED = "replaced"
    """By a successor that is created with it."""
    FIXED = "fixed"
    """Never: a change is refused, and nothing of the campaign is sent."""


@dataclass(frozen=True, slots=True)
class FieldFacts:
    """What a server can do with a field: tell its value, take it back, change it."""

    readable: bool = True
    clearable: bool = True
    changing: Changing = Changing.EDITED
    required: bool = False
    """Whether no campaign is without it."""


class Stage(StrEnum):
    """What a gateway's state means: not begun, under way, or over in one way or the other."""

    IDLE = "idle"
    UNDER_WAY = "under way"
    DONE = "done"
    FAILED = "failed"
    UNKNOWN = "unknown"
    """A word that nobody told us about: it may be an update under way."""

    @property
    def final(self) -> bool:
        """Whether nothing more comes."""
        return self in (Stage.DONE, Stage.FAILED)


@dataclass(frozen=True, slots=True)
class StateFacts:
    """What a gateway's state means; ``past``: the phases that are over, so that a window comes too late."""

    stage: Stage
    past: frozenset[SchedulePhase] = frozenset()
    loading: bool = False
    """Of one that is under way: it is no further than the download, so nothing on the device has changed."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a server takes at most; None: as much as you like. Lengths in characters, sizes in bytes."""

    name: int | None = None
    description: int | None = None
    package_name: int | None = None
    package_description: int | None = None
    """What is left for a user's own words."""
    id: int | None = None
    upload: Mapping[UploadMode, int] = field(default_factory=dict)
    """How large a file may be, by the way it travels."""
    reserved_ids: Mapping[str, str] = field(default_factory=dict)
    """Ids that can be no gateway's → why."""
    bad_in_ids: str = ""
    """Characters that no gateway's id may have, because it could not be addressed."""
    file_characters: str | None = None
    """What names of files may consist of, as a class of a regular expression; None: of anything."""


@dataclass(frozen=True, slots=True)
class Lowered:
    """The call that an action becomes. ``per_call``: gateways a call carries, 0 when it isn't about any.

    ``also``: further calls that each step makes, once each: they count as requests and need permissions.
    """

    operation: Operation
    per_call: int = 0
    also: tuple[Operation, ...] = ()


@dataclass(frozen=True)
class Facts:
    """What one kind of server can do, and how it says things.

    A server that can't edit all of a campaign says so by its fields (`Changing`). It then knows the verb
    `END`, and, where names are unique, `RETIRE`: a change of a field that is *replaced* becomes

        upload → (add) → retire the old → create → … → approve → end the old → start → (delete the old)

    in the order of `order`. Where `ADD` comes before `CREATE` there, gateways gather in a `Draft` first.
    """

    provider: str
    operations: Mapping[str, Operation]
    """Every operation by its name."""
    fields: Mapping[Field, FieldFacts]
    """What it lacks is not among them."""
    phases: Mapping[str, Phase]
    """The server's words for the status of a campaign, in capitals."""
    allowed: Mapping[Verb, frozenset[Phase]]
    """In which phases a verb is taken; one that isn't named is taken in all."""
    states: Mapping[str, StateFacts]
    """The states of a gateway, in the order in which it goes through them."""
    interrupting: frozenset[Verb]
    """Verbs that interrupt devices that are under way."""
    order: tuple[tuple[Verb, ...], ...]
    """Ranks of verbs: what is done first comes first. Every verb that the server knows is among them."""
    lowering: Callable[[Action], Lowered]
    writes: Mapping[Verb, Collection[str]]
    """What a verb may be lowered to: names of operations."""
    reads: Mapping[str, str]
    """Name of a read (of `Reads`) → the operation that it is."""
    questions: Mapping[str, str]
    """Name of a question (of `Questions`) → the operation that it is."""
    marks: Callable[[LivePackage], str | None]
    """The first digits of its SHA-256 that a package tells in a way of the server's own; None: none."""
    limits: Limits = field(default_factory=Limits)
    finished_run_again: bool | None = None
    """Whether gateways that are done or failed run again when packages change; None: it doesn't say."""
    details: frozenset[Detail] = frozenset()
    """What it takes of packages, delivery and distribution lists, beyond the fields of a campaign."""
    lists_decide: bool = False
    """Whether a distribution list alone decides who is in a campaign: no gateways are declared beside it."""

    def supports(self, name: Field) -> bool:
        """Whether the server has such a field at all."""
        return name in self.fields

    def readable(self, name: Field) -> bool:
        """Whether the server tells the value of a field."""
        return name in self.fields and self.fields[name].readable

    def clearable(self, name: Field) -> bool:
        """Whether a value can be taken back."""
        return name in self.fields and self.fields[name].clearable

    def changing(self, name: Field) -> Changing:
        """How a field of a campaign that is there gets another value."""
        return self.fields[name].changing if name in self.fields else Changing.FIXED

    def knows(self, verb: Verb) -> bool:
        """Whether the server has that verb at all."""
        return verb in self._places

    @cached_property
    def replaces(self) -> bool:
        """Whether a campaign may have a successor, because some fields can't be changed otherwise."""
        return any(each.changing is Changing.REPLACED for each in self.fields.values())

    @property
    def members_first(self) -> bool:
        """Whether gateways gather before their campaign is created."""
        return self.knows(Verb.ADD) and self.place(Verb.ADD) < self.place(Verb.CREATE)

    def retired_name(self, name: str, campaign_id: str) -> str:
        """What a campaign `name` of that id is called once a successor has its name."""
        mark = f" ~{campaign_id}"
        room = None if self.limits.name is None else max(0, self.limits.name - len(mark))
        return f"{name[:room]}{mark}"

    def phase(self, status: str) -> Phase:
        """What a status means; UNKNOWN for a word that nobody knows."""
        return phase_of(status, self.phases)

    def allows(self, verb: Verb, phase: Phase) -> bool:
        """Whether the server takes `verb` for a campaign in `phase`. UNKNOWN allows what any phase allows.

        For a BUSY one: whether it takes it right now; what it takes in READY may be sent, and waits.
        """
        if verb not in self.allowed:
            return verb in self._places
        return self.allowed[verb] >= KNOWN if phase is Phase.UNKNOWN else phase in self.allowed[verb]

    def stage(self, state: str) -> Stage:
        """What a gateway's state means."""
        return self.states[state].stage if state in self.states else Stage.UNKNOWN

    def rank(self, state: str) -> int:
        """How far on its way a gateway is, for sorting: failed ones last, after words that nobody knows."""
        if state not in self._ranks:
            return len(self.states)
        return self._ranks[state] + len(self.states) * (self.stage(state) is Stage.FAILED) * 2

    def past(self, state: str, phase: SchedulePhase) -> bool:
        """Whether a gateway in `state` is past `phase`, so that a window for it would come too late."""
        return state in self.states and phase in self.states[state].past

    def in_flight(self, state: str) -> bool:
        """Whether a gateway in `state` is in the middle of an update; a word that nobody knows may say so."""
        return self.stage(state) in (Stage.UNDER_WAY, Stage.UNKNOWN)

    def changed(self, state: str) -> bool:
        """Whether the device of a gateway in `state` is not surely as it was: it is beyond the download."""
        if self.stage(state) is Stage.IDLE:
            return False
        return not (self.in_flight(state) and state in self.states and self.states[state].loading)

    def place(self, verb: Verb) -> int:
        """The rank of `verb` in the order."""
        return self._places[verb]

    def digits(self, package: LivePackage) -> str | None:
        """The SHA-256 of a package as far as the server tells it: all hex digits, or the first so many."""
        return package.sha256 or self.marks(package)

    def lower(self, action: Action) -> Lowered:
        """The call that does `action`."""
        return self.lowering(action)

    @cached_property
    def _ranks(self) -> Mapping[str, int]:
        return {state: at for at, state in enumerate(self.states)}

    @cached_property
    def _places(self) -> Mapping[Verb, int]:
        return {verb: at for at, verbs in enumerate(self.order) for verb in verbs}


def phase_of(status: str, phases: Mapping[str, Phase]) -> Phase:
    """What a status means by `phases`, which have their words in capitals."""
    return phases.get(status.strip().upper(), Phase.UNKNOWN)


KNOWN = frozenset(Phase) - {Phase.UNKNOWN}
"""The phases that a status may mean."""
