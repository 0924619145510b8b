"""Twice as much is twice the work: groups, campaigns, packages, overlays, findings. Counted, never timed.

What counts is bytecode of the package, hashes of gateway ids, and what set operations go through.
"""

import builtins
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import reconciler
from reconciler.diff import Ask, diff
from reconciler.loading import load
from reconciler.model import (
    Assignment,
    DesiredRollout,
    DesiredStatus,
    LivePackage,
    Override,
    PackageById,
    Place,
    RolloutRecord,
    SchedulePhase,
    Share,
    Wave,
    Window,
)
from reconciler.model.waves import assigned
from reconciler.options import Options
from reconciler.overlays import overlaid, read_layers
from reconciler.plan import Plan, make_plan
from reconciler.plan.file import plan_digest
from reconciler.plan.guards import Basis, guarded
from reconciler.providers.http.listing import page
from reconciler.providers.http.wire import Call
from reconciler.providers.pulse.codec.members import GATEWAYS, Members
from reconciler.providers.pulse.codec.verdicts import judge
from reconciler.providers.pulse.operations import OPERATIONS
from reconciler.report.plan_document import plan_chunks
from reconciler.resolve import resolve
from reconciler.rollout.situation import WaitFor
from reconciler.rollout.stage import Pace, paced
from reconciler.state.applied import packages_value, schedule_field, window_value
from reconciler.state.declared import members_value
from reconciler.validation import validate
from tests.apply.apply_script import Script, apply
from tests.fakes import NOW, PULSE, Project, campaign, desired, file
from tests.memory_provider import SERVER, MemoryCampaign, MemoryServer

PACKAGE = str(Path(reconciler.__file__).parent)
PLACE = Place("c.yaml", 1, 1)
MOST = 2.2
"""Times the work for twice as much."""
MOST_FOR_BOTH = 10_500
"""What a campaign and its list may take from their files to what is desired."""
MOST_FOR_AN_ANSWER = 500
"""What the look for a no in a good answer may take."""
MOST_FOR_ONE = 3_000
"""What comparing a campaign may take that is as it should be."""


class Work:
    """How much was done."""

    count = 0


class Id(str):
    """A gateway whose hash is counted each time that somebody wants it."""

    __slots__ = ()

    def __hash__(self) -> int:
        Work.count += 1
        return str.__hash__(self)

    def __eq__(self, other: object) -> bool:
        return str.__eq__(self, other)


class Counted(frozenset[Any]):
    """A set that counts what operations on it go through."""

    def __new__(cls, items: Any = ()) -> "Counted":
        made = super().__new__(cls, items)
        Work.count += len(made)
        return made


def _counted(name: str) -> Callable[..., Any]:
    plain = getattr(frozenset, name)

    def operation(self: Any, *others: Any) -> Any:
        sizes = [len(each) for each in others if hasattr(each, "__len__")]
        if "or" in name or name == "union":
            Work.count += len(self) + sum(sizes)
        elif "and" in name or name in ("intersection", "isdisjoint"):
            Work.count += min((len(self), *sizes))
        elif name == "__rsub__":
            Work.count += sizes[0]
        else:
            Work.count += len(self) + sum(min(len(self), size) for size in sizes)
        found = plain(self, *others)
        if isinstance(found, _PLAIN) and not isinstance(found, Counted):
            return _PLAIN.__new__(Counted, found)
        return found

    return operation


_PLAIN = frozenset
for _name in ("and", "or", "sub", "rand", "ror", "rsub"):
    setattr(Counted, f"__{_name}__", _counted(f"__{_name}__"))
for _name in ("union", "intersection", "difference", "isdisjoint", "issubset"):
    setattr(Counted, _name, _counted(_name))


@contextmanager
def opcodes() -> Iterator[None]:
    """Count the bytecode of the package inside."""

    def called(frame: FrameType, event: str, arg: object) -> Any:
        if not frame.f_code.co_filename.startswith(PACKAGE):
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        return traced

    def traced(frame: FrameType, event: str, arg: object) -> Any:
        Work.count += event == "opcode"
        return traced

    before = sys.gettrace()
    sys.settrace(called)
    try:
        yield
    finally:
        sys.settrace(before)


