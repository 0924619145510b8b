"""Progress: one line that is redrawn, or a few lines."""

import io

import pytest
from report_samples import LINE_3, gateways, group

from reconciler.model import Outcome, OutcomeStatus, Verb
from reconciler.model.doubts import Doubt, Missing
from reconciler.report.progress import Progress

MANY = group(
    "s", Verb.SCHEDULE, "schedule-download", LINE_3, target="c", members=gateways(30_000), per_call=1
)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def play(total, *, terminal, status=OutcomeStatus.DONE, tick=0.001, width=80):
    stream, clock = io.StringIO(), Clock()
    progress = Progress(total, stream, terminal=terminal, width=width, clock=clock)
    for step, _ in zip(MANY, range(total), strict=False):
        clock.now += tick
        progress(Outcome(step, status, "why\x1b"))
    progress.close()
    return stream.getvalue()


def test_thirty_thousand_steps_are_a_line_each_five_percent():
    lines = play(30_000, terminal=False).splitlines()
    assert len(lines) == 20
    assert lines[0] == "5 %: 1,500 of 30,000 calls, 1,000/s, 28 seconds left"
    assert lines[-1] == "100 %: 30,000 of 30,000 calls, 1,000/s"


def test_a_few_steps_have_a_line_each():
    assert play(4, terminal=False).splitlines() == [f"{n * 25} %: {n} of 4 calls" for n in range(1, 5)]


def test_slow_steps_have_a_line_each_half_minute():
    lines = play(300, terminal=False, tick=10).splitlines()
    assert len(lines) == 100
    assert lines[0] == "1 %: 3 of 300 calls, 6/min, 49 minutes left"


def test_failures_are_counted_and_explained_only_at_the_end():
    lines = play(30_000, terminal=False, status=OutcomeStatus.FAILED).splitlines()
    assert len(lines) == 20
    assert lines[-1] == "100 %: 30,000 of 30,000 calls, 1,000/s, 30,000 failed"


def test_what_is_skipped_is_no_progress():
    assert play(10, terminal=False, status=OutcomeStatus.SKIPPED) == ""


def test_a_terminal_has_one_bar_drawn_ten_times_a_second_at_most():
    said = play(1_000, terminal=True, width=60)
    drawn = said.split("\r\x1b[K")
    assert drawn[1] == f"{'░' * 30}  0 %: 0 of 1,000 calls", "it is there before the first call has ended"
    assert 9 <= len(drawn) <= 14
    assert "\n" not in said
    assert all(len(line) < 60 for line in drawn)
    assert drawn[-2] == f"{'█' * 21}  100 %: 1,000 of 1,000 calls, 1,000/s"
    assert drawn[-1] == "", "the line is cleared at the end"


@pytest.mark.parametrize("width", [80, 120])
def test_the_bar_at_two_widths(width):
    stream, clock = io.StringIO(), Clock()
    progress = Progress(3_033, stream, terminal=True, width=width, clock=clock)
    for index, (step, _) in enumerate(zip(MANY, range(1_640), strict=False)):
        clock.now += 0.003
        progress(Outcome(step, OutcomeStatus.FAILED if index < 2 else OutcomeStatus.DONE))
    clock.now += 1
    step = next(iter(MANY))
    progress(Outcome(step, OutcomeStatus.DONE))
    last = stream.getvalue().split("\r\x1b[K")[-1]
    bar, words = last.split("  ", 1)
    assert words == "54 %: 1,641 of 3,033 calls, 277/s, 2 failed, 5 seconds left"
    size = min(30, width - 1 - len(words) - 2)
    assert bar == "█" * (size * 1641 // 3033) + "░" * (size - size * 1641 // 3033)
    assert len(last) < width


def test_where_there_is_no_room_there_is_no_bar():
    assert "█" not in play(1_000, terminal=True, width=32)


def test_without_blocks_the_bar_is_of_letters():
    stream = io.TextIOWrapper(io.BytesIO(), "ascii", newline="")
    Progress(10, stream, terminal=True)
    stream.seek(0)
    assert stream.read() == f"\r\x1b[K{'.' * 30}  0 %: 0 of 10 calls"


@pytest.mark.parametrize("terminal", [False, True])
def test_what_is_looked_for_is_said_and_does_not_flood(terminal):
    stream = io.StringIO()
    progress = Progress(100, stream, terminal=terminal, clock=Clock())
    for number in range(100):
        progress.looking(Doubt(f"Campaign/line-{number}\x1b", Missing.MAY_BE_MADE, 30))
    progress.close()
    said = [line for line in stream.getvalue().splitlines() if "looking for" in line]
    assert len(said) == 20
    assert said[0].endswith(
        "looking for Campaign/line-0\\x1b for up to 30 s: it may have been made, though no answer said so"
    )
