"""The controls of the simulated world: its clock, its gateways, and who is called back."""

import json
import math
from datetime import timedelta
from typing import Final

from starlette.requests import Request

from reconciler.embedded.context import Context
from reconciler.embedded.errors import CallRefused
from reconciler.embedded.simulation import settings as simulations
from reconciler.embedded.simulation.courier import check_url
from reconciler.embedded.simulation.world import World
from reconciler.embedded.tables import agenda, deliveries, inventory, settings
from reconciler.embedded.wire import (
    Body,
    Json,
    ReceivedCall,
    check_text,
    digits,
    filters,
    mapping,
    objects,
    page,
    parse_body,
    text,
)

_LONGEST_STEP: Final = timedelta(days=3660)
_FASTEST: Final = 1_000_000
_MOST_ATTRIBUTES: Final = 100
# The gateways in a path of the API can't bear this name.
_RESERVED: Final = "things"


def get_clock(call: ReceivedCall) -> Json:
    """`now` in milliseconds of UNIX time, as everywhere in the API."""
    clock = call.context.clock
    return {"now": str(clock.now_ms()), "factor": clock.setting.factor, "paused": clock.setting.paused}


def put_clock(call: ReceivedCall) -> Json:
    """Change those of `now`, `factor` and `paused` that are given.

    What is due on the way to a later `now` happens in order, once time goes on; there is no way back while
    gateways are simulated.
    """
    clock, body = call.context.clock, call.body
    _only(body, "now", "factor", "paused")
    now = int(digits(body, "now")) if "now" in body else None
    factor, paused = body.get("factor"), body.get("paused")
    if factor is not None and not 0 < _number(body, "factor") <= _FASTEST:
        raise CallRefused(400, f"`factor` must be more than 0 and at most {_FASTEST}.")
    if paused is not None and not isinstance(paused, bool):
        raise CallRefused(400, "`paused` must be true or false.")
    if now is not None and now < clock.now_ms() and simulations.load(call.db).enabled:
        raise CallRefused(409, f"It is {clock.now_ms()}: simulated gateways can't go back in time.")
    clock.change(now_ms=now, factor=None if factor is None else _number(body, "factor"), paused=paused)
    clock.save(call.db)
    return get_clock(call)


async def step_clock(context: Context, request: Request) -> Json:
    """Let `seconds` pass at once; answers how many events happened and how many callbacks were attempted."""
    body = parse_body(await request.body())
    _only(body, "seconds")
    seconds = _number(body, "seconds")
    if not 0 <= seconds <= _LONGEST_STEP.total_seconds():
        raise CallRefused(400, f"`seconds` must be a number from 0 to {_LONGEST_STEP.total_seconds():.0f}.")
    events, attempts = await context.driver.step(round(seconds * 1000))
    return {"now": str(context.now_ms()), "events": events, "callbacks": attempts}


def _number(body: Body, key: str) -> float:
    value = body.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise CallRefused(400, f"`{key}` must be a number.")
    return float(value)


def _only(body: Body, *keys: str) -> None:
    unknown = sorted(body.keys() - set(keys))
    if unknown:
        raise CallRefused(400, f"There is no {unknown[0]!r} here; there are {', '.join(keys)}.")


def get_simulation(call: ReceivedCall) -> Json:
    """The settings; how many gateways have something to do (`active`) or lack a window (`waiting`)."""
    active, waiting = agenda.waiting(call.db)
    first = agenda.first(call.db)
    return simulations.show(simulations.load(call.db)) | {
        "gateways": {"active": active, "waiting": waiting},
        "nextEvent": None if first is None else str(first.due_ms),
    }


def put_simulation(call: ReceivedCall) -> Json:
    """Change those given, keep the others. Steps of work that are under way begin again."""
    after = simulations.parse(simulations.load(call.db), call.body)
    simulations.save(call.db, after)
    if after.enabled:
        World(call.db, after, call.context.now_ms()).rebuild()
    else:
        agenda.clear(call.db)
    call.context.driver.changed(after)
    return get_simulation(call)


def get_inventory(call: ReceivedCall) -> Json:
    """Gateways by id, in pages."""
    part = page(call.query, settings.load(call.db).max_page_size)
    total, found = inventory.listing(call.db, part)
    return part.answer(total, "gateways", found)


