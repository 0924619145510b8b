"""Packages by what they hold, where a server tells no more than the first digits of it.

Tests: `tests/contract/test_provider_contract.py`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping

from reconciler.model import LivePackage


def holding(
    contents: Collection[str],
    packages: Iterable[LivePackage],
    digits: Callable[[LivePackage], str | None],
) -> Mapping[str, tuple[LivePackage, ...]]:
    """Content (64 hex digits) → the packages that hold it as far as their `digits` tell, by id."""
    told: dict[str, list[LivePackage]] = defaultdict(list)
    for package in packages:
        if known := digits(package):
            told[known].append(package)
    lengths = {len(known) for known in told}
    return {
        sha256: tuple(
            sorted(
                (each for length in lengths for each in told.get(sha256[:length], ())),
                key=lambda each: each.id,
            )
        )
        for sha256 in sorted(contents)
    }
