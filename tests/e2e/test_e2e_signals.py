"""Ctrl-C, SIGTERM and hang-ups, wherever they come: a clean end, and the next apply goes on from there."""

import os
import pty
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.embedded import Running
from reconciler.model import Server
from reconciler.state.base import State
from reconciler.state.stores import open_store
from tests.e2e.e2e_forks import Fork, Forks
from tests.e2e.e2e_runs import (
    SECONDS,
    TOKEN,
    WHOLE_WAY,
    Answer,
    Gate,
    Live,
    Process,
    Ran,
    Workplace,
    environment,
)

APPLY = ("apply", "--auto-approve", "resources.yaml")
EDIT = ["stop-campaign", "edit-campaign", "start-campaign"]
SIGNALS = pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
ENDING = pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM])
"""A second one of these ends it at once."""
INTERRUPTED = "error: interrupted\n  hint: Nothing is lost: the same command goes on from here.\n"
STOPPING = "stopping: what is in flight is finished, nothing new is begun; once more to end at once\n"


@pytest.fixture
def live() -> Iterator[Live]:
    with Running(token=TOKEN, record=True) as running:
        yield Live(running)


@pytest.fixture
def gate(live: Live) -> Iterator[Gate]:
    with Gate(live.url) as made:
        yield made


@pytest.fixture
def place(tmp_path: Path, gate: Gate, forks: Forks) -> Workplace:
    env = {"RECONCILER_URL": gate.url, "RECONCILER_TOKEN": TOKEN}
    return Workplace(tmp_path / "work", env, canaries=[TOKEN], start=forks)


def state(place: Workplace) -> State:
    return open_store("file:.reconciler/state.json", root=place.folder).load()


def left(place: Workplace) -> set[str]:
    """The state and what stands beside it, except for the audit log."""
    return {path.name for path in place.state.parent.glob("state.json*")} - {"state.json.audit"}


def interrupted(ran: Ran) -> None:
    assert ran.code == 1
    assert ran.err.endswith(
        "error: interrupted\n  hint: Nothing is lost: the same command goes on from here.\n"
    )


def finished(place: Workplace, live: Live, description: str = "Line 3") -> None:
    """Another apply does the rest: each write was sent once over all of them, and nothing is left to do."""
    place.apply()
    (campaign,) = live.campaigns()
    shown = live.call("GET", f"/api/campaigns/{campaign['id']}")
    assert (shown["status"], shown["description"]) == ("STARTED", description)
    assert live.gateways(campaign["id"]) == {"gw-1", "gw-2", "gw-3"}
    assert len(live.packages()) == 1
    assert all(owned.return_to is None for owned in state(place).campaigns.values())
    assert not left(place) & {"state.json.lock", "state.json.journal"}
    assert place.empty()


# --- before anything is sent -----------------------------------------------------------------------------


@SIGNALS
@pytest.mark.parametrize(
    "arguments",
    [("plan", "resources.yaml"), ("apply", "resources.yaml"), APPLY, ("status", "resources.yaml")],
)
def test_while_it_plans(
    place: Workplace, gate: Gate, live: Live, kind: signal.Signals, arguments: tuple[str, ...]
) -> None:
    hold = gate.hold("list-campaigns", "before")
    with place.started(*arguments) as process:
        hold.wait(process)
        locks = arguments is APPLY
        assert place.state.with_name("state.json.lock").exists() == locks
        process.popen.send_signal(kind)
        interrupted(process.end())
    hold.drop()
    assert live.writes() == []
    assert left(place) == set(), "neither a lock nor a state"
    finished(place, live)
    assert live.writes() == WHOLE_WAY


@SIGNALS
def test_while_it_waits_before_it_reads_again(
    place: Workplace, gate: Gate, live: Live, kind: signal.Signals
) -> None:
    gate.answer("list-campaigns", Answer(503, b"", {"Retry-After": "25"}))
    with place.started(*APPLY, "--verbose") as process:
        process.until("GET /api/campaigns 503")
        process.popen.send_signal(kind)
        interrupted(process.end())
    assert left(place) == set()
    finished(place, live)


