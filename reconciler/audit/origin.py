"""Where a run comes from: the person and the commit, as CI or git say."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from reconciler.audit.recorder import Commit

ACTORS: Final = ("GITHUB_ACTOR", "GITLAB_USER_LOGIN")
COMMITS: Final = ("GITHUB_SHA", "CI_COMMIT_SHA")
"""Variables that CI sets; the first that holds one counts."""

_COMMIT: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_SECONDS: Final = 10.0
_GIT: Final = ("git", "--no-optional-locks", "-c", "core.fsmonitor=false")
_STATUS: Final = ("status", "--porcelain=v2", "--branch", "--", ".", ":(exclude).reconciler")
"""What the tool itself keeps in the project is no change of it."""


def actor(environ: Mapping[str, str]) -> str | None:
    """The person that CI runs for; None where it names nobody."""
    return next((environ[name] for name in ACTORS if environ.get(name)), None)


def commit(environ: Mapping[str, str], root: Path) -> Commit | None:
    """What is checked out in `root`; None where nobody knows, which is never an error."""
    named = (environ.get(name, "") for name in COMMITS)
    if found := next(filter(_COMMIT.fullmatch, named), None):
        return Commit(found)
    try:
        git = subprocess.run(  # noqa: S603 - a fixed command, without a shell
            [*_GIT, *_STATUS],
            cwd=root,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=_SECONDS,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return _commit(git.stdout.splitlines()) if git.returncode == 0 else None


def _commit(lines: list[str]) -> Commit | None:
    named = (line.removeprefix("# branch.oid ") for line in lines)
    found = next(filter(_COMMIT.fullmatch, named), None)
    return Commit(found, dirty=any(not line.startswith("#") for line in lines)) if found else None
