"""Which steps a plan holds, in which order, and which arrows."""

import pytest

from reconciler.model import (
    Action,
    CallbackEvent,
    DeletePackage,
    DesiredStatus,
    DistributionList,
    Kind,
    LivePackage,
    Need,
    PackageById,
    Reason,
    ResourceId,
    SchedulePhase,
    ScheduleWindow,
    StartCampaign,
    StepGroup,
    StopCampaign,
    UploadMode,
    Verb,
)
from reconciler.plan import Plan
from reconciler.plan.order import CampaignOrder, in_order, stage
from reconciler.providers.pulse.facts import facts_of
from reconciler.providers.pulse.operations import OPERATIONS
from reconciler.settings import EditWhileStarted, ServerSettings
from tests.actions import action, needs_of
from tests.fakes import PULSE, Project, campaign, desired, file, rid
from tests.memory_provider import SERVER, MemoryCampaign, MemoryServer

V1, V2 = file("v1"), file("v2")
UP1, UP2 = (f"upload-package:{package.sha256[:12]}" for package in (V1, V2))
STARTED, STOPPED = DesiredStatus.STARTED, DesiredStatus.STOPPED
F1 = DistributionList("f-1", 60)


def project(*campaigns: MemoryCampaign, batch: int = 100) -> Project:
    """Campaigns of ours, each under its name."""
    packages = [LivePackage("p-1", "one"), LivePackage("p-2", "two")]
    made = Project(MemoryServer(*campaigns, packages=packages, batch=batch))
    for live in campaigns:
        made.own(live.name, live.id)
    return made


def arrows(plan: Plan) -> dict[str, list[str]]:
    """Group → the groups that it needs; ``*`` only the same gateways, ``?`` even when they failed."""
    return {
        group.key: [n.group + "*" * n.by_gateway + "?" * n.even_failed for n in group.needs]
        for group in plan.groups
    }


def test_a_new_campaign() -> None:
    fields = {
        "packages": (V1, V2),
        "gateways": {"a"},
        "distribution": F1,
        "approve": True,
        "status": STARTED,
    }
    plan = project().make_plan(desired(campaign("line", **fields)))
    create, attach, add, approve = (
        "create-campaign:line",
        "set-distribution-list:line",
        "add-gateways:line",
        "approve-campaign:line",
    )
    assert arrows(plan) == {
        UP1: [],
        UP2: [],
        create: [UP1, UP2],
        attach: [create],
        add: [attach],
        approve: [create, attach, add],
        "start-campaign:line": [create, attach, add, approve],
    }
    by_verb = {group.action.verb: group.action for group in plan.groups}
    assert by_verb[Verb.APPROVE].only_if_waiting
    assert by_verb[Verb.START].approve
    assert not by_verb[Verb.START].bracket


def test_a_bracket() -> None:
    made = project(MemoryCampaign("1", "line", "STARTED", gateways={"a", "b"}))
    wanted = desired(campaign("line", packages=(V1,), gateways={"b", "c"}, description="new"))
    plan = made.make_plan(wanted)
    stop, edit, remove, add = (
        f"{name}:line" for name in ("stop-campaign", "edit-campaign", "remove-gateways", "add-gateways")
    )
    assert arrows(plan) == {
        UP1: [],
        stop: [UP1],
        edit: [UP1, stop],
        remove: [edit],
        add: [remove],
        "start-campaign:line": [stop, f"{edit}?", f"{remove}?", f"{add}?"],
    }
    reasons = [group.action.reason for group in plan.groups]
    assert reasons[1] is Reason.STOP_TO_EDIT
    assert reasons[-1] is Reason.START_AGAIN
    assert [bracket(g) for g in plan.groups] == [False, True, False, False, False, True]