@SIGNALS
def test_while_a_command_gets_the_token(place: Workplace, live: Live, kind: signal.Signals) -> None:
    """The command ends, too: while it held our stderr, nobody who reads that would see an end."""
    token = place.env.pop("RECONCILER_TOKEN")
    (place.folder / "reconciler.yaml").write_text(
        "apiVersion: reconciler/v1\nkind: Project\nmetadata: {name: lines}\n"
        "spec: {server: {auth: {tokenCommand: 'echo asking >&2; exec sleep 600'}}}\n"
    )
    assert place.run("trust", "add", "--auto-approve").code == 0
    with place.started(*APPLY) as process:
        process.until("asking")
        process.popen.send_signal(kind)
        interrupted(process.end())
    assert live.writes() == []
    assert left(place) == set()
    (place.folder / "reconciler.yaml").unlink()
    place.env["RECONCILER_TOKEN"] = token
    finished(place, live)


@SIGNALS
def test_while_it_waits_for_the_lock(place: Workplace, live: Live, kind: signal.Signals) -> None:
    store = open_store("file:.reconciler/state.json", root=place.folder)
    with store.locked(Server("pulse", place.env["RECONCILER_URL"]), "somebody"):
        with place.started(*APPLY, "--lock-timeout", "50", "--verbose") as process:
            process.until("waiting up to 50 s: ")
            process.popen.send_signal(kind)
            interrupted(process.end())
        assert left(place) == {"state.json.lock"}, "it is somebody else's"
    assert live.operations() == []
    finished(place, live)


@SIGNALS
def test_at_the_question(place: Workplace, live: Live, forks: Forks, kind: signal.Signals) -> None:
    master, slave = pty.openpty()
    try:
        env = environment(**place.env)
        with forks(["apply", "resources.yaml"], place.folder, env, terminal=slave) as fork:
            os.close(slave)
            said = read_until(master, "Type 'yes': ")
            fork.send_signal(kind)
            said += read_all(master, fork)
            assert fork.wait(SECONDS) == 1
    finally:
        os.close(master)
    assert "error: interrupted" in said
    assert "Traceback" not in said
    assert left(place) == set()
    finished(place, live)


def read_until(master: int, text: str) -> str:
    said = ""
    while text not in said:
        said += os.read(master, 65_536).decode()
    return said


def read_all(master: int, fork: Fork) -> str:
    said = ""
    try:
        while True:
            said += os.read(master, 65_536).decode()
    except OSError:  # the other side is gone
        return said


# --- while it applies ------------------------------------------------------------------------------------


@SIGNALS
@pytest.mark.parametrize("operation", WHOLE_WAY)
def test_in_the_middle_of_a_step(
    place: Workplace, gate: Gate, live: Live, kind: signal.Signals, operation: str
) -> None:
    done = WHOLE_WAY.index(operation) + 1
    hold = gate.hold(operation, "before")
    with place.started(*APPLY) as process:
        hold.wait(process)
        process.popen.send_signal(kind)
        process.until(STOPPING.rstrip())
        hold.release()
        ran = process.end()
    assert live.writes() == WHOLE_WAY[:done]
    if done == len(WHOLE_WAY):
        assert (ran.code, ran.out.splitlines()[-1]) == (0, f"Applied to {gate.url}: 4 done.")
    else:
        assert ran.code == 1
        assert "because the run was interrupted\n" in ran.out or "which is not done" in ran.out
        assert f": {done} done, {4 - done} skipped.\nExit code 1: " in ran.out
    assert left(place) == {"state.json", "state.json.backup"}
    finished(place, live)
    assert live.writes() == WHOLE_WAY


@SIGNALS
@pytest.mark.parametrize("status", [429, 503])
def test_while_it_waits_before_it_sends_again(
    place: Workplace, gate: Gate, live: Live, kind: signal.Signals, status: int
) -> None:
    gate.answer("create-campaign", Answer(status, b"", {"Retry-After": "250"}))
    with place.started(*APPLY, "--verbose") as process:
        process.until(f"POST /api/campaigns {status}")
        process.popen.send_signal(kind)
        ran = process.end()
    assert ran.code == 1
    assert "not sent again: the run was interrupted" in ran.out
    assert ": 1 done, 1 failed, 2 skipped.\nExit code 1: " in ran.out
    assert left(place) == {"state.json", "state.json.backup"}
    finished(place, live)
    assert live.writes() == WHOLE_WAY


