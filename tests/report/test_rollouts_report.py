"""How rollouts read."""

from dataclasses import replace

import pytest

from reconciler.model import Kind, ResourceId, RolloutStatus, Server
from reconciler.plan import Plan
from reconciler.report.markdown import plan_markdown
from reconciler.report.rollouts_report import (
    rollout_bars,
    rollout_item,
    rollout_lines,
    rollout_markdown,
    wait_words,
)
from reconciler.rollout.situation import Wait, WaitFor
from reconciler.rollout.views import RolloutView, WavePhase, WaveView

NOW = 1_800_000_000_000
LINE = ResourceId(Kind.CAMPAIGN, "line-3")
VIEW = RolloutView(
    LINE,
    "careful",
    RolloutStatus.PROGRESSING,
    total=5000,
    entered=50,
    joins=450,
    wave=3,
    opens=3,
    waves=(
        WaveView("canary", 20, 20, 20, phase=WavePhase.PASSED),
        WaveView("1%", 30, 30, 29, 1, phase=WavePhase.PASSED),
        WaveView("10%", 450, phase=WavePhase.OPENS),
        WaveView("half", 2000, not_before=NOW, approval=True),
        WaveView("rest", 2500, not_before=NOW + 3_600_000),
    ),
    next_look=NOW,
    ends=NOW + 7_200_000,
    now=NOW - 86_400_000,
    zone="UTC",
)
WAITS = RolloutView(
    LINE,
    "careful",
    RolloutStatus.PROGRESSING,
    total=50,
    entered=20,
    wave=1,
    waves=(WaveView("canary", 20, 20, 15, phase=WavePhase.OPEN), WaveView("rest", 30)),
    waits=(Wait(WaitFor.SUCCESS, None, "15 of 20 done, fewer than 90 %"),),
)


def test_a_wave_that_opens() -> None:
    assert list(rollout_lines([VIEW])) == [
        "Campaign/line-3: rollout careful, wave 3 of 5 (10%) opens",
        "  + 450 gateways join: 500 of 5,000 then (10 %)",
        "    canary     20  passed: 20 done",
        "    1%         30  passed: 29 done, 1 failed",
        "  → 10%       450  opens now",
        "    half    2,000  not before Fri 15 Jan 08:00 UTC, waits for a person's word",
        "    rest    2,500  not before Fri 15 Jan 09:00 UTC",
        "  the next look that can change something: Fri 15 Jan 08:00 UTC",
        "  ends not before Fri 15 Jan 10:00 UTC",
    ]


def test_who_was_in_before_there_were_waves_has_passed_nothing() -> None:
    earlier = replace(VIEW, waves=(WaveView("canary", 20, 20, 0, 0, 20, phase=WavePhase.PASSED),))
    assert "    canary  20  in: 20 not begun" in list(rollout_lines([earlier]))


def test_a_campaign_that_the_plan_starts_is_waited_for_no_longer() -> None:
    waits = replace(WAITS, waits=(Wait(WaitFor.NOT_RUNNING),))
    said = "Waits: Campaign/line-3, wave 1 of 2 (canary): the campaign does not run."
    assert list(rollout_lines([waits])) == [said]
    assert "does not run" not in "".join(rollout_lines([waits], starting={LINE}))
    assert "  waits: the campaign does not run" in list(rollout_lines([waits], over=True))


def test_a_wait() -> None:
    said = "Waits: Campaign/line-3, wave 1 of 2 (canary): 15 of 20 done, fewer than 90 %"
    assert list(rollout_lines([WAITS])) == [f"{said}."]
    until = " The next look that can change something: Fri 15 Jan 08:00 UTC."
    later = replace(WAITS, next_look=NOW, now=NOW - 86_400_000, zone="UTC")
    assert list(rollout_lines([later])) == [f"{said}.{until}"]
    assert "  waits: wave 1 of 2 (canary): 15 of 20 done, fewer than 90 %" in list(
        rollout_lines([WAITS], over=True)
    )
    item = rollout_item(WAITS)
    assert item["waits"] == [
        {"for": "success", "until": None, "text": "wave 1 of 2 (canary): 15 of 20 done, fewer than 90 %"}
    ]
    assert (item["next"], item["endsNotBefore"], item["opens"]) == (None, None, None)


def test_one_that_is_over_is_not_said() -> None:
    over = RolloutView(LINE, "careful", RolloutStatus.COMPLETE, 5, 5)
    assert list(rollout_lines([over])) == []
    assert list(rollout_lines([over], over=True))


