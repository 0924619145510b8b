"""`run`: looks in a loop, until a signal ends it."""

import asyncio
import os
import re
import signal
import subprocess
import sys
import urllib.request
from contextlib import suppress
from pathlib import Path

import pytest

from reconciler.app.caller import Question
from reconciler.cli.run import Controlled
from reconciler.errors import Exit, ReconcilerError
from tests.cli.cli_runs import Run


@pytest.fixture(autouse=True)
def project(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    text = "apiVersion: reconciler/v1\nkind: Project\nmetadata: {name: line}\n"
    (folder / "reconciler.yaml").write_text(
        f'{text}spec: {{resources: [resources], server: {{url: "embedded:"}}}}\n'
    )


def test_once_looks_once_and_ends_as_apply_does(folder: Path, run: Run) -> None:
    first, second = run("run", "--once"), run("run", "--once")
    assert (first.code, second.code) == (Exit.DONE, Exit.DONE)
    assert re.search(r"UTC: applied, \d+ steps in ", first.err)
    assert "UTC: nothing in " in second.err
    (folder / "resources" / "line.yaml").write_text("kind: Nothing\n")
    failed = run("run", "--once")
    assert failed.code == Exit.ERROR
    assert "resources/line.yaml:1:1" in failed.err


def test_once_sends_only_rollouts_where_that_is_asked(folder: Path, run: Run) -> None:
    ran = run("run", "--once", "--rollouts-only")
    assert (ran.code, "steps" in ran.err) == (Exit.DONE, False)


def test_once_prunes_where_that_is_asked(folder: Path, run: Run) -> None:
    run("run", "--once")
    lines = (folder / "resources" / "line.yaml").read_text().split("---\n")
    (folder / "resources" / "line.yaml").write_text("---\n".join(lines[:2]))
    assert "steps" not in run("run", "--once").err
    assert "steps" in run("run", "--once", "--prune").err


@pytest.mark.parametrize("kind", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_well(folder: Path, kind: signal.Signals) -> None:
    words = [sys.executable, "-m", "reconciler", "run", "--interval", "1h", "--listen", "127.0.0.1:0"]
    environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    process = subprocess.Popen(
        words, cwd=folder, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert process.stderr is not None
        url = process.stdout.readline().strip()
        with urllib.request.urlopen(f"{url}/healthz", timeout=30) as answer:
            assert answer.status == 200
        assert "UTC: applied" in process.stderr.readline()
        process.send_signal(kind)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert (process.returncode, out, err) == (Exit.DONE, "", "ended\n")


@pytest.mark.parametrize(
    "words",
    [
        ("--interval", "0s"),
        ("--interval", "60"),
        ("--interval", "1d"),
        ("--listen", "9464"),
        ("--pull", "x"),
        ("--pull", "60s", "--ref", "main"),
    ],
)
def test_what_makes_no_sense_is_refused(folder: Path, run: Run, words: tuple[str, ...]) -> None:
    ran = run("run", *words)
    assert ran.code == Exit.USAGE
    assert words[0] in ran.err or words[-2] in ran.err


def test_a_folder_that_is_no_clone_is_said(folder: Path, run: Run) -> None:
    ran = run("run", "--once", "--pull", "60s")
    assert ran.code == Exit.ERROR
    assert "is in no clone" in ran.err


@pytest.mark.parametrize(
    ("error", "applying"), [(None, False), (RuntimeError(), False), (KeyboardInterrupt(), True)]
)
def test_only_what_ends_it_at_once_ends_it_in_the_middle(error: BaseException | None, applying: bool) -> None:
    caller = Controlled()

    async def look() -> None:
        with caller.stopping():
            assert caller.applying
            if error is not None:
                raise error

    with suppress(RuntimeError, KeyboardInterrupt):
        asyncio.run(look())
    assert caller.applying == applying
    assert not caller.ended


def test_nobody_is_asked() -> None:
    with pytest.raises(ReconcilerError, match="nobody sits here"):
        Controlled().ask(Question("?", "nobody sits here", "hint"))
