"""Puts the stages together, from files to a plan; and which exit code a plan or an apply ends with."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from reconciler.app.checkdesk import Asking, CheckDesk
from reconciler.app.paces import Rehearsed, read_rehearsal
from reconciler.app.workspace import Workspace, connected, read_resources, store_of
from reconciler.errors import Exit, InvalidInput, ReconcilerError
from reconciler.hiding import Hiding
from reconciler.lookout import Lookout
from reconciler.model import Desired, Finding, Live, Outcome, OutcomeStatus, RolloutStatus, Secret, Severity
from reconciler.model.doubts import OnDoubt, unheard
from reconciler.options import Options
from reconciler.pacing import Settling
from reconciler.plan.model import Partial, Plan
from reconciler.providers.base import Provider
from reconciler.report.apply_summary import kinds_of
from reconciler.settings import GitWaiver, Project, ServerSettings
from reconciler.state.base import State, StateStore, bound_to
from reconciler.state.sharing import sharing
from reconciler.trust.needs import TrustNeed

if TYPE_CHECKING:
    from reconciler.plan.guards import Basis
    from reconciler.providers.base import Source

NOT_OURS: Final = "not-ours"
ABORTED: Final = "rollout-aborted"
"""The code of the finding that a live object of a declared name isn't owned."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What all stages up to resolve made of the input. ``desired`` is usable only without errors."""

    project: Project | None
    desired: Desired
    documents: int
    findings: tuple[Finding, ...]
    apart: tuple[str, ...] = ()
    """The environments of the project with other resources or with overlays."""
    needs: tuple[TrustNeed, ...] = ()
    """What has to be trusted before the secrets of resources go out."""
    root: Path = Path()
    """The folder from which findings name files."""

    @property
    def sound(self) -> bool:
        """Whether no finding is an error."""
        return not any(finding.is_error for finding in self.findings)


@dataclass(frozen=True, slots=True)
class Job:
    """Input without errors, and where to take it. ``warnings`` are what was found on the way.

    ``documents``: how many resources were read. ``waivers``: guard → why it may be passed this once.
    """

    project: Project
    desired: Desired
    store: StateStore
    warnings: tuple[Finding, ...] = ()
    documents: int = 0
    waivers: Mapping[str, str] = field(default_factory=dict)
    desk: CheckDesk | None = None
    """Asks the checks of rollouts; None: no server is called."""
    rehearsed: Rehearsed | None = None
    """How long waves took in a rehearsal; None: a person gave none."""

    @property
    def reading(self) -> int:
        """About how many requests it takes to read what workers may read; 0 where there are none."""
        if self.project.server.workers is None:
            return 0
        from reconciler.app.crew import expected_reads

        return expected_reads(self.desired, self.project.server)


@dataclass(frozen=True, slots=True, repr=False)
class Planned:
    """A plan, and what it was made from; ``desired`` is the part of the project that it is about.

    Without a `repr` of a million gateways: asyncio makes one of what a run returned, when it takes its signal
    handler back.
    """

    plan: Plan
    desired: Desired
    live: Live
    state: State


# --- up to desired -------------------------------------------------------------------------------


def check(workspace: Workspace, *, offline: bool) -> Checked:
    """Load, validate and resolve; every finding of all three at once.

    `offline`: no server is needed, and no secret is read.
    """
    from reconciler.providers.opening import facts_of
    from reconciler.resolve import resolve
    from reconciler.validation import validate

    loaded = workspace.load(server=not offline)
    project = loaded.project
    read = read_resources(project or loaded, part=bool(workspace.paths))
    valid = validate(read.documents, unread=read.unread)
    environ = None if offline or not project else workspace.environ
    facts = facts_of(project.server if project else ServerSettings())
    named = project.calendars if project and not read.unread else ()
    resolved = resolve(valid.documents, facts, root=loaded.root, environ=environ, named=named)
    findings = (*loaded.findings, *read.findings, *valid.findings, *resolved.findings)
    if project:
        findings += tuple(_of_the_state(project, offline=offline))
        findings += _of_waivers(project, resolved.desired, whole=not workspace.paths)
    needs: tuple[TrustNeed, ...] = ()
    if project and not offline:
        from reconciler.app.trusting import needs_of_settings

        needs = tuple(needs_of_settings(project, resolved.desired, valid.documents))
    return Checked(
        project,
        resolved.desired,
        len(read.documents),
        tuple(sorted(findings, key=Finding.sort_key)),
        loaded.apart,
        needs,
        loaded.root,
    )


