"""A campaign of every field at once: all that a comparison says of it, whole and in its order."""

from dataclasses import replace
from typing import Any

import pytest

from reconciler.diff import CampaignDiff, Diff, Run, Transition
from reconciler.diff.overrides import PackagesFor
from reconciler.diff.schedules import WindowFor
from reconciler.model import (
    Assignment,
    Callback,
    CallbackEvent,
    CampaignFields,
    Change,
    DesiredStatus,
    DistributionList,
    GatewayChange,
    LivePackage,
    OnRemove,
    Override,
    PackageById,
    PendingUpload,
    Place,
    Reason,
    SchedulePhase,
    Secret,
    Window,
)
from reconciler.state.applied import packages_value, things_value, window_value
from reconciler.state.base import (
    CampaignOwned,
    FieldApplied,
    MembersApplied,
    Origin,
    Owned,
    StatusSet,
)
from reconciler.state.folding import fold
from tests.fakes import NOW, Project, campaign, desired, file, rid
from tests.memory_provider import MemoryCampaign, MemoryServer

LINE = rid("line")
V1 = file("v1")
UP = PendingUpload(V1.sha256)
PLACE = Place("line.yaml", 9, 9)
SOON, LATE = Window(NOW - 5, NOW + 10), Window(NOW, NOW + 99)
LIST = DistributionList("dl", 60)
EVERYTHING: dict[str, Any] = {
    "description": "text",
    "packages": (PackageById("p-1"), V1),
    "settings": {"B": Secret("variable B", "hidden"), "A": "a"},
    "gateways": "abcx",
    "closed": "cx",
    "distribution": LIST,
    "overrides": (Override(frozenset("abx"), (PackageById("p-2"),), PLACE),),
    "schedules": (
        Assignment({SchedulePhase.EXECUTION: LATE, SchedulePhase.DOWNLOAD: SOON}, frozenset("ab"), PLACE),
    ),
    "callbacks": {
        CallbackEvent.STATE_CHANGE: Callback("there", frozenset({"Y", "X"})),
        CallbackEvent.COMPLETED: Callback("here"),
    },
    "things": {"a": ("t1",), "b": ("t2", "t1"), "x": ("t1",)},
    "approve": True,
    "status": DesiredStatus.STARTED,
    "on_remove": OnRemove.ABANDON,
}
HERE = {"notificationDestinationId": "here"}
THERE = {"notificationDestinationId": "there", "trackedStates": ["X", "Y"]}
DOWNLOAD, EXECUTION = (f"schedules.{phase}" for phase in ("download", "execution"))


def project(*campaigns: MemoryCampaign) -> Project:
    return Project(MemoryServer(*campaigns, packages=[LivePackage(f"p-{n}", f"n-{n}") for n in (1, 2, 3)]))


def window(which: Window) -> dict[str, int]:
    return {"begin": which.begin, "end": which.end}


def change(name: str, before: Any, after: Any, reason: Reason, gateways: str = "") -> Change:
    return Change(LINE, name, before, after, reason, members=tuple(gateways))


def uploaded(reason: Reason = Reason.NOT_ON_SERVER) -> Change:
    return Change(V1.resource, "packages", None, {"name": "fw.bin", "sha256": V1.sha256, "size": 2}, reason)


def of_gateways(reason: Reason) -> list[Change]:
    """What is sent of single gateways, and of callbacks, for a reason."""
    return [
        change("callbackSet.completed", None, HERE, reason),
        change("callbackSet.stateChange", None, THERE, reason),
        change("packageOverrides", None, ["p-2"], reason, "ab"),
        change(DOWNLOAD, None, window(SOON), reason, "ab"),
        change(EXECUTION, None, window(LATE), reason, "ab"),
        change("runOnThings", None, ["t2", "t1"], reason, "b"),
        change("runOnThings", None, ["t1"], reason, "a"),
    ]


CALLBACKS = (
    (CallbackEvent.COMPLETED, Callback("here")),
    (CallbackEvent.STATE_CHANGE, Callback("there", frozenset({"X", "Y"}))),
)


