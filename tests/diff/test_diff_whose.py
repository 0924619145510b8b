"""Whose a change is, for each field: by what was last applied, and never guessed."""

from dataclasses import replace
from typing import Any

import pytest

from reconciler.diff.whose import attributed
from reconciler.model import (
    Assignment,
    Callback,
    CallbackEvent,
    Change,
    ChangedIn,
    DesiredStatus,
    DistributionList,
    LivePackage,
    Membership,
    Override,
    PackageById,
    Reason,
    SchedulePhase,
    Secret,
    Window,
)
from reconciler.providers.base import Field, FieldFacts
from reconciler.state.applied import packages_value, window_value
from reconciler.state.declared import members_count, members_value, text_value
from tests.diff.diff_parts import Side, live, view
from tests.fakes import NOW, PULSE, Project, campaign, desired, file, rid
from tests.memory_provider import FACTS, MemoryCampaign, MemoryServer

GIT, SERVER, BOTH, NEVER = ChangedIn
LINE = rid("line")
STARTED, STOPPED = DesiredStatus.STARTED, DesiredStatus.STOPPED
ONE, TWO = PackageById("p-1"), PackageById("p-2")
DAY = Window(NOW - 5, NOW + 5)

FIELDS: dict[str, tuple[Any, Any, dict[str, Any]]] = {
    # field of the campaign: what is declared first, and then; what somebody makes of it on the server
    "name": ("line", "line 2", {"name": "theirs"}),
    "description": ("one", "two", {"description": "theirs"}),
    "packages": ((ONE,), (TWO,), {"packages": ("p-3",)}),
    "gateways": (frozenset("ab"), frozenset("abc"), {"gateways": {"a"}}),
    "distribution": (
        DistributionList("dl", 60),
        DistributionList("dl", 90),
        {"distribution": DistributionList("dl", 5)},
    ),
}
SETTINGS: dict[str, tuple[Any, Any, dict[str, Any]]] = {
    "settings": ({"level": "1"}, {"level": "2"}, {"settings": {"level": "9"}}),
    "callbacks": (
        {CallbackEvent.COMPLETED: Callback("one")},
        {CallbackEvent.COMPLETED: Callback("two")},
        {"callbacks": {CallbackEvent.COMPLETED: Callback("theirs")}},
    ),
}
ALL = [*((name, None) for name in FIELDS), *((name, FACTS) for name in SETTINGS)]


def project(facts: Any = None) -> Project:
    packages = [LivePackage(f"p-{number}", str(number)) for number in (1, 2, 3)]
    return Project(MemoryServer(packages=packages, facts=facts))


def applied(made: Project, **fields: Any) -> Project:
    assert not made.apply(made.make_plan(desired(line(**fields)))).failed
    return made


def line(**fields: Any) -> Any:
    return replace(campaign("line"), **fields)


def changed(made: Project, **fields: Any) -> list[tuple[ChangedIn | None, Any]]:
    options = {"adopt": True} if not made.state.campaigns else {}
    return [(each.changed_in, each.last) for each in changes(made, options, **fields)]


def changes(made: Project, options: Any = None, **fields: Any) -> tuple[Change, ...]:
    return made.make_plan(desired(line(**fields)), **(options or {})).changes


def by_hand(made: Project, **values: Any) -> None:
    [there] = made.server.by_id.values()
    for name, value in values.items():
        setattr(there, name, value)


def table(name: str) -> tuple[Any, Any, dict[str, Any]]:
    return {**FIELDS, **SETTINGS}[name]


@pytest.mark.parametrize(("name", "facts"), ALL)
def test_git(name: str, facts: Any) -> None:
    first, then, _ = table(name)
    assert changed(applied(project(facts), **{name: first}), **{name: then}) == [(GIT, None)]


@pytest.mark.parametrize(("name", "facts"), ALL)
def test_the_server(name: str, facts: Any) -> None:
    first, _, theirs = table(name)
    made = applied(project(facts), **{name: first})
    by_hand(made, **theirs)
    assert changed(made, **{name: first}) == [(SERVER, None)]


