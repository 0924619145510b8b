"""What a run has to tell people: each thing once, by the run that recorded it."""

import asyncio
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from reconciler.app.noticing import Noticing, Turn, turns
from reconciler.errors import StateError
from reconciler.model import Finding, Kind, ResourceId, RolloutRecord, RolloutStatus, Server
from reconciler.plan.model import GuardTrip, Partial, Plan
from reconciler.report.notices import Notice
from reconciler.rollout.situation import Wait, WaitFor
from reconciler.rollout.views import RolloutView
from reconciler.settings import NoticeEvent, Project
from reconciler.state.base import (
    CampaignOwned,
    Event,
    NoticeNoted,
    Origin,
    Owned,
    RolloutNoted,
    State,
    StateStore,
)
from reconciler.state.stores import open_store

LINE = ResourceId(Kind.CAMPAIGN, "line")
SERVER = Server("pulse", "https://pulse.example.com")
RECORD = RolloutRecord("r", "p", wave=1)
VIEW = RolloutView(LINE, "careful", RolloutStatus.PROGRESSING, 10, 1, wave=1)
TRIP = GuardTrip("maxDeletes", "too many")


@dataclass
class Told:
    """Remembers what it was to tell."""

    events: frozenset[NoticeEvent] = frozenset(NoticeEvent)
    notices: list[Notice] = field(default_factory=list)

    def wants(self, event: NoticeEvent) -> bool:
        return event in self.events

    async def post(self, notice: Notice) -> None:
        self.notices.append(notice)


@dataclass
class Looks:
    """Runs on one state."""

    store: StateStore
    folder: Path
    postman: Told | None = field(default_factory=Told)

    def look(self, plan: Plan | None, *events: Event, crash: bool = False) -> list[NoticeEvent]:
        """One run that records `events`; what was told. `crash`: the process ends before it tells."""
        noticing = Noticing(Project(self.folder, "line"), self.postman, lambda: 1_800_000_000.0)
        with self.store.locked(SERVER, "test") as session, noticing.during(session):
            noticing.plan = plan
            session.record(*events)
        if not crash:
            asyncio.run(noticing.tell())
        if self.postman is None:
            assert not noticing.due
            return []
        told, self.postman.notices = self.postman.notices, []
        return [each.event for each in told]


@pytest.fixture
def looks(tmp_path: Path) -> Looks:
    store = open_store("file:state.json", root=tmp_path)
    with store.locked(SERVER, "test") as session:
        session.record(CampaignOwned(Owned(LINE, "1", Origin.CREATED, rollout=RECORD)))
    return Looks(store, tmp_path)


def plan(view: RolloutView | None = VIEW, **changes: object) -> Plan:
    return replace(Plan(SERVER, rollouts=(view,) if view else ()), **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("record", "view", "told"),
    [
        (replace(RECORD, status=RolloutStatus.ABORTED), VIEW, [NoticeEvent.ABORTED]),
        (replace(RECORD, status=RolloutStatus.PAUSED), VIEW, [NoticeEvent.PAUSED]),
        (replace(RECORD, status=RolloutStatus.COMPLETE), VIEW, [NoticeEvent.COMPLETE]),
        (replace(RECORD, wave=2), replace(VIEW, opens=2), [NoticeEvent.WAVE_OPENED]),
        (replace(RECORD, wave=2), VIEW, []),  # the waves were edited
        (replace(RECORD, reached=1), VIEW, []),
        (RECORD, VIEW, []),
    ],
)
def test_a_turn_is_told_once(
    looks: Looks, record: RolloutRecord, view: RolloutView, told: list[NoticeEvent]
) -> None:
    assert looks.look(plan(view), RolloutNoted(LINE, record)) == told
    assert looks.look(plan(view), RolloutNoted(LINE, record)) == []


def test_a_rollout_that_begins_with_its_first_wave_says_so(looks: Looks) -> None:
    other = ResourceId(Kind.CAMPAIGN, "other")
    owned = CampaignOwned(Owned(other, "2", Origin.CREATED, rollout=RECORD))
    assert looks.look(plan(replace(VIEW, resource=other, opens=1)), owned) == [NoticeEvent.WAVE_OPENED]


