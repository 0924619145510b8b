"""Every operation of the API is called over TCP by a command.

`CALLS` are operations that a command makes by hand; the others are steps of a plan, which `apply` makes.
"""

import re
from pathlib import Path

import pytest
from cli_servers import Proxy, World, call, operation_of

from reconciler.app.checks import needed_by
from reconciler.cli import main
from reconciler.embedded import Running
from reconciler.providers.pulse.facts import facts_of
from reconciler.providers.pulse.operations import OPERATIONS
from reconciler.settings import ServerSettings

RESOURCES = """\
apiVersion: reconciler/v1
kind: PackageSet
metadata: {name: firmware}
spec:
  packages: [{file: firmware.bin}]
---
apiVersion: reconciler/v1
kind: PackageSet
metadata: {name: beta}
spec:
  packages: [{file: beta.bin, upload: streaming}]
---
apiVersion: reconciler/v1
kind: GatewayList
metadata: {name: hall}
spec:
  gateways: [gw-1, gw-2, gw-3]
  things: {gw-1: [thing-1]}
---
apiVersion: reconciler/v1
kind: Schedule
metadata: {name: night}
spec:
  download: {begin: 2090-01-01T00:00:00Z, end: 2090-01-02T00:00:00Z}
  execution: {begin: 2090-01-03T00:00:00Z, end: 2090-01-04T00:00:00Z}
  activation: {begin: 2090-01-05T00:00:00Z, end: 2090-01-06T00:00:00Z}
---
apiVersion: reconciler/v1
kind: CallbackSet
metadata: {name: receiver}
spec:
  completed: {notificationDestinationId: d1}
  wakeUp: {notificationDestinationId: d1}
  executionProgress: {notificationDestinationId: d1}
  downloadProgress: {notificationDestinationId: d1}
  stateChange: {notificationDestinationId: d1, trackedStates: [FAILED]}
---
apiVersion: reconciler/v1
kind: Campaign
metadata: {name: line-3}
spec:
  description: Line 3
  packageSet: firmware
  gatewayLists: [hall]
  packageOverrides: [{gateways: [gw-2], packageSet: beta}]
  schedules: [{schedule: night}]
  callbackSet: receiver
  runOnThings: true
  approve: true
  desiredStatus: STARTED
"""
LISTED = """\
---
apiVersion: reconciler/v1
kind: Campaign
metadata: {name: listed}
spec:
  packageSet: firmware
  gatewayLists: []
  distributionList: {distributionListId: saved-1, reevaluationIntervalSeconds: 600}
"""

OF = "/api/campaigns/{campaign}"
GATEWAY = OF + "/devices/gw-1"

CALLS = {
    "start-campaign": ("campaign start line-3", "PUT", OF + "/start"),
    "stop-campaign": ("campaign stop line-3 --auto-approve", "PUT", OF + "/stop"),
    "approve-campaign": ("campaign approve waits", "PUT", "/api/campaigns/{waits}/approve"),
    "get-campaign": ("campaign show {campaign}", "GET", OF),
    "get-campaign-status": ("campaign show {campaign}", "GET", OF + "/status"),
    "get-distribution-list": ("campaign show {campaign}", "GET", OF + "/distribution-list"),
    "list-campaigns": ("campaign list", "GET", "/api/campaigns"),
    "get-campaign-counts": ("campaign counts", "GET", "/api/campaign-status/campaigns"),
    "notify-gateway": ("gateway notify line-3 gw-1", "PUT", GATEWAY + "/notify"),
    "close-gateway": ("gateway close line-3 gw-1 --auto-approve", "PUT", GATEWAY + "/close"),
    "get-gateway-state": ("gateway state line-3 gw-1", "GET", GATEWAY + "/state"),
    "get-gateway-status": ("gateway status line-3 gw-1", "GET", GATEWAY + "/status"),
    "get-gateway-packages": ("gateway packages line-3 gw-1", "GET", GATEWAY + "/packages"),
    "get-download-progress": ("gateway progress line-3 gw-1", "GET", GATEWAY + "/progress/download"),
    "get-execution-progress": ("gateway progress line-3 gw-1", "GET", GATEWAY + "/progress/execution"),
    "get-active-campaigns": ("gateway active-campaigns gw-1", "GET", "/api/devices/gw-1/active-campaigns"),
    "list-gateways": ("status resources", "GET", OF + "/devices"),
    "list-packages": ("package list", "GET", "/api/programs"),
    "get-package": ("package info {package}", "GET", "/api/programs/{package}/file-info"),
    "delete-package": ("package delete {package} --auto-approve", "DELETE", "/api/programs/{package}"),
    "upload-package": ("package upload spare.bin", "POST", "/api/programs/"),
    "stream-package": ("package upload spare.bin --upload streaming", "POST", "/api/programs/"),
}
STEPS = {
    "create-campaign": ("POST", "/api/campaigns"),
    "edit-campaign": ("PUT", OF),
    "delete-campaign": ("DELETE", "/api/campaigns/{listed}"),
    "add-gateways": ("POST", OF + "/devices"),
    "remove-gateways": ("PUT", OF + "/devices"),
    "set-distribution-list": ("PUT", "/api/campaigns/{listed}/distribution-list"),
    "assign-gateway-packages": ("PUT", OF + "/devices/gw-2/packages"),
    "schedule-download": ("PUT", GATEWAY + "/scheduled-download"),
    "schedule-execution": ("PUT", GATEWAY + "/scheduled-execution"),
    "schedule-activation": ("PUT", GATEWAY + "/scheduled-activation"),
    "run-on-things": ("POST", OF + "/devices/things"),
    "register-completed-callback": ("PUT", OF + "/callbacks/completed"),
    "register-wake-up-callback": ("PUT", OF + "/callbacks/wake-up"),
    "register-state-change-callback": ("PUT", OF + "/callbacks/state-change"),
    "register-execution-progress-callback": ("PUT", OF + "/callbacks/execution-progress"),
    "register-download-progress-callback": ("PUT", OF + "/callbacks/download-progress"),
}


