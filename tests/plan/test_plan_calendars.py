"""What a closed calendar holds back of one campaign, part by part; and what a waiver says."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from reconciler.diff import CampaignDiff, Diff, Run, Transition
from reconciler.diff.model import Former
from reconciler.diff.overrides import PackagesFor
from reconciler.diff.schedules import WindowFor
from reconciler.model import (
    Calendar,
    CampaignFields,
    Change,
    DailyWindow,
    DesiredRollout,
    DistributionList,
    GatewayChange,
    LiveCampaign,
    Membership,
    OneFreeze,
    Phase,
    Reason,
    ResourceId,
    SchedulePhase,
    StepGroup,
    Verb,
    Window,
)
from reconciler.plan.calendars import closing, held_back, waived, without_calendars
from reconciler.plan.model import GuardTrip, HeldBack, Plan
from reconciler.providers.base import Field
from tests.actions import action
from tests.fakes import NOW, PULSE, campaign, desired, rid
from tests.memory_provider import SERVER

HOUR = 3_600_000
LINE = rid("line")
DIFFERS = Reason.DIFFERS
NIGHTS = Calendar("nights", "UTC", (DailyWindow(22 * 60, 4 * 60),))
"""`NOW` is a Friday, 08:00 UTC: it opens in 14 hours."""
EVENINGS = Calendar("evenings", "gateway", (DailyWindow(20 * 60, 23 * 60),))
"""At `NOW` it is 21:00 in Auckland, and there it closes in 2 hours; in UTC it opens in 12."""
DAYS = Calendar("days", "UTC", (DailyWindow(6 * 60, 18 * 60),))
ZONES = {"Pacific/Auckland": frozenset("ab"), "UTC": frozenset("cd")}
ROLLOUT = DesiredRollout("careful", (), "seed")
PACKAGES = ("p-1",)
ADD, OVERRIDE, SCHEDULE, THINGS = Verb.ADD.value, Verb.OVERRIDE.value, Verb.SCHEDULE.value, Verb.THINGS.value
EDIT, START, APPROVE, DISTRIBUTE = (
    Verb.EDIT.value,
    Verb.START.value,
    Verb.APPROVE.value,
    Verb.DISTRIBUTE.value,
)


def change(name: str, members: str = "", *, moved: GatewayChange | None = None) -> Change:
    return Change(LINE, name, "was", "is", DIFFERS, moved, tuple(members))


INSIDE = {"INSTANTIATED": "abcd"}


def live(
    phase: Phase = Phase.READY, states: Mapping[str, str] | None = None, closed: str = ""
) -> LiveCampaign:
    """`states`: state → its gateways."""
    inside = {state: frozenset(ids) for state, ids in (INSIDE if states is None else states).items()}
    return LiveCampaign("1", "old", phase.value, phase, gateways=Membership(inside, frozenset(closed)))


def differing(
    calendar: Calendar = NIGHTS, *more: Calendar, rollout: bool = False, **values: Any
) -> CampaignDiff:
    zones = ZONES if any(each.of_gateways for each in (calendar, *more)) else {}
    wanted = campaign("line", calendars=(calendar, *more), zones=zones, rollout=ROLLOUT if rollout else None)
    values.setdefault("live", live())
    return CampaignDiff(wanted, fields=CampaignFields("line", "", PACKAGES), **values)


def sifted(found: CampaignDiff, now: int = NOW) -> tuple[CampaignDiff, HeldBack | None]:
    told = held_back(Diff((found,), changes=found.changes), PULSE, now)
    (left,) = told.difference.campaigns
    assert told.difference.changes == left.changes
    return left, told.waits[0] if told.waits else None


JOINING = change("gateways", moved=GatewayChange(4, 6, ("e", "f"), ()))
WINDOWS = (WindowFor(SchedulePhase.DOWNLOAD, Window(1, 2), ("a", "c"), DIFFERS),)
OVERRIDES = (PackagesFor(PACKAGES, ("b", "d"), DIFFERS),)
STARTS, STOPS = Transition(Run.START, DIFFERS), Transition(Run.STOP, DIFFERS)
CLOSES = Transition(Run.START, Reason.FINISH_INTERRUPTED)

HELD: Mapping[str, tuple[dict[str, Any], tuple[str, ...], int, dict[str, Any]]] = {
    "who joins": (
        {"gained": ("e", "f"), "changes": (JOINING,), "declares": {"gateways": "x", "name": "line"}},
        (ADD,),
        2,
        {"gained": (), "changes": (), "declares": {"name": "line"}},
    ),
    "who joins, and not who leaves": (
        {
            "gained": ("e",),
            "lost": ("a",),
            "changes": (change("gateways", moved=GatewayChange(4, 4, ("e",), ("a",))),),
        },
        (ADD,),
        1,
        {"gained": (), "changes": (change("gateways", moved=GatewayChange(4, 3, (), ("a",))),)},
    ),
    "windows": (
        {"schedules": WINDOWS, "changes": (change("schedules.download", "ac"),)},
        (SCHEDULE,),
        2,
        {"schedules": (), "changes": ()},
    ),
    "packages of single ones": (
        {"overrides": OVERRIDES, "changes": (change(Field.OVERRIDES, "bd"),)},
        (OVERRIDE,),
        2,
        {"overrides": (), "changes": ()},
    ),
    "things": (
        {"things": {"a": ("plc",)}, "changes": (change(Field.THINGS, "a"),)},
        (THINGS,),
        1,
        {"things": {}, "changes": ()},
    ),
    "each gateway is counted once": (
        {"gained": ("a", "b"), "schedules": WINDOWS, "overrides": OVERRIDES, "things": {"a": ("plc",)}},
        (ADD, OVERRIDE, SCHEDULE, THINGS),
        4,
        {"gained": (), "schedules": (), "overrides": (), "things": {}},
    ),
    "the distribution list": (
        {
            "distribution": DistributionList("d"),
            "changes": (change(Field.DISTRIBUTION), change("callbackSet.completed")),
            "declares": {Field.DISTRIBUTION.value: "d", "name": "line"},
        },
        (DISTRIBUTE,),
        0,
        {
            "distribution": None,
            "changes": (change("callbackSet.completed"),),
            "declares": {"name": "line"},
        },
    ),
    "an approval": (
        {"transition": Transition(approve=True), "changes": (change("status"),)},
        (APPROVE,),
        0,
        {"transition": Transition(), "changes": ()},
    ),
    "a start": (
        {
            "transition": STARTS,
            "changes": (change("status"),),
            "declares": {"status": "STARTED", "name": "n"},
        },
        (START,),
        0,
        {"transition": Transition(), "changes": (), "declares": {"name": "n"}},
    ),
    "an approval and a start": (
        {"transition": replace(STARTS, approve=True)},
        (APPROVE, START),
        0,
        {"transition": Transition()},
    ),
    "an approval, but no stop": (
        {"transition": replace(STOPS, approve=True), "changes": (change("status"),)},
        (APPROVE,),
        0,
        {"transition": STOPS},
    ),
    "other packages": (
        {
            "edit": True,
            "changes": (change("packages"), change("callbackSet.completed")),
            "declares": {"packages": "p", "name": "n"},
        },
        (EDIT,),
        0,
        {
            "edit": False,
            "fields": CampaignFields("line", "", None),
            "changes": (change("callbackSet.completed"),),
            "declares": {"name": "n"},
        },
    ),
    "other packages, but not the words": (
        {"edit": True, "changes": (change("packages"), change("description"))},
        (EDIT,),
        0,
        {"fields": CampaignFields("line", "", None), "changes": (change("description"),)},
    ),
    "who joins gets the new packages": (
        {"edit": True, "gained": ("e",), "changes": (change("packages"),)},
        (EDIT, ADD),
        1,
        {"edit": False, "gained": (), "fields": CampaignFields("line", "", None), "changes": ()},
    ),
    "an edit that interrupts": (
        {
            "live": live(Phase.RUNNING),
            "edit": True,
            "changes": (change("description"), change("settings.a"), change(Field.CLOSED, "a")),
            "declares": {"description": "d", Field.CLOSED.value: "c"},
        },
        (EDIT,),
        0,
        {
            "edit": False,
            "fields": CampaignFields("line", "", None),
            "changes": (change(Field.CLOSED, "a"),),
            "declares": {Field.CLOSED.value: "c"},
        },
    ),
}


@pytest.mark.parametrize("case", HELD)
def test_what_waits_while_it_is_closed(case: str) -> None:
    values, what, gateways, left = HELD[case]
    found = differing(**values)
    kept, wait = sifted(found)
    assert kept == replace(found, **left)
    assert kept.declares == left.get("declares", found.declares)
    assert wait == HeldBack(LINE, what, gateways, NOW + 14 * HOUR, ("nights",), None)
    for calendars in ((), (DAYS,)):
        free = replace(found, desired=replace(found.desired, calendars=calendars))
        assert sifted(free) == (free, None)


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"transition": STOPS, "changes": (change("status"),)},
        {"transition": CLOSES, "changes": (change("status"),)},
        {"transition": CLOSES, "formers": (Former("0", None, True), Former("9", None, True))},
        {"lost": ("a",), "changes": (change("gateways", moved=GatewayChange(4, 3, (), ("a",))),)},
        {"closes": ("a",), "changes": (change(Field.CLOSED, "a"),)},
        {"callbacks": ("c",), "changes": (change("callbackSet.completed"),)},
        {"edit": True, "changes": (change("description"),)},
        {"edit": True, "live": live(Phase.PAUSED), "changes": (change("settings.a"),)},
        {"edit": True, "live": None, "changes": (change("description"),)},
        # Nothing that runs has to be stopped for it.
        *(
            {"edit": True, "live": live(phase), "changes": (change("description"),)}
            for phase in Phase
            if phase is not Phase.RUNNING
        ),
    ],
)
def test_what_makes_no_device_begin_goes_out(values: dict[str, Any]) -> None:
    found = differing(**values)
    assert sifted(found) == (found, None)


def test_of_an_earlier_revision_nothing_waits() -> None:
    """Whom its rollout releases has waited already, and nobody else moves."""
    found = differing(
        gained=("e",),
        overrides=OVERRIDES,
        schedules=WINDOWS,
        edit=True,
        transition=STARTS,
        changes=(JOINING,),
    )
    assert sifted(found)[1] is not None
    revised = replace(found, desired=replace(found.desired, revised=True))
    assert sifted(revised) == (revised, None)


@pytest.mark.parametrize(
    ("ended", "waits"), [((), False), ((True,), False), ((False,), True), ((True, False), True)]
)
def test_a_start_that_takes_over_from_a_predecessor_closes_no_bracket(
    ended: tuple[bool, ...], waits: bool
) -> None:
    formers = tuple(Former(str(at), None, each) for at, each in enumerate(ended))
    found = differing(transition=CLOSES, formers=formers, changes=(change("status"),))
    left, wait = sifted(found)
    assert (wait is not None) is waits
    assert left.transition.run is (Run.KEEP if waits else Run.START)


# --- a successor ----------------------------------------------------------------------------------------


def replaced(**values: Any) -> CampaignDiff:
    successor = CampaignDiff(campaign("line"), None, CampaignFields("line"))
    everything: dict[str, Any] = {
        "successor": successor,
        "replaced": (Field.PACKAGES,),
        "starts": True,
        "keeps_name": True,
        "edit": True,
        "gained": ("e",),
        "lost": ("a",),
        "distribution": DistributionList("d"),
        "callbacks": ("c",),
        "overrides": OVERRIDES,
        "schedules": WINDOWS,
        "things": {"a": ("plc",)},
        "closes": ("b",),
        "changes": (change("packages"), change("status"), JOINING),
        "declares": {"packages": "p"},
    }
    return differing(**(everything | values))


@pytest.mark.parametrize(
    ("transition", "left", "changes"),
    [
        (STARTS, Transition(), ()),
        (replace(STARTS, approve=True), Transition(), ()),
        (replace(STARTS, held=True), Transition(held=True), ()),
        (Transition(approve=True), Transition(), ()),
        (STOPS, STOPS, (change("status"),)),
        (replace(STOPS, approve=True), STOPS, (change("status"),)),
        (CLOSES, CLOSES, (change("status"),)),
    ],
)
def test_a_successor_waits_with_all_that_belongs_to_it(
    transition: Transition, left: Transition, changes: tuple[Change, ...]
) -> None:
    found = replaced(transition=transition)
    kept, wait = sifted(found)
    assert kept == CampaignDiff(found.desired, found.live, found.fields, changes=changes, transition=left)
    assert kept.declares == {}
    assert wait == HeldBack(LINE, ("replace",), 0, NOW + 14 * HOUR, ("nights",))


def test_a_successor_goes_where_it_is_open_for_all_who_are_in_and_single_ones_where_it_is_for_them() -> None:
    inside = live(states={"INSTANTIATED": "a"})
    found = replaced(live=inside, gained=("b",), lost=())
    found = replace(found, desired=replace(found.desired, calendars=(EVENINGS,), zones=ZONES))
    kept, wait = sifted(found)
    assert kept.successor == found.successor
    assert wait == HeldBack(LINE, (OVERRIDE, SCHEDULE), 2, NOW + 12 * HOUR, ("evenings",))
    joined = replace(found, gained=("c",))
    assert sifted(joined)[0].successor is None


# --- each in its own zone -------------------------------------------------------------------------------


def test_each_gateway_has_its_own_hour() -> None:
    found = differing(
        EVENINGS,
        gained=("a", "c"),
        overrides=OVERRIDES,
        schedules=WINDOWS,
        things={"b": ("plc",), "d": ("plc",)},
        changes=(
            change("gateways", moved=GatewayChange(2, 4, ("a", "c"), ())),
            change("schedules.download", "ac"),
            change(Field.THINGS, "d"),
            change(Field.CLOSED, "cd"),
        ),
        declares={"gateways": "x", Field.THINGS.value: "y"},
    )
    left, wait = sifted(found)
    assert left == replace(
        found,
        gained=("a",),
        overrides=(replace(OVERRIDES[0], gateways=("b",)),),
        schedules=(replace(WINDOWS[0], gateways=("a",)),),
        things={"b": ("plc",)},
        changes=(
            change("gateways", moved=GatewayChange(2, 3, ("a",), ())),
            change("schedules.download", "a"),
            change(Field.CLOSED, "cd"),
        ),
    )
    assert left.declares == {Field.THINGS.value: "y"}
    assert wait == HeldBack(LINE, (ADD, OVERRIDE, SCHEDULE, THINGS), 2, NOW + 12 * HOUR, ("evenings",))


def test_where_all_who_join_may_the_membership_is_declared() -> None:
    found = differing(EVENINGS, gained=("a", "b"), things={"c": ("plc",)}, declares={"gateways": "x"})
    left, wait = sifted(found)
    assert (left.gained, left.declares, left.things) == (("a", "b"), {"gateways": "x"}, {})
    assert wait is not None
    assert wait.what == (THINGS,)


@pytest.mark.parametrize(
    ("inside", "values", "until"),
    [
        # for all who are in, once some have joined and others have left
        (live(states={"INSTANTIATED": "ab"}), {}, 0),
        (live(states={"INSTANTIATED": "abc"}), {}, None),
        (live(states={"INSTANTIATED": "c"}), {}, 12),
        (live(states={"INSTANTIATED": "ab"}, closed=""), {"gained": ("b",)}, 0),
        (live(states={"INSTANTIATED": "abc"}, closed="c"), {}, 0),
        (live(states={"INSTANTIATED": "abc"}), {"lost": ("c",)}, 0),
        # nobody has read who is in: all that may be
        (replace(live(), gateways=None), {}, None),
        # nobody is in: where it is open for all zones
        (live(states={}), {}, 12),
        (None, {}, 12),
        (None, {"gained": ("a", "c")}, 12),
        (None, {"gained": ("a",)}, 0),
    ],
)
@pytest.mark.parametrize("part", ["packages", "list", "start"])
def test_what_is_for_all_goes_where_it_is_open_for_all_who_are_in(
    part: str, inside: LiveCampaign | None, values: dict[str, Any], until: int | None
) -> None:
    about: Mapping[str, dict[str, Any]] = {
        "packages": {"edit": True, "changes": (change("packages"),)},
        "list": {"distribution": DistributionList("d")},
        "start": {"transition": STARTS},
    }
    found = differing(EVENINGS, live=inside, **about[part], **values)
    left, wait = sifted(found)
    if until == 0:
        assert (left, wait) == (found, None)
    else:
        assert wait is not None
        assert wait.calendars == ("evenings",)
        assert wait.until == (until and NOW + until * HOUR)


@pytest.mark.parametrize(
    ("state", "waits"), [("INSTANTIATED", True), ("ACTIVATION_COMPLETE", False), ("FAILED", False)]
)
def test_a_start_is_for_those_who_are_not_done(state: str, waits: bool) -> None:
    found = differing(EVENINGS, live=live(states={"INSTANTIATED": "a", state: "c"}), transition=STARTS)
    if state == "INSTANTIATED":
        found = replace(found, live=live(states={state: "ac"}))
    assert (sifted(found)[1] is not None) is waits
    # Zones that are never open at once: nobody has anything to begin, so nothing waits for all of them.
    over = live(states={state: "ac"})
    assert (sifted(replace(found, live=over))[1] is not None) is waits
    approved = replace(found, live=over, transition=replace(STARTS, approve=True))
    assert sifted(approved)[1] is not None, "a person's word waits"
    listed = replace(found, transition=Transition(), distribution=DistributionList("d"))
    assert sifted(listed)[1] is not None, "the list is for all"


# --- a rollout says who joins ---------------------------------------------------------------------------


@pytest.mark.parametrize("rollout", [False, True])
@pytest.mark.parametrize("edited", ["", "packages", "description"])
def test_who_joins_a_rollout_joins(rollout: bool, edited: str) -> None:
    found = differing(
        rollout=rollout,
        live=live(Phase.RUNNING) if edited == "description" else live(),
        gained=("a", "e"),
        overrides=(PackagesFor(PACKAGES, ("b", "e"), DIFFERS),),
        edit=bool(edited),
        changes=(change(edited),) if edited else (),
    )
    left, wait = sifted(found)
    assert wait is not None
    assert left.gained == (("a", "e") if rollout else ())
    assert [each.gateways for each in left.overrides] == ([("e",)] if rollout else [])
    assert wait.what == ((EDIT,) if edited else ()) + (() if rollout else (ADD,)) + (OVERRIDE,)


def test_in_an_open_zone_the_others_of_a_rollout_get_theirs_too() -> None:
    found = differing(
        EVENINGS, rollout=True, gained=("c",), schedules=(replace(WINDOWS[0], gateways=("a", "c", "d")),)
    )
    left, wait = sifted(found)
    assert left.schedules[0].gateways == ("a", "c")
    assert wait is not None
    assert (wait.what, wait.gateways) == ((SCHEDULE,), 1)


# --- words ----------------------------------------------------------------------------------------------


def test_a_freeze_is_named_and_so_is_each_calendar_that_is_closed() -> None:
    frozen = Calendar("frozen", "UTC", None, (OneFreeze(NOW, NOW + HOUR, "audit"),))
    _, wait = sifted(differing(NIGHTS, Calendar("always", "UTC"), frozen, transition=STARTS))
    assert wait == HeldBack(LINE, (START,), 0, NOW + 14 * HOUR, ("nights", "frozen"), "audit")
    never = Calendar("never", "UTC", ())
    _, wait = sifted(differing(never, transition=STARTS))
    assert wait == HeldBack(LINE, (START,), 0, None, ("never",))


def test_it_waits_for_the_first_zone_that_opens() -> None:
    zones = {"UTC": frozenset("c"), "Europe/Helsinki": frozenset("d"), "Asia/Tokyo": frozenset("e")}
    found = differing(EVENINGS, gained=("c", "d"))
    found = replace(found, desired=replace(found.desired, zones=zones))
    _, wait = sifted(found)
    assert wait == HeldBack(LINE, (ADD,), 2, NOW + 10 * HOUR, ("evenings",))


# --- several campaigns ----------------------------------------------------------------------------------


def test_when_it_closes_is_known_of_each_campaign_that_a_calendar_is_open_for() -> None:
    other = CampaignDiff(campaign("other"), None, CampaignFields("other"))
    open_ = replace(differing(DAYS), desired=campaign("days", calendars=(DAYS,)))
    in_zones = replace(differing(EVENINGS), desired=campaign("zones", calendars=(EVENINGS,), zones=ZONES))
    told = held_back(Diff((other, open_, in_zones, differing(NIGHTS))), PULSE, NOW)
    assert told.until == {rid("days"): NOW + 10 * HOUR, rid("zones"): NOW + 2 * HOUR}
    assert (told.waits, told.difference.campaigns) == ((), (other, open_, in_zones, differing(NIGHTS)))
    waiting = held_back(Diff((open_, differing(NIGHTS, gained=("a",)))), PULSE, NOW)
    assert waiting.until == {rid("days"): NOW + 10 * HOUR}


def test_what_is_said_of_others_stays() -> None:
    found = differing(gained=("e",), changes=(JOINING, change("callbackSet.completed")))
    removed = replace(change("gateways"), resource=rid("removed"))
    told = held_back(Diff((found,), changes=(removed, *found.changes)), PULSE, NOW)
    assert told.difference.changes == (removed, change("callbackSet.completed"))


@pytest.mark.parametrize(
    ("edit", "waits"),
    [
        ({"live": live(Phase.RUNNING), "edit": True}, True),
        ({"live": live(Phase.READY), "edit": True}, False),
    ],
)
def test_nobody_takes_a_name_that_its_owner_has_to_keep(edit: dict[str, Any], waits: bool) -> None:
    owner = differing(changes=(change("name"),), **edit)
    taker = CampaignDiff(campaign("taker", "old"), None, CampaignFields("old"))
    namesake = CampaignDiff(campaign("namesake", "old"), live(), CampaignFields("old"))
    other = CampaignDiff(campaign("other"), None, CampaignFields("other"))
    told = held_back(Diff((owner, taker, namesake, other)), PULSE, NOW)
    kept = [found.desired.resource.name for found in told.difference.campaigns]
    assert kept == (["line", "namesake", "other"] if waits else ["line", "taker", "namesake", "other"])
    assert told.waits == (
        (
            HeldBack(LINE, (EDIT,), 0, NOW + 14 * HOUR, ("nights",), None),
            HeldBack(rid("taker"), ("create",), 0, None, (), None),
        )
        if waits
        else ()
    )


# --- the steps ------------------------------------------------------------------------------------------


def group(verb: Verb, resource: ResourceId = LINE, **values: Any) -> StepGroup:
    made = action(verb, resource, **values)
    return StepGroup(f"{verb.value}:{resource.name}", made, PULSE.lower(made).operation, 0)


RELEASES: list[tuple[Verb, dict[str, Any], bool, bool]] = [
    # verb, values, whether it reaches devices, whether it does where its campaign is stopped for it
    (Verb.ADD, {"gateways": ("a",)}, True, True),
    (Verb.APPROVE, {}, True, True),
    (Verb.DISTRIBUTE, {}, True, True),
    (Verb.OVERRIDE, {"gateways": ("a",)}, True, True),
    (Verb.SCHEDULE, {"gateways": ("a",)}, True, True),
    (Verb.THINGS, {"gateways": ("a",)}, True, True),
    (Verb.START, {}, True, True),
    (Verb.START, {"bracket": True}, False, False),
    (Verb.STOP, {}, False, False),
    (Verb.EDIT, {"fields": CampaignFields("line")}, False, True),
    (Verb.EDIT, {"fields": CampaignFields("line", "", PACKAGES)}, True, True),
    (Verb.CREATE, {}, False, False),
    (Verb.CREATE, {"replaces": "c-1"}, True, True),
    (Verb.REMOVE, {"gateways": ("a",)}, False, False),
    (Verb.CLOSE, {"gateways": ("a",)}, False, False),
    (Verb.CALLBACK, {}, False, False),
    (Verb.DELETE, {}, False, False),
]


@pytest.mark.parametrize(("verb", "values", "reaches", "interrupting"), RELEASES)
def test_what_reaches_devices_is_not_sent_once_it_has_closed(
    verb: Verb, values: dict[str, Any], reaches: bool, interrupting: bool
) -> None:
    one = group(verb, **values)
    assert closing([one], {LINE: NOW}) == (replace(one, not_after=NOW) if reaches else one,)
    assert closing([one], {rid("other"): NOW}) == (one,)
    stop = group(Verb.STOP, bracket=True)
    plain = group(Verb.STOP)
    elsewhere = group(Verb.STOP, rid("other"), bracket=True)
    expected = replace(one, not_after=NOW) if interrupting else one
    assert closing([stop, one], {LINE: NOW}) == (replace(stop, not_after=NOW), expected)
    without = replace(one, not_after=NOW) if reaches else one
    assert closing(iter([plain, elsewhere, one]), {LINE: NOW}) == (plain, elsewhere, without)


# --- a waiver -------------------------------------------------------------------------------------------


def test_a_waiver_says_how_many_calls_reach_devices() -> None:
    adds = replace(group(Verb.ADD, gateways=("a", "b", "c")), per_call=2)
    other = group(Verb.START, rid("other"))
    plan = Plan(SERVER, (adds, group(Verb.START), group(Verb.CALLBACK), other))
    wanted = desired(campaign("line", calendars=(NIGHTS, DAYS)), campaign("other"))
    assert list(waived(plan, wanted, NOW, "urgent")) == [
        GuardTrip(
            "calendar",
            "Campaign/line: 3 calls reach devices while the calendar nights is closed",
            LINE,
            3,
            0,
            "urgent",
        )
    ]
    never = Calendar("never", "UTC", ())
    wanted = desired(campaign("line", calendars=(NIGHTS, never)))
    (said,) = waived(plan, wanted, NOW, "urgent")
    assert said.message.endswith("while the calendars nights and never are closed")
    assert list(waived(plan, desired(campaign("line", calendars=(DAYS,))), NOW, "urgent")) == []
    nothing = Plan(SERVER, (group(Verb.CALLBACK), other))
    assert list(waived(nothing, wanted, NOW, "urgent")) == []


@pytest.mark.parametrize("own", [(), (DAYS,), (NIGHTS,), (DAYS, NIGHTS)])
def test_without_the_calendars_of_the_project_the_policys_own_stay(own: tuple[Calendar, ...]) -> None:
    rollout = replace(ROLLOUT, calendars=own)
    wanted = desired(campaign("line", calendars=(NIGHTS,), rollout=rollout), campaign("other"))
    left = without_calendars(wanted)
    assert [each.calendars for each in left.campaigns] == [(), ()]
    assert left.campaigns[0].rollout == replace(
        rollout, calendars=tuple(each for each in own if each is DAYS)
    )
    assert left.campaigns[1] == wanted.campaigns[1]


def test_where_nobody_is_in_it_it_waits_for_the_first_zone_that_opens() -> None:
    zones = {"UTC": frozenset("c"), "Europe/Helsinki": frozenset("d"), "Asia/Tokyo": frozenset("e")}
    found = differing(EVENINGS, live=None, transition=STARTS)
    _, wait = sifted(replace(found, desired=replace(found.desired, zones=zones)))
    assert wait == HeldBack(LINE, (START,), 0, NOW + 3 * HOUR, ("evenings",))
    everywhere = live(states={"INSTANTIATED": "cd"})
    _, wait = sifted(replace(found, live=everywhere, desired=replace(found.desired, zones=zones)))
    assert wait == HeldBack(LINE, (START,), 0, NOW + 12 * HOUR, ("evenings",)), "open for both at once"