@SIGNALS
@pytest.mark.parametrize("operation", EDIT[:2])
def test_between_stop_and_start_of_a_bracket(
    place: Workplace, gate: Gate, live: Live, kind: signal.Signals, operation: str
) -> None:
    """The campaign runs again when the process has ended, whether the edit was sent or not."""
    place.apply()
    live.forget()
    place.edit("Line 3", "Line three")
    hold = gate.hold(operation, "after")
    gate.answer("start-campaign", Answer(503, b"", {"Retry-After": "0"}), times=2)
    with place.started(*APPLY) as process:
        hold.wait(process)
        process.popen.send_signal(kind)
        process.until(STOPPING.rstrip())
        hold.release()
        ran = process.end()
    edited = operation == "edit-campaign"
    assert ran.code == (0 if edited else 1)
    assert live.writes() == (EDIT if edited else ["stop-campaign", "start-campaign"])
    assert [campaign["status"] for campaign in live.campaigns()] == ["STARTED"]
    assert all(owned.return_to is None for owned in state(place).campaigns.values())
    finished(place, live, "Line three")
    assert live.writes() == (EDIT if edited else ["stop-campaign", "start-campaign", *EDIT])


@SIGNALS
@pytest.mark.parametrize("upload", ["multipart", "streaming"])
def test_in_the_middle_of_an_upload(
    place: Workplace, gate: Gate, live: Live, kind: signal.Signals, upload: str
) -> None:
    """It is finished: what has gone up need not go up again."""
    content = b"firmware" * (1 << 21)  # more than what a socket holds
    (place.folder / "firmware.bin").write_bytes(content)
    place.edit("- file: firmware.bin", f"- {{file: firmware.bin, upload: {upload}}}")
    hold = gate.hold("upload-package", "begun")
    with place.started(*APPLY) as process:
        hold.wait(process)
        process.popen.send_signal(kind)
        process.until(STOPPING.rstrip())
        hold.release()
        ran = process.end()
    assert ran.code == 1
    assert ": 1 done, 3 skipped.\nExit code 1: " in ran.out
    (package,) = live.packages()
    assert package["id"] in place.state.read_text()
    finished(place, live)
    assert live.writes() == WHOLE_WAY


# --- once more -------------------------------------------------------------------------------------------


@ENDING
@pytest.mark.parametrize("operation", ["upload-package", "create-campaign", "add-gateways"])
def test_a_second_one_ends_it_at_once(
    place: Workplace, gate: Gate, live: Live, kind: signal.Signals, operation: str
) -> None:
    """What is in flight is left: the next apply finds that it happened."""
    hold = gate.hold(operation, "after")
    with place.started(*APPLY) as process:
        hold.wait(process)
        process.popen.send_signal(kind)
        process.until(STOPPING.rstrip())
        process.popen.send_signal(kind)
        interrupted(process.end())
    hold.drop()
    assert "state.json.lock" not in left(place)
    finished(place, live)
    assert live.writes() == WHOLE_WAY, "nothing was doubled"


@ENDING
def test_a_second_one_in_a_bracket(place: Workplace, gate: Gate, live: Live, kind: signal.Signals) -> None:
    """Now the campaign is left stopped, and that is known."""
    place.apply()
    live.forget()
    place.edit("Line 3", "Line three")
    hold = gate.hold("edit-campaign", "before")
    with place.started(*APPLY) as process:
        hold.wait(process)
        process.popen.send_signal(kind)
        process.until(STOPPING.rstrip())
        process.popen.send_signal(kind)
        interrupted(process.end())
    hold.drop()
    assert live.writes() == ["stop-campaign"]
    assert [owned.return_to for owned in state(place).campaigns.values()] == ["STARTED"]
    finished(place, live, "Line three")
    assert live.writes() == EDIT


