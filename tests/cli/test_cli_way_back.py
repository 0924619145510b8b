"""A campaign that is the way back from another one, through the commands."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reconciler.errors import Exit
from reconciler.model import DesiredStatus, Kind, ResourceId, RolloutRecord, RolloutStatus
from reconciler.settings import DEFAULT_STATE_URL
from reconciler.state.applied import ROLLBACK
from reconciler.state.base import CampaignOwned, MembersApplied, Origin, Owned
from reconciler.state.stores import open_store

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


def test_a_look_creates_nothing_while_it_stands_by(begun, folder: Path) -> None:
    run = begun("stop")
    assert run("apply", "--rollouts-only", "--auto-approve").code == Exit.DONE
    state = (folder / ".reconciler").rglob("state.json*")
    assert not any("Campaign/back" in path.read_text() for path in state if path.is_file())


@pytest.mark.parametrize(
    ("status", "rollout", "goes_on"),
    [
        (DesiredStatus.STARTED, RolloutStatus.PROGRESSING, False),
        (DesiredStatus.STARTED, RolloutStatus.ABORTED, False),
        (DesiredStatus.STOPPED, RolloutStatus.ABORTED, True),
        (DesiredStatus.STARTED, RolloutStatus.COMPLETE, True),
    ],
)
def test_the_first_one_is_not_resumed_while_its_way_back_is_under_way(
    begun, folder: Path, status: DesiredStatus, rollout: RolloutStatus, *, goes_on: bool
) -> None:
    run = begun("stop")
    assert run("rollout", "abort", "line-3", "--reason", "smoke").code == Exit.DONE
    first, back = (ResourceId(Kind.CAMPAIGN, name) for name in ("line-3", "back"))
    store = open_store(DEFAULT_STATE_URL, root=folder)
    state = store.load()
    assert state.server is not None
    owned = Owned(back, "b-1", Origin.CREATED, status=status, rollout=RolloutRecord(status=rollout))
    with store.locked(state.server, "apply") as session:
        session.record(CampaignOwned(owned), MembersApplied(first, ROLLBACK, "back", ("gw-2",)))
    ran = run("rollout", "resume", "line-3", "--reason", "better")
    if goes_on:
        assert ran.code == Exit.DONE
        return
    assert ran.code == Exit.ERROR
    assert "Campaign/line-3 can't go on: its way back Campaign/back is under way" in ran.err
    assert "rollout abort back --stop" in ran.err
    assert store.load().campaigns[first].rollout == state.campaigns[first].rollout