# live status, desired fields → steps
ROWS: dict[str, tuple[str, dict[str, object], list[str]]] = {
    "nothing": ("STARTED", {}, []),
    "edit while started": ("STARTED", {"description": "x"}, ["stop", "edit", "start"]),
    "stop": ("STARTED", {"status": STOPPED}, ["stop"]),
    "stop and edit": ("STARTED", {"status": STOPPED, "description": "x"}, ["stop", "edit"]),
    "edit while stopped": ("STOPPED", {"description": "x"}, ["edit"]),
    "edit and start": ("STOPPED", {"description": "x", "status": STARTED}, ["edit", "start"]),
    "start": ("CREATED", {"status": STARTED}, ["start"]),
    "approve": ("APPROVAL_NEEDED", {"approve": True}, ["approve"]),
    "edit, approve, start": (
        "APPROVAL_NEEDED",
        {"approve": True, "status": STARTED, "description": "x"},
        ["edit", "approve", "start"],
    ),
    "edit, but no approval": ("APPROVAL_NEEDED", {"status": STARTED, "description": "x"}, ["edit"]),
    "approval is no wish of a created campaign": ("CREATED", {"approve": True}, []),
}


@pytest.mark.parametrize("row", ROWS)
def test_steps(row: str) -> None:
    status, fields, expected = ROWS[row]
    made = project(MemoryCampaign("1", "line", status))
    wanted = desired(campaign("line", **fields))
    assert made.plan(wanted) == [f"{verb}-campaign:line" for verb in expected]


def test_a_server_that_takes_edits_of_a_started_campaign_needs_no_bracket() -> None:
    made = project(MemoryCampaign("1", "line", "STARTED"))
    made.server.facts = facts_of(ServerSettings(edit_while_started=EditWhileStarted.ALLOW))
    assert made.plan(desired(campaign("line", description="x"))) == ["edit-campaign:line"]


def test_an_interrupted_bracket_is_closed_even_when_the_edit_is_refused() -> None:
    made = project(MemoryCampaign("1", "line", "STOPPED"))
    made.own("line", "1", return_to="STARTED")
    plan = made.make_plan(desired(campaign("line", description="x")))
    assert arrows(plan) == {"edit-campaign:line": [], "start-campaign:line": ["edit-campaign:line?"]}
    assert bracket(plan.groups[-1])


def test_uploads_of_a_campaign_that_is_stopped_anyway_do_not_wait_for_it() -> None:
    made = project(MemoryCampaign("1", "line", "STARTED"))
    plan = made.make_plan(desired(campaign("line", packages=(V1,), status=STOPPED)))
    assert arrows(plan) == {
        UP1: [],
        "stop-campaign:line": [],
        "edit-campaign:line": [UP1, "stop-campaign:line"],
    }


def test_campaigns_share_nothing_but_uploads() -> None:
    plan = project().make_plan(desired(*(campaign(name, packages=(V1,)) for name in "ab")))
    assert arrows(plan) == {UP1: [], "create-campaign:a": [UP1], "create-campaign:b": [UP1]}


def test_a_large_file_is_streamed() -> None:
    streamed = file("v1", mode=UploadMode.STREAMING)
    assert project().plan(desired(packages=[streamed])) == [f"stream-package:{V1.sha256[:12]}"]


@pytest.mark.parametrize(("count", "calls"), [(0, 0), (1, 1), (40, 1), (41, 2), (80, 2), (90, 3)])
def test_the_fewest_calls_that_the_batch_size_allows(count: int, calls: int) -> None:
    gateways = {f"gw-{n:03}" for n in range(count)}
    made = project(MemoryCampaign("1", "line"), batch=40)
    plan = made.make_plan(desired(campaign("line", gateways=gateways)))
    sent = [gateway for step in plan.steps() for gateway in step.gateways]
    assert (len(list(plan.steps())), sent) == (calls, sorted(gateways))


# --- arrows between campaigns


def moving(*, source: str) -> Plan:
    made = project(
        MemoryCampaign("1", "from", source, gateways={"a", "b", "c"}),
        MemoryCampaign("2", "to", gateways={"z"}),
        batch=1,
    )
    wanted = desired(campaign("from", gateways={"b"}), campaign("to", gateways={"a", "n", "z"}))
    return made.make_plan(wanted)


def test_a_gateway_leaves_a_running_campaign_before_it_joins_another() -> None:
    plan = moving(source="STARTED")
    assert plan.by_key["add-gateways:to"].needs == (Need("remove-gateways:from", by_gateway=True),)
    steps = {step.id: step for step in plan.steps()}
    before = {i: [needed.id for needed in needs_of(plan, step)] for i, step in steps.items()}
    assert before == {
        "remove-gateways:from:a": [],
        "remove-gateways:from:c": [],
        "add-gateways:to:a": ["remove-gateways:from:a"],
        "add-gateways:to:n": [],
    }


