"""States, events and locks as JSON, and back; the same for every store.

Decoding is strict: a member that is missing, unknown or of the wrong type is `Malformed`, for what is
silently dropped here is silently lost. Formats of older versions are migrated forward, one version at a
time; a newer one is refused.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from reconciler.errors import StateError
from reconciler.model import Json, OnRemove, ResourceId, Server
from reconciler.state.base import (
    FORMAT_VERSION,
    BracketClosed,
    BracketOpened,
    CampaignAbandoned,
    CampaignForgotten,
    CampaignOwned,
    Event,
    FieldApplied,
    Intent,
    IntentDropped,
    IntentNoted,
    LockInfo,
    MembersApplied,
    MembersForgotten,
    OnRemoveSet,
    Origin,
    Owned,
    PackageForgotten,
    PackageUploaded,
    PlanApplied,
    SaltChosen,
    State,
    StatusSet,
    Uploaded,
)
from reconciler.state.nodes import JsonObject, Malformed, Node, plain


@dataclass(frozen=True, slots=True)
class Migration:
    """From one format version to the next: what becomes of a snapshot, and of one event."""

    state: Callable[[JsonObject], JsonObject]
    event: Callable[[JsonObject], JsonObject]


MIGRATIONS: Mapping[int, Migration] = MappingProxyType({})
"""Version → the migration from it to the one after it. Empty, for there is only one version so far."""


# --- encoding ------------------------------------------------------------------------------------


def encode_state(state: State) -> JsonObject:
    """The snapshot of `state`, as ``schemas/state.json`` describes it."""
    plans: Json = [{"digest": digest, "whole": whole} for digest, whole in state.plans.items()]
    return {
        "formatVersion": FORMAT_VERSION,
        "lineage": state.lineage,
        "serial": state.serial,
        "salt": state.salt,
        "server": None if state.server is None else _encode_server(state.server),
        "campaigns": {str(resource): _encode_owned(owned) for resource, owned in state.campaigns.items()},
        "packages": {sha256: _encode_uploaded(upload) for sha256, upload in state.packages.items()},
        "intents": {key: _encode_intent(intent) for key, intent in state.intents.items()},
        **({"plans": plans} if state.plans else {}),
    }


def encode_event(event: Event) -> JsonObject:
    """One event, under ``event`` its name."""
    body: JsonObject
    match event:
        case IntentNoted(intent):
            name, body = "intent-noted", {"key": intent.key, **_encode_intent(intent)}
        case IntentDropped(key):
            name, body = "intent-dropped", {"key": key}
        case CampaignOwned(owned):
            name, body = "campaign-owned", {"campaign": _encode_owned(owned)}
            body["resource"] = str(owned.resource)
        case CampaignAbandoned(resource, uploads):
            name, body = "campaign-abandoned", {"resource": str(resource), "uploads": list(uploads)}
        case PackageUploaded(uploaded):
            name, body = "package-uploaded", {"sha256": uploaded.sha256, **_encode_uploaded(uploaded)}
        case PackageForgotten(sha256):
            name, body = "package-forgotten", {"sha256": sha256}
        case PlanApplied(digest, whole):
            name, body = "plan-applied", {"digest": digest, "whole": whole}
        case SaltChosen(salt):
            name, body = "salt-chosen", {"salt": salt}
        case _:
            name, body = _encode_change(event)
            body["resource"] = str(event.resource)
    return {"event": name, **body}


def _encode_change(
    event: CampaignForgotten
    | StatusSet
    | BracketOpened
    | BracketClosed
    | FieldApplied
    | MembersApplied
    | MembersForgotten
    | OnRemoveSet,
) -> tuple[str, JsonObject]:
    """The events about a campaign that is owned already."""
    match event:
        case CampaignForgotten():
            return "campaign-forgotten", {}
        case StatusSet(status=status):
            return "status-set", {"status": status}
        case BracketOpened(return_to=return_to):
            return "bracket-opened", {"returnTo": return_to}
        case BracketClosed():
            return "bracket-closed", {}
        case FieldApplied(field=name, value=value):
            return "field-applied", {"field": name, "value": plain(value)}
        case MembersApplied(field=name, value=value, gateways=gateways):
            return "members-applied", {"field": name, "value": value, "gateways": list(gateways)}
        case MembersForgotten(gateways=gateways, field=name):
            return "members-forgotten", {"field": name, "gateways": list(gateways)}
        case OnRemoveSet(on_remove=on_remove):
            return "on-remove-set", {"onRemove": on_remove.value}


def encode_lock(info: LockInfo) -> JsonObject:
    """A lock, as a store keeps it for others to read."""
    return {
        "id": info.id,
        "holder": info.holder,
        "host": info.host,
        "pid": info.pid,
        "operation": info.operation,
        "since": info.since,
    }


def _encode_server(server: Server) -> JsonObject:
    return {"provider": server.provider, "url": server.url, "organization": server.organization}


def _encode_uploaded(uploaded: Uploaded) -> JsonObject:
    left: JsonObject = {"leftBehind": True} if uploaded.left_behind else {}
    return {"id": uploaded.id, "name": uploaded.name, "resource": str(uploaded.resource), **left}


def _encode_owned(owned: Owned) -> JsonObject:
    return {
        "id": owned.id,
        "origin": owned.origin.value,
        "onRemove": owned.on_remove.value,
        "status": owned.status,
        "returnTo": owned.return_to,
        "applied": {name: plain(value) for name, value in owned.applied.items()},
        "members": {name: _encode_groups(groups) for name, groups in owned.members.items()},
    }


def _encode_groups(groups: Mapping[str, frozenset[str]]) -> Json:
    return [{"value": value, "gateways": sorted(groups[value])} for value in sorted(groups)]


def _encode_intent(intent: Intent) -> JsonObject:
    return {"name": intent.name, "applied": {name: plain(value) for name, value in intent.applied.items()}}


# --- decoding ------------------------------------------------------------------------------------


def parse_state(text: str) -> Json:
    """The JSON of a snapshot. ValueError when it is none.

    A list of gateways that is the same as the one before it becomes the same object: a campaign's gateways
    have a window of each phase, and a million of them are a lot of text.
    """
    before: Json = None

    def shared(found: JsonObject) -> JsonObject:
        nonlocal before
        if "gateways" in found:
            if found["gateways"] == before:
                found["gateways"] = before
            before = found["gateways"]
        return found

    document: Json = json.loads(text, object_hook=shared)
    return document


def decode_state(
    document: Json, *, migrations: Mapping[int, Migration] = MIGRATIONS, version: int = FORMAT_VERSION
) -> State:
    """The inverse of `encode_state`; Malformed, or StateError when a newer reconciler made it."""
    snapshot = Node(document, "")
    for migration in _path_from(snapshot.member("formatVersion").integer(), migrations, version):
        snapshot = Node(migration.state(snapshot.object()), "")
    keys = ("formatVersion", "lineage", "serial", "salt", "server", "campaigns", "packages", "intents")
    _, lineage, serial, salt, server, campaigns, packages, intents, *more = snapshot.members(
        *keys, optional=("plans",)
    )
    owned = (_decode_owned(_resource(node, key), node) for key, node in campaigns.items())
    uploads = (_decode_uploaded(key, node) for key, node in packages.items())
    return State(
        lineage=lineage.text(),
        salt=salt.text(),
        serial=serial.integer(),
        server=None if server.value is None else _decode_server(server),
        campaigns={campaign.resource: campaign for campaign in owned},
        packages={upload.sha256: upload for upload in uploads},
        intents={key: _intent(key, *node.members("name", "applied")) for key, node in intents.items()},
        plans=dict(_plan(*each.members("digest", "whole")) for plans in more for each in plans.array()),
    )


def decode_event(
    document: Json,
    made_by: int = FORMAT_VERSION,
    *,
    migrations: Mapping[int, Migration] = MIGRATIONS,
    version: int = FORMAT_VERSION,
) -> Event:
    """The inverse of `encode_event`; `made_by` is the format version that the event was written in.

    Malformed, or StateError when it is of a newer version or of a name that this version doesn't know.
    """
    node = Node(document, "")
    for migration in _path_from(made_by, migrations, version):
        node = Node(migration.event(node.object()), "")
    name = node.member("event").text()
    decode = _EVENTS.get(name)
    if decode is None:
        raise StateError(
            f"the journal of the state has an event {name!r} that this version doesn't know",
            hint="It was made by a newer reconciler: use that version or a later one.",
        )
    return decode(node)


def decode_lock(document: Json) -> LockInfo:
    """The inverse of `encode_lock`; Malformed."""
    node = Node(document, "")
    keys = ("id", "holder", "host", "pid", "operation", "since")
    key, holder, host, pid, operation, since = node.members(*keys)
    return LockInfo(key.text(), holder.text(), host.text(), pid.integer(), operation.text(), since.number())


def _path_from(made_by: int, migrations: Mapping[int, Migration], version: int) -> Iterator[Migration]:
    """The migrations from `made_by` to `version`, in order."""
    if made_by > version:
        raise StateError(
            f"the state has format version {made_by}, and this reconciler knows versions up to {version}",
            hint="It was made by a newer reconciler: use that version or a later one.",
        )
    for step in range(made_by, version):
        if step not in migrations:
            raise Malformed(f"formatVersion: there never was a version {made_by}")
        yield migrations[step]


def _decode_server(node: Node) -> Server:
    provider, url, organization = node.members("provider", "url", "organization")
    return Server(provider.text(), url.text(), organization.optional_text())


def _decode_owned(resource: ResourceId, node: Node) -> Owned:
    keys = ("id", "origin", "onRemove", "status", "returnTo", "applied", "members")
    key, origin, on_remove, status, return_to, applied, members = node.members(*keys)
    return Owned(
        resource,
        id=key.text(),
        origin=origin.one_of(Origin),
        on_remove=on_remove.one_of(OnRemove),
        status=status.optional_text(),
        return_to=return_to.optional_text(),
        applied=applied.object(),
        members=_decode_members(members),
    )


def _decode_members(node: Node) -> dict[str, dict[str, frozenset[str]]]:
    known: dict[int, frozenset[str]] = {}

    def shared(gateways: Node) -> frozenset[str]:
        """One set for what `parse_state` made one list."""
        ids = gateways.texts()
        if id(ids) not in known:
            known[id(ids)] = frozenset(ids)
        return known[id(ids)]

    def groups(each: Node) -> dict[str, frozenset[str]]:
        pairs = (item.members("value", "gateways") for item in each.array())
        return {value.text(): shared(gateways) for value, gateways in pairs}

    return {name: groups(each) for name, each in node.items()}


def _intent(key: str, name: Node, applied: Node) -> Intent:
    return Intent(key, name.text(), applied.object())


def _plan(digest: Node, whole: Node) -> tuple[str, bool]:
    return digest.text(), whole.boolean()


def _decode_uploaded(sha256: str, node: Node) -> Uploaded:
    return _uploaded(sha256, *node.members("id", "name", "resource", optional=("leftBehind",)))


def _uploaded(sha256: str, key: Node, name: Node, resource: Node, left: Node | None = None) -> Uploaded:
    of = _resource(resource, resource.text())
    return Uploaded(sha256, key.text(), name.text(), of, left is not None and left.boolean())


def _resource(node: Node, text: str) -> ResourceId:
    try:
        return ResourceId.parse(text)
    except ValueError:
        raise node.wrong("KIND/NAME") from None


def _about(node: Node, *keys: str) -> tuple[ResourceId, list[Node]]:
    """The resource that an event is about, and its other members."""
    _, resource, *others = node.members("event", "resource", *keys)
    return _resource(resource, resource.text()), others


def _intent_noted(node: Node) -> Event:
    _, key, name, applied = node.members("event", "key", "name", "applied")
    return IntentNoted(_intent(key.text(), name, applied))


def _intent_dropped(node: Node) -> Event:
    return IntentDropped(node.members("event", "key")[1].text())


def _campaign_owned(node: Node) -> Event:
    resource, [campaign] = _about(node, "campaign")
    return CampaignOwned(_decode_owned(resource, campaign))


def _campaign_forgotten(node: Node) -> Event:
    return CampaignForgotten(_about(node)[0])


def _campaign_abandoned(node: Node) -> Event:
    resource, [uploads] = _about(node, "uploads")
    return CampaignAbandoned(resource, tuple(uploads.texts()))


def _status_set(node: Node) -> Event:
    resource, [status] = _about(node, "status")
    return StatusSet(resource, status.optional_text())


def _bracket_opened(node: Node) -> Event:
    resource, [return_to] = _about(node, "returnTo")
    return BracketOpened(resource, return_to.text())


def _bracket_closed(node: Node) -> Event:
    return BracketClosed(_about(node)[0])


def _field_applied(node: Node) -> Event:
    resource, [name, value] = _about(node, "field", "value")
    return FieldApplied(resource, name.text(), value.value)


def _members_applied(node: Node) -> Event:
    resource, [name, value, gateways] = _about(node, "field", "value", "gateways")
    return MembersApplied(resource, name.text(), value.text(), tuple(gateways.texts()))


def _members_forgotten(node: Node) -> Event:
    resource, [name, gateways] = _about(node, "field", "gateways")
    return MembersForgotten(resource, tuple(gateways.texts()), name.optional_text())


def _on_remove_set(node: Node) -> Event:
    resource, [on_remove] = _about(node, "onRemove")
    return OnRemoveSet(resource, on_remove.one_of(OnRemove))


def _package_uploaded(node: Node) -> Event:
    _, sha256, *others = node.members("event", "sha256", "id", "name", "resource", optional=("leftBehind",))
    return PackageUploaded(_uploaded(sha256.text(), *others))


def _package_forgotten(node: Node) -> Event:
    return PackageForgotten(node.members("event", "sha256")[1].text())


def _plan_applied(node: Node) -> Event:
    return PlanApplied(*_plan(*node.members("event", "digest", "whole")[1:]))


def _salt_chosen(node: Node) -> Event:
    return SaltChosen(node.members("event", "salt")[1].text())


_EVENTS: Mapping[str, Callable[[Node], Event]] = MappingProxyType(
    {
        "intent-noted": _intent_noted,
        "intent-dropped": _intent_dropped,
        "campaign-owned": _campaign_owned,
        "campaign-forgotten": _campaign_forgotten,
        "campaign-abandoned": _campaign_abandoned,
        "status-set": _status_set,
        "bracket-opened": _bracket_opened,
        "bracket-closed": _bracket_closed,
        "field-applied": _field_applied,
        "members-applied": _members_applied,
        "members-forgotten": _members_forgotten,
        "on-remove-set": _on_remove_set,
        "package-uploaded": _package_uploaded,
        "package-forgotten": _package_forgotten,
        "plan-applied": _plan_applied,
        "salt-chosen": _salt_chosen,
    }
)
