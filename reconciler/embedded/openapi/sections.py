"""The table: what each section of the reference says beyond method, path and permission.

Tests: `tests/embedded/test_embedded_openapi.py`.
"""

# ruff: noqa: E501 - a table reads best with a row a line

from dataclasses import dataclass
from typing import Final

CAMPAIGNS, GATEWAYS, PACKAGES = "Campaigns", "Gateways", "Packages"


@dataclass(frozen=True, slots=True)
class Section:
    """One section: its operation, title and tag; schemas of body and answer; the parameters of its query.

    `conflicts`: it may be refused with 409, for the status or because it has happened.
    """

    operation: str
    title: str
    tag: str
    body: str | None
    answer: str
    query: tuple[str, ...] = ()
    conflicts: bool = False
    text: str = ""


_PAGE: Final = ("page.number", "page.size", "page.sort")
_FILTERS: Final = (
    "id", "name", "status", "preDeliveryCallback", "postDeliveryCallback", "description", "creationTime", "packages",
)  # fmt: skip

# fmt: off
SECTIONS: Final = (
    Section("create-campaign", "Create Campaign", CAMPAIGNS, "CampaignSpec", "Created"),
    Section("edit-campaign", "Edit Campaign", CAMPAIGNS, "CampaignEdit", "Created", conflicts=True, text="Replaces all of the campaign's fields."),
    Section("delete-campaign", "Delete Campaign", CAMPAIGNS, None, "Empty", conflicts=True),
    Section("get-campaign", "Get Campaign", CAMPAIGNS, None, "Campaign"),
    Section("start-campaign", "Start Campaign by ID", CAMPAIGNS, "CampaignId", "Empty", conflicts=True),
    Section("stop-campaign", "Stop Campaign by ID", CAMPAIGNS, "CampaignId", "Empty", conflicts=True),
    Section("approve-campaign", "Approve Campaign by ID", CAMPAIGNS, "CampaignId", "Empty", conflicts=True),
    Section("register-completed-callback", "Register Completed Callback", CAMPAIGNS, "Callback", "Empty", text="The callback runs after the OTA process ends for the campaign, and after adding every gateway to the campaign."),
    Section("register-wake-up-callback", "Register Wake Up Callback", CAMPAIGNS, "Callback", "Empty", text="The callback is triggered whenever the server needs to notify a gateway about running a command."),
    Section("notify-gateway", "Notify Gateway", GATEWAYS, "GatewayId", "Empty", text="Notify a gateway in the campaign to request or get tasks."),
    Section("assign-gateway-packages", "Assign Update Packages for the Target Gateway", GATEWAYS, "GatewayPackages", "Empty", text="Overrides the packages of the campaign for this gateway."),
    Section("get-gateway-packages", "Get Updated Package Information for the Gateway in the Campaign", GATEWAYS, None, "Packages"),
    Section("list-gateways", "Get Gateways Added to the Campaign", GATEWAYS, None, "Gateways", query=_PAGE),
    Section("list-campaigns", "List Campaigns", CAMPAIGNS, None, "Campaigns", query=(*_FILTERS, *_PAGE)),
    Section("add-gateways", "Add Gateways to a Campaign", GATEWAYS, "GatewayIds", "Empty", conflicts=True),
    Section("remove-gateways", "Remove Gateways in a Campaign", GATEWAYS, "GatewayIds", "Empty", text="Removes the gateways that it names, and keeps the others."),
    Section("set-distribution-list", "Set Campaign Distribution List", CAMPAIGNS, "DistributionList", "Empty"),
    Section("get-distribution-list", "Get Campaign Distribution List", CAMPAIGNS, None, "DistributionList"),
    Section("schedule-download", "Schedule Download", GATEWAYS, "Window", "Empty", text="Schedule a download of the update packages for a gateway in the campaign."),
    Section("schedule-activation", "Schedule Activation", GATEWAYS, "Window", "Empty", text="Schedule activation of the update packages for the gateway in a campaign."),
    Section("schedule-execution", "Schedule Execution", GATEWAYS, "Window", "Empty", text="Schedule execution of the update packages for the gateway in a campaign."),
    Section("close-gateway", "Close Campaign for a Gateway", GATEWAYS, "GatewayId", "Empty", conflicts=True),
    Section("get-gateway-state", "Get Campaign State", GATEWAYS, None, "GatewayState", text="Get the state of a specific gateway in the campaign."),
    Section("register-state-change-callback", "Register State Change Callback", CAMPAIGNS, "StateChangeCallback", "Empty", text="The callback runs when there is a change in the state of the gateway in the campaign."),
    Section("register-execution-progress-callback", "Register Execution Progress Callback", CAMPAIGNS, "Callback", "Empty", text="The callback runs when the execution progress is set."),
    Section("register-download-progress-callback", "Register Download Progress Callback", CAMPAIGNS, "Callback", "Empty", text="The callback runs when the download progress is set."),
    Section("get-execution-progress", "Get Execution Progress", GATEWAYS, None, "ExecutionProgress"),
    Section("get-download-progress", "Get Download Progress", GATEWAYS, None, "DownloadProgress"),
    Section("get-active-campaigns", "Get Active Campaigns for a Gateway", GATEWAYS, None, "CampaignIds"),
    Section("get-campaign-status", "Get Overall Campaign Status", CAMPAIGNS, None, "CampaignStatus"),
    Section("get-gateway-status", "Get Campaign Status Per Gateway", GATEWAYS, None, "GatewayStatus"),
    Section("get-campaign-counts", "Get Campaign Count by Status", CAMPAIGNS, None, "CampaignCounts"),
    Section("get-package", "Get Package Information", PACKAGES, None, "Package"),
    Section("list-packages", "List Packages", PACKAGES, None, "PackageList", query=("name", *_PAGE)),
    Section("delete-package", "Delete a Package", PACKAGES, None, "Empty", conflicts=True),
    Section("upload-package", "Upload Package Multipart", PACKAGES, "Upload", "Created", text="The request size is limited to 1 GB."),
    Section("stream-package", "Upload Package Streaming", PACKAGES, None, "Created", query=("description",), text="The body is the file, of any size."),
    Section("run-on-things", "Run a Campaign on Thing Devices", GATEWAYS, "GatewayThings", "Empty"),
)
# fmt: on