@contextmanager
def counting() -> Iterator[None]:
    """Count the work inside."""
    modules = [module for name, module in sys.modules.items() if name.startswith("reconciler.")]
    empty = [module for module in modules if getattr(module, "EMPTY", None) == frozenset()]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(builtins, "frozenset", Counted)
        for module in empty:
            patch.setattr(module, "EMPTY", Counted())
        with opcodes():
            yield


def ids(first: int, count: int = 10) -> Counted:
    return Counted(Id(f"gw-{number:05}") for number in range(first, first + count))


def windows(number: int, known: bool, same: bool = False) -> tuple[Project, Any]:
    """A campaign of so many windows, for ten gateways each; `same`: they begin and end alike."""
    groups = [ids(at * 10) for at in range(number)]
    made = [
        {
            phase: Window(NOW + 1 + at * (not same), NOW + 10**9 + place)
            for place, phase in enumerate(SchedulePhase)
        }
        for at in range(number)
    ]
    members: dict[str, dict[str, Any]] = {}
    for phase in SchedulePhase:
        field = members.setdefault(schedule_field(phase), {})
        for each, gateways in zip(made, groups, strict=True):
            value = window_value(each[phase])
            field[value] = Counted((*field.get(value, ()), *gateways))
    everyone = Counted(gateway for group in groups for gateway in group)
    server = MemoryServer(MemoryCampaign("1", "line", "STARTED", gateways=set(everyone)))
    project = Project(server)
    project.own("line", "1", members=members if known else {})
    schedules = tuple(Assignment(each, group, PLACE) for each, group in zip(made, groups, strict=True))
    return project, desired(campaign("line", gateways=everyone, schedules=schedules))


def overrides(number: int, known: bool) -> tuple[Project, Any]:
    """A campaign of so many overrides, each with packages of its own, read as last assigned."""
    groups = [ids(at * 10) for at in range(number)]
    refs = [PackageById(f"p-{at}", PLACE) for at in range(number)]
    everyone = Counted(gateway for group in groups for gateway in group)
    server = MemoryServer(
        MemoryCampaign("1", "line", gateways=set(everyone), packages=("p-0",)),
        packages=[LivePackage(ref.id, ref.id) for ref in refs],
    )
    recorded = {packages_value([ref.id]): group for ref, group in zip(refs, groups, strict=True)}
    project = Project(server)
    project.own("line", "1", members={"packageOverrides": recorded} if known else {})
    wanted = tuple(Override(group, (ref,), PLACE) for ref, group in zip(refs, groups, strict=True))
    return project, desired(campaign("line", gateways=everyone, overrides=wanted))


def renames(number: int, last: str) -> tuple[Project, Any]:
    """Each campaign is to have the name of the next one; of the `last` one somebody else may have it."""
    live = [MemoryCampaign(str(at), f"name-{at:04}") for at in range(number)]
    project = Project(MemoryServer(*live, MemoryCampaign("x", "taken")))
    names = [f"name-{at + 1:04}" for at in range(number - 1)] + [last]
    for at in range(number):
        project.own(f"c-{at:04}", str(at))
    return project, desired(*(campaign(f"c-{at:04}", name=name) for at, name in enumerate(names)))


def moves(number: int) -> tuple[Project, Any]:
    """Gateways leave each running campaign and join the next one."""
    live = [
        MemoryCampaign(str(at), f"c-{at:04}", "STARTED", gateways=set(ids(at * 10))) for at in range(number)
    ]
    project = Project(MemoryServer(*live))
    for at in range(number):
        project.own(f"c-{at:04}", str(at))
    wanted = [campaign(f"c-{at:04}", gateways=ids(at * 10 + 5)) for at in range(number)]
    return project, desired(*wanted)


def creations(number: int) -> tuple[Project, Any]:
    """New campaigns that share gateways with their neighbours, each with an upload of its own."""
    wanted = [
        campaign(
            f"c-{at:04}",
            gateways=ids(at * 5),
            packages=(file(f"v{at}"),),
            status=DesiredStatus.STARTED,
        )
        for at in range(number)
    ]
    return Project(MemoryServer()), desired(*wanted)


