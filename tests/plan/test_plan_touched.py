"""What a plan touches: each action and each record alone, and what that makes us read again."""

from typing import Any, get_args

import pytest

from reconciler.model import (
    Action,
    Aspects,
    CampaignFields,
    CampaignSummary,
    DistributionList,
    Kind,
    Live,
    LiveCampaign,
    LivePackage,
    Membership,
    OnRemove,
    PackageFile,
    PendingUpload,
    Phase,
    ResourceId,
    Scope,
    StepGroup,
    Verb,
)
from reconciler.plan import Plan
from reconciler.plan.touched import Touched, touched_by
from reconciler.state.base import (
    BracketClosed,
    BracketOpened,
    CampaignAbandoned,
    CampaignForgotten,
    CampaignOwned,
    CampaignReplaced,
    Event,
    FieldApplied,
    FieldsDeclared,
    FreezeEnded,
    Intent,
    IntentDropped,
    IntentNoted,
    MembersApplied,
    MembersForgotten,
    NoticeNoted,
    OnRemoveSet,
    Origin,
    Owned,
    PackageForgotten,
    PackageUploaded,
    PlanApplied,
    PredecessorEnded,
    PredecessorForgotten,
    ReplacementBegun,
    RolloutNoted,
    SaltChosen,
    State,
    StatusSet,
    Uploaded,
)
from tests.actions import action
from tests.fakes import PULSE, file, rid
from tests.memory_provider import SERVER

LINE, OTHER, NEW = rid("line"), rid("other"), rid("new")
SET = ResourceId(Kind.PACKAGE_SET, "firmware")
V1, V2, V3 = file("v1"), file("v2"), file("v3")


def _live(key: str, name: str, **more: Any) -> LiveCampaign:
    return LiveCampaign(key, name, "READY", Phase.READY, **more)


BY_ID = {
    "1": _live("1", "line", gateways=Membership({"idle": frozenset("ab")}), distribution_read=True),
    "2": _live("2", "other", overrides={"a": ("p-1",), "b": ("p-2",)}),
    "3": _live("3", "theirs", distribution=DistributionList("dl"), distribution_read=True),
    "9": None,
}
LIVE = Live(
    by_id=BY_ID,
    campaigns={LINE: BY_ID["1"], OTHER: BY_ID["2"]},  # type: ignore[dict-item]
    namesakes={
        name: (CampaignSummary(f"id {name}", name, "READY"),) for name in ("line", "new", "theirs", "gone")
    },
    package_ids={"p-1": True, "p-2": True, "p-9": False},
    named_packages={
        "one": (LivePackage("p-1", "one"),),
        "two": (LivePackage("p-2", "two"), LivePackage("p-7", "two")),
        "none": (),
    },
    packages_by_content={each.sha256: () for each in (V1, V2)},
    users={},
)


def _upload(content: PackageFile, package: str) -> Uploaded:
    return Uploaded(content.sha256, package, "fw.bin", SET)


def _owned(resource: ResourceId, key: str) -> Owned:
    return Owned(resource, key, Origin.CREATED)


STATE = State(
    "lineage",
    "5a17",
    campaigns={LINE: _owned(LINE, "1"), OTHER: _owned(OTHER, "2")},
    packages={V1.sha256: _upload(V1, "p-1"), V3.sha256: _upload(V3, "p-3")},
)
OF_LINE = {"1": Aspects(members=True, distribution=True)}
OF_OTHER = {"2": Aspects(overrides=frozenset("ab"))}
P1 = {"packages": {"p-1"}, "package_names": {"one"}, "uploads": {V1.sha256}}
"""The package p-1: its id, the name that it was looked up by, and the upload that is known as it."""


