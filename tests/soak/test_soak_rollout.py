"""Random rollouts in waves with people, faults and kills in their way: see `soak_rollout`, `soak_revisions`.

SOAK_ROLLOUTS (200), SOAK_REVISIONS (50) and SOAK_WINDOWS (200) are how many, SOAK_SEED the seed of the first.
Each failure is listed with the line that repeats it. A few are a part of every check.
"""

import os
from collections import Counter
from collections.abc import Iterator
from datetime import date, timedelta
from itertools import pairwise
from random import Random
from zoneinfo import ZoneInfo

import pytest

from reconciler.model import Calendar, DailyWindow
from reconciler.rollout.calendars import opening, windows
from tests.soak.conftest import Record, run_all
from tests.soak.soak_fleet import ZONES
from tests.soak.soak_oracle import DAY, DAYS, MINUTE, Night, is_open, wall, windows_of
from tests.soak.soak_revisions import Revisions
from tests.soak.soak_rollout import BEGINS, Rollout
from tests.soak.soak_run import Ground, Wrong, ground

RUNS = int(os.environ.get("SOAK_ROLLOUTS", "200"))
REVISIONS = int(os.environ.get("SOAK_REVISIONS", "50"))
WINDOWS = int(os.environ.get("SOAK_WINDOWS", "200"))
FIRST = int(os.environ.get("SOAK_SEED", "0"))
AT_ONCE = 4
ALONE = "SOAK_RUNS=0 SOAK_STORMS=0 SOAK_HAWKBIT=0"
A_FEW_ROLLOUTS, A_FEW_REVISIONS = (6, 24, 48, 61), (1,)
"""Seeds with checks, a way back, gateways that the server refuses, calendar, budget and late plan files."""


@pytest.fixture(scope="module")
def soil() -> Iterator[Ground]:
    with ground() as made:
        yield made


def rollouts(soil: Ground, seeds: range | tuple[int, ...], record: Record) -> None:
    alone = f"{ALONE} SOAK_REVISIONS=0 SOAK_WINDOWS=0 SOAK_ROLLOUTS=1"
    run_all(
        seeds, lambda seed: Rollout(soil, seed).go().counts, record, what="rollouts", alone=alone, wrong=Wrong
    )


def revisions(soil: Ground, seeds: range | tuple[int, ...], record: Record) -> None:
    def run(seed: int) -> Counter[str]:
        return Revisions(soil.forks, soil.folder, seed).go().counts

    alone = f"{ALONE} SOAK_ROLLOUTS=0 SOAK_WINDOWS=0 SOAK_REVISIONS=1"
    run_all(seeds, run, record, what="rollouts on a server that replaces", alone=alone, wrong=Wrong)


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("first", range(FIRST, FIRST + RUNS, AT_ONCE))
def test_rollouts(soil: Ground, first: int, record_property: Record) -> None:
    rollouts(soil, range(first, min(first + AT_ONCE, FIRST + RUNS)), record_property)


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("first", range(FIRST, FIRST + REVISIONS, AT_ONCE))
def test_revisions(soil: Ground, first: int, record_property: Record) -> None:
    revisions(soil, range(first, min(first + AT_ONCE, FIRST + REVISIONS)), record_property)


@pytest.mark.soak
def test_windows(record_property: Record) -> None:
    alone = f"{ALONE} SOAK_ROLLOUTS=0 SOAK_REVISIONS=0 SOAK_WINDOWS=1"
    seeds = range(FIRST, FIRST + WINDOWS)
    run_all(seeds, calendar_holds, record_property, what="calendars", alone=alone, wrong=AssertionError)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", A_FEW_ROLLOUTS)
def test_a_few_rollouts(soil: Ground, seed: int) -> None:
    rollouts(soil, (seed,), lambda *_: None)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", A_FEW_REVISIONS)
def test_a_few_revisions(soil: Ground, seed: int) -> None:
    revisions(soil, (seed,), lambda *_: None)


def test_a_few_windows() -> None:
    run_all(range(12), calendar_holds, lambda *_: None, what="calendars", alone=ALONE, wrong=AssertionError)


def calendar_holds(seed: int) -> Counter[str]:
    """P16: the windows of a week around a change of summer time, by the minutes of a clock on the wall."""
    chance = Random(f"windows/{seed}")
    zone, places = chance.choice(ZONES), [f"{n // 60:02}:{n % 60:02}" for n in range(0, 24 * 60, 15)]
    begin, end = chance.sample([*places, "24:00"], 2)
    begin = "00:00" if begin == "24:00" else begin
    if chance.random() < 0.4:
        # Where clocks are put forward or back.
        begin, end = chance.choice(["01:30", "02:00", "02:15"]), chance.choice(["02:30", "03:00", "02:00"])
    if begin == end:
        end = "24:00"
    days = tuple(chance.sample(DAYS, chance.randint(1, 7)))
    night = Night(begin, end, days)
    first = date.fromisoformat(chance.choice(BEGINS)) - timedelta(days=2)
    since = int((first - date(1970, 1, 1)).total_seconds() * 1000)
    until, named = since + 7 * DAY, f"P16: seed {seed}, {night} in {zone}"
    rule = DailyWindow(_minute(begin), _minute(end), frozenset(map(DAYS.index, days)))
    calendar = Calendar("nights", zone, (rule,))
    found = [(each.begin, each.end) for each in windows(calendar, ZoneInfo(zone), since, until)]
    assert all(one < other for one, other in found), f"{named}: a window ends before it begins: {found}"
    assert all(one[1] <= other[0] for one, other in pairwise(found)), f"{named}: they overlap: {found}"
    wanted = _disjoint(list(windows_of(zone, night, since, until)))
    assert found == wanted, f"{named}: {_read(found, zone)}, and clocks say {_read(wanted, zone)}"
    for instant in chance.sample(range(since, until, MINUTE), 40):
        said = opening([calendar], ZoneInfo(zone), instant).open
        assert said == is_open(instant, zone, night), f"{named}: at {wall(instant, zone)} it is open: {said}"
    return Counter({"P16 held": len(found)})


def _minute(text: str) -> int:
    hours, minutes = text.split(":")
    return int(hours) * 60 + int(minutes)


def _disjoint(found: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Of windows that overlap the later one begins when the earlier one ends."""
    kept: list[tuple[int, int]] = []
    for begins, end in found:
        begin = max(begins, kept[-1][1]) if kept else begins
        kept += [(begin, end)] if begin < end else []
    return kept


def _read(found: list[tuple[int, int]], zone: str) -> list[str]:
    return [f"{wall(begin, zone)} to {wall(end, zone)}" for begin, end in found]
