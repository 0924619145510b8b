"""`--help` stays near the cost of starting Python: a command imports what it uses, when it uses it."""

import json
import os
import subprocess
import sys
from pathlib import Path

HEAVY = {
    "asyncio",
    "dask",
    "deepdiff",
    "distributed",
    "httpx",
    "jsonschema",
    "obstore",
    "psycopg",
    "reconciler.model",
    "sqlite3",
    "starlette",
    "uvicorn",
    "yaml",
}

HELP = """
import atexit, json, sys
atexit.register(lambda: print(json.dumps(sorted(sys.modules)), file=sys.stderr))
sys.argv = ["reconciler", "--help"]
from reconciler.cli import main
sys.exit(main())
"""


def test_help_imports_nothing_heavy(tmp_path: Path) -> None:
    # Measuring coverage imports modules of its own; this process is measured for them, not for lines.
    env = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    env["PYTHONPATH"] = str(Path(__file__).parents[2])
    result = subprocess.run(
        [sys.executable, "-c", HELP],
        cwd=tmp_path,
        env=env,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert "Usage: reconciler" in result.stdout
    assert HEAVY.isdisjoint(json.loads(result.stderr))


LIBRARY = """
import json, sys
import reconciler, reconciler.app
from reconciler.app import *
print(json.dumps(sorted(sys.modules)))
"""


def test_the_library_is_loaded_when_it_is_used(tmp_path: Path) -> None:
    lazy = modules(LIBRARY.replace("from reconciler.app import *", ""), tmp_path)
    assert {*HEAVY, "click", "reconciler.app.library"}.isdisjoint(lazy)
    used = modules(LIBRARY, tmp_path)
    assert {"reconciler.app.library", "reconciler.model"} <= used
    heavy = HEAVY - {"asyncio", "reconciler.model"} | {"click", "reconciler.cli"}
    assert heavy.isdisjoint(used)


def modules(code: str, folder: Path) -> set[str]:
    """What a process has loaded that runs `code`, which prints it."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    env["PYTHONPATH"] = str(Path(__file__).parents[2])
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env=env,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return set(json.loads(result.stdout))
