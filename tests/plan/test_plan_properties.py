"""What holds for every plan, over random worlds: legal, minimal, ordered, and then nothing is left."""

from copy import deepcopy
from dataclasses import dataclass, replace

from hypothesis import assume, event, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, composite

from reconciler.model import (
    CreateCampaign,
    Desired,
    DesiredStatus,
    DistributionList,
    EditCampaign,
    LivePackage,
    Need,
    OnRemove,
    PackageById,
    PackageByName,
    Step,
    StepGroup,
    Verb,
)
from reconciler.plan import Plan
from reconciler.state.applied import recorded_settings
from reconciler.state.base import Origin
from tests.fakes import Project, campaign, desired, file, holds, rid
from tests.memory_provider import MemoryCampaign, MemoryServer

RESOURCES = ("a", "b", "c", "d")
GATEWAYS = tuple(f"gw-{n}" for n in range(6))
STATUSES = ("CREATED", "APPROVED", "APPROVAL_NEEDED", "STARTED", "STARTED", "STOPPED", "SUSPENDED")
FILES = tuple(file(content) for content in ("v1", "v2", "v3"))
REFS = (*FILES, PackageById("p-1"), PackageById("p-9"), PackageByName("two"))
TEXTS = st.sampled_from(("", "text", "other"))
SETTINGS = st.dictionaries(st.sampled_from(("A", "B")), st.sampled_from(("x", "y")))
MEMBERS = st.frozensets(st.sampled_from(GATEWAYS))
LISTS = st.sampled_from((DistributionList("f-1", 60), DistributionList("f-2"), DistributionList("f-1")))


@dataclass
class Case:
    """A world, and what Git wants of it."""

    project: Project
    wanted: Desired
    options: dict[str, bool]

    def plan(self) -> Plan:
        return self.project.make_plan(self.wanted, **self.options)


