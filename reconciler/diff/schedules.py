"""Windows can be written but not read: per phase and gateway they are compared with what was last sent.

| gateway                     | what happens                                              |
|-----------------------------|-----------------------------------------------------------|
| has the window, as recorded | nothing                                                   |
| joins by this plan          | sent, whatever is recorded                                |
| is past the phase           | nothing                                                   |
| never got a window          | sent; *assumed* when the campaign is just being adopted   |
| got another window          | sent                                                      |
| got a window, none declared | nothing: a window can't be taken back; said               |

A window that has ended is never sent, and shown as expired.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from reconciler.diff.view import EMPTY, Part, View, count, joined, without
from reconciler.model import (
    Assignment,
    Change,
    Finding,
    Reason,
    SchedulePhase,
    Window,
    sorted_ids,
)
from reconciler.providers.base import Field
from reconciler.state.applied import schedule_field, window_end, window_value
from reconciler.state.base import Event


@dataclass(frozen=True, slots=True)
class WindowFor:
    """A window to send to some gateways, sorted."""

    phase: SchedulePhase
    window: Window
    gateways: tuple[str, ...]
    reason: Reason


def diff_schedules(view: View) -> Part[WindowFor]:
    """What to send, in the order of the phases."""
    todo: list[WindowFor] = []
    changes: list[Change] = []
    findings: list[Finding] = []
    records: list[Event] = []
    for phase in SchedulePhase:
        covered = EMPTY
        for assignment in view.campaign.schedules or ():
            if window := assignment.windows.get(phase):
                targets = _targets(view, assignment)
                covered = joined([covered, targets])
                part = _diff_window(view, phase, window, targets, assignment)
                todo += part.todo
                changes += part.changes
                findings += part.findings
                records += part.records
        findings += _not_taken_back(view, phase, covered)
    findings += _strangers(view)
    return Part(tuple(todo), tuple(changes), tuple(findings), tuple(records))


def _targets(view: View, assignment: Assignment) -> frozenset[str]:
    return view.members if assignment.gateways is None else assignment.gateways & view.members


def _diff_window(
    view: View, phase: SchedulePhase, window: Window, targets: frozenset[str], assignment: Assignment
) -> Part[WindowFor]:
    name, value = schedule_field(phase), window_value(window)
    recorded = view.recorded(name)
    have = EMPTY if view.ask.options.reassert else without(recorded.get(value, EMPTY), view.joining)
    missing = targets - have - _past(view, phase)
    if not missing:
        return Part()
    if window.end <= view.ask.now:
        message = f"the {phase} window of {count(missing)} has ended; it is not sent"
        return Part(findings=(view.note("expired", message, Field.SCHEDULES, place=assignment.place),))
    assumed = missing - view.joining if view.assuming else EMPTY
    if assumed:
        message = f"the {phase} window of {count(assumed)} can't be read; it is taken to be as declared"
        return Part(
            _todo(phase, window, missing - assumed, view.why(known=False)),
            findings=(view.note("assumed", message, Field.SCHEDULES, place=assignment.place),),
            records=(view.applied(name, value, assumed),),
        )
    known = EMPTY.union(*recorded.values()) - view.joining
    todo = (
        *_todo(phase, window, missing & known, view.why(known=True)),
        *_todo(phase, window, missing - known, view.why(known=False)),
    )
    return Part(todo, tuple(_changes(view, todo)))


def _todo(
    phase: SchedulePhase, window: Window, gateways: frozenset[str], reason: Reason
) -> tuple[WindowFor, ...]:
    return (WindowFor(phase, window, sorted_ids(gateways), reason),) if gateways else ()


def _changes(view: View, todo: tuple[WindowFor, ...]) -> Iterator[Change]:
    for item in todo:
        after = {"begin": item.window.begin, "end": item.window.end}
        yield Change(
            view.campaign.resource,
            f"{Field.SCHEDULES}.{item.phase}",
            None,
            after,
            item.reason,
            members=item.gateways,
        )


def _past(view: View, phase: SchedulePhase) -> frozenset[str]:
    """Gateways for which a window of that phase would come too late."""
    states = view.live.gateways.states if view.live and view.live.gateways else {}
    late = [members for state, members in states.items() if view.ask.past(state, phase)]
    return without(EMPTY.union(*late), view.joining)


def _not_taken_back(view: View, phase: SchedulePhase, covered: frozenset[str]) -> Iterator[Finding]:
    recorded = view.recorded(schedule_field(phase)).items()
    open_still = joined([gateways for value, gateways in recorded if window_end(value) > view.ask.now])
    kept = (open_still - covered - view.joining) & view.members
    if kept:
        yield view.note(
            "cannot-undo",
            f"a {phase} window that is no longer declared can't be taken back, and stays for {count(kept)}",
            Field.SCHEDULES,
            "declare another window, or close the campaign for them",
        )


def _strangers(view: View) -> Iterator[Finding]:
    for assignment in view.campaign.schedules or ():
        closed = view.campaign.closed or EMPTY
        strangers = (assignment.gateways or EMPTY) - view.members - closed - view.closed_live
        if strangers:
            yield view.note(
                "not-a-member",
                f"no window while not in the campaign, for {count(strangers)}",
                Field.SCHEDULES,
                place=assignment.place,
            )