def removals(number: int) -> tuple[Project, Any]:
    """Campaigns and their packages that are no longer declared."""
    files = [file(f"v{at}") for at in range(number)]
    live = [MemoryCampaign(str(at), f"c-{at:04}", packages=(f"p-{at}",)) for at in range(number)]
    packages = [LivePackage(f"p-{at}", files[at].name) for at in range(number)]
    project = Project(MemoryServer(*live, packages=packages))
    for at in range(number):
        project.own(f"c-{at:04}", str(at))
        project.uploaded(files[at], f"p-{at}")
    return project, desired()


World = Callable[[int], tuple[Project, Any]]
WORLDS: dict[str, World] = {
    "windows, as recorded": lambda n: windows(n, known=True),
    "windows, never sent": lambda n: windows(n, known=False),
    "windows that are alike": lambda n: windows(n, known=True, same=True),
    "overrides, as recorded": lambda n: overrides(n, known=True),
    "overrides, never sent": lambda n: overrides(n, known=False),
    "names that go round": lambda n: renames(n, "free"),
    "names that are taken": lambda n: renames(n, "taken"),
    "moves between campaigns": moves,
    "campaigns and uploads": creations,
    "removals of both": removals,
}


def work(number: int, prepare: Callable[[int], Callable[[], object]]) -> int:
    """What doing it takes, once everything is imported and cached."""
    prepare(2)()
    todo = prepare(number)
    Work.count = 0
    with counting():
        todo()
    return Work.count


def planned(world: World, number: int) -> tuple[Callable[[], Plan], Project]:
    project, wanted = world(number)
    options = Options(prune=True, refresh_recorded=True)
    live = project.live(wanted, prune=True, refresh_recorded=True)
    ask = Ask(options, NOW, project.server.facts)

    def make() -> Plan:
        plan = make_plan(diff(wanted, live, project.state, ask), project.server.facts, SERVER)
        return guarded(plan, Basis(wanted, live, project.server.facts, 0, 0, {}), {}, {})

    return make, project


@pytest.mark.parametrize("name", WORLDS)
def test_a_plan(name: str) -> None:
    small, large = (work(n, lambda n: planned(WORLDS[name], n)[0]) for n in (40, 80))
    assert large <= MOST * small, f"{small:,} → {large:,}"


@pytest.mark.parametrize("name", ["windows, never sent", "moves between campaigns", "campaigns and uploads"])
def test_what_becomes_of_a_plan(name: str) -> None:
    def prepare(number: int) -> Callable[[], object]:
        plan = planned(WORLDS[name], number)[0]()
        return lambda: (plan_digest(plan), "".join(plan_chunks(plan)))

    small, large = (work(n, prepare) for n in (40, 80))
    assert large <= MOST * small, f"{small:,} → {large:,}"


@pytest.mark.parametrize("answers", [{}, {"schedule-download": "400 " * 1_000}])
@pytest.mark.parametrize("name", ["windows, never sent"])
def test_a_run(name: str, answers: dict[str, str]) -> None:
    def prepare(number: int) -> Callable[[], object]:
        plan = planned(WORLDS[name], number)[0]()
        return lambda: apply(plan, Script(dict(answers)), parallelism=1)

    small, large = (work(n, prepare) for n in (20, 40))
    assert large <= MOST * small, f"{small:,} → {large:,}"


def test_a_campaign_that_is_as_it_should_be_costs_a_plan_little() -> None:
    """Nearly all are, in most plans: nothing is made of them but the line that says so."""

    def prepare(number: int) -> Callable[[], object]:
        groups = [ids(at * 10) for at in range(number)]
        names = [f"c-{at:04}" for at in range(number)]
        live = [MemoryCampaign(n, n, gateways=set(group)) for n, group in zip(names, groups, strict=True)]
        project = Project(MemoryServer(*live))
        for name, group in zip(names, groups, strict=True):
            project.own(name, name, declared={"name": name, "gateways": members_value(group)})
        wanted = desired(*(campaign(n, gateways=group) for n, group in zip(names, groups, strict=True)))
        there = project.live(wanted)
        ask = Ask(Options(), NOW, project.server.facts)

        def compared() -> None:
            found = diff(wanted, there, project.state, ask)
            assert (found.changes, found.findings, found.records) == ((), (), ())

        return compared

    small, large = (work(n, prepare) for n in (40, 80))
    assert (large - small) / 40 <= MOST_FOR_ONE, f"{(large - small) / 40:,} for each"


