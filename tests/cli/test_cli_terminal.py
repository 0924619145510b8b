"""Questions of commands by hand, and `status --watch`, on a pseudo-terminal."""

import json
import re
import signal
import subprocess
import sys

import pytest
from cli_runs import environment


@pytest.mark.parametrize(
    ("arguments", "operation"),
    [
        (["campaign", "stop", "line-3"], "stop-campaign"),
        (["gateway", "close", "line-3", "gw-1"], "close-gateway"),
        (["package", "delete", "spare.bin"], "delete-package"),
    ],
)
def test_what_can_not_be_taken_back_asks(world, arguments, operation, on_a_terminal):
    (world.folder / "spare.bin").write_bytes(b"spare")
    assert world.run("package", "upload", "spare.bin").code == 0
    world.server.forget_calls()
    for typed, said, sent in (("no\n", "declined: nothing was done", []), ("yes\n", "done", [operation])):
        with on_a_terminal(world.folder, *arguments, apart=False) as shown:
            shown.until(f" on {world.proxy.url}? Type 'yes': ")
            shown.type(typed)
            assert shown.end() == (0, "")
            assert said in plain(shown.said)
        assert world.writes() == sent


# --- status --watch ------------------------------------------------------------------------------


def plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def test_watch_redraws_until_all_is_over(world, on_a_terminal):
    campaign_id = world.id_of("line-3")
    world.put(campaign_id, "gw-1", state="ACTIVATION_COMPLETE")
    with on_a_terminal(
        world.folder, "status", "resources", "--watch", "--interval", "0.05", apart=False
    ) as shown:
        shown.until("33 % done")
        world.put(campaign_id, "gw-2", state="FAILED", causedBy="no space left")
        shown.until("no space left")
        world.put(campaign_id, "gw-3", state="ACTIVATION_COMPLETE")
        assert shown.end() == (0, "")
    frames = plain(shown.said).split("\r\x1b[J")
    assert len(frames) > 3
    assert frames[1].startswith("Server: http")
    assert frames[2].startswith("Server: http")
    assert re.search(r"\x1b\[[567]A\Z", frames[1]), "the next frame begins where this one did"
    assert "activation complete 2, failed 1" in frames[-1]
    assert "failed: no space left (1): gw-2" in frames[-1]
    assert "█" in frames[-1]


def test_watch_ends_with_ctrl_c(world, on_a_terminal):
    with on_a_terminal(
        world.folder, "status", "resources", "--watch", "--interval", "30", apart=False
    ) as shown:
        shown.until("in sync")
        shown.process.send_signal(signal.SIGINT)
        assert shown.end() == (0, "")
    assert "Traceback" not in shown.said
    assert "interrupted" not in shown.said


def test_ctrl_c_before_the_first_look_is_an_interruption(world, on_a_terminal):
    (world.folder / ".reconciler" / "wait").touch()
    world.proxy.tell("get-campaign", status=429, headers={"Retry-After": "20"})
    with on_a_terminal(world.folder, "status", "resources", "--watch", "-v", apart=False) as shown:
        shown.until("429")
        shown.process.send_signal(signal.SIGINT)
        assert shown.end() == (1, "")
    assert "error: interrupted" in shown.said


def test_a_small_terminal_gets_a_part_while_it_watches(world, on_a_terminal):
    campaign_id = world.id_of("line-3")
    world.put(campaign_id, "gw-1", state="FAILED", causedBy="x" * 300)
    with on_a_terminal(
        world.folder, "status", "resources", "--watch", "--interval", "0.05", size=(5, 40), apart=False
    ) as shown:
        shown.until("more lines")
        for gateway in ("gw-2", "gw-3"):
            world.put(campaign_id, gateway, state="ACTIVATION_COMPLETE")
        assert shown.end() == (0, "")
    frames = plain(shown.said).split("\r\x1b[J")
    assert all(len(line) <= 40 for line in frames[1].splitlines())
    assert "x" * 300 in frames[-1], "the last frame is whole"


def test_a_server_that_is_away_for_a_while_is_asked_again(world, on_a_terminal):
    campaign_id = world.id_of("line-3")
    with on_a_terminal(
        world.folder, "status", "resources", "--watch", "--interval", "0.05", apart=False
    ) as shown:
        shown.until("in sync")
        world.proxy.tell("list-gateways", status=429, headers={"Retry-After": "1000"})
        shown.until("looking again")
        world.proxy.told.clear()
        for gateway in ("gw-1", "gw-2", "gw-3"):
            world.put(campaign_id, gateway, state="ACTIVATION_COMPLETE")
        assert shown.end() == (0, "")
    assert "3 activation complete" in plain(shown.said)


# --- status --watch without a terminal ------------------------------------------------------------


def watching(world, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [
            sys.executable,
            "-m",
            "reconciler",
            "status",
            "resources",
            "--watch",
            "--interval",
            "0.05",
            *arguments,
        ],
        cwd=world.folder,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        encoding="utf-8",
    )


def test_elsewhere_each_change_is_a_line(world):
    campaign_id = world.id_of("line-3")
    with watching(world) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == f"Server: {world.proxy.url}\n"
        assert process.stdout.readline() == (
            "Campaign/line-3: STARTED, 0 % of 3 gateways done (INSTANTIATED 3), in sync\n"
        )
        world.put(campaign_id, "gw-1", state="ACTIVATION_COMPLETE")
        assert process.stdout.readline() == (
            "Campaign/line-3: STARTED, 33 % of 3 gateways done"
            " (INSTANTIATED 2, ACTIVATION_COMPLETE 1), in sync\n"
        )
        world.run("gateway", "close", "line-3", "gw-2", "--auto-approve")
        world.put(campaign_id, "gw-3", state="ACTIVATION_COMPLETE")
        assert process.stdout.readlines()[-1].startswith("Campaign/line-3: STARTED, 66 % of 3 gateways done")
        assert process.wait(30) == 0


def test_json_is_a_document_a_line(world):
    campaign_id = world.id_of("line-3")
    with watching(world, "--output", "json") as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["summary"]["final"] is False
        for gateway in ("gw-1", "gw-2", "gw-3"):
            world.put(campaign_id, gateway, state="ACTIVATION_COMPLETE")
        rest = [json.loads(line) for line in process.stdout]
        assert process.wait(30) == 0
    assert rest[-1]["summary"] | {"campaigns": 1} == rest[-1]["summary"]
    assert (rest[-1]["summary"]["final"], rest[-1]["summary"]["done"]) == (True, 3)
