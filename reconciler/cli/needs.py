"""Which command makes which call, beyond reading campaigns: for `doctor`, and for the coverage page."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

_PLAN: Final = ("plan", "apply", "status")
_APPLY: Final = ("apply",)
_NAMED: Final = ("campaign", "gateway")
"""Commands that find a campaign by its name or id."""
_ALL: Final = ("snapshot", "export")
"""Commands that read every campaign."""

COMMANDS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "create-campaign": _APPLY,
        "edit-campaign": _APPLY,
        "delete-campaign": ("apply --prune",),
        "get-campaign": (*_PLAN, *_NAMED, "import", *_ALL),
        "start-campaign": (*_APPLY, "campaign start"),
        "stop-campaign": (*_APPLY, "campaign stop"),
        "approve-campaign": (*_APPLY, "campaign approve"),
        "register-completed-callback": _APPLY,
        "register-wake-up-callback": _APPLY,
        "register-state-change-callback": _APPLY,
        "register-execution-progress-callback": _APPLY,
        "register-download-progress-callback": _APPLY,
        "notify-gateway": ("gateway notify",),
        "assign-gateway-packages": _APPLY,
        "get-gateway-packages": (*_PLAN, "gateway packages", "import", *_ALL),
        "list-gateways": (*_PLAN, "import", *_ALL),
        "list-campaigns": (*_PLAN, "campaign list", *_NAMED, "import", *_ALL),
        "add-gateways": _APPLY,
        "remove-gateways": _APPLY,
        "set-distribution-list": _APPLY,
        "get-distribution-list": (*_PLAN, "campaign show", "import", *_ALL),
        "schedule-download": _APPLY,
        "schedule-activation": _APPLY,
        "schedule-execution": _APPLY,
        "close-gateway": (*_APPLY, "gateway close"),
        "get-gateway-state": ("gateway state",),
        "get-execution-progress": ("gateway progress",),
        "get-download-progress": ("gateway progress",),
        "get-active-campaigns": ("gateway active-campaigns",),
        "get-campaign-status": ("campaign show",),
        "get-gateway-status": ("status", "gateway status"),
        "get-campaign-counts": ("campaign counts",),
        "get-package": (*_PLAN, "package info", "package delete", "import"),
        "list-packages": (*_PLAN, "package list", "package info", "package delete", "import", *_ALL),
        "delete-package": ("apply --prune", "package delete"),
        "upload-package": (*_APPLY, "package upload"),
        "stream-package": (*_APPLY, "package upload"),
        "run-on-things": _APPLY,
    }
)
"""Operation → the commands that may call it."""