@pytest.mark.parametrize("gone", [False, True])
def test_a_campaign_that_is_to_be_created(gone: bool) -> None:
    made = project()
    if gone:
        made.own("line", "9", status="STARTED")
        made.uploaded(V1, "p-9")
    wanted = desired(campaign("line", **EVERYTHING))
    reason = Reason.GONE_FROM_SERVER if gone else Reason.NOT_ON_SERVER
    changes = [
        change("name", None, "line", reason),
        change("description", None, "text", reason),
        change("packages", None, ["p-1", {"upload": "fw.bin", "sha256": V1.sha256}], reason),
        change("settings.A", None, "a", reason),
        change("settings.B", None, {"secret": "variable B"}, reason),
        change(
            "distributionList",
            None,
            {"distributionListId": "dl", "reevaluationIntervalSeconds": 60},
            reason,
        ),
        change("status", None, "STARTED", reason),
        Change(LINE, "gateways", None, None, reason, GatewayChange(0, 2, ("a", "b"))),
        *of_gateways(Reason.NOT_ON_SERVER),
    ]
    expected = CampaignDiff(
        desired=wanted.campaigns[0],
        live=None,
        fields=CampaignFields("line", "text", ("p-1", UP), EVERYTHING["settings"]),
        changes=tuple(changes),
        gained=("a", "b"),
        distribution=LIST,
        callbacks=CALLBACKS,
        overrides=(PackagesFor(("p-2",), ("a", "b"), Reason.NOT_ON_SERVER),),
        schedules=(
            WindowFor(SchedulePhase.DOWNLOAD, SOON, ("a", "b"), Reason.NOT_ON_SERVER),
            WindowFor(SchedulePhase.EXECUTION, LATE, ("a", "b"), Reason.NOT_ON_SERVER),
        ),
        things={"a": ("t1",), "b": ("t2", "t1")},
        transition=Transition(Run.START, Reason.WANTS_STARTED, approve=True),
        gone="9" if gone else None,
    )
    assert made.diff(wanted) == Diff(
        campaigns=(expected,), uploads=(V1,), changes=(uploaded(reason), *changes)
    )


def differing(status: str = "APPROVAL_NEEDED") -> Project:
    """Our campaign, of which everything differs."""
    made = project(
        MemoryCampaign(
            "1",
            "before",
            status,
            "before",
            ("p-3", "p-1"),
            set("bcz"),
            DistributionList("old", 5),
            overrides={"b": ("p-3",), "z": ("p-2",)},
        )
    )
    made.own(
        "line",
        "1",
        applied={
            "settings": {"A": {"value": "0"}, "C": {"value": "c"}},
            "callbackSet.completed": THERE,
            "distributionList": "old",
        },
        members={
            "gateways": {"added": frozenset("bz")},
            "packageOverrides": {packages_value(["p-3"]): frozenset("b")},
            DOWNLOAD: {window_value(LATE): frozenset("b")},
            "runOnThings": {things_value(["t9"]): frozenset("b")},
        },
    )
    return made


def test_a_campaign_of_ours_of_which_everything_differs() -> None:
    made = differing()
    wanted = desired(campaign("line", **EVERYTHING))
    found = made.diff(wanted)
    members = GatewayChange(3, 3, ("a",), ("z",))
    changes = [
        change("name", "before", "line", Reason.DIFFERS),
        change("description", "before", "text", Reason.DIFFERS),
        change(
            "packages", ["p-3", "p-1"], ["p-1", {"upload": "fw.bin", "sha256": V1.sha256}], Reason.DIFFERS
        ),
        change("settings.A", "0", "a", Reason.DECLARED_SINCE),
        change("settings.B", None, {"secret": "variable B"}, Reason.DECLARED_SINCE),
        change("settings.C", "c", None, Reason.DECLARED_SINCE),
        change("distributionList.distributionListId", "old", "dl", Reason.DIFFERS),
        change("distributionList.reevaluationIntervalSeconds", 5, 60, Reason.DIFFERS),
        Change(LINE, "gateways", None, None, Reason.DIFFERS, members),
        change("status", "APPROVAL_NEEDED", "STARTED", Reason.WANTS_STARTED),
        change("callbackSet.completed", THERE, HERE, Reason.DECLARED_SINCE),
        change("callbackSet.stateChange", None, THERE, Reason.NOT_RECORDED),
        change("packageOverrides", None, ["p-2"], Reason.JOINS, "a"),
        change("packageOverrides", ["p-3"], ["p-2"], Reason.DIFFERS, "b"),
        change(DOWNLOAD, None, window(SOON), Reason.DECLARED_SINCE, "b"),
        change(DOWNLOAD, None, window(SOON), Reason.NOT_RECORDED, "a"),
        change(EXECUTION, None, window(LATE), Reason.NOT_RECORDED, "ab"),
        change("runOnThings", None, ["t2", "t1"], Reason.DECLARED_SINCE, "b"),
        change("runOnThings", None, ["t1"], Reason.NOT_RECORDED, "a"),
        change("closedGateways", False, True, Reason.CLOSES, "c"),
    ]
    live = made.live(wanted).campaigns[LINE]
    expected = CampaignDiff(
        desired=wanted.campaigns[0],
        live=live,
        fields=CampaignFields("line", "text", ("p-1", UP), EVERYTHING["settings"]),
        changes=tuple(changes),
        edit=True,
        gained=("a",),
        lost=("z",),
        distribution=LIST,
        callbacks=CALLBACKS,
        overrides=(
            PackagesFor(("p-2",), ("a",), Reason.JOINS),
            PackagesFor(("p-2",), ("b",), Reason.DIFFERS),
        ),
        schedules=(
            WindowFor(SchedulePhase.DOWNLOAD, SOON, ("b",), Reason.DECLARED_SINCE),
            WindowFor(SchedulePhase.DOWNLOAD, SOON, ("a",), Reason.NOT_RECORDED),
            WindowFor(SchedulePhase.EXECUTION, LATE, ("a", "b"), Reason.NOT_RECORDED),
        ),
        things={"a": ("t1",), "b": ("t2", "t1")},
        closes=("c",),
        transition=Transition(Run.START, Reason.WANTS_STARTED, approve=True),
        findings=found.findings,
        records=found.records,
    )
    assert [finding.code for finding in found.findings] == ["may-come-back"]
    assert [type(record).__name__ for record in found.records] == ["OnRemoveSet"]
    assert found == Diff(
        campaigns=(expected,),
        uploads=(V1,),
        changes=(uploaded(), *changes),
        findings=found.findings,
        records=found.records,
    )


