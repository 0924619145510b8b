"""What was reviewed is what is applied: plan files between real processes and a real server."""

import json
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from e2e_runs import RESOURCES, TOKEN, WHOLE_WAY, Answer, Gate, Live, Ran, Workplace, unused_port

from reconciler.embedded import Running

CANARY = "secret-canary-77b1"
SETTINGS = "  settings: {LEVEL: info, API_KEY: {fromEnv: API_KEY}, CERT: {fromFile: cert.txt}}\n"
OTHER = """\
---
apiVersion: reconciler/v1
kind: Campaign
metadata: {name: other}
spec: {description: Other}
"""
EDIT = ["stop-campaign", "edit-campaign", "start-campaign"]


def plan(place: Workplace, *arguments: str) -> Ran:
    ran = place.run("plan", "resources.yaml", "--out", "plan.jsonl", *arguments)
    assert ran.code == 0, ran
    return ran


def apply(place: Workplace, *arguments: str, **env: str) -> Ran:
    return place.run("apply", "--plan", "plan.jsonl", *arguments, **env)


def refused(place: Workplace, live: Live, *words: str, **env: str) -> None:
    """The plan is not applied: exit 4, no write, and `words` say why."""
    live.forget()
    ran = apply(place, **env)
    assert ran.code == 4, ran
    assert live.writes() == []
    assert ran.err.endswith(
        "error: plan.jsonl can't be applied; nothing was written\n  hint: Make a new plan with `plan --out FILE`.\n"
    )
    for word in words:
        assert word in ran.err


def declare(place: Workplace, more: str = "") -> None:
    (place.folder / "resources.yaml").write_text(RESOURCES + more)


@pytest.fixture
def secretive(place: Workplace) -> Workplace:
    """A folder whose campaign has secrets, and another campaign."""
    place.env["API_KEY"] = CANARY
    place.canaries.append(CANARY)
    (place.folder / "cert.txt").write_text(CANARY)
    declare(place, SETTINGS + OTHER)
    return place


def test_reviewed_is_applied(secretive: Workplace, live: Live) -> None:
    place = secretive
    planned = plan(place)
    path = place.folder / "plan.jsonl"
    assert live.writes() == []
    assert not place.state.exists()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert CANARY not in path.read_text()
    assert "Saved as plan.jsonl, digest " in planned.out

    # Git moves on, and somebody else's campaign too: neither is what was reviewed.
    place.edit("description: Line 3", "description: Line three")
    place.edit("gw-3", "gw-3, gw-4")
    live.call("POST", "/api/campaigns", {"name": "theirs"})
    live.forget()
    rehearsed = apply(place, "--dry-run")
    assert rehearsed.code == 0, rehearsed
    assert not place.state.exists()
    applied = apply(place)
    assert applied.code == 0, applied
    assert sorted(live.writes()) == sorted([*WHOLE_WAY, "create-campaign"])
    assert "Applied to " in applied.out
    digest = planned.out.rsplit("digest ", 1)[1]
    assert f"From plan.jsonl, digest {digest}" in applied.out
    (line,) = [each for each in live.campaigns() if each["name"] == "line-3"]
    shown = live.call("GET", f"/api/campaigns/{line['id']}")
    assert (shown["description"], shown["status"]) == ("Line 3", "STARTED")
    assert live.gateways(line["id"]) == {"gw-1", "gw-2", "gw-3"}
    kept = place.kept()
    assert CANARY not in kept

    refused(place, live, "error[applied-plan]: plan.jsonl was applied already")
    # What Git says by now is left for the next plan.
    assert plan(place, "--detailed-exitcode" if False else "--output", "json").code == 0
    assert apply(place).code == 0
    assert place.empty()


@contextmanager
def put(live: Live, campaign: str, **fields: Any) -> Iterator[None]:
    """The campaign has other values for as long as the block runs, and then those that it had."""
    path = f"/api/campaigns/{campaign}"
    before = live.call("GET", path)
    body = {key: before[key] for key in ("name", "description", "packages")}
    settings = {"settings": {"LEVEL": "info"}}
    live.call("PUT", f"{path}/stop")
    live.call("PUT", path, {**body, **settings, **fields})
    live.call("PUT", f"{path}/start")
    yield
    live.call("PUT", f"{path}/stop")
    live.call("PUT", path, {**body, **settings})
    live.call("PUT", f"{path}/start")
