"""Gateways that are done when packages change, on the embedded server: told, guarded, and counted apart."""

import json
import sqlite3
from pathlib import Path

import pytest
from cli_runs import Run, edit

DONE = "ACTIVATION_COMPLETE"


def sql(folder: Path, statement: str, *values: object) -> None:
    with sqlite3.connect(folder / ".reconciler" / "embedded.db") as db:
        db.execute(statement, values)


@pytest.fixture
def edited(run: Run, folder: Path) -> Path:
    """Three gateways of a running campaign, two of them done, and another firmware in Git."""
    assert run("apply", "resources", "--auto-approve").code == 0
    sql(folder, "UPDATE gateways SET state = ? WHERE gateway_id IN ('gw-1', 'gw-2')", DONE)
    (folder / "resources" / "firmware-2.bin").write_bytes(b"another firmware")
    edit(folder, "- file: firmware.bin", "- file: firmware-2.bin")
    return folder


def test_the_plan_says_it_and_apply_refuses(run: Run, edited: Path) -> None:
    made = json.loads(run("plan", "resources", "--output", "json").out)
    [campaign] = made["impact"]["campaigns"]
    assert campaign["packages"] == {"before": ["firmware.bin"], "after": ["firmware-2.bin"]}
    assert campaign["devices"]["finished"] == made["impact"]["devices"]["finished"] == 2
    assert (campaign["devices"]["update"], campaign["devices"]["members"]) == (1, 3)
    [trip] = made["guards"]
    assert (trip["guard"], trip["found"], trip["limit"]) == ("mayLeaveBehind", 2, 0)
    refused = run("apply", "resources", "--auto-approve")
    assert refused.code == 5
    assert "2 gateways finished with firmware.bin; the server does not run them again" in refused.out
    assert "declare a new campaign with the new packages" in refused.out


def test_where_it_is_meant_status_counts_them_apart(run: Run, edited: Path) -> None:
    waiver = ("--waive", "mayLeaveBehind", "--reason", "agreed")
    assert run("apply", "resources", "--auto-approve", *waiver).code == 0
    status = run("status", "resources")
    assert "in sync; done with firmware.bin: 2" in status.out
    document = json.loads(run("status", "resources", "--output", "json").out)
    [campaign] = document["campaigns"]
    assert (campaign["gateways"]["done"], campaign["gateways"]["doneBefore"]) == (0, {"firmware.bin": 2})
    assert (document["summary"]["done"], document["summary"]["doneBefore"]) == (0, 2)
    sql(edited, "UPDATE gateways SET state = ? WHERE gateway_id = 'gw-3'", DONE)
    document = json.loads(run("status", "resources", "--output", "json").out)
    assert document["campaigns"][0]["gateways"]["done"] == 1
    again = run("plan", "resources")
    assert (again.code, again.out) == (0, "Server: embedded:\n\nNo changes.\n")


def test_a_saved_plan_counts_them_again(run: Run, edited: Path) -> None:
    sql(edited, "UPDATE gateways SET state = 'INSTANTIATED'")
    assert run("plan", "resources", "--out", "plan.jsonl").code == 0
    sql(edited, "UPDATE gateways SET state = ? WHERE gateway_id = 'gw-1'", DONE)
    refused = run("apply", "--plan", "plan.jsonl")
    assert refused.code == 5
    assert "1 gateway finished with firmware.bin" in refused.out
    waiver = ("--waive", "mayLeaveBehind", "--reason", "agreed")
    assert run("apply", "--plan", "plan.jsonl", *waiver).code == 0
    assert "done with firmware.bin: 1" in run("status", "resources").out


def test_an_embedded_server_that_runs_them_again(run: Run, edited: Path) -> None:
    sql(edited, "INSERT OR REPLACE INTO settings (key, value) VALUES ('rerun_after_edit', 'true')")
    made = json.loads(run("plan", "resources", "--output", "json").out)
    assert (made["guards"], made["impact"]["devices"]["update"]) == ([], 3)
    assert run("apply", "resources", "--auto-approve").code == 0
    document = json.loads(run("status", "resources", "--output", "json").out)
    [campaign] = document["campaigns"]
    assert campaign["gateways"]["states"] == {"INSTANTIATED": 3}
    assert campaign["gateways"]["doneBefore"] == {}
