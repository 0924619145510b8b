"""A campaign that is the way back from another one, through the commands."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reconciler.errors import Exit

PROJECT = """\
apiVersion: reconciler/v1
kind: Project
metadata: {name: demo}
spec:
  resources: [resources]
  server: {url: "embedded:"}
"""
MORE = """
---
apiVersion: reconciler/v1
kind: RolloutPolicy
metadata: {name: careful}
spec: {waves: [{name: canary, gateways: [gw-2]}, {name: rest}], onFailure: ON_FAILURE}
---
apiVersion: reconciler/v1
kind: Campaign
metadata: {name: back}
spec: {rollbackOf: line-3, desiredStatus: STARTED}
"""


@pytest.fixture
def begun(folder: Path, run: Callable[..., Any]) -> Callable[..., Any]:
    """A rollout whose first wave is in, with a way back."""

    def begin(on_failure: str) -> Callable[..., Any]:
        path = next((folder / "resources").glob("*.yaml"))
        text = path.read_text().rstrip() + "\n  rollout: {policy: careful}\n"
        path.write_text(text + MORE.replace("ON_FAILURE", on_failure).strip("\n") + "\n")
        (folder / "reconciler.yaml").write_text(PROJECT)
        assert run("apply", "--auto-approve").code == Exit.DONE
        return run

    return begin


def row(run: Callable[..., Any]) -> tuple[str, str, bool]:
    """How the way back stands, in the table and in JSON."""
    shown = next(line for line in run("status").out.splitlines() if line.startswith("Campaign/back"))
    document = json.loads(run("status", "--output", "json").out)
    found = next(each for each in document["campaigns"] if each["resource"] == "Campaign/back")
    return shown, found["state"], found["inSync"]


def test_it_stands_by_and_is_not_created(begun) -> None:
    run = begun("stop")
    planned = run("plan", "--detailed-exitcode")
    assert planned.code == Exit.DONE
    assert "Campaign/back stands by: it is the way back from Campaign/line-3" in planned.out
    shown, state, in_sync = row(run)
    assert shown.endswith("stands by")
    assert (state, in_sync) == ("stands by", True)


def test_it_stands_by_where_no_device_has_changed(begun) -> None:
    run = begun("pause")
    assert run("rollout", "abort", "line-3", "--reason", "smoke").code == Exit.DONE
    planned = run("plan", "--detailed-exitcode")
    assert "Campaign/back stands by" in planned.out, "of nobody has anything begun"
    assert planned.code == Exit.DONE


def test_it_warns_where_nothing_would_stop_the_other_one(begun) -> None:
    run = begun("pause")
    checked = run("validate")
    assert checked.code == Exit.DONE
    assert "rollback-not-stopped" in checked.out + checked.err
    assert "onFailure: stop" in checked.out + checked.err


def test_a_look_leaves_its_creation_to_an_apply(begun, folder: Path) -> None:
    run = begun("stop")
    assert run("apply", "--rollouts-only", "--auto-approve").code == Exit.DONE
    state = (folder / ".reconciler").rglob("state.json*")
    assert not any("Campaign/back" in path.read_text() for path in state if path.is_file())
