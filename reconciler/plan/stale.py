"""What is no longer as it was when a plan was made: each object that it touches, and what differs. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final

from reconciler.model import Finding, Json, ScheduleWindow
from reconciler.plan.fingerprints import MEMBERS, Facts, Fingerprint, Of
from reconciler.plan.model import Plan
from reconciler.text import printable

CODE: Final = "stale-plan"

_FEW: Final = 3
_NOTHING: Final[Mapping[str, Json]] = MappingProxyType({})


def stale(before: Iterable[Fingerprint], after: Iterable[Fingerprint]) -> tuple[Finding, ...]:
    """A finding for each object that was `before` and is not the same `after`, in the order of `before`."""
    now = {(each.of, each.key): each for each in after}
    return tuple(
        Finding(CODE, f"{_object(was)} {what}", resource=was.resource)
        for was in before
        # The file may name an object that isn't read again, e.g. the owner of a campaign outside the plan.
        if (what := _differing(was, now.get((was.of, was.key), Fingerprint(was.of, was.key, None))))
    )


def expired(plan: Plan, now: int) -> tuple[Finding, ...]:
    """A finding for each window of `plan` that has ended `now` (epoch milliseconds): it is never sent."""
    return tuple(
        Finding(
            CODE,
            f"the {action.phase} window of {_count(len(action.gateways))} ended {_time(action.window.end)}",
            resource=action.resource,
        )
        for action in (group.action for group in plan.groups)
        if isinstance(action, ScheduleWindow) and action.window.end <= now
    )


_OBJECTS: Final[Mapping[Of, str]] = MappingProxyType(
    {
        Of.CAMPAIGN: "campaign {}",
        Of.OWNER: "campaign {}",
        Of.NAME: "the name {!r}",
        Of.PACKAGE: "package {}",
        Of.PACKAGE_NAME: "the package name {!r}",
        Of.CONTENT: "the content sha256:{}",
        Of.USERS: "package {}",
        Of.ENTRY: "the state's entry of {}",
        Of.UPLOAD: "the state's entry of the content {}",
    }
)


def _object(was: Fingerprint) -> str:
    name = (was.facts or _NOTHING).get("name")
    called = f" ({printable(name)})" if isinstance(name, str) else ""
    return _OBJECTS[was.of].format(printable(was.key, 80)) + called


def _differing(was: Fingerprint, now: Fingerprint) -> str:
    """What differs, in words; empty when nothing does."""
    match was.of:
        case Of.CAMPAIGN:
            return _campaign(was, now)
        case _ if was.facts == now.facts:
            return ""
        case Of.PACKAGE:
            return _there(was, now)
        case Of.ENTRY | Of.UPLOAD:
            return _entry(was.facts, now.facts)
        case of:
            before, after = (_RELATIONS[of](each.facts or _NOTHING) for each in (was, now))
            return f"was {before}, and is {after} now"


def _owner(facts: Mapping[str, Json]) -> str:
    return f"owned by {printable(str(facts.get('resource', 'nobody')), 80)}"


def _name(facts: Mapping[str, Json]) -> str:
    return f"that of {_ids(facts, 'campaign')}" if facts["ids"] else "free"


def _of_packages(facts: Mapping[str, Json]) -> str:
    return f"that of {_ids(facts, 'package')}"


def _users(facts: Mapping[str, Json]) -> str:
    return f"used by {_ids(facts, 'campaign')}"


_RELATIONS: Final[Mapping[Of, Callable[[Mapping[str, Json]], str]]] = MappingProxyType(
    {
        Of.OWNER: _owner,
        Of.NAME: _name,
        Of.PACKAGE_NAME: _of_packages,
        Of.CONTENT: _of_packages,
        Of.USERS: _users,
    }
)


def _ids(facts: Mapping[str, Json], noun: str) -> str:
    ids = facts["ids"]
    assert isinstance(ids, Sequence)
    many = noun if len(ids) == 1 else f"{noun}s"
    return f"{many} {_first([str(each) for each in ids])}" if ids else f"no {noun}"


def _campaign(was: Fingerprint, now: Fingerprint) -> str:
    if was.facts is None or now.facts is None:
        return _there(was, now)
    values = (
        f"{name} {_shown(was.facts.get(name))} → {_shown(now.facts.get(name))}"
        for name in {**was.facts, **now.facts}
        if was.facts.get(name) != now.facts.get(name)
    )
    before, after = (each.gateways.get(MEMBERS, frozenset()) for each in (was, now))
    moves = (("joined", after - before), ("left", before - after))
    members = (f"{_count(len(ids))} {verb} ({_first(sorted(ids))})" for verb, ids in moves if ids)
    return "; ".join((*values, *members, *_overrides(was, now)))


def _there(was: Fingerprint, now: Fingerprint) -> str:
    if (was.facts is None) is (now.facts is None):
        return ""
    return "is no longer on the server" if now.facts is None else "is on the server now, and was not"


def _overrides(was: Fingerprint, now: Fingerprint) -> Iterator[str]:
    """Gateways that got other packages; not those that left."""
    before, after = (_packages_of(each) for each in (was, now))
    others = sorted(gateway for gateway in before.keys() & after.keys() if before[gateway] != after[gateway])
    if others:
        yield f"{_count(len(others))} got other packages ({_first(others)})"


def _packages_of(each: Fingerprint) -> dict[str, str]:
    groups = ((value, ids) for value, ids in each.gateways.items() if value != MEMBERS)
    return {gateway: value for value, ids in groups for gateway in ids}


def _entry(was: Facts, now: Facts) -> str:
    if was is None:
        return "was made since then"
    if now is None:
        return "is gone"
    return (
        f"has changed ({', '.join(sorted(k for k in was.keys() | now.keys() if was.get(k) != now.get(k)))})"
    )


def _shown(value: Json) -> str:
    return "(none)" if value is None else printable(json.dumps(value, ensure_ascii=False))


def _count(gateways: int) -> str:
    return f"{gateways:,} gateway{'' if gateways == 1 else 's'}"


def _first(ids: Sequence[str]) -> str:
    more = f" and {len(ids) - _FEW:,} more" if len(ids) > _FEW else ""
    return ", ".join(printable(each) for each in ids[:_FEW]) + more


def _time(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