@pytest.mark.parametrize("source", ["STOPPED", "CREATED"])
def test_a_gateway_need_not_leave_a_campaign_that_does_not_run(source: str) -> None:
    assert moving(source=source).by_key["add-gateways:to"].needs == ()


def test_a_gateway_leaves_every_running_campaign_first() -> None:
    made = project(
        MemoryCampaign("1", "x", "STARTED", gateways={"a"}),
        MemoryCampaign("2", "y", "STARTED", gateways={"a"}),
        MemoryCampaign("3", "z"),
    )
    wanted = desired(*(campaign(n, gateways=()) for n in "xy"), campaign("z", gateways={"a"}))
    add = made.make_plan(wanted).by_key["add-gateways:z"]
    assert [need.group for need in add.needs] == ["remove-gateways:x", "remove-gateways:y"]


def test_two_campaigns_that_swap_gateways_do_not_wait_for_each_other() -> None:
    made = project(
        MemoryCampaign("1", "x", "STARTED", gateways={"a"}),
        MemoryCampaign("2", "y", "STARTED", gateways={"b"}),
    )
    wanted = desired(campaign("x", gateways={"b"}), campaign("y", gateways={"a"}))
    plan = made.make_plan(wanted)
    assert not made.apply(plan).failed
    assert made.plan(wanted) == []


def test_a_name_is_given_up_before_a_new_campaign_takes_it() -> None:
    made = project(MemoryCampaign("1", "line", "STARTED"))
    wanted = desired(campaign("line", "line old"), campaign("another", "line"))
    plan = made.make_plan(wanted)
    assert plan.findings == ()
    assert plan.by_key["create-campaign:another"].needs == (Need("edit-campaign:line"),)
    assert not made.apply(plan).failed
    assert made.plan(wanted) == []


# --- deletions


@pytest.mark.parametrize(
    ("status", "steps"),
    [
        ("STARTED", ["stop-campaign:old", "delete-campaign:old"]),
        ("STOPPED", ["delete-campaign:old"]),
        ("CREATED", ["delete-campaign:old"]),
        ("APPROVAL_NEEDED", ["delete-campaign:old"]),
    ],
)
def test_delete(status: str, steps: list[str]) -> None:
    made = project(MemoryCampaign("1", "old", status))
    plan = made.make_plan(desired(), prune=True)
    assert [step.id for step in plan.steps()] == steps
    assert arrows(plan)["delete-campaign:old"] == steps[:-1]
    assert not any(bracket(group) for group in plan.groups)
    made.apply(plan)
    assert made.state.campaigns == {}


def test_a_package_is_deleted_after_all_who_used_it() -> None:
    made = project(
        MemoryCampaign("1", "line", "STARTED", packages=("p-1",)),
        MemoryCampaign("2", "old", packages=("p-1",)),
    )
    made.uploaded(V1, "p-1")
    wanted = desired(campaign("line", packages=(PackageById("p-2"),)))
    plan = made.make_plan(wanted, prune=True)
    delete = plan.by_key[f"delete-package:{V1.sha256[:12]}"]
    assert [need.group for need in delete.needs] == ["edit-campaign:line", "delete-campaign:old"]
    assert isinstance(delete.action, DeletePackage)
    assert (delete.action.target, delete.action.sha256) == ("p-1", V1.sha256)
    assert not made.apply(plan).failed
    assert made.state.packages == {}
    assert made.plan(wanted, prune=True) == []


# --- what is refused while planning


@pytest.mark.parametrize("fields", [{"description": "x"}, {"name": "new", "gateways": {"a"}}], ids=str)
def test_an_edit_in_an_unknown_status_is_refused_and_nothing_of_the_campaign_planned(
    fields: dict[str, object],
) -> None:
    made = project(MemoryCampaign("1", "line", "SUSPENDED"), MemoryCampaign("2", "fine", "STOPPED"))
    wanted = desired(campaign("line", **fields), campaign("fine", description="x"))
    plan = made.make_plan(wanted)
    assert [step.id for step in plan.steps()] == ["edit-campaign:fine"]
    assert {change.resource for change in plan.changes} == {rid("fine")}
    assert [row.resource for row in plan.impact.campaigns] == [rid("fine")]
    [finding] = plan.findings
    assert (finding.code, finding.resource) == ("unknown-status", rid("line"))
    assert "'SUSPENDED'" in finding.message


