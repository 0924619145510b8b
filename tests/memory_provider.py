"""A server of campaigns in memory that does what its facts say, whichever they are.

    server = MemoryServer(MemoryCampaign("1", "line", "STARTED"))            # with the facts of Pulse
    server = MemoryServer(facts=FACTS)                                       # another kind: see below

It is a `Provider` as it stands: facts, reads and writes are one object. It logs every read, and a write that
its facts forbid is refused (`refuses`) or, where a test plans what it must not, an AssertionError.

`FACTS` are those of a kind of server that has little in common with Pulse: settings and callbacks can be
read, and callbacks taken back; there are no schedules, distribution lists, things or closed gateways; a
campaign that runs takes no change of its members, and to stop it interrupts nobody; gateways leave after
others join.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from copy import copy, deepcopy
from dataclasses import dataclass, field, replace
from typing import Any

from reconciler.errors import Refusal, Refused
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
    EditCampaign,
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
        "fetching": StateFacts(Stage.UNDER_WAY),
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
    ) -> None:
        edits = EditWhileStarted.ALLOW if edit_while_started else EditWhileStarted.STOP
        self.facts = facts or facts_of(ServerSettings(batch_size=batch, edit_while_started=edits))
        self.by_id = {campaign.id: campaign for campaign in campaigns}
        self.stored = {package.id: package for package in packages}
        self.approval_needed = approval_needed
        self.refuses = refuses
        self.requests: dict[str, int] = {}
        self.log: list[str] = []
        self.made = 0
        self.silent: set[str] = set()
        """Ids of campaigns that are listed, and not answered for."""

    def __deepcopy__(self, memo: dict[int, Any]) -> MemoryServer:
        made = copy(self)
        made.by_id, made.stored, made.log = deepcopy((self.by_id, self.stored, self.log), memo)
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
                taken = [c.id for c in self.by_id.values() if c.name == action.fields.name]
                self._must(not taken, f"{action.fields.name} is created while {taken} has the name")
                made = MemoryCampaign(
                    self._new_id("c"), "", self.word(Phase.WAITING if self.approval_needed else Phase.READY)
                )
                self.by_id[made.id] = made
                self._write(made, action.fields, bindings)
                return Result(created=made.id)
            case _:
                return self._change(
                    self._found(target_of(action) or bindings.campaigns[action.resource]), step, bindings
                )

    def _uploaded(self, name: str, sha256: str, description: str = "") -> LivePackage:
        """A package as this kind of server shows it."""
        package = LivePackage(self._new_id("p"), name, description, sha256)
        if not self.facts.digits(replace(package, sha256=None)) and self.facts.provider == "pulse":
            # Nothing but the description tells its content there.
            package = replace(package, description=f"{description} [sha256:{sha256[:16]}]", sha256=None)
        self.stored[package.id] = package
        return package

    def _change(self, campaign: MemoryCampaign, step: Step, bindings: Bindings) -> Result:
        action, gateways, phase = step.action, set(step.gateways), self.facts.phase(campaign.status)
        match action:
            case ApproveCampaign(only_if_waiting=True) if phase is not Phase.WAITING:
                return Result(OutcomeStatus.NOT_NEEDED)
            case StartCampaign(approve=approve) if phase is Phase.WAITING:
                if not approve:
                    return Result(OutcomeStatus.WAITING)
                campaign.status, phase = self.word(Phase.READY), Phase.READY
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
            case StopCampaign():
                campaign.status = self.word(Phase.PAUSED)
            case ApproveCampaign():
                campaign.status = "APPROVED" if "APPROVED" in self.facts.phases else self.word(Phase.READY)
            case AddGateways():
                self._must(bool(gateways), "an empty list is never sent")
                self._must(not gateways & campaign.gateways, "a member is added", *some)
                campaign.gateways |= gateways
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

    def _write(self, campaign: MemoryCampaign, fields: CampaignFields, bindings: Bindings) -> None:
        """An edit replaces: what isn't managed is sent as it was just read, settings as they are known."""
        campaign.name = fields.name
        if fields.description is not None:
            campaign.description = fields.description
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
                made = [c.id for c in self.by_id.values() if c.name == action.fields.name]
                return Readback(bool(made), created=made[0] if made else None)
            case UploadPackage():
                [held] = holding([action.file.sha256], self.stored.values(), self.facts.digits).values()
                return Readback(bool(held), created=held[0].id if held else None)
            case DeletePackage():
                return Readback(action.target not in self.stored)
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
