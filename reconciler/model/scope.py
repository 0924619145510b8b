"""What is to be read of a server, as a value.

Tests: `tests/observe/test_reading.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

_NONE: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Aspects:
    """What is read of a campaign beside what one call tells of it.

    ``overrides``: whose packages are read; of those gateways only open members have any.
    """

    members: bool = False
    distribution: bool = False
    overrides: frozenset[str] = _NONE

    def __or__(self, other: Aspects) -> Aspects:
        return Aspects(
            self.members or other.members,
            self.distribution or other.distribution,
            self.overrides | other.overrides,
        )


@dataclass(frozen=True, slots=True)
class Scope:
    """What is read of a server; two of them together (``|``) are read once."""

    campaigns: Mapping[str, Aspects] = field(default_factory=dict)
    """By id."""
    names: frozenset[str] = _NONE
    """Which campaigns have these names?"""
    whole: bool = False
    """All campaigns are listed, whatever is asked of the list."""
    package_ids: frozenset[str] = _NONE
    """Are these packages there?"""
    package_names: frozenset[str] = _NONE
    contents: frozenset[str] = _NONE
    """Which packages hold these (SHA-256, 64 hex digits)?"""
    users: frozenset[str] = _NONE
    """Which of all campaigns use these packages?"""
    called: frozenset[str] = _NONE
    """What are these packages called? For people only: nothing is decided by it."""

    def __or__(self, other: Scope) -> Scope:
        shared = self.campaigns.keys() & other.campaigns.keys()
        both = {key: self.campaigns[key] | other.campaigns[key] for key in shared}
        return Scope(
            {**self.campaigns, **other.campaigns, **both},
            self.names | other.names,
            self.whole or other.whole,
            self.package_ids | other.package_ids,
            self.package_names | other.package_names,
            self.contents | other.contents,
            self.users | other.users,
            self.called | other.called,
        )