def test_gateways_change_in_an_unknown_status() -> None:
    made = project(MemoryCampaign("1", "line", "SUSPENDED"))
    assert made.plan(desired(campaign("line", gateways={"a"}))) == ["add-gateways:line:1"]


def test_a_deletion_in_an_unknown_status_is_refused() -> None:
    made = project(MemoryCampaign("1", "old", "SUSPENDED", packages=("p-1",)))
    made.uploaded(V1, "p-1")
    plan = made.make_plan(desired(), prune=True)
    assert (plan.empty, plan.size, plan.changes) == (True, 0, ())
    assert [finding.code for finding in plan.findings] == ["unknown-status", "package-in-use"]


# --- the order itself


ORDER = [
    [action(Verb.UPLOAD)],
    [action(Verb.STOP)],
    [action(Verb.CREATE), action(Verb.EDIT)],
    [action(Verb.CALLBACK, event=CallbackEvent.COMPLETED), action(Verb.DISTRIBUTE)],
    [action(Verb.REMOVE)],
    [action(Verb.ADD)],
    [action(Verb.OVERRIDE)],
    *([action(Verb.SCHEDULE, phase=phase)] for phase in SchedulePhase),
    [action(Verb.THINGS)],
    [action(Verb.CLOSE)],
    [action(Verb.APPROVE)],
    [action(Verb.START)],
    [action(Verb.DELETE)],
    [action(Verb.DELETE_PACKAGE)],
]


def test_every_verb_has_its_place() -> None:
    places = [{stage(a, PULSE) for a in actions} for actions in ORDER]
    assert all(len(place) == 1 for place in places)
    assert places == sorted(places, key=min)
    assert {a.verb for actions in ORDER for a in actions} == {verb for verb in Verb if PULSE.knows(verb)}


def bracket(group: StepGroup) -> bool:
    return isinstance(group.action, StartCampaign | StopCampaign) and group.action.bracket


def group(key: str, of: Action, *needed: str) -> StepGroup:
    return StepGroup(key, of, OPERATIONS["edit-campaign"], 0, tuple(map(Need, needed)))


def ordered(*actions: Action) -> dict[str, tuple[Need, ...]]:
    """What each needs, which come one after the other; a group is called as its verb, or its phase."""
    order, found = CampaignOrder(PULSE), {}
    for each in actions:
        key = str(each.phase if isinstance(each, ScheduleWindow) else each.verb)
        key += f"#{len(found)}" * (key in found)
        found[key] = order.needs(each)
        order.add(StepGroup(key, each, OPERATIONS["edit-campaign"], 1))
    return found


def about(verb: Verb, gateways: str, **more: object) -> Action:
    return action(verb, gateways=tuple(gateways), **more)


def scheduled(phase: SchedulePhase, gateways: str) -> Action:
    return about(Verb.SCHEDULE, gateways, phase=phase)


def test_stages_about_the_campaign_wait_for_the_stage_before() -> None:
    stages = [action(verb) for verb in (Verb.STOP, Verb.EDIT, Verb.CALLBACK, Verb.DISTRIBUTE, Verb.REMOVE)]
    assert ordered(*stages, about(Verb.ADD, "ab")) == {
        "stop": (),
        "edit": (Need("stop"),),
        "callback": (Need("edit"),),
        "distribute": (Need("edit"),),
        "remove": (Need("callback"), Need("distribute")),
        "add": (Need("remove"),),
    }


