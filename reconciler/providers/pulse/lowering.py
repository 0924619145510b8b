"""The call that an action becomes on this server, and how many gateways one carries."""

from __future__ import annotations

from typing import Final, TypeVar

from reconciler.model import Action, UploadMode, Verb
from reconciler.providers.base.facts import Lowered
from reconciler.providers.pulse.operations import CALLBACK_OPERATIONS, OPERATIONS, SCHEDULE_OPERATIONS

Value = TypeVar("Value")

_UPLOADS: Final = {UploadMode.MULTIPART: "upload-package", UploadMode.STREAMING: "stream-package"}
_SIMPLE: Final = {
    Verb.CREATE: "create-campaign",
    Verb.EDIT: "edit-campaign",
    Verb.DISTRIBUTE: "set-distribution-list",
    Verb.APPROVE: "approve-campaign",
    Verb.START: "start-campaign",
    Verb.STOP: "stop-campaign",
    Verb.DELETE: "delete-campaign",
    Verb.DELETE_PACKAGE: "delete-package",
}
_BATCHES: Final = {Verb.ADD: "add-gateways", Verb.REMOVE: "remove-gateways", Verb.THINGS: "run-on-things"}
_ONE_BY_ONE: Final = {Verb.OVERRIDE: "assign-gateway-packages", Verb.CLOSE: "close-gateway"}


def lower(action: Action, *, batch_size: int) -> Lowered:
    """The call that does `action`, and how many gateways one carries."""
    verb = action.verb
    if verb in _SIMPLE:
        return Lowered(OPERATIONS[_SIMPLE[verb]])
    if verb in _BATCHES:
        return Lowered(OPERATIONS[_BATCHES[verb]], batch_size)
    if verb in _ONE_BY_ONE:
        return Lowered(OPERATIONS[_ONE_BY_ONE[verb]], 1)
    if verb is Verb.UPLOAD:
        return Lowered(OPERATIONS[_UPLOADS[given(action.file).mode]])
    if verb is Verb.CALLBACK:
        return Lowered(OPERATIONS[CALLBACK_OPERATIONS[given(action.event)]])
    return Lowered(OPERATIONS[SCHEDULE_OPERATIONS[given(action.phase)]], 1)


def given(value: Value | None) -> Value:
    """A value that belongs to the verb."""
    if value is None:
        raise ValueError("an action lacks a value of its verb")
    return value
