"""What must hold after an apply, said independently of how plans are made."""

from collections.abc import Collection, Iterator, Mapping
from itertools import chain

from reconciler.apply import Applied
from reconciler.model import (
    CallbackEvent,
    Desired,
    DesiredCampaign,
    DesiredStatus,
    OutcomeStatus,
    PackageById,
    PackageFile,
    PackageRef,
    RemoveGateways,
    ResourceId,
    SchedulePhase,
    Secret,
    Step,
    UploadPackage,
    Verb,
    carried_by,
)
from reconciler.plan import Plan
from reconciler.state.base import Origin, Owned, State
from tests.properties.prop_lab import Held, Lab, Snapshot
from tests.properties.prop_strategies import VENDOR

BAD = {OutcomeStatus.FAILED, OutcomeStatus.SKIPPED, OutcomeStatus.UNKNOWN}
PACKAGES_UNSURE = {"package-not-found", "ambiguous-package"}
KINDS = {
    CallbackEvent.COMPLETED: "completed",
    CallbackEvent.WAKE_UP: "wake-up",
    CallbackEvent.STATE_CHANGE: "state-change",
    CallbackEvent.EXECUTION_PROGRESS: "execution-progress",
    CallbackEvent.DOWNLOAD_PROGRESS: "download-progress",
}
PAST = {
    SchedulePhase.DOWNLOAD: {"DOWNLOAD_COMPLETE", "EXECUTION_COMPLETE", "FAILED"},
    SchedulePhase.EXECUTION: {"EXECUTION_COMPLETE", "FAILED"},
    SchedulePhase.ACTIVATION: {"FAILED"},
}


def nothing_refused(lab: Lab, applied: Applied) -> None:
    """No step failed or was left out, and the server said yes to every write."""
    bad = [(o.step.id, o.status, o.message) for o in applied.outcomes if o.status in BAD]
    assert not bad, bad
    refused = [(name, status) for name, status in lab.answered() if not 200 <= status < 300]
    assert not refused, refused


def refused(plan: Plan, desired: Desired) -> set[ResourceId]:
    """The declared campaigns that the plan says it leaves alone."""
    codes = {f.code for f in plan.findings}
    found = {f.resource for f in plan.findings if f.is_error and f.resource}
    if codes & PACKAGES_UNSURE:
        found |= {c.resource for c in desired.campaigns}
    return found


# --- Git's wish is the server's state ------------------------------------------------------------