def test_going_on_again_is_told_to_nobody(looks: Looks) -> None:
    looks.look(plan(), RolloutNoted(LINE, replace(RECORD, status=RolloutStatus.PAUSED)))
    assert looks.look(plan(), RolloutNoted(LINE, RECORD)) == []


LASTING = {
    "a guard": (plan(guards=(TRIP,)), NoticeEvent.GUARD_TRIPPED),
    "a wave": (
        plan(replace(VIEW, waits=(Wait(WaitFor.APPROVAL, text="rest"),))),
        NoticeEvent.WAITING_FOR_APPROVAL,
    ),
    "the server": (
        plan(findings=(Finding("waiting-for-approval", "it waits", resource=LINE),)),
        NoticeEvent.WAITING_FOR_APPROVAL,
    ),
}


@pytest.mark.parametrize("what", LASTING)
def test_what_lasts_is_told_once_and_again_when_it_comes_back(looks: Looks, what: str) -> None:
    lasting, event = LASTING[what]
    assert looks.look(lasting) == [event]
    assert looks.look(lasting) == []
    assert looks.look(plan()) == []
    assert looks.store.load().told == {}
    assert looks.look(lasting) == [event]


@pytest.mark.parametrize("what", LASTING)
def test_a_crash_before_it_is_told_loses_it_and_never_tells_twice(looks: Looks, what: str) -> None:
    assert looks.look(LASTING[what][0], crash=True) == []
    assert looks.look(LASTING[what][0]) == []


def test_a_turn_that_was_recorded_before_a_crash_is_not_told_by_the_next_run(looks: Looks) -> None:
    aborted = replace(RECORD, status=RolloutStatus.ABORTED)
    assert looks.look(plan(), RolloutNoted(LINE, aborted), crash=True) == []
    assert looks.look(plan(), RolloutNoted(LINE, aborted)) == []


def test_a_look_at_a_part_ends_nothing_elsewhere(looks: Looks) -> None:
    looks.look(plan(guards=(TRIP,)))
    looks.look(plan(partial=Partial(("Campaign/line",), 1, 2)))
    assert looks.look(plan(guards=(TRIP,))) == []


def test_a_waived_guard_is_no_news(looks: Looks) -> None:
    assert looks.look(plan(guards=(replace(TRIP, waived="it is meant"),))) == []


def test_the_state_stays_as_it_is_where_nobody_wants_to_hear(looks: Looks) -> None:
    looks.postman = None
    looks.look(plan(guards=(TRIP,)))
    looks.postman = Told(frozenset({NoticeEvent.COMPLETE}))
    assert looks.look(plan(guards=(TRIP,))) == []
    assert looks.store.load().told == {}


def test_a_state_that_was_never_begun_is_not_begun_to_tell_of_a_guard(tmp_path: Path) -> None:
    looks = Looks(open_store("file:state.json", root=tmp_path), tmp_path)
    assert looks.look(plan(guards=(TRIP,))) == []
    assert not looks.store.load().begun


def test_what_cannot_be_noted_is_not_told_and_is_no_error_of_the_run(
    looks: Looks, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    noticing = Noticing(Project(looks.folder, "line"), looks.postman, lambda: 0.0)
    with looks.store.locked(SERVER, "test") as session:
        broken = _Broken(session.state)
        with noticing.during(broken):
            noticing.plan = plan(guards=(TRIP,))
    assert not noticing.due
    assert "the disk is full" in caplog.text


@dataclass
class _Broken:
    state: State
    audit_tail: str | None = None

    def record(self, *events: Event, sync: bool = True) -> None:
        raise StateError("the disk is full")

    def audit(self, *lines: str, sync: bool = True) -> None:
        raise StateError("the disk is full")


def test_turns_are_those_between_two_states() -> None:
    state = replace(
        State("l", "s"), campaigns={LINE: Owned(LINE, "1", Origin.CREATED, rollout=replace(RECORD, wave=2))}
    )
    assert list(turns({LINE: RECORD}, state)) == [Turn(LINE, "wave-opened")]
    assert list(turns({}, replace(state, campaigns={LINE: Owned(LINE, "1", Origin.CREATED)}))) == []
    assert NoticeNoted("x", None).at is None
