"""What a session does with its lease, and what it writes when; the place is a fake that can fail."""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from threading import Event as Signal
from threading import Thread

import pytest

from reconciler.errors import ReconcilerError, StateError, StateLocked
from reconciler.model import Server
from reconciler.state import folding, leases, locks
from reconciler.state.base import Event, Intent, IntentNoted, LockInfo, State
from reconciler.state.folding import fold
from reconciler.state.leased import HELD_BACK, LeasedSession, LeasedStore
from reconciler.state.leases import Lease, LeaseLost, lease_seconds
from reconciler.state.replay import StoredState
from tests.state.fake_place import FakePlace

SERVER = Server("pulse", "https://pulse.example.com")
OTHER = LockInfo("other", "erin", "ci-2", 77, "apply", 0.0)


def noted(number: int) -> IntentNoted:
    return IntentNoted(Intent(f"Campaign/{number}", "name"))


def failed(count: int = 1) -> list[Exception]:
    return [StateError("the line is cut", hint="Fix it.") for _ in range(count)]


@pytest.fixture(autouse=True)
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[[Lease], None]:
    """The thread of a lease does nothing but what a test has it do; this is what it would do by itself."""
    run = Lease._run
    monkeypatch.setattr(Lease, "_run", lambda self: None)
    return run


@pytest.fixture
def place() -> FakePlace:
    """A place with a state, so that a session goes on with a journal of its own."""
    fake = FakePlace()
    with LeasedStore(fake, url="fake:", seconds=60).locked(SERVER, "apply") as session:
        session.record(noted(-1))
    fake.writes.clear()
    return fake


@pytest.fixture
def store(place: FakePlace) -> LeasedStore:
    return LeasedStore(place, url="fake:", seconds=60)


def leased_session(session: object) -> LeasedSession:
    assert isinstance(session, LeasedSession)
    return session


# --- what is written when -----------------------------------------------------------------------------


def test_the_audit_goes_on_where_the_last_run_ended(place: FakePlace, store: LeasedStore) -> None:
    place.log.append("before")
    with store.locked(SERVER, "apply") as session:
        assert session.audit_tail == "before"
        session.audit("now")
        assert session.audit_tail == "now"


def test_what_is_due_is_written_at_once_with_all_before_it(place: FakePlace, store: LeasedStore) -> None:
    with store.locked(SERVER, "apply") as session:
        for number in range(3):
            session.record(noted(number), sync=False)
        assert place.writes == []
        assert len(store.load().intents) == 1
        session.record(noted(3))
        assert place.writes == ["append 4"]
        assert store.load().intents == session.state.intents
    assert place.writes == ["append 4", "save"]


def test_what_is_held_back_is_written_when_the_thread_comes_by(place: FakePlace, store: LeasedStore) -> None:
    with store.locked(SERVER, "apply") as session:
        session.record(noted(0), sync=False)
        session.audit("one", sync=False)
        leased_session(session).catch_up()
        assert place.writes == ["append 1", "audit one"]
        leased_session(session).catch_up()
        assert place.writes == ["append 1", "audit one"], "there is nothing left"
        assert "Campaign/0" in store.load().intents


def test_the_thread_of_the_lease_comes_by(place: FakePlace, store: LeasedStore) -> None:
    with store.locked(SERVER, "apply") as session:
        session.record(noted(0), sync=False)
        leased_session(session)._lease.beat()
        assert place.writes == ["append 1"]


def test_what_is_held_back_is_written_when_the_session_ends(place: FakePlace, store: LeasedStore) -> None:
    with store.locked(SERVER, "apply") as session:
        session.record(noted(0), sync=False)
        session.audit("one", sync=False)
        assert session.audit_tail == "one"
    assert place.writes == ["audit one", "save"]
    assert place.lines == []