def _of_the_state(project: Project, *, offline: bool) -> Iterator[Finding]:
    """What keeps the state's URL from being opened; a library may be missing where it isn't needed."""
    from reconciler.state.stores import open_store

    try:
        open_store(project.state_url, root=project.root)
    except ReconcilerError as error:
        if not (offline and isinstance(error.__cause__, ImportError)):
            yield Finding("bad-url", error.message, hint=error.hint)


def _of_waivers(project: Project, desired: Desired, *, whole: bool) -> tuple[Finding, ...]:
    """What is wrong with waivers in Git; not `whole`: who is declared isn't known."""
    from reconciler.findings import Findings
    from reconciler.resolve.waivers import about_waivers, read_waivers

    findings = Findings()
    waivers = read_waivers(project.waivers, findings)
    known = desired.declared if whole and desired.complete else None
    return (*findings.found, *about_waivers(waivers, known, _now()))


def waivers_now(project: Project) -> tuple[GitWaiver, ...]:
    """The waivers in Git that are in force."""
    from reconciler.resolve.waivers import in_force, read_waivers

    return in_force(read_waivers(project.waivers), _now())


def _now() -> int:
    """Epoch milliseconds."""
    return int(time.time() * 1000)


def check_everywhere(workspace: Workspace) -> Checked:
    """`check` without a server; where no environment is chosen, in each that is apart, too.

    What is found in an environment only, says so.
    """
    checked = check(workspace, offline=True)
    if workspace.environment_given:
        return checked
    found, known = list(checked.findings), frozenset(checked.findings)
    for name in checked.apart:
        inside = check(workspace.inside(name), offline=True).findings
        new = (finding for finding in inside if finding not in known)
        found += (replace(each, message=f"in the environment {name}: {each.message}") for each in new)
    return replace(checked, findings=tuple(sorted(found, key=Finding.sort_key)))


def prepare(
    workspace: Workspace,
    *,
    waivers: Mapping[str, str] | None = None,
    saved: StateStore | None = None,
    pace: Path | None = None,
) -> Job:
    """Input to plan with; InvalidInput, with everything that was found, when there is an error in it.

    `saved`: a state in the place of the project's, to plan without server, credentials and secrets. `pace`: a
    rehearsal as JSON, for what is to be expected of rollouts; ReconcilerError when it is none.
    """
    rehearsed = None if pace is None else read_rehearsal(pace)
    checked = check(workspace, offline=saved is not None)
    if checked.project is None or not checked.sound:
        raise InvalidInput(checked.findings)
    project, desired = checked.project, checked.desired
    if saved is None:
        project = workspace.trusted(project, checked.needs, findings=checked.findings)
    # Paths on the command line are only a part of the project: what they lack may be declared elsewhere.
    if project.file is not None and workspace.paths:
        desired = replace(desired, complete=False)
    store = saved or store_of(project)
    desk = None if saved else CheckDesk(workspace)
    return Job(project, desired, store, checked.findings, checked.documents, waivers or {}, desk, rehearsed)


# --- from desired to a plan ----------------------------------------------------------------------


async def plan_once(job: Job, options: Options, on_doubt: OnDoubt = unheard) -> Planned:
    """Plan on the state as it is; nothing is locked or written."""
    async with connected(job.project, reading=job.reading) as provider:
        return await make(job, job.store.load(), provider, options, on_doubt)