@pytest.mark.parametrize("status", ["STARTED", "APPROVAL_NEEDED", "STOPPED"])
def test_all_of_it_is_in_sync_once_it_is_applied(status: str) -> None:
    """And the state has learned of everything, so that a change of each is noticed the next time."""
    made = differing(status)
    wanted = desired(campaign("line", **EVERYTHING))
    assert not made.apply(made.make_plan(wanted)).failed
    again = made.diff(wanted)
    assert (again.changes, again.findings, again.records) == ((), (), ())
    assert not made.make_plan(wanted).groups
    reasserted = made.diff(wanted, reassert=True)
    assert {each.reason for each in reasserted.changes} == {Reason.REASSERTED}
    assert [each.field for each in reasserted.changes] == [
        "settings.A",
        "settings.B",
        "callbackSet.completed",
        "callbackSet.stateChange",
        DOWNLOAD,
        EXECUTION,
        "runOnThings",
        "runOnThings",
    ]


# --- adopted, and the runs after that -------------------------------------------------------------

LIKE_IT = {
    "name": "line",
    "status": "STARTED",
    "description": "text",
    "packages": ("p-1",),
    "gateways": set("abc"),
    "distribution": LIST,
    "closed": set("c"),
    "overrides": {"a": ("p-2",), "b": ("p-2",)},
}
SAME = {**EVERYTHING, "packages": (PackageById("p-1"),), "gateways": "abc", "closed": "c"}


def adopted() -> tuple[Project, Diff]:
    made = project(MemoryCampaign("1", **LIKE_IT))
    return made, made.diff(desired(campaign("line", **SAME)), adopt=True)


def test_an_adopted_campaign_that_is_as_declared() -> None:
    made, found = adopted()
    assert found.changes == ()
    said = [(finding.code, finding.message.partition(" can't be read")[0]) for finding in found.findings]
    assert said == [
        ("assumed", f"Campaign/line: {what}")
        for what in (
            "the settings",
            "the callback completed",
            "the callback stateChange",
            "the download window of 2 gateways",
            "the execution window of 2 gateways",
            "whether the things of 2 gateways were run",
        )
    ]
    settings = {"A": {"value": "a"}, "B": {"digest": EVERYTHING["settings"]["B"].digest(made.state.salt)}}
    assert found.records == (
        CampaignOwned(Owned(LINE, "1", Origin.ADOPTED, OnRemove.ABANDON)),
        FieldApplied(LINE, "settings", settings),
        FieldApplied(LINE, "settings.assumed", True),
        StatusSet(LINE, "STARTED"),
        FieldApplied(LINE, "distributionList", EVERYTHING["distribution"].id),
        FieldApplied(LINE, "callbackSet.completed", HERE),
        FieldApplied(LINE, "callbackSet.stateChange", THERE),
        MembersApplied(LINE, "packageOverrides", packages_value(["p-2"]), ("a", "b")),
        MembersApplied(LINE, DOWNLOAD, window_value(SOON), ("a", "b")),
        MembersApplied(LINE, EXECUTION, window_value(LATE), ("a", "b")),
        MembersApplied(LINE, "runOnThings", things_value(["t2", "t1"]), ("b",)),
        MembersApplied(LINE, "runOnThings", things_value(["t1"]), ("a",)),
    )


