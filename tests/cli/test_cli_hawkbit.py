"""Every command on hawkBit: the stand-in over TCP, and the devices that poll it."""

import json

import httpx
import pytest

from tests.cli.cli_runs import RESOURCES, edit
from tests.hawkbit_standin import devices, running
from tests.hawkbit_standin.app import User

PROJECT = """\
apiVersion: reconciler/v1
kind: Project
metadata: {{name: fleet}}
spec:
  server:
    provider: hawkbit
    url: {url}
    auth: {{usernameEnv: HAWKBIT_USER, passwordEnv: HAWKBIT_PASSWORD}}
  resources: [resources]
"""


@pytest.fixture
def hawkbit(folder, monkeypatch):
    with running() as server:
        server.add_targets(f"gw-{n}" for n in range(9))
        server.world.config["authentication.gatewaytoken.enabled"] = True
        server.world.config["authentication.gatewaytoken.key"] = "key"
        (folder / "reconciler.yaml").write_text(PROJECT.format(url=server.url))
        monkeypatch.setenv("HAWKBIT_USER", "admin")
        monkeypatch.setenv("HAWKBIT_PASSWORD", "admin")
        yield server


def poll(server, outcomes):
    base, headers = f"{server.url}/DEFAULT/controller/v1", {"Authorization": "GatewayToken key"}
    server.settle()
    with httpx.Client(base_url=base, headers=headers) as client:
        devices.step(client, outcomes, outcomes.get)
    server.settle()


def test_from_nothing_to_a_fleet_that_is_done(hawkbit, run):
    assert run("validate").code == 0
    assert run("plan", "--detailed-exitcode").code == 2
    applied = run("apply", "--auto-approve")
    assert applied.code == 0, applied
    assert run("plan", "--detailed-exitcode").code == 0
    poll(hawkbit, {"gw-1": "success", "gw-2": "failure", "gw-3": None})
    status = run("status", "--output", "json")
    assert status.code == 0, status
    text = run("status").out
    assert "finished 1" in text
    assert "failed: simulated (1): gw-2" in text


def test_plans_say_which_firmware_in_which_version(hawkbit, run, folder):
    """Its name is the same; in every form of a plan the version tells what devices go from and to."""

    def version(number):
        edit(folder, "file: firmware.bin", f'{{file: firmware.bin, name: firmware, version: "{number}"}}')
        (folder / "resources" / "firmware.bin").write_bytes(number.encode())

    version("2.0")
    assert run("apply", "--auto-approve").code == 0
    poll(hawkbit, {"gw-1": "success"})
    (folder / "resources" / "line.yaml").write_text(RESOURCES)
    version("2.1")
    text = run("plan").out
    assert "3 get firmware 2.1 instead of firmware 2.0" in text
    assert "packages  firmware 2.0 → firmware 2.1" in text
    assert "+ package  firmware 2.1 (3 bytes," in text
    page = run("plan", "--output", "markdown").out
    assert "| `firmware 2.0` → **`firmware 2.1`** |" in page
    assert "- firmware 2.0\n+ firmware 2.1\n" in page
    assert "+ firmware 2.1 (3 bytes," in page
    found = json.loads(run("plan", "--output", "json").out)
    assert found["impact"]["campaigns"][0]["packages"] == {
        "before": ["firmware 2.0"],
        "after": ["firmware 2.1"],
    }
    assert found["changes"][0]["after"]["version"] == "2.1"
    pictured = run("plan", "--output", "html").out
    assert pictured.count("firmware 2.0") >= 2
    assert run("apply", "--auto-approve", "--waive", "maxInFlightInterrupted", "--reason", "x").code == 0
    hawkbit.settle()
    assert "- package  firmware 2.0" in run("plan", "--prune").out


def test_a_saved_plan_is_applied_once_and_refused_when_it_is_stale(hawkbit, run):
    assert run("plan", "--out", "plan.json").code == 0
    assert run("apply", "--plan", "plan.json", "--auto-approve").code == 0
    assert run("apply", "--plan", "plan.json", "--auto-approve").code == 4


def test_drift_is_found_and_undone(hawkbit, run):
    run("apply", "--auto-approve")
    rollout = next(iter(hawkbit.world.rollouts.values()))
    rollout.description = "somebody's"
    plan = run("plan")
    assert "somebody's" in plan.out
    assert run("apply", "--auto-approve").code == 0
    assert rollout.description == "Line 3"


