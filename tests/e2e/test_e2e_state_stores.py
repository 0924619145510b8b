"""Several runs on one state, in each kind of store: one writes, and what it leaves the next one finds."""

import os
import signal
from collections.abc import Iterator

import pytest
from e2e_runs import SECONDS, WHOLE_WAY, Gate, Live, Process, Workplace

from reconciler.state.base import StateStore
from reconciler.state.stores import open_store
from tests.state_servers import PlaceUrl

APPLY = ("apply", "--auto-approve", "resources.yaml")
WAITING = (*APPLY, "--lock-timeout", str(SECONDS))
CANARIES = ["key-canary-77", "secret-canary-77"]


@pytest.fixture
def lease() -> int:
    """Seconds for which a lease runs."""
    return 60


@pytest.fixture(params=["file", "postgresql", "s3"])
def shared(request: pytest.FixtureRequest, place: Workplace, place_url: PlaceUrl, lease: int) -> Workplace:
    """A folder with resources, whose state is in that kind of store."""
    url = place_url(request.param)
    place.env["RECONCILER_STATE"] = url if request.param == "file" else f"{url}&lease={lease}"
    place.canaries += CANARIES
    return place


@pytest.fixture
def store(shared: Workplace) -> StateStore:
    return open_store(shared.env["RECONCILER_STATE"], root=shared.folder)


@pytest.fixture
def gate(shared: Workplace, live: Live) -> Iterator[Gate]:
    with Gate(live.url) as gate:
        shared.env["RECONCILER_URL"] = gate.url
        yield gate


def finished(store: StateStore, live: Live) -> None:
    """Everything was done once, and is known."""
    assert live.writes() == WHOLE_WAY
    (campaign,) = live.campaigns()
    assert live.gateways(campaign["id"]) == {"gw-1", "gw-2", "gw-3"}
    state = store.load()
    assert [owned.id for owned in state.campaigns.values()] == [campaign["id"]]
    assert not state.intents
    assert store.holder() is None


def begun(process: Process) -> str:
    """Who a run is, as others are told."""
    return f"on {os.uname().nodename} (process {process.popen.pid}) for 'apply'"


def test_of_two_applies_one_runs(shared: Workplace, store: StateStore, live: Live, gate: Gate) -> None:
    hold = gate.hold("create-campaign", "before")
    with shared.started(*APPLY) as first:
        hold.wait(first)
        before = live.writes()
        second = shared.run(*APPLY)
        assert second.code == 1
        assert "is locked by " in second.said
        assert begun(first) in second.said
        assert "--lock-timeout" in second.said
        assert shared.run("plan", "resources.yaml").code == 0, "a plan takes no lock"
        assert live.writes() == before, "no write"
        hold.release()
        assert first.end().code == 0
    finished(store, live)


def test_who_waits_runs_next(shared: Workplace, store: StateStore, live: Live, gate: Gate) -> None:
    hold = gate.hold("create-campaign", "before")
    with shared.started(*APPLY) as first:
        hold.wait(first)
        with shared.started(*WAITING) as second:
            second.until(f"waiting up to {SECONDS} s: the state {store.url} is locked by ")
            hold.release()
            assert first.end().code == 0
            ran = second.end()
    assert ran.code == 0
    assert "No changes." in ran.out
    finished(store, live)


def test_a_job_that_is_cancelled_leaves_no_lock(
    shared: Workplace, store: StateStore, live: Live, gate: Gate
) -> None:
    hold = gate.hold("create-campaign", "after")
    with shared.started(*APPLY) as process:
        hold.wait(process)
        process.popen.send_signal(signal.SIGTERM)
        process.until("stopping: what is in flight is finished")
        hold.release()
        assert process.end().code == 1
    assert store.holder() is None
    (owned,) = store.load().campaigns.values()
    assert owned.id == live.campaigns()[0]["id"], "what was made is known"
    shared.apply()
    finished(store, live)


@pytest.mark.parametrize("lease", [2])
def test_kill_9_leaves_a_lock_no_longer_than_its_lease(
    shared: Workplace, store: StateStore, live: Live, gate: Gate
) -> None:
    hold = gate.hold("create-campaign", "after")
    with shared.started(*APPLY) as process:
        hold.wait(process)
        process.kill()
    hold.drop()
    ran = shared.run(*WAITING)
    assert ran.code == 0, ran
    leased = not store.url.startswith("file:")
    assert (f"took over the lock of the state {store.url} from " in ran.err) == leased
    finished(store, live)


@pytest.mark.parametrize("lease", [2])
def test_who_sleeps_through_its_lease_sends_nothing_any_more(
    shared: Workplace, store: StateStore, live: Live, gate: Gate
) -> None:
    hold = gate.hold("create-campaign", "after")
    with shared.started(*APPLY) as sleeper:
        hold.wait(sleeper)
        sleeper.popen.send_signal(signal.SIGSTOP)
        if store.url.startswith("file:"):
            assert shared.run(*APPLY).code == 1, "it sleeps, and still has the lock"
        else:
            other = shared.run(*WAITING)
            assert other.code == 0, other
            assert live.writes() == WHOLE_WAY
        sleeper.popen.send_signal(signal.SIGCONT)
        hold.release()
        ran = sleeper.end()
    if store.url.startswith("file:"):
        assert ran.code == 0
    else:
        assert ran.code == 1
        assert f"the lock of the state {store.url} was taken over by " in ran.said
        assert "while this run held it; it writes nothing any more" in ran.said
    finished(store, live)
