"""Every action of a campaign, whole, in its order: what is sent, to whom, and why."""

from dataclasses import replace
from typing import Any

import pytest

from reconciler.model import (
    Action,
    AddGateways,
    ApproveCampaign,
    Assignment,
    AssignPackages,
    Callback,
    CallbackEvent,
    CampaignFields,
    CloseGateways,
    CreateCampaign,
    DeleteCampaign,
    DeletePackage,
    DesiredStatus,
    DistributionList,
    EditCampaign,
    Joining,
    Kind,
    LivePackage,
    OnRemove,
    Override,
    PackageById,
    PendingUpload,
    Phase,
    Reason,
    RegisterCallback,
    RemoveGateways,
    RunOnThings,
    SchedulePhase,
    ScheduleWindow,
    SetDistributionList,
    StartCampaign,
    StopCampaign,
    UploadPackage,
    Verb,
    Window,
)
from reconciler.providers.base import Facts, Field, FieldFacts
from reconciler.providers.base.facts import KNOWN
from tests.fakes import NOW, PULSE, Project, campaign, desired, file, rid
from tests.memory_provider import MemoryCampaign, MemoryServer

LINE = rid("line")
V1, V2 = file("v1"), file("v2", "fw2.bin")
STARTED, STOPPED = DesiredStatus.STARTED, DesiredStatus.STOPPED
LIST = DistributionList("dl", 60)
WINDOW = Window(NOW - 5, NOW + 5)
HERE = Callback("here")
EVERYTHING: dict[str, Any] = {
    "description": "text",
    "packages": (PackageById("p-1"), V1),
    "settings": {"A": "a"},
    "gateways": "abc",
    "distribution": LIST,
    "overrides": (Override(frozenset("ab"), (V2,)),),
    "schedules": (Assignment(dict.fromkeys(SchedulePhase, WINDOW), frozenset("bc")),),
    "callbacks": dict.fromkeys((CallbackEvent.WAKE_UP, CallbackEvent.COMPLETED), HERE),
    "things": {"c": ("t2",), "a": ("t1",)},
    "approve": True,
    "status": STARTED,
    "on_remove": OnRemove.ABANDON,
}
FIELDS = CampaignFields("line", "text", ("p-1", PendingUpload(V1.sha256)), {"A": "a"})


def project(*campaigns: MemoryCampaign, **owned: Any) -> Project:
    packages = [LivePackage("p-1", "one"), LivePackage("p-2", "two")]
    made = Project(MemoryServer(*campaigns, packages=packages))
    for live in campaigns:
        made.own(live.name, live.id, **owned)
    return made


def actions(made: Project, *campaigns: Any, **options: bool) -> list[Action]:
    return [group.action for group in made.make_plan(desired(*campaigns), **options).groups]


def of_everybody(
    target: str | None, reason: Reason, gained: str, override: Reason, things: dict[str, tuple[str, ...]]
) -> list[Action]:
    return [
        *(
            RegisterCallback(LINE, reason, target, event=event, callback=HERE)
            for event in (CallbackEvent.COMPLETED, CallbackEvent.WAKE_UP)
        ),
        SetDistributionList(LINE, Reason.DIFFERS, target, distribution=LIST),
        AddGateways(LINE, Reason.JOINS, target, tuple(gained), distribution=LIST),
        AssignPackages(LINE, override, target, tuple("ab"), packages=(PendingUpload(V2.sha256),)),
        *(
            ScheduleWindow(LINE, reason, target, tuple("bc"), phase=phase, window=WINDOW)
            for phase in SchedulePhase
        ),
        RunOnThings(LINE, reason, target, tuple(things), things=things),
    ]


THINGS = {"a": ("t1",), "c": ("t2",)}
UPLOADS = [UploadPackage(each.resource, Reason.NOT_ON_SERVER, each) for each in (V1, V2)]


@pytest.mark.parametrize("gone", [False, True])
def test_a_new_campaign(gone: bool) -> None:
    made = project()
    if gone:
        made.own("line", "9")
    reason = Reason.GONE_FROM_SERVER if gone else Reason.NOT_ON_SERVER
    assert actions(made, campaign("line", **EVERYTHING)) == [
        *UPLOADS,
        CreateCampaign(LINE, reason, FIELDS, OnRemove.ABANDON),
        *of_everybody(None, Reason.NOT_ON_SERVER, "abc", Reason.NOT_ON_SERVER, THINGS),
        ApproveCampaign(LINE, Reason.MAY_WANT_APPROVAL, only_if_waiting=True),
        StartCampaign(LINE, Reason.WANTS_STARTED, approve=True),
    ]