def test_export_import_and_snapshot(hawkbit, run, folder):
    run("apply", "--auto-approve")
    key = str(next(iter(hawkbit.world.rollouts)))
    hawkbit.seen.clear()
    assert run("export", "--out", "live").code == 0
    assert run("validate", "live").code == 0
    adopted = run("plan", "live", "--adopt", "--state", "file:other.json")
    assert "is adopted" in adopted.out, adopted
    assert "No changes." in adopted.out
    imported = run("import", "Campaign/line-3", key, "--state", "file:third.json")
    assert imported.code == 0, imported
    assert run("snapshot", "--out", "snap.jsonl").code == 0
    assert "secret-of" not in (folder / "snap.jsonl").read_text()
    offline = run("plan", "--snapshot", "snap.jsonl")
    assert (offline.code, "No changes." in offline.out) == (0, True)
    assert hawkbit.calls() == [], "nothing of that writes"


def test_doctor_tells_rights_and_what_hangs(hawkbit, run):
    ran = run("doctor")
    assert ran.code == 0, ran
    assert "0 errors, 0 warnings." in ran.out
    run("apply", "--auto-approve")
    hawkbit.settle()
    rollout = next(iter(hawkbit.world.rollouts.values()))
    hawkbit.world.slow_ms = 1 << 40
    rollout.status, rollout.modified_at = "starting", hawkbit.now() - 20 * 60_000
    hangs = run("doctor")
    assert "it hangs" in hangs.out
    hawkbit.users["admin"] = User("admin", frozenset({"READ_TARGET", "READ_ROLLOUT"}))
    lacking = run("doctor")
    assert lacking.code == 1
    assert "READ_SOFTWARE_MODULE" in lacking.out


def test_by_hand(hawkbit, run):
    run("apply", "--auto-approve")
    hawkbit.settle()
    poll(hawkbit, {"gw-2": "failure"})
    assert "line-3" in run("campaign", "list").out
    assert "Gateways" in run("campaign", "show", "line-3").out
    assert run("campaign", "counts").code == 0
    assert "error" in run("gateway", "state", "line-3", "gw-2").out
    assert "simulated" in run("gateway", "status", "line-3", "gw-2").out
    assert run("gateway", "progress", "line-3", "gw-2").code == 0
    assert run("gateway", "packages", "line-3", "gw-1").code == 0
    assert "line-3" in run("gateway", "active-campaigns", "gw-1").out
    refused = run("gateway", "notify", "line-3", "gw-1")
    assert (refused.code, "can't be told to ask" in refused.err) == (1, True), refused
    assert run("gateway", "close", "line-3", "gw-3", "--yes").code == 0
    assert run("campaign", "stop", "line-3", "--yes").code == 0
    assert "held" in run("plan").out
    assert run("campaign", "start", "line-3").code == 0
    assert "firmware.bin" in run("package", "list").out
    info = run("package", "info", "firmware.bin", "--output", "json")
    assert len(json.loads(info.out)["package"]["digits"]) == 64 if "digits" in info.out else info.code == 0
    uploaded = run("package", "upload", "resources/line.yaml", "--name", "other")
    assert uploaded.code == 0, uploaded
    assert run("package", "delete", "other", "--yes").code == 0


def test_a_wrong_password_and_settings_of_others(hawkbit, run, folder, monkeypatch):
    monkeypatch.setenv("HAWKBIT_PASSWORD", "wrong")
    ran = run("plan")
    assert ran.code == 1
    assert "credentials" in ran.err
    project = folder / "reconciler.yaml"
    project.write_text(project.read_text() + "  # more\n")
    project.write_text(project.read_text().replace("    url:", "    apiVersion: '0.17'\n    url:"))
    ran = run("validate")
    assert ran.code == 1
    assert "apiVersion" in ran.out + ran.err


def test_what_the_server_lacks_is_said_by_validate(hawkbit, run, folder):
    path = folder / "resources" / "line.yaml"
    path.write_text(path.read_text() + "  settings: {LEVEL: debug}\n  runOnThings: true\n")
    ran = run("validate")
    assert ran.code == 1
    assert ran.out.count("unsupported-field") == 2
    assert hawkbit.seen == [], "and nothing was asked"


def test_who_changed_it_there_is_told(hawkbit, run):
    assert run("apply", "--auto-approve").code == 0
    [rollout] = hawkbit.world.rollouts.values()
    rollout.description = "by hand"
    rollout.modified_by = "anna"
    text = run("plan").out
    assert "changed on the server (last by anna)" in text
    [change] = json.loads(run("plan", "--output", "json").out)["changes"]
    assert (change["field"], change["changedIn"], change["changedBy"]) == ("description", "server", "anna")
    assert run("apply", "--auto-approve").code == 0
    assert hawkbit.world.rollouts[rollout.id].modified_by == "admin"