@pytest.mark.parametrize(("opened", "most"), [(2, 1.5), (3, 1)], ids=["half in", "all in"])
def test_a_look_that_waits_goes_through_a_fleet_few_times(opened: int, most: float) -> None:
    """Who is in which wave is known before: what is counted are the sets that a look makes and asks."""
    waves = (Wave("canary", Share(count=10)), Wave("half", Share(thousandths=500)), Wave("rest"))
    wish = DesiredRollout("careful", waves, "seed", place=PLACE)

    def prepare(number: int) -> Callable[[], object]:
        fleet = ids(0, number)
        released = assigned(fleet, waves, "seed")[:opened]
        inside = frozenset().union(*released)
        server = MemoryServer(MemoryCampaign("1", "line", "STARTED", gateways=set(inside)))
        project = Project(server)
        record = RolloutRecord(wave=len(released), since=NOW - 1)
        project.own("line", "1", status="STARTED", rollout=record)
        wanted = desired(campaign("line", gateways=fleet, status=DesiredStatus.STARTED, rollout=wish))
        live = project.live(wanted)

        def looked() -> None:
            found = paced(wanted, live, project.state, Pace(server.facts, NOW))
            (view,) = found.rollouts
            assert (view.entered, view.joins) == (len(inside), 0)
            assert [wait.reason for wait in view.waits] == [WaitFor.SUCCESS]

        return looked

    small, large = (work(n, prepare) for n in (1_000, 2_000))
    assert (large - small) / 1_000 <= most, f"{(large - small) / 1_000:,} for each"


def test_needs_between_single_gateways_are_two_for_each() -> None:
    plan = planned(WORLDS["windows, never sent"], 100)[0]()
    assert len(plan.groups) == 300
    assert sum(len(group.needs) for group in plan.groups) == 200


# --- files -----------------------------------------------------------------------------------------

DAYS = "download: {begin: 2030-01-01T00:00Z, end: 2030-01-02T00:00Z}"


def resource(kind: str, name: str, spec: str) -> str:
    return f"apiVersion: reconciler/v1\nkind: {kind}\nmetadata: {{name: {name}}}\nspec: {spec}\n---\n"


def many_findings(number: int) -> str:
    """Overrides and schedules that all want the same gateway, of sets that differ."""
    sets = "".join(resource("PackageSet", f"p{at}", f"{{packages: [{{id: p{at}}}]}}") for at in range(number))
    entries = ", ".join(f"{{gateways: [g, g{at}], packageSet: p{at}}}" for at in range(number))
    lists = "".join(resource("GatewayList", f"l{at}", f"{{gateways: [g, h{at}]}}") for at in range(number))
    schedules = ", ".join(f"{{schedule: days, gatewayLists: [l{at}]}}" for at in range(number))
    spec = f"{{packageOverrides: [{entries}], schedules: [{schedules}]}}"
    return sets + lists + resource("Schedule", "days", f"{{{DAYS}}}") + resource("Campaign", "c", spec)


def dangling(number: int) -> str:
    return "".join(resource("Campaign", f"c{at}", f"{{packageSet: none-{at}}}") for at in range(number))


@pytest.mark.parametrize(("text", "findings"), [(many_findings, 2), (dangling, 1)])
def test_findings(tmp_path: Path, text: Callable[[int], str], findings: int) -> None:
    def prepare(number: int) -> Callable[[], object]:
        (tmp_path / "all.yaml").write_text(text(number))
        read = load([tmp_path], base=tmp_path)

        def found() -> int:
            validated = validate(read.documents)
            more = resolve(validated.documents, PULSE, root=tmp_path, environ={}).findings
            return len(validated.findings) + len(more)

        assert found() in (findings * number, findings * (number - 1))
        return found

    small, large = (work(n, prepare) for n in (110, 220))
    assert large <= MOST * small, f"{small:,} → {large:,}"