async def make(
    job: Job,
    state: State,
    source: Source,
    options: Options,
    on_doubt: OnDoubt = unheard,
    *,
    now: int | None = None,
    asking: Asking | None = None,
) -> Planned:
    """Observe and plan; nothing is written anywhere. `state` must belong to the server of `source`.

    `on_doubt` hears of what is looked for because it may be there all the same. `now` is epoch milliseconds;
    None: what the clock of this machine says. `asking` the checks of rollouts is for an apply only.
    """
    # The same name on purpose: the earlier state is freed before the server is read.
    state = bound_to(sharing(state, job.desired), source.server, url=job.store.url)
    with unrevealing(job.desired):
        seen = _now() if now is None else now
        lookout = Lookout(Settling(job.project.server.settle), seen // 1000, on_doubt)
        aside = Aside(asking, rehearsed=job.rehearsed)
        if isinstance(source, Provider):
            aside = replace(aside, ahead=source.ahead)
        return await _made(job, state, source, options, lookout, now=seen, aside=aside)


@contextmanager
def unrevealing(desired: Desired) -> Iterator[None]:
    """What a server says no to a read with names no secret of `desired`, which earlier runs sent."""
    try:
        yield
    except ReconcilerError as error:
        error.hide(Hiding(secrets_of(desired)))
        raise


def secrets_of(desired: Desired) -> Iterator[str]:
    """What a server may know by now, and nobody else may see."""
    values = (value for each in desired.campaigns for value in (each.settings or {}).values())
    return (value.reveal() for value in values if isinstance(value, Secret) and value.known)


async def _made(
    job: Job,
    bound: State,
    source: Source,
    options: Options,
    lookout: Lookout,
    *,
    now: int,
    aside: Aside,
) -> Planned:
    from reconciler.plan.calendars import WAIVER as CALENDAR
    from reconciler.plan.calendars import waived, without_calendars
    from reconciler.plan.guards import guarded
    from reconciler.plan.impact import telling_removed, with_reads, with_removed
    from reconciler.reading import operations_of
    from reconciler.resolve.waivers import FOR_NOBODY

    reason = job.waivers.get(CALENDAR)
    wanted = without_calendars(job.desired) if reason else job.desired
    planned = await draft(wanted, bound, source, options, now=now, lookout=lookout, aside=aside)
    plan, desired = planned.plan, planned.desired
    # A target may also be a campaign of ours that is no longer declared: the one to be deleted.
    warnings = (w for w in job.warnings if w.code != FOR_NOBODY or w.resource not in bound.campaigns)
    findings = [*warnings, *plan.findings]
    if options.prune and not desired.complete:
        findings.append(_NOT_PRUNED)
    plan = replace(plan, findings=tuple(findings), partial=_partial(desired))
    emptied = options.prune and desired.complete and not job.documents and not desired.focus
    given_up = len(bound.campaigns) + len(bound.packages) if emptied else 0
    basis = await guard_basis(replace(planned, plan=plan), source, given_up=given_up)
    # What is only shown isn't part of what the plan depends on, so it is added last.
    told = await in_devices(replace(planned, plan=plan, live=basis.live), source)
    impact = with_removed(told.plan.impact, basis.live)
    impact = with_reads(impact, operations_of(told.live, source.facts), source.facts.operations)
    plan = replace(told.plan, impact=impact)
    passed = tuple(waived(plan, job.desired, now, reason)) if reason else ()
    declared = waivers_now(job.project)
    plan = guarded(plan, basis, job.project.guards, job.waivers, declared, passed=passed)
    plan = replace(plan, changes=telling_removed(plan.changes, plan.impact, basis.live))
    return replace(planned, plan=plan, live=basis.live)


@dataclass(frozen=True, slots=True)
class Aside:
    """What a plan is made from beside files, server and state."""

    asking: Asking | None = None
    """None: no check of a rollout is asked."""
    ahead: Callable[[], float | None] = lambda: None
    """See `Provider.ahead`."""
    rehearsed: Rehearsed | None = None
    """How long waves took in a rehearsal."""


_NOTHING_ASIDE: Final = Aside()


async def draft(
    desired: Desired,
    state: State,
    source: Source,
    options: Options,
    *,
    now: int,
    lookout: Lookout | None = None,
    aside: Aside = _NOTHING_ASIDE,
) -> Planned:
    """The stages from `desired` to a plan, no guard asked; `now` in epoch milliseconds."""
    from reconciler.diff import Ask, diff
    from reconciler.observe import observe
    from reconciler.plan import make_plan
    from reconciler.plan.calendars import closing, held_back
    from reconciler.rollout.clocks import earlier, skew
    from reconciler.rollout.questions import questions
    from reconciler.rollout.recall import recalled
    from reconciler.rollout.stage import Pace, paced
    from reconciler.rollout.timetables import timed
    from reconciler.targets import narrowed, with_rollouts

    desired = narrowed(desired, state, options.targets)
    if options.rollouts_only:
        desired = with_rollouts(desired, state)
    live = await observe(desired, state, source, options, lookout)
    back = recalled(desired, live, state, source.facts, resume=options.resume)
    timing = timed(back.desired, live, state, source.facts, now)
    desired = timing.desired
    ahead = aside.ahead()
    paces = aside.rehearsed.paces if aside.rehearsed else {}
    pacing = Pace(
        source.facts, earlier(now, ahead), resume=options.resume, adopt=options.adopt, rehearsed=paces
    )
    if aside.asking is not None and (about := questions(desired, live, state, pacing)):
        pacing = replace(pacing, checks=await aside.asking(about))
    pace = paced(desired, live, state, pacing)
    difference = diff(pace.desired, live, state, Ask(options, now=now, facts=source.facts))
    sifted = held_back(difference, source.facts, pacing.now)
    plan = make_plan(sifted.difference, source.facts, source.server)
    told = (*back.findings, *timing.findings, *pace.findings, *skew(desired, ahead))
    if aside.rehearsed is not None:
        told = (*told, *aside.rehearsed.findings(pace.desired))
    plan = replace(
        plan,
        groups=closing(plan.groups, sifted.until),
        waits=sifted.waits,
        rollouts=pace.rollouts,
        records=(*plan.records, *back.records, *pace.records),
        findings=tuple(sorted((*plan.findings, *told), key=Finding.sort_key)),
    )
    if options.rollouts_only:
        from reconciler.plan.looking import only_rollouts

        ways = [each for each in pace.desired.campaigns if each.rollback_of is not None]
        plan = only_rollouts(plan, state, ways)
    return Planned(plan, pace.desired, live, state)


async def guard_basis(planned: Planned, source: Source, *, given_up: int = 0) -> Basis:
    """What guards ask of a plan; who is in campaigns that it interrupts or gives other packages is read."""
    from reconciler.observe import observe_members
    from reconciler.plan.finished import repackaged
    from reconciler.plan.guards import Basis, all_missing, ended_formers, interrupted

    asked = interrupted(planned.plan, source.facts) | repackaged(planned.plan)
    formers = ended_formers(planned.plan, source.facts)
    live = await observe_members(planned.live, asked, source.reads, formers)
    rollouts = {
        resource: owned.rollout
        for resource, owned in planned.state.campaigns.items()
        if owned.rollout and owned.rollout.status is not RolloutStatus.COMPLETE
    }
    return Basis(planned.desired, live, source.facts, given_up, all_missing(live, planned.state), rollouts)


async def in_devices(planned: Planned, source: Source) -> Planned:
    """The same plan, that says what it means for devices; what is read for that is in ``live``."""
    from reconciler.observe import observe_told
    from reconciler.plan.devices import counted, unnamed, with_devices

    plan, live, state = planned.plan, planned.live, planned.state
    live = await observe_told(live, counted(plan), unnamed(plan, live, state, source.facts), source.reads)
    return replace(planned, plan=with_devices(plan, live, planned.desired, state, source.facts), live=live)


def _partial(desired: Desired) -> Partial | None:
    focus = desired.focus
    if focus is None:
        return None
    campaigns = len(desired.campaigns) + len(focus.removed)
    return Partial(focus.asked, campaigns, campaigns + len(focus.excluded))


_NOT_PRUNED = Finding(
    "prune-needs-whole-project",
    "nothing is deleted, because only some paths of the project were given",
    hint="Leave the paths out to prune.",
    severity=Severity.WARNING,
)

# --- exit codes: never by the form of the output -------------------------------------------------

_EXITS_OF_THEIR_OWN: Final = frozenset({NOT_OURS, ABORTED})
_BAD: Final = frozenset({OutcomeStatus.FAILED, OutcomeStatus.UNKNOWN})


def plan_exit(plan: Plan, *, detailed: bool = False) -> Exit:
    """Of a plan that isn't executed: an error, else with `detailed` whether there is a step."""
    if _has_errors(plan):
        return Exit.ERROR
    return Exit.HAS_STEPS if detailed and not plan.empty else Exit.DONE


def apply_exit(plan: Plan, outcomes: Collection[Outcome], *, interrupted: bool = False) -> Exit:
    """Of an apply: an error or an interruption, a guard, then failed steps, then objects that aren't ours."""
    if _has_errors(plan) or (interrupted and any(_skipped(outcome) for outcome, _ in kinds_of(outcomes))):
        return Exit.ERROR
    if plan.tripped:
        return Exit.GUARD
    if any(outcome.status in _BAD for outcome, _ in kinds_of(outcomes)):
        return Exit.PARTLY
    if any(view.aborted for view in plan.rollouts):
        return Exit.ROLLOUT_ABORTED
    return Exit.NOT_OURS if any(finding.code == NOT_OURS for finding in plan.findings) else Exit.DONE


def _skipped(outcome: Outcome) -> bool:
    return outcome.status is OutcomeStatus.SKIPPED


def _has_errors(plan: Plan) -> bool:
    return any(finding.is_error and finding.code not in _EXITS_OF_THEIR_OWN for finding in plan.findings)
