"""Every operation of the server: name, method, path and permission as in the API reference, and handler."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from starlette.requests import Request
from starlette.types import Scope

from reconciler.embedded.context import Context
from reconciler.embedded.handlers import access, campaigns, control, gateways, packages, rehearsal, simulation
from reconciler.embedded.wire import Handler, Json

Raw = Callable[[Context, Request], Awaitable[Json]]


@dataclass(frozen=True, slots=True)
class Operation:
    """`content` tells two operations of one method and path apart: what the content type must begin with.

    `raw` stands in the place of `handler` where the request is read, or its transactions are made, in pieces.
    """

    name: str
    method: str
    path: str
    permission: str | None
    handler: Handler | None = None
    raw: Raw | None = None
    content: str = ""
    needs_token: bool = True


_CAMPAIGNS = "/api/campaigns"
_CAMPAIGN = "/api/campaigns/{campaign_id}"
_CALLBACKS = f"{_CAMPAIGN}/callbacks"
_DEVICES = f"{_CAMPAIGN}/devices"
_DEVICE = f"{_DEVICES}/{{gateway_id}}"
_LIST = f"{_CAMPAIGN}/distribution-list"
_PROGRAMS = "/api/programs"

_VIEW = "VIEW_CAMPAIGN"
_EDIT = "EDIT_CAMPAIGN"
_SCHEDULE = "SCHEDULE_CAMPAIGN"

# The 38 sections of the reference, in its order.
API: Final = (
    Operation("create-campaign", "POST", _CAMPAIGNS, "CREATE_CAMPAIGN", campaigns.create),
    Operation("edit-campaign", "PUT", _CAMPAIGN, _EDIT, campaigns.edit),
    Operation("delete-campaign", "DELETE", _CAMPAIGN, "DELETE_CAMPAIGN", campaigns.delete),
    Operation("get-campaign", "GET", _CAMPAIGN, _VIEW, campaigns.get),
    Operation("start-campaign", "PUT", f"{_CAMPAIGN}/start", "START_CAMPAIGN", campaigns.moved("start")),
    Operation("stop-campaign", "PUT", f"{_CAMPAIGN}/stop", "STOP_CAMPAIGN", campaigns.moved("stop")),
    Operation(
        "approve-campaign", "PUT", f"{_CAMPAIGN}/approve", "APPROVE_CAMPAIGN", campaigns.moved("approve")
    ),
    Operation(
        "register-completed-callback",
        "PUT",
        f"{_CALLBACKS}/completed",
        _EDIT,
        campaigns.register_callback("completed"),
    ),
    Operation(
        "register-wake-up-callback",
        "PUT",
        f"{_CALLBACKS}/wake-up",
        _EDIT,
        campaigns.register_callback("wake-up"),
    ),
    Operation("notify-gateway", "PUT", f"{_DEVICE}/notify", _EDIT, gateways.notify),
    Operation("assign-gateway-packages", "PUT", f"{_DEVICE}/packages", _EDIT, gateways.assign_packages),
    Operation("get-gateway-packages", "GET", f"{_DEVICE}/packages", _VIEW, gateways.get_packages),
    Operation("list-gateways", "GET", _DEVICES, _VIEW, gateways.listing),
    Operation("list-campaigns", "GET", _CAMPAIGNS, _VIEW, campaigns.listing),
    Operation("add-gateways", "POST", _DEVICES, _EDIT, gateways.add),
    Operation("remove-gateways", "PUT", _DEVICES, _EDIT, gateways.remove),
    Operation("set-distribution-list", "PUT", _LIST, _EDIT, campaigns.set_distribution_list),
    Operation("get-distribution-list", "GET", _LIST, _VIEW, campaigns.get_distribution_list),
    Operation(
        "schedule-download", "PUT", f"{_DEVICE}/scheduled-download", _SCHEDULE, gateways.scheduled("download")
    ),
    Operation(
        "schedule-activation",
        "PUT",
        f"{_DEVICE}/scheduled-activation",
        _SCHEDULE,
        gateways.scheduled("activation"),
    ),
    Operation(
        "schedule-execution",
        "PUT",
        f"{_DEVICE}/scheduled-execution",
        _SCHEDULE,
        gateways.scheduled("execution"),
    ),
    Operation("close-gateway", "PUT", f"{_DEVICE}/close", _EDIT, gateways.close),
    Operation("get-gateway-state", "GET", f"{_DEVICE}/state", _VIEW, gateways.state),
    Operation(
        "register-state-change-callback",
        "PUT",
        f"{_CALLBACKS}/state-change",
        _EDIT,
        campaigns.register_callback("state-change"),
    ),
    Operation(
        "register-execution-progress-callback",
        "PUT",
        f"{_CALLBACKS}/execution-progress",
        _EDIT,
        campaigns.register_callback("execution-progress"),
    ),
    Operation(
        "register-download-progress-callback",
        "PUT",
        f"{_CALLBACKS}/download-progress",
        _EDIT,
        campaigns.register_callback("download-progress"),
    ),
    Operation(
        "get-execution-progress", "GET", f"{_DEVICE}/progress/execution", _VIEW, gateways.execution_progress
    ),
    Operation(
        "get-download-progress", "GET", f"{_DEVICE}/progress/download", _VIEW, gateways.download_progress
    ),
    Operation(
        "get-active-campaigns",
        "GET",
        "/api/devices/{gateway_id}/active-campaigns",
        _VIEW,
        gateways.active_campaigns,
    ),
    Operation("get-campaign-status", "GET", f"{_CAMPAIGN}/status", _VIEW, campaigns.status),
    Operation("get-gateway-status", "GET", f"{_DEVICE}/status", _VIEW, gateways.status),
    Operation("get-campaign-counts", "GET", "/api/campaign-status/campaigns", _VIEW, campaigns.counts),
    Operation("get-package", "GET", f"{_PROGRAMS}/{{uuid}}/file-info", "VIEW_PACKAGE", packages.get),
    Operation("list-packages", "GET", _PROGRAMS, "VIEW_PACKAGE", packages.listing),
    Operation("delete-package", "DELETE", f"{_PROGRAMS}/{{uuid}}", "DELETE_PACKAGE", packages.delete),
    Operation(
        "upload-package",
        "POST",
        f"{_PROGRAMS}/",
        "CREATE_PACKAGE",
        raw=packages.upload_multipart,
        content="multipart/",
    ),
    Operation("stream-package", "POST", f"{_PROGRAMS}/", "CREATE_PACKAGE", raw=packages.upload_stream),
    Operation("run-on-things", "POST", f"{_DEVICES}/things", None, gateways.run_on_things),
)

# Beyond the chapter: versions and sign-in.
ACCESS: Final = (
    Operation("get-versions", "GET", "/api/versions", None, access.versions, needs_token=False),
    Operation("get-tokens", "GET", "/api/tokens", None, access.tokens, needs_token=False),
)

_NAMES: Final = frozenset(operation.name for operation in (*API, *ACCESS))

CONTROL: Final = (
    Operation("get-faults", "GET", "/_embedded/faults", None, rehearsal.get_faults),
    Operation("put-faults", "PUT", "/_embedded/faults", None, rehearsal.put_faults(_NAMES)),
    Operation("delete-faults", "DELETE", "/_embedded/faults", None, rehearsal.delete_faults),
    Operation("get-dialect", "GET", "/_embedded/dialect", None, rehearsal.get_dialect),
    Operation("put-dialect", "PUT", "/_embedded/dialect", None, rehearsal.put_dialect),
    Operation(
        "get-openapi", "GET", "/_embedded/openapi.json", None, rehearsal.get_openapi(API), needs_token=False
    ),
    Operation("get-settings", "GET", "/_embedded/settings", None, control.get_settings),
    Operation("put-settings", "PUT", "/_embedded/settings", None, control.put_settings),
    Operation("get-calls", "GET", "/_embedded/calls", None, control.get_calls),
    Operation("delete-calls", "DELETE", "/_embedded/calls", None, control.delete_calls),
    Operation("revoke-tokens", "DELETE", "/_embedded/tokens", None, control.revoke_tokens),
    Operation("put-tokens", "PUT", "/_embedded/tokens", None, simulation.put_tokens),
    Operation("get-clock", "GET", "/_embedded/clock", None, simulation.get_clock),
    Operation("put-clock", "PUT", "/_embedded/clock", None, simulation.put_clock),
    Operation("step-clock", "POST", "/_embedded/clock/step", None, raw=simulation.step_clock),
    Operation("get-simulation", "GET", "/_embedded/simulation", None, simulation.get_simulation),
    Operation("put-simulation", "PUT", "/_embedded/simulation", None, simulation.put_simulation),
    Operation("get-inventory", "GET", "/_embedded/inventory", None, simulation.get_inventory),
    Operation("put-inventory", "PUT", "/_embedded/inventory", None, simulation.put_inventory),
    Operation("post-inventory", "POST", "/_embedded/inventory", None, simulation.post_inventory),
    Operation("get-list", "GET", "/_embedded/distribution-lists/{list_id}", None, simulation.get_list),
    Operation("put-list", "PUT", "/_embedded/distribution-lists/{list_id}", None, simulation.put_list),
    Operation("get-destinations", "GET", "/_embedded/destinations", None, simulation.get_destinations),
    Operation(
        "put-destination", "PUT", "/_embedded/destinations/{destination_id}", None, simulation.put_destination
    ),
    Operation("get-deliveries", "GET", "/_embedded/deliveries", None, simulation.get_deliveries),
    Operation("delete-deliveries", "DELETE", "/_embedded/deliveries", None, simulation.delete_deliveries),
    Operation("inspect-campaign", "GET", "/_embedded/campaigns/{campaign_id}", None, control.get_campaign),
    Operation(
        "inspect-gateway",
        "GET",
        "/_embedded/campaigns/{campaign_id}/devices/{gateway_id}",
        None,
        control.get_gateway,
    ),
    Operation(
        "put-gateway",
        "PUT",
        "/_embedded/campaigns/{campaign_id}/devices/{gateway_id}",
        None,
        control.put_gateway,
    ),
    Operation("inspect-package", "GET", "/_embedded/programs/{uuid}", None, control.get_package),
)


def finder() -> Callable[[Scope], str | None]:
    """Tells which operation of the API a request is; None: a control, or nothing that there is."""
    rows = [
        (one, re.compile(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(one.path.rstrip("/"))) + "/?"))
        for one in (*API, *ACCESS)
    ]

    def find(scope: Scope) -> str | None:
        path = scope["raw_path"].decode("ascii", "replace")
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        content = dict(scope["headers"]).get(b"content-type", b"").decode("latin-1").lower()
        return next(
            (
                one.name
                for one, pattern in rows
                if one.method == method and content.startswith(one.content) and pattern.fullmatch(path)
            ),
            None,
        )

    return find
