"""A server of campaigns in memory, and a project on it: for tests of the stages between YAML and HTTP.

    project = Project(FakeServer(FakeCampaign("1", "line", "STARTED")))
    project.own("line", "1")
    assert project.plan(desired(campaign("line", description="new"))) == [
        "stop-campaign:line", "edit-campaign:line", "start-campaign:line",
    ]

The server logs every read, and fails a test that sends what its status table forbids.
"""

import asyncio
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from reconciler.app.pipeline import Planned, draft
from reconciler.apply import Applied, apply_plan
from reconciler.diff import Ask, Diff, diff
from reconciler.model import (
    Action,
    AddGateways,
    ApproveCampaign,
    AssignPackages,
    BoundPackage,
    CallbackEvent,
    CampaignFields,
    CampaignSummary,
    CloseGateways,
    CreateCampaign,
    DeleteCampaign,
    DeletePackage,
    Desired,
    DesiredCampaign,
    DistributionList,
    EditCampaign,
    Kind,
    Live,
    LiveCampaign,
    LivePackage,
    Membership,
    OutcomeStatus,
    PackageFile,
    PackageRef,
    PendingUpload,
    Phase,
    Place,
    RegisterCallback,
    RemoveGateways,
    ResourceId,
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
    target_of,
    used_packages,
)
from reconciler.observe import observe
from reconciler.options import Options
from reconciler.plan import Plan
from reconciler.providers.base import Bindings, Field, Lowered, Readback, Result, Traits
from reconciler.providers.pulse.operations import OPERATIONS
from reconciler.state.base import Event, Intent, Origin, Owned, State, Uploaded, upload_key
from reconciler.state.folding import fold

PHASES = {
    "CREATED": Phase.READY,
    "APPROVED": Phase.READY,
    "APPROVAL_NEEDED": Phase.WAITING,
    "STARTED": Phase.RUNNING,
    "STOPPED": Phase.PAUSED,
}
ALLOWED = {
    Verb.START: {Phase.READY, Phase.PAUSED},
    Verb.STOP: {Phase.RUNNING},
    Verb.APPROVE: {Phase.WAITING},
    Verb.EDIT: {Phase.READY, Phase.WAITING, Phase.PAUSED},
    Verb.DELETE: {Phase.READY, Phase.WAITING, Phase.PAUSED},
}
WRITE_ONLY = {Field.SETTINGS, Field.SCHEDULES, Field.CALLBACKS, Field.THINGS}
NOW = 1_800_000_000_000
_OPERATIONS: Mapping[Verb | SchedulePhase | CallbackEvent, tuple[str, int]] = {
    Verb.CREATE: ("create-campaign", 0),
    Verb.EDIT: ("edit-campaign", 0),
    Verb.DISTRIBUTE: ("set-distribution-list", 0),
    Verb.OVERRIDE: ("assign-gateway-packages", 1),
    Verb.THINGS: ("run-on-things", 0),
    Verb.CLOSE: ("close-gateway", 1),
    Verb.APPROVE: ("approve-campaign", 0),
    Verb.START: ("start-campaign", 0),
    Verb.STOP: ("stop-campaign", 0),
    Verb.DELETE: ("delete-campaign", 0),
    Verb.DELETE_PACKAGE: ("delete-package", 0),
    SchedulePhase.DOWNLOAD: ("schedule-download", 1),
    SchedulePhase.EXECUTION: ("schedule-execution", 1),
    SchedulePhase.ACTIVATION: ("schedule-activation", 1),
    CallbackEvent.COMPLETED: ("register-completed-callback", 0),
    CallbackEvent.WAKE_UP: ("register-wake-up-callback", 0),
    CallbackEvent.STATE_CHANGE: ("register-state-change-callback", 0),
    CallbackEvent.EXECUTION_PROGRESS: ("register-execution-progress-callback", 0),
    CallbackEvent.DOWNLOAD_PROGRESS: ("register-download-progress-callback", 0),
}


