"""`--help` stays near the cost of starting Python: a command imports what it uses, when it uses it."""

import json
import os
import subprocess
import sys
from pathlib import Path

HEAVY = {
    "asyncio",
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
