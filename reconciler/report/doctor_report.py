"""The report of `doctor`: a line a check, and what to do about it.

Tests: `tests/cli/test_cli_doctor.py`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from reconciler.report.plan_document import FORMAT_VERSION
from reconciler.report.terminal import Paint, Tone, padded, plain
from reconciler.report.workflow_commands import no_orders
from reconciler.text import clean, plural


class Level(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"
    SKIPPED = "skipped"
    """Not made, for something that it needs failed."""


_TONES: Final = {
    Level.OK: Tone.GOOD,
    Level.WARNING: Tone.WARNING,
    Level.ERROR: Tone.ERROR,
    Level.SKIPPED: Tone.QUIET,
}


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at. ``name`` is stable and kebab-case."""

    name: str
    level: Level
    message: str
    hint: str | None = None


@dataclass(frozen=True, slots=True)
class Permission:
    """A permission that commands need; ``granted`` None: it can't be tried without doing something."""

    name: str
    granted: bool | None
    commands: tuple[str, ...]
    refused: tuple[str, ...] = ()
    """Operations that answered 403."""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Everything that `doctor` found."""

    server: str | None
    checks: tuple[Check, ...] = ()
    permissions: tuple[Permission, ...] = field(default=())

    @property
    def healthy(self) -> bool:
        """Whether no check is an error."""
        return not any(check.level is Level.ERROR for check in self.checks)


def doctor_lines(found: Diagnosis, paint: Paint = plain) -> Iterator[str]:
    """For people."""
    yield f"Server: {clean(found.server) if found.server else 'unknown'}"
    yield ""
    levels = max(len(level) for level in Level)
    names = max((len(check.name) for check in found.checks), default=0)
    for check in found.checks:
        level = paint(padded(check.level, levels), _TONES[check.level])
        yield f"{level}  {padded(check.name, names)}  {clean(check.message)}"
        if check.hint:
            yield f"{' ' * (levels + names + 2)}  → {clean(check.hint)}"
    if found.permissions:
        yield ""
        yield paint("Permissions", Tone.STRONG)
        width = max(len(it.name) for it in found.permissions)
        for it in found.permissions:
            yield f"  {padded(it.name, width)}  {padded(_granted(it), 9)}  {', '.join(it.commands)}"
    yield ""
    counts = [plural(_count(found.checks, level), level.value) for level in (Level.ERROR, Level.WARNING)]
    yield f"{', '.join(counts)}."


def _granted(it: Permission) -> str:
    return {True: "granted", False: "refused", None: "not tried"}[it.granted]


def _count(checks: Sequence[Check], level: Level) -> int:
    return sum(check.level is level for check in checks)


def doctor_document(found: Diagnosis) -> str:
    """For scripts."""
    value = {
        "formatVersion": FORMAT_VERSION,
        "server": found.server,
        "healthy": found.healthy,
        "checks": [
            {"name": it.name, "level": it.level.value, "message": it.message, "hint": it.hint}
            for it in found.checks
        ],
        "permissions": [
            {
                "permission": it.name,
                "granted": it.granted,
                "commands": list(it.commands),
                "refused": list(it.refused),
            }
            for it in found.permissions
        ],
    }
    return no_orders(json.dumps(value, ensure_ascii=False, indent=2)) + "\n"
