"""The repository around a project: code hosts name files from its root, and run workflows from there only."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from reconciler.model import Place

_WORKSPACES: Final = ("GITHUB_WORKSPACE", "CI_PROJECT_DIR")
"""Variables in which runners say where the repository is."""
_COMMIT: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


def repository_root(folder: Path, environ: Mapping[str, str]) -> Path:
    """Where the repository begins in which `folder` is: as the runner says, else the top folder of Git, links
    resolved; `folder` itself where it is in none.
    """
    real = Path(os.path.realpath(folder))
    for name in _WORKSPACES:
        if said := environ.get(name):
            root = Path(os.path.realpath(said))
            if real.is_relative_to(root):
                return root
    return next((each for each in (real, *real.parents) if os.path.lexists(each / ".git")), real)


def pull_request(environ: Mapping[str, str]) -> Mapping[str, Any]:
    """The pull request of the event that started this job of GitHub; empty when it was another event."""
    try:
        event = json.loads(Path(environ.get("GITHUB_EVENT_PATH", "")).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    found = event.get("pull_request") if isinstance(event, dict) else None
    return found if isinstance(found, dict) else {}


def pushed_commit(environ: Mapping[str, str]) -> str:
    """What was pushed to GitHub; empty elsewhere.

    Of a pull request GITHUB_SHA is a merge that nobody has seen.
    """
    head = pull_request(environ).get("head")
    sha = head.get("sha") if isinstance(head, dict) else None
    return sha if isinstance(sha, str) and sha else environ.get("GITHUB_SHA", "")


def line_links(folder: Path, environ: Mapping[str, str]) -> Callable[[Place], str | None]:
    """The address of a line on the code host that this job runs on; None where it has none."""
    server, repository = environ.get("GITHUB_SERVER_URL"), environ.get("GITHUB_REPOSITORY")
    if server and repository:
        base, commit = f"{server}/{repository}/blob", pushed_commit(environ)
    else:
        base, commit = f"{environ.get('CI_PROJECT_URL', '')}/-/blob", environ.get("CI_COMMIT_SHA", "")
    if not base.startswith(("https://", "http://")) or not _COMMIT.fullmatch(commit):
        return lambda _: None
    root = repository_root(folder, environ)

    def link(place: Place) -> str | None:
        path = from_root(place.file, folder, root)
        return None if Path(path).is_absolute() else f"{base}/{commit}/{quote(path)}#L{place.line}"

    return link


def from_root(file: str, folder: Path, root: Path) -> str:
    """How `file`, which is relative to `folder`, is called from `root`; as it is when it isn't below."""
    path = Path(os.path.realpath(folder)) / file
    # Links are not resolved: the repository has the path as it was given.
    where = Path(os.path.normpath(path if not Path(file).is_absolute() else _real(Path(file))))
    return where.relative_to(root).as_posix() if where.is_relative_to(root) else file


def _real(file: Path) -> Path:
    """The same file in a folder whose links are resolved."""
    return Path(os.path.realpath(file.parent)) / file.name
