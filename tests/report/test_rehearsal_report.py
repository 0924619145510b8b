"""Rehearsals as text, JSON and Markdown."""

import json

import pytest

from reconciler.model import Kind, ResourceId
from reconciler.report.rehearsal_report import (
    RehearsalEnd,
    RehearsalReport,
    RehearsedCampaign,
    RehearsedRun,
    RehearsedWave,
    rehearsal_document,
    rehearsal_lines,
    rehearsal_markdown,
)
from reconciler.rollout.situation import WaitFor

BEGIN = 1_803_891_600_000
HOUR = 3_600_000
DONE, ABORTED, PAUSED = RehearsalEnd.COMPLETE, RehearsalEnd.ABORTED, RehearsalEnd.PAUSED


def run(rate: float, verdict: RehearsalEnd, why: str = "") -> RehearsedRun:
    first = RehearsedWave("canary", 20, BEGIN, 20, 19, 1)
    waited = ((WaitFor.SUCCESS, HOUR), (WaitFor.SOAK, 24 * HOUR))
    opened = BEGIN + 25 * HOUR if verdict is DONE else None
    second = RehearsedWave("re|st", 80, opened, 80 if opened else 0, waited=waited, approval=True)
    return RehearsedRun(rate, verdict, why, BEGIN, BEGIN + 30 * HOUR, 9, 80, (first, second))


def report(*runs: RehearsedRun, expect: RehearsalEnd | None = None) -> RehearsalReport:
    resource = ResourceId(Kind.CAMPAIGN, "line-3")
    campaign = RehearsedCampaign(resource, "careful", 1_000, 100, runs, ("a `note`",))
    return RehearsalReport(BEGIN, 7, 0.25, (campaign,), ("approvals are given",), expect)


WELL, BADLY = run(0, DONE), run(0.125, ABORTED, "wave canary: 3 of 20 failed\x1b[2J")


@pytest.mark.parametrize(
    ("runs", "expect", "holds"),
    [
        ((WELL,), None, True),
        ((WELL, BADLY), None, True),
        ((run(0, PAUSED), WELL), None, False),
        ((WELL, BADLY), ABORTED, False),
        ((BADLY,), ABORTED, True),
        ((WELL, BADLY), DONE, False),
    ],
)
def test_what_holds(runs: tuple[RehearsedRun, ...], expect: RehearsalEnd | None, holds: bool) -> None:
    assert report(*runs, expect=expect).holds is holds


def test_text() -> None:
    lines = list(rehearsal_lines(report(WELL, BADLY)))
    text = "\n".join(lines)
    assert lines[0] == "Campaign/line-3: rollout careful of 100 of 1,000 gateways in 2 waves"
    assert "at once" in text
    assert "1 h until enough were done, 24 h of soak, a person's word" in text
    assert "complete 2027-03-02 15:00:00 UTC, after 30 h and 9 looks; at most 80 in flight at once" in text
    assert "12.5 %: aborted: wave canary: 3 of 20 failed\\x1b[2J" in text
    assert lines[-1] == "Without failures every rollout completes."


def test_json() -> None:
    document = json.loads(rehearsal_document(report(WELL, BADLY, expect=ABORTED)))
    assert (document["expect"], document["holds"], document["offlineRate"]) == ("aborted", False, 0.25)
    [item] = document["rehearsals"]
    assert (item["gateways"], item["rehearsed"], item["notes"]) == (1_000, 100, ["a `note`"])
    well, badly = item["runs"]
    assert (well["reached"], well["failed"], well["hours"], well["why"]) == (100, 1, 30, "")
    assert badly["waves"][1] == {
        "name": "re|st",
        "gateways": 80,
        "opened": None,
        "in": 0,
        "done": 0,
        "failed": 0,
        "approval": True,
        "waited": [{"for": "success", "milliseconds": HOUR}, {"for": "soak", "milliseconds": 24 * HOUR}],
    }


def test_markdown() -> None:
    text = "\n".join(rehearsal_markdown(report(WELL, BADLY)))
    assert text.startswith("### ✅ Rehearsal\n")
    assert "| 12.5 % | aborted | 20 | 1 | 80 | 30 |" in text
    assert "| re\\|st | 80 |" in text
    assert "- a 'note'" in text
    assert "❌" in next(rehearsal_markdown(report(run(0, PAUSED))))
