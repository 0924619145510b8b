"""Several runs on one state, in each kind of store: one writes, and what it leaves the next one finds."""

import json
import os
import signal
from collections.abc import Callable, Iterator
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest
from e2e_runs import SECONDS, WHOLE_WAY, Gate, Live, Process, Workplace

from reconciler.state.base import StateStore
from reconciler.state.s3.bucket import Bucket
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


# --- the audit log -----------------------------------------------------------------------------------


def rewritten(place: Workplace, text: str) -> None:
    """Somebody who may write where the log is puts `text` in its place."""
    address = urlsplit(place.env["RECONCILER_STATE"])
    options = {name: value for name, [value] in parse_qs(address.query).items() if name != "lease"}
    match address.scheme:
        case "file":
            place.state.with_name("state.json.audit").write_text(text)
        case "postgresql":
            schema = f"-c search_path={options['schema']}"
            with psycopg.connect(host=options["host"], user="ci", dbname="postgres", options=schema) as other:
                other.execute("DELETE FROM audit")
                rows = list(enumerate(text.removesuffix("\n").split("\n"), 1))
                other.cursor().executemany("INSERT INTO audit (number, line) VALUES (%s, %s)", rows)
        case _:
            bucket = Bucket(address.netloc, options, url="s3:")
            first, *others = [each.key for each in bucket.list(f"{address.path[1:]}.audit")]
            bucket.delete(others)
            bucket.put(first, text.encode())


def joined(lines: list[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


TAMPERED: dict[str, tuple[Callable[[list[str]], str], str]] = {
    "changed": (
        lambda log: joined([*log[:2], log[2].replace("done", "failed"), *log[3:]]), "line 3 (changed)",
    ),
    "lost": (lambda log: joined([*log[:2], *log[3:]]), "line 3 (lost)"),
    "moved": (lambda log: joined([log[0], log[2], log[1], *log[3:]]), "line 2 (moved)"),
    "added": (lambda log: joined([*log[:3], log[1], *log[3:]]), "line 4 ("),
    "cut short": (lambda log: joined(log)[:-20], "line 6 (changed)"),
    "no line": (lambda log: "here was a log", "line 1 (changed)"),
}  # fmt: skip
"""What somebody does to the log, and where `audit verify` finds that."""


def test_who_rewrites_the_log_is_found_out(shared: Workplace, store: StateStore, live: Live) -> None:
    shared.apply()
    log = list(store.audit_lines())
    assert len(log) == len(WHOLE_WAY) + 2
    for tamper, where in TAMPERED.values():
        rewritten(shared, tamper(log))
        ran = shared.run("audit", "verify")
        assert ran.code == 1, ran
        assert f"breaks at {where}" in ran.out
    live.forget()
    shared.edit("gw-3]", "gw-3, gw-4]")
    ends = [joined([*log[:-1], log[-1].replace('"exit":0', '"exit":3')])]
    if not store.url.startswith("file:"):
        # A file may end in half a line, by a crash: the next run says so in the log, and goes on.
        ends += [TAMPERED[how][0](log) for how in ("cut short", "no line")]
    for end in ends:
        rewritten(shared, end)
        ran = shared.run(*APPLY)
        assert ran.code == 1, ran
        assert "the last line of the audit log isn't as it was written" in ran.err
    assert live.writes() == [], "no log, no call"
    rewritten(shared, joined(log[:-1]))
    assert shared.run("audit", "verify").code == 0, "that its end is gone tells nothing"
    ran = shared.run("audit", "verify", "--expect", json.loads(log[-1])["hash"])
    assert ran.code == 1, ran
