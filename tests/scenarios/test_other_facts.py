"""The core does what the facts say: on a server whose facts have little in common with those of Pulse."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reconciler.app.pipeline import guard_basis
from reconciler.export import Wanted, export
from reconciler.model import (
    Callback,
    CallbackEvent,
    DesiredStatus,
    LivePackage,
    Override,
    PackageById,
    Phase,
    Reason,
    Secret,
    Verb,
)
from reconciler.plan.guards import Guard, guarded
from reconciler.providers.base import Field, FieldFacts
from reconciler.state.base import Origin
from tests.fakes import Project, campaign, desired, rid
from tests.memory_provider import FACTS, MemoryCampaign, MemoryServer

HOOK = {CallbackEvent.COMPLETED: Callback("d-1")}
KEY = Secret("environment variable KEY", "hunter2")


def project(
    status: str = "drafted", origin: Origin = Origin.CREATED, facts: Any = FACTS, **fields: Any
) -> Project:
    """``Campaign/line``, ours, on the other kind of server."""
    packages = [LivePackage("p-1", "one"), LivePackage("p-2", "two")]
    made = Project(
        MemoryServer(MemoryCampaign("1", "line", status, **fields), packages=packages, facts=facts)
    )
    made.own("line", "1", origin)
    return made


def changes(made: Project, **fields: Any) -> Mapping[str, tuple[Any, Any]]:
    plan = made.make_plan(desired(campaign("line", **fields)))
    return {change.field: (change.before, change.after) for change in plan.changes if not change.gateways}


# --- what can be read ------------------------------------------------------------------------------


@pytest.mark.parametrize("origin", list(Origin))
def test_settings_that_can_be_read_are_compared_with_the_live_ones(origin: Origin) -> None:
    made = project(origin=origin, settings={"LEVEL": "info", "OLD": "1"})
    assert changes(made, settings={"LEVEL": "info", "OLD": "1"}) == {}
    assert changes(made, settings={"LEVEL": "debug", "NEW": "2"}) == {
        "settings.LEVEL": ("info", "debug"),
        "settings.NEW": (None, "2"),
        "settings.OLD": ("1", None),
    }
    plan = made.make_plan(desired(campaign("line", settings={"LEVEL": "debug"})))
    assert plan.findings == ()
    assert plan.unreadable == {}
    assert {change.reason for change in plan.changes} == {Reason.DIFFERS}
    made.apply(plan)
    assert made.server.by_id["1"].settings == {"LEVEL": "debug"}
    assert made.make_plan(desired(campaign("line", settings={"LEVEL": "debug"}))).empty


def test_whoever_changed_what_can_be_read_is_overruled() -> None:
    made, wish = project(), desired(campaign("line", settings={"A": "1"}, callbacks=HOOK))
    made.apply(made.make_plan(wish))
    assert made.make_plan(wish).empty
    made.server.by_id["1"].settings = {"A": "2"}
    made.server.by_id["1"].callbacks = {CallbackEvent.COMPLETED: Callback("elsewhere")}
    assert made.plan(wish) == ["change-rollout:line", "set-hook:line"]


def test_nothing_is_assumed_of_what_can_be_read_and_nothing_sent_again() -> None:
    made = Project(MemoryServer(MemoryCampaign("1", "line", "drafted", settings={"A": "1"}), facts=FACTS))
    plan = made.make_plan(desired(campaign("line", settings={"A": "2"}, callbacks=HOOK)), adopt=True)
    assert [step.id for step in plan.steps()] == ["change-rollout:line", "set-hook:line"]
    assert [finding.code for finding in plan.findings] == []
    made.apply(plan)
    same = desired(campaign("line", settings={"A": "2"}, callbacks=HOOK))
    assert made.plan(same, reassert=True) == []


def test_unmanaged_settings_that_can_be_read_are_never_lost() -> None:
    made = project(origin=Origin.ADOPTED, settings={"A": "1"})
    plan = made.make_plan(desired(campaign("line", description="new")))
    assert plan.findings == ()
    made.apply(plan)
    assert made.server.by_id["1"].settings == {"A": "1"}


@pytest.mark.parametrize("then", [{"PIN": KEY}, {}], ids=["still a secret", "gone"])
def test_the_live_value_of_a_secret_never_shows(then: Mapping[str, Any]) -> None:
    made = project()
    made.apply(made.make_plan(desired(campaign("line", settings={"PIN": KEY, "DB_PASSWORD": "x"}))))
    made.server.by_id["1"].settings = {"PIN": "canary-1", "DB_PASSWORD": "canary-2"}
    plan = made.make_plan(desired(campaign("line", settings=then)))
    assert "settings.PIN" in {change.field for change in plan.changes}
    assert "canary" not in repr(plan.changes)


# --- what can be taken back --------------------------------------------------------------------------


def test_a_callback_that_is_no_longer_declared_is_taken_back() -> None:
    made = project(callbacks={**HOOK, CallbackEvent.WAKE_UP: Callback("d-2")})
    plan = made.make_plan(desired(campaign("line", callbacks=HOOK)))
    assert [(c.field, c.before, c.after) for c in plan.changes] == [
        ("callbackSet.wakeUp", {"notificationDestinationId": "d-2"}, None)
    ]
    made.apply(plan)
    assert made.server.by_id["1"].callbacks == HOOK
    made.apply(made.make_plan(desired(campaign("line", callbacks={}))))
    assert made.server.by_id["1"].callbacks == {}


def test_callbacks_that_are_not_managed_stay() -> None:
    made = project()
    made.apply(made.make_plan(desired(campaign("line", callbacks=HOOK))))
    plan = made.make_plan(desired(campaign("line")))
    assert (plan.empty, [finding.code for finding in plan.findings]) == (True, ["cannot-undo"])
    assert made.server.by_id["1"].callbacks == HOOK


def test_what_the_server_cannot_empty_stays_with_a_word() -> None:
    facts = replace(FACTS, fields={**FACTS.fields, Field.DESCRIPTION: FieldFacts(clearable=False)})
    made = project(facts=facts, description="text")
    plan = made.make_plan(desired(campaign("line", description="")))
    assert (plan.empty, [finding.code for finding in plan.findings]) == (True, ["cannot-undo"])
    assert changes(made, description="other") == {"description": ("text", "other")}
    assert project(description="text").plan(desired(campaign("line", description=""))) == [
        "change-rollout:line"
    ]


# --- order and phases ----------------------------------------------------------------------------------


def test_the_order_is_the_servers() -> None:
    override = Override(frozenset({"c"}), (PackageById("p-2"),))
    wish = campaign("line", description="x", gateways={"b", "c"}, overrides=(override,), callbacks=HOOK)
    made = project(gateways={"a", "b"})
    plan = made.make_plan(desired(wish))
    assert [step.id for step in plan.steps()] == [
        "change-rollout:line", "take-targets:line:1", "leave-target:line:a", "pin-target:line:c",
        "set-hook:line",
    ]  # fmt: skip
    needs = {group.key: {need.group for need in group.needs} for group in plan.groups}
    assert needs["set-hook:line"] == needs.keys() - {"set-hook:line"}, (
        "about the campaign: it needs all before"
    )
    made.apply(plan)
    assert made.make_plan(desired(wish)).empty


@pytest.mark.parametrize(
    ("fields", "step"),
    [
        ({"gateways": {"a", "b", "c"}}, "take-targets:line:1"),
        ({"gateways": {"a"}}, "leave-target:line:b"),
    ],
)
def test_what_a_running_campaign_does_not_take_opens_a_bracket(fields: Any, step: str) -> None:
    made = project("rolling", gateways={"a", "b"})
    plan = made.make_plan(desired(campaign("line", **fields)))
    assert [each.id for each in plan.steps()] == ["halt-rollout:line", step, "start-rollout:line"]
    halt, _, start = plan.groups
    assert (halt.action.reason, start.action.reason) == (Reason.STOP_TO_CHANGE, Reason.START_AGAIN)
    assert not made.apply(plan).failed
    assert made.server.by_id["1"].status == "ROLLING"


def test_what_a_running_campaign_takes_needs_no_bracket() -> None:
    made = project("rolling", gateways={"a"})
    wish = campaign("line", description="new", callbacks=HOOK, status=DesiredStatus.STARTED)
    assert made.plan(desired(wish)) == ["change-rollout:line", "set-hook:line"]


@pytest.mark.parametrize("status", ["drafted", "rolling", "halted"])
def test_what_the_server_takes_in_no_way_is_a_finding(status: str) -> None:
    facts = replace(FACTS, allowed={**FACTS.allowed, Verb.ADD: frozenset({Phase.WAITING})})
    made = project(status, facts=facts)
    plan = made.make_plan(desired(campaign("line", gateways={"a"})))
    assert (plan.empty, plan.changes) == (True, ())
    (finding,) = plan.findings
    assert (finding.code, finding.resource) == ("not-allowed", rid("line"))
    assert f"no add while it is {status!r}" in finding.message


def test_what_the_server_lacks_is_not_read() -> None:
    made = project(gateways={"a", "b"})
    reads = made.reads(desired(campaign("line", gateways={"a"})))
    assert reads == ["campaigns line", "campaign 1", "gateways 1"]


# --- guards ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "trips"),
    [
        ({"status": DesiredStatus.STOPPED}, []),
        ({"gateways": {"a", "b", "c"}}, []),
        ({"gateways": {"a"}}, [Guard.IN_FLIGHT]),
    ],
    ids=["a stop", "a bracket", "a gateway leaves"],
)
def test_only_what_interrupts_devices_trips_the_guard(fields: Any, trips: list[Guard]) -> None:
    made = project("rolling", gateways={"a", "b"}, states={"a": "flashing", "b": "flashing"})
    draft = made.draft(desired(campaign("line", **fields)))
    basis = asyncio.run(guard_basis(draft, made.server))
    assert [trip.guard for trip in guarded(draft.plan, basis, {}, {}).guards] == trips


@pytest.mark.parametrize(
    ("state", "trips"), [("queued", 0), ("fetching", 1), ("fine", 0), ("sick", 0), ("?", 1)]
)
def test_who_is_in_flight_is_told_by_the_servers_own_states(state: str, trips: int) -> None:
    made = project("rolling", gateways={"a", "b"}, states={"b": state})
    draft = made.draft(desired(campaign("line", gateways={"a"})))
    basis = asyncio.run(guard_basis(draft, made.server))
    assert len(guarded(draft.plan, basis, {}, {}).guards) == trips


# --- around it -------------------------------------------------------------------------------------------


def test_an_export_has_what_can_be_read(tmp_path: Path) -> None:
    server = project(
        settings={"LEVEL": "info", "API_TOKEN": "canary"}, callbacks=HOOK, gateways={"a", "all", "toolong-1"}
    ).server
    asyncio.run(export(server, FACTS, {}, Wanted(tmp_path)))
    text = (tmp_path / "campaigns" / "line.yaml").read_text()
    assert "LEVEL: info" in text
    assert "API_TOKEN:\n      fromEnv: API_TOKEN" in text
    assert "callbackSet: line" in text
    assert "can't be read back" not in text
    assert "can't stand in a list" in text, "ids that the server keeps for itself, or that are too long"
    assert "notificationDestinationId: d-1" in (tmp_path / "callbacks" / "line.yaml").read_text()
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and "canary" in path.read_text()]
