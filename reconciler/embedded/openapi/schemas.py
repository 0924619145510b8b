"""Schemas of requests and answers, from the reference's input examples and responses.

Numbers are decimal strings there, and so they are here. All fields of an answer are required: this is what
the embedded server answers. Another server may leave fields of zero value out, or spell numbers as numbers.

Tests: `tests/embedded/test_embedded_openapi.py`.
"""

from typing import Any, Final

from reconciler.embedded.lifecycle import GATEWAY_STATES, STATUSES

Schema = dict[str, Any]

TEXT: Final[Schema] = {"type": "string"}
DIGITS: Final[Schema] = {"type": "string", "pattern": "^[0-9]{1,18}$"}
_COUNT: Final[Schema] = {**DIGITS, "description": "A count, as a decimal string."}
_TIME: Final[Schema] = {**DIGITS, "description": "Milliseconds of UNIX time, as a decimal string."}
_WHOLE: Final[Schema] = {"type": "integer", "minimum": 0}
_IDS: Final[Schema] = {"type": "array", "items": TEXT}
_FLAG: Final[Schema] = {"type": "boolean"}


def ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _object(note: str = "", optional: tuple[str, ...] = (), /, **fields: Schema) -> Schema:
    """An object whose fields are all required except for `optional`."""
    required = [name for name in fields if name not in optional]
    found: Schema = {"type": "object", "properties": fields, "required": required}
    return {"description": note, **found} if note else found


def _list(of: Schema) -> Schema:
    return {"type": "array", "items": of}


def _some(of: Schema) -> Schema:
    return {**_list(of), "minItems": 1, "uniqueItems": True}


def _callback(**more: Schema) -> Schema:
    return _object(
        notificationDestinationId={**TEXT, "description": "Kept by the server's notification service."},
        **more,
        campaignId=TEXT,
    )


_STATUS: Final[Schema] = {**TEXT, "enum": list(STATUSES)}
_STATE: Final[Schema] = {**TEXT, "enum": list(GATEWAY_STATES)}
_SETTINGS: Final = _object(settings={"type": "object", "additionalProperties": TEXT})

SCHEMAS: Final[dict[str, Schema]] = {
    "Empty": {"type": "object", "description": "Nothing but that it is done."},
    "Error": _object("Why not. Other servers may answer in plain text.", message=TEXT),
    "Created": _object(uuid={**TEXT, "minLength": 1}),
    # --- campaigns
    "CampaignSpec": _object(
        "",
        ("description", "packages", "campaignSettings"),
        name={**TEXT, "minLength": 1},
        description=TEXT,
        packages=_IDS,
        campaignSettings=_SETTINGS,
    ),
    "CampaignEdit": _object(
        updateSpec=_object(
            name={**TEXT, "minLength": 1}, description=TEXT, packages=_IDS, campaignSettings=_SETTINGS
        ),
        campaignId=TEXT,
    ),
    "CampaignId": _object(campaignId=TEXT),
    "Campaign": _object(
        status=_STATUS,
        name=TEXT,
        creationTime=_TIME,
        packages=_object(packages=_IDS),
        id=TEXT,
        description=TEXT,
    ),
    "Page": _object(
        totalPages=_COUNT,
        totalElements=_COUNT,
        page={**_WHOLE, "description": "The number of this page."},
        pageSize=_WHOLE,
    ),
    "Campaigns": _object(
        "The reference names fields of a line and of the query; the frame is that of gateways.",
        pageResponse=ref("Page"),
        campaigns=_list(ref("Campaign")),
    ),
    "CampaignStatus": _object(
        status=_STATUS,
        name=TEXT,
        campaignId=TEXT,
        numberOfGatewaysInActivationCompleteState=_COUNT,
        numberOfGatewaysInExecutionCompleteState=_COUNT,
        creationTime=_TIME,
        modificationTime=_TIME,
        totalNumberOfGateways=_COUNT,
        totalNumberOfPackages=_COUNT,
        numberOfGatewaysInDownloadCompleteState=_COUNT,
        description=TEXT,
    ),
    "CampaignCounts": _object(
        "`aprovedNotStartedCount` is spelled so on the wire.",
        aprovedNotStartedCount=_COUNT,
        startedCount=_COUNT,
        stoppedCount=_COUNT,
        waitingApprovalCount=_COUNT,
        noApprovalNeededReadyToStartCount=_COUNT,
    ),
    "Callback": _callback(),
    "StateChangeCallback": _callback(trackedStates=_list(_STATE)),
    "DistributionList": _object(
        distributionListId={**TEXT, "minLength": 1}, reevaluationIntervalSeconds=DIGITS, campaignId=TEXT
    ),
    # --- gateways
    "GatewayIds": _object(gatewayIds=_some({**TEXT, "minLength": 1}), campaignId=TEXT),
    "GatewayId": _object(gatewayId=TEXT, campaignId=TEXT),
    "GatewayPackages": _object(gatewayId=TEXT, packages=_IDS, campaignId=TEXT),
    "Packages": _object(packages=_IDS),
    "Gateways": _object(
        pageResponse=ref("Page"), gateways=_list(_object(gatewayId=TEXT, state=_STATE, closed=_FLAG))
    ),
    "Window": _object(begin=_TIME, end=_TIME),
    "GatewayState": _object(state=_STATE),
    "ExecutionProgress": _object(progress=_list(TEXT)),
    "DownloadProgress": _object(
        packagesProgress=_list(
            _object(
                progress={**_COUNT, "description": "Bytes so far."},
                total={**_COUNT, "description": "Bytes in all."},
                id=TEXT,
            )
        )
    ),
    "GatewayStatus": _object(
        "",
        ("causedBy",),
        campaignId=TEXT,
        campaignState=ref("GatewayState"),
        timestamp=_TIME,
        downloadProgress=ref("DownloadProgress"),
        executionProgress=_list(TEXT),
        gatewayId=TEXT,
        causedBy={**TEXT, "description": "Why the gateway failed; only when it did."},
    ),
    "CampaignIds": _object(campaignId=_IDS),
    "GatewayThings": _object(
        gateway_things=_some(
            _object(gateway_id={**TEXT, "minLength": 1}, thing_ids=_some({**TEXT, "minLength": 1}))
        )
    ),
    # --- packages
    "Package": _object(description=TEXT, id=TEXT, createdBy=TEXT, createdOn=_TIME, name=TEXT),
    "PackageList": _object(
        "The reference prints one line; the frame is that of gateways.",
        pageResponse=ref("Page"),
        programs=_list(ref("Package")),
    ),
    "Upload": _object(
        "",
        ("description",),
        file={**TEXT, "format": "binary"},
        description={**TEXT, "maxLength": 128},
    ),
}