def test_every_operation_is_here_and_has_a_command() -> None:
    assert CALLS.keys() | STEPS.keys() == OPERATIONS.keys()
    assert not CALLS.keys() & STEPS.keys()
    commands = needed_by(facts_of(ServerSettings()))
    assert commands.keys() == OPERATIONS.keys()
    assert all(commands.values())
    for name, (line, *_) in CALLS.items():
        words = " ".join(line.split()[:2]) if line.split()[0] != "status" else "status"
        assert {words, words.split()[0]} & set(commands[name]), name


@pytest.fixture(scope="module")
def applied(tmp_path_factory):
    """Everything applied, changed and pruned over TCP, and what the server saw."""
    work: Path = tmp_path_factory.mktemp("operations")
    resources = work / "resources"
    resources.mkdir()
    for name in ("firmware.bin", "beta.bin"):
        (resources / name).write_text(name)
    (work / "spare.bin").write_text("spare")
    with pytest.MonkeyPatch.context() as patch, Running(record=True, approval_needed=True) as server:
        patch.chdir(work)
        patch.setenv("RECONCILER_URL", server.url)
        world = World(server, Proxy(server.url), work, lambda *line: main(list(line)))
        path = resources / "all.yaml"
        path.write_text(RESOURCES + LISTED)
        assert world.run("apply", "resources", "--auto-approve") == 0
        ids = {"campaign": world.id_of("line-3"), "listed": world.id_of("listed")}
        path.write_text(RESOURCES.replace("Line 3", "Line three").replace("gw-1, gw-2, gw-3", "gw-1, gw-2"))
        (work / "reconciler.yaml").write_text(
            "apiVersion: reconciler/v1\nkind: Project\nmetadata: {name: x}\nspec: {resources: [resources]}\n"
        )
        assert world.run("apply", "--prune", "--auto-approve") == 0
        ids["waits"] = call(server.url, "POST", "/api/campaigns", {"name": "waits"})["uuid"]
        yield world, ids, [(seen.method, seen.path, seen.status) for seen in server.calls]


@pytest.mark.parametrize("name", STEPS)
def test_a_step_of_a_plan_makes_the_call(applied, name) -> None:
    _, ids, seen = applied
    method, path = STEPS[name]
    assert (method, path.format_map(ids), 200) in seen


@pytest.mark.parametrize("name", CALLS)
def test_a_command_makes_the_call(applied, name, capsys) -> None:
    world, ids, _ = applied
    line, method, path = CALLS[name]
    if name in ("get-package", "delete-package"):
        main(["package", "upload", "spare.bin", "--output", "json"])
        ids = {**ids, "package": re.search(r'"package": "([^"]+)"', capsys.readouterr().out)[1]}
    elif name in ("start-campaign", "stop-campaign", "get-active-campaigns"):
        main(
            [
                "campaign",
                "stop" if name == "start-campaign" else "start",
                "line-3",
                *["--auto-approve"] * (name == "start-campaign"),
            ]
        )
    world.server.forget_calls()
    assert main(line.format_map(ids).split()) == 0, capsys.readouterr().err
    seen = [(it.method, it.path, it.status) for it in world.server.calls]
    wanted = path.format_map(ids)
    assert any(
        (m, p, s) == (method, wanted, 200)
        or (m, p, s, name) == (method, wanted, 404, "get-distribution-list")
        for m, p, s in seen
    ), seen
    assert operation_of(method, wanted) in (name, "upload-package")
