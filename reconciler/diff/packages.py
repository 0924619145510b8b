"""Which live package, or which upload of this plan, each declared package is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from reconciler.model import (
    BoundPackage,
    Change,
    ChangedIn,
    Desired,
    Finding,
    Json,
    Live,
    LivePackage,
    PackageById,
    PackageByName,
    PackageFile,
    PackageRef,
    PendingUpload,
    Reason,
    Severity,
    used_packages,
)
from reconciler.ownership import comparable
from reconciler.providers.base import Field
from reconciler.state.base import Event, PackageUploaded, State, Uploaded, upload_key
from reconciler.text import quoted


@dataclass(frozen=True, slots=True)
class Bound:
    """Package → its id, or the upload that will give it one. What could not be bound has a finding."""

    packages: Mapping[PackageRef, BoundPackage]
    names: Mapping[BoundPackage, str] = field(default_factory=dict)
    uploads: tuple[PackageFile, ...] = ()
    changes: tuple[Change, ...] = ()
    findings: tuple[Finding, ...] = ()
    records: tuple[Event, ...] = ()


def bind(desired: Desired, live: Live, state: State, *, adopt: bool = False) -> Bound:
    """Bind every package of the campaigns that are ours or may become so, and every file but the others'.

    `adopt`: a package of somebody else that holds a file is taken as ours.
    """
    packages: dict[PackageRef, BoundPackage] = {}
    findings: list[Finding] = []
    records: list[Event] = []
    allowed = comparable(desired, live.claims)
    ours = {campaign.resource for campaign in allowed}
    refused = [campaign for campaign in desired.campaigns if campaign.resource not in ours]
    of_others = set(used_packages(refused)) - set(used_packages(allowed))
    files = [r for r in desired.packages if isinstance(r, PackageFile) and r not in of_others]
    found: Uploaded | BoundPackage | Finding
    for ref in dict.fromkeys((*files, *used_packages(allowed))):
        match ref:
            case PackageFile():
                found = _of_file(ref, live, state, adopt=adopt)
            case PackageById():
                there = live.package_ids.get(ref.id)
                found = live.spelled.get(ref.id, ref.id) if there else _no_such_id(ref)
            case PackageByName():
                named = tuple(each for each in live.named_packages.get(ref.name, ()) if _may_be(ref, each))
                found = named[0].id if len(named) == 1 else _not_one(ref, named)
        match found:
            case Finding():
                findings.append(found)
            case Uploaded():
                packages[ref] = found.id
                if isinstance(ref, PackageFile) and (kept := _kept(ref, found)):
                    findings.append(kept)
                if state.packages.get(found.sha256) != found:
                    records.append(PackageUploaded(found))
            case _:
                packages[ref] = found
    uploads = tuple(file for file in files if isinstance(packages.get(file), PendingUpload))
    return Bound(
        packages=packages,
        names={packages[file]: file.name for file in files if file in packages},
        uploads=uploads,
        changes=tuple(_upload(file, state) for file in uploads),
        findings=tuple(findings),
        records=tuple(records),
    )


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


def _kept(file: PackageFile, uploaded: Uploaded) -> Finding | None:
    """A note, where the server has another name or description than is declared; a text left out isn't."""
    kept = [f"the name {quoted(uploaded.name)}"] if file.name != uploaded.name else []
    known = uploaded.description
    if file.description and known is not None and file.description.strip() != known.strip():
        kept.append(f"the description {quoted(known)}" if known else "no description")
    if not kept:
        return None
    return Finding(
        "package-kept",
        "the name and description of a package can't be changed on the server; "
        f"it keeps {' and '.join(kept)}",
        file.place,
        "declare what the server has; only other content is another package",
        file.resource,
        Severity.NOTE,
    )


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


def _upload(file: PackageFile, state: State) -> Change:
    gone = file.sha256 in state.packages
    return Change(
        file.resource,
        Field.PACKAGES,
        None,
        {"name": file.name, "sha256": file.sha256, "size": file.size},
        Reason.GONE_FROM_SERVER if gone else Reason.NOT_ON_SERVER,
        changed_in=ChangedIn.SERVER if gone else ChangedIn.NEVER,
    )


def shown_packages(packages: Iterable[BoundPackage], bound: Bound) -> Json:
    """Packages as a change shows them: ids, and names of those still to be uploaded."""
    return [
        {"upload": bound.names[package]} if isinstance(package, PendingUpload) else package
        for package in packages
    ]