@dataclass
class FakeCampaign:
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
    """Of gateways that are no longer INSTANTIATED."""

    @property
    def phase(self) -> Phase:
        return PHASES.get(self.status, Phase.UNKNOWN)


class FakeServer:
    """A `Provider`. ``reads`` logs every read; a write that the status table forbids is an AssertionError."""

    server = Server("fake", "https://fake.example.com")
    operations = OPERATIONS

    def __init__(
        self,
        *campaigns: FakeCampaign,
        packages: Iterable[LivePackage] = (),
        batch: int = 100,
        edit_while_started: bool = False,
        approval_needed: bool = False,
    ) -> None:
        self.by_id = {campaign.id: campaign for campaign in campaigns}
        self.stored = {package.id: package for package in packages}
        self.batch = batch
        self.edit_while_started = edit_while_started
        self.approval_needed = approval_needed
        self.requests: dict[str, int] = {}
        self.reads: list[str] = []
        self.made = 0

    def traits(self, name: Field) -> Traits:
        return Traits(Verb.EDIT, readable=name not in WRITE_ONLY)

    def phase(self, status: str) -> Phase:
        return PHASES.get(status, Phase.UNKNOWN)

    def allows(self, verb: Verb, phase: Phase) -> bool:
        if verb not in ALLOWED or (verb is Verb.EDIT and self.edit_while_started):
            return True
        return phase in ALLOWED[verb]

    def past(self, state: str, phase: SchedulePhase) -> bool:
        return False

    def in_flight(self, state: str) -> bool:
        return state not in ("INSTANTIATED", "ACTIVATION_COMPLETE", "FAILED")

    def _read(self, *words: str) -> None:
        self.reads.append(" ".join(words))

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
        return found and LiveCampaign(
            found.id, found.name, found.status, found.phase, found.description, found.packages
        )

    async def gateways(self, campaign_id: str) -> Membership:
        self._read("gateways", campaign_id)
        found = self.by_id[campaign_id]
        states: dict[str, set[str]] = {}
        for gateway in found.gateways:
            states.setdefault(found.states.get(gateway, "INSTANTIATED"), set()).add(gateway)
        return Membership({s: frozenset(ids) for s, ids in states.items()}, frozenset(found.closed))

    async def distribution_list(self, campaign_id: str) -> DistributionList | None:
        self._read("distribution", campaign_id)
        return self.by_id[campaign_id].distribution

    async def overrides(self, campaign_id: str, gateways: Collection[str]) -> Mapping[str, tuple[str, ...]]:
        for gateway in sorted(gateways):
            self._read("override", campaign_id, gateway)
        found = self.by_id[campaign_id]
        return {gateway: found.overrides.get(gateway, found.packages) for gateway in gateways}

    async def packages(self, names: Collection[str] | None = None) -> tuple[LivePackage, ...]:
        self._read("packages", *sorted(names or ()))
        return tuple(p for p in self.stored.values() if names is None or p.name in names)

    async def package(self, package_id: str) -> LivePackage | None:
        self._read("package", package_id)
        return self.stored.get(package_id)

    def lower(self, action: Action) -> Lowered:
        match action:
            case AddGateways() | RemoveGateways():
                return Lowered(OPERATIONS[f"{action.verb}-gateways"], self.batch)
            case UploadPackage(file=PackageFile(mode=mode)):
                name = "stream-package" if mode is UploadMode.STREAMING else "upload-package"
                return Lowered(OPERATIONS[name])
            case ScheduleWindow():
                operation, per_call = _OPERATIONS[action.phase]
            case RegisterCallback():
                operation, per_call = _OPERATIONS[action.event]
            case _:
                operation, per_call = _OPERATIONS[action.verb]
        return Lowered(OPERATIONS[operation], per_call)

    async def run(self, step: Step, bindings: Bindings) -> Result:
        match action := step.action:
            case UploadPackage():
                package = LivePackage(self._new_id("p"), action.file.name, mark=action.file.sha256[:16])
                self.stored[package.id] = package
                return Result(created=package.id)
            case DeletePackage():
                users = [c.id for c in self.by_id.values() if action.target in c.packages]
                assert not users, f"{action.target} is deleted while {users} use it"
                del self.stored[action.target]
                return Result()
            case CreateCampaign():
                taken = [c.id for c in self.by_id.values() if c.name == action.fields.name]
                assert not taken, f"{action.fields.name} is created while {taken} has the name"
                status = "APPROVAL_NEEDED" if self.approval_needed else "CREATED"
                made = FakeCampaign(self._new_id("c"), "", status)
                self.by_id[made.id] = made
                self._write(made, action.fields, bindings)
                return Result(created=made.id)
            case _:
                campaign = self.by_id[target_of(action) or bindings.campaigns[action.resource]]
                return self._change(campaign, step, bindings)

    def _change(self, campaign: FakeCampaign, step: Step, bindings: Bindings) -> Result:
        action, gateways = step.action, set(step.gateways)
        match action:
            case ApproveCampaign(only_if_waiting=True) if campaign.phase is not Phase.WAITING:
                return Result(OutcomeStatus.NOT_NEEDED)
            case StartCampaign(approve=approve) if campaign.phase is Phase.WAITING:
                if not approve:
                    return Result(OutcomeStatus.WAITING)
                campaign.status = "APPROVED"
        assert self.allows(action.verb, campaign.phase), f"{action.verb} while {campaign.status}"
        match action:
            case EditCampaign():
                self._write(campaign, action.fields, bindings)
            case DeleteCampaign():
                del self.by_id[campaign.id]
            case StartCampaign() | StopCampaign() | ApproveCampaign():
                words = {Verb.START: "STARTED", Verb.STOP: "STOPPED", Verb.APPROVE: "APPROVED"}
                campaign.status = words[action.verb]
            case AddGateways():
                assert gateways, "an empty list is never sent"
                assert not gateways & campaign.gateways, "a member is added"
                campaign.gateways |= gateways
            case RemoveGateways():
                assert gateways, "an empty list is never sent"
                assert gateways <= campaign.gateways, "a stranger is removed"
                campaign.gateways -= gateways
            case SetDistributionList():
                campaign.distribution = action.distribution
            case CloseGateways():
                assert gateways <= campaign.gateways - campaign.closed, "a stranger is closed, or one twice"
                campaign.closed |= gateways
            case AssignPackages():
                assert gateways <= campaign.gateways, "a stranger gets packages of its own"
                packages = self._bound(action.packages, bindings)
                campaign.overrides.update(dict.fromkeys(gateways, packages))
            case _:
                assert gateways <= campaign.gateways, "a stranger gets something of its own"
        return Result()

    def _write(self, campaign: FakeCampaign, fields: CampaignFields, bindings: Bindings) -> None:
        """An edit replaces: what isn't managed is sent as it was just read, settings as they are known."""
        campaign.name = fields.name
        if fields.description is not None:
            campaign.description = fields.description
        if fields.packages is not None:
            campaign.packages = self._bound(fields.packages, bindings)
        campaign.settings = {key: plain(value) for key, value in (fields.settings or {}).items()}

    def _bound(self, packages: Iterable[BoundPackage], bindings: Bindings) -> tuple[str, ...]:
        ids = [bindings.packages[p.sha256] if isinstance(p, PendingUpload) else p for p in packages]
        assert self.stored.keys() >= set(ids), f"one of {ids} isn't there"
        return tuple(ids)

    async def verify(self, step: Step, bindings: Bindings) -> Readback:
        raise AssertionError("every answer of this server is clear")

    def _new_id(self, prefix: str) -> str:
        self.made += 1
        return f"{prefix}-new-{self.made}"