@pytest.mark.parametrize(("name", "facts"), ALL)
def test_both_with_what_was_last_applied(name: str, facts: Any) -> None:
    first, then, theirs = table(name)
    made = applied(project(facts), **{name: first})
    by_hand(made, **theirs)
    found = changed(made, **{name: then})
    if name == "distribution":
        assert found == [(BOTH, {"distributionListId": "dl", "reevaluationIntervalSeconds": 60})]
    else:
        last = {"packages": ["p-1"], "gateways": 2, "callbacks": {"notificationDestinationId": "one"}}
        known = {"settings": "1", **last}.get(name, first)
        assert found == [(BOTH, known)]


@pytest.mark.parametrize(("name", "facts"), ALL)
def test_never_where_it_is_still_to_be_created(name: str, facts: Any) -> None:
    first, _, _ = table(name)
    assert {who for who, _ in changed(project(facts), **{name: first})} == {NEVER}


@pytest.mark.parametrize(("name", "facts"), ALL)
def test_declared_for_the_first_time_it_is_gits(name: str, facts: Any) -> None:
    first, _, theirs = table(name)
    if name == "name":
        return
    made = applied(project(facts), gateways=frozenset("z") if name != "gateways" else None)
    by_hand(made, **theirs)
    found = changed(made, **{"gateways": frozenset("z"), name: first})
    assert {who for who, _ in found} == {GIT}


@pytest.mark.parametrize("name", FIELDS)
def test_a_state_of_old_tells_nothing(name: str) -> None:
    first, then, _ = table(name)
    made = applied(project(), **{name: first})
    made.state = replace(made.state, campaigns={LINE: replace(made.state.campaigns[LINE], declared={})})
    assert changed(made, **{name: then}) == [(None, None)]


@pytest.mark.parametrize("name", FIELDS)
def test_a_state_of_old_learns_without_a_word(name: str) -> None:
    """An apply that sends nothing is enough."""
    first, _, theirs = table(name)
    made = applied(project(), **{name: first})
    known = made.state
    made.state = replace(known, campaigns={LINE: replace(known.campaigns[LINE], declared={})})
    plan = made.make_plan(desired(line(**{name: first})))
    assert (plan.empty, plan.records, plan.findings) == (True, (), ())
    made.apply(plan)
    assert made.state.campaigns[LINE].declared == known.campaigns[LINE].declared
    assert not made.make_plan(desired(line(**{name: first}))).declares
    by_hand(made, **theirs)
    assert changed(made, **{name: first}) == [(SERVER, None)]


def test_who_is_closed_was_never_a_member() -> None:
    """Neither declared so, nor by the server, which still lists them."""
    made = applied(project(), gateways=frozenset("abc"))
    applied(made, gateways=frozenset("abc"), closed=frozenset("c"))
    [there] = made.server.by_id.values()
    assert (there.gateways, there.closed) == (set("abc"), {"c"})
    joined = {"gateways": frozenset("abcd"), "closed": frozenset("c")}
    assert changed(made, **joined) == [(GIT, None)]
    by_hand(made, gateways=set("ac"))
    assert changed(made, **joined) == [(BOTH, 2)]
    assert changed(made, gateways=frozenset("abc"), closed=frozenset("c")) == [(SERVER, None)]


def test_what_is_gone_from_the_server_was_changed_there() -> None:
    made = applied(project(), description="one", packages=(ONE,))
    made.server.by_id.clear()
    assert {who for who, _ in changed(made, description="one", packages=(ONE,))} == {SERVER}


def test_what_is_removed_from_git() -> None:
    made = applied(project(), packages=(file("v1"),))
    plan = made.make_plan(desired(), prune=True)
    assert [each.changed_in for each in plan.changes] == [GIT, GIT]


def test_what_is_adopted_was_never_applied() -> None:
    made = project()
    made.server.by_id["7"] = MemoryCampaign("7", "line", description="theirs")
    found = changed(made, description="ours")
    assert found == [(NEVER, None)]


def test_an_upload() -> None:
    firmware = file("v1")
    made = project()
    [upload, *_] = changes(made, packages=(firmware,))
    assert upload.changed_in is NEVER
    applied(made, packages=(firmware,))
    made.server.stored.clear()
    by_hand(made, packages=())
    assert changes(made, packages=(firmware,))[0].changed_in is SERVER


