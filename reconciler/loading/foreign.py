"""What in a folder of YAML is of something else: Kubernetes, CI, Ansible, anything. Pure.

| apiVersion                      | kind of ours     | else    |
|---------------------------------|------------------|---------|
| `reconciler/…`, or nearly so    | ours             | ours    |
| left out                        | ours, or nearly  | foreign |
| of a domain: `velero.io/v1`     | foreign          | foreign |
| any other                       | ours             | foreign |

A file in which no line could say so is passed over, whatever its syntax: but not one that holds no YAML,
because nobody can see what it was.

Tests: `tests/loading/test_loading_foreign.py`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from reconciler.model import Finding, Kind, Place, Severity
from reconciler.text import clean, first, nearest, plural

UNSURE: Final = frozenset(
    {"lfs-pointer", "web-page", "merge-conflict", "binary-file", "not-utf8", "empty-file", "unreadable-file"}
)
"""Codes of findings about a file of which nobody can see what it was meant to be."""
_GROUP: Final = "reconciler"
_KINDS: Final = (*(kind.value for kind in Kind), "Project")
_SAYS: Final = re.compile(
    rb"(?m)(?:^|[\s{,])[\"']?(?:apiVersion[\"']?\s*:\s*[\"']?([^\s\"',}#]*)"
    rb"|kind[\"']?\s*:\s*[\"']?([A-Za-z]*))"
)
_FEW: Final = 3


def may_be_ours(data: bytes) -> bool:
    """Whether some line of a file reads as if a document of ours began there."""
    for found in _SAYS.finditer(data):
        version, kind = (part.decode("utf-8", "replace") if part else "" for part in found.groups())
        if _our_group(version) or _nearly(kind, _KINDS):
            return True
    return False


def is_foreign(value: Mapping[str, object]) -> bool:
    """Whether a document is plainly none of ours: see the table above."""
    version, kind = (str(value.get(name) or "") for name in ("apiVersion", "kind"))
    if _our_group(version):
        return False
    if not version:
        return not _nearly(kind, _KINDS)
    return kind not in _KINDS or "." in version.partition("/")[0]


def _our_group(version: str) -> bool:
    return _nearly(version.partition("/")[0].lower(), [_GROUP])


def _nearly(word: str, known: tuple[str, ...] | list[str]) -> bool:
    return bool(word) and nearest(word, known) is not None


def passed_over(files: Mapping[str, int]) -> Finding:
    """A note of what was passed over: files, and how many documents of one that holds some of ours, too."""
    names = [
        f"{clean(file)} ({plural(count, 'document')})" if count else clean(file)
        for file, count in files.items()
    ]
    few, many = first(names, _FEW, str), plural(len(files), "YAML file")
    return Finding(
        "passed-over",
        f"{many} passed over, because there is no project file, and they hold nothing of ours: {few}",
        Place(next(iter(files)), 1, 1),
        "a resource begins with `apiVersion: reconciler/v1`; a file that is named is read in any case",
        severity=Severity.NOTE,
    )