class Wish:
    """Holds what Git asks of one campaign against what the server holds."""

    def __init__(
        self,
        campaign: DesiredCampaign,
        owned: Owned,
        held: Held,
        state: State,
        had: Collection[str],
        now: int,
    ) -> None:
        self.campaign = campaign
        self.owned = owned
        self.held = held
        self.state = state
        self.had = had
        self.now = now

    def bound(self, refs: Collection[PackageRef]) -> frozenset[str]:
        return frozenset(
            self.state.packages[ref.sha256].id
            if isinstance(ref, PackageFile)
            else ref.id
            if isinstance(ref, PackageById)
            else VENDOR
            for ref in refs
        )

    def unmet(self, *, sure: bool) -> Iterator[str]:
        """Everything that isn't as declared. `sure`: nobody interfered with what can't be read."""
        campaign, held = self.campaign, self.held
        if held.name != campaign.name:
            yield f"name {held.name}"
        if campaign.description is not None and held.description != campaign.description:
            yield f"description {held.description}"
        if campaign.packages is not None and held.packages != self.bound(campaign.packages):
            yield "packages"
        if dl := campaign.distribution:
            listed, interval = held.distribution
            if listed != dl.id or (dl.interval is not None and interval != str(dl.interval)):
                yield f"distribution list {held.distribution}"
        yield from self._members()
        yield from self._overrides()
        if sure:
            yield from self._unreadable()

    @property
    def open(self) -> set[str]:
        return {g for g, (_, closed) in self.held.gateways.items() if not closed}

    def _members(self) -> Iterator[str]:
        campaign, members = self.campaign, set(self.held.gateways)
        closed = campaign.closed or frozenset()
        if campaign.gateways is not None:
            if lacking := campaign.gateways - closed - members:
                yield f"lacking {lacking}"
            shared = self.held.distribution[0] is not None
            if not shared and (more := members - campaign.gateways):
                yield f"too many {more}"
        if still := closed & self.open:
            yield f"not closed {still}"

    def _overrides(self) -> Iterator[str]:
        if self.campaign.overrides is None:
            return
        declared: set[str] = set()
        for override in self.campaign.overrides:
            declared |= override.gateways
            for gateway in override.gateways & self.open:
                if self.held.effective(gateway) != self.bound(override.packages):
                    yield f"override of {gateway}"
        for gateway in (self.open & set(self.had)) - declared:
            if self.held.effective(gateway) != self.held.packages:
                yield f"override of {gateway} is not taken back"

    def _unreadable(self) -> Iterator[str]:
        campaign, held = self.campaign, self.held
        if campaign.settings is not None:
            plain = {k: v.reveal() if isinstance(v, Secret) else v for k, v in campaign.settings.items()}
            if held.settings != plain:
                yield f"settings {held.settings}"
        for event, callback in (campaign.callbacks or {}).items():
            kept = (callback.destination, sorted(callback.states or ()))
            if (found := held.callbacks.get(KINDS[event])) is None or (found[0], sorted(found[1])) != kept:
                yield f"callback {event}: {found}"
        for assignment in campaign.schedules or ():
            everyone = self.open if assignment.gateways is None else assignment.gateways & self.open
            for phase, window in assignment.windows.items():
                for gateway in everyone:
                    late = window.end <= self.now or held.gateways[gateway][0] in PAST[phase]
                    kept_window = (str(window.begin), str(window.end))
                    if not late and held.schedules.get((gateway, phase.value)) != kept_window:
                        yield f"{phase} of {gateway}"
        for gateway, things in (campaign.things or {}).items():
            for thing in things:
                if gateway in self.open and not held.things.get((gateway, thing)):
                    yield f"{thing} of {gateway}"


def wishes_met(
    desired: Desired, plan: Plan, applied: Applied, before: State, lab: Lab, *, sure: bool, now: int
) -> None:
    """Every declared campaign that isn't refused is on the server as Git wants it."""
    state, held = lab.state, lab.snapshot()
    left_alone = refused(plan, desired)
    for campaign in desired.campaigns:
        if campaign.resource in left_alone:
            continue
        owned = state.campaigns[campaign.resource]
        known = before.campaigns.get(campaign.resource)
        overridden = (
            known.members.get("packageOverrides", {}).values() if known and known.id == owned.id else ()
        )
        had = frozenset().union(*overridden)
        wish = Wish(campaign, owned, held.campaigns[owned.id], state, had, now)
        unmet = [*wish.unmet(sure=sure and owned.origin is Origin.CREATED)]
        unmet += status_unmet(campaign, held.campaigns[owned.id], plan, applied)
        assert not unmet, (str(campaign.resource), unmet)


def status_unmet(campaign: DesiredCampaign, held: Held, plan: Plan, applied: Applied) -> list[str]:
    """Whether it runs as Git wants; a hold and a missing approval are said."""
    said = {f.code for f in plan.findings if f.resource == campaign.resource}
    waits = waiting(applied, campaign.resource) or said & {"held", "waiting-for-approval"}
    running = held.status == "STARTED"
    if campaign.status is DesiredStatus.STARTED and not running and not waits:
        return [f"is {held.status}"]
    if campaign.status is DesiredStatus.STOPPED and running:
        return ["runs"]
    return []


def waiting(applied: Applied, resource: ResourceId) -> bool:
    return any(o.status is OutcomeStatus.WAITING and o.step.resource == resource for o in applied.outcomes)


# --- nothing else is touched ---------------------------------------------------------------------


