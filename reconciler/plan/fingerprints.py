"""What a plan rests on: how each object that it touches was, on the server and in the state. Pure.

| of             | key        | facts                                                                  |
|----------------|------------|------------------------------------------------------------------------|
| `campaign`     | id         | name, status, description, packages; and as far as they were read      |
|                |            | members, distribution list, and overrides by the packages that they give |
| `owner`        | id         | the resource that owns the campaign                                    |
| `name`         | name       | the ids of the live campaigns that have it                             |
| `package`      | id         | that it is there                                                       |
| `package-name` | name       | the ids of the packages that have it                                   |
| `content`      | sha256     | the ids of the packages that hold it                                   |
| `users`        | package id | the ids of the live campaigns that use it                              |
| `entry`        | resource   | what the state says of it; what may be long as digests                 |
| `upload`       | sha256     | the package that the state knows it as, and whether it was left behind |

States and progress of gateways don't count. While a distribution list is set the server decides who else is
a member: of such a campaign only the gateways count that the plan names.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from reconciler.codec import RESOURCE, Format, JsonObject, Left, Shape, WrittenAs, coder, plain
from reconciler.model import (
    Aspects,
    DistributionList,
    Json,
    Live,
    LiveCampaign,
    LivePackage,
    ResourceId,
    Scope,
    target_of,
)
from reconciler.plan.model import Plan
from reconciler.plan.touched import Touched
from reconciler.providers.base import Field
from reconciler.state.applied import packages_value
from reconciler.state.base import Intent, Owned, State, Uploaded, upload_key

Facts = Mapping[str, Json] | None


class Of(StrEnum):
    """What a fingerprint is of."""

    CAMPAIGN = "campaign"
    OWNER = "owner"
    NAME = "name"
    PACKAGE = "package"
    PACKAGE_NAME = "package-name"
    CONTENT = "content"
    USERS = "users"
    ENTRY = "entry"
    UPLOAD = "upload"

    @classmethod
    def _missing_(cls, value: object) -> Of | None:
        """Plan files of old know contents by their first digits, which tells what a server tells of them."""
        return cls.CONTENT if value == "mark" else None


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """The state of one object."""

    of: Of
    """What kind of object."""
    key: str
    """Its id, name, resource or digest."""
    facts: Facts
    """None: the object didn't exist."""
    gateways: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """For a campaign: its members, and packages of single gateways → which gateways get them."""
    resource: ResourceId | None = None
    """For a campaign: the resource that it is or becomes."""


MEMBERS = Field.GATEWAYS.value
"""The members among the groups of gateways."""


def fingerprints(plan: Plan, touched: Touched, live: Live, state: State) -> tuple[Fingerprint, ...]:
    """How all is that `plan` touches, in one order."""
    scope = touched.scope
    owners = {owned.id: owned.resource for owned in state.campaigns.values()}
    resources = _resources(plan, live, owners)
    shared = {key for key in scope.campaigns if (found := live.by_id[key]) and found.distribution}
    named = _named(plan, shared)
    ids: Iterable[tuple[Of, str, Iterable[str]]] = (
        *((Of.NAME, name, (each.id for each in live.namesakes[name])) for name in scope.names),
        *((Of.USERS, package, (live.users or {}).get(package, ())) for package in scope.users),
    )
    made = (
        *(_campaign(key, live.by_id[key], resources.get(key), named) for key in scope.campaigns),
        *(Fingerprint(Of.OWNER, key, _owner(owners.get(key))) for key in scope.campaigns),
        *(Fingerprint(of, key, {"ids": sorted(each)}) for of, key, each in ids),
        *(Fingerprint(Of.PACKAGE_NAME, n, _packages(live.named_packages[n])) for n in scope.package_names),
        *(Fingerprint(Of.CONTENT, c, _packages(live.packages_by_content[c])) for c in scope.contents),
        *(Fingerprint(Of.PACKAGE, key, {} if live.package_ids[key] else None) for key in scope.package_ids),
        *(Fingerprint(Of.ENTRY, str(resource), _entry(resource, state)) for resource in touched.resources),
        *(Fingerprint(Of.UPLOAD, sha256, _upload(sha256, state)) for sha256 in touched.uploads),
    )
    return tuple(sorted(made, key=lambda each: (list(Of).index(each.of), each.key)))


def sound(found: Fingerprint) -> Fingerprint:
    """`found`, which was read from a file; ValueError when `fingerprints` makes none like it."""
    match found.of:
        case Of.ENTRY:
            ResourceId.parse(found.key)
        case Of.NAME | Of.PACKAGE_NAME | Of.CONTENT | Of.USERS:
            ids = (found.facts or {}).get("ids")
            if not isinstance(ids, list) or not all(isinstance(each, str) for each in ids):
                raise ValueError(f"the fingerprint of the {found.of} {found.key!r} lacks its ids")
    return found


def touched_of(found: Iterable[Fingerprint]) -> Touched:
    """What to read to take the same fingerprints again."""
    campaigns: dict[str, Aspects] = {}
    keys: dict[Of, set[str]] = defaultdict(set)
    for each in found:
        keys[each.of].add(each.key)
        if each.of is Of.CAMPAIGN:
            overrides = (gateways for name, gateways in each.gateways.items() if name != MEMBERS)
            campaigns[each.key] = Aspects(
                MEMBERS in each.gateways,
                Field.DISTRIBUTION in (each.facts or {}),
                frozenset().union(*overrides),
            )
    return Touched(
        Scope(
            campaigns,
            names=frozenset(keys[Of.NAME]),
            package_ids=frozenset(keys[Of.PACKAGE]),
            package_names=frozenset(keys[Of.PACKAGE_NAME]),
            contents=frozenset(keys[Of.CONTENT]),
            users=frozenset(keys[Of.USERS]),
        ),
        frozenset(map(ResourceId.parse, keys[Of.ENTRY])),
        frozenset(keys[Of.UPLOAD]),
    )


