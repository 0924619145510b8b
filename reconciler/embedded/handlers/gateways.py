"""Operations on the gateways of a campaign."""

from contextlib import nullcontext

from reconciler.embedded.errors import CallRefused
from reconciler.embedded.handlers.campaigns import campaign_of
from reconciler.embedded.lifecycle import STARTED
from reconciler.embedded.simulation.world import world_of
from reconciler.embedded.tables import gateways, packages, settings
from reconciler.embedded.tables.campaigns import Campaign
from reconciler.embedded.tables.gateways import Gateway
from reconciler.embedded.wire import (
    Handler,
    Json,
    ReceivedCall,
    digits,
    distinct_texts,
    objects,
    optional_text,
    page,
    text,
    texts,
)

# `…/devices/things` is a path of its own, so no gateway can bear this name.
RESERVED_ID = "things"


def gateway_of(call: ReceivedCall) -> tuple[Campaign, Gateway]:
    """The campaign and the gateway that the path names; a body that names others is refused."""
    campaign = campaign_of(call)
    gateway_id = call.path["gateway_id"]
    if optional_text(call.body, "gatewayId") not in ("", gateway_id):
        raise CallRefused(400, "`gatewayId` in the body is not the gateway of the path.")
    return campaign, gateways.find(call.db, campaign.seq, gateway_id)


def listing(call: ReceivedCall) -> Json:
    """Get Gateways Added to the Campaign, in the order they joined."""
    campaign = campaign_of(call)
    part = page(call.query, settings.load(call.db).max_page_size)
    total, found = gateways.listing(call.db, campaign.seq, part)
    return part.answer(
        total,
        "gateways",
        [{"gatewayId": gateway_id, "state": state, "closed": closed} for gateway_id, state, closed in found],
    )


def add(call: ReceivedCall) -> Json:
    """Add Gateways to a Campaign: all of them or none. A gateway is known from then on."""
    campaign = campaign_of(call)
    gateway_ids = distinct_texts(call.body, "gatewayIds")
    if RESERVED_ID in gateway_ids:
        raise CallRefused(400, f"{RESERVED_ID!r} can't be the id of a gateway.")
    gateways.add(call.db, campaign.seq, gateway_ids, call.context.now_ms())
    if world := world_of(call):
        world.joined(campaign.seq, gateway_ids)
    return {}


def remove(call: ReceivedCall) -> Json:
    """Remove Gateways in a Campaign: all of them or none."""
    campaign = campaign_of(call)
    world = world_of(call)
    with world.settling(campaign.seq) if world is not None else nullcontext():
        gateways.remove(call.db, campaign.seq, distinct_texts(call.body, "gatewayIds"))
    return {}


def assign_packages(call: ReceivedCall) -> Json:
    """Assign Update Packages for the Target Gateway; an empty list is a list."""
    campaign, gateway = gateway_of(call)
    if "packages" not in call.body:
        raise CallRefused(400, "`packages` is required.")
    gateways.set_packages(call.db, campaign.seq, gateway.gateway_id, texts(call.body, "packages"))
    if world := world_of(call):
        world.changed(campaign.seq, gateway.gateway_id)
    return {}


def get_packages(call: ReceivedCall) -> Json:
    """Get Updated Package Information for the Gateway in the Campaign: the list in effect."""
    campaign, gateway = gateway_of(call)
    return {"packages": gateways.effective_packages(call.db, campaign.seq, gateway)}


def scheduled(phase: str) -> Handler:
    """Schedule Download, Execution, Activation: `begin` and `end` in milliseconds of UNIX time."""

    def handle(call: ReceivedCall) -> Json:
        campaign, gateway = gateway_of(call)
        begin, end = digits(call.body, "begin"), digits(call.body, "end")
        if int(end) <= int(begin):
            raise CallRefused(400, f"`end` ({end}) must be after `begin` ({begin}).")
        gateways.set_schedule(call.db, campaign.seq, gateway.gateway_id, phase, (begin, end))
        if world := world_of(call):
            world.scheduled(campaign.seq, gateway.gateway_id, phase)
        return {}

    return handle


def close(call: ReceivedCall) -> Json:
    """Close Campaign for a Gateway."""
    campaign, gateway = gateway_of(call)
    gateways.close(call.db, campaign.seq, gateway.gateway_id, call.context.now_ms())
    if world := world_of(call):
        world.closed(campaign.seq, gateway.gateway_id)
    return {}


def notify(call: ReceivedCall) -> Json:
    """Notify Gateway: counted; a simulated one polls."""
    campaign, gateway = gateway_of(call)
    gateways.notify(call.db, campaign.seq, gateway.gateway_id)
    if world := world_of(call):
        world.notified(campaign.seq, gateway.gateway_id)
    return {}


def run_on_things(call: ReceivedCall) -> Json:
    """Run a Campaign on Thing Devices: all of the gateways named or none."""
    campaign = campaign_of(call)
    entries = objects(call.body, "gateway_things")
    if not entries:
        raise CallRefused(400, "`gateway_things` must have at least one item.")
    for entry in entries:
        if not isinstance(entry, dict):
            raise CallRefused(400, "Each item of `gateway_things` must be an object.")
        gateways.run_things(
            call.db, campaign.seq, text(entry, "gateway_id"), distinct_texts(entry, "thing_ids")
        )
    return {}


def state(call: ReceivedCall) -> Json:
    """Get Campaign State: of one gateway in the campaign."""
    _, gateway = gateway_of(call)
    return {"state": gateway.state}


def execution_progress(call: ReceivedCall) -> Json:
    """Get Execution Progress."""
    _, gateway = gateway_of(call)
    return {"progress": list(gateway.executed)}


def download_progress(call: ReceivedCall) -> Json:
    """Get Download Progress: bytes of each package in effect."""
    return _downloads(call, *gateway_of(call))


def _downloads(call: ReceivedCall, campaign: Campaign, gateway: Gateway) -> Json:
    found = [
        packages.find(call.db, name) for name in gateways.effective_packages(call.db, campaign.seq, gateway)
    ]
    return {
        "packagesProgress": [
            {
                "progress": str(gateway.downloaded.get(package.id, 0)),
                "total": str(package.size),
                "id": package.id,
            }
            for package in found
        ]
    }


def status(call: ReceivedCall) -> Json:
    """Get Campaign Status Per Gateway; `causedBy` only of one that failed."""
    campaign, gateway = gateway_of(call)
    answer: Json = {
        "campaignId": campaign.id,
        "campaignState": {"state": gateway.state},
        "timestamp": str(gateway.changed_ms),
        "downloadProgress": _downloads(call, campaign, gateway),
        "executionProgress": list(gateway.executed),
        "gatewayId": gateway.gateway_id,
    }
    return answer if gateway.caused_by is None else answer | {"causedBy": gateway.caused_by}


def active_campaigns(call: ReceivedCall) -> Json:
    """Get Active Campaigns for a Gateway; none for one that nobody knows."""
    return {"campaignId": gateways.active_campaigns(call.db, call.path["gateway_id"], STARTED)}
