"""What people are told by services outside: one event, its title, and a text of a few lines.

Tests: `tests/report/test_report_notices.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from reconciler.model import ResourceId
from reconciler.plan.model import GuardTrip
from reconciler.report.devices import joining
from reconciler.report.rollouts_report import wait_words, wave_words
from reconciler.rollout.situation import WaitFor
from reconciler.rollout.views import RolloutView
from reconciler.settings import NoticeEvent
from reconciler.text import clean, cut, plural

_LONGEST: Final = 1_500
"""Characters of a text: many services take no more than 2,000."""
_TITLE: Final = 200


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing that people are told of."""

    event: NoticeEvent
    project: str
    """The name of the project, with its environment."""
    resource: ResourceId | None = None
    """Which campaign it is about."""
    view: RolloutView | None = None
    """Where its rollout stands."""
    guards: tuple[GuardTrip, ...] = ()
    """The guards that stand against the plan."""
    text: str = ""
    """What else there is to say."""


def notice_title(notice: Notice) -> str:
    """``[line] Campaign/line-3: rollout aborted``."""
    what = {
        NoticeEvent.ABORTED: "rollout aborted",
        NoticeEvent.PAUSED: "rollout paused",
        NoticeEvent.WAITING_FOR_APPROVAL: "waits for approval",
        NoticeEvent.WAVE_OPENED: _wave(notice.view),
        NoticeEvent.COMPLETE: "rollout complete",
        NoticeEvent.GUARD_TRIPPED: "a guard stands against the plan",
        NoticeEvent.LOOK_FAILING: "looks fail",
    }[notice.event]
    about = f"{notice.resource}: " if notice.resource else ""
    return cut(clean(f"[{notice.project}] {about}{what}"), _TITLE)


def notice_text(notice: Notice) -> str:
    """The text below the title."""
    return cut("\n".join(_lines(notice)), _LONGEST)


def _wave(view: RolloutView | None) -> str:
    return f"{view.where} opens" if view else "a wave opens"


def _lines(notice: Notice) -> Iterator[str]:
    yield from _what(notice)
    view = notice.view
    if view and notice.event is not NoticeEvent.WAITING_FOR_APPROVAL:
        for wave in view.waves:
            yield f"  {clean(wave.name)}: {plural(wave.gateways, 'gateway')}, {wave_words(view, wave)}"
    if notice.text:
        yield clean(notice.text)


def _what(notice: Notice) -> Iterator[str]:
    view = notice.view
    name = notice.resource.name if notice.resource else ""
    match notice.event:
        case NoticeEvent.ABORTED | NoticeEvent.PAUSED:
            if view:
                by = f", by {clean(view.by)}" if view.by else ""
                yield f"{view.where}: {clean(view.why)}{by}."
            yield "Nobody else is released."
            yield f"See: reconciler rollout show {name} --failed"
            yield f"Go on with: reconciler rollout resume {name} --reason TEXT"
        case NoticeEvent.WAITING_FOR_APPROVAL:
            waits = view.waits if view else ()
            words = (wait_words(view, each) for each in waits if view and each.reason is WaitFor.APPROVAL)
            said = next(words, f"the server wants it approved: `reconciler campaign approve {name}`")
            yield f"{said[0].upper()}{said[1:]}."
        case NoticeEvent.WAVE_OPENED if view:
            after = view.entered + view.joins
            yield f"{joining(view.joins)}: {after:,} of {view.total:,} then."
        case NoticeEvent.COMPLETE if view:
            yield f"{view.entered:,} of {plural(view.total, 'gateway')} have it."
        case NoticeEvent.GUARD_TRIPPED:
            yield from (f"{trip.guard}: {clean(trip.message)}" for trip in notice.guards)
            yield "Nothing is sent before that is fixed, or waived:"
            yield "reconciler apply --waive GUARD --reason TEXT"
        case _:
            pass