def test_a_campaign_that_waits_and_of_which_everything_differs() -> None:
    made = project(MemoryCampaign("1", "line", "APPROVAL_NEEDED", gateways=set("xyz")))
    assert actions(made, campaign("line", **EVERYTHING, closed="")) == [
        *UPLOADS,
        EditCampaign(LINE, Reason.DIFFERS, "1", fields=FIELDS),
        # The list decides who else is in.
        *of_everybody("1", Reason.NOT_RECORDED, "abc", Reason.JOINS, THINGS),
        ApproveCampaign(LINE, Reason.WANTS_APPROVAL, "1"),
        StartCampaign(LINE, Reason.WANTS_STARTED, "1", approve=True),
    ]


def test_who_leaves_and_who_is_closed() -> None:
    made = project(MemoryCampaign("1", "line", gateways=set("abxyz")))
    assert actions(made, campaign("line", gateways="abc", closed="bcq")) == [
        RemoveGateways(LINE, Reason.LEAVES, "1", tuple("xyz")),
        CloseGateways(LINE, Reason.CLOSES, "1", ("b",)),
    ]


def test_gateways_that_join_share_their_membership_with_the_list_that_is_live() -> None:
    theirs = DistributionList("theirs", 5)
    for live, declared, shared in ((theirs, None, theirs), (theirs, LIST, LIST), (None, None, None)):
        made = project(MemoryCampaign("1", "line", gateways=set("a"), distribution=live))
        # Somebody is to leave, so that who decides is read.
        found = actions(made, campaign("line", gateways="b", distribution=declared))
        assert AddGateways(LINE, Reason.JOINS, "1", ("b",), distribution=shared) in found


SENT = {f"{WINDOW.begin}/{WINDOW.end}": frozenset("bc")}
ONE = (PackageById("p-1"),)

# status, what is declared, what the state knows → stops, starts and approvals
RUNNING: dict[str, tuple[str, dict[str, Any], dict[str, Any], list[Action]]] = {
    "a bracket": (
        "STARTED", {"description": "x"}, {},
        [
            StopCampaign(LINE, Reason.STOP_TO_EDIT, "1", bracket=True),
            StartCampaign(LINE, Reason.START_AGAIN, "1", bracket=True),
        ],
    ),
    "a bracket, with approval": (
        "STARTED", {"description": "x", "approve": True, "status": STARTED}, {},
        [
            StopCampaign(LINE, Reason.STOP_TO_EDIT, "1", bracket=True),
            StartCampaign(LINE, Reason.START_AGAIN, "1", approve=True, bracket=True),
        ],
    ),
    "somebody joins with a window": (
        "STARTED",
        {"gateways": "ab", "schedules": EVERYTHING["schedules"]},
        {"members": {f"schedules.{phase}": SENT for phase in SchedulePhase}},
        [
            StopCampaign(LINE, Reason.STOP_TO_JOIN, "1", bracket=True),
            StartCampaign(LINE, Reason.START_AGAIN, "1", bracket=True),
        ],
    ),
    "somebody joins with packages": (
        "STARTED", {"gateways": "ab", "overrides": (Override(frozenset("b"), ONE),)}, {},
        [
            StopCampaign(LINE, Reason.STOP_TO_JOIN, "1", bracket=True),
            StartCampaign(LINE, Reason.START_AGAIN, "1", bracket=True),
        ],
    ),
    "somebody joins with packages, directly": (
        "STARTED",
        {
            "gateways": "ab",
            "overrides": (Override(frozenset("b"), ONE),),
            "joining": Joining.DIRECT,
        },
        {}, [],
    ),
    "somebody joins, and another has packages": (
        "STARTED", {"gateways": "ab", "overrides": (Override(frozenset("a"), ONE),)}, {}, [],
    ),
    "somebody joins what is stopped": (
        "STOPPED", {"gateways": "ab", "overrides": (Override(frozenset("b"), ONE),)}, {}, [],
    ),
    "a stop": ("STARTED", {"status": STOPPED}, {}, [StopCampaign(LINE, Reason.WANTS_STOPPED, "1")]),
    "a stop of what is edited": (
        "STARTED", {"status": STOPPED, "description": "x"}, {},
        [StopCampaign(LINE, Reason.WANTS_STOPPED, "1")],
    ),
    "a start": ("CREATED", {"status": STARTED}, {}, [StartCampaign(LINE, Reason.WANTS_STARTED, "1")]),
    "a start that needs none, with approval": (
        "CREATED", {"status": STARTED, "approve": True}, {},
        [StartCampaign(LINE, Reason.WANTS_STARTED, "1", approve=True)],
    ),
    "an approval alone": (
        "APPROVAL_NEEDED", {"approve": True}, {}, [ApproveCampaign(LINE, Reason.WANTS_APPROVAL, "1")],
    ),
    "an approval, and it is to be stopped": (
        "APPROVAL_NEEDED", {"approve": True, "status": STOPPED}, {},
        [ApproveCampaign(LINE, Reason.WANTS_APPROVAL, "1")],
    ),
    "an approval, and a start": (
        "APPROVAL_NEEDED", {"approve": True, "status": STARTED}, {},
        [
            ApproveCampaign(LINE, Reason.WANTS_APPROVAL, "1"),
            StartCampaign(LINE, Reason.WANTS_STARTED, "1", approve=True),
        ],
    ),
    "a bracket that was cut": (
        "STOPPED", {}, {"return_to": "STARTED"},
        [StartCampaign(LINE, Reason.FINISH_INTERRUPTED, "1", bracket=True)],
    ),
    "a bracket that was cut, and waits": (
        "APPROVAL_NEEDED", {"approve": True}, {"return_to": "STARTED"},
        [
            ApproveCampaign(LINE, Reason.WANTS_APPROVAL, "1"),
            StartCampaign(LINE, Reason.FINISH_INTERRUPTED, "1", approve=True, bracket=True),
        ],
    ),
}  # fmt: skip


