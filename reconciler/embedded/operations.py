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
class Endpoint:
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
    Endpoint("create-campaign", "POST", _CAMPAIGNS, "CREATE_CAMPAIGN", campaigns.create),
    Endpoint("edit-campaign", "PUT", _CAMPAIGN, _EDIT, campaigns.edit),
    Endpoint("delete-campaign", "DELETE", _CAMPAIGN, "DELETE_CAMPAIGN", campaigns.delete),
    Endpoint("get-campaign", "GET", _CAMPAIGN, _VIEW, campaigns.get),
    Endpoint("start-campaign", "PUT", f"{_CAMPAIGN}/start", "START_CAMPAIGN", campaigns.moved("start")),
    Endpoint("stop-campaign", "PUT", f"{_CAMPAIGN}/stop", "STOP_CAMPAIGN", campaigns.moved("stop")),
    Endpoint(
        "approve-campaign", "PUT", f"{_CAMPAIGN}/approve", "APPROVE_CAMPAIGN", campaigns.moved("approve")
    ),
    Endpoint(
        "register-completed-callback",
        "PUT",
        f"{_CALLBACKS}/completed",
        _EDIT,
        campaigns.register_callback("completed"),
    ),
    Endpoint(
        "register-wake-up-callback",
        "PUT",
        f"{_CALLBACKS}/wake-up",
        _EDIT,
        campaigns.register_callback("wake-up"),
    ),
    Endpoint("notify-gateway", "PUT", f"{_DEVICE}/notify", _EDIT, gateways.notify),
    Endpoint("assign-gateway-packages", "PUT", f"{_DEVICE}/packages", _EDIT, gateways.assign_packages),
    Endpoint("get-gateway-packages", "GET", f"{_DEVICE}/packages", _VIEW, gateways.get_packages),
    Endpoint("list-gateways", "GET", _DEVICES, _VIEW, gateways.listing),
    Endpoint("list-campaigns", "GET", _CAMPAIGNS, _VIEW, campaigns.listing),
    Endpoint("add-gateways", "POST", _DEVICES, _EDIT, gateways.add),
    Endpoint("remove-gateways", "PUT", _DEVICES, _EDIT, gateways.remove),
    Endpoint("set-distribution-list", "PUT", _LIST, _EDIT, campaigns.set_distribution_list),
    Endpoint("get-distribution-list", "GET", _LIST, _VIEW, campaigns.get_distribution_list),
    Endpoint(
        "schedule-download", "PUT", f"{_DEVICE}/scheduled-download", _SCHEDULE, gateways.scheduled("download")
    ),
    Endpoint(
        "schedule-activation",
        "PUT",
        f"{_DEVICE}/scheduled-activation",
        _SCHEDULE,
        gateways.scheduled("activation"),
    ),
    Endpoint(
        "schedule-execution",
        "PUT",
        f"{_DEVICE}/scheduled-execution",
        _SCHEDULE,
        gateways.scheduled("execution"),
    ),
    Endpoint("close-gateway", "PUT", f"{_DEVICE}/close", _EDIT, gateways.close),
    Endpoint("get-gateway-state", "GET", f"{_DEVICE}/state", _VIEW, gateways.state),
    Endpoint(
        "register-state-change-callback",
        "PUT",
        f"{_CALLBACKS}/state-change",
        _EDIT,
        campaigns.register_callback("state-change"),
    ),
    Endpoint(
        "register-execution-progress-callback",
        "PUT",
        f"{_CALLBACKS}/execution-progress",
        _EDIT,
        campaigns.register_callback("execution-progress"),
    ),
    Endpoint(
        "register-download-progress-callback",
        "PUT",
        f"{_CALLBACKS}/download-progress",
        _EDIT,
        campaigns.register_callback("download-progress"),
    ),
    Endpoint(
        "get-execution-progress", "GET", f"{_DEVICE}/progress/execution", _VIEW, gateways.execution_progress
    ),
    Endpoint(
        "get-download-progress", "GET", f"{_DEVICE}/progress/download", _VIEW, gateways.download_progress
    ),
    Endpoint(
        "get-active-campaigns",
        "GET",
        "/api/devices/{gateway_id}/active-campaigns",
        _VIEW,
        gateways.active_campaigns,
    ),
    Endpoint("get-campaign-status", "GET", f"{_CAMPAIGN}/status", _VIEW, campaigns.status),
    Endpoint("get-gateway-status", "GET", f"{_DEVICE}/status", _VIEW, gateways.status),
    Endpoint("get-campaign-counts", "GET", "/api/campaign-status/campaigns", _VIEW, campaigns.counts),
    Endpoint("get-package", "GET", f"{_PROGRAMS}/{{uuid}}/file-info", "VIEW_PACKAGE", packages.get),
    Endpoint("list-packages", "GET", _PROGRAMS, "VIEW_PACKAGE", packages.listing),
    Endpoint("delete-package", "DELETE", f"{_PROGRAMS}/{{uuid}}", "DELETE_PACKAGE", packages.delete),
    Endpoint(
        "upload-package",
        "POST",
        f"{_PROGRAMS}/",
        "CREATE_PACKAGE",
        raw=packages.upload_multipart,
        content="multipart/",
    ),
    Endpoint("stream-package", "POST", f"{_PROGRAMS}/", "CREATE_PACKAGE", raw=packages.upload_stream),
    Endpoint("run-on-things", "POST", f"{_DEVICES}/things", None, gateways.run_on_things),
)

