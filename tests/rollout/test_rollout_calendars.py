"""Windows and freezes, also over the changes of summer time."""

from datetime import UTC, datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.model import Calendar, DailyWindow, OneFreeze, Window, YearlyFreeze
from reconciler.rollout.calendars import DAY, opening, stretches, windows

BERLIN = ZoneInfo("Europe/Berlin")
ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Sao_Paulo", "Asia/Kolkata")


def at(text: str, zone: str = "UTC") -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp() * 1000)


def nightly(begin: str = "22:00", end: str = "04:00", days: str = "0123456") -> Calendar:
    return Calendar("nights", "Europe/Berlin", (DailyWindow(_minute(begin), _minute(end), _days(days)),))


def _minute(text: str) -> int:
    hours, minutes = text.split(":")
    return int(hours) * 60 + int(minutes)


def _days(text: str) -> frozenset[int]:
    return frozenset(map(int, text))


def _wall(instant: int, zone: ZoneInfo = BERLIN) -> str:
    return datetime.fromtimestamp(instant / 1000, UTC).astimezone(zone).strftime("%a %d %H:%M")


@pytest.mark.parametrize(
    ("now", "open_", "changes"),
    [
        ("2026-06-05T21:59", False, "Fri 05 22:00"),
        ("2026-06-05T22:00", True, "Sat 06 04:00"),
        ("2026-06-06T03:59", True, "Sat 06 04:00"),
        ("2026-06-06T04:00", False, "Mon 08 22:00"),
        ("2026-06-07T23:00", False, "Mon 08 22:00"),
    ],
)
def test_a_window_belongs_to_the_day_on_which_it_begins(now: str, open_: bool, changes: str) -> None:
    found = opening([nightly(days="01234")], BERLIN, at(now, "Europe/Berlin"))
    assert found.open is open_
    changed = found.until if open_ else found.opens
    assert changed is not None
    assert _wall(changed) == changes


