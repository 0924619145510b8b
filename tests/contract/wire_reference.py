"""The API reference, typed in section by section: what is printed there, and nothing else.

`sends` and `answers` are the printed examples. A key ``additionalProp…`` stands for any key. Where the print
can't be meant so, the field holds it all the same, and `MEANT` says how it is read.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

Json = Any


@dataclass(frozen=True, slots=True)
class Section:
    """A section: its heading, the permission it asks for, method and path, input and output examples.

    ``optional``: what may be left out of a body, and what a query may hold. None: nothing is printed.
    """

    heading: str
    permission: str | None
    method: str
    path: str
    sends: Json = None
    answers: Json = None
    optional: frozenset[str] = frozenset()


_NOTHING: Final[Json] = {}

REFERENCE: Final[Mapping[str, Section]] = {
    "create-campaign": Section(
        "Create Campaign",
        "Create Campaign",
        "POST",
        "/api/campaigns",
        sends={
            "name": "string",
            "description": "string",
            "packages": ["string"],
            "campaignSettings": {
                "settings": {
                    "additionalProp1": "string",
                    "additionalProp2": "string",
                    "additionalProp3": "string",
                }
            },
        },
        answers={"uuid": "string"},
        optional=frozenset({"description", "packages", "campaignSettings"}),
    ),
    "edit-campaign": Section(
        "Edit Campaign",
        "Edit Campaign",
        "PUT",
        "/api/campaigns/{campaign_id}",
        sends={
            "updateSpec": {
                "name": "string",
                "description": "string",
                "packages": ["string"],
                "campaignSettings": {
                    "settings": {
                        "additionalProp1": "string",
                        "additionalProp2": "string",
                        "additionalProp3": "string",
                    }
                },
            },
            "campaignId": "string",
        },
        answers={"uuid": "string"},
    ),
    "delete-campaign": Section(
        "Delete Campaign",
        "Delete Campaign",
        "DELETE",
        "/api/campaigns/{campaign_id}",
        answers=_NOTHING,
    ),
    "get-campaign": Section(
        "Get Campaign",
        "View Campaign",
        "GET",
        "/api/campaigns/{campaign_id}",
        answers={
            "status": "string",
            "name": "string",
            "creationTime": "string",
            "packages": {"packages": ["string"]},
            "id": "string",
            "description": "string",
        },
    ),
    "start-campaign": Section(
        "Start Campaign by ID",
        "Start Campaign",
        "PUT",
        "/api/campaigns/{campaign_id}/start",
        sends={"campaignId": "string"},
        answers=_NOTHING,
    ),
    "stop-campaign": Section(
        "Stop Campaign by ID",
        "Stop Campaign",
        "PUT",
        "/api/campaigns/{campaign_id}/stop",
        sends={"campaignId": "string"},
        answers=_NOTHING,
    ),
    "approve-campaign": Section(
        "Approve Campaign by ID",
        "Approve Campaign",
        "PUT",
        "/api/campaigns/{campaign_id}/approve",
        sends={"campaignId": "string"},
        answers=_NOTHING,
    ),
    "register-completed-callback": Section(
        "Register Completed Callback",
        "Edit Campaign",
        "PUT",
        "/api/campaigns/{campaign_id}/callbacks/completed",
        sends={"notificationDestinationId": "string", "campaignId": "string"},
        answers=_NOTHING,
    ),
    "register-wake-up-callback": Section(
        "Register Wake Up Callback",
        "Edit Campaign",
        "PUT",
        "/api/campaigns/{campaign_id}/callbacks/wake-up",
        sends={"notificationDestinationId": "string", "campaignId": "string"},
        answers=_NOTHING,
    ),
    "notify-gateway": Section(
        "Notify Gateway",
        "Edit Campaign",
        "PUT",
        "/api/campaigns/{campaign_id}/devices/{gateway_id}/notify",
        sends={"gatewayId": "string", "campaignId": "string"},
        answers=_NOTHING,
    ),
    "assign-gateway-packages": Section(
        "Assign Update Packages for the Target Gateway",
        "Edit Campaign",
        "PUT",
        "/api/campaigns/{campaign_id}/devices/{gateway_id}/packages",
        sends={"gatewayId": "string", "packages": ["string"], "campaignId": "string"},
        answers=_NOTHING,
    ),
    "get-gateway-packages": Section(
        "Get Updated Package Information for the Gateway in the Campaign",
        "View Campaign",
        "GET",
        "/api/campaigns/{campaign_id}/devices/{gateway_id}/packages",
        answers={"packages": ["string"]},
    ),
    "list-gateways": Section(
        "Get Gateways Added to the Campaign",
        "View Campaign",
        "GET",
        "/api/campaigns/{campaign_id}/devices",
        answers={
            "pageResponse": {"totalPages": "string", "totalElements": "string", "page": 0, "pageSize": 0},
            "gateways": [{"gatewayId": "string", "state": "string", "closed": True}],
        },
    ),
    "list-campaigns": Section(
        "List Campaigns",
        "View Campaign",
        "GET",
        "/api/campaigns",
        answers={
            "name": "name-of-the-campaign",
            "status": "status-of-campaign (STARTED|CREATED|STOPPED)",
            "page": {"number": 0, "size": 0, "sort": "sort-direction"},
        },
        optional=frozenset(
            {
                "id",
                "name",
                "status",
                "preDeliveryCallback",
                "postDeliveryCallback",
                "description",
                "creationTime",
                "packages",
            }
        ),
    ),
    "add-gateways": Section(
        "Add Gateways to a Campaign",
        "Edit Campaign",
        "POST",
        "/api/campaigns/{campaign_id}/devices",
        sends={"gatewayIds": ["string"], "campaignId": "string"},
        answers=_NOTHING,
    ),
    "remove-gateways": Section(
        "Remove Gateways in a Campaign",
        "Edit Campaign",
        "PUT",
        "/api/campaigns/{campaign_id}/devices",
        sends={"gatewayIds": ["string"], "campaignId": "string"},
        answers=_NOTHING,
    ),
    "set-distribution-list": Section(
        "Set Campaign Distribution List",
        "Edit Campaign",
        "PUT",
        "/api/campaigns/{campaign_id}/distribution-list",
        sends={
            "distributionListId": "string",
            "reevaluationIntervalSeconds": "string",
            "campaignId": "string",
        },
        answers=_NOTHING,
    ),
    "get-distribution-list": Section(
        "Get Campaign Distribution List",
        "View Campaign",
        "GET",
        "/api/campaigns/{campaign_id}/distribution-list",
        answers={
            "distributionListId": "string",
            "reevaluationIntervalSeconds": "string",
            "campaignId": "string",
        },
    ),
    "schedule-download": Section(
        "Schedule Download",
        "Schedule Campaign",
        "PUT",
        "/api/campaigns/{campaign_id}/devices/{gateway_id}/scheduled-download",
        sends={"begin": "string", "end": "string"},
        answers=_NOTHING,
    ),
    "schedule-activation": Section(
        "Schedule Activation",
        "Schedule Campaign",
        "PUT",
        "/api/campaigns/{campaign_id}/devices/{gateway_id}/scheduled-activation",
        sends={"begin": "string", "end": "string"},
        answers=_NOTHING,
    ),
    "schedule-execution": Section(
        "Schedule Execution",
        "Schedule Campaign",
        "PUT",
        "api/campaigns/{campaign_id}/devices/{gateway_id}/scheduled-execution",
        sends={"begin": "string", "end": "string"},
        answers=_NOTHING,
    ),
    "close-gateway": Section(
        "Close Campaign for a Gateway",
        "Edit Campaign",
        "PUT",
        "/api/campaigns/{campaign_id}/devices/{gateway_id}/close",
        sends={"gatewayId": "string", "campaignId": "string"},
        answers=_NOTHING,
    ),
    "get-gateway-state": Section(
        "Get Campaign State",
        "View Campaign",
        "GET",
        "/api/campaigns/{campaign_id}/devices/{gateway_id}/state",
        answers={"state": "string"},
    ),
    "register-state-change-callback": Section(
        "Register State Change Callback",
        "Edit Campaign",
        "PUT",
        "/api/campaigns/{campaign_id}/callbacks/state-change",
        sends={"notificationDestinationId": "string", "trackedStates": ["string"], "campaignId": "string"},
        answers=_NOTHING,
    ),
    "register-execution-progress-callback": Section(
        "Register Execution Progress Callback",
        "Edit Campaign",
        "PUT",
        "/api/campaigns/{campaign_id}/callbacks/execution-progress",
        sends={"notificationDestinationId": "string", "campaignId": "string"},
        answers=_NOTHING,
    ),
    "register-download-progress-callback": Section(
        "Register Download Progress Callback",
        "Edit Campaign",
        "PUT",
        "/api/campaigns/{campaign_id}/callbacks/download-progress",
        sends={"notificationDestinationId": "string", "campaignId": "string"},
        answers=_NOTHING,
    ),
    "get-execution-progress": Section(
        "Get Execution Progress",
        "View Campaign",
        "GET",
        "api/campaigns/{campaign_id}/devices/{gateway_id}/progress/execution",
        answers={"progress": ["string"]},
    ),
    "get-download-progress": Section(
        "Get Download Progress",
        "View Campaign",
        "GET",
        "/api/campaigns/{campaign_id}/devices/{gateway_id}/progress/download",
        answers={"packagesProgress": [{"progress": "string", "total": "string", "id": "string"}]},
    ),
    "get-active-campaigns": Section(
        "Get Active Campaigns for a Gateway",
        "View Campaign",
        "GET",
        "/api/devices/{gateway_id}/active-campaigns",
        answers={"campaignId": ["string"]},
    ),
    "get-campaign-status": Section(
        "Get Overall Campaign Status",
        "View Campaign",
        "GET",
        "/api/campaigns/{campaign_id}/status",
        answers={
            "status": "string",
            "name": "string",
            "campaignId": "string",
            "numberOfGatewaysInActivationCompleteState": "string",
            "numberOfGatewaysInExecutionCompleteState": "string",
            "creationTime": "string",
            "modificationTime": "string",
            "totalNumberOfGateways": "string",
            "totalNumberOfPackages": "string",
            "numberOfGatewaysInDownloadCompleteState": "string",
            "description": "string",
        },
    ),
    "get-gateway-status": Section(
        "Get Campaign Status Per Gateway",
        "View Campaign",
        "GET",
        "/api/campaigns/{campaign_id}/devices/{gateway_id}/status",
        answers={
            "campaignId": "string",
            "campaignState": {"state": "string"},
            "timestamp": "string",
            "downloadProgress": {
                "packagesProgress": [{"progress": "string", "total": "string", "id": "string"}]
            },
            "executionProgress": ["string"],
            "gatewayId": "string",
        },
    ),
    "get-campaign-counts": Section(
        "Get Campaign Count by Status",
        "View Campaign",
        "GET",
        "/api/campaign-status/campaigns",
        answers={
            "aprovedNotStartedCount": "string",
            "startedCount": "string",
            "stoppedCount": "string",
            "waitingApprovalCount": "string",
            "noApprovalNeededReadyToStartCount": "string",
        },
    ),
    "get-package": Section(
        "Get Package Information",
        "View Package",
        "GET",
        "/api/programs/{uuid}/file-info",
        answers={
            "description": "string",
            "id": "string",
            "createdBy": "string",
            "createdOn": "string",
            "name": "string",
        },
    ),
    "list-packages": Section(
        "List Packages",
        "View Package",
        "GET",
        "/api/programs",
        answers={
            "description": "string",
            "id": "string",
            "createdBy": "string",
            "createdOn": "string",
            "name": "string",
        },
        optional=frozenset({"name", "page.number", "page.size", "page.sort"}),
    ),
    "delete-package": Section(
        "Delete a Package",
        "Delete Package",
        "DELETE",
        "/api/programs/{uuid}",
        answers=_NOTHING,
    ),
    "upload-package": Section(
        "Upload Package Multipart",
        "Create Package",
        "POST",
        "/api/programs/",
        sends={"description": "A"},
        answers={"uuid": "string"},
        optional=frozenset({"description"}),
    ),
    "stream-package": Section(
        "Upload Package Streaming",
        "Create Package",
        "POST",
        "/api/programs/",
        sends={"description": "A"},
        answers={"uuid": "string"},
        optional=frozenset({"description"}),
    ),
    "run-on-things": Section(
        "Run a Campaign on Thing Devices",
        None,
        "POST",
        "/{campaign_id}/devices/things",
        sends={"gateway_things": [{"gateway_id": "gw1_id", "thing_ids": ["thing1_id", "thing2_id"]}]},
    ),
}

MEANT: Final[Mapping[str, str]] = {
    # Two paths lack the slash that they begin with, one its whole prefix.
    "schedule-execution": "/api/campaigns/{campaign_id}/devices/{gateway_id}/scheduled-execution",
    "get-execution-progress": "/api/campaigns/{campaign_id}/devices/{gateway_id}/progress/execution",
    "run-on-things": "/api/campaigns/{campaign_id}/devices/things",
}
"""Paths that are printed in a way that can't be called."""