@pytest.mark.parametrize("row", RUNNING)
def test_stops_starts_and_approvals(row: str) -> None:
    status, fields, owned, expected = RUNNING[row]
    made = project(MemoryCampaign("1", "line", status, gateways=set("a"), packages=("p-2",)), **owned)
    found = actions(made, campaign("line", **fields))
    kinds = StopCampaign | StartCampaign | ApproveCampaign
    assert [each for each in found if isinstance(each, kinds)] == expected
    if any(isinstance(each, StopCampaign) and each.bracket for each in found):
        assert isinstance(found[0], StopCampaign)
        assert isinstance(found[-1], StartCampaign)


@pytest.mark.parametrize(
    ("status", "stop"), [("STARTED", True), ("STOPPED", False), ("CREATED", False), ("APPROVED", False)]
)
def test_a_deletion(status: str, stop: bool) -> None:
    made = project(MemoryCampaign("1", "line", status))
    assert actions(made, prune=True) == [
        *[StopCampaign(LINE, Reason.STOP_TO_DELETE, "1")] * stop,
        DeleteCampaign(LINE, Reason.REMOVED_FROM_GIT, "1"),
    ]


def test_a_deletion_of_a_package() -> None:
    made = project()
    made.uploaded(V1, "p-1")
    assert actions(made, prune=True) == [
        DeletePackage(V1.resource, Reason.NO_LONGER_USED, "p-1", V1.sha256),
    ]


# --- what a server allows --------------------------------------------------------------------------


def allowing(allowed: set[tuple[Verb, Phase]]) -> Facts:
    """Takes just these verbs in these phases."""
    return replace(
        PULSE, allowed={verb: frozenset(phase for v, phase in allowed if v is verb) for verb in Verb}
    )


RUNS, PAUSED = Phase.RUNNING, Phase.PAUSED

