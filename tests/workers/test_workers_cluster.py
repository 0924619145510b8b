"""Workers as they are run: processes that are lost, late, of another version, or nobody's."""

import asyncio
import time
from collections import Counter
from dataclasses import replace

import pytest
from counting_server import CountingServer, counting_server
from fleet_runs import TOKEN, carried, reached, server_ref, windows, workers
from worker_processes import WorkerProcesses

from reconciler.apply import Applied
from reconciler.apply.sender import ParcelReport, parcel_of
from reconciler.errors import ReconcilerError
from reconciler.model import OutcomeStatus, Skip
from reconciler.providers.base import Bindings
from reconciler.settings import DaskWorkers, LocalWorkers
from reconciler.workers import bench
from reconciler.workers import fleet as fleets
from reconciler.workers.fleet import WorkerFleet
from tests.apply.apply_script import Memory, Script, apply, by_id, plan

SIGNED_IN = {"PULSE_TOKEN": TOKEN}


def statuses(applied: Applied) -> Counter[str]:
    return Counter(str(outcome.status) for outcome in applied.outcomes)


# --- the same as one by one -----------------------------------------------------------------------------


def test_two_workers_do_what_one_process_does(two_workers: WorkerProcesses, server: CountingServer) -> None:
    server.refused = frozenset({"gw-00007", "gw-02000"})
    alone, together = Memory(), Memory()
    steps = windows(3_000)
    words = {f"{steps.key}:{gateway}": "404" for gateway in server.refused}
    first = apply(plan(steps), Script(words), alone)
    second = carried(two_workers.address, server_ref(server.url), steps, memory=together)
    assert by_id(first.outcomes) == by_id(second.outcomes)
    assert alone.state == together.state
    assert set(server.gateways().values()) == {1}
    assert len(server.gateways()) == 2_998
    assert set(server.tokens) - {""} == {TOKEN}
    assert "there is no such gateway" in next(o.message for o in second.outcomes if o.message)