@pytest.mark.parametrize(
    ("met", "wish", "status", "options", "expected"),
    [
        (STARTED, STARTED, "STOPPED", {"resume": True}, (SERVER, None)),
        (STARTED, STOPPED, "STARTED", {}, (GIT, None)),
        (STOPPED, STOPPED, "STARTED", {}, (SERVER, None)),
        (STOPPED, STARTED, "STOPPED", {}, (GIT, None)),
        (None, STARTED, "CREATED", {}, (GIT, None)),
        (STARTED, STARTED, "APPROVED", {}, (SERVER, None)),
    ],
)
def test_the_status(met: Any, wish: Any, status: str, options: Any, expected: Any) -> None:
    made = applied(project(), status=met)
    by_hand(made, status=status)
    assert [(each.changed_in, each.last) for each in changes(made, options, status=wish)] == [expected]


def test_settings_that_can_not_be_read_are_gits() -> None:
    made = applied(project(), settings={"a": "1", "b": Secret("env", "x")})
    found = changes(made, settings={"a": "2", "b": Secret("env", "y"), "c": "3"})
    assert [each.changed_in for each in found] == [GIT] * 3
    [again] = changes(made, {"reassert": True}, settings={"a": "1"})[:1]
    assert again.changed_in is None, "it is only sent again"


def test_who_changed_it_last_is_said_of_what_was_changed_on_the_server() -> None:
    """Of gateways it isn't: that they come and go is no change of the campaign to the server."""
    made = applied(project(), description="one", packages=(ONE,), gateways=frozenset("ab"))
    by_hand(made, description="theirs", gateways={"a"}, modified_by="erin")
    found = changes(made, description="one", packages=(TWO,), gateways=frozenset("ab"))
    assert {each.field: (each.changed_in, each.by) for each in found} == {
        "description": (SERVER, "erin"),
        "packages": (GIT, None),
        "gateways": (SERVER, None),
    }
    [both] = changes(made, description="two", gateways=frozenset("a"))[:1]
    assert (both.changed_in, both.by) == (BOTH, "erin")


def test_a_setting_that_somebody_added_is_the_servers_and_one_that_git_adds_is_gits() -> None:
    made = applied(project(FACTS), settings={"a": "1"})
    by_hand(made, settings={"a": "1", "theirs": "2"})
    assert changed(made, settings={"a": "1"}) == [(SERVER, None)]
    assert changed(made, settings={"a": "1", "theirs": "3"}) == [(GIT, None)]
    by_hand(made, settings={"a": "1"})
    assert changed(made, settings={"a": "1", "ours": "3"}) == [(GIT, None)]


def test_a_callback_that_somebody_added_is_the_servers_and_one_that_git_adds_is_gits() -> None:
    made = applied(project(FACTS), callbacks={})
    theirs, ours = ({CallbackEvent.COMPLETED: Callback(name)} for name in ("theirs", "ours"))
    assert changed(made, callbacks=ours) == [(GIT, None)]
    by_hand(made, callbacks=theirs)
    assert changed(made, callbacks={}) == [(SERVER, None)]
    assert changed(made, callbacks=ours) == [(GIT, None)]


def test_secrets_that_can_be_read() -> None:
    made = applied(project(FACTS), settings={"key": Secret("env", "x")})
    by_hand(made, settings={"key": "stolen"})
    assert changed(made, settings={"key": Secret("env", "x")}) == [(SERVER, None)]
    [found] = changes(made, settings={"key": Secret("env", "y")})
    assert (found.changed_in, found.last) == (BOTH, {"secret": "as last applied"})


def test_overrides_are_told_apart_by_gateway() -> None:
    both = {"gateways": frozenset("abcd"), "packages": (ONE,)}
    made = applied(project(), **both, overrides=(Override(frozenset("ab"), (TWO,)),))
    [there] = made.server.by_id.values()
    there.overrides["a"] = ("p-3",)
    wanted = (Override(frozenset("abc"), (TWO,)),)
    found = {each.members: each.changed_in for each in changes(made, **both, overrides=wanted)}
    assert found == {("a",): SERVER, ("c",): GIT}
    [dropped, other] = sorted(changes(made, **both, overrides=()), key=lambda each: each.members)
    assert (dropped.members, dropped.changed_in, dropped.last) == (("a",), BOTH, ["p-2"])
    assert (other.members, other.changed_in) == (("b",), GIT)