def _resources(plan: Plan, live: Live, owners: Mapping[str, ResourceId]) -> Mapping[str, ResourceId]:
    """Campaign id → the resource that it is once the plan is done."""
    claimed = {each.id: resource for resource, each in live.campaigns.items()}
    targets = {key: g.action.resource for g in plan.groups if (key := target_of(g.action))}
    return {**owners, **claimed, **targets}


def _named(plan: Plan, ids: Collection[str]) -> Mapping[str, frozenset[str]]:
    """Campaign id → the gateways that steps name."""
    named: dict[str, set[str]] = {key: set() for key in ids}
    for group in plan.groups:
        if (target := target_of(group.action)) in named:
            named[target].update(group.gateways)
    return {key: frozenset(gateways) for key, gateways in named.items()}


def _campaign(
    key: str, live: LiveCampaign | None, resource: ResourceId | None, named: Mapping[str, frozenset[str]]
) -> Fingerprint:
    if live is None:
        return Fingerprint(Of.CAMPAIGN, key, None, resource=resource)
    facts = _told(live)
    if not live.distribution_read:
        del facts[Field.DISTRIBUTION]
    gateways: dict[str, frozenset[str]] = {}
    if live.gateways is not None:
        members = frozenset(live.gateways)
        gateways[MEMBERS] = members & named.get(key, members)
    overrides: dict[str, set[str]] = defaultdict(set)
    for gateway, packages in live.overrides.items():
        overrides[packages_value(packages)].add(gateway)
    gateways |= {value: frozenset(members) for value, members in overrides.items()}
    if live.gateways is not None and live.gateways.values:
        facts["members"] = _members(live.gateways.values)
    return Fingerprint(Of.CAMPAIGN, key, facts, gateways, resource)


def _packages(found: Iterable[LivePackage]) -> Facts:
    told = {each.id: _told(each) for each in found}
    more: dict[str, Json] = {key: facts for key, facts in told.items() if facts}
    return {"ids": sorted(told), **({"packages": more} if more else {})}


def _owner(resource: ResourceId | None) -> Facts:
    return None if resource is None else {"resource": str(resource)}


def _entry(resource: ResourceId, state: State) -> Facts:
    owned, intent = state.campaigns.get(resource), state.intents.get(str(resource))
    facts = _told(owned) if owned else {}
    if intent:
        facts["intent"] = _digest(list(_told(intent).values()))
    return facts or None


def _upload(sha256: str, state: State) -> Facts:
    upload, intent = state.packages.get(sha256), state.intents.get(upload_key(sha256))
    facts = _told(upload) if upload else {}
    if intent:
        name, *more = _told(intent).values()
        facts["intent"] = _digest([name, *more]) if any(more) else name
    return facts or None


def _told(value: LiveCampaign | LivePackage | Owned | Intent | Uploaded) -> JsonObject:
    kind: Any = type(value)
    return coder(FACTS_FORMAT, kind).encode_object(value, None)


def _members(members: Mapping[str, Mapping[str, frozenset[str]]]) -> Json:
    """Field and value → a digest of their gateways, each for itself: there may be a million of them."""
    return _digest(
        {
            f"{name} {value}": _digest(sorted(gateways))
            for name, groups in members.items()
            for value, gateways in groups.items()
        }
    )


def _digest(value: Json) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


_KEY: Final = Left("it is the key")
_IDS: Final = Left("ids of gateways stand for themselves: `Fingerprint.gateways`")
_NO_CALL: Final = Left("no call depends on it")

FACTS_FORMAT: Final = Format(
    scalars={ResourceId: RESOURCE},
    shapes={
        LiveCampaign: Shape(
            names={"distribution": Field.DISTRIBUTION.value},
            always=frozenset({"description", "packages", "distribution"}),
            forms={
                "packages": WrittenAs(lambda ids: sorted(set(ids))),
                "applied": WrittenAs(lambda found: _digest(plain(found))),
            },
            without={
                "id": _KEY,
                "phase": Left("it is what the status means"),
                "gateways": _IDS,
                "overrides": _IDS,
                "distribution_read": Left("a list that wasn't read isn't there"),
                "modified_by": _NO_CALL,
            },
        ),
        DistributionList: Shape(always=frozenset({"interval"})),
        LivePackage: Shape(
            without={
                "id": Left("it stands among the ids"),
                "name": Left("`Of.PACKAGE_NAME` is about it"),
                "description": _NO_CALL,
                "sha256": Left("`Of.CONTENT` is about it"),
            }
        ),
        Owned: Shape(
            always=frozenset({"on_remove", "status", "return_to", "applied", "members"}),
            forms={
                "applied": WrittenAs(lambda found: _digest(plain(found))),
                "members": WrittenAs(_members),
                "kept": WrittenAs(lambda found: _digest(plain(found))),
            },
            without={"resource": _KEY, "declared": _NO_CALL},
        ),
        Intent: Shape(always=frozenset({"applied"}), without={"key": _KEY}),
        Uploaded: Shape(without={"sha256": _KEY, "name": _NO_CALL, "resource": _NO_CALL}),
    },
)
"""What counts of an object, and what doesn't, and why. A field that isn't named here counts."""
