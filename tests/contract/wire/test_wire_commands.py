"""What the coverage page says of commands and steps: each is run, over TCP, on a server that records."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from wire_commands import COMMANDS, steps
from wire_scenes import TOKEN

from reconciler.cli import main
from reconciler.embedded import Running
from reconciler.providers.pulse.operations import OPERATIONS

RESOURCES = """\
apiVersion: reconciler/v1
kind: PackageSet
metadata: {name: base}
spec:
  packages: [{file: one.bin, upload: multipart}]
---
apiVersion: reconciler/v1
kind: PackageSet
metadata: {name: large}
spec:
  packages: [{file: two.bin, upload: streaming}]
---
apiVersion: reconciler/v1
kind: GatewayList
metadata: {name: hall}
spec:
  gateways: [gw-1, gw-2, gw-3, gw-4]
  things: {gw-1: [thing-1]}
---
apiVersion: reconciler/v1
kind: Schedule
metadata: {name: nights}
spec:
  timezone: Europe/Berlin
  download: {begin: 2096-01-01T22:00:00, end: 2096-01-02T04:00:00}
  execution: {begin: 2096-01-02T22:00:00, end: 2096-01-03T04:00:00}
  activation: {begin: 2096-01-03T22:00:00, end: 2096-01-04T04:00:00}
---
apiVersion: reconciler/v1
kind: CallbackSet
metadata: {name: hooks}
spec:
  completed: {notificationDestinationId: ops}
  wakeUp: {notificationDestinationId: ops}
  executionProgress: {notificationDestinationId: ops}
  downloadProgress: {notificationDestinationId: ops}
  stateChange: {notificationDestinationId: ops, trackedStates: [FAILED]}
---
apiVersion: reconciler/v1
kind: Campaign
metadata: {name: winter}
spec:
  description: before the frost
  packageSet: base
  gatewayLists: [hall]
  packageOverrides: [{gateways: [gw-2], packageSet: large}]
  distributionList: {distributionListId: north, reevaluationIntervalSeconds: 300}
  schedules: [{schedule: nights}]
  callbackSet: hooks
  closedGateways: []
  runOnThings: true
  approve: true
  desiredStatus: STARTED
"""


EMPTY = """\
apiVersion: reconciler/v1
kind: GatewayList
metadata: {name: hall}
spec: {gateways: []}
"""

RUNS = (
    "campaign list",
    "campaign counts",
    "campaign show winter",
    "campaign approve winter",
    "campaign start winter",
    "gateway active-campaigns gw-1",
    "gateway state winter gw-1",
    "gateway progress winter gw-1",
    "gateway packages winter gw-1",
    "gateway status winter gw-1",
    "gateway notify winter gw-1",
    "gateway close winter gw-1 --auto-approve",
    "campaign stop winter --auto-approve",
    "package upload resources/three.bin --name a --upload multipart",
    "package upload resources/three.bin --name b --upload streaming",
    "package list",
    "package info a",
    "package delete b --auto-approve",
    "plan resources",
    "status resources",
)


class Shell:
    """Command lines in this process, and what the server sees of each."""

    def __init__(self, server: Running) -> None:
        self._server = server

    def __call__(self, *arguments: str) -> set[str]:
        """The operations that a command line sends."""
        self._server.forget_calls()
        code = main(list(arguments))
        assert code == 0, f"{' '.join(arguments)} ended with {code}"
        seen = self._server.app.state.context.recorder.seen
        return {name for call in seen if (name := operation(call.method, call.path, call.query))}


def operation(method: str, path: str, query: str) -> str | None:
    """Which operation a request is. The two uploads differ in where the description stands."""
    if (method, path) == ("POST", "/api/programs/"):
        return "stream-package" if query else "upload-package"
    exact = sorted(OPERATIONS.values(), key=lambda row: row.path.count("{"))
    return next(
        (
            row.name
            for row in exact
            if row.method == method and re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", row.path), path)
        ),
        None,
    )


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shell]:
    (tmp_path / "resources").mkdir()
    (tmp_path / "resources" / "winter.yaml").write_text(RESOURCES)
    for name in ("one.bin", "two.bin", "three.bin"):
        (tmp_path / "resources" / name).write_text(name)
    monkeypatch.chdir(tmp_path)
    with Running(token=TOKEN, approval_needed=True, record=True) as server:
        monkeypatch.setenv("RECONCILER_URL", server.url)
        monkeypatch.setenv("RECONCILER_TOKEN", TOKEN)
        yield Shell(server)


def change(before: str, after: str) -> None:
    file = Path("resources/winter.yaml")
    text = file.read_text()
    assert before in text
    file.write_text(text.replace(before, after))


def test_apply_sends_every_step(shell: Shell) -> None:
    apply = ("apply", "resources", "--auto-approve")
    first = shell(*apply)
    assert {"create-campaign", "upload-package", "stream-package", "approve-campaign"} <= first
    change("before the frost", "late frost")
    change("gw-3, gw-4]", "gw-3]")
    change("closedGateways: []", "closedGateways: [gw-3]")
    second = shell(*apply)
    assert {"stop-campaign", "edit-campaign", "start-campaign", "remove-gateways", "close-gateway"} <= second
    Path("resources/winter.yaml").write_text(RESOURCES.rpartition("---\n")[0])
    third = shell(*apply, "--prune")
    assert "delete-campaign" in third
    Path("resources/winter.yaml").write_text(EMPTY)
    third |= shell(*apply, "--prune")
    assert "delete-package" in third
    assert steps().keys() <= first | second | third


def test_every_command_sends_its_operations(shell: Shell) -> None:
    change("approve: true", "approve: false")
    shell("apply", "resources", "--auto-approve")
    sent: dict[str, set[str]] = {}
    for run in RUNS:
        words = run.split()
        line = " ".join(words[: 2 if words[0] in ("campaign", "gateway", "package") else 1])
        sent[line] = sent.get(line, set()) | shell(*words)
    said = {line: {name for name, lines in COMMANDS.items() if line in lines} for line in sent}
    assert {line: said[line] - sent[line] for line in said} == {line: set() for line in said}
    assert sent.keys() == {line for lines in COMMANDS.values() for line in lines}


def test_commands_and_steps_send_every_operation() -> None:
    assert COMMANDS.keys() | steps().keys() == OPERATIONS.keys()
