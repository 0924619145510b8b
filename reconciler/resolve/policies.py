"""RolloutPolicies: waves, gates and budgets, as far as they are the same for every campaign.

Tests: `tests/resolve/test_resolve_rollouts.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from reconciler.loading.nodes import gapped, unsure
from reconciler.loading.referenced_files import Files
from reconciler.model import (
    THOUSANDTHS,
    Calendar,
    DuringFreeze,
    Gate,
    OnDeadline,
    OnFailure,
    ResourceId,
    RolloutCheck,
    Share,
    Wave,
)
from reconciler.resolve.gateway_lists import GatewayList
from reconciler.resolve.ids import Ids, check_ids
from reconciler.resolve.members import union
from reconciler.resolve.questions import resolve_checks
from reconciler.resolve.rollout_order import SetsByName, come_first
from reconciler.resolve.source import ResourceSource
from reconciler.resolve.times import duration
from reconciler.text import quoted

_SELECTORS = ("gatewayLists", "gateways", "where")
Columns = Mapping[str, frozenset[str]]
"""Column → the values of it that are meant."""


@dataclass(frozen=True, slots=True)
class WaveRule:
    """A wave of a policy; ``wave.candidates`` are its lists' and gateways, ``where`` is of each campaign."""

    wave: Wave
    path: tuple[str | int, ...]
    where: Columns | None = None


@dataclass(frozen=True, slots=True)
class PolicyParts:
    """What a RolloutPolicy says. ``waves`` None: not all of them are known."""

    source: ResourceSource = field(repr=False)
    waves: tuple[WaveRule, ...] | None = None
    budget: Share | None = None
    """A count, or a share of a group."""
    group_by: str | None = None
    calendar: Calendar | None = None
    on_failure: OnFailure = OnFailure.PAUSE
    on_deadline: OnDeadline = OnDeadline.PAUSE
    during_freeze: DuringFreeze = DuringFreeze.HOLD
    seed: str | None = None
    after: tuple[ResourceId, ...] = ()
    """Campaigns, those of sets among them."""
    checks: tuple[RolloutCheck, ...] = ()


def named_columns(sources: Sequence[ResourceSource]) -> frozenset[str]:
    """The columns of data files that policies name: nothing else of those files is kept."""
    named: set[str] = set()
    for source in sources:
        named.update(str(column) for wave in source.spec.get("waves", ()) for column in wave.get("where", ()))
        if "groupBy" in (budget := source.spec.get("disruptionBudget", {})):
            named.add(str(budget["groupBy"]))
    return frozenset(named)


def resolve_policy(
    source: ResourceSource,
    lists: Mapping[str, GatewayList],
    calendars: Mapping[str, Calendar | None],
    files: Files,
    sets: SetsByName,
) -> PolicyParts:
    """The waves of a policy, each with what it takes from the policy."""
    spec = source.spec
    known = not unsure(spec, "waves") and not any(map(gapped, spec.get("waves", ())))
    rules = tuple(_waves(source, lists))
    _check(source, rules)
    budget = spec.get("disruptionBudget", {})
    return PolicyParts(
        source,
        rules if known and rules else None,
        _share(budget["maxUnavailable"]) if "maxUnavailable" in budget else None,
        str(budget["groupBy"]) if "groupBy" in budget else None,
        calendars.get(spec.get("calendar", "")),
        OnFailure(spec.get("onFailure", OnFailure.PAUSE)),
        OnDeadline(spec.get("onDeadline", OnDeadline.PAUSE)),
        DuringFreeze(spec.get("duringFreeze", DuringFreeze.HOLD)),
        str(spec["seed"]) if "seed" in spec else None,
        tuple(dict.fromkeys(each for _, each in come_first(source, sets))),
        resolve_checks(source, files),
    )