def test_hang_ups_one_after_the_other_are_one(place: Workplace, gate: Gate, live: Live) -> None:
    """When a terminal closes, the system and the shell each send one."""
    place.apply()
    live.forget()
    place.edit("Line 3", "Line three")
    hold = gate.hold("stop-campaign", "after")
    with place.started(*APPLY) as process:
        hold.wait(process)
        process.popen.send_signal(signal.SIGHUP)
        process.until(STOPPING.rstrip())
        for _ in range(3):
            process.popen.send_signal(signal.SIGHUP)
        hold.release()
        assert process.end().code == 1
    assert live.writes() == ["stop-campaign", "start-campaign"]
    assert left(place) == {"state.json", "state.json.backup"}
    finished(place, live, "Line three")


def test_a_terminal_that_is_closed_leaves_no_bracket_open(
    place: Workplace, gate: Gate, live: Live, forks: Forks
) -> None:
    """The hang-up comes with a terminal that takes no word any more."""
    place.apply()
    live.forget()
    place.edit("Line 3", "Line three")
    hold = gate.hold("edit-campaign", "before")
    master, slave = pty.openpty()
    env = environment(**place.env)
    with forks([*APPLY], place.folder, env, terminal=slave) as fork:
        os.close(slave)
        hold.reached(SECONDS)
        os.close(master)
        fork.send_signal(signal.SIGHUP)
        hold.release()
        assert fork.wait(SECONDS) == 0
    assert live.writes() == EDIT
    assert left(place) == {"state.json", "state.json.backup"}
    finished(place, live, "Line three")


def test_what_is_ignored_stays_ignored(place: Workplace, gate: Gate, live: Live, forks: Forks) -> None:
    """As `nohup` asks for, and a shell for what it runs in the background."""
    planning, applying = gate.hold("list-campaigns", "before"), gate.hold("create-campaign", "before")
    tricks = [["tests.e2e.e2e_tricks:ignore", signal.SIGINT]]
    with forks(APPLY, place.folder, environment(**place.env), tricks=tricks) as fork:
        process = Process(place, fork)
        for hold in (planning, applying):
            hold.wait(process)
            fork.send_signal(signal.SIGINT)
            hold.release()
        assert process.end().code == 0
    assert live.writes() == WHOLE_WAY


# --- a controller: it ends well when it is told to --------------------------------------------------

RUN = ("run", "--interval", "1h", "--listen", "127.0.0.1:0")


@ENDING
def test_a_controller_finishes_what_is_in_flight(
    place: Workplace, gate: Gate, live: Live, kind: signal.Signals
) -> None:
    hold = gate.hold("add-gateways", "before")
    with place.started(*RUN) as process:
        hold.wait(process)
        process.popen.send_signal(kind)
        process.until(STOPPING.rstrip())
        hold.release()
        ran = process.end()
    assert (ran.code, ran.err.splitlines()[-1]) == (0, "ended")
    assert live.writes() == WHOLE_WAY[:3]
    assert left(place) == {"state.json", "state.json.backup"}
    finished(place, live)
    assert live.writes() == WHOLE_WAY


@ENDING
def test_a_controller_that_plans_ends_at_once(
    place: Workplace, gate: Gate, live: Live, kind: signal.Signals
) -> None:
    hold = gate.hold("list-campaigns", "before")
    with place.started(*RUN) as process:
        hold.wait(process)
        process.popen.send_signal(kind)
        ran = process.end()
    hold.drop()
    assert (ran.code, ran.err) == (0, "ended\n")
    assert live.writes() == []
    assert left(place) == set()


@ENDING
def test_a_second_one_ends_a_controller_at_once(
    place: Workplace, gate: Gate, live: Live, kind: signal.Signals
) -> None:
    hold = gate.hold("add-gateways", "before")
    with place.started(*RUN) as process:
        hold.wait(process)
        process.popen.send_signal(kind)
        process.until(STOPPING.rstrip())
        process.popen.send_signal(kind)
        ran = process.end()
    hold.drop()
    assert ran.code == 1
    assert ran.err.endswith(INTERRUPTED)
    finished(place, live)
