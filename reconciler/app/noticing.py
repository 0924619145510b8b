"""What a run has to tell people of: turns of rollouts, and what lasts; each told by one run, once.

A turn is told by the run that recorded it: it is in the state before it is told, and no other run records it
again. What lasts, as a guard that stands against the plan, is noted in the state before it is told, and the
note goes when it is over. So a crash between the two loses a notice, and never sends one twice.

Tests: `tests/app/test_app_noticing.py`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final, Protocol

from reconciler.errors import ReconcilerError
from reconciler.model import ResourceId, RolloutRecord, RolloutStatus
from reconciler.plan.model import Plan
from reconciler.report.notices import Notice
from reconciler.rollout.situation import WaitFor
from reconciler.rollout.views import RolloutView
from reconciler.settings import NoticeEvent, Project
from reconciler.state.base import NoticeNoted, Session, State

_LOG: Final = logging.getLogger("reconciler.notify")
_APPROVAL, _GUARD = "approval", "guard"
LOOK: Final = "look"
"""What is noted while looks fail."""
OPENED: Final = "wave-opened"
_BY_STATUS: Final = {
    RolloutStatus.ABORTED: NoticeEvent.ABORTED,
    RolloutStatus.PAUSED: NoticeEvent.PAUSED,
    RolloutStatus.COMPLETE: NoticeEvent.COMPLETE,
}


class Postman(Protocol):
    """Tells people, by services outside."""

    def wants(self, event: NoticeEvent) -> bool:
        """Whether anybody is to be told of it."""
        ...

    async def post(self, notice: Notice) -> None:
        """Tell everybody who is to be told. A service that doesn't take it is no error of the caller."""
        ...


@dataclass(frozen=True, slots=True)
class Turn:
    """A rollout turned, as this run recorded: ``to`` is its new status, or `OPENED`."""

    resource: ResourceId
    to: str


def turns(before: Mapping[ResourceId, RolloutRecord], after: State) -> Iterator[Turn]:
    """How rollouts turned between two states of one run."""
    for resource, owned in sorted(after.campaigns.items()):
        record = owned.rollout
        if record is None:
            continue
        known = before.get(resource)
        if record.wave > (known.wave if known else 0):
            yield Turn(resource, OPENED)
        if record.status is not (known.status if known else RolloutStatus.PROGRESSING):
            yield Turn(resource, record.status.value)


def records_of(state: State) -> Mapping[ResourceId, RolloutRecord]:
    """The rollouts of a state."""
    return {resource: it.rollout for resource, it in state.campaigns.items() if it.rollout is not None}


def project_words(project: Project) -> str:
    """``line (staging)``."""
    name = project.name or project.root.name
    return f"{name} ({project.environment})" if project.environment else name


@dataclass(slots=True)
class Noticing:
    """One run. ``plan`` is set by it as soon as there is one; ``clock`` gives epoch seconds."""

    project: Project
    postman: Postman | None
    clock: Callable[[], float]
    plan: Plan | None = None
    turned: tuple[Turn, ...] = ()
    """How rollouts turned."""
    due: list[Notice] = field(default_factory=list)
    """What is to be told once nobody has to wait for it."""

    @contextmanager
    def during(self, session: Session) -> Iterator[None]:
        """Notes what the block turns, also when it ends with an error."""
        before = records_of(session.state)
        try:
            yield
        finally:
            self.turned = tuple(turns(before, session.state))
            if self.postman is not None:
                self.due += self._told_of_turns()
                try:
                    self.due += self._told_of_what_lasts(session, self.postman)
                except ReconcilerError as error:
                    _LOG.warning("nobody is told of what lasts: %s", error.message)

    async def tell(self) -> None:
        """Tell it."""
        due, self.due = self.due, []
        for notice in due:
            assert self.postman is not None, "only with one anything is due"
            await self.postman.post(notice)

    def _told_of_turns(self) -> Iterator[Notice]:
        for turn in self.turned:
            view = self._views.get(turn.resource)
            event = NoticeEvent.WAVE_OPENED
            if turn.to != OPENED:
                found = _BY_STATUS.get(RolloutStatus(turn.to))
                if found is None:
                    continue
                event = found
            elif view is None or not view.opens:
                continue  # an edit of the waves, of which all are in
            yield Notice(event, project_words(self.project), turn.resource, view)

    def _told_of_what_lasts(self, session: Session, postman: Postman) -> Iterator[Notice]:
        plan, told = self.plan, session.state.told
        if plan is None or not session.state.begun:
            return
        now = int(self.clock() * 1000)
        lasting = {key: each for key, each in self._lasting(plan) if postman.wants(each.event)}
        new = [NoticeNoted(key, now) for key in lasting if key not in told]
        # A partial plan can't tell what is over in the rest of the project.
        over = [NoticeNoted(key, None) for key in told if key not in lasting and plan.partial is None]
        if new or over:
            session.record(*new, *over)
        for each in new:
            yield lasting[each.notice]

    def _lasting(self, plan: Plan) -> Iterator[tuple[str, Notice]]:
        project = project_words(self.project)
        for view in plan.rollouts:
            if any(wait.reason is WaitFor.APPROVAL for wait in view.waits):
                key = f"{_APPROVAL}:{view.resource}:{view.wave + 1}"
                yield key, Notice(NoticeEvent.WAITING_FOR_APPROVAL, project, view.resource, view)
        for finding in plan.findings:
            if finding.code == "waiting-for-approval" and finding.resource:
                key = f"{_APPROVAL}:{finding.resource}"
                yield key, Notice(NoticeEvent.WAITING_FOR_APPROVAL, project, finding.resource)
        if plan.tripped:
            names = ",".join(sorted({trip.guard for trip in plan.tripped}))
            yield f"{_GUARD}:{names}", Notice(NoticeEvent.GUARD_TRIPPED, project, guards=plan.tripped)

    @property
    def _views(self) -> Mapping[ResourceId, RolloutView]:
        return {view.resource: view for view in self.plan.rollouts} if self.plan else {}
