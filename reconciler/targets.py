"""Desired × state × targets → desired: the part of a project that a run is about. Pure.

A target is a declared campaign, or one that only the state knows: no longer declared, and `--prune` may
delete it. What is left alone is still known, for names and gateways are shared.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from reconciler.errors import InvalidInput
from reconciler.model import (
    Desired,
    DesiredCampaign,
    DuringFreeze,
    Finding,
    Focus,
    ResourceId,
    RolloutStatus,
    used_packages,
)
from reconciler.options import Selector, Targets
from reconciler.providers.base import Field
from reconciler.state.applied import REFUSED, ROLLOUT
from reconciler.state.base import State
from reconciler.state.declared import members_value
from reconciler.text import did_you_mean, first, nearest, printable, quoted


def narrowed(desired: Desired, state: State, targets: Targets) -> Desired:
    """`desired` with only the campaigns that `targets` choose, and the packages that those need.

    InvalidInput when nothing is known of a target, or when nothing is chosen. Without targets: `desired`.
    """
    if not targets:
        return desired
    removed = state.campaigns.keys() - desired.declared if desired.complete else frozenset[ResourceId]()
    asked = frozenset(targets.resources)

    def meant(resource: ResourceId, labels: Mapping[str, str]) -> bool:
        return (not asked or resource in asked) and all(each.holds(labels) for each in targets.selectors)

    unknown = sorted(asked - desired.declared - removed)
    findings = [_unknown(each, desired, state, near=at < _FEW) for at, each in enumerate(unknown)]
    chosen = tuple(each for each in desired.campaigns if meant(each.resource, each.labels))
    named = frozenset(each for each in removed & asked if meant(each, {}))
    if not (findings or chosen or named):
        findings = [_empty(targets, desired)]
    if findings:
        raise InvalidInput(findings)
    left = {each.resource for each in chosen}
    used = frozenset(used_packages(chosen))
    focus = Focus(targets.asked, tuple(c for c in desired.campaigns if c.resource not in left), named)
    packages = tuple(package for package in desired.packages if package in used)
    return replace(desired, campaigns=chosen, packages=packages, focus=focus)


def with_rollouts(desired: Desired, state: State) -> Desired:
    """`desired` with only the campaigns whose rollout may have something to do: the others are not read.

    That is one that isn't complete, or that a freeze may stop, or of which not every declared gateway is
    known to be in; and with a way back the campaign that it leads back from.
    """
    kept = {each.resource for each in desired.campaigns if _goes_on(each, state)}
    kept |= {back for each in desired.campaigns if each.resource in kept and (back := each.rollback_of)}
    chosen = tuple(each for each in desired.campaigns if each.resource in kept)
    if len(chosen) == len(desired.campaigns):
        return desired
    used = frozenset(used_packages(chosen))
    before = desired.focus or Focus(())
    focus = replace(
        before,
        asked=(*before.asked, ROLLOUTS_ONLY),
        excluded=(*before.excluded, *(c for c in desired.campaigns if c.resource not in kept)),
    )
    packages = tuple(package for package in desired.packages if package in used)
    return replace(desired, campaigns=chosen, packages=packages, focus=focus)


def _goes_on(campaign: DesiredCampaign, state: State) -> bool:
    wish, owned = campaign.rollout, state.campaigns.get(campaign.resource)
    if campaign.rollback_of is not None:
        return True
    if wish is None:
        return False
    record = owned.rollout if owned else None
    if owned is None or record is None or record.status is not RolloutStatus.COMPLETE:
        return True
    if wish.during_freeze is DuringFreeze.STOP or campaign.gateways is None:
        return True
    refused = owned.members.get(ROLLOUT, {}).get(REFUSED, frozenset())
    inside = campaign.gateways - (campaign.closed or frozenset()) - refused
    return owned.declared.get(Field.GATEWAYS) != members_value(inside)


def _unknown(target: ResourceId, desired: Desired, state: State, *, near: bool) -> Finding:
    """`near`: look for the nearest name, which takes a while among many."""
    message = f"--target: there is no {_shown(target)}, neither in the files nor in the state"
    if not desired.complete and target in state.campaigns:
        message = f"--target: {_shown(target)} is not in these files"
        return Finding("unknown-target", message, hint="leave the paths out: it may be declared elsewhere")
    names = {each.name for each in (*desired.declared, *state.campaigns)}
    meant = (
        did_you_mean(target.name, names, lambda name: f"`{_shown(replace(target, name=name))}`")
        if near
        else None
    )
    return Finding("unknown-target", message, hint=meant or _there_are(desired))


def _there_are(desired: Desired) -> str:
    names = sorted(map(_shown, desired.declared))
    return f"there are {first(names, _FEW)}" if names else "no campaign is declared"


def _empty(targets: Targets, desired: Desired) -> Finding:
    asked = " ".join(targets.asked)
    hints = (hint for selector in targets.selectors if (hint := _why(selector, desired)))
    message = f"no campaign is chosen by {printable(asked, 200)}"
    return Finding("empty-selection", message, hint="; ".join(hints) or "no campaign meets all of it")


def _why(selector: Selector, desired: Desired) -> str | None:
    """Why no campaign meets `selector`; None when some do."""
    if any(selector.holds(campaign.labels) for campaign in desired.campaigns):
        return None
    values = sorted(set(_values(selector.key, desired)))
    if values and selector.value is not None and not selector.negated:
        meant = nearest(selector.value, values)
        return f"the label {quoted(selector.key)} is " + (
            f"{quoted(meant)} somewhere: did you mean that?"
            if meant
            else f"one of {', '.join(map(printable, values[:_FEW]))}"
        )
    if values:
        return f"every campaign has the label `{printable(selector.key)}={printable(selector.value or '')}`"
    meant = did_you_mean(selector.key, {key for campaign in desired.campaigns for key in campaign.labels})
    said = f"no campaign has a label {quoted(selector.key)}"
    return f"{said}; {meant}" if meant else said


def _values(key: str, desired: Desired) -> Iterator[str]:
    return (campaign.labels[key] for campaign in desired.campaigns if key in campaign.labels)


def _shown(resource: ResourceId) -> str:
    return printable(str(resource), 200)


ROLLOUTS_ONLY = "--rollouts-only"
"""What was asked for, where a run looks at rollouts."""
_FEW = 8
"""How many names are listed."""
