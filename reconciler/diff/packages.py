"""Which live package, or which upload of this plan, each declared package is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from reconciler.binding import package_of
from reconciler.model import (
    BoundPackage,
    Change,
    ChangedIn,
    Desired,
    Finding,
    Json,
    Live,
    PackageFile,
    PackageRef,
    PendingUpload,
    Reason,
    Severity,
    used_packages,
)
from reconciler.ownership import comparable
from reconciler.providers.base import Field
from reconciler.state.base import Event, PackageUploaded, State, Uploaded
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
    for ref in dict.fromkeys((*files, *used_packages(allowed))):
        found = package_of(ref, live, state, adopt=adopt)
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


def _upload(file: PackageFile, state: State) -> Change:
    gone = file.sha256 in state.packages
    version: Mapping[str, Json] = {} if file.version is None else {"version": file.version}
    return Change(
        file.resource,
        Field.PACKAGES,
        None,
        {"name": file.name, "sha256": file.sha256, "size": file.size, **version},
        Reason.GONE_FROM_SERVER if gone else Reason.NOT_ON_SERVER,
        changed_in=ChangedIn.SERVER if gone else ChangedIn.NEVER,
    )


def shown_packages(packages: Iterable[BoundPackage], bound: Bound) -> Json:
    """Packages as a change shows them: ids, and names and digests of those still to be uploaded."""
    return [_shown(package, bound) for package in packages]


def _shown(package: BoundPackage, bound: Bound) -> Json:
    if isinstance(package, PendingUpload):
        return {"upload": bound.names[package], "sha256": package.sha256}
    return package
