"""The 38 operations of the API reference: one row each, named as plans and audits name them.

The permission is the one that the section names, in the server's spelling. `Repeat` says how an
operation may be sent again after an unclear answer.
"""

# ruff: noqa: E501 - a table reads best with a row a line

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from reconciler.model import CallbackEvent, Operation, Repeat, SchedulePhase

_CAMPAIGN: Final = "/api/campaigns/{campaign_id}"
_GATEWAY: Final = _CAMPAIGN + "/devices/{gateway_id}"

_IDEMPOTENT, _VERIFY, _NEVER = Repeat.IDEMPOTENT, Repeat.VERIFY_FIRST, Repeat.NEVER

# fmt: off
_ROWS: Final = (
    Operation("create-campaign", "POST", "/api/campaigns", "Create Campaign", ("CREATE_CAMPAIGN",), _VERIFY),
    Operation("edit-campaign", "PUT", _CAMPAIGN, "Edit Campaign", ("EDIT_CAMPAIGN",), _IDEMPOTENT),
    Operation("delete-campaign", "DELETE", _CAMPAIGN, "Delete Campaign", ("DELETE_CAMPAIGN",), _VERIFY, destructive=True),
    Operation("get-campaign", "GET", _CAMPAIGN, "Get Campaign", ("VIEW_CAMPAIGN",), _IDEMPOTENT),
    Operation("start-campaign", "PUT", _CAMPAIGN + "/start", "Start Campaign by ID", ("START_CAMPAIGN",), _VERIFY),
    Operation("stop-campaign", "PUT", _CAMPAIGN + "/stop", "Stop Campaign by ID", ("STOP_CAMPAIGN",), _VERIFY),
    Operation("approve-campaign", "PUT", _CAMPAIGN + "/approve", "Approve Campaign by ID", ("APPROVE_CAMPAIGN",), _VERIFY),
    Operation("register-completed-callback", "PUT", _CAMPAIGN + "/callbacks/completed", "Register Completed Callback", ("EDIT_CAMPAIGN",), _IDEMPOTENT),
    Operation("register-wake-up-callback", "PUT", _CAMPAIGN + "/callbacks/wake-up", "Register Wake Up Callback", ("EDIT_CAMPAIGN",), _IDEMPOTENT),
    Operation("notify-gateway", "PUT", _GATEWAY + "/notify", "Notify Gateway", ("EDIT_CAMPAIGN",), _NEVER),
    Operation("assign-gateway-packages", "PUT", _GATEWAY + "/packages", "Assign Update Packages for the Target Gateway", ("EDIT_CAMPAIGN",), _IDEMPOTENT),
    Operation("get-gateway-packages", "GET", _GATEWAY + "/packages", "Get Updated Package Information for the Gateway in the Campaign", ("VIEW_CAMPAIGN",), _IDEMPOTENT),
    Operation("list-gateways", "GET", _CAMPAIGN + "/devices", "Get Gateways Added to the Campaign", ("VIEW_CAMPAIGN",), _IDEMPOTENT),
    Operation("list-campaigns", "GET", "/api/campaigns", "List Campaigns", ("VIEW_CAMPAIGN",), _IDEMPOTENT),
    Operation("add-gateways", "POST", _CAMPAIGN + "/devices", "Add Gateways to a Campaign", ("EDIT_CAMPAIGN",), _VERIFY),
    Operation("remove-gateways", "PUT", _CAMPAIGN + "/devices", "Remove Gateways in a Campaign", ("EDIT_CAMPAIGN",), _VERIFY, destructive=True),
    Operation("set-distribution-list", "PUT", _CAMPAIGN + "/distribution-list", "Set Campaign Distribution List", ("EDIT_CAMPAIGN",), _IDEMPOTENT),
    Operation("get-distribution-list", "GET", _CAMPAIGN + "/distribution-list", "Get Campaign Distribution List", ("VIEW_CAMPAIGN",), _IDEMPOTENT),
    Operation("schedule-download", "PUT", _GATEWAY + "/scheduled-download", "Schedule Download", ("SCHEDULE_CAMPAIGN",), _IDEMPOTENT),
    Operation("schedule-activation", "PUT", _GATEWAY + "/scheduled-activation", "Schedule Activation", ("SCHEDULE_CAMPAIGN",), _IDEMPOTENT),
    Operation("schedule-execution", "PUT", _GATEWAY + "/scheduled-execution", "Schedule Execution", ("SCHEDULE_CAMPAIGN",), _IDEMPOTENT),
    Operation("close-gateway", "PUT", _GATEWAY + "/close", "Close Campaign for a Gateway", ("EDIT_CAMPAIGN",), _VERIFY, destructive=True),
    Operation("get-gateway-state", "GET", _GATEWAY + "/state", "Get Campaign State", ("VIEW_CAMPAIGN",), _IDEMPOTENT),
    Operation("register-state-change-callback", "PUT", _CAMPAIGN + "/callbacks/state-change", "Register State Change Callback", ("EDIT_CAMPAIGN",), _IDEMPOTENT),
    Operation("register-execution-progress-callback", "PUT", _CAMPAIGN + "/callbacks/execution-progress", "Register Execution Progress Callback", ("EDIT_CAMPAIGN",), _IDEMPOTENT),
    Operation("register-download-progress-callback", "PUT", _CAMPAIGN + "/callbacks/download-progress", "Register Download Progress Callback", ("EDIT_CAMPAIGN",), _IDEMPOTENT),
    Operation("get-execution-progress", "GET", _GATEWAY + "/progress/execution", "Get Execution Progress", ("VIEW_CAMPAIGN",), _IDEMPOTENT),
    Operation("get-download-progress", "GET", _GATEWAY + "/progress/download", "Get Download Progress", ("VIEW_CAMPAIGN",), _IDEMPOTENT),
    Operation("get-active-campaigns", "GET", "/api/devices/{gateway_id}/active-campaigns", "Get Active Campaigns for a Gateway", ("VIEW_CAMPAIGN",), _IDEMPOTENT),
    Operation("get-campaign-status", "GET", _CAMPAIGN + "/status", "Get Overall Campaign Status", ("VIEW_CAMPAIGN",), _IDEMPOTENT),
    Operation("get-gateway-status", "GET", _GATEWAY + "/status", "Get Campaign Status Per Gateway", ("VIEW_CAMPAIGN",), _IDEMPOTENT),
    Operation("get-campaign-counts", "GET", "/api/campaign-status/campaigns", "Get Campaign Count by Status", ("VIEW_CAMPAIGN",), _IDEMPOTENT),
    Operation("get-package", "GET", "/api/programs/{package_id}/file-info", "Get Package Information", ("VIEW_PACKAGE",), _IDEMPOTENT),
    Operation("list-packages", "GET", "/api/programs", "List Packages", ("VIEW_PACKAGE",), _IDEMPOTENT),
    Operation("delete-package", "DELETE", "/api/programs/{package_id}", "Delete a Package", ("DELETE_PACKAGE",), _VERIFY, destructive=True),
    Operation("upload-package", "POST", "/api/programs/", "Upload Package Multipart", ("CREATE_PACKAGE",), _VERIFY),
    Operation("stream-package", "POST", "/api/programs/", "Upload Package Streaming", ("CREATE_PACKAGE",), _VERIFY),
    Operation("run-on-things", "POST", _CAMPAIGN + "/devices/things", "Run a Campaign on Thing Devices", (), _NEVER),
)
# fmt: on

OPERATIONS: Final[Mapping[str, Operation]] = MappingProxyType({row.name: row for row in _ROWS})

CALLBACK_OPERATIONS: Final[Mapping[CallbackEvent, str]] = MappingProxyType(
    {
        CallbackEvent.COMPLETED: "register-completed-callback",
        CallbackEvent.WAKE_UP: "register-wake-up-callback",
        CallbackEvent.STATE_CHANGE: "register-state-change-callback",
        CallbackEvent.EXECUTION_PROGRESS: "register-execution-progress-callback",
        CallbackEvent.DOWNLOAD_PROGRESS: "register-download-progress-callback",
    }
)
SCHEDULE_OPERATIONS: Final[Mapping[SchedulePhase, str]] = MappingProxyType(
    {phase: f"schedule-{phase}" for phase in SchedulePhase}
)