def test_markdown_has_a_table_and_a_chart() -> None:
    page = "\n".join(rollout_markdown([VIEW]))
    assert page.startswith("### Rollouts: 1\n")
    assert "**`Campaign/line-3`**: rollout `careful`, wave 3 opens\n" in page
    assert "450 gateways join: 500 of 5,000 then" in page
    assert "| `1%` | 30 | 30 | 29 | 1 | passed: 29 done, 1 failed |" in page
    assert "```mermaid\ngantt\n" in page
    assert f"  4 half :{NOW}, {NOW + 3_600_000}" in page


def test_markdown_says_what_it_waits_for() -> None:
    assert "- waits: `wave 1 of 2 (canary): 15 of 20 done" in "\n".join(rollout_markdown([WAITS]))


def test_those_that_are_aborted_come_first_and_complete_ones_not_at_all() -> None:
    over = replace(VIEW, status=RolloutStatus.COMPLETE, joins=0, opens=0)
    assert list(rollout_markdown([over])) == []
    aborted = replace(WAITS, resource=ResourceId(Kind.CAMPAIGN, "z"), status=RolloutStatus.ABORTED)
    title, first, second = rollout_markdown([WAITS, aborted, over])
    assert (title, "Campaign/z" in first, "Campaign/line-3" in second) == ("### Rollouts: 2\n", True, True)


def test_many_fit() -> None:
    pieces = list(rollout_markdown([VIEW] * 10_000))
    assert sum(map(len, pieces)) < 17_000
    assert pieces[-1].startswith("and 9,9")


def test_it_stands_in_the_pull_request() -> None:
    plan = Plan(Server("pulse", "https://x"), rollouts=(VIEW,))
    page = plan_markdown(plan)
    assert "### Rollouts: 1" in page
    assert len(plan_markdown(replace(plan, rollouts=(VIEW,) * 500))) < 65_536
    assert page.count("```") % 2 == 0


def test_names_reach_no_machinery() -> None:
    odd = RolloutView(
        LINE,
        "a|b`@all",
        RolloutStatus.PROGRESSING,
        1,
        0,
        waves=(WaveView("x`y|z:1", 1, not_before=NOW), WaveView("title %%x", 1, not_before=NOW)),
        waits=(Wait(WaitFor.CHECK, None, "<b>@everybody"),),
        ends=NOW,
    )
    page = "\n".join(rollout_markdown([odd]))
    assert "``a|b`@all``" in page
    assert "| ``x`y\\|z:1`` |" in page
    assert "  1 x y z 1 :" in page
    assert "  2 title % %x :" in page
    assert "`check <b>@everybody`" in page


def test_a_bar_for_each_wave() -> None:
    waves = (*VIEW.waves[:2], WaveView("10%", 450, 400, 312, 0, 20), *VIEW.waves[3:])
    waits = (Wait(WaitFor.CALENDAR, NOW, "nights, company"),)
    view = replace(VIEW, opens=0, waves=waves, waits=waits, ends=None)
    *bars, last = rollout_bars(view)
    assert bars == [
        "  canary  ██████████████████████████████    20/20",
        "  1%      █████████████████████████████×    29/30  1 failed",
        "  10%     ████████████████████▒▒▒▒▒░····  312/450",
        "  half    ······························    2,000  waits for a person's word",
        "  rest    ······························    2,500  not before Fri 15 Jan 09:00 UTC",
    ]
    until = "the calendars nights, company are closed until Fri 15 Jan 08:00 UTC"
    assert last == f"  wave 3 of 5 (10%), progressing; {until}"
    assert list(rollout_bars(replace(view, status=RolloutStatus.COMPLETE))) == []
    assert all(line.isascii() for line in list(rollout_bars(view, blocks=False))[:5])


def test_times_of_the_wave_that_is_open_last() -> None:
    item = rollout_item(replace(WAITS, since=NOW - 5, reached=NOW))
    waves = item["waves"]
    assert isinstance(waves, list)
    assert [(wave["since"], wave["reached"]) for wave in waves] == [(NOW - 5, NOW), (None, None)]


