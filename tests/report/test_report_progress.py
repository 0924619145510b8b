"""Progress: one line that is redrawn, or a few lines."""

import io

from report_samples import LINE_3, gateways, group

from reconciler.model import Outcome, OutcomeStatus, Verb
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


def test_thirty_thousand_steps_are_a_few_plain_lines():
    lines = play(30_000, terminal=False).splitlines()
    assert len(lines) == 40
    assert lines[0] == "750/30,000 steps: schedule-download Campaign/line-3 done"
    assert lines[-1] == "30,000/30,000 steps, 1,000/s: schedule-download Campaign/line-3 done"


def test_a_few_steps_have_a_line_each():
    assert len(play(7, terminal=False).splitlines()) == 7


def test_failures_are_named_but_not_all_of_them():
    lines = play(30_000, terminal=False, status=OutcomeStatus.FAILED).splitlines()
    named = [line for line in lines if line.startswith("failed: ")]
    assert len(named) == 20
    assert named[0] == (r"failed: PUT /api/campaigns/c/devices/gw-000000/scheduled-download: why\x1b")
    assert lines[-1].startswith("30,000/30,000 steps, 30,000 failed, 1,000/s")


def test_a_terminal_has_one_line_drawn_ten_times_a_second_at_most():
    said = play(1_000, terminal=True, width=40)
    drawn = said.split("\r\x1b[K")
    assert said.startswith("\r\x1b[K1/1,000 steps")
    assert 9 <= len(drawn) <= 14
    assert "\n" not in said
    assert all(len(line) < 40 for line in drawn)
    assert drawn[-2].startswith("1,000/1,000 steps")
    assert drawn[-1] == "", "the line is cleared at the end"


def test_a_failure_on_a_terminal_stands_above_the_line():
    said = play(2, terminal=True, status=OutcomeStatus.UNKNOWN)
    assert said.startswith("\r\x1b[Kunknown: PUT ")
    assert said.count("\n") == 2
