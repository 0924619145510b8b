"""The import contracts of pyproject.toml catch a wrong import, tried on a package of the same shape."""

import ast
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

TOOLS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
LAYERS = TOOLS["importlinter"]["contracts"][0]["layers"]
MODULES = [name.strip("()") for layer in LAYERS for name in layer.split(" | ")]
BEHIND_SEAMS = sorted(
    {
        name.removeprefix("reconciler.").replace(".", "/")
        for contract in TOOLS["importlinter"]["contracts"][1:]
        for name in (*contract.get("protected_modules", ()), *contract.get("allowed_importers", ()))
        if name.startswith("reconciler.") and name.removeprefix("reconciler.") not in MODULES
    }
    | {"providers/base", "providers/http", "state/base"}
)
"""All other modules that a contract names."""

RIGHT = {
    "cli": "import click, reconciler.app, reconciler.report",
    "app": (
        "import reconciler.embedded, reconciler.providers.opening, reconciler.report, reconciler.state.stores"
    ),
    "app/checks": "import reconciler.providers.http",
    "providers/opening": "import reconciler.providers.pulse",
    "state/stores": "import reconciler.state.file, reconciler.state.postgresql, reconciler.state.s3",
    "state/postgresql": "import psycopg",
    "state/s3": "import obstore",
    "report": "import reconciler.apply, reconciler.plan",
    "report/web/rendering": "import jinja2, markupsafe",
    "workers": "import dask, distributed, reconciler.apply, reconciler.providers.opening",
    "plan": "import reconciler.diff, reconciler.providers.base, reconciler.state.base",
    "providers/http": "import aiohttp, httpx, yarl, reconciler.errors, reconciler.model, reconciler.pacing",
    "providers/pulse": "import reconciler.providers.http, reconciler.providers.base",
    "errors": "import reconciler.findings, reconciler.model, reconciler.text",
    "findings": "import reconciler.model, reconciler.text",
    "embedded": "import starlette, uvicorn",
}


def lint(folder: Path, imports: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Runs the check over a package with every module of ours, where each has just the given imports."""
    for module in MODULES + BEHIND_SEAMS:
        path = folder / "reconciler" / module / "__init__.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        for above in Path(module).parents:
            (folder / "reconciler" / above / "__init__.py").touch()
        path.write_text(imports.get(module, "") + "\n")
    (folder / "reconciler" / "__init__.py").touch()
    shutil.copy(ROOT / "pyproject.toml", folder)
    return subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache", "--no-logo"],
        cwd=folder,
        env={"PYTHONPATH": str(folder), "PYTHONIOENCODING": "utf-8", "COLUMNS": "200"},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


def test_right_imports_pass(tmp_path: Path) -> None:
    result = lint(tmp_path, RIGHT)
    assert result.returncode == 0, result.stdout
    assert " 0 broken." in result.stdout


WAY, SEAMS = "Imports point along the way", "Only the use cases choose"


@pytest.mark.parametrize(
    ("module", "line", "contract", "said"),
    [
        ("diff", "import reconciler.plan", WAY, "reconciler.diff is not allowed to import reconciler.plan"),
        ("model", "import reconciler.errors", WAY, "reconciler.model is not allowed"),
        ("model", "import reconciler.findings", WAY, "reconciler.model is not allowed"),
        ("text", "import reconciler.model", WAY, "reconciler.text is not allowed"),
        ("embedded", "import reconciler.text", WAY, "reconciler.embedded is not allowed"),
        ("embedded", "import reconciler.model", WAY, "reconciler.embedded is not allowed"),
        ("providers/pulse", "import reconciler.diff", WAY, "reconciler.providers is not allowed"),
        ("surprise", "", WAY, "reconciler.surprise"),
        ("plan", "import reconciler.providers.pulse", "opened by its name", "reconciler.plan"),
        ("app", "import reconciler.providers.pulse", "opened by its name", "reconciler.app"),
        ("observe", "import reconciler.providers.http", "Only providers speak HTTP", "reconciler.observe"),
        ("app", "import reconciler.providers.http", "Only providers speak HTTP", "reconciler.app"),
        ("plan", "import reconciler.providers.snapshot", SEAMS, "reconciler.plan"),
        ("apply", "import reconciler.state.stores", SEAMS, "reconciler.apply"),
        ("report", "import reconciler.app", WAY, "reconciler.report is not allowed to import reconciler.app"),
        ("app", "import reconciler.cli", WAY, "reconciler.app is not allowed to import reconciler.cli"),
        ("cli", "import reconciler.embedded", SEAMS, "reconciler.cli"),
        ("app", "import click", "Only the command line knows click", "reconciler.app"),
        ("app", "import reconciler.state.file", "Stores of state", "reconciler.app"),
        ("app", "import reconciler.state.s3", "Stores of state", "reconciler.app"),
        ("app", "import psycopg", "Only its store knows PostgreSQL", "reconciler.app"),
        ("state/file", "import obstore", "Only its store knows S3", "reconciler.state.file"),
        ("report", "import click", "Only the command line knows click", "reconciler.report"),
        ("plan", "import httpx", "Only a provider", "reconciler.plan"),
        ("app", "import distributed", "Only workers know the engine", "reconciler.app"),
    ],
)
def test_a_wrong_import_is_named(tmp_path: Path, module: str, line: str, contract: str, said: str) -> None:
    (tmp_path / "reconciler" / module).mkdir(parents=True)
    (tmp_path / "reconciler" / module / "__init__.py").touch()
    result = lint(tmp_path, RIGHT | {module: f"{RIGHT.get(module, '')}\n{line}"})
    assert result.returncode == 1, result.stdout
    assert " 1 broken." in result.stdout
    details = result.stdout.split("Broken contracts", 1)[1]
    assert contract in details
    assert said in details


def test_the_command_line_holds_nothing_but_commands() -> None:
    """A module of it that doesn't need click is a use case, and belongs to `reconciler/app`."""
    without = [
        path.name
        for path in sorted((ROOT / "reconciler" / "cli").glob("*.py"))
        if path.name != "__init__.py" and "click" not in imported(path)
    ]
    assert without == []


def imported(path: Path) -> set[str]:
    """The packages that a module imports, wherever it does so."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Import():
                found |= {alias.name.partition(".")[0] for alias in node.names}
            case ast.ImportFrom(module=str(name)):
                found.add(name.partition(".")[0])
    return found