def _waves(source: ResourceSource, lists: Mapping[str, GatewayList]) -> Iterator[WaveRule]:
    spec = source.spec
    for index, item in enumerate(spec.get("waves", ())):
        path = ("waves", index)
        selectors = [name for name in _SELECTORS if name in item]
        if len(selectors) > 1:
            message = f"the wave has {' and '.join(selectors)}, but one of them is the most"
            source.error("wave-selector", message, source.place(*path, selectors[1]), "keep one of them")
        where = None
        if "where" in item:
            where = {str(column): _values(values) for column, values in item["where"].items()}
        wave = Wave(
            str(item.get("name", f"wave-{index + 1}")),
            _share(item.get("upTo", "100%")),
            _candidates(source, path, item, lists),
            duration(item.get("soak", spec.get("soak", "0s"))),
            duration(deadline) if (deadline := item.get("deadline", spec.get("deadline"))) else None,
            bool(item.get("approval", False)),
            _gate({**spec.get("gate", {}), **item.get("gate", {})}),
        )
        yield WaveRule(wave, path, where)


def _candidates(
    source: ResourceSource,
    path: tuple[str | int, ...],
    item: Mapping[str, Any],
    lists: Mapping[str, GatewayList],
) -> frozenset[str] | None:
    if "gatewayLists" in item:
        return union(lists[name].gateways for name in item["gatewayLists"] if name in lists)
    if "gateways" in item:
        ids = item["gateways"]
        return check_ids(source, Ids(ids, lambda index: source.place(*path, "gateways", index)))[0]
    return None


def _values(given: object) -> frozenset[str]:
    return frozenset(map(str, given if isinstance(given, list) else [given]))


def _share(given: object) -> Share:
    if isinstance(given, int):
        return Share(count=given)
    whole, _, part = str(given).rstrip("%").partition(".")
    return Share(thousandths=min(int(whole) * 1000 + int(part.ljust(3, "0")), THOUSANDTHS))


def _gate(given: Mapping[str, Any]) -> Gate:
    success = float(given.get("minSuccessPercent", 90))
    return Gate(
        success,
        float(given.get("maxFailedPercent", 100 - success)),
        given.get("sample", 20),
        given.get("maxFailed"),
    )


def _check(source: ResourceSource, rules: Sequence[WaveRule]) -> None:
    """Names are used once, and of the same candidates each wave takes more than those before it."""
    first: dict[str, int] = {}
    largest: dict[object, tuple[int, Share]] = {}
    for index, rule in enumerate(rules):
        name = rule.wave.name
        if first.setdefault(name, index) != index:
            where = source.place("waves", first[name])
            at = "name" if "name" in source.spec["waves"][index] else None
            place = source.place("waves", index, *([at] if at else []))
            message = f"another wave is called {quoted(name)}, at {where}"
            source.error("wave-name-twice", message, place, "give one of them another name")
        meant = _meant(source.spec["waves"][index])
        share = rule.wave.share
        before = largest.get(meant)
        if before and _not_larger(share, before[1]):
            message = f"`upTo` counts those of earlier waves, and wave {before[0] + 1} takes as many already"
            at = "upTo" if "upTo" in source.spec["waves"][index] else None
            place = source.place("waves", index, *([at] if at else []))
            hint = "write a larger share, or take the wave out"
            source.error("wave-shrinks", message, place, hint)
        else:
            largest[meant] = (index, share)
    if any(rule.wave.share.of(1) < 1 for rule in rules):
        message = "the wave takes nobody: its share is 0 %"
        source.error("wave-shrinks", message, source.place("waves"), "write a share above 0 %")


def _meant(item: Mapping[str, Any]) -> object:
    """Who is meant, to be compared as it is written."""
    if "gatewayLists" in item:
        return ("lists", frozenset(item["gatewayLists"]))
    if "gateways" in item:
        return ("gateways", frozenset(item["gateways"]))
    if "where" in item:
        return ("where", frozenset((column, _values(values)) for column, values in item["where"].items()))
    return "all"


def _not_larger(share: Share, before: Share) -> bool:
    """Whether it surely takes no more; a count and a share can't be compared."""
    if (share.count is None) != (before.count is None):
        return share.count is not None and before.thousandths == THOUSANDTHS
    if share.count is not None and before.count is not None:
        return share.count <= before.count
    return share.thousandths <= before.thousandths
