"""The call that an action becomes on this server, and how many gateways one carries.

Tests: `tests/providers/test_pulse_steps.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from reconciler.model import Action, RegisterCallback, ScheduleWindow, UploadMode, UploadPackage, Verb
from reconciler.providers.base.facts import Lowered
from reconciler.providers.pulse.operations import CALLBACK_OPERATIONS, OPERATIONS, SCHEDULE_OPERATIONS

_UPLOADS: Final = {UploadMode.MULTIPART: "upload-package", UploadMode.STREAMING: "stream-package"}
WRITES: Final[Mapping[Verb, tuple[str, ...]]] = MappingProxyType(
    {
        Verb.UPLOAD: tuple(_UPLOADS.values()),
        Verb.CREATE: ("create-campaign",),
        Verb.EDIT: ("edit-campaign",),
        Verb.CALLBACK: tuple(CALLBACK_OPERATIONS.values()),
        Verb.DISTRIBUTE: ("set-distribution-list",),
        Verb.REMOVE: ("remove-gateways",),
        Verb.ADD: ("add-gateways",),
        Verb.OVERRIDE: ("assign-gateway-packages",),
        Verb.SCHEDULE: tuple(SCHEDULE_OPERATIONS.values()),
        Verb.THINGS: ("run-on-things",),
        Verb.CLOSE: ("close-gateway",),
        Verb.APPROVE: ("approve-campaign",),
        Verb.START: ("start-campaign",),
        Verb.STOP: ("stop-campaign",),
        Verb.DELETE: ("delete-campaign",),
        Verb.DELETE_PACKAGE: ("delete-package",),
    }
)
"""The operations that do what a verb says."""
_BATCHED: Final = frozenset({Verb.REMOVE, Verb.ADD, Verb.THINGS})
_ONE_EACH: Final = frozenset({Verb.OVERRIDE, Verb.SCHEDULE, Verb.CLOSE})


def lower(action: Action, *, batch_size: int) -> Lowered:
    """The call that does `action`, and how many gateways one carries."""
    per_call = batch_size if action.verb in _BATCHED else int(action.verb in _ONE_EACH)
    return Lowered(OPERATIONS[_name(action)], per_call)


def _name(action: Action) -> str:
    match action:
        case UploadPackage(file=file):
            return _UPLOADS[file.mode]
        case RegisterCallback(event=event):
            return CALLBACK_OPERATIONS[event]
        case ScheduleWindow(phase=phase):
            return SCHEDULE_OPERATIONS[phase]
    (name,) = WRITES[action.verb]
    return name
