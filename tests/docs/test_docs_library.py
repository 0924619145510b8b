"""The example of docs/library.md prints what the page says, and the page names all that is public."""

import re
import subprocess
import sys
from pathlib import Path

import reconciler.app
from tests.cli.cli_runs import environment

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "library.md"


def test_the_example_prints_what_the_page_says(tmp_path: Path) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    printed = re.findall(r"```text\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)[0]
    folder = tmp_path / "project"
    made = subprocess.run(
        [sys.executable, "-m", "reconciler", "init", folder],
        env=environment(),
        check=False,
        capture_output=True,
    )
    assert made.returncode == 0, made.stderr
    ran = subprocess.run(
        [sys.executable, "-c", example],
        cwd=folder,
        env=environment(),
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    assert (ran.stderr, ran.stdout) == ("", printed)


def test_every_public_name_is_there_and_on_the_page() -> None:
    text = PAGE.read_text("utf-8")
    for name in reconciler.app.__all__:
        assert getattr(reconciler.app, name).__module__.startswith("reconciler.")
    functions = {name for name in reconciler.app.__all__ if name.islower()}
    assert {f"`{name}(" for name in functions if f"`{name}(" in text} == {f"`{name}(" for name in functions}
