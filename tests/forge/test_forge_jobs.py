"""A job of CI as a process: the comment says what this push gave, and the checkout runs no code."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.forge.forge_server import TOKEN, Host

FLEET = """\
apiVersion: reconciler/v1
kind: Campaign
metadata: {name: line-3}
spec: {description: x}
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "fleet.yaml").write_text(FLEET)
    return tmp_path


def job(checkout: Path, host: Host, sha: str, *command: str, **more: str) -> subprocess.CompletedProcess[str]:
    event = checkout / ".event.json"
    event.write_text(json.dumps({"pull_request": {"number": 7, "head": {"sha": sha}}}))
    environ = {
        **{name: value for name, value in os.environ.items() if "proxy" not in name.lower()},
        "GITHUB_ACTIONS": "true",
        "GITHUB_TOKEN": TOKEN,
        "GITHUB_REPOSITORY": "acme/fleet",
        "GITHUB_API_URL": host.url,
        "GITHUB_EVENT_PATH": str(event),
        "GITHUB_STEP_SUMMARY": str(checkout / ".summary"),
        "GITHUB_SERVER_URL": "https://code.example",
        "GITHUB_RUN_ID": "11",
        "RECONCILER_URL": "embedded:",
        "ARGUMENTS": "fleet.yaml",
        **more,
    }
    line = command or (str(Path(sys.executable).with_name("reconciler-forge")),)
    return subprocess.run(
        [*line, "plan"], cwd=checkout, env=environ, capture_output=True, text=True, check=False, timeout=60
    )


@pytest.mark.parametrize(
    "more",
    [
        {"ARGUMENTS": "--targett Campaign/x fleet.yaml"},
        {"ARGUMENTS": "--selector 'a=b fleet.yaml"},
        {"RECONCILER_SECRETS": "no name"},
    ],
)
def test_a_push_without_a_plan_leaves_no_older_one(checkout: Path, host: Host, more: dict[str, str]) -> None:
    assert job(checkout, host, "1" * 40).returncode == 0
    ran = job(checkout, host, "2" * 40, **more)
    assert ran.returncode != 0
    assert "Traceback" not in ran.stderr
    (said,) = host.said()
    assert "There is no plan for commit 222222222222" in said
    assert "https://code.example/acme/fleet/actions/runs/11" in said
    assert "1111111111" not in said
    assert "There is no plan for commit" in (checkout / ".summary").read_text()


@pytest.mark.parametrize("command", [(), (sys.executable, "-m", "reconciler.forge")], ids=len)
def test_nothing_is_imported_from_the_checkout(checkout: Path, host: Host, command: tuple[str, ...]) -> None:
    """Whoever opens a pull request chooses what lies there."""
    names = ["yaml", "httpx", "click", "reconciler", "sitecustomize", "json", "wcwidth"]
    if command:  # `python -m` finds the package itself there, which only the console script can avoid
        names.remove("reconciler")
        names.remove("json")
    for name in names:
        (checkout / f"{name}.py").write_text("import pathlib\npathlib.Path('.ran').write_text('x')\n")
    ran = job(checkout, host, "1" * 40, *command)
    assert ran.returncode == 0, ran.stderr
    assert not (checkout / ".ran").exists()
    assert host.said()


def test_what_cant_be_summarised_stops_nothing(checkout: Path, host: Host) -> None:
    ran = job(
        checkout, host, "1" * 40, GITHUB_STEP_SUMMARY=str(checkout), GITHUB_OUTPUT=str(checkout / "x/y")
    )
    assert ran.returncode == 0
    assert "can't be written" in ran.stderr
    assert host.said()
