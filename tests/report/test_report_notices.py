"""What people are told by services outside."""

from dataclasses import replace

import pytest

from reconciler.model import Kind, ResourceId, RolloutStatus
from reconciler.plan.model import GuardTrip
from reconciler.report.notices import Notice, notice_text, notice_title
from reconciler.rollout.situation import Wait, WaitFor
from reconciler.rollout.views import RolloutView, WavePhase, WaveView
from reconciler.settings import NoticeEvent

LINE = ResourceId(Kind.CAMPAIGN, "line-3")
WAVES = (WaveView("canary", 20, 20, 17, 3, phase=WavePhase.OPEN), WaveView("rest", 80))
VIEW = RolloutView(LINE, "careful", RolloutStatus.ABORTED, 100, 20, wave=1, why="3 of 20 failed", waves=WAVES)


@pytest.mark.parametrize(
    ("event", "title", "text"),
    [
        (NoticeEvent.ABORTED, "rollout aborted", "wave 1 of 2 (canary): 3 of 20 failed."),
        (NoticeEvent.PAUSED, "rollout paused", "rollout resume line-3 --reason TEXT"),
        (NoticeEvent.COMPLETE, "rollout complete", "20 of 100 gateways have it."),
        (NoticeEvent.LOOK_FAILING, "looks fail", "canary: 20 gateways"),
    ],
)
def test_a_notice_says_what_is_the_matter_and_what_to_do(event: NoticeEvent, title: str, text: str) -> None:
    notice = Notice(event, "line", LINE, VIEW)
    assert notice_title(notice) == f"[line] Campaign/line-3: {title}"
    assert text in notice_text(notice)


def test_a_wave_that_opens_says_how_many_join() -> None:
    notice = Notice(NoticeEvent.WAVE_OPENED, "line", LINE, replace(VIEW, opens=2, joins=80))
    assert notice_title(notice) == "[line] Campaign/line-3: wave 2 of 2 (rest) opens"
    assert notice_text(notice).startswith("80 gateways join: 100 of 100 then.")


def test_an_approval_says_how_it_is_given() -> None:
    view = replace(VIEW, waits=(Wait(WaitFor.APPROVAL, text="rest"),))
    rollout = notice_text(Notice(NoticeEvent.WAITING_FOR_APPROVAL, "line", LINE, view))
    assert rollout.startswith("Wave rest wants a person's word")
    assert "rollout promote line-3" in rollout
    server = notice_text(Notice(NoticeEvent.WAITING_FOR_APPROVAL, "line", LINE))
    assert server == "The server wants it approved: `reconciler campaign approve line-3`."


def test_a_guard_says_what_it_found() -> None:
    trip = GuardTrip("maxDeletes", "12 campaigns would be deleted, and 10 may be")
    text = notice_text(Notice(NoticeEvent.GUARD_TRIPPED, "line", guards=(trip,)))
    assert text.startswith("maxDeletes: 12 campaigns would be deleted")


def test_what_others_said_is_made_fit_to_be_shown_and_short() -> None:
    wild = replace(VIEW, why="\x1b[31m" + "x" * 5_000)
    text = notice_text(Notice(NoticeEvent.ABORTED, "line", LINE, wild))
    assert "\x1b" not in text
    assert len(text) <= 1_500
