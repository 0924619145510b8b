"""`apply` tells people of what it turned, in CI as well."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler.errors import Exit
from tests.app.test_app_posting import hooks
from tests.cli.cli_runs import Run

PROJECT = """\
apiVersion: reconciler/v1
kind: Project
metadata: {name: line}
spec:
  resources: [resources]
  server: {url: "embedded:"}
  notify: [{url: {fromEnv: HOOK}}]
  environments:
    staging: {notify: []}
"""
POLICY = """\
---
apiVersion: reconciler/v1
kind: RolloutPolicy
metadata: {name: careful}
spec:
  waves: [{name: canary, upTo: 1, approval: true}, {name: rest}]
"""


@pytest.fixture
def told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """A project with a rollout, and what its web hook was told."""
    path = folder / "resources" / "line.yaml"
    rollout = "  desiredStatus: STARTED\n  rollout: {policy: careful}\n"
    path.write_text(path.read_text().replace("  desiredStatus: STARTED\n", rollout) + POLICY)
    (folder / "reconciler.yaml").write_text(PROJECT)
    monkeypatch.setenv("HOME", str(folder.parent))
    with hooks(200) as (url, came):
        monkeypatch.setenv("HOOK", url)
        yield came


def titles(told: list[Any]) -> list[str]:
    found = [body["title"] for _, body in told]
    told.clear()
    return found


@pytest.mark.parametrize("saved", [False, True])
def test_each_turn_is_told_once(folder: Path, run: Run, told: list[Any], *, saved: bool) -> None:
    if saved:
        assert run("plan", "--out", "p.jsonl").code == Exit.DONE
        assert titles(told) == []
    words = ("apply", "--plan", "p.jsonl") if saved else ("apply", "--auto-approve")
    assert run(*words).code == Exit.DONE
    assert titles(told) == ["[line] Campaign/line-3: waits for approval"]
    assert run("apply", "--auto-approve").code == Exit.DONE
    assert titles(told) == []
    path = folder / "resources" / "line.yaml"
    path.write_text(path.read_text().replace("{policy: careful}", "{policy: careful, approved: canary}"))
    assert run("apply", "--auto-approve").code == Exit.DONE
    assert titles(told) == ["[line] Campaign/line-3: wave 1 of 2 (canary) opens"]
    assert run("apply", "--auto-approve").code == Exit.DONE
    assert titles(told) == []


def test_a_guard_is_told_once_and_again_when_it_trips_anew(folder: Path, run: Run, told: list[Any]) -> None:
    run("apply", "--auto-approve")
    titles(told)
    line = folder / "resources" / "line.yaml"
    text = line.read_text()
    for _ in range(2):
        (folder / "reconciler.yaml").write_text(
            PROJECT.replace("  notify", "  guards: {maxDeletes: 0}\n  notify", 1)
        )
        line.write_text(text[: text.index("---\napiVersion: reconciler/v1\nkind: Campaign")])
        assert run("apply", "--auto-approve", "--prune").code == Exit.GUARD
        assert titles(told) == ["[line] a guard stands against the plan"]
        assert run("apply", "--auto-approve", "--prune").code == Exit.GUARD
        assert titles(told) == []
        line.write_text(text)
        run("apply", "--auto-approve")
        titles(told)


def test_an_environment_may_tell_nobody(run: Run, told: list[Any]) -> None:
    assert run("apply", "--auto-approve", "-e", "staging").code == Exit.DONE
    assert titles(told) == []


def test_who_cannot_be_told_is_no_error(run: Run, told: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOOK")
    assert "HOOK" not in os.environ
    assert run("apply", "--auto-approve").code == Exit.DONE
    assert told == []
