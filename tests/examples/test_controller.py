"""What stands in examples/controller can be read, names only metrics that exist, and runs what there is."""

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from reconciler.cli.run import command
from reconciler.controller.metrics import families
from reconciler.controller.shown import LookResult, Shown
from reconciler.plan.guards import Guard
from reconciler.report.statuses import Sync
from reconciler.rollout.situation import WaitFor
from reconciler.settings import NoticeEvent

FOLDER = Path(__file__).parents[2] / "examples" / "controller"
EXISTING = {
    f"{family.name}{suffix}"
    for family in families(Shown("line", 0, 60_000))
    for suffix in {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}.get(family.type, ("",))
}


def read(name: str) -> list[Any]:
    return list(yaml.safe_load_all((FOLDER / name).read_text("utf-8")))


def expressions() -> list[str]:
    rules = [rule["expr"] for group in read("alerts.yml")[0]["groups"] for rule in group["rules"]]
    panels = json.loads((FOLDER / "dashboard.json").read_text("utf-8"))["panels"]
    return [*rules, *(target["expr"] for panel in panels for target in panel["targets"])]


def test_every_metric_that_is_named_exists() -> None:
    named = {name for each in expressions() for name in re.findall(r"\breconciler_\w+", each)}
    assert named <= EXISTING
    assert len(named) > 10


def test_the_dashboard_shows_every_metric() -> None:
    panels = json.loads((FOLDER / "dashboard.json").read_text("utf-8"))["panels"]
    shown = {
        name for p in panels for t in p["targets"] for name in re.findall(r"\breconciler_\w+", t["expr"])
    }
    optional = {"reconciler_rollout_status"}
    assert {name for name in EXISTING if not name.endswith(("_sum", "_count"))} - shown <= optional


def test_every_word_that_a_label_is_compared_with_exists() -> None:
    words = {
        "status": {"aborted", "paused", "complete", "progressing"},
        "for": {each.value for each in WaitFor},
        "result": {each.value for each in LookResult},
        "sync": {each.value for each in Sync},
        "event": {each.value for each in NoticeEvent},
        "guard": {each.value for each in Guard},
        "stage": {"idle", "under-way", "done", "failed", "closed"},
        "outcome": {"sent", "failed"},
    }
    for each in expressions():
        for label, text in re.findall(r'(\w+)=~?"([^"]+)"', each):
            assert set(text.split("|")) <= words[label], each


def test_panels_stand_side_by_side() -> None:
    panels = json.loads((FOLDER / "dashboard.json").read_text("utf-8"))["panels"]
    places = [
        (x, y)
        for each in panels
        for x in range(each["gridPos"]["x"], each["gridPos"]["x"] + each["gridPos"]["w"])
        for y in range(each["gridPos"]["y"], each["gridPos"]["y"] + each["gridPos"]["h"])
    ]
    assert len(places) == len(set(places))
    assert max(x for x, _ in places) < 24
    assert len({each["id"] for each in panels}) == len(panels)


@pytest.mark.parametrize("words", [("rules", "alerts.yml"), ("config", "prometheus.yml")])
def test_prometheus_takes_them(words: tuple[str, str]) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is missing: it comes with Debian's prometheus")
    ran = subprocess.run([promtool, "check", *words], cwd=FOLDER, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def commands() -> list[list[str]]:
    """What the files run: the words behind ``reconciler``."""
    deployment, *_ = read("deployment.yml")
    [container] = deployment["spec"]["template"]["spec"]["containers"]
    compose = read("compose.yml")[0]["services"]["reconciler"]["command"]
    unit = re.findall(r"^ExecStart=(.*)$", (FOLDER / "reconciler.service").read_text("utf-8"), re.MULTILINE)
    found = [container["args"], compose, *map(shlex.split, unit)]
    assert all(Path(words[0]).name == "reconciler" and words[1] == "run" for words in found)
    return [words[2:] for words in found]


@pytest.mark.parametrize("words", commands(), ids=["deployment", "compose", "systemd"])
def test_what_they_run_is_a_command_line(words: list[str]) -> None:
    context = click.Context(command)
    command.parse_args(context, list(words))
    assert context.params["interval"] == 60.0


def test_probes_and_ports_are_those_of_the_controller() -> None:
    deployment, service, budget = read("deployment.yml")
    [container] = deployment["spec"]["template"]["spec"]["containers"]
    assert container["livenessProbe"]["httpGet"]["path"] == "/healthz"
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert container["ports"][0]["containerPort"] == service["spec"]["ports"][0]["port"] == 9464
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    for selector in (
        deployment["spec"]["selector"]["matchLabels"],
        service["spec"]["selector"],
        budget["spec"]["selector"]["matchLabels"],
    ):
        assert selector.items() <= labels.items()


def test_the_unit_has_its_parts() -> None:
    text = (FOLDER / "reconciler.service").read_text("utf-8")
    assert re.findall(r"^\[(\w+)\]$", text, re.MULTILINE) == ["Unit", "Service", "Install"]
    assert all(re.match(r"[A-Z][A-Za-z]+=.|#|\[|$", line) for line in text.splitlines())