@dataclass
class MemorySession:
    """A `Session` that keeps the state in memory."""

    state: State

    def record(self, *events: Event, sync: bool = True) -> None:
        self.state = fold(self.state, events)


@dataclass
class Project:
    """A server and a state, and the stages between them."""

    server: FakeServer = field(default_factory=FakeServer)
    state: State = field(default_factory=lambda: State("lineage", "5a17", server=FakeServer.server))

    def own(self, name: str, campaign_id: str, origin: Origin = Origin.CREATED, **more: Any) -> Owned:
        """The state knows ``Campaign/name``."""
        owned = Owned(rid(name), campaign_id, origin, **more)
        self.state = replace(self.state, campaigns={**self.state.campaigns, owned.resource: owned})
        return owned

    def uploaded(self, file: PackageFile, package_id: str) -> Uploaded:
        """The state knows `file` as that package."""
        upload = Uploaded(file.sha256, package_id, file.name, file.resource)
        self.state = replace(self.state, packages={**self.state.packages, file.sha256: upload})
        return upload

    def intends(self, key: str | PackageFile, name: str, **applied: Any) -> None:
        """A create (by the name of its resource) or an upload was about to be sent."""
        text = str(rid(key)) if isinstance(key, str) else upload_key(key.sha256)
        intents = {**self.state.intents, text: Intent(text, name, applied)}
        self.state = replace(self.state, intents=intents)

    def live(self, wanted: Desired, **options: bool) -> Live:
        self.server.reads.clear()
        return asyncio.run(observe(wanted, self.state, self.server, Options(**options)))

    def reads(self, wanted: Desired, **options: bool) -> list[str]:
        """The reads that observing `wanted` takes, in order."""
        self.live(wanted, **options)
        return self.server.reads

    def diff(self, wanted: Desired, **options: bool) -> Diff:
        ask = Ask(Options(**options), NOW, self.server.past)
        return diff(wanted, self.live(wanted, **options), self.state, ask)

    def draft(self, wanted: Desired, **options: bool) -> Planned:
        """A plan for `wanted`, and what it was made from; no guard is asked."""
        self.server.reads.clear()
        return asyncio.run(draft(wanted, self.state, self.server, Options(**options), now=NOW))

    def make_plan(self, wanted: Desired, **options: bool) -> Plan:
        return self.draft(wanted, **options).plan

    def plan(self, wanted: Desired, **options: bool) -> list[str]:
        """The ids of the steps of a plan for `wanted`, in order."""
        return [step.id for step in self.make_plan(wanted, **options).steps()]

    def apply(self, plan: Plan) -> Applied:
        """Run `plan` one step at a time, and let the state learn of it."""
        session = MemorySession(self.state)
        applied = asyncio.run(
            apply_plan(plan, self.server, session, delay=lambda attempts, after: None, parallelism=1)
        )
        self.state = session.state
        return applied


