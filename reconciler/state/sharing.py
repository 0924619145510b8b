"""One set of gateways for Git and for the state: a million ids are 90 MB, and mostly both have the same ones.

Tests: `tests/state/test_state_sharing.py`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from reconciler.model import Desired
from reconciler.state.base import Owned, State

_MANY: Final = 1_000
"""Gateways from which on it is worth while to compare two sets."""


def sharing(state: State, desired: Desired) -> State:
    """An equal state: where it has just the gateways that their campaign declares, it has that very set."""
    declared = {campaign.resource: campaign.gateways for campaign in desired.campaigns}
    shared = {
        resource: _with(owned, gateways)
        for resource, owned in state.campaigns.items()
        if (gateways := declared.get(resource)) and owned.members and len(gateways) >= _MANY
    }
    return replace(state, campaigns={**state.campaigns, **shared}) if shared else state


def _with(owned: Owned, gateways: frozenset[str]) -> Owned:
    """`owned` with `gateways` itself in the place of the sets that are equal to it; each is compared once."""
    sets = {id(members): members for values in owned.members.values() for members in values.values()}
    alike = {key for key, members in sets.items() if members == gateways}
    if not alike:
        return owned
    members = {
        field: {value: gateways if id(found) in alike else found for value, found in values.items()}
        for field, values in owned.members.items()
    }
    return replace(owned, members=members)
