"""A small project to begin with. Nothing that is there is ever overwritten."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from reconciler.errors import ReconcilerError
from reconciler.trust.folders import refuse_links

TEMPLATES: Final = Path(__file__).parents[1] / "templates"
"""`project/` is laid out as it is; `ci/` holds one file for each service that runs CI."""

PROJECT: Final = "reconciler.yaml"
IGNORED: Final = ".reconciler/"
CI: Final[Mapping[str, str]] = {
    "github": ".github/workflows/reconciler.yml",
    "gitlab": ".gitlab-ci.yml",
}
"""Service → where its workflow file belongs."""

Files = dict[str, str]
"""Path in the project → content."""


def make_project(root: Path, ci: str) -> Iterator[str]:
    """Make a project in `root`, with the workflow file of the service `ci`; what to say of it.

    Where there is a project already, only the workflow file is made. ReconcilerError, and nothing is made,
    when there is nothing to make or something would be overwritten.
    """
    from reconciler.loading.walk import project_files

    found = project_files(root)
    files = {**({} if found else _project(root)), **_workflow(ci)}
    if not files:
        hint = "--ci github or --ci gitlab adds a workflow file to it."
        raise ReconcilerError(f"{found[0]} exists: this is a project already", hint=hint)
    there = [name for name in files if os.path.lexists(root / name)]
    if there:
        names = ", ".join(str(root / name) for name in there)
        hint = "Move it away, or choose another folder."
        raise ReconcilerError(f"nothing was made, for this would be overwritten: {names}", hint=hint)
    for name in files:
        refuse_links(root / name, root, what="a new project")
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    return _said(root, files, PROJECT in files)


def _project(root: Path) -> Files:
    """The files of a new project."""
    from reconciler.validation.schemas import schema_directory

    home = TEMPLATES / "project"
    examples = {
        f"resources/{path.name}": path.read_text("utf-8") for path in sorted((home / "resources").iterdir())
    }
    schemas = {
        f".schemas/{name}.json": (schema_directory() / f"{name}.json").read_text("utf-8")
        for name in ("Project", "resource", "overlay")
    }
    text = (home / PROJECT).read_text("utf-8").replace("PROJECT_NAME", _name(root))
    return {
        PROJECT: text,
        **({} if _filled(root / "resources") else examples),
        **(
            {}
            if os.path.lexists(root / ".gitignore")
            else {".gitignore": (home / "gitignore").read_text("utf-8")}
        ),
        **schemas,
    }


def _workflow(ci: str) -> Files:
    return {CI[ci]: (TEMPLATES / "ci" / f"{ci}.yml").read_text("utf-8")} if ci in CI else {}


def _name(root: Path) -> str:
    """A name for the project: the folder's, as far as a name may be so."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", root.resolve().name).strip("-._")
    return name[:128] or "project"


def _filled(folder: Path) -> bool:
    return folder.is_dir() and any(folder.iterdir())


def _said(root: Path, files: Files, new: bool) -> Iterator[str]:
    """What was made, and what to do with it."""
    yield from (f"made {root / name}" for name in files if not name.startswith(".schemas/"))
    if not new:
        return
    yield f"made {root / '.schemas'}/, for editors that know `# yaml-language-server: $schema=…`"
    if ".gitignore" not in files and IGNORED not in (root / ".gitignore").read_text("utf-8").split():
        yield f"Add the line {IGNORED} to {root / '.gitignore'}: the state is kept there."
    yield ""
    yield "Rehearse it on a server in its own process, without a network:"
    if root.resolve() != Path.cwd():
        yield f"  cd {shlex.quote(str(root))}"
    yield "  reconciler validate"
    yield "  reconciler plan -e rehearsal"
    yield "  reconciler apply -e rehearsal"
    yield f"Then name your server in {PROJECT}, and put your own files into resources/."
