"""Times: what is taken, what is refused, and that every hint is a time that is taken."""

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from reconciler.loading.referenced_files import Problem
from reconciler.resolve.times import LAST, parse_time, parse_zone, zone_names

ZONES = (
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",  # changes by half an hour
    "Pacific/Apia",  # skipped a whole day in 2011
    "Asia/Tokyo",  # no changes
    "Africa/Monrovia",  # an offset with seconds until 1972
    "UTC",
)


def millis(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)


def problem(text: str, zone: str | None = "Europe/Berlin") -> Problem:
    found = parse_time(text, ZoneInfo(zone) if zone else None)
    assert isinstance(found, Problem)
    return found


@pytest.mark.parametrize(
    ("text", "zone", "same_as"),
    [
        ("2024-05-01T22:00:00Z", None, "2024-05-01T22:00:00+00:00"),
        ("2024-05-01t22:00z", None, "2024-05-01T22:00:00+00:00"),
        ("2024-05-01T22:00:00+02:00", None, "2024-05-01T20:00:00+00:00"),
        ("2024-05-01T22:00-0530", None, "2024-05-02T03:30:00+00:00"),
        ("2024-05-01 22:00 +02", None, "2024-05-01T20:00:00+00:00"),
        ("2024-05-01 22:00:00.25Z", None, "2024-05-01T22:00:00.250+00:00"),
        ("2024-05-01T22:00:00,125000Z", None, "2024-05-01T22:00:00.125+00:00"),
        ("2024-05-01T22:00", "Europe/Berlin", "2024-05-01T20:00:00+00:00"),
        ("2024-05-01 22:00:00", "America/New_York", "2024-05-02T02:00:00+00:00"),
        ("2024-05-01 22:00:00Z", "America/New_York", "2024-05-01T22:00:00+00:00"),  # its offset wins
        ("1970-01-01T00:00Z", None, "1970-01-01T00:00:00+00:00"),
        ("9999-12-31T23:59:59.999Z", None, "9999-12-31T23:59:59.999+00:00"),
        ("2024-02-29T12:00", "Asia/Tokyo", "2024-02-29T03:00:00+00:00"),
    ],
)
def test_a_time_is_an_instant(text: str, zone: str | None, same_as: str) -> None:
    instant = datetime.fromisoformat(same_as) - datetime(1970, 1, 1, tzinfo=UTC)
    assert parse_time(text, ZoneInfo(zone) if zone else None) == instant // timedelta(milliseconds=1)


@pytest.mark.parametrize(
    ("text", "code", "hint"),
    [
        ("2024-05-01", "time-format", "2024-05-01T00:00"),
        ("tomorrow", "time-format", "2024-05-01T22:00:00+02:00"),
        ("", "time-format", "2024-05-01T22:00:00+02:00"),
        ("1714593600", "time-format", "2024-05-01T22:00:00+02:00"),
        ("01.05.2024 22:00", "time-format", "2024-05-01T22:00:00+02:00"),
        ("2024-05-01T22:00:00Z\n", "time-format", "2024-05-01T22:00:00+02:00"),
        ("2024-05-01T22:00:00.0001Z", "time-format", "2024-05-01T22:00:00+02:00"),
        ("٢٠٢٤-٠٥-٠١T٢٢:٠٠", "time-format", "2024-05-01T22:00:00+02:00"),
        ("2024-02-30T22:00Z", "time-format", "2024-05-01T22:00:00+02:00"),
        ("2024-05-01T24:00Z", "time-format", "2024-05-01T22:00:00+02:00"),
        ("2024-05-01T22:00:60Z", "time-format", "2024-05-01T22:00:00+02:00"),
        ("2024-05-01T22:00+24:00", "time-format", "2024-05-01T22:00:00+02:00"),
        ("2024-05-01T22:00+02:60", "time-format", "2024-05-01T22:00:00+02:00"),
        ("0000-01-01T00:00Z", "time-format", "2024-05-01T22:00:00+02:00"),
        ("1969-12-31T23:59:59Z", "time-range", "1970"),
        ("0001-01-01T00:00+14:00", "time-range", "1970"),
        ("9999-12-31T23:59:59-01:00", "time-range", "9999"),
        ("1970-01-01T00:30", "time-range", "1970"),  # Berlin was an hour ahead
    ],
)
def test_what_is_no_time_is_refused(text: str, code: str, hint: str) -> None:
    found = problem(text)
    assert found.code == code
    assert found.hint is not None
    assert hint in found.hint


def test_a_local_time_needs_a_zone() -> None:
    found = problem("2024-05-01T22:00", None)
    assert found.code == "time-without-zone"
    assert found.hint == "add an offset (Z, +02:00) to the time, or a timezone to the schedule"


@pytest.mark.parametrize(
    ("zone", "text", "before", "after"),
    [
        ("Europe/Berlin", "2024-03-31T02:00", "2024-03-31T01:59:59+01:00", "2024-03-31T03:00:00+02:00"),
        (
            "Europe/Berlin",
            "2024-03-31T02:59:59.999",
            "2024-03-31T01:59:59+01:00",
            "2024-03-31T03:00:00+02:00",
        ),
        ("America/New_York", "2024-03-10T02:30", "2024-03-10T01:59:59-05:00", "2024-03-10T03:00:00-04:00"),
        ("Australia/Lord_Howe", "2024-10-06T02:15", "2024-10-06T01:59:59+10:30", "2024-10-06T02:30:00+11:00"),
        ("Pacific/Apia", "2011-12-30T12:00", "2011-12-29T23:59:59-10:00", "2011-12-31T00:00:00+14:00"),
        ("Africa/Monrovia", "1972-01-07T00:30", "1972-01-07T00:44:29Z", "1972-01-07T00:44:30Z"),
    ],
)
def test_a_skipped_time_is_refused_with_the_instants_beside_the_gap(
    zone: str, text: str, before: str, after: str
) -> None:
    found = problem(text, zone)
    assert found.code == "time-skipped"
    assert found.hint == f"write {before} (before the change) or {after} (after it)"
    assert millis(after) - millis(before) == 1000


