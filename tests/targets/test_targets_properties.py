"""A plan of a part against the plan of the whole, in worlds of a few campaigns and gateways."""

from dataclasses import dataclass
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from reconciler.model import Desired, DesiredStatus, PackageById, ResourceId
from reconciler.options import Targets
from reconciler.plan import Plan
from reconciler.targets import narrowed
from tests.fakes import LivePackage, Project, campaign, desired, rid
from tests.memory_provider import MemoryCampaign, MemoryServer

NAMES = st.sampled_from(["a", "b", "c", "d"])
GATEWAYS = st.frozensets(st.sampled_from(["g1", "g2", "g3", "g4"]))
PACKAGES = ("p1", "p2")


@dataclass(frozen=True)
class Line:
    """A campaign: what Git wants of it, and what is live; None: not there."""

    declared: bool
    owned: bool
    status: str
    wanted: frozenset[str]
    members: frozenset[str]
    name: str
    live_name: str
    package: str
    runs: bool


LINES = st.builds(
    Line,
    declared=st.booleans(),
    owned=st.booleans(),
    status=st.sampled_from(["CREATED", "STARTED", "STOPPED"]),
    wanted=GATEWAYS,
    members=GATEWAYS,
    name=NAMES,
    live_name=NAMES,
    package=st.sampled_from(PACKAGES),
    runs=st.booleans(),
)
WORLDS = st.fixed_dictionaries(dict.fromkeys("abcd", LINES))


def world(lines: dict[str, Line]) -> tuple[Project, Desired]:
    """A server and a state, and what Git wants; names on the server are unique, as those in Git."""
    live: list[MemoryCampaign] = []
    taken: set[str] = set()
    for key, line in lines.items():
        if line.owned and line.live_name not in taken:
            taken.add(line.live_name)
            live.append(
                MemoryCampaign(key, line.live_name, line.status, gateways=set(line.members), packages=("p1",))
            )
    project = Project(MemoryServer(*live, packages=[LivePackage(each, each) for each in PACKAGES]))
    for found in live:
        project.own(found.id, found.id)
    wanted, names = [], set()
    for key, line in lines.items():
        if line.declared and line.name not in names:
            names.add(line.name)
            more: dict[str, Any] = {"status": DesiredStatus.STARTED} if line.runs else {}
            packages = (PackageById(line.package),)
            wanted.append(campaign(key, line.name, gateways=line.wanted, packages=packages, **more))
    return project, desired(*wanted)


def plans(
    lines: dict[str, Line], targets: frozenset[str], prune: bool
) -> tuple[Plan, Plan, frozenset[ResourceId]]:
    """The whole plan, that of the targets, and the targets that there are."""
    project, wanted = world(lines)
    known = frozenset(map(rid, targets)) & (wanted.declared | project.state.campaigns.keys())
    whole = project.make_plan(wanted, prune=prune)
    if not known:
        return whole, whole, known
    part = narrowed(wanted, project.state, Targets(tuple(sorted(known))))
    return whole, project.make_plan(part, prune=prune), known


@given(WORLDS, st.frozensets(NAMES, min_size=1), st.booleans())
def test_a_part_plans_what_the_whole_plans_of_it_or_says_why_not(
    lines: dict[str, Line], targets: frozenset[str], prune: bool
) -> None:
    whole, part, known = plans(lines, targets, prune)
    assert {step.resource for step in part.steps()} <= known or not known
    for resource in known:
        mine = [
            f for f in part.findings if f.resource == resource and f.code in ("needs-target", "name-taken")
        ]
        if not mine:
            expected = [step.id for step in whole.steps() if step.resource == resource]
            assert [step.id for step in part.steps() if step.resource == resource] == expected


@given(WORLDS, st.frozensets(NAMES, min_size=1))
def test_no_gateway_joins_before_it_leaves_a_running_campaign(
    lines: dict[str, Line], targets: frozenset[str]
) -> None:
    """Whatever is targeted, and in whatever order those plans are applied."""
    project, wanted = world(lines)
    known = frozenset(map(rid, targets)) & wanted.declared
    if not known:
        return
    part = project.make_plan(narrowed(wanted, project.state, Targets(tuple(sorted(known)))))
    joining = {
        gateway: step.resource
        for step in part.steps()
        if step.operation.name == "add-gateways"
        for gateway in step.gateways
    }
    leaving = {g for step in part.steps() if step.operation.name == "remove-gateways" for g in step.gateways}
    for declared in wanted.campaigns:
        owned = project.state.campaigns.get(declared.resource)
        live = project.server.by_id[owned.id] if owned else None
        if live and live.status == "STARTED" and declared.gateways is not None:
            lost = live.gateways - declared.gateways
            assert not (lost & joining.keys()) - leaving


@given(WORLDS)
def test_targeting_everything_is_the_whole_plan(lines: dict[str, Line]) -> None:
    project, wanted = world(lines)
    if not wanted.campaigns:
        return
    every = Targets(tuple(sorted(wanted.declared | project.state.campaigns.keys())))
    narrow = narrowed(wanted, project.state, every)
    whole, part = project.make_plan(wanted, prune=True), project.make_plan(narrow, prune=True)
    assert [step.id for step in part.steps()] == [step.id for step in whole.steps()]
    assert part.impact == whole.impact