def test_processes_of_this_machine(server: CountingServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULSE_TOKEN", TOKEN)
    there: list[str] = []

    async def look(fleet: WorkerFleet) -> None:
        there.extend(fleet._members)

    applied = carried(LocalWorkers(2), server_ref(server.url), windows(2_500), alone=True, meanwhile=look)
    assert statuses(applied) == {"done": 2_500}
    assert set(server.gateways().values()) == {1}
    assert [address.partition(":")[0] for address in there] == ["tls", "tls"]


# --- who is lost ------------------------------------------------------------------------------------------


def test_a_worker_that_is_killed_costs_nothing_but_time(
    cluster: WorkerProcesses, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    cluster.start("alpha", env=SIGNED_IN)
    cluster.start("beta", env=SIGNED_IN)
    with counting_server(seconds=0.01) as server:

        async def kill(fleet: WorkerFleet) -> None:
            await reached(lambda: len(server.seen) > 500)
            cluster.kill("alpha")

        async def both(fleet: WorkerFleet) -> None:
            await reached(lambda: len(fleet._members) == 2)
            await kill(fleet)

        memory = Memory()
        applied = carried(
            cluster.address, server_ref(server.url), windows(4_000), memory=memory, meanwhile=both
        )
    assert statuses(applied) == {"done": 4_000}
    assert len(server.gateways()) == 4_000
    repeated = [gateway for gateway, count in server.gateways().items() if count > 1]
    assert len(repeated) <= 2 * 1_000  # at most what the one that was killed had
    assert max(server.gateways().values()) <= 2
    assert "the worker alpha at tcp://127.0.0.1" in caplog.text
    # The engine says nothing to users.
    assert capfd.readouterr() == ("", "")
    assert {record.name.partition(".")[0] for record in caplog.records} == {"reconciler"}


def test_who_comes_later_helps_and_takes_over(cluster: WorkerProcesses) -> None:
    cluster.start("alpha", env=SIGNED_IN)
    with counting_server(seconds=0.01) as server:

        async def replace_it(fleet: WorkerFleet) -> None:
            await reached(lambda: len(server.seen) > 200)
            cluster.kill("alpha")
            cluster.start("beta", env=SIGNED_IN)

        applied = carried(cluster.address, server_ref(server.url), windows(2_000), meanwhile=replace_it)
    assert statuses(applied) == {"done": 2_000}


def test_all_are_lost_and_nobody_comes(cluster: WorkerProcesses, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fleets, "_PATIENCE", 1.0)
    monkeypatch.setattr(fleets, "PARCEL_SECONDS", 3.0)
    cluster.start("alpha", env=SIGNED_IN)
    with counting_server(seconds=0.05) as server:

        async def kill(fleet: WorkerFleet) -> None:
            await reached(lambda: len(server.seen) > 10)
            cluster.kill("alpha")

        began = time.time()
        applied = carried(cluster.address, server_ref(server.url), windows(2_000), meanwhile=kill)
    assert statuses(applied) == {"failed": 2_000}
    messages = {outcome.message for outcome in applied.outcomes}
    words = "all workers were lost, and none came back within 1 s. Start workers, then run it again: only"
    assert messages == {f"{words} what is missing is sent."}
    assert time.time() - began >= 3.0  # whoever was lost may still have been sending


def test_a_stop_ends_parcels_under_way(two_workers: WorkerProcesses) -> None:
    with counting_server(seconds=0.05) as server:
        stop = asyncio.Event()

        async def soon(fleet: WorkerFleet) -> None:
            await reached(lambda: len(server.seen) > 50)
            stop.set()

        began = time.monotonic()
        applied = carried(
            two_workers.address, server_ref(server.url), windows(4_000), meanwhile=soon, stop=stop
        )
        took = time.monotonic() - began
    done = [outcome for outcome in applied.outcomes if outcome.status is OutcomeStatus.DONE]
    assert applied.interrupted
    assert {o.skip for o in applied.outcomes if o.status is OutcomeStatus.SKIPPED} == {Skip.INTERRUPTED}
    assert len(done) == len(server.seen) < 2_000  # nothing was sent of which nobody knows
    assert took < 15


# --- whose time it is -----------------------------------------------------------------------------------


def test_nothing_is_sent_once_the_lease_may_be_another_ones(
    two_workers: WorkerProcesses, server: CountingServer
) -> None:
    async def main() -> None:
        over = time.time() - 1
        async with workers(two_workers.address, server_ref(server.url), until=lambda: over + 10) as there:
            parcel = parcel_of(windows(100), windows(100).gateways, Bindings(), name="1")
            member = next(iter(there._members.values()))
            late = await there._through(bench.carry, replace(parcel, until=over), member, ParcelReport)
            assert (late.done.strip(b"\0"), late.ended) == (b"", ())

    asyncio.run(main())
    assert not server.seen


def test_a_parcel_ends_before_the_lease_does(two_workers: WorkerProcesses, server: CountingServer) -> None:
    seen: list[float] = []

    async def main() -> None:
        ends = time.time() + 15
        async with workers(two_workers.address, server_ref(server.url), until=lambda: ends) as there:
            seen.append(there._time() - ends)
        async with workers(two_workers.address, server_ref(server.url), until=lambda: ends + 900) as there:
            seen.append(there._time() - time.time())
        async with workers(two_workers.address, server_ref(server.url)) as there:
            seen.append(there._time() - time.time())

    asyncio.run(main())
    assert seen == [pytest.approx(-10.0), pytest.approx(20.0, abs=1), pytest.approx(20.0, abs=1)]


# --- pace -------------------------------------------------------------------------------------------------


def test_the_rate_is_that_of_all_together(two_workers: WorkerProcesses, server: CountingServer) -> None:
    applied = carried(two_workers.address, server_ref(server.url), windows(600), rate=200.0)
    assert statuses(applied) == {"done": 600}
    times = server.times
    for begin in range(0, len(times) - 230, 10):
        assert times[begin + 230] - times[begin] > 0.8  # never 230 in 0.8 s


def test_too_many_calls_slow_all_down(two_workers: WorkerProcesses) -> None:
    with counting_server(most=150) as server:
        applied = carried(two_workers.address, server_ref(server.url), windows(800))
        assert statuses(applied) == {"done": 800}
        assert 0 < server.complaints < 800
        assert set(server.gateways().values()) == {1}


# --- who is refused ---------------------------------------------------------------------------------------


OTHER_VERSION = "import reconciler\nreconciler.__version__ = '0.0.1'\n"
EARLY = "import time\ntime.time = lambda: time.time_ns() / 1e9 + 60\n"
WITHOUT = "import sys\nsys.modules['reconciler.workers'] = None\n"


ODD = {
    "version": (OTHER_VERSION, SIGNED_IN, "it runs reconciler 0.0.1, and this is"),
    "without-credentials": ("", {"PULSE_TOKEN": ""}, "environment variable PULSE_TOKEN is empty"),
    "wrong-credentials": ("", {"PULSE_TOKEN": "another"}, "the server does not accept"),
    "clock": (EARLY, SIGNED_IN, "its clock is 60 s ahead"),
    "nothing-installed": (WITHOUT, SIGNED_IN, "it has no reconciler"),
}
"""Name → what is odd about a worker, and what is said of it."""


def test_who_does_not_fit_is_refused_by_name(
    cluster: WorkerProcesses, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fleets, "ANSWER", 60.0)  # all of them load the project at the same time
    for name, (preload, env, _) in ODD.items():
        cluster.begin(name, env=env, preload=preload)
    for name in ODD:
        cluster.there(name)
    with counting_server(token=TOKEN) as server:
        with pytest.raises(ReconcilerError, match="none of 5 workers can be used") as caught:
            carried(cluster.address, server_ref(server.url), windows(10))
        for _, _, why in ODD.values():
            assert why in str(caught.value)
        assert str(caught.value).count("tcp://127.0.0.1:") == len(ODD)
        assert not server.seen
        # With one that fits the run goes on without the others.
        cluster.start("fits", env=SIGNED_IN)
        applied = carried(cluster.address, server_ref(server.url), windows(10))
        assert statuses(applied) == {"done": 10}
    refused = {record.getMessage() for record in caplog.records if "is not used" in record.getMessage()}
    for name, (_, _, why) in ODD.items():
        # Of one without reconciler nobody learns its name.
        said = name if name != "nothing-installed" else "tcp://"
        assert any(f"the worker {said}" in line and why in line for line in refused)
    assert TOKEN not in caplog.text + str(caught.value)


def test_a_scheduler_without_workers(
    cluster: WorkerProcesses, server: CountingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fleets, "_COMING", 0.2)
    with pytest.raises(ReconcilerError, match="the scheduler has no workers") as caught:
        carried(cluster.address, server_ref(server.url), windows(10))
    assert "dask worker" in (caught.value.hint or "")


def test_no_scheduler_is_there(server: CountingServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reconciler.workers.cluster._SECONDS", 1.0)
    with pytest.raises(ReconcilerError, match=r"dask://127\.0\.0\.1:9: no scheduler answered") as caught:
        carried(DaskWorkers("127.0.0.1", 9), server_ref(server.url), windows(10))
    assert "dask scheduler" in (caught.value.hint or "")


def test_another_machine_without_tls_is_not_called(server: CountingServer) -> None:
    with pytest.raises(ReconcilerError, match="nothing tells how to speak TLS") as caught:
        carried(DaskWorkers("dask.example.com"), server_ref(server.url), windows(10))
    assert "DASK_DISTRIBUTED__COMM__TLS__CA_FILE" in (caught.value.hint or "")


# --- what nobody gets to see ------------------------------------------------------------------------------


def test_no_secret_is_in_what_goes_out(two_workers: WorkerProcesses, server: CountingServer) -> None:
    import pickle

    ref = server_ref(server.url)
    parcel = parcel_of(windows(10), windows(10).gateways, Bindings(), name="1")
    assert TOKEN.encode() not in pickle.dumps((ref, parcel))
    carried(two_workers.address, ref, windows(10))
    for name in ("alpha", "beta", "scheduler"):
        assert TOKEN not in two_workers.log(name)


def test_a_worker_forgets_a_run_that_has_ended(two_workers: WorkerProcesses, server: CountingServer) -> None:
    def plugins(dask_worker: object) -> list[str]:
        return [name for name in dask_worker.plugins if "reconciler" in name]  # type: ignore[attr-defined]

    async def main() -> dict[str, list[str]]:
        from distributed import Client

        async with workers(two_workers.address, server_ref(server.url)):
            pass
        address = f"tcp://127.0.0.1:{two_workers.address.port}"
        async with Client(address, asynchronous=True) as client:
            found: dict[str, list[str]] = await client.run(plugins)
            return found

    assert list(asyncio.run(main()).values()) == [[], []]