def put_inventory(call: ReceivedCall) -> Json:
    """These gateways are all that there are."""
    return _load(call, replace=True)


def post_inventory(call: ReceivedCall) -> Json:
    """These gateways too; one that is known gets these attributes in the place of those before."""
    return _load(call, replace=False)


def _load(call: ReceivedCall, *, replace: bool) -> Json:
    fleet: dict[str, dict[str, str]] = {}
    for entry in objects(call.body, "gateways"):
        if not isinstance(entry, dict):
            raise CallRefused(400, "Each item of `gateways` must be an object.")
        gateway_id = text(entry, "gatewayId")
        if gateway_id in fleet or gateway_id == _RESERVED:
            raise CallRefused(400, f"{gateway_id!r} appears twice, or can't be the id of a gateway.")
        fleet[gateway_id] = _attributes(entry, "attributes")
    inventory.put(call.db, fleet.items(), replace=replace)
    return {"gateways": len(fleet)}


def _attributes(body: Body, key: str) -> dict[str, str]:
    values = mapping(body, key)
    if len(values) > _MOST_ATTRIBUTES:
        raise CallRefused(400, f"`{key}` has more than {_MOST_ATTRIBUTES} entries.")
    return {
        check_text(name, f"A key of `{key}`"): check_text(value, f"The value of {name!r}")
        for name, value in values.items()
    }


def put_list(call: ReceivedCall) -> Json:
    """A saved filter: the gateways of the inventory that have all these attributes; `{}` is all of them."""
    if "filter" not in call.body:
        raise CallRefused(400, "`filter` is required.")
    inventory.set_list(call.db, call.path["list_id"], _attributes(call.body, "filter"))
    return get_list(call)


def get_list(call: ReceivedCall) -> Json:
    """The filter, and how many gateways it finds by now."""
    list_id = call.path["list_id"]
    wanted = inventory.filter_of(call.db, list_id)
    return {"id": list_id, "filter": wanted, "gateways": len(inventory.evaluate(call.db, list_id))}


def put_destination(call: ReceivedCall) -> Json:
    """Where callbacks with this `notificationDestinationId` go."""
    if not call.context.callbacks_allowed:
        raise CallRefused(
            403, "Anybody may call this server, so nobody says where it calls: serve --token-env."
        )
    url = check_url(text(call.body, "url"))
    deliveries.set_destination(call.db, call.path["destination_id"], url)
    return {"id": call.path["destination_id"], "url": url}


def get_destinations(call: ReceivedCall) -> Json:
    return {
        "destinations": [{"id": one, "url": url} for one, url in deliveries.destinations(call.db).items()]
    }


def get_deliveries(call: ReceivedCall) -> Json:
    """The callbacks, oldest first, each with its attempts; filters `campaignId` and `outcome`."""
    part = page(call.query, settings.load(call.db).max_page_size)
    campaign_id, outcome = filters(call.query, "campaignId", "outcome")
    if outcome not in (None, *deliveries.OUTCOMES):
        raise CallRefused(400, f"`outcome` must be one of {', '.join(deliveries.OUTCOMES)}.")
    total, found = deliveries.listing(call.db, part, campaign_id, outcome)
    return part.answer(total, "deliveries", found)


def delete_deliveries(call: ReceivedCall) -> Json:
    """Empty the log; callbacks that are still on their way are given up."""
    return {"deleted": deliveries.clear(call.db)}


def put_tokens(call: ReceivedCall) -> Json:
    """Tokens that may do so much and no more: all that there are of this kind. `{token: [permissions]}`."""
    granted: dict[str, list[str]] = {}
    for token, names in call.body.items():
        if not token or not isinstance(names, list):
            raise CallRefused(400, "The body must map tokens to lists of permissions.")
        unknown = [one for one in names if not isinstance(one, str) or one not in settings.PERMISSIONS]
        if unknown:
            known = ", ".join(sorted(settings.PERMISSIONS))
            raise CallRefused(400, f"There is no permission {json.dumps(unknown[0])}; there are {known}.")
        granted[check_text(token, "A token")] = names
    settings.save_permissions(call.db, granted)
    return {"tokens": len(granted)}