def test_the_order_of_an_overrides_packages_is_nobodys_change() -> None:
    ids = [f"p-{number}" for number in range(1, 10)]
    server = MemoryServer(packages=[LivePackage(key, key) for key in ids])
    both = {"gateways": frozenset("ab"), "packages": (ONE,)}
    many = tuple(map(PackageById, reversed(ids)))
    made = applied(Project(server), **both, overrides=(Override(frozenset("ab"), many),))
    [there] = server.by_id.values()
    there.overrides["a"] = tuple(ids[3:] + ids[:3])
    [found] = changes(made, **both, overrides=(Override(frozenset("ab"), (TWO,)),))
    assert (found.members, found.changed_in, found.last) == (("a", "b"), GIT, None)
    [found] = changes(made, **both, overrides=())
    assert (found.members, found.changed_in, found.last) == (("a", "b"), GIT, None)
    there.overrides["b"] = tuple(ids[1:])
    assert [each.changed_in for each in changes(made, **both, overrides=())] == [GIT, BOTH]


def test_windows_follow_git_or_who_came_back() -> None:
    later = Window(NOW, NOW + 9)
    both = {"gateways": frozenset("ab"), "schedules": (Assignment({SchedulePhase.DOWNLOAD: DAY}),)}
    made = applied(project(), **both)
    anew = (Assignment({SchedulePhase.DOWNLOAD: later}),)
    assert changed(made, **{**both, "schedules": anew}) == [(GIT, None)]
    by_hand(made, gateways={"a"})
    assert changed(made, **both) == [(SERVER, None), (SERVER, None)]
    assert window_value(DAY) in made.state.campaigns[LINE].members["schedules.download"]


WINDOWS: dict[str, tuple[str | None, str | None, str, tuple[ChangedIn | None, Any]]] = {
    # what was last applied, what the server has, what Git wants → whose it is
    "Git has another": ("1/2", "1/2", "3/4", (GIT, None)),
    "the server has another": ("1/2", "5/6", "1/2", (SERVER, None)),
    "the server has none": ("1/2", None, "1/2", (SERVER, None)),
    "both have another": ("1/2", "5/6", "3/4", (BOTH, {"begin": 1, "end": 2})),
    "it was never applied": (None, "5/6", "3/4", (GIT, None)),
}


@pytest.mark.parametrize("row", WINDOWS)
def test_windows_that_can_be_read(row: str) -> None:
    last, there, wanted, whose = WINDOWS[row]
    field, nobody = "schedules.download", frozenset[str]()
    values = {field: {there: frozenset("a")} if there else {"7/8": nobody}}
    members = Membership({"idle": frozenset("a")}, values=values)
    side = Side(
        recorded={field: {last: "a"} if last else {}}, live=replace(live("a"), gateways=members), members="a"
    )
    seen = view(side)
    readable = replace(PULSE, fields={**PULSE.fields, Field.SCHEDULES: FieldFacts()})
    seen = replace(seen, ask=replace(seen.ask, facts=readable))
    begin, _, end = wanted.partition("/")
    after = {"begin": int(begin), "end": int(end)}
    change = Change(LINE, field, None, after, Reason.DIFFERS, members=("a",))
    [found] = attributed(seen, [change], None, gone=False)
    assert (found.changed_in, found.last) == whose


def test_what_the_server_keeps_otherwise_is_no_change_of_its() -> None:
    made = applied(project(), description=" one")
    owned = made.state.campaigns[LINE]
    made.state = replace(made.state, campaigns={LINE: replace(owned, kept={"description": "one"})})
    by_hand(made, description="one")
    assert changed(made, description=" one") == []
    assert changed(made, description="two") == [(GIT, None)]
    by_hand(made, description="three")
    assert changed(made, description="two") == [(BOTH, " one")]


