"""Shapes: they add up, what counts is seen, and time goes to the right."""

from dataclasses import replace
from itertools import pairwise

import pytest
from web_samples import ABORTED, APPROVAL, HOUR, NOW, ROLLOUT

from reconciler.providers.base import Stage
from reconciler.report.web.pictures import WIDE, progress, stacked, timeline, wave_progress
from reconciler.rollout.views import WavePhase, WaveView


def test_pieces_stand_side_by_side_and_are_as_wide_as_their_share():
    pieces = stacked([("a", 50), ("none", 0), ("b", 25)], 100)
    assert [(each.kind, each.at, each.width) for each in pieces] == [("a", 0, 500), ("b", 500, 250)]


@pytest.mark.parametrize("counts", [(1, 1, 999_998), (1, 0, 0), (7, 7, 7), (1, 2, 1_000_000)])
def test_what_is_there_is_seen_and_all_of_it_fits(counts):
    told = [(str(at), count) for at, count in enumerate(counts)]
    pieces = stacked(told, sum(counts))
    assert [each.kind for each in pieces] == [kind for kind, count in told if count]
    assert all(each.width >= 8 for each in pieces)
    assert sum(each.width for each in pieces) == WIDE
    assert all(a.at + a.width == b.at for a, b in pairwise(pieces))


def test_nobody_is_no_piece():
    assert stacked([("a", 0)], 0) == ()
    assert wave_progress(WaveView("later", 40)) == ()


def test_those_that_are_done_with_something_else_are_told_apart():
    pieces = progress({Stage.DONE: 60, Stage.IDLE: 40}, 40)
    assert [(each.kind, each.width) for each in pieces] == [("done", 400), ("before", 200), ("idle", 400)]


def test_who_is_not_in_a_wave_yet_leaves_room():
    pieces = wave_progress(WaveView("half", 100, 40, 10, 5, 5))
    assert {each.kind: each.width for each in pieces} == {
        "done": 100, "under-way": 200, "idle": 50, "failed": 50,
    }  # fmt: skip


def test_waves_follow_each_other_in_time():
    found = timeline(ROLLOUT, NOW)
    assert (found.begin, found.end) == (NOW, NOW + 67 * HOUR)
    passed, opened, half, everybody = (each.pieces for each in found.lines)
    assert passed == ()
    assert [(each.at, each.kind) for each in opened] == [(0, "open")]
    assert opened[0].width == half[0].at
    assert half[0].at + half[0].width == everybody[0].at
    assert (half[0].kind, everybody[0].kind) == ("later", "word")
    assert everybody[0].at + everybody[0].width == WIDE
    assert found.words == "2027-01-12 00:00:00 UTC to 2027-01-14 19:00:00 UTC"


def test_a_wave_that_could_open_at_once_is_seen():
    *_, last = timeline(APPROVAL, NOW).lines
    assert [(each.at, each.width) for each in last.pieces] == [(0, WIDE)]


def test_where_nobody_knows_there_is_no_time():
    assert timeline(ABORTED, NOW) is None
    assert (
        timeline(replace(ROLLOUT, ends=NOW - 1, waves=(WaveView("a", 1, phase=WavePhase.OPEN),)), NOW) is None
    )
