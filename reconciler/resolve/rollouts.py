"""The rollout of a campaign: its policy, for its gateways."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from reconciler.loading.nodes import unsure
from reconciler.model import Budget, Calendar, DesiredRollout, Joining, ListedGateways, Place, Wave
from reconciler.model.waves import assigned, sizes
from reconciler.resolve.members import union
from reconciler.resolve.policies import PolicyParts, WaveRule
from reconciler.resolve.source import ResourceSource
from reconciler.resolve.zones import Fleet
from reconciler.text import did_you_mean, quoted


def resolve_rollout(
    source: ResourceSource,
    fleet: Fleet,
    policies: Mapping[str, PolicyParts],
    project: Sequence[Calendar],
    zones: Mapping[str, frozenset[str]],
) -> DesiredRollout | None:
    """How the campaign reaches its gateways; None: all at once, or it isn't known.

    `project`: the calendars of the whole project; `zones`: of all gateways, where a calendar asks for them.
    """
    declared = source.spec.get("rollout")
    if declared is None:
        return None
    _check_membership(source)
    parts = policies.get(declared.get("policy", ""))
    if parts is None or parts.waves is None:
        return None
    waves = tuple(_wave(source, fleet, parts, rule) for rule in parts.waves)
    calendars = (*((parts.calendar,) if parts.calendar else ()), *project)
    wish = DesiredRollout(
        policy=parts.source.identity.name,
        waves=waves,
        seed=parts.seed or source.identity.name,
        budget=_budget(source, fleet, parts),
        calendars=calendars,
        zones=zones if any(each.of_gateways for each in calendars) else {},
        on_failure=parts.on_failure,
        on_deadline=parts.on_deadline,
        during_freeze=parts.during_freeze,
        approved=_approved(source, waves),
        paused=bool(declared.get("paused", False)),
        after=parts.after,
        checks=parts.checks,
        listed=_listed(fleet),
        place=source.place("rollout"),
    )
    if fleet.whole:
        _check_waves(source, fleet, wish)
    return wish


def _listed(fleet: Fleet) -> ListedGateways | None:
    digests = [each.digest for each in fleet.lists]
    return ListedGateways(fleet.declared, " ".join(digests)) if all(digests) else None


def _check_membership(source: ResourceSource) -> None:
    spec = source.spec
    if not any(name in spec or unsure(spec, name) for name in ("gatewayLists", "rollbackOf")):
        message = "the campaign has a rollout, but no gatewayLists: nobody knows whom its waves are of"
        hint = "name the lists of all its gateways, or take the rollout out"
        source.error("rollout-without-lists", message, source.place("rollout"), hint)
    if "distributionList" in spec:
        message = "the campaign has a rollout, and a distribution list by which the server adds gateways"
        source.error("rollout-with-distribution-list", message, source.place("rollout"), "keep one of them")
    if spec.get("joinWhileStarted") == Joining.PAUSE:
        message = "each wave stops the campaign for those who join, and with it everyone who is under way"
        hint = "leave joinWhileStarted out: with a rollout it is `direct`"
        source.warning("rollout-pauses", message, source.place("joinWhileStarted"), hint)


def _wave(source: ResourceSource, fleet: Fleet, parts: PolicyParts, rule: WaveRule) -> Wave:
    if rule.where is None:
        return rule.wave
    meant = fleet.gateways
    for column, values in rule.where.items():
        place = parts.source.place(*rule.path, "where", column, key=True)
        found = _column(source, fleet, column, place)
        meant &= union(members for value, members in found if value in values)
    return replace(rule.wave, candidates=meant)


def _column(
    source: ResourceSource, fleet: Fleet, column: str, place: Place
) -> Sequence[tuple[str, frozenset[str]]]:
    """Values of a column and their gateways, of all lists; an error where no list has it."""
    found = [pair for each in fleet.lists for pair in each.labels.get(column, {}).items()]
    known = sorted(frozenset().union(*(each.columns for each in fleet.lists)))
    if column not in known and fleet.whole:
        message = f"{source.identity}: none of its lists has a column {quoted(column)} in a CSV file"
        hint = did_you_mean(column, known) or (
            f"their columns are {', '.join(map(quoted, known))}" if known else "use lists with a CSV file"
        )
        source.error("unknown-column", message, place, hint)
    return found


def _budget(source: ResourceSource, fleet: Fleet, parts: PolicyParts) -> Budget | None:
    if parts.budget is None:
        return None
    groups: dict[str, frozenset[str]] | None = None
    if parts.group_by is not None:
        groups = {}
        place = parts.source.place("disruptionBudget", "groupBy")
        for value, members in _column(source, fleet, parts.group_by, place):
            groups[value] = groups.get(value, frozenset()) | members
    return Budget(parts.budget.count, parts.budget.thousandths, groups)


def _approved(source: ResourceSource, waves: Sequence[Wave]) -> int:
    given = source.spec["rollout"].get("approved")
    if given is None:
        return 0
    names = [wave.name for wave in waves]
    if isinstance(given, int) and given <= len(names):
        return given
    if given in names:
        return names.index(given) + 1
    message = f"{quoted(str(given))} isn't a wave of the policy {source.spec['rollout']['policy']}"
    hint = did_you_mean(str(given), names) or f"its waves are {', '.join(map(quoted, names))}"
    source.error("unknown-wave", message, source.place("rollout", "approved"), hint)
    return 0


def _check_waves(source: ResourceSource, fleet: Fleet, wish: DesiredRollout) -> None:
    """What the waves leave out, and waves of nobody."""
    place = source.place("rollout", "policy")
    many = sizes(fleet.gateways, wish.waves, wish.seed)
    for wave, members in zip(wish.waves, many, strict=True):
        if wave.candidates is not None and not wave.candidates & fleet.gateways:
            message = f"none of the gateways that wave {wave.name} means is in this campaign"
            source.note("canary-not-members", message, place, "it opens with the wave after it")
        elif not members and fleet.gateways:
            message = f"wave {wave.name} has no gateways here: those before it have taken them"
            source.note("wave-empty", message, place, "it opens with the wave after it")
    if sum(many) < len(fleet.gateways):
        waves = assigned(fleet.gateways, wish.waves, wish.seed)
        rest = sorted(fleet.gateways.difference(*waves))
        message = (
            f"the waves leave {len(rest):,} of {len(fleet.gateways):,} gateways out, first {quoted(rest[0])}:"
            " they are never released"
        )
        hint = "add a last wave without a selector and without `upTo`, or say nothing if that is meant"
        source.warning("rollout-partial", message, place, hint)
