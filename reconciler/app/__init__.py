"""The use cases, and the library: `__all__` is public (docs/library.md), and loaded when it is first used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reconciler.app.applying import ApplyResult
    from reconciler.app.library import apply, open_project, plan, status, validate
    from reconciler.app.pipeline import Checked
    from reconciler.app.workspace import Workspace
    from reconciler.errors import Exit
    from reconciler.model import Finding, Outcome, OutcomeStatus, ResourceId
    from reconciler.options import Options, Selector, Targets
    from reconciler.plan.model import Plan
    from reconciler.report.statuses import StatusReport

__all__ = [
    "ApplyResult",
    "Checked",
    "Exit",
    "Finding",
    "Options",
    "Outcome",
    "OutcomeStatus",
    "Plan",
    "ResourceId",
    "Selector",
    "StatusReport",
    "Targets",
    "Workspace",
    "apply",
    "open_project",
    "plan",
    "status",
    "validate",
]

_MODULES = {
    "reconciler.app.applying": ("ApplyResult",),
    "reconciler.app.library": ("apply", "open_project", "plan", "status", "validate"),
    "reconciler.app.pipeline": ("Checked",),
    "reconciler.app.workspace": ("Workspace",),
    "reconciler.errors": ("Exit",),
    "reconciler.model": ("Finding", "Outcome", "OutcomeStatus", "ResourceId"),
    "reconciler.options": ("Options", "Selector", "Targets"),
    "reconciler.plan.model": ("Plan",),
    "reconciler.report.status_report": ("StatusReport",),
}


def __getattr__(name: str) -> Any:  # as PEP 562 has it: what a name is, type checkers see above
    from importlib import import_module

    for module, names in _MODULES.items():
        if name in names:
            return getattr(import_module(module), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