# the phase, what the server takes → edit: the verbs, None where it is refused; the same of a deletion
TAKES: dict[str, tuple[str, set[tuple[Verb, Phase]], list[Verb] | None, list[Verb] | None]] = {
    "takes both as it runs": (
        "STARTED", {(Verb.EDIT, RUNS), (Verb.DELETE, RUNS)}, [Verb.EDIT], [Verb.DELETE],
    ),
    "takes both once it is stopped": (
        "STARTED", {(Verb.STOP, RUNS), (Verb.EDIT, PAUSED), (Verb.DELETE, PAUSED)},
        [Verb.STOP, Verb.EDIT, Verb.START], [Verb.STOP, Verb.DELETE],
    ),
    "takes both once it is stopped, which it can't be": (
        "STARTED", {(Verb.EDIT, PAUSED), (Verb.DELETE, PAUSED)}, None, None,
    ),
    "takes neither, stopped or not": ("STARTED", {(Verb.STOP, RUNS)}, None, None),
    "takes them of what runs, and it doesn't": (
        "CREATED", {(Verb.EDIT, RUNS), (Verb.DELETE, RUNS), (Verb.STOP, Phase.READY)}, None, None,
    ),
    "takes them of what is stopped, and it never ran": (
        "CREATED", {(Verb.EDIT, PAUSED), (Verb.DELETE, PAUSED), (Verb.STOP, Phase.READY)}, None, None,
    ),
    "takes them in every status, and nobody knows this one": (
        "ODD", {(verb, phase) for verb in (Verb.EDIT, Verb.DELETE) for phase in KNOWN},
        [Verb.EDIT], [Verb.DELETE],
    ),
    **{
        f"takes them in every status but {missing}, and nobody knows this one": (
            "ODD", {(verb, phase) for verb in (Verb.EDIT, Verb.DELETE) for phase in KNOWN - {missing}},
            None, None,
        )
        for missing in sorted(KNOWN)
    },
}  # fmt: skip


@pytest.mark.parametrize("row", TAKES)
def test_what_the_server_takes_in_a_phase(row: str) -> None:
    status, allowed, edit, delete = TAKES[row]
    for verbs, wanted, what in (
        (edit, desired(campaign("line", description="x")), "edited"),
        (delete, desired(), "deleted"),
    ):
        made = Project(MemoryServer(MemoryCampaign("1", "line", status), facts=allowing(allowed)))
        made.own("line", "1")
        plan = made.make_plan(wanted, prune=True)
        assert [group.action.verb for group in plan.groups] == (verbs or [])
        refused = [] if verbs else [f"Campaign/line can't be {what} while it is {status!r}"]
        assert [finding.message.partition(",")[0] for finding in plan.findings] == refused
        assert {(f.code, f.resource, f.hint, f.is_error) for f in plan.findings} <= {
            ("unknown-status", LINE, "bring it to a known status on the server", True)
        }
        assert bool(plan.changes) == bool(verbs)


@pytest.mark.parametrize(("status", "stops"), [("CREATED", False), ("STOPPED", False), ("STARTED", True)])
def test_only_what_runs_is_stopped_for_those_who_join(status: str, stops: bool) -> None:
    """Also where the server takes a stop of what stands still."""
    facts = replace(PULSE, allowed={**PULSE.allowed, Verb.STOP: KNOWN})
    made = Project(MemoryServer(MemoryCampaign("1", "line", status, gateways={"a"}), facts=facts))
    made.own("line", "1")
    windows = (Assignment({SchedulePhase.DOWNLOAD: WINDOW}),)
    plan = made.make_plan(desired(campaign("line", gateways="ab", schedules=windows, joining=Joining.PAUSE)))
    verbs = [group.action.verb for group in plan.groups]
    assert (Verb.ADD in verbs, Verb.SCHEDULE in verbs) == (True, True)
    assert (Verb.STOP in verbs, Verb.START in verbs) == (stops, stops)


@pytest.mark.parametrize(
    ("status", "wanted", "takes", "refused"),
    [
        ("STARTED", STOPPED, set(), "stop"),
        ("STARTED", STOPPED, {(Verb.STOP, RUNS)}, None),
        ("STOPPED", STARTED, set(), "start"),
        ("STOPPED", STARTED, {(Verb.START, Phase.READY)}, "start"),
        ("STOPPED", STARTED, {(Verb.START, PAUSED)}, None),
    ],
)
def test_a_stop_or_a_start_that_the_server_does_not_take(
    status: str, wanted: DesiredStatus, takes: set[tuple[Verb, Phase]], refused: str | None
) -> None:
    made = Project(MemoryServer(MemoryCampaign("1", "line", status), facts=allowing(takes)))
    made.own("line", "1")
    plan = made.make_plan(desired(campaign("line", status=wanted)))
    said = [(finding.code, finding.message.partition(" while")[0]) for finding in plan.findings]
    assert said == ([("not-allowed", f"Campaign/line: the server takes no {refused}")] if refused else [])
    assert bool(plan.groups) == bool(plan.changes) == (refused is None)


# --- what can't be read ----------------------------------------------------------------------------


BLIND = (Field.SETTINGS, Field.SCHEDULES, Field.CALLBACKS, Field.THINGS)


