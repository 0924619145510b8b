"""A server of campaigns in memory that does what its facts say, whichever they are.

    server = MemoryServer(MemoryCampaign("1", "line", "STARTED"))            # with the facts of Pulse
    server = MemoryServer(facts=FACTS)                                       # another kind: see below

It is a `Provider` as it stands: facts, reads and writes are one object. It logs every read, and a write that
its facts forbid is refused (`refuses`) or, where a test plans what it must not, an AssertionError.

`IMMUTABLE` and `IMMUTABLE_LATE` are of kinds that can't edit packages and settings, so that a successor takes
over. In the first names are unique, gateways gather before their campaign is created, it may ask for an
approval (`approval_needed`), and the server is at work on a new campaign for as many calls as `busy` says. In
the second two campaigns may have one name, and gateways join a campaign that is there.
No gateway is ever there in a campaign that runs and in one of those that it replaces, as long as that may
run: that is an AssertionError.

`FACTS` are those of a kind of server that has little in common with Pulse: settings and callbacks can be
read, and callbacks taken back; there are no schedules, distribution lists, things or closed gateways; a
campaign that runs takes no change of its members, and to stop it interrupts nobody; gateways leave after
others join.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from copy import copy, deepcopy
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from reconciler.errors import NotExecuted, Refusal, Refused
from reconciler.model import (
    Action,
    AddGateways,
    ApproveCampaign,
    AssignPackages,
    BoundPackage,
    Callback,
    CallbackEvent,
    CampaignFields,
    CampaignSummary,
    CloseGateways,
    CreateCampaign,
    DeleteCampaign,
    DeletePackage,
    DistributionList,
    Draft,
    EditCampaign,
    EndCampaign,
    LiveCampaign,
    LivePackage,
    Membership,
    Operation,
    OutcomeStatus,
    PendingUpload,
    Phase,
    RegisterCallback,
    RemoveGateways,
    Repeat,
    RetireCampaign,
    SchedulePhase,
    ScheduleWindow,
    Secret,
    Server,
    SetDistributionList,
    SettingValue,
    StartCampaign,
    Step,
    StopCampaign,
    UploadMode,
    UploadPackage,
    Verb,
    Window,
    target_of,
)
from reconciler.providers.base import (
    Bindings,
    Changing,
    Facts,
    Field,
    FieldFacts,
    Limits,
    Lowered,
    Readback,
    Result,
    Stage,
    StateFacts,
)
from reconciler.providers.base.contents import holding
from reconciler.providers.base.facts import KNOWN
from reconciler.providers.pulse.facts import facts_of
from reconciler.settings import EditWhileStarted, ServerSettings
from reconciler.state.applied import callback_field, callback_value

SERVER = Server("fake", "https://fake.example.com")

_IDLE, _ON, _OFF = "drafted", "rolling", "halted"
_SAFE, _LOOK = Repeat.IDEMPOTENT, Repeat.VERIFY_FIRST


def _operation(name: str, method: str, path: str, repeat: Repeat, **more: Any) -> Operation:
    return Operation(
        name, method, path, name.replace("-", " ").title(), ("rollouts", "devices"), repeat, **more
    )


_ROWS = (
    _operation("list-rollouts", "GET", "/rollouts", _SAFE),
    _operation("read-rollout", "GET", "/rollouts/{rollout}", _SAFE),
    _operation("list-targets", "GET", "/rollouts/{rollout}/targets", _SAFE),
    _operation("read-target", "GET", "/rollouts/{rollout}/targets/{target}", _SAFE),
    _operation("list-files", "GET", "/files", _SAFE),
    _operation("read-file", "GET", "/files/{file}", _SAFE),
    _operation("make-rollout", "POST", "/rollouts", _LOOK),
    _operation("change-rollout", "PATCH", "/rollouts/{rollout}", _SAFE),
    _operation("drop-rollout", "DELETE", "/rollouts/{rollout}", _LOOK, destructive=True),
    _operation("set-hook", "PUT", "/rollouts/{rollout}/hooks", _SAFE),
    _operation("take-targets", "POST", "/rollouts/{rollout}/targets", _LOOK),
    _operation("leave-target", "DELETE", "/rollouts/{rollout}/targets/{target}", _LOOK, destructive=True),
    _operation("poke-target", "POST", "/rollouts/{rollout}/targets/{target}/poke", Repeat.NEVER),
    _operation("pin-target", "PUT", "/rollouts/{rollout}/targets/{target}/files", _SAFE),
    _operation("start-rollout", "POST", "/rollouts/{rollout}/start", _LOOK),
    _operation("halt-rollout", "POST", "/rollouts/{rollout}/halt", _LOOK),
    _operation("put-file", "POST", "/files", _LOOK),
    _operation("drop-file", "DELETE", "/files/{file}", _LOOK, destructive=True),
)
_OPERATIONS = {row.name: row for row in _ROWS}
_LOWERED = {
    Verb.UPLOAD: ("put-file", 0),
    Verb.CREATE: ("make-rollout", 0),
    Verb.EDIT: ("change-rollout", 0),
    Verb.CALLBACK: ("set-hook", 0),
    Verb.ADD: ("take-targets", 2),
    Verb.REMOVE: ("leave-target", 1),
    Verb.OVERRIDE: ("pin-target", 1),
    Verb.START: ("start-rollout", 0),
    Verb.STOP: ("halt-rollout", 0),
    Verb.DELETE: ("drop-rollout", 0),
    Verb.DELETE_PACKAGE: ("drop-file", 0),
}


def _lower(action: Action) -> Lowered:
    name, per_call = _LOWERED[action.verb]
    return Lowered(_OPERATIONS[name], per_call)


FACTS = Facts(
    provider="memory",
    operations=_OPERATIONS,
    fields={
        Field.NAME: FieldFacts(clearable=False),
        Field.DESCRIPTION: FieldFacts(),
        Field.PACKAGES: FieldFacts(),
        Field.SETTINGS: FieldFacts(),
        Field.GATEWAYS: FieldFacts(),
        Field.OVERRIDES: FieldFacts(clearable=False),
        Field.CALLBACKS: FieldFacts(),
        Field.STATUS: FieldFacts(clearable=False),
    },
    phases={"DRAFTED": Phase.READY, "ROLLING": Phase.RUNNING, "HALTED": Phase.PAUSED},
    allowed={
        Verb.START: frozenset({Phase.READY, Phase.PAUSED}),
        Verb.STOP: frozenset({Phase.RUNNING}),
        Verb.APPROVE: frozenset(),
        Verb.EDIT: KNOWN,
        Verb.CALLBACK: KNOWN,
        Verb.ADD: KNOWN - {Phase.RUNNING},
        Verb.REMOVE: KNOWN - {Phase.RUNNING},
        Verb.DELETE: KNOWN,
    },
    states={
        "queued": StateFacts(Stage.IDLE),
        "fetching": StateFacts(Stage.UNDER_WAY, loading=True),
        "flashing": StateFacts(Stage.UNDER_WAY),
        "fine": StateFacts(Stage.DONE),
        "sick": StateFacts(Stage.FAILED),
    },
    interrupting=frozenset({Verb.REMOVE, Verb.DELETE}),
    order=(
        (Verb.UPLOAD,),
        (Verb.STOP,),
        (Verb.CREATE, Verb.EDIT),
        (Verb.ADD,),
        (Verb.REMOVE,),
        (Verb.OVERRIDE,),
        (Verb.CALLBACK,),
        (Verb.START,),
        (Verb.DELETE,),
        (Verb.DELETE_PACKAGE,),
    ),
    lowering=_lower,
    writes={verb: (name,) for verb, (name, _) in _LOWERED.items()},
    reads={
        "campaigns": "list-rollouts",
        "campaign": "read-rollout",
        "gateways": "list-targets",
        "overrides": "read-target",
        "packages": "list-files",
        "packages_of": "list-files",
        "package": "read-file",
    },
    questions={
        "gateway_packages": "read-target",
        "notify": "poke-target",
        "package_infos": "list-files",
        "package_info": "read-file",
    },
    marks=lambda package: None,
    limits=Limits(
        name=12,
        description=20,
        package_name=16,
        package_description=10,
        id=8,
        upload={UploadMode.MULTIPART: 5, UploadMode.STREAMING: 50},
        reserved_ids={"all": "it means every device"},
    ),
)
"""Another kind of server."""


_MORE = {
    row.name: row
    for row in (
        _operation("rename-rollout", "PUT", "/rollouts/{rollout}/name", _SAFE),
        _operation("end-rollout", "POST", "/rollouts/{rollout}/end", _LOOK, destructive=True),
        _operation("admit-rollout", "POST", "/rollouts/{rollout}/admit", _LOOK),
    )
}
_ENDS = {"end-rollout": _MORE["end-rollout"]}
_PHASES = {
    **FACTS.phases,
    "MAKING": Phase.BUSY,
    "PROPOSED": Phase.WAITING,
    "THROUGH": Phase.FINISHED,
    "OVER": Phase.ENDED,
}
_ANY = frozenset({Phase.READY, Phase.WAITING, Phase.RUNNING, Phase.PAUSED})
_REPLACED = FieldFacts(changing=Changing.REPLACED)


def _lower_more(more: Mapping[str, Operation], action: Action) -> Lowered:
    names = {Verb.RETIRE: "rename-rollout", Verb.END: "end-rollout", Verb.APPROVE: "admit-rollout"}
    if action.verb not in names:
        return _lower(action)
    # An end takes back what is under way, too.
    also = (_OPERATIONS["read-rollout"],) if action.verb is Verb.END else ()
    return Lowered(more[names[action.verb]], also=also)


IMMUTABLE = replace(
    FACTS,
    provider="immutable",
    operations=_OPERATIONS | _MORE,
    fields={**FACTS.fields, Field.PACKAGES: _REPLACED, Field.SETTINGS: _REPLACED},
    phases=_PHASES,
    allowed={
        Verb.START: frozenset({Phase.READY, Phase.PAUSED}),
        Verb.STOP: frozenset({Phase.RUNNING}),
        Verb.APPROVE: frozenset({Phase.WAITING}),
        Verb.ADD: _ANY,
        Verb.REMOVE: _ANY,
        Verb.END: KNOWN - {Phase.FINISHED, Phase.ENDED},
    },
    interrupting=frozenset({Verb.REMOVE, Verb.END, Verb.DELETE}),
    order=(
        (Verb.UPLOAD,),
        (Verb.STOP,),
        (Verb.ADD,),
        (Verb.RETIRE,),
        (Verb.CREATE, Verb.EDIT),
        (Verb.REMOVE,),
        (Verb.OVERRIDE,),
        (Verb.CALLBACK,),
        (Verb.APPROVE,),
        (Verb.END,),
        (Verb.START,),
        (Verb.DELETE,),
        (Verb.DELETE_PACKAGE,),
    ),
    lowering=partial(_lower_more, _MORE),
    writes={
        **FACTS.writes,
        Verb.RETIRE: ("rename-rollout",),
        Verb.END: ("end-rollout",),
        Verb.APPROVE: ("admit-rollout",),
    },
    limits=replace(FACTS.limits, name=20),
)
"""A kind that can't edit: gateways first, names taken once."""
IMMUTABLE_LATE = replace(
    IMMUTABLE,
    provider="immutable-late",
    operations=_OPERATIONS | _ENDS,
    phases={word: phase for word, phase in _PHASES.items() if phase is not Phase.WAITING},
    allowed={verb: phases for verb, phases in IMMUTABLE.allowed.items() if verb is not Verb.APPROVE},
    order=tuple(
        rank
        for rank in (
            (Verb.UPLOAD,),
            (Verb.STOP,),
            (Verb.CREATE, Verb.EDIT),
            (Verb.REMOVE,),
            (Verb.ADD,),
            *IMMUTABLE.order[6:],
        )
        if rank != (Verb.APPROVE,)
    ),
    lowering=partial(_lower_more, _ENDS),
    writes={**FACTS.writes, Verb.END: ("end-rollout",)},
)
"""A kind that can't edit: gateways join what is there, and names may be taken twice."""