def maybe(strategy: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    return st.none() | strategy


@composite
def worlds(draw: DrawFn) -> Case:
    server = MemoryServer(
        packages=[LivePackage("p-1", "one"), LivePackage("p-2", "two")],
        batch=draw(st.sampled_from((1, 2, 100))),
        edit_while_started=draw(st.booleans()),
        approval_needed=draw(st.booleans()),
    )
    project = Project(server)
    for number, content in enumerate(FILES):
        if draw(st.booleans()):
            server.stored[f"f-{number}"] = holds(f"f-{number}", content.name, content)
        if draw(st.booleans()):
            project.uploaded(content, f"f-{number}")
    for number, name in enumerate(RESOURCES):
        if draw(st.booleans()):
            _live(draw, project, str(number), name)
    names = draw(st.permutations((*RESOURCES, "e", "f")))
    swapped = draw(st.booleans())
    campaigns = [
        campaign(
            resource,
            names[number] if swapped else resource,
            description=draw(maybe(TEXTS)),
            packages=draw(maybe(st.lists(st.sampled_from(REFS), max_size=2).map(tuple))),
            settings=draw(maybe(SETTINGS)),
            gateways=draw(maybe(MEMBERS)),
            closed=draw(maybe(st.frozensets(st.sampled_from(GATEWAYS[:1])))),
            distribution=draw(maybe(LISTS)),
            approve=draw(st.booleans()),
            status=draw(st.sampled_from((None, *DesiredStatus))),
            on_remove=draw(st.sampled_from(OnRemove)),
        )
        for number, resource in enumerate(RESOURCES)
        if draw(st.booleans())
    ]
    options = {name: draw(st.booleans()) for name in ("adopt", "prune", "resume")}
    return Case(project, desired(*campaigns, packages=draw(st.sets(st.sampled_from(FILES)))), options)


def _live(draw: DrawFn, project: Project, campaign_id: str, name: str) -> None:
    """A campaign on the server: ours, somebody else's, or ours and gone."""
    known = draw(maybe(SETTINGS))
    stored = sorted(project.server.stored)
    live = MemoryCampaign(
        campaign_id,
        name,
        draw(st.sampled_from(STATUSES)),
        draw(TEXTS),
        tuple(draw(st.lists(st.sampled_from(stored), unique=True, max_size=2))),
        set(draw(MEMBERS)),
        draw(st.sampled_from((None, None, DistributionList("f-1", 60)))),
        known or {},
    )
    fate = draw(st.sampled_from(("ours", "ours", "ours", "theirs", "gone", "interrupted create")))
    if fate != "gone":
        project.server.by_id[campaign_id] = live
    if fate == "interrupted create":
        project.intends(name, name)
    elif fate != "theirs":
        project.own(
            name,
            campaign_id,
            draw(st.sampled_from(Origin)),
            on_remove=draw(st.sampled_from(OnRemove)),
            status=draw(st.sampled_from((None, *DesiredStatus))),
            return_to=draw(st.sampled_from((None, None, "STARTED"))),
            applied={} if known is None else {"settings": recorded_settings(known, project.state.salt)},
        )


def takes_a_name_that_is_kept(case: Case, plan: Plan) -> bool:
    """A new campaign takes a name whose owner can't give it up: its create will find that out."""
    edited = {group.action.target for group in plan.groups if isinstance(group.action, EditCampaign)}
    kept = {live.name for i, live in case.project.server.by_id.items() if i not in edited}
    names = {g.action.fields.name for g in plan.groups if isinstance(g.action, CreateCampaign)}
    return bool(names & kept)


def may_turn_out_not_to_be_needed(case: Case, plan: Plan, step: Step) -> bool:
    """Whether a new campaign waits for an approval is known once it is there; a start can approve, too."""
    verbs = {group.action.verb for group in plan.groups if group.action.resource == step.resource}
    match step.action.verb:
        case Verb.APPROVE:
            return step.action.only_if_waiting or Verb.START in verbs
        case Verb.START:
            return Verb.CREATE in verbs and case.project.server.approval_needed
        case _:
            return False


def without(plan: Plan, step: Step) -> Plan:
    """`plan` without one step, and without the arrows to it."""

    def left(group: StepGroup) -> StepGroup | None:
        if group.key != step.group.key:
            return group
        gateways = tuple(g for g in group.gateways if g not in step.gateways)
        return replace(group, action=replace(group.action, gateways=gateways)) if gateways else None

    groups = [kept for group in plan.groups if (kept := left(group))]
    keys = {group.key for group in groups}
    return Plan(
        plan.server,
        tuple(replace(g, needs=tuple(n for n in g.needs if n.group in keys)) for g in groups),
        records=plan.records,
    )


def is_done_without(case: Case, plan: Plan, step: Step) -> bool:
    """Whether the server takes the other steps, and nothing is left to do after them."""
    other = Case(replace(case.project, server=deepcopy(case.project.server)), case.wanted, case.options)
    try:
        applied = other.project.apply(without(plan, step))
    except (AssertionError, KeyError):
        # The server took offence, or an id that the step would have made is missing.
        return False
    return not applied.failed and other.plan().empty


@settings(max_examples=40)
@given(worlds())
def test_every_need_stands_before_what_needs_it(case: Case) -> None:
    plan = case.plan()
    ids = [step.id for step in plan.steps()]
    assert len(ids) == len(set(ids)) == plan.size
    placed: set[str] = set()
    for group in plan.groups:
        assert {need.group for need in group.needs} <= placed
        assert len(group.needs) == len(set(group.needs))
        assert group.key not in placed
        placed.add(group.key)


@settings(max_examples=40)
@given(worlds())
def test_after_apply_everything_is_as_git_wants_it_and_nothing_is_left(case: Case) -> None:
    """The server of these tests fails a step that its status table forbids."""
    project = case.project
    before = deepcopy(project.server.by_id)
    plan = case.plan()
    assume(not takes_a_name_that_is_kept(case, plan))
    # A name that a deletion of this very plan sets free is taken by the next plan.
    assume(all(finding.code != "name-taken" for finding in plan.findings))
    event(f"steps: {min(plan.size, 10)}")
    assert not project.apply(plan).failed
    again = case.plan()
    assert [step.id for step in again.steps()] == []
    assert again.changes == ()
    left_out = {finding.resource for finding in again.findings if finding.is_error}
    missing = any(finding.code == "package-not-found" for finding in again.findings)
    for wanted in case.wanted.campaigns:
        if wanted.resource not in left_out and not missing:
            owned = project.state.campaigns[wanted.resource]
            live, was = project.server.by_id[owned.id], before.get(owned.id)
            assert live.name == wanted.name
            kept = was.description if was else ""
            assert live.description == (kept if wanted.description is None else wanted.description)
            if wanted.packages is None:
                assert live.packages == (was.packages if was else ())
            else:
                assert len(live.packages) <= len(wanted.packages)
            if wanted.gateways is None:
                assert live.gateways == (was.gateways if was else set())
            else:
                assert live.gateways >= wanted.gateways - (wanted.closed or frozenset())
                if not live.distribution:
                    assert live.gateways <= wanted.gateways
            if wanted.status is DesiredStatus.STOPPED:
                assert live.status != "STARTED"
    unowned = {i: c for i, c in before.items() if case.project.state.owner_of(i) is None}
    for campaign_id, untouched in unowned.items():
        now = project.server.by_id.get(campaign_id)
        assert now == untouched or (now is None and case.options["prune"])


@settings(max_examples=40)
@given(worlds())
def test_no_step_can_be_left_out(case: Case) -> None:
    plan = case.plan()
    for step in plan.steps():
        if may_turn_out_not_to_be_needed(case, plan, step):
            continue
        assert not is_done_without(case, plan, step), step.id


@settings(max_examples=40)
@given(worlds())
def test_impact_is_what_becomes_of_the_gateways(case: Case) -> None:
    plan = case.plan()
    owned = {resource: case.project.state.campaigns.get(resource) for resource in map(rid, RESOURCES)}
    live = case.project.server.by_id
    before = {r: set(live[o.id].gateways) for r, o in owned.items() if o and o.id in live}
    assume(not takes_a_name_that_is_kept(case, plan))
    case.project.apply(plan)
    assert plan.impact.requests == plan.size
    for row in plan.impact.campaigns:
        now = case.project.state.campaigns.get(row.resource)
        if row.deleted:
            assert now is None
        elif row.resource in before and not row.created:
            assert now is not None
            after = case.project.server.by_id[now.id].gateways
            was = before[row.resource]
            assert (row.gained, row.lost) == (len(after - was), len(was - after))


@settings(max_examples=40)
@given(worlds())
def test_a_plan_is_the_same_twice_and_reads_alone(case: Case) -> None:
    state, server = case.project.state, deepcopy(case.project.server)
    plan = case.plan()
    reads = list(case.project.server.log)
    assert len(reads) == len(set(reads))
    assert case.plan() == plan
    assert case.project.state is state
    assert case.project.server.by_id == server.by_id
    assert case.project.server.stored == server.stored


def test_leaving_a_step_out_takes_its_arrows_along() -> None:
    project = Project(MemoryServer(MemoryCampaign("1", "a", "STARTED"), batch=1))
    project.own("a", "1")
    plan = project.make_plan(desired(campaign("a", description="x", gateways={"g", "h"})))
    steps = {step.id: step for step in plan.steps()}
    assert [s.id for s in without(plan, steps["add-gateways:a:g"]).steps()] == [
        key for key in steps if key != "add-gateways:a:g"
    ]
    assert without(plan, steps["stop-campaign:a"]).by_key["edit-campaign:a"].needs == ()
    assert plan.by_key["edit-campaign:a"].needs == (Need("stop-campaign:a"),)