def test_what_is_about_single_gateways_waits_for_the_last_step_of_the_same_gateways_only() -> None:
    found = ordered(
        action(Verb.EDIT),
        about(Verb.ADD, "ab"),
        about(Verb.OVERRIDE, "ac"),
        about(Verb.OVERRIDE, "d"),
        scheduled(SchedulePhase.DOWNLOAD, "abde"),
        scheduled(SchedulePhase.EXECUTION, "c"),
        about(Verb.THINGS, "bc"),
        about(Verb.CLOSE, "f"),
    )
    edit = Need("edit")
    assert found["override"] == (edit, Need("add", by_gateway=True))
    assert found["override#3"] == (edit,)
    single = [Need(key, by_gateway=True) for key in ("add", "override", "override#3")]
    assert found["download"] == (edit, *single)
    assert found["execution"] == (edit, Need("override", by_gateway=True))
    assert found["things"] == (
        edit,
        Need("download", by_gateway=True),
        Need("execution", by_gateway=True),
    )
    assert found["close"] == (edit,)


def test_two_groups_of_one_stage_about_one_gateway_are_both_waited_for() -> None:
    downloads = [scheduled(SchedulePhase.DOWNLOAD, ids) for ids in ("ab", "bc")]
    found = ordered(*downloads, scheduled(SchedulePhase.EXECUTION, "b"), about(Verb.CLOSE, "b"))
    assert found["execution"] == (
        Need("download", by_gateway=True),
        Need("download#1", by_gateway=True),
    )
    assert found["close"] == (Need("execution", by_gateway=True),)


def test_approval_start_and_deletion_wait_for_everything() -> None:
    before = [action(Verb.STOP), action(Verb.EDIT), about(Verb.ADD, "a"), about(Verb.CLOSE, "b")]
    found = ordered(*before, action(Verb.APPROVE), action(Verb.START), action(Verb.DELETE))
    names = ("stop", "edit", "add", "close", "approve", "start")
    for at, last in ((4, "approve"), (5, "start"), (6, "delete")):
        assert found[last] == tuple(map(Need, names[:at]))


def test_the_start_that_closes_a_bracket_needs_of_all_but_its_stop_only_the_end() -> None:
    stop, edit, add, start = (
        action(Verb.STOP, bracket=True),
        action(Verb.EDIT),
        about(Verb.ADD, "a"),
        action(Verb.START, bracket=True),
    )
    assert ordered(stop, edit, add, start)["start"] == (
        Need("stop"),
        Need("edit", even_failed=True),
        Need("add", even_failed=True),
    )


def test_actions_that_come_out_of_order_are_a_mistake_of_ours() -> None:
    with pytest.raises(ValueError, match=r"ranked \(\d+, 0\) comes before what is ranked"):
        ordered(about(Verb.ADD, "a"), action(Verb.EDIT))


def test_in_order_keeps_the_order_given_where_no_arrow_says_otherwise() -> None:
    groups = [
        group("a", action(Verb.EDIT), "c"),
        group("b", action(Verb.EDIT)),
        group("c", action(Verb.EDIT), "d"),
        group("d", action(Verb.EDIT)),
    ]
    assert [placed.key for placed in in_order(groups)] == ["d", "c", "a", "b"]


def test_a_cycle_names_its_groups() -> None:
    groups = [group("a", action(Verb.EDIT), "b"), group("b", action(Verb.EDIT), "a")]
    with pytest.raises(ValueError, match="a cycle among a, b"):
        in_order(groups)


def test_a_chain_of_any_length_is_put_in_order() -> None:
    keys = [str(number) for number in range(10_000)]
    groups = [group(key, action(Verb.EDIT), *keys[at + 1 : at + 2]) for at, key in enumerate(keys)]
    assert [placed.key for placed in in_order(groups)] == keys[::-1]
    closed = [*groups[:-1], group(keys[-1], action(Verb.EDIT), keys[0])]
    with pytest.raises(ValueError, match="a cycle among 0, 1, 2"):
        in_order(closed)


def test_keys_stay_unique_whatever_resources_are_called() -> None:
    """Two contents that share the first digits of their digests, as two resources can't."""
    twins = [file("v1"), file("v1")]
    object.__setattr__(twins[1], "sha256", V1.sha256[:12] + "0" * 52)
    assert project().plan(desired(packages=twins)) == [UP1, f"{UP1}#2"]
    assert ResourceId(Kind.PACKAGE_SET, "firmware") == twins[0].resource


