"""The project file: where it is, its one document, and the environment in it that a run names.

Tests: `tests/project/test_project_loader.py`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from reconciler.filereading import read_whole
from reconciler.findings import Findings
from reconciler.loading import Document, load_text
from reconciler.loading.walk import PROJECT_FILE, project_files
from reconciler.project.declared import Declared, Given
from reconciler.text import did_you_mean, printable

ENVIRONMENT_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


def above(folder: Path, findings: Findings) -> Path | None:
    """The project file of `folder` or the nearest folder above that has one. Of two, neither is taken."""
    found = next(filter(None, map(project_files, (folder, *folder.parents))), ())
    if len(found) > 1:
        names = " and ".join(f"`{each.name}`" for each in found)
        message = f"{printable(str(found[0].parent), 200)} has {len(found)} project files: {names}"
        findings.error("two-project-files", message, None, "keep one of them, or name one with --project")
    return found[0] if len(found) == 1 else None


def read_project(path: Path, given: Given | None, findings: Findings) -> Document | None:
    """The one document of a project file, valid; None when something is wrong with it."""
    from reconciler.validation import validate_project

    origin = f" (from {given.origin})" if given else ""
    try:
        data = read_whole(path)
    except OSError as error:
        code = "file-not-found" if isinstance(error, FileNotFoundError) else "unreadable-file"
        findings.error(
            code,
            f"project file `{printable(str(path), 200)}`{origin} can't be read: {error.strerror or error}",
        )
        return None
    loaded = load_text(data, path.name, path)
    if {finding.code for finding in loaded.findings} == {"empty-file"}:
        message = f"project file {path.name} is empty"
        hint = (
            "write a Project into it (apiVersion, kind, metadata.name, spec), or delete it to go on without"
        )
        findings.error("bad-project-file", message, loaded.findings[0].place, hint)
        return None
    findings.add(loaded.findings)
    if len(loaded.documents) != 1:
        if not findings.failed:
            place = loaded.documents[1].place(()) if loaded.documents else None
            message = f"project file {path.name} has {len(loaded.documents)} documents, and must have one"
            findings.error("bad-project-file", message, place, "keep resources in files of their own")
        return None
    checked = validate_project(loaded.documents[0])
    findings.add(checked.findings)
    return checked.documents[0]


def environment_of(named: Given | None, document: Document | None, findings: Findings) -> str | None:
    """The name of the environment. Without a project file any will do, which is said: it names a state."""
    if named is None:
        return None
    if not ENVIRONMENT_NAME.fullmatch(named.value):
        hint = "use letters, digits, -, _ and ., beginning with a letter or digit"
        findings.error("unknown-environment", f"{named.origin} is no name of an environment", None, hint)
        return None
    if document is None and not findings.failed:
        findings.warning(
            "environment-without-project",
            f"{named.origin} says `{named.value}`, and there is no project file, here or above, that says"
            " what that is: it only names a state of its own",
            None,
            f"go to the folder with {PROJECT_FILE}, or name it with --project",
        )
    environments: Mapping[str, object] = {} if document is None else spec_of(document).get("environments", {})
    if document is not None and named.value not in environments:
        if Declared(document).unsure("environments", named.value):
            return None  # something is wrong with it, and that is said
        known = f"known: {', '.join(sorted(environments))}" if environments else "the project has none"
        findings.error(
            "unknown-environment",
            f"{named.origin}: there is no environment `{named.value}`",
            document.place(("spec", "environments"), key=True),
            did_you_mean(named.value, environments) or known,
        )
        return None
    return str(named.value)


def spec_of(document: Document, part: str = "spec") -> Any:
    """What stands under a key of a project file; empty where nothing does."""
    return document.value.get(part, {})
