"""`--pace FILE`: what a file may say, and what is said of a wrong one."""

import json
from pathlib import Path
from typing import Any

import pytest

from reconciler.app.paces import read_rehearsal
from reconciler.errors import ReconcilerError
from reconciler.model import (
    Desired,
    DesiredCampaign,
    DesiredRollout,
    Kind,
    Place,
    ResourceId,
    Severity,
    Share,
    Wave,
)
from reconciler.report.rehearsal_report import (
    RehearsalEnd,
    RehearsalReport,
    RehearsedCampaign,
    RehearsedRun,
    RehearsedWave,
    rehearsal_document,
)
from reconciler.rollout.forecast import RehearsedPace
from reconciler.rollout.situation import WaitFor

HOUR = 3_600_000
LINE, OTHER = (ResourceId(Kind.CAMPAIGN, name) for name in ("line", "other"))


def rehearsed(rate: float = 0, *, complete: bool = True) -> RehearsedRun:
    waits = ((WaitFor.SUCCESS, HOUR), (WaitFor.BUDGET, 2 * HOUR), (WaitFor.SOAK, 5 * HOUR))
    waves = (
        RehearsedWave("canary", 2, 0, 2, 2),
        RehearsedWave("nobody", 0),
        RehearsedWave("half", 5, 9 * HOUR if complete else None, 5, 5, waited=waits),
        RehearsedWave("rest", 5, 10 * HOUR if complete else None, 5, 5, waited=((WaitFor.CALENDAR, HOUR),)),
    )
    end = RehearsalEnd.COMPLETE if complete else RehearsalEnd.ABORTED
    return RehearsedRun(rate, end, "", 0, 20 * HOUR, 9, 5, waves, ((WaitFor.SUCCESS, 4 * HOUR),))


def written(path: Path, *runs: RehearsedRun) -> Path:
    campaign = RehearsedCampaign(LINE, "careful", 12, 12, runs)
    path.write_text(rehearsal_document(RehearsalReport(0, 0, 0.0, (campaign,), ())))
    return path


def desired(*campaigns: ResourceId, waves: tuple[str, ...] = ("canary", "nobody", "half", "rest")) -> Desired:
    wish = DesiredRollout("careful", tuple(Wave(name, Share()) for name in waves), "x")
    return Desired(
        tuple(DesiredCampaign(each, Place("x", 1, 1), each.name, rollout=wish) for each in campaigns)
    )


def test_the_run_with_the_fewest_failures_tells_how_long_devices_took(tmp_path: Path) -> None:
    slower = rehearsed(0.2, complete=False)
    found = read_rehearsal(written(tmp_path / "x.json", slower, rehearsed()))
    names = ("canary", "nobody", "half", "rest")
    assert found.paces == {LINE: RehearsedPace(names, (3 * HOUR, None, 0, 4 * HOUR))}


def test_what_never_ended_is_unknown(tmp_path: Path) -> None:
    found = read_rehearsal(written(tmp_path / "x.json", rehearsed(0.5, complete=False)))
    assert found.paces[LINE].took == (None, None, None, None)


def test_a_rehearsal_of_before_does_not_say_how_long_the_last_wave_took(tmp_path: Path) -> None:
    path = written(tmp_path / "x.json", rehearsed())
    document = json.loads(path.read_text())
    del document["rehearsals"][0]["runs"][0]["waited"]
    path.write_text(json.dumps(document))
    assert read_rehearsal(path).paces[LINE].took == (3 * HOUR, None, 0, None)


def changed(document: dict[str, Any], how: str) -> Any:
    [campaign] = document["rehearsals"]
    [run] = campaign["runs"]
    match how:
        case "other format":
            document["formatVersion"] = 7
        case "no runs":
            campaign["runs"] = []
        case "odd resource":
            campaign["resource"] = "line"
        case "odd time":
            run["waves"][2]["waited"][0]["milliseconds"] = -1
        case "no number":
            run["waves"][2]["waited"][0]["milliseconds"] = "4"
        case "odd rate":
            run["failureRate"] = "none"
        case "odd name":
            run["waves"][0]["name"] = ["canary"]
        case "no waves":
            del run["waves"]
        case "a list":
            return [document]
        case "a plan":
            return {"formatVersion": 1, "steps": []}
    return document


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("other format", "it is a rehearsal of format 7, and this version reads 1"),
        ("no runs", "it is no rehearsal as JSON: something of a campaign, run or wave"),
        ("odd resource", "it is no rehearsal as JSON: something"),
        ("odd time", "it is no rehearsal as JSON: something"),
        ("no number", "it is no rehearsal as JSON: something"),
        ("odd rate", "it is no rehearsal as JSON: something"),
        ("odd name", "it is no rehearsal as JSON: something"),
        ("no waves", "it is no rehearsal as JSON: something"),
        ("a list", "it is no rehearsal as JSON: `rehearsals` is not in it"),
        ("a plan", "it is no rehearsal as JSON: `rehearsals` is not in it"),
    ],
)
def test_a_file_that_is_something_else(tmp_path: Path, how: str, said: str) -> None:
    path = written(tmp_path / "x.json", rehearsed())
    path.write_text(json.dumps(changed(json.loads(path.read_text()), how)))
    with pytest.raises(ReconcilerError) as caught:
        read_rehearsal(path)
    assert said in caught.value.message
    assert caught.value.hint == f"make one with `reconciler rehearse --output json > {path}`"


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "\x00"])
def test_a_file_that_is_no_json(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(ReconcilerError, match="it isn't JSON"):
        read_rehearsal(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ReconcilerError, match="can't be read: No such file"):
        read_rehearsal(tmp_path / "x.json")


@pytest.mark.parametrize(
    ("campaigns", "severity"), [((OTHER,), Severity.WARNING), ((LINE, OTHER), Severity.NOTE)]
)
def test_rollouts_that_were_not_rehearsed_are_named(
    tmp_path: Path, campaigns: tuple[ResourceId, ...], severity: Severity
) -> None:
    found = read_rehearsal(written(tmp_path / "x.json", rehearsed()))
    (finding,) = found.findings(desired(*campaigns))
    assert (finding.code, finding.severity) == ("pace-missing", severity)
    assert "no rehearsal of Campaign/other: nothing is expected of it" in finding.message
    assert finding.hint is not None
    assert finding.hint.startswith("it has Campaign/line;")


def test_other_waves_are_said(tmp_path: Path) -> None:
    found = read_rehearsal(written(tmp_path / "x.json", rehearsed()))
    assert list(found.findings(desired(LINE))) == []
    (finding,) = found.findings(desired(LINE, waves=("canary", "rest")))
    assert (finding.code, finding.severity) == ("pace-changed", Severity.WARNING)
    assert "of other waves of Campaign/line: canary, nobody, half" in finding.message
    assert "canary, rest now" in finding.message
