"""`/_embedded/…`: the controls of the server, apart from the API."""

from dataclasses import asdict, replace

from reconciler.embedded.errors import CallRefused
from reconciler.embedded.handlers.campaigns import campaign_of
from reconciler.embedded.handlers.gateways import gateway_of
from reconciler.embedded.lifecycle import GATEWAY_STATES
from reconciler.embedded.simulation.world import world_of
from reconciler.embedded.tables import campaigns, gateways, packages, settings
from reconciler.embedded.tables.settings import Settings
from reconciler.embedded.wire import Json, ReceivedCall, mapping, optional_text, texts

_WIRE_NAMES = {
    "approvalNeeded": "approval_needed",
    "reapproveAfterEdit": "reapprove_after_edit",
    "rerunAfterEdit": "rerun_after_edit",
    "maxPageSize": "max_page_size",
    "maxMultipartBytes": "max_multipart_bytes",
    "maxRecordedCalls": "max_recorded_calls",
}


def get_settings(call: ReceivedCall) -> Json:
    return _shown(call, settings.load(call.db))


def put_settings(call: ReceivedCall) -> Json:
    """Change those given, keep the others, answer all of them. `record` lasts as long as the process."""
    values = dict(call.body)
    record = values.pop("record", call.context.recorder.enabled)
    unknown = sorted(values.keys() - _WIRE_NAMES)
    if unknown:
        raise CallRefused(
            400, f"There is no setting {unknown[0]!r}; there are {', '.join([*_WIRE_NAMES, 'record'])}."
        )
    before = settings.load(call.db)
    for key, value in values.items():
        wanted = type(getattr(before, _WIRE_NAMES[key]))
        # bool is a kind of int in Python, and must not pass for one.
        if type(value) is not wanted or (wanted is int and not 0 < value < 1 << 53):  # type: ignore[operator]
            raise CallRefused(
                400, f"`{key}` must be {'true or false' if wanted is bool else 'a whole number above 0'}."
            )
    if not isinstance(record, bool):
        raise CallRefused(400, "`record` must be true or false.")
    after = replace(before, **{_WIRE_NAMES[key]: value for key, value in values.items()})  # type: ignore[arg-type]
    settings.save(call.db, after)
    call.context.recorder.configure(enabled=record, limit=after.max_recorded_calls)
    return _shown(call, after)


def _shown(call: ReceivedCall, found: Settings) -> Json:
    values = asdict(found)
    return {key: values[name] for key, name in _WIRE_NAMES.items()} | {
        "record": call.context.recorder.enabled
    }


def get_calls(call: ReceivedCall) -> Json:
    """What the server saw, in order of arrival; status 0 is a call that has no answer yet."""
    return {"calls": [asdict(seen) for seen in call.context.recorder.seen]}


def delete_calls(call: ReceivedCall) -> Json:
    call.context.recorder.seen.clear()
    return {}


def revoke_tokens(call: ReceivedCall) -> Json:
    """All tokens that sign-in gave out end: the next call with one is a 401."""
    return {"revoked": settings.revoke_tokens(call.db)}


def get_campaign(call: ReceivedCall) -> Json:
    """What can be written through the API and not read back."""
    campaign = campaign_of(call)
    things: dict[str, dict[str, int]] = {}
    for gateway_id, thing_id, runs in gateways.things(call.db, campaign.seq):
        things.setdefault(gateway_id, {})[thing_id] = runs
    return {
        "id": campaign.id,
        "madeUnderApproval": campaign.made_under_approval,
        "settings": campaigns.settings(call.db, campaign.seq),
        "callbacks": {
            kind: {"notificationDestinationId": destination}
            | ({"trackedStates": states} if kind == "state-change" else {})
            for kind, (destination, states) in campaigns.callbacks(call.db, campaign.seq).items()
        },
        "schedules": [
            {"gatewayId": gateway_id, "phase": phase, "begin": begin, "end": end}
            for gateway_id, phase, begin, end in gateways.schedules(call.db, campaign.seq)
        ],
        "things": things,
    }


def get_gateway(call: ReceivedCall) -> Json:
    """All that is kept of a gateway in a campaign."""
    _, gateway = gateway_of(call)
    return {
        "gatewayId": gateway.gateway_id,
        "state": gateway.state,
        "closed": gateway.closed,
        "overridden": gateway.overridden,
        "notified": gateway.notified,
        "causedBy": gateway.caused_by,
        "downloaded": dict(gateway.downloaded),
        "executed": list(gateway.executed),
    }


def put_gateway(call: ReceivedCall) -> Json:
    """Put a gateway into a `state`, with `causedBy`, `downloaded` (bytes by package id) and `executed`."""
    campaign, gateway = gateway_of(call)
    state = optional_text(call.body, "state") or gateway.state
    if state not in GATEWAY_STATES:
        raise CallRefused(400, f"There is no state {state!r}; there are {', '.join(GATEWAY_STATES)}.")
    downloaded = mapping(call.body, "downloaded") or gateway.downloaded
    sizes = {key: size for key, size in downloaded.items() if isinstance(size, int)}
    if len(sizes) != len(downloaded):
        raise CallRefused(400, "`downloaded` must map package ids to numbers of bytes.")
    changed = replace(
        gateway,
        state=state,
        caused_by=optional_text(call.body, "causedBy") or None,
        downloaded=sizes,
        executed=texts(call.body, "executed") or gateway.executed,
        changed_ms=call.context.now_ms(),
    )
    gateways.put(call.db, campaign.seq, changed)
    if world := world_of(call):
        world.put(campaign.seq, gateway.state, changed)
    return {}


def get_package(call: ReceivedCall) -> Json:
    """Size and digest of what was uploaded."""
    package = packages.find(call.db, call.path["uuid"])
    return {"id": package.id, "name": package.name, "size": package.size, "sha256": package.sha256}
