"""A calendar of the project, closed and open: what plan, apply and status say, and how it is passed."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from reconciler.errors import Exit
from reconciler.validation.schemas import schema

WHY = "a hole in the brakes"
PROJECT = """\
apiVersion: reconciler/v1
kind: Project
metadata: {name: demo}
spec:
  resources: [resources]
  server: {url: "embedded:"}
  calendars: [company]
  environments:
    lab: {calendars: []}
"""
CALENDAR = """
---
apiVersion: reconciler/v1
kind: Calendar
metadata: {name: company}
spec: {timezone: UTC, windows: WINDOWS}
"""


@pytest.fixture
def closed(folder: Path, run: Callable[..., Any]) -> Callable[..., Any]:
    """A project whose calendar is never open."""
    (folder / "reconciler.yaml").write_text(PROJECT)
    path = folder / "resources" / "line.yaml"
    path.write_text(path.read_text() + CALENDAR.replace("WINDOWS", "[]"))
    return run


def document(ran: Any, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(ran.out)
    Draft202012Validator(schema(name)).validate(found)
    return found


def test_what_waits_is_said_and_is_no_difference(closed) -> None:
    applied = closed("apply", "--auto-approve")
    assert applied.code == Exit.DONE
    assert "create-campaign" in applied.out
    assert "start-campaign" not in applied.out
    planned = closed("plan", "--detailed-exitcode")
    assert planned.code == Exit.DONE
    assert "No changes." in planned.out
    assert (
        "Waits: Campaign/line-3: gateways that join and the start (3 gateways): the calendar company"
        in " ".join(planned.out.split())
    )
    found = document(closed("plan", "--output", "json"), "plan")
    assert found["steps"] == []
    assert [(each["resource"], each["what"], each["until"]) for each in found["waits"]] == [
        ("Campaign/line-3", ["add", "start"], None)
    ]
    assert "### Waits for a calendar: 1 campaign" in closed("plan", "--output", "markdown").out
    status = document(closed("status", "--output", "json"), "status")
    assert status["waits"] == found["waits"]
    [row] = status["campaigns"]
    assert (row["state"], row["inSync"]) == ("waits for a calendar", False)
    assert "waits for a calendar" in closed("status").out


def test_an_environment_without_calendars_waits_for_none(closed) -> None:
    found = document(closed("plan", "--environment", "lab", "--output", "json"), "plan")
    assert "waits" not in found
    assert "start-campaign" in found["summary"]["byOperation"]


def test_a_waiver_passes_it_this_once(closed) -> None:
    closed("apply", "--auto-approve")
    applied = closed(
        "apply",
        "--auto-approve",
        "--waive",
        "calendar",
        "--reason",
        WHY,
        "--output",
        "json",
    )
    assert applied.code == Exit.DONE
    found = document(applied, "plan")
    assert sorted(found["summary"]["byOperation"]) == ["add-gateways", "start-campaign"]
    [trip] = found["guards"]
    assert (trip["guard"], trip["waived"]) == ("calendar", WHY)
    assert "2 calls reach devices while the calendar company is closed" in trip["message"]
    assert WHY in closed("audit", "show", "--output", "json").out
    again = closed("apply", "--auto-approve", "--waive", "calendar", "--reason", "x", "--output", "json")
    assert [each["code"] for each in json.loads(again.out)["findings"]][-1] == "waiver-not-needed"


def test_a_waiver_needs_a_reason_and_a_name_that_is_known(closed) -> None:
    assert closed("apply", "--auto-approve", "--waive", "calendar").code == Exit.USAGE
    ran = closed("apply", "--auto-approve", "--waive", "calender", "--reason", "x")
    assert ran.code == Exit.USAGE
    assert "did you mean calendar?" in ran.err


def test_a_name_that_no_calendar_has_is_found_in_the_project_file(closed, folder: Path) -> None:
    (folder / "reconciler.yaml").write_text(PROJECT.replace("[company]", "[companie]"))
    ran = closed("validate")
    assert ran.code == Exit.ERROR
    assert "reconciler.yaml:7:15: error[dangling-reference]" in ran.out + ran.err