# Beyond the chapter: versions and sign-in.
ACCESS: Final = (
    Endpoint("get-versions", "GET", "/api/versions", None, access.versions, needs_token=False),
    Endpoint("get-tokens", "GET", "/api/tokens", None, access.tokens, needs_token=False),
)

_NAMES: Final = frozenset(operation.name for operation in (*API, *ACCESS))

CONTROL: Final = (
    Endpoint("get-faults", "GET", "/_embedded/faults", None, rehearsal.get_faults),
    Endpoint("put-faults", "PUT", "/_embedded/faults", None, rehearsal.put_faults(_NAMES)),
    Endpoint("delete-faults", "DELETE", "/_embedded/faults", None, rehearsal.delete_faults),
    Endpoint("get-dialect", "GET", "/_embedded/dialect", None, rehearsal.get_dialect),
    Endpoint("put-dialect", "PUT", "/_embedded/dialect", None, rehearsal.put_dialect),
    Endpoint(
        "get-openapi", "GET", "/_embedded/openapi.json", None, rehearsal.get_openapi(API), needs_token=False
    ),
    Endpoint("get-settings", "GET", "/_embedded/settings", None, control.get_settings),
    Endpoint("put-settings", "PUT", "/_embedded/settings", None, control.put_settings),
    Endpoint("get-calls", "GET", "/_embedded/calls", None, control.get_calls),
    Endpoint("delete-calls", "DELETE", "/_embedded/calls", None, control.delete_calls),
    Endpoint("revoke-tokens", "DELETE", "/_embedded/tokens", None, control.revoke_tokens),
    Endpoint("put-tokens", "PUT", "/_embedded/tokens", None, simulation.put_tokens),
    Endpoint("get-clock", "GET", "/_embedded/clock", None, simulation.get_clock),
    Endpoint("put-clock", "PUT", "/_embedded/clock", None, simulation.put_clock),
    Endpoint("step-clock", "POST", "/_embedded/clock/step", None, raw=simulation.step_clock),
    Endpoint("get-simulation", "GET", "/_embedded/simulation", None, simulation.get_simulation),
    Endpoint("put-simulation", "PUT", "/_embedded/simulation", None, simulation.put_simulation),
    Endpoint("get-inventory", "GET", "/_embedded/inventory", None, simulation.get_inventory),
    Endpoint("put-inventory", "PUT", "/_embedded/inventory", None, simulation.put_inventory),
    Endpoint("post-inventory", "POST", "/_embedded/inventory", None, simulation.post_inventory),
    Endpoint("get-list", "GET", "/_embedded/distribution-lists/{list_id}", None, simulation.get_list),
    Endpoint("put-list", "PUT", "/_embedded/distribution-lists/{list_id}", None, simulation.put_list),
    Endpoint("get-destinations", "GET", "/_embedded/destinations", None, simulation.get_destinations),
    Endpoint(
        "put-destination", "PUT", "/_embedded/destinations/{destination_id}", None, simulation.put_destination
    ),
    Endpoint("get-deliveries", "GET", "/_embedded/deliveries", None, simulation.get_deliveries),
    Endpoint("delete-deliveries", "DELETE", "/_embedded/deliveries", None, simulation.delete_deliveries),
    Endpoint("inspect-campaign", "GET", "/_embedded/campaigns/{campaign_id}", None, control.get_campaign),
    Endpoint(
        "inspect-gateway",
        "GET",
        "/_embedded/campaigns/{campaign_id}/devices/{gateway_id}",
        None,
        control.get_gateway,
    ),
    Endpoint(
        "put-gateway",
        "PUT",
        "/_embedded/campaigns/{campaign_id}/devices/{gateway_id}",
        None,
        control.put_gateway,
    ),
    Endpoint("inspect-package", "GET", "/_embedded/programs/{uuid}", None, control.get_package),
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
