"""What packages are called where people read of them: by name, and by version if the server keeps one. Pure.

| a package                                                  | is called                                    |
|------------------------------------------------------------|----------------------------------------------|
| with a version                                             | ``firmware 2.1``                             |
| without, or with one that is only the start of its digest  | ``fw.bin``                                   |
| named by a plan beside another one which is called so, too | ``fw.bin (3fa8b2c91d20)``, by its content;   |
|                                                            | if that isn't known: ``fw.bin (id 7)``       |

Tests: `tests/plan/test_plan_packages.py`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Set
from typing import Final

from reconciler.model import (
    BoundPackage,
    Live,
    LivePackage,
    PackageFile,
    PendingUpload,
)
from reconciler.providers.base import Detail, Facts
from reconciler.state.applied import FINISHED, finished_of
from reconciler.state.base import State

_DIGITS: Final = 12
"""Of a digest, as people compare it."""
_FEWEST: Final = 8
"""So many digits are no accident."""


def called(name: str, version: str | None, sha256: str | None) -> str:
    """``firmware 2.1``; the name alone without a version, or with one that only repeats its content."""
    of_content = version and sha256 and len(version) >= _FEWEST and sha256.startswith(version)
    return f"{name} {version}" if name and version and not of_content else name


def names_of(live: Live, state: State) -> Mapping[str, str]:
    """Package id → what it is called: as the server told, or else as the state has it."""
    ours = {upload.id: upload.name for upload in state.packages.values()}
    recorded = (owned.members.get(FINISHED, {}) for owned in state.campaigns.values())
    then = {key: name for values in recorded for value in values for key, name in finished_of(value).items()}
    told = {key: called(each.name, each.version, each.sha256) for key, each in _told(live).items()}
    return {key: name for key, name in {**then, **ours, **told}.items() if name}


def untold(ids: Iterable[str], live: Live, state: State, facts: Facts) -> frozenset[str]:
    """Those of `ids` whose name nobody knows yet, or whose version, if the server keeps versions."""
    versions = Detail.PACKAGE_VERSION in facts.details
    return frozenset(ids) - (_told(live).keys() if versions else names_of(live, state).keys())


def labels(
    spoken: Set[BoundPackage], files: Iterable[PackageFile], live: Live, state: State
) -> Mapping[BoundPackage, str]:
    """What each of `spoken` is called, no two alike; `files`: those that are still to be uploaded."""
    known: dict[BoundPackage, str] = {
        PendingUpload(file.sha256): called(file.name, file.version, file.sha256) for file in files
    }
    known.update(names_of(live, state))
    found = {package: known[package] for package in spoken & known.keys()}
    alike: dict[str, list[BoundPackage]] = defaultdict(list)
    for package, name in found.items():
        alike[name].append(package)
    contents = {**{upload.id: upload.sha256 for upload in state.packages.values()}, **_contents(live)}
    for name, packages in alike.items():
        if len(packages) > 1:
            found.update((package, f"{name} ({_apart(package, contents)})") for package in packages)
    return found


def _apart(package: BoundPackage, contents: Mapping[str, str]) -> str:
    """What tells it from others of its name."""
    sha256 = contents.get(package) if isinstance(package, str) else package.sha256
    return sha256[:_DIGITS] if sha256 else f"id {package}"


def _told(live: Live) -> Mapping[str, LivePackage]:
    """Package id → it, as the server told."""
    read = (*live.named_packages.values(), *live.packages_by_content.values())
    return {**{package.id: package for found in read for package in found}, **live.called}


def _contents(live: Live) -> Mapping[str, str]:
    """Package id → the digest of its content, where that is known."""
    told = {key: each.sha256 for key, each in _told(live).items() if each.sha256}
    marked = {each.id: sha256 for sha256, found in live.packages_by_content.items() for each in found}
    return {**told, **marked}
