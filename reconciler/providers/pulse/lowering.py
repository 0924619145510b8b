"""The call that an action becomes on this server, and how many gateways one carries."""

from __future__ import annotations

from typing import Final, assert_never

from reconciler.model import (
    Action,
    AddGateways,
    ApproveCampaign,
    AssignPackages,
    CloseGateways,
    CreateCampaign,
    DeleteCampaign,
    DeletePackage,
    EditCampaign,
    RegisterCallback,
    RemoveGateways,
    RunOnThings,
    ScheduleWindow,
    SetDistributionList,
    StartCampaign,
    StopCampaign,
    UploadMode,
    UploadPackage,
)
from reconciler.providers.base.facts import Lowered
from reconciler.providers.pulse.operations import CALLBACK_OPERATIONS, OPERATIONS, SCHEDULE_OPERATIONS

_UPLOADS: Final = {UploadMode.MULTIPART: "upload-package", UploadMode.STREAMING: "stream-package"}


def lower(action: Action, *, batch_size: int) -> Lowered:
    """The call that does `action`, and how many gateways one carries."""
    name, per_call = _call(action, batch_size)
    return Lowered(OPERATIONS[name], per_call)


def _call(action: Action, batch: int) -> tuple[str, int]:  # noqa: PLR0911, PLR0912, C901
    match action:
        case UploadPackage():
            return _UPLOADS[action.file.mode], 0
        case CreateCampaign():
            return "create-campaign", 0
        case EditCampaign():
            return "edit-campaign", 0
        case RegisterCallback():
            return CALLBACK_OPERATIONS[action.event], 0
        case SetDistributionList():
            return "set-distribution-list", 0
        case RemoveGateways():
            return "remove-gateways", batch
        case AddGateways():
            return "add-gateways", batch
        case AssignPackages():
            return "assign-gateway-packages", 1
        case ScheduleWindow():
            return SCHEDULE_OPERATIONS[action.phase], 1
        case RunOnThings():
            return "run-on-things", batch
        case CloseGateways():
            return "close-gateway", 1
        case ApproveCampaign():
            return "approve-campaign", 0
        case StartCampaign():
            return "start-campaign", 0
        case StopCampaign():
            return "stop-campaign", 0
        case DeleteCampaign():
            return "delete-campaign", 0
        case DeletePackage():
            return "delete-package", 0
        case _:
            assert_never(action)
