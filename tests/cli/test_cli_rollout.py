"""`rollout …` on the embedded server: what is shown, and what a person says."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from reconciler.errors import Exit
from reconciler.model import Kind, ResourceId
from reconciler.settings import DEFAULT_STATE_URL
from reconciler.state.applied import REFUSED, ROLLOUT
from reconciler.state.base import MembersApplied
from reconciler.state.stores import open_store
from reconciler.validation.schemas import schema

POLICY = """
---
apiVersion: reconciler/v1
kind: RolloutPolicy
metadata: {name: careful}
spec:
  waves:
    - {name: canary, gateways: [gw-2]}
    - {name: rest, approval: true}
"""
PROJECT = """\
apiVersion: reconciler/v1
kind: Project
metadata: {name: demo}
spec:
  resources: [resources]
  server: {url: "embedded:"}
"""


@pytest.fixture
def begun(folder: Path, run: Callable[..., Any]) -> Callable[..., Any]:
    """A rollout whose first wave is in; `run` goes on with it."""
    path = next((folder / "resources").glob("*.yaml"))
    text = path.read_text()
    path.write_text(text.rstrip() + "\n  rollout: {policy: careful}\n" + POLICY.strip("\n") + "\n")
    (folder / "reconciler.yaml").write_text(PROJECT)
    assert run("apply", "--auto-approve").code == Exit.DONE
    return run


def rollout(run: Callable[..., Any]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run("rollout", "show", "line-3", "--output", "json").out)["rollout"]
    return found


def test_what_is_shown(begun) -> None:
    listed = begun("rollout", "list")
    assert "Campaign/line-3" in listed.out
    assert "wave 1 of 2 (canary)" in listed.out
    found = rollout(begun)
    assert [(wave["name"], wave["gateways"], wave["in"]) for wave in found["waves"]] == [
        ("canary", 1, 1),
        ("rest", 2, 0),
    ]
    assert [wait["for"] for wait in found["waits"]] == ["success"]
    shown = begun("rollout", "show", "line-3", "--gateway", "gw-3").out
    assert "gw-3 is in wave 2 of 2 (rest)" in shown
    assert "waits for a person's word" in shown
    assert (
        "gw-9 is in none of the campaign's lists"
        in begun("rollout", "show", "line-3", "--gateway", "gw-9").out
    )


@pytest.mark.parametrize(("word", "status", "code"), [("pause", "paused", 2), ("abort", "aborted", 7)])
def test_words_that_hold_it_up_and_resume(begun, word: str, status: str, code: int) -> None:
    assert begun("rollout", word, "line-3", "--reason", "the weather").code == Exit.DONE
    found = rollout(begun)
    assert (found["status"], found["why"]) == (status, "the weather")
    assert found["by"]
    assert begun("rollout", "status", "line-3", "--exit-code").code == code
    assert begun("apply", "--auto-approve").code == (Exit.ROLLOUT_ABORTED if code == 7 else Exit.DONE)
    assert begun("rollout", "resume", "line-3", "--reason", "sun").code == Exit.DONE
    assert rollout(begun)["status"] == "progressing"
    log = begun("audit", "show", "--output", "json").out
    assert "the weather" in log


def test_a_promotion_opens_a_wave_once(begun) -> None:
    promoted = begun("rollout", "promote", "line-3", "--reason", "go", "--skip", "success", "--skip", "soak")
    assert promoted.code == Exit.DONE
    assert "gains 2" in begun("plan").out or "2 gateways" in begun("plan").out
    assert begun("apply", "--auto-approve").code == Exit.DONE
    found = rollout(begun)
    assert (found["wave"], [wave["in"] for wave in found["waves"]]) == (2, [1, 2])
    again = begun("rollout", "promote", "line-3", "--reason", "go")
    assert again.code == Exit.ERROR
    assert "every wave of 'line-3' is open" in again.err


def test_an_abort_that_stops_the_campaign(begun) -> None:
    begun("rollout", "abort", "line-3", "--stop", "--reason", "smoke")
    applied = begun("apply", "--auto-approve", "--output", "json")
    assert applied.code == Exit.ROLLOUT_ABORTED
    document = json.loads(applied.out)
    assert list(document["summary"]["byOperation"]) == ["stop-campaign"]
    assert document["rollouts"][0]["status"] == "aborted"
    assert document["guards"] == []


def test_whom_the_server_refused_is_tried_again_after_resume(begun, folder: Path) -> None:
    store = open_store(DEFAULT_STATE_URL, root=folder)
    campaign = ResourceId(Kind.CAMPAIGN, "line-3")
    server = store.load().server
    assert server is not None

    def refused() -> list[str]:
        return sorted(store.load().campaigns[campaign].members.get(ROLLOUT, {}).get(REFUSED, ()))

    with store.locked(server, "apply") as session:
        session.record(MembersApplied(campaign, ROLLOUT, REFUSED, ("gw-2",)))
    assert begun("rollout", "pause", "line-3", "--reason", "x").code == Exit.DONE
    assert refused() == ["gw-2"]
    assert begun("rollout", "resume", "line-3", "--reason", "x").code == Exit.DONE
    assert refused() == []


def test_a_pause_takes_no_abort_back(begun) -> None:
    """As a pause it would hold less: a later apply could start the campaign again."""
    assert begun("rollout", "abort", "line-3", "--reason", "smoke", "--stop").code == Exit.DONE
    ran = begun("rollout", "pause", "line-3", "--reason", "x")
    assert ran.code == Exit.ERROR
    assert "its rollout is aborted, and a pause would hold less" in ran.err
    assert "rollout resume line-3" in ran.err.split("hint:")[1]
    shown = begun("rollout", "show", "line-3")
    assert "aborted" in shown.out
    assert "smoke" in shown.out


@pytest.mark.parametrize("word", ["show", "pause"])
def test_a_campaign_without_a_rollout_is_named(begun, word: str) -> None:
    reason = ["--reason", "x"] if word == "pause" else []
    ran = begun("rollout", word, "line-33", *reason)
    assert ran.code == Exit.ERROR
    assert "the campaign 'line-33' has no rollout here" in ran.err
    assert "line-3" in ran.err.split("hint:")[1]


def test_a_wave_that_is_not_there_is_named(begun) -> None:
    ran = begun("rollout", "promote", "line-3", "--wave", "rst", "--reason", "x")
    assert "has no wave 'rst'" in ran.err
    assert "rest" in ran.err.split("hint:")[1]


def test_giving_a_rollout_up_trips_a_guard(begun, folder: Path) -> None:
    path = next((folder / "resources").glob("*.yaml"))
    path.write_text(path.read_text().replace("  rollout: {policy: careful}\n", ""))
    ran = begun("apply", "--auto-approve")
    assert ran.code == Exit.GUARD
    assert "mayReleaseAtOnce" in ran.out
    waived = begun("apply", "--auto-approve", "--waive", "mayReleaseAtOnce", "--reason", "it is fine")
    assert waived.code == Exit.DONE


def test_a_saved_plan_is_bound_to_one_wave(begun, folder: Path) -> None:
    begun("rollout", "promote", "line-3", "--reason", "go", "--skip", "success", "--skip", "soak")
    assert begun("plan", "--out", "plan.file").code == Exit.DONE
    begun("rollout", "pause", "line-3", "--reason", "no")
    ran = begun("apply", "--plan", "plan.file")
    assert ran.code == Exit.STALE_PLAN
    assert "rollout" in ran.err


def test_a_look_sends_nothing_but_what_rollouts_need(begun, folder: Path) -> None:
    look = ("apply", "--rollouts-only", "--auto-approve", "--lock-timeout", "600")
    assert begun(*look).code == Exit.DONE
    skips = [word for skip in ("success", "soak") for word in ("--skip", skip)]
    assert begun("rollout", "promote", "line-3", "--reason", "go", *skips).code == Exit.DONE
    path = next((folder / "resources").glob("*.yaml"))
    text = path.read_text()
    path.write_text(re.sub(r"(?m)^  description: .*", "  description: another one", text))
    ran = begun(*look)
    assert ran.code == Exit.DONE
    assert "Campaign/line-3 differs in description" in ran.out + ran.err
    assert rollout(begun)["waves"][1]["in"] == 0
    dry = json.loads(begun("apply", "--rollouts-only", "--dry-run", "--output", "json").out)
    assert dry["steps"] == []
    assert [wait["for"] for wait in dry["rollouts"][0]["waits"]] == ["apply"]
    assert Draft202012Validator(schema("plan")).is_valid(dry)
    path.write_text(text)
    assert begun(*look).code == Exit.DONE
    assert rollout(begun)["waves"][1]["in"] == 2


def test_a_look_by_itself_stops_what_is_aborted(begun) -> None:
    begun("rollout", "abort", "line-3", "--stop", "--reason", "smoke")
    ran = begun("apply", "--rollouts-only", "--auto-approve", "--output", "json")
    assert ran.code == Exit.ROLLOUT_ABORTED
    assert list(json.loads(ran.out)["summary"]["byOperation"]) == ["stop-campaign"]


def test_a_reviewed_plan_is_applied_whole(begun, folder: Path) -> None:
    assert begun("plan", "--out", "plan.jsonl").code == Exit.DONE
    ran = begun("apply", "--plan", "plan.jsonl", "--rollouts-only")
    assert ran.code == Exit.USAGE
    assert "--rollouts-only" in ran.err


def test_each_turn_is_a_line_of_the_audit_log(begun, folder: Path) -> None:
    def turns() -> list[tuple[str | None, str | None, int]]:
        lines = (folder / ".reconciler/state.json.audit").read_text().splitlines()
        told = [each for each in map(json.loads, lines) if each["type"] == "rollout"]
        assert all(each["resource"] == "Campaign/line-3" for each in told)
        return [(each["from"], each["to"], each["wave"]) for each in told]

    first = (None, "progressing", 1)
    assert turns() == [first]
    begun("apply", "--auto-approve")
    assert turns() == [first], "nothing turned"
    begun("rollout", "pause", "line-3", "--reason", "rain")
    begun("rollout", "resume", "line-3", "--reason", "sun")
    paused = [("progressing", "paused", 1), ("paused", "progressing", 1)]
    assert turns() == [first, *paused]
    begun("rollout", "promote", "line-3", "--reason", "go", "--skip", "success", "--skip", "soak")
    begun("apply", "--auto-approve")
    assert turns() == [first, *paused, ("progressing", "progressing", 2)]
    lines = (folder / ".reconciler/state.json.audit").read_text()
    assert '"why": "rain"' in lines or '"why":"rain"' in lines
    assert begun("audit", "verify").code == Exit.DONE


@pytest.mark.parametrize("name", ["plan", "status"])
def test_documents_say_where_rollouts_stand(begun, name: str) -> None:
    document = json.loads(begun(name, "--output", "json").out)
    assert Draft202012Validator(schema(name)).is_valid(document)
    (found,) = document["rollouts"]
    assert (found["policy"], found["wave"]) == ("careful", 1)
    assert "wave 1 of 2 (canary)" in begun(name).out
