"""The example of a policy: on a real plan, as a process, and each of its rules."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from reconciler.cli import main

POLICY = Path(__file__).parents[2] / "examples" / "policy" / "policy.py"
MONDAY, FRIDAY, SUNDAY = 0, 4, 6


@pytest.fixture(scope="module")
def policy() -> Any:
    spec = importlib.util.spec_from_file_location("example_policy", POLICY)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    (tmp_path / "fleet.yaml").write_text((POLICY.parent / "fleet.yaml").read_text())
    monkeypatch.chdir(tmp_path)
    assert main(["plan", "--output", "json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_it_ends_as_its_objections_say(plan: Any) -> None:
    many = {"resource": "Campaign/x", "gained": 1_001, "starts": False}
    for document, code in (
        (plan | {"impact": {"campaigns": []}}, 0),
        (plan | {"impact": {"campaigns": [many]}}, 1),
    ):
        ran = subprocess.run(
            [sys.executable, POLICY], input=json.dumps(document), capture_output=True, text=True, check=False
        )
        assert (ran.returncode, ran.stderr) == (code, "")
        assert ("1,001" in ran.stdout) is bool(code)


@pytest.mark.parametrize(("day", "says"), [(MONDAY, []), (FRIDAY, ["Friday"]), (SUNDAY, ["weekend"])])
def test_nothing_starts_before_a_weekend(policy: Any, plan: Any, day: int, says: list[str]) -> None:
    found = list(policy.objections(plan, day))
    assert len(found) == len(says)
    assert all(word in line for word, line in zip(says, found, strict=True))


@pytest.mark.parametrize(("gained", "objects"), [(1_000, False), (1_001, True)])
def test_not_too_many_at_once(policy: Any, plan: Any, gained: int, objects: bool) -> None:
    (campaign,) = plan["impact"]["campaigns"]
    campaign["gained"] = gained
    assert bool(list(policy.objections(plan, MONDAY))) is objects


@pytest.mark.parametrize(("waived", "objects"), [(None, False), ("ok", True), ("the new hall opens", False)])
def test_a_waiver_says_why(policy: Any, plan: Any, waived: str | None, objects: bool) -> None:
    plan["guards"] = [{"guard": "maxStarts", "waived": waived}]
    assert bool(list(policy.objections(plan, MONDAY))) is objects