def foreign_untouched(
    before: Snapshot, after: Snapshot, state: State, after_state: State, *, prune: bool
) -> None:
    """Who isn't ours is the same to the last byte; nothing of anybody goes without `--prune`."""
    ours = {o.id for s in (state, after_state) for o in s.campaigns.values()}
    for campaign_id, held in before.campaigns.items():
        if campaign_id not in ours:
            assert after.campaigns.get(campaign_id) == held, f"the foreign {held.name} was touched"
    gone = before.campaigns.keys() - after.campaigns.keys()
    assert gone <= {o.id for o in state.campaigns.values() if o.on_remove == "delete"}, gone
    lost = before.packages.keys() - after.packages.keys()
    assert lost <= {upload.id for upload in state.packages.values()}, lost
    assert prune or not gone | lost, (gone, lost)
    assert all(after.packages[i] == package for i, package in before.packages.items() if i in after.packages)


def unmanaged_kept(
    desired: Desired, plan: Plan, applied: Applied, before: Snapshot, after: Snapshot, state: State
) -> None:
    """What YAML leaves out has the value that it had."""
    left_alone = refused(plan, desired)
    for campaign in desired.campaigns:
        owned = state.campaigns.get(campaign.resource)
        was = before.campaigns.get(owned.id) if owned else None
        if owned is None or was is None or campaign.resource in left_alone:
            continue
        said = {f.code for f in plan.findings if f.resource == campaign.resource}
        changed = list(_changed(campaign, was, after.campaigns[owned.id], said, applied))
        assert not changed, (str(campaign.resource), changed)


def _changed(
    campaign: DesiredCampaign, was: Held, held: Held, said: set[str], applied: Applied
) -> Iterator[str]:
    staying = was.gateways.keys() & held.gateways.keys()
    if campaign.description is None and was.description != held.description:
        yield "description"
    if campaign.packages is None and was.packages != held.packages:
        yield "packages"
    if campaign.settings is None and was.settings != held.settings and "may-lose-settings" not in said:
        yield f"settings {was.settings} {held.settings}"
    if campaign.gateways is None and was.gateways.keys() != held.gateways.keys():
        yield "gateways"
    if campaign.distribution is None and was.distribution != held.distribution:
        yield "distribution list"
    if campaign.overrides is None and _of(staying, was.own) != _of(staying, held.own):
        yield "overrides"
    if campaign.schedules is None and _of(staying, was.schedules) != _of(staying, held.schedules):
        yield "schedules"
    if campaign.things is None and _of(staying, was.things) != _of(staying, held.things):
        yield "things"
    for event, kind in KINDS.items():
        if event not in (campaign.callbacks or {}) and was.callbacks.get(kind) != held.callbacks.get(kind):
            yield f"callback {event}"
    shut = {g for g in staying if held.gateways[g][1] and not was.gateways[g][1]}
    if shut - (campaign.closed or frozenset()):
        yield f"closed {shut}"
    runs, ran = held.status == "STARTED", was.status == "STARTED"
    if campaign.status is None and runs != ran and not waiting(applied, campaign.resource):
        yield f"status {was.status} {held.status}"


def _of(gateways: Collection[str], values: Mapping[object, object]) -> dict[object, object]:
    return {k: v for k, v in values.items() if (k[0] if isinstance(k, tuple) else k) in gateways}


# --- order ---------------------------------------------------------------------------------------

# docs/how-it-works.md, "The order"; callbacks and the distribution list share a stage.
_STAGES: Mapping[str, int] = {
    "stop-campaign": 1,
    "create-campaign": 2,
    "edit-campaign": 2,
    "register-completed-callback": 3,
    "register-wake-up-callback": 3,
    "register-state-change-callback": 3,
    "register-execution-progress-callback": 3,
    "register-download-progress-callback": 3,
    "set-distribution-list": 3,
    "remove-gateways": 4,
    "add-gateways": 5,
    "assign-gateway-packages": 6,
    "schedule-download": 7,
    "schedule-execution": 8,
    "schedule-activation": 9,
    "run-on-things": 10,
    "close-gateway": 11,
    "approve-campaign": 12,
    "start-campaign": 13,
    "delete-campaign": 14,
}
_SINGLE = range(5, 12)
"""Stages about single gateways: only steps that carry the same gateway wait for each other."""


