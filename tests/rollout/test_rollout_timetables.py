"""The next window of a calendar over both changes of summer time, in five zones: found once, and kept."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from reconciler.model import (
    Assignment,
    Calendar,
    Claim,
    DailyWindow,
    Desired,
    DesiredCampaign,
    Live,
    LiveCampaign,
    Membership,
    NextWindow,
    Ownership,
    Phase,
    Place,
    SchedulePhase,
    Window,
)
from reconciler.rollout.timetables import timed
from reconciler.state.applied import schedule_field, window_value
from reconciler.state.base import Origin, Owned, State
from tests.fakes import PULSE, rid

LINE = rid("line")
PLACE = Place("a.yaml", 1, 1)
HOUR = 3_600_000
ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/St_Johns", "Africa/Casablanca")
NIGHTS = Calendar("nights", "gateway", (DailyWindow(22 * 60, 4 * 60),))
PHASE = SchedulePhase.ACTIVATION


def changes(zone: str, year: int) -> Iterator[datetime]:
    """Instants at which clocks of `zone` change in `year`, to the hour."""
    at = datetime(year, 1, 1, tzinfo=UTC)
    while at.year == year:
        following = at + timedelta(hours=1)
        if at.astimezone(ZoneInfo(zone)).utcoffset() != following.astimezone(ZoneInfo(zone)).utcoffset():
            yield following
        at = following


def look(wish: NextWindow, zone: str, now: int, having: Window | None) -> Window | None:
    """The window that the one gateway of a campaign is to have, which got `having`."""
    campaign = DesiredCampaign(
        LINE,
        "line",
        PLACE,
        gateways=frozenset({"gw"}),
        schedules=(Assignment({}, None, PLACE, calendars={PHASE: wish}),),
        zones={zone: frozenset({"gw"})},
    )
    members = Membership({"INSTANTIATED": frozenset({"gw"})})
    there = LiveCampaign("1", "line", "STARTED", Phase.RUNNING, None, (), gateways=members)
    recorded = {} if having is None else {schedule_field(PHASE): {window_value(having): frozenset({"gw"})}}
    owned = Owned(LINE, "1", Origin.CREATED, members=recorded)
    state = State("lineage", "0" * 32, campaigns={LINE: owned})
    live = Live(campaigns={LINE: there}, claims={LINE: Claim(Ownership.OWNED, ("1",))})
    found = timed(Desired((campaign,)), live, state, PULSE, now)
    assignments = found.desired.campaigns[0].schedules or ()
    if not assignments:
        assert [each.code for each in found.findings] == ["never-open"]
        return None
    [assignment] = assignments
    assert (assignment.gateways, assignment.timezone) == (frozenset({"gw"}), zone)
    return assignment.windows[PHASE]


@pytest.mark.parametrize("zone", ZONES)
def test_a_window_is_kept_until_it_ends_over_every_change_of_clocks(zone: str) -> None:
    wish = NextWindow(NIGHTS, HOUR)
    seen = 0
    for change in changes(zone, 2027):
        begin = int((change - timedelta(days=2)).timestamp() * 1000)
        having: Window | None = None
        for step in range(4 * 24 * 4):  # each quarter of an hour for four days
            now = begin + step * HOUR // 4
            found = look(wish, zone, now, having)
            assert found is not None
            if having is not None and now < having.end:
                assert found == having, "nothing is sent for what isn't over"
            else:
                assert found.end - max(found.begin, now) >= HOUR
                seen += 1
            wall = [datetime.fromtimestamp(each / 1000, ZoneInfo(zone)) for each in (found.begin, found.end)]
            assert [f"{each:%H:%M}" for each in wall] == ["22:00", "04:00"]
            having = found
    assert seen >= 10


def test_nothing_is_to_come_of_a_calendar_that_never_opens_long_enough() -> None:
    assert look(NextWindow(NIGHTS, 30 * HOUR), "Europe/Berlin", 1_800_000_000_000, None) is None
    assert look(NextWindow(NIGHTS, 7 * HOUR), "Europe/Berlin", 1_800_000_000_000, None) is not None, (
        "the night of autumn is so long"
    )