@pytest.mark.parametrize(("total", "at_once"), [(3_000, 1), (30_000, HELD_BACK)], ids=["due", "not due"])
def test_many_records_rewrite_the_state_once(
    place: FakePlace, store: LeasedStore, monkeypatch: pytest.MonkeyPatch, total: int, at_once: int
) -> None:
    """The state is folded when it is looked at, and each event once."""
    folded = 0

    def counted(state: State, events: Iterator[Event]) -> State:
        nonlocal folded
        told = list(events)
        folded += len(told)
        return fold(state, told)

    monkeypatch.setattr(folding, "fold", counted)
    with store.locked(SERVER, "apply") as session:
        for number in range(total):
            session.record(noted(number), sync=at_once == 1)
        assert folded == 0
        assert len(session.state.intents) == total + 1
    assert folded == total
    assert place.writes == [*([f"append {at_once}"] * (total // at_once)), "save"]


def test_a_crowded_journal_is_folded_in(place: FakePlace, store: LeasedStore) -> None:
    place.crowded_at = 3
    with store.locked(SERVER, "apply") as session:
        for number in range(7):
            session.record(noted(number))
            assert store.load().intents == session.state.intents
    assert place.writes.count("save") == 3
    assert len(store.load().intents) == 8


def test_a_session_in_which_nothing_happens_writes_nothing(place: FakePlace, store: LeasedStore) -> None:
    with store.locked(SERVER, "apply") as session:
        session.record()
        session.audit()
    assert (place.writes, place.released) == ([], 2)


def test_who_writes_does_not_keep_the_others_from_recording(place: FakePlace, store: LeasedStore) -> None:
    """A slow write holds up what is due, not the event loop with what is not."""
    begun, go_on = Signal(), Signal()
    append = place.append

    def slow(lines: Sequence[bytes], *, base: int) -> bool:
        begun.set()
        assert go_on.wait(60)
        return append(lines, base=base)

    with store.locked(SERVER, "apply") as session:
        place.append = slow  # type: ignore[method-assign]
        writer = Thread(target=session.record, args=[noted(0)])
        writer.start()
        assert begun.wait(60)
        session.record(noted(1), sync=False)
        assert len(session.state.intents) == 3
        leased_session(session).catch_up()
        go_on.set()
        writer.join()
    assert place.writes == ["append 1", "save"]
    assert len(store.load().intents) == 3


# --- writes that fail ---------------------------------------------------------------------------------


def test_a_fact_that_could_not_be_written_is_written_with_the_next(
    place: FakePlace, store: LeasedStore
) -> None:
    with store.locked(SERVER, "apply") as session:
        place.failing = failed()
        with pytest.raises(StateError, match="the line is cut"):
            session.record(noted(0))
        assert "Campaign/0" in session.state.intents
        session.record(noted(1))
        assert place.writes == ["append 1", "save"], "nobody knows whether the first line is there"
        assert store.load() == session.state
        session.record(noted(2))
    assert len(store.load().intents) == 4


def test_what_the_thread_could_not_write_is_said_by_the_next_record(
    place: FakePlace, store: LeasedStore
) -> None:
    with store.locked(SERVER, "apply") as session:
        session.record(noted(0), sync=False)
        place.failing = failed(2)
        leased_session(session).catch_up()
        with pytest.raises(StateError, match="the line is cut"):
            session.record(noted(1), sync=False)
        session.record(noted(2), sync=False)
        assert store.load() == session.state
    assert len(store.load().intents) == 4


def ended_by_a_failure(
    place: FakePlace, store: LeasedStore, *, sync: bool, error: Exception | None = None
) -> None:
    with store.locked(SERVER, "apply") as session:
        session.record(noted(0), sync=sync)
        place.failing = failed()
        if error:
            raise error


@pytest.mark.parametrize(
    ("sync", "said"), [(True, "Nothing is lost: "), (False, "What was done last could ")]
)
def test_the_end_says_what_is_lost(place: FakePlace, store: LeasedStore, sync: bool, said: str) -> None:
    with pytest.raises(StateError, match="the line is cut") as caught:
        ended_by_a_failure(place, store, sync=sync)
    assert (caught.value.hint or "").startswith(f"Fix it. {said}")
    assert len(store.load().intents) == 1 + sync


def test_the_first_error_is_reported_with_that_of_the_end(place: FakePlace, store: LeasedStore) -> None:
    with pytest.raises(ValueError, match="mine") as caught:
        ended_by_a_failure(place, store, sync=True, error=ValueError("mine"))
    assert "the line is cut" in caught.value.__notes__[0]
    assert place.released == 2


def test_lines_of_audit_that_failed_are_tried_as_they_were(place: FakePlace, store: LeasedStore) -> None:
    """Where they had arrived after all, they are recognised, and not written twice."""
    with store.locked(SERVER, "apply") as session:
        place.failing = failed()
        with pytest.raises(StateError, match="the line is cut"):
            session.audit("one", "two")
        assert session.audit_tail == "two"
        session.audit("three")
    assert place.writes == ["audit one two", "audit one two", "audit three"]
    assert list(store.audit_lines()) == ["one", "two", "three"]


# --- the lease ----------------------------------------------------------------------------------------


@dataclass
class Time:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    """The time that leases go by."""
    clock = Time()
    monkeypatch.setattr(leases, "clock", clock)
    return clock


def test_a_lease_is_renewed_three_times_in_its_time(place: FakePlace, time: Time) -> None:
    idle: list[float] = []
    lease = Lease(place, 60, url="fake:")
    lease.idle = lambda: idle.append(time.now)
    for second in range(61):
        time.now = second
        lease.beat()
    assert place.writes == ["renew"] * 3
    assert len(idle) == 61


def test_a_lease_says_until_when_it_runs(place: FakePlace, time: Time) -> None:
    lease = Lease(place, 60, url="fake:")
    at_first = lease.until
    time.now += 15
    assert lease.until == pytest.approx(at_first - 15, abs=5), "by a clock that nobody sets"
    time.now += 10
    lease.beat()
    assert lease.until == pytest.approx(at_first, abs=5), "it was renewed"


def test_the_thread_beats_and_ends(
    place: FakePlace, run: Callable[[Lease], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Lease, "_run", run)
    beaten = Signal()
    lease = Lease(place, 1, url="fake:")
    lease.idle = beaten.set
    with lease:
        assert beaten.wait(60)
    assert not lease._thread.is_alive()


def test_a_renewal_may_fail_for_as_long_as_the_lease_runs(place: FakePlace, time: Time) -> None:
    place.failing = failed(3)
    lease = Lease(place, 60, url="fake:")
    for time.now in (20, 21, 60):
        lease.beat()
        lease.check()
    time.now = 61
    place.failing = failed()
    with pytest.raises(StateError, match="the line is cut"):
        lease.check()
    lease.check()
    assert place.writes == ["renew"] * 5, "nobody had taken it"


def test_who_slept_asks_before_it_goes_on(place: FakePlace, store: LeasedStore, time: Time) -> None:
    lost = partial(pytest.raises, StateError, match=r"taken over by erin on ci-2 \(process 77\) for 'apply'")
    with lost() as caught, store.locked(SERVER, "apply") as session:
        time.now = 61
        session.record(noted(0), sync=False)
        assert place.writes == ["renew"], "nobody had taken it"
        time.now = 130
        place.failing = [LeaseLost(OTHER)]
        for write in (session.record, lambda: session.record(noted(1)), lambda: session.audit("line")):
            with lost():
                write()
        assert place.writes == ["renew", "renew"], "then nobody asks again, and nothing is written"
        assert "Campaign/1" in session.state.intents
    assert "stopped or cut off for 60 s" in (caught.value.hint or "")
    assert "What was done last could not be written down" in (caught.value.hint or "")
    assert place.writes == ["renew", "renew"]


@pytest.mark.parametrize("lost_by", ["append", "save", "audit", "renew"])
def test_a_lock_that_is_lost_stops_the_run(
    place: FakePlace, store: LeasedStore, time: Time, lost_by: str
) -> None:
    lost = partial(pytest.raises, StateError, match="was broken by somebody, while this run held it")
    if lost_by == "save":
        place.snapshot = None
    with lost() as caught, store.locked(SERVER, "apply") as session:
        place.failing = [LeaseLost(None)]
        if lost_by == "renew":
            time.now = 20
            leased_session(session)._lease.beat()
        with lost():
            session.audit("line") if lost_by == "audit" else session.record(noted(0))
        leased_session(session)._lease.beat()
    assert "`reconciler state unlock`" in (caught.value.hint or "")
    assert [write.split()[0] for write in place.writes] == [lost_by], "after that nothing is tried"
    assert place.released == 2


def test_who_lost_its_lock_and_has_nothing_to_write_ends_well(
    place: FakePlace, store: LeasedStore, time: Time
) -> None:
    with store.locked(SERVER, "apply") as session:
        time.now = 20
        place.failing = [LeaseLost(OTHER)]
        leased_session(session)._lease.beat()


def test_a_lock_that_is_lost_while_the_state_is_read(place: FakePlace, store: LeasedStore) -> None:
    def read() -> StoredState:
        raise LeaseLost(OTHER)

    place.read = read  # type: ignore[method-assign]
    with pytest.raises(StateError, match="taken over by erin"), store.locked(SERVER, "apply"):
        pytest.fail("the session was opened")
    assert place.released == 2


def test_who_takes_a_lock_over_says_so(
    place: FakePlace, store: LeasedStore, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "reconciler.state")
    for expires, said in ((None, "its lease ran out. "), (0.0, "its lease ran out at 19")):
        place.replaced = LockInfo("other", "erin", "ci-2", 77, "apply", 0.0, expires)
        with store.locked(SERVER, "apply"):
            pass
        assert said in caplog.text
    assert "took over the lock of the state fake: from erin on ci-2 (process 77)" in caplog.text


def test_who_waits_is_told_for_whom(
    place: FakePlace, store: LeasedStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    place.held_by = LockInfo("other", "erin", "ci-2", 77, "apply", 0.0, 90.0)
    at_once = FakeTime(None)
    monkeypatch.setattr(locks, "time", at_once)
    with pytest.raises(StateLocked, match="locked by erin on ci-2") as caught, store.locked(SERVER, "apply"):
        pytest.fail("the session was opened")
    assert at_once.naps == 0, "unless it was asked to, it doesn't wait"
    hint = caught.value.hint or ""
    assert "--lock-timeout" in hint
    assert "anybody may take the lock from 1970-01-0" in hint
    assert "`reconciler state unlock other`" in hint
    with monkeypatch.context() as patch:
        waiting = FakeTime(lambda: place.unlock("other"))
        patch.setattr(locks, "time", waiting)
        with store.locked(SERVER, "apply", timeout=600):
            pass
    assert (waiting.naps, waiting.now) == (3, 1.5), "a server is asked twice a second"
    assert caplog.text.count("waiting up to 600 s: the state fake: is locked by erin on ci-2") == 1


@dataclass
class FakeTime:
    """The clock of one module: each nap takes as long as it should, and the third brings a change."""

    change: object
    now: float = 0.0
    naps: int = 0

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.naps += 1
        if self.naps == 3:
            assert callable(self.change)
            self.change()


def test_a_lock_of_another_id_is_named(place: FakePlace, store: LeasedStore) -> None:
    place.held_by = OTHER
    with pytest.raises(StateError, match="not locked under mine, but under other, by erin") as caught:
        store.unlock("mine")
    assert "state unlock other" in (caught.value.hint or "")
    store.unlock("other")
    assert store.holder() is None


@pytest.mark.parametrize(("text", "seconds"), [(None, 60), ("1", 1), ("90.5", 90.5), ("3600", 3600)])
def test_a_lease_runs_for_what_the_url_says(text: str | None, seconds: float) -> None:
    assert lease_seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "0", "0.5", "-3", "nan", "inf", "3601", "1 minute"])
def test_other_times_are_refused(text: str) -> None:
    with pytest.raises(ReconcilerError, match="a time between 1 and 3600 seconds"):
        lease_seconds(text)


def test_time_goes_on_while_the_machine_sleeps(monkeypatch: pytest.MonkeyPatch) -> None:
    before = leases.clock()
    assert leases.clock() >= before
    monkeypatch.setattr(leases, "time", FakeTime(None, now=7.0))
    assert leases.clock() == 7.0, "where the system can't tell, as long as it is awake"
