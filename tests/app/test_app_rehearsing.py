"""Whole rollouts on a server that is thrown away."""

import asyncio
from pathlib import Path

import pytest

from reconciler.app import Workspace, open_project
from reconciler.app.rehearsing import Asked, rehearse, starting
from reconciler.errors import InvalidInput, ReconcilerError, UsageError
from reconciler.report.rehearsal_report import RehearsalEnd, RehearsalReport, RehearsedCampaign
from reconciler.rollout.situation import WaitFor

MONDAY = 1_803_891_600_000
"""2027-03-01T09:00Z."""
HOUR = 3_600_000

POLICY = """
apiVersion: reconciler/v1
kind: RolloutPolicy
metadata: {name: careful}
spec:
  waves:
    - {name: canary, upTo: 20, soak: 24h}
    - {upTo: 10%, soak: 12h}
    - {name: half, upTo: 50%, approval: true}
    - {name: rest}
"""
NIGHTS = """
---
apiVersion: reconciler/v1
kind: Calendar
metadata: {name: nights}
spec:
  timezone: UTC
  windows:
    - {days: [mon, tue, wed, thu], from: "22:00", to: "04:00"}
"""


def project(folder: Path, policy: str = POLICY, *, fleet: int = 500, campaign: str = "") -> Workspace:
    """A project with one campaign; its package and its secret are not there."""
    gateways = "".join(f"    - gw-{number}\n" for number in range(fleet))
    resources = f"""\
apiVersion: reconciler/v1
kind: PackageSet
metadata: {{name: firmware}}
spec:
  packages: [{{id: a-package-of-the-real-server}}]
---
apiVersion: reconciler/v1
kind: GatewayList
metadata: {{name: hall}}
spec:
  gateways:
{gateways}---
apiVersion: reconciler/v1
kind: Campaign
metadata: {{name: line-3}}
spec:
  packageSet: firmware
  gatewayLists: [hall]
  settings: {{key: {{fromEnv: NOT_SET}}}}
  rollout: {{policy: careful}}
  desiredStatus: STARTED
{campaign}---
{policy.strip()}
"""
    folder.mkdir(exist_ok=True)
    (folder / "line.yaml").write_text(resources)
    return open_project(folder, paths=["line.yaml"], environ={})


def rehearsed(place: Workspace, *names: str, **asked: object) -> RehearsalReport:
    return asyncio.run(rehearse(place, Asked(names, begin=MONDAY, **asked)))  # type: ignore[arg-type]


def one(place: Workspace, **asked: object) -> RehearsedCampaign:
    [campaign] = rehearsed(place, **asked).campaigns
    return campaign


def test_a_fleet_of_500_without_failures_and_with_many(tmp_path: Path) -> None:
    report = rehearsed(project(tmp_path), rates=(0.0, 0.12))
    [campaign] = report.campaigns
    assert (campaign.gateways, campaign.rehearsed) == (500, 500)
    well, badly = campaign.runs
    assert (well.verdict, well.reached, well.done, well.failed) == (RehearsalEnd.COMPLETE, 500, 500, 0)
    assert [wave.gateways for wave in well.waves] == [20, 30, 200, 250]
    opened = [wave.opened for wave in well.waves]
    assert opened == sorted(opened, key=lambda each: each or 0)
    assert opened[0] == MONDAY
    second = dict(well.waves[1].waited)
    assert second[WaitFor.SOAK] == 24 * HOUR
    assert 0 < second[WaitFor.SUCCESS] <= 2 * HOUR
    assert well.most == 250
    assert 36 < well.hours < 42
    assert badly.verdict is RehearsalEnd.ABORTED
    assert "failed" in badly.why
    assert badly.reached < 100
    assert 0 < badly.failed < 20
    assert report.holds


def test_the_same_seed_ends_the_same_way_and_nothing_is_left_behind(tmp_path: Path) -> None:
    place = project(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    runs = [one(place, rates=(0.05,), seed=seed) for seed in (3, 3, 4)]
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]
    assert sorted(tmp_path.rglob("*")) == before


def test_rate_0_is_rehearsed_unless_something_is_expected(tmp_path: Path) -> None:
    place = project(tmp_path, fleet=40)
    assert [run.rate for run in one(place, rates=(0.9,)).runs] == [0.0, 0.9]
    report = rehearsed(place, rates=(0.9,), expect=RehearsalEnd.ABORTED)
    assert [run.rate for run in report.campaigns[0].runs] == [0.9]
    assert report.holds
    assert not rehearsed(place, rates=(0.9, 0.0), expect=RehearsalEnd.ABORTED).holds


