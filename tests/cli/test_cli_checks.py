"""Checks of a rollout through the commands: an apply asks them, a plan says that it will."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler.errors import Exit
from tests.app.check_server import CheckServer, answer, check_server, sample

POLICY = """
---
apiVersion: reconciler/v1
kind: RolloutPolicy
metadata: {{name: careful}}
spec:
  waves: [{{name: canary, gateways: [gw-2]}}, {{name: rest}}]
  checks:
    - name: errors
      prometheus: {{url: "{url}", query: errors, max: 5}}
    - name: desk
      http: {{url: "{url}/desk", method: POST, headers: {{Authorization: {{fromEnv: DESK_TOKEN}}}}}}
      onFailure: wait
"""
PROJECT = """\
apiVersion: reconciler/v1
kind: Project
metadata: {name: demo}
spec:
  resources: [resources]
  server: {url: "embedded:"}
"""
TOKEN = "correct-horse-battery"


class Answers:
    """What both checks answer."""

    def __init__(self) -> None:
        self.errors = sample("1")
        self.desk = answer()

    def __call__(self, request: bytes) -> bytes:
        return self.desk if b"/desk" in request.split(b"\r\n", 1)[0] else self.errors


@pytest.fixture
def server() -> Iterator[CheckServer]:
    with check_server() as found:
        found.respond = Answers()
        yield found


@pytest.fixture
def begun(
    folder: Path, run: Callable[..., Any], server: CheckServer, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Any]:
    """A rollout of which nothing is in yet."""
    monkeypatch.setenv("DESK_TOKEN", TOKEN)
    path = next((folder / "resources").glob("*.yaml"))
    text = path.read_text().rstrip() + "\n  rollout: {policy: careful}\n"
    path.write_text(text + POLICY.format(url=server.url).strip("\n") + "\n")
    (folder / "reconciler.yaml").write_text(PROJECT)
    return run


def view(run: Callable[..., Any]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run("rollout", "show", "line-3", "--output", "json").out)["rollout"]
    return found


def entered(run: Callable[..., Any]) -> int:
    return sum(wave["in"] for wave in view(run)["waves"])


def first_in(run: Callable[..., Any], server: CheckServer) -> None:
    assert run("apply", "--auto-approve").code == Exit.DONE
    assert run("rollout", "promote", "line-3", "--reason", "go", "--skip", "success").code == Exit.DONE
    server.requests.clear()


def test_a_plan_asks_nobody_and_needs_no_secret(begun, server, monkeypatch) -> None:
    monkeypatch.delenv("DESK_TOKEN")
    planned = begun("plan")
    assert planned.code == Exit.DONE
    assert "checks asked at apply: errors, desk" in planned.out
    assert begun("apply", "--dry-run").code == Exit.DONE
    assert begun("status").code == Exit.DONE
    assert view(begun)["checks"] == ["errors", "desk"]
    assert server.requests == []


def test_an_apply_asks_before_a_wave_opens(begun, server) -> None:
    assert begun("apply", "--auto-approve").code == Exit.DONE
    assert sorted(line.split()[0] for line in server.first_lines) == ["GET", "POST"]
    assert entered(begun) == 1
    body = next(body for body, line in zip(server.bodies, server.first_lines, strict=True) if "desk" in line)
    assert (body["campaign"], body["wave"], body["waves"]) == ("line-3", 0, 2)


@pytest.mark.parametrize("why", ["answered 500", "DESK_TOKEN is not set"])
def test_a_wave_waits_for_a_check(begun, server, monkeypatch, why: str) -> None:
    first_in(begun, server)
    server.respond.desk = answer(status="500 Oops")
    if "TOKEN" in why:
        monkeypatch.delenv("DESK_TOKEN")
    ran = begun("apply", "--auto-approve")
    assert ran.code == Exit.DONE
    assert f"check desk: {'' if 'TOKEN' not in why else 'environment variable '}{why}" in ran.out
    assert entered(begun) == 1
    server.respond.desk = answer()
    monkeypatch.setenv("DESK_TOKEN", TOKEN)
    assert begun("apply", "--auto-approve").code == Exit.DONE
    assert entered(begun) == 3


def test_a_check_that_fails_aborts(begun, server, folder) -> None:
    first_in(begun, server)
    server.respond.errors = sample("7.2")
    ran = begun("apply", "--auto-approve")
    assert ran.code == Exit.ROLLOUT_ABORTED
    assert "check errors fails: 7.2 > 5" in ran.out + ran.err
    assert (view(begun)["status"], entered(begun)) == ("aborted", 1)
    server.requests.clear()
    assert begun("apply", "--auto-approve").code == Exit.ROLLOUT_ABORTED
    assert server.requests == [], "a person decides now"
    log = (folder / ".reconciler/state.json.audit").read_text()
    assert "check errors fails: 7.2 > 5" in log
    assert TOKEN not in log


def test_a_check_that_fails_aborts_a_look_too(begun, server) -> None:
    first_in(begun, server)
    server.respond.errors = sample("7.2")
    assert begun("apply", "--rollouts-only", "--auto-approve").code == Exit.ROLLOUT_ABORTED


def test_a_person_may_skip_it(begun, server) -> None:
    first_in(begun, server)
    server.respond.errors = sample("7.2")
    promoted = begun("rollout", "promote", "line-3", "--reason", "x", "--skip", "success", "--skip", "check")
    assert promoted.code == Exit.DONE
    assert begun("apply", "--auto-approve").code == Exit.DONE
    assert entered(begun) == 3


def test_a_plan_file_opens_a_wave_only_when_its_checks_pass(begun, server, folder) -> None:
    first_in(begun, server)
    assert begun("plan", "--out", "plan.json").code == Exit.DONE
    assert server.requests == []
    assert TOKEN not in (folder / "plan.json").read_text()
    server.respond.errors = sample("7.2")
    refused = begun("apply", "--plan", "plan.json")
    assert refused.code == Exit.STALE_PLAN
    assert "check errors: 7.2 > 5" in refused.out + refused.err
    server.respond.errors = sample("1")
    assert begun("apply", "--plan", "plan.json").code == Exit.DONE
    assert entered(begun) == 3


def test_a_plan_file_starts_what_was_stopped_only_when_no_check_fails(begun, server) -> None:
    first_in(begun, server)
    assert begun("rollout", "abort", "line-3", "--stop", "--reason", "x").code == Exit.DONE
    assert begun("apply", "--auto-approve").code == Exit.ROLLOUT_ABORTED
    assert begun("rollout", "resume", "line-3", "--reason", "x").code == Exit.DONE
    made = begun("plan", "--out", "plan.json", "--output", "json")
    assert [step["id"] for step in json.loads(made.out)["steps"]] == ["start-campaign:line-3"]
    server.respond.errors, server.respond.desk = sample("7.2"), answer({"verdict": "fail"})
    refused = begun("apply", "--plan", "plan.json")
    assert refused.code == Exit.STALE_PLAN
    assert "check errors: 7.2 > 5" in refused.out + refused.err
    assert "check desk" not in refused.out + refused.err, "no wave opens"
    server.respond.errors = sample("1")
    assert begun("apply", "--plan", "plan.json").code == Exit.DONE


def test_a_plan_file_keeps_to_the_checks_that_it_was_made_with(begun, server, folder) -> None:
    first_in(begun, server)
    assert begun("plan", "--out", "plan.json").code == Exit.DONE
    path = next((folder / "resources").glob("*.yaml"))
    path.write_text(path.read_text().replace("name: errors", "name: others"))
    refused = begun("apply", "--plan", "plan.json")
    assert refused.code == Exit.STALE_PLAN
    assert "its checks differ from those when the plan was made" in refused.out + refused.err


def test_a_secret_goes_nowhere_that_only_the_project_names(begun, folder, server) -> None:
    path = next((folder / "resources").glob("*.yaml"))
    path.write_text(path.read_text().replace(f"{server.url}/desk", "https://desk.example.com/gate"))
    assert begun("plan").code == Exit.DONE
    ran = begun("apply", "--auto-approve")
    assert ran.code == Exit.ERROR
    assert "DESK_TOKEN would go to https://desk.example.com" in ran.out + ran.err
    assert server.requests == []
