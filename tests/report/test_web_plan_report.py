"""A plan as one file."""

from dataclasses import replace

import pytest
from pull_requests import pull_request
from report_samples import LINE_3, SERVER, group
from web_pages import body, faults, read
from web_samples import ABORTED, HOSTILE, NOW, ROLLOUT, rid

from reconciler.errors import Exit
from reconciler.model import Finding, Outcome, OutcomeStatus, Place, Verb
from reconciler.plan.model import CampaignImpact, Devices, GuardTrip, Impact, Packages, Plan
from reconciler.report.pull_request import PlanContext
from reconciler.report.web.plan_report import AppliedShown, findings_report, plan_report


def doing(*rows: CampaignImpact, **more) -> Plan:
    """A plan of one step that says so of its impact."""
    step = group("stop", Verb.STOP, "stop-campaign", LINE_3, target="c3")
    return Plan(SERVER, (step,), impact=Impact(rows, permissions=("STOP",)), **more)


@pytest.fixture(scope="module")
def reviewed(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    return pull_request(tmp_path_factory.mktemp("reviewed"))[0]


def test_it_says_first_what_happens_to_devices(reviewed):
    html = plan_report(reviewed, about=PlanContext("production", "fleet"), at=NOW, digest="ab" * 32)
    assert faults(html) == []
    text = body(html)
    order = (
        "Refused by a guard: maxInFlightInterrupted",
        "Environment production",
        "12 gateways in the middle of an update would be interrupted",
        "300 gateways of 4 campaigns: 45 leave, 80 start, 120 get packages.",
        "paris 40 fw-1.9.bin Deleted 40 leave at once",
        "berlin 120 fw-2.1.bin → fw-2.2.bin Stopped and started again",
        "120 get packages: fw-2.2.bin",
        "Europe/Berlin",
        "Can’t be undone: 2",
        "5 devices leave hamburg",
        "Changes and calls of each resource",
        "permissions needed",
    )
    at = [text.find(each) for each in order]
    assert -1 not in at, order[at.index(-1)]
    assert at == sorted(at)


def test_lines_are_measured_by_the_largest_campaign(reviewed):
    page = read(plan_report(reviewed))
    widths = [each.attributes["width"] for each in page.every("rect")]
    assert widths == ["333", "100", "1000", "41", "666"]


def test_campaigns_lead_to_their_yaml(reviewed):
    link = "https://github.com/acme/fleet/blob/0/berlin.yaml#L1"
    html = plan_report(reviewed, about=PlanContext(link=lambda place: link))
    assert link in [each.attributes["href"] for each in read(html).every("a")]
    other = plan_report(reviewed, about=PlanContext(link=lambda place: "javascript:alert(1)"))
    assert [each.attributes["href"] for each in read(other).every("a")] == ["#main"]


def test_a_plan_of_everything_is_sound(full_plan):
    text = body(html := plan_report(replace(full_plan, rollouts=(ROLLOUT, ABORTED)), at=NOW))
    assert faults(html) == []
    for said in (
        "not before Tue 2027-01-12 19:00 UTC",
        "it is aborted: 31 of 310",
        "250 devices join line-4",
    ):
        assert said in text, said


def test_nothing_to_do_is_said():
    text = body(plan_report(Plan(SERVER)))
    assert "Nothing to apply" in text
    assert "No changes." in text


def test_one_is_not_several():
    row = CampaignImpact(
        rid("a"), "a", devices=Devices(9, 1, 1, 1, 1, 1, 1, 1), packages=Packages(("x",), ("y",))
    )
    text = body(plan_report(doing(row)))
    for said in (
        "1 is interrupted in the middle of an update",
        *("1 leaves", "1 stops", "1 joins", "1 gets packages: y", "1 starts", "1 has finished with x"),
    ):
        assert said in text, said


def test_what_is_not_known_is_said_so():
    row = CampaignImpact(rid("a"), "a", devices=Devices(members=5, start=None, interrupt=None))
    assert "how many start is not known" in body(plan_report(doing(row)))


def test_what_became_of_it_comes_first(full_plan):
    step = next(full_plan.steps())
    outcomes = (Outcome(step, OutcomeStatus.FAILED, "the server says no"),)
    text = body(html := plan_report(full_plan, applied=AppliedShown(outcomes, Exit.PARTLY)))
    assert faults(html) == []
    assert "Applied: some steps failed" in text
    assert text.index("failed 1") < text.index("What happens to devices")
    assert "the server says no" in text


def test_findings_in_the_place_of_a_plan():
    html = findings_report([Finding("bad", "it is wrong", Place("a.yaml", 1, 2), "Write `b`.")])
    assert faults(html) == []
    assert "Can't be planned: 1 error" in body(html)
    assert "What to do: Write b ." in body(html)


def test_names_of_others_are_only_text():
    bad = HOSTILE
    row = CampaignImpact(
        rid(bad),
        bad,
        devices=Devices(9, 1, 1, 1, 1, 1, 1, 1),
        packages=Packages((bad,), (bad,)),
        shared={rid(bad): 2},
    )
    guard = GuardTrip("maxDeletes", bad, waived=bad, until=NOW)
    plan = doing(row, guards=(guard,), findings=(Finding(bad, bad),))
    html = plan_report(plan, about=PlanContext(bad, bad, would=Exit.DONE), digest=bad)
    assert faults(html) == []
    assert "<script" not in html
    assert "\u202e" not in html
    assert "gets packages: <script>alert(1)" in body(html)
    assert "x" * 1_001 not in body(html)


def test_very_many_are_cut_and_counted():
    rows = (CampaignImpact(rid(f"c-{n}"), f"c-{n}", devices=Devices(1)) for n in range(700))
    text = body(html := plan_report(doing(*rows)))
    assert "And 200 campaigns more; plan --output json has them all." in text
    assert len(html) < 1_000_000