def test_the_run_after_an_adoption_is_silent() -> None:
    made, found = adopted()
    made.state = fold(made.state, found.records)
    again = made.diff(desired(campaign("line", **SAME)))
    assert (again.changes, again.findings, again.records) == ((), (), ())


# what Git changes after the adoption → the changes of the next run: all against what was assumed
AFTER: dict[str, tuple[dict[str, Any], list[Change]]] = {
    "a setting": ({"settings": {"A": "a"}}, [
        change("settings.B", {"secret": "as last applied"}, None, Reason.DECLARED_SINCE),
    ]),
    "a callback": ({"callbacks": {**dict(CALLBACKS), CallbackEvent.COMPLETED: Callback("x")}}, [
        change("callbackSet.completed", HERE, {"notificationDestinationId": "x"}, Reason.DECLARED_SINCE),
    ]),
    "a window": (
        {"schedules": (
            Assignment({SchedulePhase.EXECUTION: SOON, SchedulePhase.DOWNLOAD: SOON}, frozenset("ab")),
        )},
        [change(EXECUTION, None, window(SOON), Reason.DECLARED_SINCE, "ab")],
    ),
    "things": ({"things": {"a": ("t1",), "b": ("t3",)}}, [
        change("runOnThings", None, ["t3"], Reason.DECLARED_SINCE, "b"),
    ]),
    "an override": ({"overrides": (Override(frozenset("a"), (PackageById("p-2"),)),)}, [
        change("packageOverrides", ["p-2"], ["p-1"], Reason.TAKEN_BACK, "b"),
    ]),
    "the wish": ({"status": DesiredStatus.STOPPED}, [
        change("status", "STARTED", "STOPPED", Reason.WANTS_STOPPED),
    ]),
}  # fmt: skip


@pytest.mark.parametrize("row", AFTER)
def test_what_was_assumed_is_what_the_next_run_compares_with(row: str) -> None:
    fields, expected = AFTER[row]
    made, found = adopted()
    made.state = fold(made.state, found.records)
    again = made.diff(desired(campaign("line", **{**SAME, **fields})))
    assert list(again.changes) == expected
    # Settings that were assumed, and never sent, may be fewer than there are.
    assert [f.code for f in again.findings] == (["may-lose-settings"] if row == "a setting" else [])


def test_settings_that_were_assumed_trip_the_guard_of_each_edit_until_they_are_sent() -> None:
    made, found = adopted()
    made.state = fold(made.state, found.records)
    edit = desired(campaign("line", **{**SAME, "description": "new"}))
    for _ in range(2):
        assert [f.code for f in made.diff(edit).findings] == ["may-lose-settings"]
    assert not made.apply(made.make_plan(edit)).failed
    assert "settings.assumed" not in made.state.campaigns[LINE].applied
    another = desired(campaign("line", **{**SAME, "description": "newer"}))
    assert made.diff(another).findings == ()


def test_a_held_campaign_is_one_that_was_seen_running_when_it_was_adopted() -> None:
    made, found = adopted()
    made.state = fold(made.state, found.records)
    made.server.by_id["1"].status = "STOPPED"
    assert [f.code for f in made.diff(desired(campaign("line", **SAME))).findings] == ["held"]


def test_who_was_added_before_the_first_list_is_ours_the_next_time_and_nobody_else() -> None:
    """Of the declared gateways only those that are in already: who joins is recorded by the call."""
    made = project(MemoryCampaign("1", "line", gateways=set("abs")))
    made.own("line", "1")
    wanted = desired(campaign("line", gateways="abx", distribution=LIST))
    found = made.diff(wanted)
    assert found.records == (MembersApplied(LINE, "gateways", "added", ("a", "b")),)
    made.state = fold(made.state, found.records)
    made.server.by_id["1"].distribution = LIST
    less = made.diff(desired(campaign("line", gateways="a", distribution=LIST)))
    assert less.campaigns[0].lost == ("b",)


def test_nothing_is_shared_between_two_campaigns() -> None:
    made = project(MemoryCampaign("1", **LIKE_IT), MemoryCampaign("2", **{**LIKE_IT, "name": "other"}))
    one, two = campaign("line", **SAME), campaign("other", **SAME)
    both = made.diff(desired(one, two), adopt=True)
    of_one = made.diff(desired(one), adopt=True)
    assert both.campaigns[0] == of_one.campaigns[0]
    renamed = [replace(record, **_of_line(record)) for record in both.records if record not in of_one.records]
    assert renamed == list(of_one.records)


def _of_line(record: Any) -> dict[str, Any]:
    if isinstance(record, CampaignOwned):
        return {"owned": replace(record.owned, resource=LINE, id="1")}
    return {"resource": LINE}