@pytest.mark.parametrize("readable", [(), BLIND[:1], BLIND[1:], BLIND])
def test_managed_fields_that_the_server_does_not_tell(readable: tuple[Field, ...]) -> None:
    facts = replace(PULSE, fields={name: FieldFacts(readable=name in readable) for name in Field})
    names = [*(name.value for name in BLIND), "all", "none"]
    there = [MemoryCampaign(name, name) for name in names]
    server = MemoryServer(*there, packages=[LivePackage("p-1", "one")], facts=facts)
    made = Project(server)
    for name in names:
        made.own(name, name)
    managed: dict[Field, dict[str, Any]] = {
        Field.SETTINGS: {"settings": {}},
        Field.SCHEDULES: {"schedules": ()},
        Field.CALLBACKS: {"callbacks": {}},
        Field.THINGS: {"things": {}},
    }
    wanted = [campaign(name.value, **fields) for name, fields in managed.items()]
    wanted += [
        campaign("all", **{key: value for each in managed.values() for key, value in each.items()}),
        campaign("none", description="x", packages=(), gateways="", overrides=()),
    ]
    hidden = [name for name in Field if name in BLIND and name not in readable]
    expected = {rid(name.value): (name.value,) for name in hidden}
    if hidden:
        expected[rid("all")] = tuple(name.value for name in hidden)
    assert made.make_plan(desired(*wanted)).unreadable == expected
    first = Project(MemoryServer(packages=[LivePackage("p-1", "one")], facts=facts))
    assert first.make_plan(desired(*wanted)).unreadable == {}, "what is made now, nobody has changed"


def test_a_campaign_that_is_refused_is_not_said_to_be_unreadable() -> None:
    made = project(MemoryCampaign("1", "line", "ODD"), MemoryCampaign("2", "fine"))
    wanted = desired(*(campaign(n, settings={"A": "a"}) for n in ("line", "fine")))
    assert made.make_plan(wanted).unreadable == {rid("fine"): ("settings",)}


# --- names and packages between campaigns ----------------------------------------------------------


def test_a_package_waits_for_those_who_had_it_and_for_nobody_else() -> None:
    """Edited, deleted, given to gateways of who is deleted; not: deleted or edited without it."""
    packages = [LivePackage("p-1", "one"), LivePackage("p-2", "two")]
    fakes = [
        MemoryCampaign("1", "edited", packages=("p-1",)),
        MemoryCampaign("2", "edited-without", packages=("p-2",)),
        MemoryCampaign("3", "gone", packages=("p-2", "p-1")),
        MemoryCampaign("4", "gone-without", packages=("p-2",)),
        MemoryCampaign("5", "gone-override"),
    ]
    made = Project(MemoryServer(*fakes, packages=packages))
    for live in fakes:
        had = {"packageOverrides": {'["p-1"]': frozenset("a")}} if live.id == "5" else {}
        made.own(live.name, live.id, members=had)
    made.uploaded(V1, "p-1")
    wanted = [
        campaign("edited", packages=(PackageById("p-2"),)),
        campaign("edited-without", description="x"),
    ]
    plan = made.make_plan(desired(*wanted), prune=True)
    (delete,) = (group for group in plan.groups if group.action.verb is Verb.DELETE_PACKAGE)
    assert [need.group for need in delete.needs] == [
        "edit-campaign:edited",
        "delete-campaign:gone",
        "delete-campaign:gone-override",
    ]
    assert delete.action.resource.kind is Kind.PACKAGE_SET


@pytest.mark.parametrize(
    ("by", "taker"),
    [("a rename", "a new one"), ("a rename", "a renamed one"), ("a deletion", "a renamed one")],
)
def test_who_takes_a_name_waits_for_who_gives_it_up(by: str, taker: str) -> None:
    fakes = [MemoryCampaign("1", "wanted"), *[MemoryCampaign("2", "second")] * (taker == "a renamed one")]
    made = Project(MemoryServer(*fakes))
    made.own("first", "1")
    if len(fakes) > 1:
        made.own("second", "2")
    first = [campaign("first", "elsewhere")] if by == "a rename" else []
    plan = made.make_plan(desired(campaign("second", "wanted"), *first), prune=True)
    (taking,) = (
        group
        for group in plan.groups
        if isinstance(group.action, CreateCampaign | EditCampaign) and group.action.fields.name == "wanted"
    )
    giver = "edit-campaign:first" if by == "a rename" else "delete-campaign:first"
    # Two edits don't wait for each other: they may be a swap.
    waits = by == "a deletion" or taker == "a new one"
    assert [need.group for need in taking.needs] == [giver] * waits