def test_a_list_of_ids_is_looked_at_as_a_whole(tmp_path: Path) -> None:
    """A million ids take no step of Python each."""

    def prepare(number: int) -> Callable[[], object]:
        text = resource("GatewayList", "l", "{file: ids.txt}") + resource(
            "Campaign", "c", "{gatewayLists: [l]}"
        )
        (tmp_path / "all.yaml").write_text(text)
        (tmp_path / "ids.txt").write_text("".join(f"gw-{n:05}\n" for n in range(number)))
        valid = validate(load([tmp_path], base=tmp_path).documents)

        def found() -> None:
            made = resolve(valid.documents, PULSE, root=tmp_path, environ={})
            assert not made.findings
            assert len(made.desired.campaigns[0].gateways or ()) == number

        return found

    def steps(number: int) -> int:
        todo = prepare(number)
        todo()
        Work.count = 0
        with opcodes():
            todo()
        return Work.count

    assert steps(2_000) - steps(1_000) < 100


def test_a_page_of_gateways_takes_a_step_for_each() -> None:
    """Whose it is, what it says, and the sets that it goes into."""
    call = Call(OPERATIONS["list-gateways"], {"campaign_id": "c"})

    def steps(number: int) -> int:
        rows = [{"gatewayId": f"gw-{n}", "state": "INSTANTIATED", "closed": False} for n in range(number)]
        members = Members()
        Work.count = 0
        with opcodes():
            judge(call, {"gateways": rows})
            members.add(page({"gateways": rows}, GATEWAYS).items)
        assert len(members) == number
        return Work.count

    assert (steps(2_000) - steps(1_000)) / 1_000 < 15


def test_a_small_campaign_and_its_list_take_little_from_their_files_on(tmp_path: Path) -> None:
    """There may be ten thousand of them, each with a file of ids of its own."""

    def steps(number: int) -> int:
        names = [f"c-{at:04}" for at in range(number)]
        for name in names:
            (tmp_path / f"{name}.txt").write_text("".join(f"{name}-{at}\n" for at in range(10)))
        lists = (resource("GatewayList", name, f"{{file: {name}.txt}}") for name in names)
        campaigns = (resource("Campaign", name, f"{{gatewayLists: [{name}]}}") for name in names)
        (tmp_path / "all.yaml").write_text("".join((*lists, *campaigns)))

        def desired() -> int:
            valid = validate(load([tmp_path], base=tmp_path).documents)
            made = resolve(valid.documents, PULSE, root=tmp_path, environ={})
            assert not made.findings
            return len(made.desired.campaigns)

        assert desired() == number
        Work.count = 0
        with opcodes():
            desired()
        return Work.count

    assert (steps(80) - steps(40)) / 40 <= MOST_FOR_BOTH


@pytest.mark.parametrize("name", ["get-campaign", "list-gateways"])
def test_an_answer_that_says_no_no_is_asked_little(name: str) -> None:
    call = Call(OPERATIONS[name], {"campaign_id": "c"})
    answer = {"id": "c", "name": "line", "status": "CREATED", "packages": {"packages": []}}
    rows = {"pageResponse": {"totalPages": "1"}, "gateways": [{"gatewayId": "g", "state": "X"}]}
    value = answer if name == "get-campaign" else rows
    judge(call, value)
    Work.count = 0
    with opcodes():
        assert judge(call, value) is None
    assert Work.count <= MOST_FOR_AN_ANSWER


@pytest.mark.parametrize("known", [True, False], ids=["laid", "of nothing"])
def test_overlays(tmp_path: Path, known: bool) -> None:
    def prepare(number: int) -> Callable[[], object]:
        for folder in ("base", "over"):
            (tmp_path / folder).mkdir(exist_ok=True)
            name = "c" if known or folder == "base" else "d"
            spec = f"{{description: {folder}}}"
            text = "".join(resource("Campaign", f"{name}{at}", spec) for at in range(number))
            (tmp_path / folder / "all.yaml").write_text(text)
        read = load([tmp_path / "base"], base=tmp_path)
        layers = read_layers([tmp_path / "over"], base=tmp_path)
        return lambda: overlaid(read, layers)

    small, large = (work(n, prepare) for n in (110, 220))
    assert large <= MOST * small, f"{small:,} → {large:,}"