def in_order(plan: Plan, steps: Collection[Step]) -> None:
    """`steps`, as they were settled, keep the order of the documentation."""
    place = {step.id: at for at, step in enumerate(steps)}
    for step, needs in chain.from_iterable(map(plan.needs, plan.groups)):
        for needed in needs if step.id in place else ():
            assert place[needed.id] < place[step.id], f"{step.id} before {needed.id}"
    ordered = [step for step in steps if step.operation.name in _STAGES]
    for at, later in enumerate(ordered):
        for earlier in ordered[:at]:
            if earlier.resource != later.resource:
                continue
            first, then = _STAGES[earlier.operation.name], _STAGES[later.operation.name]
            apart = first in _SINGLE and then in _SINGLE and not set(earlier.gateways) & set(later.gateways)
            assert first <= then or apart, f"{earlier.id} ({first}) before {later.id} ({then})"


def moves_in_order(steps: Collection[Step], before: Snapshot) -> None:
    """A gateway leaves a running campaign before it joins another one."""
    left: set[str] = set()
    leaving = {
        g
        for step in steps
        if isinstance(step.action, RemoveGateways)
        and step.action.target in before.campaigns
        and before.campaigns[step.action.target].status == "STARTED"
        for g in step.gateways
    }
    for step in steps:
        if step.action.verb is Verb.REMOVE:
            left |= set(step.gateways)
        elif step.action.verb is Verb.ADD:
            early = (set(step.gateways) & leaving) - left
            assert not early, f"{step.id} takes {early} from a running campaign"


def uploads_first(steps: Collection[Step]) -> None:
    """No campaign is interrupted for an edit, or made, before all uploads that it needs are there."""
    done: set[str] = set()
    for step in steps:
        if isinstance(step.action, UploadPackage):
            done.add(step.action.file.sha256)
        for package in carried_by(step.action):
            assert isinstance(package, str) or package.sha256 in done, step.id


def none_left_stopped(
    desired: Desired, applied: Applied, before: Snapshot, after: Snapshot, state: State
) -> None:
    """Who ran, and whom Git doesn't wish stopped, runs; or waits for an approval that Git doesn't give."""
    wishes = {state.campaigns[c.resource].id: c for c in desired.campaigns if c.resource in state.campaigns}
    for campaign_id, was in before.campaigns.items():
        held, wish = after.campaigns.get(campaign_id), wishes.get(campaign_id)
        if was.status != "STARTED" or held is None or (wish and wish.status is DesiredStatus.STOPPED):
            continue
        assert held.status == "STARTED" or (wish and waiting(applied, wish.resource)), (
            was.name,
            held.status,
        )


# --- nothing is doubled --------------------------------------------------------------------------


def nothing_doubled(
    before: Snapshot, after: Snapshot, state: State, *, strange: Collection[str] = frozenset()
) -> None:
    """One campaign a name, one package a content, no thing run once more than asked.

    ``strange``: packages that nobody knows to be ours, as a lost state leaves them.
    """
    for owned in state.campaigns.values():
        if owned.id in after.campaigns:
            name = after.campaigns[owned.id].name
            made = [held.id for held in after.named(name) if held.id not in before.campaigns]
            assert len(made) <= 1, (name, made)
    owned_ids = {owned.id for owned in state.campaigns.values()}
    intended = {intent.name for intent in state.intents.values()}
    stray = after.campaigns.keys() - before.campaigns.keys() - owned_ids
    assert {after.campaigns[i].name for i in stray} <= intended, "campaigns that nobody owns or looks for"
    digests = [package.sha256 for i, package in after.packages.items() if i not in strange]
    assert len(digests) == len(set(digests)), digests
    for campaign_id, held in after.campaigns.items():
        earlier = before.campaigns[campaign_id].things if campaign_id in before.campaigns else {}
        for thing, runs in held.things.items():
            assert runs - earlier.get(thing, 0) <= 1, (campaign_id, thing, runs)