PAGING: Final = frozenset({"page.number", "page.size"})
"""How a page is asked for. The reference names it for packages; the two other lists answer pages as well."""

UPLOADS: Final = frozenset({"upload-package", "stream-package"})
"""Their bodies are no JSON: the printed ``{"description": "A"}`` is a part of the form, or the query."""

ROWS: Final[Mapping[str, str]] = {"list-campaigns": "campaigns", "list-packages": "programs"}
"""Lists whose answer is printed as one row (and as a page): where the rows stand."""


def path_of(operation: str) -> str:
    """The path, as it is meant."""
    return MEANT.get(operation, REFERENCE[operation].path)


def permission_of(operation: str) -> str | None:
    """The permission in the server's spelling."""
    printed = REFERENCE[operation].permission
    return printed and printed.upper().replace(" ", "_")


def differences(
    example: Json, value: Json, *, optional: frozenset[str] = frozenset(), at: str = "$"
) -> Iterator[str]:
    """Where `value` hasn't the shape of `example`: other keys, other JSON types, or a list without items."""
    if type(example) is not type(value):
        yield f"{at}: {type(value).__name__} in place of {type(example).__name__}"
    elif isinstance(example, dict):
        free = example.get("additionalProp1")
        for key in sorted(example.keys() - value.keys()) if free is None else ():
            if key not in optional:
                yield f"{at}.{key}: missing"
        for key, item in value.items():
            if free is None and key not in example:
                yield f"{at}.{key}: not in the reference"
            else:
                yield from differences(example.get(key, free), item, optional=optional, at=f"{at}.{key}")
    elif isinstance(example, list):
        if not value:
            yield f"{at}: an empty list shows nothing"
        for number, item in enumerate(value):
            yield from differences(example[0], item, optional=optional, at=f"{at}[{number}]")