def touched(
    *resources: ResourceId,
    campaigns: dict[str, Aspects] | None = None,
    names: Any = (),
    packages: Any = (),
    package_names: Any = (),
    contents: Any = (),
    users: Any = (),
    uploads: Any = (),
) -> Touched:
    scope = Scope(
        campaigns or {},
        names=frozenset(names),
        package_ids=frozenset(packages),
        package_names=frozenset(package_names),
        contents=frozenset(contents),
        users=frozenset(users),
    )
    return Touched(scope, frozenset(resources), frozenset(uploads))


def fields(name: str, *packages: Any) -> CampaignFields:
    return CampaignFields(name, packages=packages)


# what the plan does, what it records → what it touches
ROWS: dict[str, tuple[list[Action], list[Event], Touched]] = {
    "an upload": (
        [action(Verb.UPLOAD, SET, file=V2)], [], touched(contents={V2.sha256}, uploads={V2.sha256}),
    ),
    "an upload of what was there once": (
        [action(Verb.UPLOAD, SET, file=V1)], [], touched(contents={V1.sha256}, **P1),
    ),
    "an upload of what nobody looked for by its content": (
        [action(Verb.UPLOAD, SET, file=V3)], [], touched(uploads={V3.sha256}),
    ),
    "a create": (
        [action(Verb.CREATE, NEW, fields=fields("new"))], [], touched(NEW, names={"new"}),
    ),
    "a create with packages": (
        [action(Verb.CREATE, NEW, fields=fields("new", "p-1", "p-3", PendingUpload(V2.sha256)))], [],
        touched(
            NEW, names={"new"}, packages={"p-1"}, package_names={"one"},
            uploads={V1.sha256, V3.sha256},
        ),
    ),
    "an edit": (
        [action(Verb.EDIT, LINE, target="1", fields=fields("line"))], [], touched(LINE, campaigns=OF_LINE),
    ),
    "a rename": (
        [action(Verb.EDIT, LINE, target="1", fields=fields("new"))], [],
        touched(LINE, campaigns=OF_LINE, names={"new"}),
    ),
    "a rename to what was not looked up": (
        [action(Verb.EDIT, LINE, target="1", fields=fields("elsewhere"))], [],
        touched(LINE, campaigns=OF_LINE),
    ),
    "an edit of packages": (
        [action(Verb.EDIT, LINE, target="1", fields=fields("line", "p-2"))], [],
        touched(LINE, campaigns=OF_LINE, packages={"p-2"}, package_names={"two"}),
    ),
    "packages of gateways": (
        [action(Verb.OVERRIDE, LINE, target="1", gateways=("a",), packages=("p-1",))], [],
        touched(LINE, campaigns=OF_LINE, **P1),
    ),
    **{
        str(verb): ([action(verb, LINE, target="1")], [], touched(LINE, campaigns=OF_LINE))
        for verb in (
            Verb.CALLBACK, Verb.DISTRIBUTE, Verb.REMOVE, Verb.ADD, Verb.SCHEDULE, Verb.THINGS, Verb.CLOSE,
            Verb.APPROVE, Verb.START, Verb.STOP, Verb.DELETE,
        )
    },
    "of a campaign and its predecessor": (
        [action(Verb.RETIRE, LINE, target="2"), action(Verb.END, LINE, target="2", successor="1")], [],
        touched(LINE, campaigns={**OF_LINE, **OF_OTHER}),
    ),
    "of two campaigns": (
        [action(Verb.START, LINE, target="1"), action(Verb.STOP, OTHER, target="2")], [],
        touched(LINE, OTHER, campaigns={**OF_LINE, **OF_OTHER}),
    ),
    "of a campaign that isn't its resource's yet": (
        [action(Verb.START, NEW, target="3")], [],
        touched(NEW, campaigns={"3": Aspects(distribution=True)}),
    ),
    "of a campaign that is gone": (
        [action(Verb.START, rid("lost"), target="9")], [], touched(rid("lost"), campaigns={"9": Aspects()}),
    ),
    "of a campaign that was not read": (
        [action(Verb.START, rid("lost"), target="8")], [], touched(rid("lost")),
    ),
    "a package to delete": (
        [action(Verb.DELETE_PACKAGE, SET, target="p-1", sha256=V1.sha256)], [],
        touched(users={"p-1"}, contents={V1.sha256}, **P1),
    ),
    "a package to delete, whose content nobody knows": (
        [action(Verb.DELETE_PACKAGE, SET, target="p-2")], [],
        touched(users={"p-2"}, packages={"p-2"}, package_names={"two"}),
    ),
    # records
    "adopted": (
        [], [CampaignOwned(_owned(rid("theirs"), "3"))],
        touched(rid("theirs"), campaigns={"3": Aspects(distribution=True)}, names={"theirs"}),
    ),
    "adopted, and gone meanwhile": (
        [], [CampaignOwned(_owned(rid("lost"), "9"))], touched(rid("lost"), campaigns={"9": Aspects()}),
    ),
    "adopted, and never read": ([], [CampaignOwned(_owned(rid("lost"), "8"))], touched(rid("lost"))),
    **{
        type(record).__name__: ([], [record], touched(LINE, campaigns=OF_LINE))
        for record in (
            CampaignForgotten(LINE), CampaignAbandoned(LINE, (V1.sha256,)), StatusSet(LINE, None),
            BracketOpened(LINE, "STARTED"), BracketClosed(LINE), FieldApplied(LINE, "settings", {}),
            FieldsDeclared(LINE, {"name": "line"}),
            MembersApplied(LINE, "gateways", "added", ("a",)), MembersForgotten(LINE, ("a",)),
            OnRemoveSet(LINE, OnRemove.DELETE), RolloutNoted(LINE, None),
            ReplacementBegun(LINE), CampaignReplaced(LINE, "0", "1"),
            PredecessorEnded(LINE, "0"), PredecessorForgotten(LINE, "0"),
            FreezeEnded(LINE, "0"),
        )
    },
    "recognised": (
        [], [PackageUploaded(_upload(V2, "p-2"))],
        touched(packages={"p-2"}, package_names={"two"}, contents={V2.sha256}, uploads={V2.sha256}),
    ),
    "recognised, and known as another one": (
        [], [PackageUploaded(_upload(V1, "p-2"))],
        touched(
            packages={"p-1", "p-2"}, package_names={"one", "two"},
            contents={V1.sha256}, uploads={V1.sha256},
        ),
    ),
    "forgotten": ([], [PackageForgotten(V1.sha256)], touched(contents={V1.sha256}, **P1)),
    "about no object": (
        [],
        [IntentNoted(Intent("Campaign/line", "line")), IntentDropped("Campaign/line"), SaltChosen("x"),
         PlanApplied("d", whole=True), NoticeNoted("guard:maxDeletes", 1)],
        touched(),
    ),
    "nothing": ([], [], touched()),
}  # fmt: skip


def plan(actions: list[Action], records: list[Event]) -> Plan:
    operation = PULSE.operations["edit-campaign"]
    groups = (StepGroup(str(at), each, operation) for at, each in enumerate(actions))
    return Plan(SERVER, tuple(groups), records=tuple(records))


@pytest.mark.parametrize("row", ROWS)
def test_touched(row: str) -> None:
    actions, records, expected = ROWS[row]
    assert touched_by(plan(actions, records), LIVE, STATE) == expected


def test_every_action_and_every_event_is_here() -> None:
    actions = {type(each) for row in ROWS.values() for each in row[0]}
    records = {type(each) for row in ROWS.values() for each in row[1]}
    assert (actions, records) == (set(get_args(Action)), set(get_args(Event)))


def test_who_uses_packages_is_not_asked_where_nobody_asked_before() -> None:
    actions = [action(Verb.DELETE_PACKAGE, SET, target="p-2")]
    assert touched_by(plan(actions, []), Live(), STATE) == touched()
