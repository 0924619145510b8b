"""Windows, per phase and gateway: compared with what the server tells, or else with what was last sent.

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

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain

from reconciler.diff.view import EMPTY, NOTHING, Part, View, count, together
from reconciler.model import Assignment, Change, Finding, Json, Reason, SchedulePhase, Window, sorted_ids
from reconciler.model.sets import joined, within, without
from reconciler.providers.base import Field
from reconciler.state.applied import schedule_field, window_end, window_value


@dataclass(frozen=True, slots=True)
class WindowFor:
    """A window to send to some gateways, sorted."""

    phase: SchedulePhase
    window: Window
    gateways: tuple[str, ...]
    reason: Reason


Targets = Sequence[tuple[Assignment, frozenset[str]]]


def diff_schedules(view: View) -> Part[WindowFor]:
    """What to send, in the order of the phases."""
    schedules = view.campaign.schedules or ()
    if not (schedules or any(view.values(Field.SCHEDULES, schedule_field(each)) for each in SchedulePhase)):
        return NOTHING
    targets = [(each, _targets(view, each)) for each in schedules]
    phases = (_Phase(view, phase).diff(targets) for phase in SchedulePhase)
    return together((*phases, Part(findings=tuple(_strangers(view, targets)))))


def _targets(view: View, assignment: Assignment) -> frozenset[str]:
    wanted = assignment.gateways
    return (
        view.members if wanted is None else wanted if within(wanted, view.members) else wanted & view.members
    )


@dataclass(frozen=True)
class _Phase:
    """The windows of one phase; what doesn't depend on one of them is found out once."""

    view: View
    phase: SchedulePhase

    @cached_property
    def _recorded(self) -> Mapping[str, frozenset[str]]:
        return self.view.values(Field.SCHEDULES, schedule_field(self.phase))

    @cached_property
    def _known(self) -> frozenset[str]:
        """Who got any window."""
        return without(joined(tuple(self._recorded.values())), self.view.joining)

    @cached_property
    def _past(self) -> frozenset[str]:
        """Gateways for which a window of that phase would come too late."""
        view = self.view
        states = view.live.gateways.states if view.live and view.live.gateways else {}
        late = [frozenset(ids) for state, ids in states.items() if view.ask.facts.past(state, self.phase)]
        return without(joined(late), view.joining)

    def diff(self, targets: Targets) -> Part[WindowFor]:
        covered: dict[str, list[frozenset[str]]] = defaultdict(list)
        parts: list[Part[WindowFor]] = []
        unsure = self.view.joining or self.view.reasserting(Field.SCHEDULES)
        settled: Mapping[str, frozenset[str]] = {} if unsure else self._recorded
        for assignment, gateways in targets:
            if window := assignment.windows.get(self.phase):
                value = window_value(window)
                covered[value].append(gateways)
                # Skip windows that every gateway has already: usually that is all of them.
                if not within(gateways, settled.get(value, EMPTY)) and (
                    missing := self._missing(value, gateways)
                ):
                    parts.append(self._window(window, missing, assignment))
        return together((*parts, Part(findings=tuple(self._not_taken_back(covered)))))

    def _missing(self, value: str, targets: frozenset[str]) -> frozenset[str]:
        """Who is to have a window, has not got it, as recorded, and is not past the phase."""
        view = self.view
        missing = targets
        if not view.reasserting(Field.SCHEDULES):
            missing = without(targets, self._recorded.get(value, EMPTY))
            if view.joining:
                missing |= targets & view.joining
        return without(missing, self._past) if missing else EMPTY

    def _window(self, window: Window, missing: frozenset[str], assignment: Assignment) -> Part[WindowFor]:
        view, phase = self.view, self.phase
        if window.end <= view.ask.now:
            message = f"the {phase} window of {count(missing)} has ended; it is not sent"
            return Part(findings=(view.note("expired", message, Field.SCHEDULES, place=assignment.place),))
        assumed = missing - view.joining if view.assuming(Field.SCHEDULES) else EMPTY
        if assumed:
            message = f"the {phase} window of {count(assumed)} can't be read; it is taken to be as declared"
            todo = _todo(phase, window, missing - assumed, view.why(Field.SCHEDULES, known=False))
            return Part(
                todo,
                tuple(_changes(view, todo, assignment)),
                (view.note("assumed", message, Field.SCHEDULES, place=assignment.place),),
                (view.applied(schedule_field(phase), window_value(window), assumed),),
            )
        todo = (
            *_todo(phase, window, missing & self._known, view.why(Field.SCHEDULES, known=True)),
            *_todo(phase, window, without(missing, self._known), view.why(Field.SCHEDULES, known=False)),
        )
        return Part(todo, tuple(_changes(view, todo, assignment)))

    def _not_taken_back(self, covered: Mapping[str, Sequence[frozenset[str]]]) -> Iterator[Finding]:
        """`covered`: value → the gateways that are to have that window."""
        view, phase = self.view, self.phase
        left = [
            ids.difference(*sets)
            for value, ids in self._recorded.items()
            if window_end(value) > view.ask.now
            and not ((sets := covered.get(value, [])) and within(ids, sets[0]))
        ]
        kept = without(joined(left), view.joining) & view.members
        if kept:
            kept = kept.difference(*chain.from_iterable(covered.values()))
        if kept:
            what = f"a {phase} window that is no longer declared can't be taken back"
            yield view.note(
                "cannot-undo",
                f"{what}, and stays for {count(kept)}",
                Field.SCHEDULES,
                "declare another window, or close the campaign for them",
            )


def _todo(
    phase: SchedulePhase, window: Window, gateways: frozenset[str], reason: Reason
) -> tuple[WindowFor, ...]:
    return (WindowFor(phase, window, sorted_ids(gateways), reason),) if gateways else ()


def _changes(view: View, todo: tuple[WindowFor, ...], assignment: Assignment) -> Iterator[Change]:
    for item in todo:
        after: dict[str, Json] = {"begin": item.window.begin, "end": item.window.end}
        said = {"timezone": assignment.timezone, "schedule": assignment.schedule}
        after |= {key: value for key, value in said.items() if value is not None}
        yield Change(
            view.campaign.resource,
            f"{Field.SCHEDULES}.{item.phase}",
            None,
            after,
            item.reason,
            members=item.gateways,
        )


def _strangers(view: View, targets: Targets) -> Iterator[Finding]:
    closed = view.campaign.closed or EMPTY
    for assignment, members in targets:
        if assignment.gateways is None or len(members) == len(assignment.gateways):
            continue
        if strangers := assignment.gateways - members - closed - view.closed_live:
            yield view.note(
                "not-a-member",
                f"no window while not in the campaign, for {count(strangers)}",
                Field.SCHEDULES,
                place=assignment.place,
            )
