"""All gateways together, how fast they come to an end, and when there is nothing more to watch."""

import pytest

from reconciler.model import Kind, ResourceId, Server
from reconciler.plan.model import Plan
from reconciler.providers.base import Stage
from reconciler.report.lines import fitted
from reconciler.report.status_report import status_lines
from reconciler.report.statuses import Gateways, Row, StatusReport
from reconciler.report.terminal import Tone, columns
from reconciler.report.watching import WatchedPace, still_words, total_words
from tests.conftest import Golden


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def row(name: str, done: int, to_go: int, failed: int = 0, *, running: bool = True, before: int = 0) -> Row:
    states = {"WAITING_FOR_DOWNLOAD_APPROVAL": to_go, "ACTIVATION_COMPLETE": done, "FAILED": failed}
    gateways = Gateways(
        {state: count for state, count in states.items() if count},
        {Stage.IDLE: to_go, Stage.DONE: done, Stage.FAILED: failed},
        pending=to_go,
        done_before={"fw-2.1.bin": before} if before else {},
    )
    return Row(
        ResourceId(Kind.CAMPAIGN, name),
        f"Firmware 2.2 for {name}",
        ("353e8235-7777-4c29-be75-c957eb4f7f79",),
        "STARTED" if running else "CREATED",
        gateways,
        Tone.GOOD,
        f"in sync; done with fw-2.1.bin: {before}" if before else "in sync",
        running=running,
    )


def report(*rows: Row) -> StatusReport:
    return StatusReport(Plan(Server("pulse", "https://pulse.example.com")), rows)


def test_all_gateways_in_a_line() -> None:
    assert total_words(report()) == ""
    found = report(row("berlin", 98, 20, 2, before=90), row("hamburg", 0, 3000))
    assert total_words(found) == (
        "3,120 gateways: 0 % done, 8 done, 90 done with earlier packages, 2 failed, 3,020 to go"
    )


def test_rate_and_time_left() -> None:
    clock = Clock()
    pace = WatchedPace(clock)
    assert pace.words(report(row("a", 0, 100))) == "", "nobody can tell yet"
    clock.now += 60
    assert pace.words(report(row("a", 0, 100))) == ""
    clock.now += 60
    assert pace.words(report(row("a", 9, 90, 1))) == ", 5/min, 18 minutes left"
    clock.now += 1
    assert pace.words(report(row("a", 99, 0, 1))) == ""
    assert pace.words(report(row("a", 99, 500, 1))) == "", "there are more of them: it begins anew"
    clock.now += 5
    assert (
        pace.words(report(row("a", 249, 350, 1), row("b", 0, 9_000, running=False)))
        == ", 30/s, 12 seconds left"
    )
    clock.now += 5
    assert pace.words(report(row("a", 399, 200, 1))) == ", 30/s, 7 seconds left"


def test_it_ends_where_nothing_runs() -> None:
    going = report(row("a", 1, 2), row("b", 0, 5, running=False))
    assert (going.final, going.still) == (False, False)
    waiting = report(row("a", 3, 0), row("b", 0, 5, running=False))
    assert (waiting.final, waiting.still) == (False, True)
    assert still_words(waiting) == "Nothing is on its way: 5 gateways in campaigns that don't run."
    over = report(row("a", 3, 0))
    assert (over.final, over.still, still_words(over)) == (True, True, "")


@pytest.mark.parametrize("width", [80, 120])
def test_a_watched_table_drops_columns_ids_first(golden: Golden, width: int) -> None:
    found = report(row("berlin", 98, 20, 2, before=90), row("hamburg-and-the-harbour", 0, 3000))
    lines = list(fitted(status_lines(found, pace=", 45/min, 1 hour left", short=True), width))
    assert all(columns(line) <= width for line in lines)
    assert not any("353e8235" in line for line in lines)
    said = " ".join(" ".join(lines).split())
    assert all(word in said for word in ("RESOURCE", "STATE", "done with fw-2.1.bin: 90"))
    golden(f"status-{width}.txt", "".join(f"{line}\n" for line in lines))