@dataclass
class MemoryCampaign:
    """A campaign on the server."""

    id: str
    name: str
    status: str = "CREATED"
    description: str = ""
    packages: tuple[str, ...] = ()
    gateways: set[str] = field(default_factory=set)
    distribution: DistributionList | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    closed: set[str] = field(default_factory=set)
    overrides: dict[str, tuple[str, ...]] = field(default_factory=dict)
    states: dict[str, str] = field(default_factory=dict)
    """Of gateways that are no longer in the first state."""
    callbacks: dict[CallbackEvent, Callback] = field(default_factory=dict)
    windows: dict[tuple[SchedulePhase, str], Window] = field(default_factory=dict)
    replaces: str | None = None
    """What it was created in the place of."""
    busy: int = 0
    """How many more calls find the server at work on it."""
    modified_by: str | None = None


class MemoryServer:
    """A `Provider`; ``log`` has every read."""

    server = SERVER
    parallelism = 16

    def __init__(
        self,
        *campaigns: MemoryCampaign,
        packages: Iterable[LivePackage] = (),
        batch: int = 100,
        edit_while_started: bool = False,
        approval_needed: bool = False,
        facts: Facts | None = None,
        refuses: bool = False,
        busy: int = 0,
        strangers: Collection[str] = (),
    ) -> None:
        """`strangers`: gateways that the server doesn't know; it names them."""
        edits = EditWhileStarted.ALLOW if edit_while_started else EditWhileStarted.STOP
        self.facts = facts or facts_of(ServerSettings(batch_size=batch, edit_while_started=edits))
        self.by_id = {campaign.id: campaign for campaign in campaigns}
        self.stored = {package.id: package for package in packages}
        self.approval_needed = approval_needed
        self.refuses = refuses
        self.busy = busy
        self.strangers = frozenset(strangers)
        self.drafts: dict[tuple[str, str], set[str]] = {}
        self.requests: dict[str, int] = {}
        self.log: list[str] = []
        self.made = 0
        self.silent: set[str] = set()
        """Ids of campaigns that are listed, and not answered for."""

    def __deepcopy__(self, memo: dict[int, Any]) -> MemoryServer:
        made = copy(self)
        kept = (self.by_id, self.stored, self.log, self.drafts)
        made.by_id, made.stored, made.log, made.drafts = deepcopy(kept, memo)
        return made

    @property
    def reads(self) -> MemoryServer:
        return self

    @property
    def writes(self) -> MemoryServer:
        return self

    def word(self, phase: Phase) -> str:
        """The first word for a phase."""
        return next(word for word, meaning in self.facts.phases.items() if meaning is phase)

    def _read(self, *words: str) -> None:
        self.log.append(" ".join(words))

    # --- reads -------------------------------------------------------------------------------------

    async def campaigns(self, names: Collection[str] | None = None) -> tuple[CampaignSummary, ...]:
        self._read("campaigns", *sorted(names or ()))
        return tuple(
            CampaignSummary(c.id, c.name, c.status)
            for c in self.by_id.values()
            if names is None or c.name in names
        )

    async def campaign(self, campaign_id: str) -> LiveCampaign | None:
        self._read("campaign", campaign_id)
        found = self.by_id.get(campaign_id)
        if found is not None:
            self._work_on(found)
        if found is None or campaign_id in self.silent:
            return None
        applied: dict[str, Any] = {}
        if self.facts.readable(Field.SETTINGS):
            applied[Field.SETTINGS] = {key: {"value": value} for key, value in found.settings.items()}
        if self.facts.readable(Field.CALLBACKS):
            applied |= {callback_field(e): callback_value(c) for e, c in found.callbacks.items()}
        return LiveCampaign(
            found.id,
            found.name,
            found.status,
            self.facts.phase(found.status),
            found.description,
            found.packages,
            applied=applied,
            modified_by=found.modified_by,
        )

    async def gateways(self, campaign_id: str) -> Membership:
        self._read("gateways", campaign_id)
        found, first = self._found(campaign_id), next(iter(self.facts.states))
        states: dict[str, set[str]] = {}
        for gateway in found.gateways:
            states.setdefault(found.states.get(gateway, first), set()).add(gateway)
        return Membership({s: frozenset(ids) for s, ids in states.items()}, frozenset(found.closed))

    async def distribution_list(self, campaign_id: str) -> DistributionList | None:
        self._read("distribution", campaign_id)
        return self._found(campaign_id).distribution

    async def overrides(self, campaign_id: str, gateways: Collection[str]) -> Mapping[str, tuple[str, ...]]:
        for gateway in sorted(gateways):
            self._read("override", campaign_id, gateway)
        found = self._found(campaign_id)
        return {gateway: found.overrides.get(gateway, found.packages) for gateway in gateways}

    async def packages(self, names: Collection[str] | None = None) -> tuple[LivePackage, ...]:
        self._read("packages", *sorted(names or ()))
        return tuple(p for p in self.stored.values() if names is None or p.name in names)

    async def packages_of(self, contents: Collection[str]) -> Mapping[str, tuple[LivePackage, ...]]:
        self._read("packages-of", *(sha256[:8] for sha256 in sorted(contents)))
        return holding(contents, self.stored.values(), self.facts.digits)

    async def package(self, package_id: str) -> LivePackage | None:
        self._read("package", package_id)
        return self.stored.get(package_id)

    def _found(self, campaign_id: str) -> MemoryCampaign:
        if campaign_id not in self.by_id:
            gone = frozenset({Refusal.NO_SUCH_OBJECT, Refusal.MAY_HAVE_HAPPENED})
            raise Refused("there is no such campaign", request=f"GET {campaign_id}", meaning=gone)
        return self.by_id[campaign_id]

    # --- writes ------------------------------------------------------------------------------------

    def _must(self, holds: bool, what: str, *meaning: Refusal) -> None:
        """What the server wants of a write."""
        if not holds and self.refuses:
            raise Refused(what, request="WRITE", meaning=frozenset(meaning))
        assert holds, what

    async def run(self, step: Step, bindings: Bindings) -> Result:
        action = step.action
        self._must(action.verb in {v for rank in self.facts.order for v in rank}, f"no {action.verb} here")
        match action:
            case UploadPackage():
                file = action.file
                return Result(created=self._uploaded(file.name, file.sha256, file.description).id)
            case DeletePackage():
                users = [c.id for c in self.by_id.values() if action.target in c.packages]
                self._must(not users, f"{action.target} is deleted while {users} use it")
                gone = (Refusal.NO_SUCH_OBJECT, Refusal.MAY_HAVE_HAPPENED)
                self._must(action.target in self.stored, "there is no such package", *gone)
                del self.stored[action.target]
                return Result()
            case CreateCampaign():
                return self._created(action, bindings)
            case AddGateways(draft=Draft() as draft):
                gathered = self.drafts.setdefault((str(action.resource), draft.key), set())
                gathered |= self._known(step.gateways)
                return Result()
            case _:
                return self._change(
                    self._found(target_of(action) or bindings.campaigns[action.resource]), step, bindings
                )

    def _known(self, gateways: Collection[str]) -> set[str]:
        if refused := sorted(self.strangers & set(gateways)):
            raise Refused("unknown targets", request="WRITE", gateways=refused)
        return set(gateways)

    def _created(self, action: CreateCampaign, bindings: Bindings) -> Result:
        taken = [c.id for c in self.by_id.values() if c.name == action.fields.name]
        if action.replaces and not self.facts.knows(Verb.RETIRE):
            taken = []
        self._must(not taken, f"{action.fields.name} is created while {taken} has the name")
        made = MemoryCampaign(self._new_id("c"), "", self._settled_word())
        if self.busy:
            made.status, made.busy = self.word(Phase.BUSY), self.busy
        if action.draft is not None:
            gathered = self.drafts.pop((str(action.resource), action.draft.key), set())
            lacking = action.draft.size - len(gathered) - len(self.strangers)
            self._must(lacking <= 0 <= action.draft.size - len(gathered), "gateways of another draft")
            made.gateways |= gathered
        made.replaces = action.replaces
        fields = action.fields
        if action.replaces and fields.settings is None:
            fields = replace(fields, settings=self._found(action.replaces).settings)
        self.by_id[made.id] = made
        self._write(made, fields, bindings, new=True)
        return Result(created=made.id)

    def _settled_word(self) -> str:
        return self.word(Phase.WAITING if self.approval_needed else Phase.READY)

    def _work_on(self, campaign: MemoryCampaign) -> bool:
        """Whether the server is still at work on `campaign`: one call less from now on."""
        if self.facts.phase(campaign.status) is not Phase.BUSY:
            return False
        if not campaign.busy:
            campaign.status = self._settled_word()
            return False
        campaign.busy -= 1
        return True

    def _uploaded(self, name: str, sha256: str, description: str = "") -> LivePackage:
        """A package as this kind of server shows it."""
        package = LivePackage(self._new_id("p"), name, description, sha256)
        if not self.facts.digits(replace(package, sha256=None)) and self.facts.provider == "pulse":
            # Nothing but the description tells its content there.
            package = replace(package, description=f"{description} [sha256:{sha256[:16]}]", sha256=None)
        self.stored[package.id] = package
        return package

    def _change(self, campaign: MemoryCampaign, step: Step, bindings: Bindings) -> Result:
        if self._work_on(campaign):
            said = f"it is {campaign.status}: the server is still at work on it"
            raise NotExecuted(said, request="WRITE", retry_after=0.0)
        action, gateways, phase = step.action, set(step.gateways), self.facts.phase(campaign.status)
        match action:
            case EndCampaign(before_start=True) | RemoveGateways(before_start=True):
                successor = self._found(action.successor or bindings.campaigns[action.resource])
                if self._work_on(successor):
                    raise NotExecuted("its successor isn't ready yet", request="WRITE", retry_after=0.0)
                if self.facts.phase(successor.status) is Phase.WAITING:
                    return Result(OutcomeStatus.WAITING, message="its successor waits for an approval")
            case ApproveCampaign(only_if_waiting=True) if phase is not Phase.WAITING:
                return Result(OutcomeStatus.NOT_NEEDED)
            case StartCampaign(approve=approve) if phase is Phase.WAITING:
                if not approve:
                    return Result(OutcomeStatus.WAITING)
                campaign.status, phase = self.word(Phase.READY), Phase.READY
        if isinstance(action, EndCampaign) and phase in (Phase.ENDED, Phase.FINISHED):
            over = frozenset({Refusal.MAY_HAVE_HAPPENED})
            raise Refused(f"it is {campaign.status} already", request="WRITE", meaning=over)
        allowed = self.facts.allows(action.verb, phase)
        self._must(allowed, f"{action.verb} while {campaign.status}", Refusal.MAY_HAVE_HAPPENED)
        some = (Refusal.ABOUT_SOME_GATEWAYS, Refusal.MAY_HAVE_HAPPENED)
        match action:
            case EditCampaign():
                self._write(campaign, action.fields, bindings)
            case DeleteCampaign():
                del self.by_id[campaign.id]
            case StartCampaign():
                campaign.status = self.word(Phase.RUNNING)
                self._once()
            case RetireCampaign():
                taken = [c.id for c in self.by_id.values() if c.name == action.name and c is not campaign]
                self._must(not taken, f"{taken} has the name {action.name} already")
                campaign.name = action.name
            case EndCampaign():
                campaign.status = self.word(Phase.ENDED)
                campaign.states = {g: s for g, s in campaign.states.items() if not self.facts.in_flight(s)}
            case StopCampaign():
                campaign.status = self.word(Phase.PAUSED)
            case ApproveCampaign():
                campaign.status = "APPROVED" if "APPROVED" in self.facts.phases else self.word(Phase.READY)
            case AddGateways():
                self._must(bool(gateways), "an empty list is never sent")
                self._must(not gateways & campaign.gateways, "a member is added", *some)
                campaign.gateways |= self._known(gateways)
                self._once()
            case RemoveGateways():
                self._must(bool(gateways), "an empty list is never sent")
                self._must(gateways <= campaign.gateways, "a stranger is removed", *some)
                campaign.gateways -= gateways
            case SetDistributionList():
                campaign.distribution = action.distribution
            case CloseGateways():
                open_members = gateways <= campaign.gateways - campaign.closed
                self._must(open_members, "a stranger is closed, or one twice", *some)
                campaign.closed |= gateways
            case RegisterCallback():
                if action.callback is None:
                    self._must(self.facts.clearable(Field.CALLBACKS), "callbacks can't be taken back")
                    campaign.callbacks.pop(action.event, None)
                else:
                    campaign.callbacks[action.event] = action.callback
            case AssignPackages():
                self._must(gateways <= campaign.gateways, "a stranger gets packages of its own")
                campaign.overrides.update(dict.fromkeys(gateways, self._bound(action.packages, bindings)))
            case ScheduleWindow():
                self._must(gateways <= campaign.gateways, "a stranger gets something of its own")
                campaign.windows.update({(action.phase, gateway): action.window for gateway in gateways})
            case _:
                self._must(gateways <= campaign.gateways, "a stranger gets something of its own")
        return Result()

    def _once(self) -> None:
        """No gateway is in a campaign that runs and in one that it replaces, and that may run."""
        over = (Phase.ENDED, Phase.FINISHED)
        for campaign in self.by_id.values():
            if self.facts.phase(campaign.status) is not Phase.RUNNING:
                continue
            before = campaign.replaces
            while before and (old := self.by_id.get(before)):
                both = campaign.gateways & old.gateways
                meanwhile = self.facts.phase(old.status) in over or not both
                assert meanwhile, f"{old.name} is {old.status} meanwhile, with {sorted(both)}"
                before = old.replaces

    def _write(
        self, campaign: MemoryCampaign, fields: CampaignFields, bindings: Bindings, *, new: bool = False
    ) -> None:
        """An edit replaces: what isn't managed is sent as it was just read, settings as they are known.

        What takes a successor is as it was created, whatever an edit says.
        """
        campaign.name = fields.name
        if fields.description is not None:
            campaign.description = fields.description
        if not new and self.facts.replaces:
            return
        if fields.packages is not None:
            campaign.packages = self._bound(fields.packages, bindings)
        if fields.settings is not None or not self.facts.readable(Field.SETTINGS):
            campaign.settings = {key: plain(value) for key, value in (fields.settings or {}).items()}

    def _bound(self, packages: Iterable[BoundPackage], bindings: Bindings) -> tuple[str, ...]:
        ids = [bindings.packages[p.sha256] if isinstance(p, PendingUpload) else p for p in packages]
        assert self.stored.keys() >= set(ids), f"one of {ids} isn't there"
        return tuple(ids)

    async def verify(self, step: Step, bindings: Bindings) -> Readback:
        action = step.action
        match action:
            case CreateCampaign():
                named = [c.id for c in self.by_id.values() if c.name == action.fields.name]
                made = [each for each in named if bindings.may_be(action, each)]
                return Readback(bool(made), created=made[0] if made else None)
            case UploadPackage():
                [held] = holding([action.file.sha256], self.stored.values(), self.facts.digits).values()
                made = [package.id for package in held if bindings.may_be(action, package.id)]
                return Readback(bool(made), created=made[0] if made else None)
            case DeletePackage():
                return Readback(action.target not in self.stored)
            case AddGateways(draft=Draft() as draft):
                gathered = self.drafts.get((str(action.resource), draft.key), set())
                lacking = tuple(sorted(set(step.gateways) - gathered))
                return Readback(not lacking, remaining=lacking)
        campaign = self.by_id.get(target_of(action) or bindings.campaigns[action.resource])
        if campaign is None or isinstance(action, DeleteCampaign):
            return Readback(campaign is None and isinstance(action, DeleteCampaign))
        here, phase = frozenset(step.gateways), self.facts.phase(campaign.status)
        left: frozenset[str]
        match action:
            case StartCampaign():
                return Readback(phase is Phase.RUNNING)
            case StopCampaign():
                return Readback(phase is not Phase.RUNNING)
            case EndCampaign():
                return Readback(phase in (Phase.ENDED, Phase.FINISHED))
            case ApproveCampaign():
                return Readback(phase is not Phase.WAITING)
            case AddGateways():
                left = here - campaign.gateways
            case RemoveGateways():
                left = here & campaign.gateways
            case CloseGateways():
                left = here - campaign.closed
            case _:
                return Readback(done=False)
        return Readback(not left, remaining=tuple(sorted(left)))

    def _new_id(self, prefix: str) -> str:
        self.made += 1
        return f"{prefix}-new-{self.made}"


def plain(value: SettingValue) -> str:
    return value.reveal() if isinstance(value, Secret) else value