def rid(name: str, kind: Kind = Kind.CAMPAIGN) -> ResourceId:
    return ResourceId(kind, name)


def campaign(resource: str = "line", name: str | None = None, **fields: Any) -> DesiredCampaign:
    """``Campaign/resource``, called `name` on the server."""
    for key in ("gateways", "closed"):
        if fields.get(key) is not None:
            fields[key] = frozenset(fields[key])
    return DesiredCampaign(rid(resource), name or resource, Place("line.yaml", 1, 1), **fields)


def desired(
    *campaigns: DesiredCampaign, packages: Iterable[PackageRef] = (), complete: bool = True
) -> Desired:
    """What Git wants; packages that campaigns use are declared, too."""
    declared = tuple(dict.fromkeys((*packages, *used_packages(campaigns))))
    return Desired(tuple(sorted(campaigns, key=lambda c: c.resource)), declared, complete)


def file(content: str, name: str = "fw.bin", **more: Any) -> PackageFile:
    digest = sha256(content.encode()).hexdigest()
    resource = rid("firmware", Kind.PACKAGE_SET)
    place = Place("packages.yaml", 7, 9)
    return PackageFile(digest, Path(name), name, len(content), resource, place=place, **more)


def mark(package: PackageFile) -> str:
    return package.sha256[:16]


def plain(value: SettingValue) -> str:
    return value.reveal() if isinstance(value, Secret) else value