def test_waves_open_in_the_windows_of_a_calendar(tmp_path: Path) -> None:
    run = one(project(tmp_path, POLICY + "  calendar: nights\n" + NIGHTS), rates=(0.0,)).runs[0]
    assert run.verdict is RehearsalEnd.COMPLETE
    assert run.waves[0].opened == MONDAY + 13 * HOUR
    assert dict(run.waves[0].waited) == {WaitFor.CALENDAR: 13 * HOUR}
    for wave in run.waves:
        assert wave.opened is not None
        assert (wave.opened // HOUR) % 24 in (22, 23, 0, 1, 2, 3)


def test_a_freeze_that_stops_the_campaign_ends(tmp_path: Path) -> None:
    calendar = """
---
apiVersion: reconciler/v1
kind: Calendar
metadata: {name: moves}
spec:
  timezone: UTC
  freezes:
    - {begin: 2027-03-01T09:20Z, end: 2027-03-03T09:00Z}
"""
    policy = POLICY + "  calendar: moves\n  duringFreeze: stop\n" + calendar
    run = one(project(tmp_path, policy), rates=(0.0,)).runs[0]
    assert (run.verdict, run.done) == (RehearsalEnd.COMPLETE, 500)
    assert run.hours > 48 + 36


def test_a_budget_is_kept(tmp_path: Path) -> None:
    policy = POLICY + "  disruptionBudget: {maxUnavailable: 7}\n"
    run = one(project(tmp_path, policy, fleet=60), rates=(0.0,)).runs[0]
    assert (run.verdict, run.most, run.done) == (RehearsalEnd.COMPLETE, 7, 60)


def test_gateways_that_never_poll_keep_a_rollout_waiting(tmp_path: Path) -> None:
    report = rehearsed(project(tmp_path), rates=(0.0,), offline=0.4)
    run = report.campaigns[0].runs[0]
    assert run.verdict is RehearsalEnd.WAITS
    assert "< 90 %; 9 never began" in run.why
    assert run.hours < 24
    assert not report.holds
    late = one(project(tmp_path, POLICY + "  deadline: 3d\n"), rates=(0.0,), offline=0.4).runs[0]
    assert (late.verdict, late.why) == (RehearsalEnd.PAUSED, "wave 1 of 4 (canary) missed its deadline")
    assert 72 <= late.hours < 73


def test_a_large_fleet_is_sampled(tmp_path: Path) -> None:
    campaign = one(project(tmp_path, fleet=3_000), rates=(0.0,), gateways=300)
    assert campaign.gateways == 3_000
    assert 250 < campaign.rehearsed <= 300
    assert campaign.runs[0].reached == campaign.rehearsed
    assert "of 3,000 gateways take part" in campaign.notes[0]


def test_words_of_people_are_taken_as_given(tmp_path: Path) -> None:
    place = project(tmp_path, fleet=40)
    file = tmp_path / "line.yaml"
    text = (
        file.read_text()
        .replace("STARTED", "STOPPED")
        .replace("{policy: careful}", "{policy: careful, paused: true}")
    )
    file.write_text(text)
    campaign = one(place, rates=(0.0,))
    assert campaign.runs[0].verdict is RehearsalEnd.COMPLETE
    assert len(campaign.notes) == 2
    assert campaign.runs[0].waves[2].approval


def test_a_way_back_is_rehearsed_as_if_it_had_to_take_everyone(tmp_path: Path) -> None:
    place = project(tmp_path, fleet=100)
    path = next(tmp_path.glob("*.yaml"))
    back = """
---
apiVersion: reconciler/v1
kind: Campaign
metadata: {name: back}
spec: {packageSet: firmware, rollbackOf: line-3, rollout: {policy: careful}, desiredStatus: STARTED}
"""
    path.write_text(path.read_text().rstrip() + back)
    (found,) = rehearsed(place, "back", rates=(0.0,)).campaigns
    (run,) = found.runs
    assert run.verdict is RehearsalEnd.COMPLETE
    assert run.reached == 100


def test_overrides_closed_gateways_and_a_fleet_of_nobody(tmp_path: Path) -> None:
    more = """\
  closedGateways: [gw-1, gw-2]
  packageOverrides:
    - {gateways: [gw-3], packageSet: firmware}
"""
    campaign = one(project(tmp_path, fleet=40, campaign=more), rates=(0.0,))
    assert (campaign.gateways, campaign.runs[0].done) == (38, 38)
    nobody = project(tmp_path, fleet=1, campaign="  closedGateways: [gw-0]\n")
    assert one(nobody, rates=(0.0,)).runs[0].reached == 0


def test_what_can_not_be_rehearsed_is_said(tmp_path: Path) -> None:
    place = project(tmp_path)
    with pytest.raises(ReconcilerError, match="'line-33' has no rollout") as error:
        rehearsed(place, "line-33")
    assert "line-3" in (error.value.hint or "")
    file = tmp_path / "line.yaml"
    whole = file.read_text()
    file.write_text(whole.replace("  rollout: {policy: careful}\n", ""))
    with pytest.raises(ReconcilerError, match="no campaign has a rollout"):
        rehearsed(place)
    file.write_text(whole.replace("policy: careful", "policy: careless"))
    with pytest.raises(InvalidInput):
        rehearsed(place)


def test_a_begin_is_a_time_with_a_zone() -> None:
    assert starting("2027-03-01T10:00+01:00") == MONDAY
    with pytest.raises(UsageError):
        starting("2027-03-01 10:00")