# --- the order in which needs are named ------------------------------------------------------------

MANY = [f"from-{number}" for number in range(12)]


def test_needs_between_campaigns_are_named_in_one_order() -> None:
    leave = [MemoryCampaign(name, name, "STARTED", gateways={"a"}) for name in MANY]
    made = project(*leave, MemoryCampaign("to", "to"))
    wanted = desired(*(campaign(name, gateways=()) for name in MANY), campaign("to", gateways={"a"}))
    needs = made.make_plan(wanted).by_key["add-gateways:to"].needs
    assert [need.group for need in needs] == sorted(f"remove-gateways:{name}" for name in MANY)


def test_all_who_had_a_package_are_named_in_one_order() -> None:
    made = project(*(MemoryCampaign(name, name, packages=("p-1",)) for name in MANY))
    made.uploaded(V1, "p-1")
    (delete,) = (
        g for g in made.make_plan(desired(), prune=True).groups if isinstance(g.action, DeletePackage)
    )
    assert [need.group for need in delete.needs] == sorted(f"delete-campaign:{name}" for name in MANY)


def test_groups_that_carry_one_of_the_gateways_are_named_as_they_come() -> None:
    """Not as they are called: activation comes after execution."""
    ids = [f"{number:02}" for number in range(12)]
    adds = [about(Verb.ADD, each) for each in ids]
    found = ordered(*adds, action(Verb.OVERRIDE, gateways=tuple("".join(ids))))
    assert [need.group for need in found["override"]] == [*dict.fromkeys(found)][:-1]
    found = ordered(
        scheduled(SchedulePhase.EXECUTION, "a"),
        scheduled(SchedulePhase.ACTIVATION, "b"),
        about(Verb.THINGS, "ab"),
    )
    assert [need.group for need in found["things"]] == ["execution", "activation"]


def test_what_is_asked_about_and_not_added_changes_nothing() -> None:
    order = CampaignOrder(PULSE)
    order.add(group("stop", action(Verb.STOP)))
    assert order.needs(action(Verb.EDIT)) == (Need("stop"),)
    assert order.needs(about(Verb.ADD, "a")) == (Need("stop"),)


def test_what_is_added_without_being_asked_about_has_its_place() -> None:
    order = CampaignOrder(PULSE)
    order.add(group("stop", action(Verb.STOP)))
    order.add(group("edit", action(Verb.EDIT)))
    assert order.needs(about(Verb.ADD, "a")) == (Need("edit"),)
    assert order.needs(action(Verb.APPROVE)) == (Need("stop"), Need("edit"))


@pytest.mark.parametrize("others", [0, 1, 5])
def test_the_needs_of_a_step_are_named_once_whole_groups_first(others: int) -> None:
    """Of a group that is needed as a whole every step, of the others only those about its gateways."""
    operation = OPERATIONS["add-gateways"]

    def of(key: str, gateways: str, *needed: Need, per_call: int = 1) -> StepGroup:
        return StepGroup(key, about(Verb.ADD, gateways), operation, per_call, needed)

    single = [of(f"single-{number}", "bx") for number in range(others)]
    whole = of("whole", "ab")
    last = of(
        "last", "bcde", Need("whole"), *(Need(each.key, by_gateway=True) for each in single), per_call=2
    )
    plan = Plan(SERVER, (whole, *single, last))
    found = {step.gateways: [each.id for each in needed] for step, needed in plan.needs(last)}
    assert found == {
        ("b", "c"): ["whole:a", "whole:b", *(f"{each.key}:b" for each in single)],
        ("d", "e"): ["whole:a", "whole:b"],
    }


def test_a_plan_holds_what_is_declared_anew_and_no_more() -> None:
    made = project(MemoryCampaign("1", "line", "STOPPED"), MemoryCampaign("2", "other", "STOPPED"))
    wanted = desired(campaign("line", description="new"), campaign("other"))
    plan = made.make_plan(wanted)
    assert set(plan.declares) == {rid("line"), rid("other")}
    made.apply(plan)
    assert made.make_plan(wanted).declares == {}
    again = made.make_plan(desired(campaign("line", description="newer"), campaign("other")))
    assert set(again.declares) == {rid("line")}
