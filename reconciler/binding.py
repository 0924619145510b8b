"""Which package of the server a declared one is. Pure.

Tests: `tests/diff/test_diff_packages.py`, `tests/scenarios/test_revisions.py`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from reconciler.model import (
    BoundPackage,
    Finding,
    Live,
    LivePackage,
    PackageById,
    PackageByName,
    PackageFile,
    PackageRef,
    PendingUpload,
)
from reconciler.state.base import State, Uploaded, upload_key


def package_of(
    ref: PackageRef, live: Live, state: State, *, adopt: bool = False
) -> Uploaded | BoundPackage | Finding:
    """Its id, or the upload that will give it one; of a file that is there, what is known of that upload.

    A finding where it can't be told. `adopt`: a package of somebody else that holds a file is taken as ours.
    """
    match ref:
        case PackageFile():
            return _of_file(ref, live, state, adopt=adopt)
        case PackageById():
            there = live.package_ids.get(ref.id)
            return live.spelled.get(ref.id, ref.id) if there else _no_such_id(ref)
        case PackageByName():
            named = tuple(each for each in live.named_packages.get(ref.name, ()) if _may_be(ref, each))
            return named[0].id if len(named) == 1 else _not_one(ref, named)


def others_than(
    packages: Iterable[PackageRef], there: Iterable[str], live: Live, state: State, *, adopt: bool = False
) -> bool:
    """Whether `packages` surely aren't those that are `there` (ids); their order means nothing."""
    found = [package_of(ref, live, state, adopt=adopt) for ref in packages]
    if any(isinstance(each, Finding) for each in found):
        return False
    return {each.id if isinstance(each, Uploaded) else each for each in found} != set(there)


def _may_be(ref: PackageByName, package: LivePackage) -> bool:
    """Whether `package`, of its name, has the version and the type that are said."""
    return ref.version in (None, package.version) and ref.type in (None, package.type)


def _of_file(
    file: PackageFile, live: Live, state: State, *, adopt: bool
) -> Uploaded | PendingUpload | Finding:
    """Our own upload if the server still has it, else one that holds it, where that may be trusted."""
    known = state.packages.get(file.sha256)
    if known and live.package_ids.get(known.id):
        return replace(known, id=live.spelled.get(known.id, known.id))
    match _holding(file, live, state, adopt=adopt):
        case ():
            return PendingUpload(file.sha256)
        case (found,):
            said = found.described(file.sha256) or None
            return Uploaded(file.sha256, found.id, found.name, file.resource, description=said)
        case several:
            return Finding(
                "ambiguous-package",
                f"{len(several)} live packages seem to hold the content of {file.name}: {_ids(several)}",
                file.place,
                "delete the one that no campaign uses, or declare the other by its id",
                file.resource,
            )


def _holding(file: PackageFile, live: Live, state: State, *, adopt: bool) -> tuple[LivePackage, ...]:
    """What an upload of ours without an answer may have made, or else whatever holds it, to be adopted."""
    here = live.packages_by_content.get(file.sha256, ())
    if intent := state.intents.get(upload_key(file.sha256)):
        made = set(intent.made(package.id for package in here))
        ours = tuple(package for package in here if package.id in made)
        return ours if ours or not adopt else here
    return here


def _ids(packages: Iterable[LivePackage]) -> str:
    return ", ".join(package.id for package in packages)


def _no_such_id(ref: PackageById) -> Finding:
    return Finding(
        "package-not-found",
        f"the server has no package with the id {ref.id!r}",
        ref.place,
        "correct the id, or declare the package by name or file",
    )


def _not_one(ref: PackageByName, named: tuple[LivePackage, ...]) -> Finding:
    if named:
        return Finding(
            "ambiguous-package",
            f"{len(named)} live packages have the name {ref.name!r}: {_ids(named)}",
            ref.place,
            "declare the one that is meant by its id",
        )
    said = " and ".join(
        f"{what} {word!r}" for what, word in (("version", ref.version), ("type", ref.type)) if word
    )
    return Finding(
        "package-not-found",
        f"the server has no package of exactly the name {ref.name!r}{said and f' with the {said}'}",
        ref.place,
        "correct the name, upload the package, or declare it by its file",
    )