DAY = 86_400_000
THURSDAY = 1_796_331_600_000
"""Thu 3 Dec 2026, 22:00 in Berlin."""
DESIGNED = replace(
    VIEW,
    now=THURSDAY - 3 * 3_600_000 - 12 * 60_000,
    zone="Europe/Berlin",
    waves=(
        WaveView("canary", 20, 20, 20, phase=WavePhase.PASSED),
        WaveView("1%", 30, 30, 29, 1, phase=WavePhase.PASSED, soak=DAY // 2),
        WaveView("10%", 450, phase=WavePhase.OPENS),
        WaveView("half", 2000, not_before=THURSDAY, soak=DAY // 2, approved=True),
        WaveView("rest", 2500, not_before=THURSDAY + DAY),
    ),
    next_look=THURSDAY,
    ends=THURSDAY + DAY,
    checks=("errors", "helpdesk"),
)


def test_times_are_those_of_the_calendars_and_soaks_stand_beside_their_waves() -> None:
    lines = list(rollout_lines([DESIGNED]))
    assert lines == [
        "Campaign/line-3: rollout careful, wave 3 of 5 (10%) opens",
        "  + 450 gateways join: 500 of 5,000 then (10 %)",
        "    canary     20  passed: 20 done",
        "    1%         30  passed: 29 done, 1 failed       soaked 12 h",
        "  → 10%       450  opens now",
        "    half    2,000  not before Thu 3 Dec 22:00 CET  soak 12 h, approval: given",
        "    rest    2,500  not before Fri 4 Dec 22:00 CET",
        "  it opens only if they pass; checks asked at apply: errors, helpdesk",
        "  the next look that can change something: Thu 3 Dec 22:00 CET",
        "  ends not before Fri 4 Dec 22:00 CET",
    ]
    assert max(map(len, lines)) <= 80


RESUME = "go on with `reconciler rollout resume line-3 --reason TEXT`"
STANDS = "486 of 500 done, 97.2 % ≥ 90 %; 3 failed ≤ 50"
NEVER = "38 of 40 slots are held, 30 of them by gateways that never began"
SINCE = "since Thu 3 Dec 17:00 CET, by ann: smoke in hall 2"
OF = "wave 3 of 5 (10%)"
SENTENCES = {
    Wait(WaitFor.SUCCESS, None, "4 of 5 done, 80 % < 90 %"): f"{OF}: 4 of 5 done, 80 % < 90 %",
    Wait(WaitFor.SOAK, THURSDAY, STANDS): f"{OF}: {STANDS}; soak 3 h 12 m left, until Thu 3 Dec 22:00 CET",
    Wait(WaitFor.CALENDAR, THURSDAY, "n"): "the calendar n is closed until Thu 3 Dec 22:00 CET",
    Wait(WaitFor.CALENDAR, None, "n"): "the calendar n is closed, and not known to open",
    Wait(WaitFor.APPROVAL, None, "half"): (
        "wave half wants a person's word: write rollout.approved: half, or"
        " `reconciler rollout promote line-3 --reason TEXT`"
    ),
    Wait(WaitFor.BUDGET, None, NEVER): f"the disruption budget is used up: {NEVER}",
    Wait(WaitFor.CHECK, None, "errors: 7.2 > 5"): "check errors: 7.2 > 5",
    Wait(WaitFor.PAUSED, None, "smoke in hall 2"): f"it is paused {SINCE}; {RESUME}",
    Wait(WaitFor.ABORTED, None, "smoke in hall 2"): f"it is aborted {SINCE}; {RESUME}",
    Wait(WaitFor.PAUSED_IN_GIT): "Git pauses it: rollout.paused is true",
    Wait(WaitFor.WAY_BACK, None, "Campaign/b"): (
        "its way back Campaign/b is under way, and only one of them may run: let it complete, or end it"
    ),
}


@pytest.mark.parametrize("wait", SENTENCES)
def test_what_is_waited_for_is_a_sentence(wait: Wait) -> None:
    said = wait_words(replace(DESIGNED, by="ann", at=THURSDAY - 5 * 3_600_000), wait)
    assert said == SENTENCES[wait]


def test_what_a_rehearsal_lets_one_expect_stands_behind_the_bound() -> None:
    waves = (*DESIGNED.waves[:3], replace(DESIGNED.waves[3], expected=THURSDAY + 100 * 60_000))
    view = replace(DESIGNED, waves=waves, expected_end=THURSDAY + 2 * DAY)
    lines = list(rollout_lines([view]))
    about = "not before Thu 3 Dec 22:00 CET, by the rehearsal: about Thu 3 Dec 23:40 CET"
    assert any(about in line for line in lines)
    assert lines[-1] == "  ends not before Fri 4 Dec 22:00 CET, by the rehearsal: about Sat 5 Dec 22:00 CET"
    assert any(about in line for line in rollout_bars(view))
    assert about in "\n".join(rollout_markdown([view]))
