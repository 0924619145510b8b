"""When waves open at the earliest, and about when by a rehearsal."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis.strategies import integers, lists, none, one_of

from reconciler.model import (
    Calendar,
    DailyWindow,
    DesiredRollout,
    Promotion,
    RolloutRecord,
    RolloutStatus,
    Share,
    Wave,
)
from reconciler.rollout.forecast import Expected, RehearsedPace, ends, expected, forecast
from reconciler.rollout.situation import Situation
from tests.fakes import in_waves

HOUR = 3_600_000
NOW = 1_800_000_000_000 // (24 * HOUR) * 24 * HOUR
"""Midnight in UTC."""
NIGHTS = Calendar("nights", "UTC", (DailyWindow(22 * 60, 4 * 60),))
MEMBERS = tuple(frozenset({f"gw-{number}"}) for number in range(3))
WISH = DesiredRollout(
    "careful",
    tuple(Wave(name, Share(), soak=soak) for name, soak in (("a", HOUR), ("b", 0), ("c", HOUR))),
    "x",
)
PACE = RehearsedPace(("a", "b", "c"), (2 * HOUR, HOUR, 3 * HOUR))


def seen(now: int = NOW, **known: object) -> Situation:
    return Situation(now, in_waves(*MEMBERS), frozenset(), **known)  # type: ignore[arg-type]


def test_nothing_is_expected_without_a_rehearsal() -> None:
    assert expected(WISH, RolloutRecord(), seen(), None) == Expected((None, None, None))


def test_a_rollout_that_is_still_to_begin() -> None:
    found = expected(WISH, RolloutRecord(), seen(), PACE)
    assert found.openings == (NOW, NOW + 3 * HOUR, NOW + 4 * HOUR)
    assert found.end == NOW + 8 * HOUR


def test_a_wave_that_is_open_takes_what_is_left_of_its_time() -> None:
    record = RolloutRecord(wave=1, since=NOW - HOUR)
    assert expected(WISH, record, seen(), PACE).openings == (None, NOW + 2 * HOUR, NOW + 3 * HOUR)
    late = RolloutRecord(wave=1, since=NOW - 50 * HOUR)
    assert expected(WISH, late, seen(), PACE).openings[1] == NOW + HOUR, "it soaks from now on at best"
    met = RolloutRecord(wave=1, since=NOW - HOUR, reached=NOW - HOUR // 2)
    assert expected(WISH, met, seen(), PACE).openings[1] == NOW + HOUR // 2


def test_calendars_are_waited_for_after_that_time() -> None:
    found = expected(replace(WISH, calendars=(NIGHTS,)), RolloutRecord(), seen(), PACE)
    # Midnight is open; three hours later, too; an hour later it has closed.
    assert found.openings == (NOW, NOW + 3 * HOUR, NOW + 22 * HOUR)
    assert found.end == NOW + 26 * HOUR


def test_nothing_is_expected_of_a_persons_word() -> None:
    waves = (WISH.waves[0], replace(WISH.waves[1], approval=True), WISH.waves[2])
    wish = replace(WISH, waves=waves)
    assert expected(wish, RolloutRecord(), seen(), PACE) == Expected((NOW, None, None))
    given_in_git = expected(replace(wish, approved=2), RolloutRecord(), seen(), PACE)
    promoted = expected(wish, RolloutRecord(promoted=(Promotion(2),)), seen(), PACE)
    assert given_in_git == promoted == expected(WISH, RolloutRecord(), seen(), PACE)


@pytest.mark.parametrize(
    ("wish", "record"),
    [
        (WISH, RolloutRecord(wave=1, status=RolloutStatus.ABORTED)),
        (WISH, RolloutRecord(wave=1, status=RolloutStatus.PAUSED)),
        (WISH, RolloutRecord(wave=1, edited=True)),
        (replace(WISH, paused=True), RolloutRecord()),
        (replace(WISH, behind="Campaign/x"), RolloutRecord()),
        (replace(WISH, way_back="Campaign/x"), RolloutRecord()),
        (replace(WISH, waves=WISH.waves[:2]), RolloutRecord()),
    ],
)
def test_nothing_is_expected_where_it_stands_or_has_other_waves(
    wish: DesiredRollout, record: RolloutRecord
) -> None:
    found = expected(wish, record, replace(seen(), waves=in_waves(*MEMBERS[: len(wish.waves)])), PACE)
    assert (set(found.openings), found.end) == ({None}, None)


def test_what_never_ended_in_the_rehearsal_is_unknown() -> None:
    found = expected(WISH, RolloutRecord(), seen(), replace(PACE, took=(2 * HOUR, None, None)))
    assert found == Expected((NOW, NOW + 3 * HOUR, None))


@given(
    lists(one_of(none(), integers(0, 100 * HOUR)), min_size=3, max_size=3), integers(0, 3), integers(0, HOUR)
)
def test_it_is_never_before_the_bound(took: list[int | None], wave: int, ago: int) -> None:
    wish = replace(WISH, calendars=(NIGHTS,))
    record = RolloutRecord(wave=wave, since=NOW - ago if wave else 0)
    earliest = forecast(wish, record, seen())
    found = expected(wish, record, seen(), replace(PACE, took=tuple(took)))
    for bound, about in zip(earliest, found.openings, strict=True):
        assert about is None or (bound is not None and about >= bound)
    end = ends(wish, record, seen(), earliest)
    assert found.end is None or (end is not None and found.end >= end)