def test_overrides_that_the_server_keeps_otherwise_are_no_change_of_its() -> None:
    both = {"gateways": frozenset("ab"), "packages": (ONE,)}
    made = applied(project(), **both, overrides=(Override(frozenset("ab"), (TWO,)),))
    owned = made.state.campaigns[LINE]
    kept = {"packageOverrides": {packages_value(["p-2"]): ["p-3"]}}
    made.state = replace(made.state, campaigns={LINE: replace(owned, kept=kept)})
    by_hand(made, overrides={"a": ("p-3",), "b": ("p-1",)})
    found = [
        (each.members, each.changed_in)
        for each in changes(made, **both, overrides=(Override(frozenset("ab"), (ONE,)),))
    ]
    assert found == [(("a",), GIT)]


@pytest.mark.parametrize("name", [name for name in FIELDS if name != "gateways"])
def test_who_changed_it_on_the_server_where_that_is_told(name: str) -> None:
    first, then, theirs = table(name)
    made = applied(project(), **{name: first})
    assert [each.by for each in changes(made, **{name: then})] == [None]
    by_hand(made, **theirs, modified_by="anna")
    assert [each.by for each in changes(made, **{name: first})] == ["anna"]
    assert [each.by for each in changes(made, **{name: then})] == ["anna"]


def test_closed_gateways_and_those_of_a_distribution_list() -> None:
    closing = {"gateways": frozenset("abc"), "closed": frozenset("c")}
    made = applied(project(), **closing)
    assert changed(made, **closing) == []
    by_hand(made, gateways=set("a"))
    assert changed(made, **closing) == [(SERVER, None)]
    shared = {"gateways": frozenset("ab"), "distribution": DistributionList("dl", 60)}
    made = applied(project(), **shared)
    by_hand(made, gateways=set("axyz"))
    assert changed(made, **shared) == [(SERVER, None)]
    assert changed(made, **{**shared, "gateways": frozenset("ac")})[0] == (GIT, None)


def test_a_run_that_was_killed_leaves_no_stale_membership() -> None:
    """As many gateways as before, and others: the digest is made anew."""
    made = applied(project(), gateways=frozenset("ab"))
    plan = made.make_plan(desired(line(gateways=frozenset("bc"))))
    made.apply(replace(plan, groups=plan.groups[:1], declares=plan.declares))
    unknown = {**made.state.campaigns[LINE].declared, "gateways": None}
    owned = replace(made.state.campaigns[LINE], declared=unknown)
    made.state = replace(made.state, campaigns={LINE: owned})
    by_hand(made, gateways=set("bc"))
    made.apply(made.make_plan(desired(line(gateways=frozenset("bc")))))
    assert made.state.campaigns[LINE].declared["gateways"] == members_value("bc")


def test_values_are_small() -> None:
    assert text_value("x" * 1_000) == "x" * 1_000
    long = text_value("x" * 1_001)
    assert isinstance(long, dict)
    assert long["length"] == 1_001
    assert long != text_value("y" * 1_001)
    many = members_value([f"gw-{number}" for number in range(100_000)])
    assert members_count(many) == 100_000
    assert len(repr(many)) < 120
    assert members_value(["b", "a"]) == members_value(["a", "b"])
    assert members_count(None) is None


@pytest.mark.parametrize(
    ("declared", "there", "expected"),
    [(False, False, BOTH), (False, True, GIT), (True, False, GIT), (True, True, GIT)],
)
def test_where_a_list_lets_others_in_nobody_tells_who_came_by_hand(
    declared: bool, there: bool, expected: ChangedIn
) -> None:
    listed = DistributionList("dl", 60)
    more = {"distribution": listed} if declared else {}
    made = applied(project(), gateways=frozenset("ab"), **more)
    by_hand(made, gateways={"a", "z"}, distribution=listed if there else None)
    found = changes(made, gateways=frozenset("abc"), **more)
    [membership] = (each for each in found if each.field == Field.GATEWAYS)
    assert membership.changed_in is expected


def test_of_how_gateways_get_their_packages_nobody_knows_whose_it_is() -> None:
    seen = view(Side())
    change = Change(LINE, "delivery", {"force": "always"}, {"force": "never"}, Reason.DIFFERS)
    assert attributed(seen, [change], None, gone=False) == (change,)
    adopting = replace(seen, adopting=True)
    assert attributed(adopting, [change], None, gone=False) == (replace(change, changed_in=NEVER),)