@pytest.mark.parametrize(
    ("zone", "text", "first", "second"),
    [
        ("Europe/Berlin", "2024-10-27T02:00", "2024-10-27T02:00:00+02:00", "2024-10-27T02:00:00+01:00"),
        ("Europe/Berlin", "2024-10-27T02:59:59.5", "2024-10-27T02:59:59.500+02:00",
         "2024-10-27T02:59:59.500+01:00"),
        ("America/New_York", "2024-11-03T01:30", "2024-11-03T01:30:00-04:00", "2024-11-03T01:30:00-05:00"),
        ("Australia/Lord_Howe", "2024-04-07T01:45", "2024-04-07T01:45:00+11:00", "2024-04-07T01:45:00+10:30"),
    ],
)  # fmt: skip
def test_a_doubled_time_is_refused_with_both_instants(zone: str, text: str, first: str, second: str) -> None:
    found = problem(text, zone)
    assert found.code == "time-doubled"
    assert found.hint == f"write {first} or {second}"


@pytest.mark.parametrize(
    ("zone", "text"),
    [
        ("Europe/Berlin", "2024-03-31T01:59:59.999"),
        ("Europe/Berlin", "2024-03-31T03:00"),
        ("Europe/Berlin", "2024-10-27T01:59:59"),
        ("Europe/Berlin", "2024-10-27T03:00"),
        ("Australia/Lord_Howe", "2024-10-06T02:30"),
        ("Australia/Lord_Howe", "2024-04-07T02:00"),
        ("Asia/Tokyo", "2024-03-31T02:30"),
    ],
)
def test_times_beside_a_change_are_taken(zone: str, text: str) -> None:
    assert isinstance(parse_time(text, ZoneInfo(zone)), int)


@given(st.integers(0, LAST), st.sampled_from(ZONES))
@example(LAST, "UTC")
@example(0, "UTC")
def test_every_instant_comes_back_from_its_local_time(instant: int, zone: str) -> None:
    there = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=instant - instant % 1000)).astimezone(
        UTC
    )
    fraction = f".{instant % 1000:03d}"
    assert parse_time(there.strftime("%Y-%m-%dT%H:%M:%S").zfill(19) + fraction + "Z", None) == instant
    assume(instant < LAST - 86_400_000)  # there is no year 10000
    local = there.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    assume(local.year >= 1970)
    found = parse_time(local.isoformat() + fraction, ZoneInfo(zone))
    if isinstance(found, Problem):
        assert found.code == "time-doubled"
        assert found.hint is not None
        assert instant in [parse_time(word, None) for word in re.findall(r"\S+[+-]\S+|\S+Z", found.hint)]
    else:
        assert found == instant


@given(st.datetimes(datetime(1970, 1, 2), datetime(9999, 12, 30)), st.sampled_from(ZONES))  # noqa: DTZ001
@example(datetime(2024, 3, 31, 2, 30), "Europe/Berlin")  # noqa: DTZ001
@example(datetime(1972, 1, 7, 0, 30), "Africa/Monrovia")  # noqa: DTZ001
def test_every_local_time_is_an_instant_or_has_hints_that_are(local: datetime, zone: str) -> None:
    found = parse_time(local.isoformat(timespec="milliseconds"), ZoneInfo(zone))
    if isinstance(found, Problem):
        hints = re.findall(r"\d{4}-\S+", found.hint or "")
        assert len(hints) == 2
        assert all(isinstance(parse_time(hint, None), int) for hint in hints)


@given(st.text())
def test_no_text_breaks_the_parser(text: str) -> None:
    assert isinstance(parse_time(text, None), Problem)


@pytest.mark.parametrize("name", ["Europe/Berlin", "UTC", "America/Argentina/Buenos_Aires", "Etc/GMT+12"])
def test_zones_of_the_database_are_known(name: str) -> None:
    zone = parse_zone(name)
    assert isinstance(zone, ZoneInfo)
    assert zone.key == name


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("Europe/Belrin", "`Europe/Berlin`"),
        ("europe/berlin", "`Europe/Berlin`"),
        ("Berlin", "`Europe/Berlin`"),
        ("New York", "`America/New_York`"),
        ("xyzzy-plugh", "tz database"),
        ("../../../etc/passwd", "tz database"),
        ("localtime", "tz database"),
        ("posixrules", "tz database"),
    ],
)
def test_an_unknown_zone_gets_the_nearest(name: str, meant: str) -> None:
    found = parse_zone(name)
    assert isinstance(found, Problem)
    assert found.code == "unknown-timezone"
    assert meant in str(found.hint)


def test_zones_with_other_meanings_on_other_machines_are_unknown() -> None:
    assert not {name for name in zone_names() if name.startswith(("posix/", "right/"))}