@pytest.mark.parametrize(
    ("day", "hours"), [("2026-03-28T12:00", 5), ("2026-10-24T12:00", 7), ("2026-06-01T12:00", 6)]
)
def test_a_night_is_as_long_as_clocks_make_it(day: str, hours: int) -> None:
    begin = at(day, "Europe/Berlin")
    (window,) = windows(nightly(), BERLIN, begin, begin + DAY // 2 + 1)
    assert (window.end - window.begin) / 3_600_000 == hours


def test_a_window_that_clocks_skip_is_not_there() -> None:
    begin = at("2026-03-28T12:00", "Europe/Berlin")
    found = windows(nightly("02:00", "03:00"), BERLIN, begin, begin + 2 * DAY)
    assert [_wall(each.begin) for each in found] == ["Mon 30 02:00"]


def test_a_begin_that_clocks_skip_is_the_instant_after_the_gap() -> None:
    begin = at("2026-03-29T00:00", "Europe/Berlin")
    (found,) = windows(nightly("02:30", "04:00"), BERLIN, begin, begin + DAY // 2)
    assert (_wall(found.begin), _wall(found.end)) == ("Sun 29 03:00", "Sun 29 04:00")


def test_a_yearly_freeze_passes_the_end_of_the_year() -> None:
    calendar = Calendar("c", "Europe/Berlin", None, (YearlyFreeze((12, 18), (1, 6), "year end"),))
    before = opening([calendar], BERLIN, at("2026-12-17T23:59", "Europe/Berlin"))
    inside = opening([calendar], BERLIN, at("2027-01-02T12:00", "Europe/Berlin"))
    after = opening([calendar], BERLIN, at("2027-01-07T00:00", "Europe/Berlin"))
    assert before.open
    assert before.until == at("2026-12-18T00:00", "Europe/Berlin")
    assert (inside.open, inside.frozen) == (False, "year end")
    assert inside.opens == at("2027-01-07T00:00", "Europe/Berlin")
    assert (after.open, after.frozen) == (True, None)


def test_a_freeze_within_a_window_cuts_it_in_two() -> None:
    begin = at("2026-06-05T12:00", "Europe/Berlin")
    freeze = OneFreeze(at("2026-06-05T23:00", "Europe/Berlin"), at("2026-06-06T01:00", "Europe/Berlin"))
    calendar = Calendar("c", "Europe/Berlin", nightly().windows, (freeze,))
    found = windows(calendar, BERLIN, begin, begin + DAY // 2 + DAY // 4)
    assert [(_wall(each.begin), _wall(each.end)) for each in found] == [
        ("Fri 05 22:00", "Fri 05 23:00"),
        ("Sat 06 01:00", "Sat 06 04:00"),
    ]


def test_all_calendars_must_be_open() -> None:
    late = nightly("23:00", "05:00")
    now = at("2026-06-05T22:30", "Europe/Berlin")
    assert opening([nightly()], BERLIN, now).open
    both = opening([nightly(), late], BERLIN, now)
    assert both.opens is not None
    assert (both.open, _wall(both.opens)) == (False, "Fri 05 23:00")


def test_a_calendar_of_gateways_is_read_in_the_zone_of_each() -> None:
    calendar = Calendar("c", "gateway", nightly().windows)
    now = at("2026-06-05T20:30")
    assert opening([calendar], BERLIN, now).open
    assert not opening([calendar], ZoneInfo("America/New_York"), now).open


def test_no_window_is_never_open_and_no_windows_key_is_always_open() -> None:
    never, always = Calendar("c", "Europe/Berlin", ()), Calendar("c", "Europe/Berlin")
    assert opening([never], BERLIN, 0).opens is None
    assert not opening([never], BERLIN, 0).open
    assert opening([always], BERLIN, 0).open
    assert opening([always], BERLIN, 0).until is None
    assert opening([], BERLIN, 0).open


_TIMES = st.integers(0, 1439)
_RULES = st.lists(
    st.builds(DailyWindow, _TIMES, st.integers(0, 1440), st.frozensets(st.integers(0, 6), min_size=1)).filter(
        lambda rule: rule.begin != rule.end % 1440 or (rule.end == 1440 and not rule.begin)
    ),
    max_size=4,
).map(tuple)


@given(st.sampled_from(ZONES), _RULES, st.integers(at("2026-01-01T00:00"), at("2028-01-01T00:00")))
def test_windows_are_disjoint_and_in_order_and_their_ends_stand_on_the_wall(
    name: str, rules: tuple[DailyWindow, ...], begin: int
) -> None:
    zone = ZoneInfo(name)
    found = windows(Calendar("c", name, rules), zone, begin, begin + 10 * DAY)
    assert all(each.begin < each.end for each in found)
    assert all(one.end <= other.begin for one, other in pairwise(found))
    ends = {rule.end % 1440 for rule in rules}
    for each in found:
        moment = datetime.fromtimestamp(each.end / 1000, UTC).astimezone(zone)
        shifts = (
            moment.utcoffset()
            != datetime.fromtimestamp(each.end / 1000 - 1, UTC).astimezone(zone).utcoffset()
        )
        assert shifts or moment.hour * 60 + moment.minute in ends


@given(st.sampled_from(ZONES), _RULES, st.integers(at("2026-01-01T00:00"), at("2028-01-01T00:00")))
def test_what_is_open_agrees_with_the_windows(name: str, rules: tuple[DailyWindow, ...], now: int) -> None:
    zone, calendar = ZoneInfo(name), Calendar("c", name, rules)
    found = windows(calendar, zone, now, now + 1)
    told = opening([calendar], zone, now)
    assert told.open == bool(found)
    if told.until is not None:
        assert told.until >= found[0].end
        assert not windows(calendar, zone, told.until, told.until + 1)
    if told.opens is not None:
        assert not stretches([calendar], zone, now, told.opens)
        assert opening([calendar], zone, told.opens).open
        assert windows(calendar, zone, told.opens, told.opens + 1)


def test_a_time_that_comes_twice_ends_a_freeze_at_its_second_coming() -> None:
    # In Lisbon clocks go back at 2:00 to 1:00, so a freeze to a midnight isn't doubled; in Havana one is.
    calendar = Calendar("c", "America/Havana", None, (YearlyFreeze((10, 20), (10, 31)),))
    zone = ZoneInfo("America/Havana")
    told = opening([calendar], zone, at("2026-10-25T12:00", "America/Havana"))
    first = datetime(2026, 11, 1, 0, 0, tzinfo=zone, fold=0)
    second = datetime(2026, 11, 1, 0, 0, tzinfo=zone, fold=1)
    assert first.utcoffset() != second.utcoffset()
    assert told.opens == int(second.timestamp() * 1000)
    assert stretches([calendar], zone, told.opens, told.opens + 1) == [Window(told.opens, told.opens + 1)]
