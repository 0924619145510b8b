"""What sends each operation: commands for its own sake, and steps of a plan."""

from collections.abc import Mapping
from dataclasses import fields
from itertools import product
from pathlib import Path
from typing import Final

from reconciler.model import (
    CallbackEvent,
    Kind,
    PackageFile,
    ResourceId,
    SchedulePhase,
    UploadMode,
)
from reconciler.providers.pulse.lowering import lower
from tests.actions import CLASSES, action
from tests.fakes import PULSE

COMMANDS: Final[Mapping[str, tuple[str, ...]]] = {
    "get-campaign": ("campaign show", "plan"),
    "list-campaigns": ("campaign list",),
    "get-campaign-status": ("campaign show",),
    "get-campaign-counts": ("campaign counts",),
    "approve-campaign": ("campaign approve",),
    "start-campaign": ("campaign start",),
    "stop-campaign": ("campaign stop",),
    "list-gateways": ("status", "plan"),
    "get-distribution-list": ("campaign show", "plan"),
    "get-gateway-packages": ("gateway packages", "plan"),
    "notify-gateway": ("gateway notify",),
    "close-gateway": ("gateway close",),
    "get-gateway-state": ("gateway state",),
    "get-execution-progress": ("gateway progress",),
    "get-download-progress": ("gateway progress",),
    "get-gateway-status": ("gateway status",),
    "get-active-campaigns": ("gateway active-campaigns",),
    "get-package": ("package info",),
    "list-packages": ("package list",),
    "delete-package": ("package delete",),
    "upload-package": ("package upload",),
    "stream-package": ("package upload",),
}
"""Operation → commands that send it, beside `apply`. A test runs each of them."""


def steps() -> dict[str, list[str]]:
    """Operation → the verbs that lower to it, with whatever else an action may say."""
    found: dict[str, list[str]] = {}
    resource = ResourceId(Kind.CAMPAIGN, "c")
    known = [verb for rank in PULSE.order for verb in rank]
    for verb, mode, event, phase in product(known, UploadMode, CallbackEvent, SchedulePhase):
        file = PackageFile("0" * 64, Path("f"), "f", 1, resource, mode=mode)
        kind = CLASSES[verb]
        said = {"file": file, "event": event, "phase": phase}
        of_verb = {each.name for each in fields(kind)}
        made = action(verb, resource, **{name: value for name, value in said.items() if name in of_verb})
        verbs = found.setdefault(lower(made, batch_size=1).operation.name, [])
        if str(verb) not in verbs:
            verbs.append(str(verb))
    return found
