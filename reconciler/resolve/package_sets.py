"""PackageSets: each package by id, by name or by the content of a file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from reconciler.loading.nodes import gapped, unsure
from reconciler.loading.referenced_files import Digest, Files, Problem
from reconciler.model import PackageById, PackageByName, PackageFile, PackageRef, Place, SetName, UploadMode
from reconciler.providers.base import Limits
from reconciler.resolve.source import ResourceSource
from reconciler.resolve.supported import check_set_supported
from reconciler.text import control_character, quoted

NAME_LIMIT = 255
"""Characters of a package's name, where the server takes no fewer."""


@dataclass(frozen=True, slots=True)
class PackageMembers:
    """The packages of a PackageSet in their order, as far as they are known.

    ``whole`` is False when there are others of which it isn't known what they are. ``doubtful``: the places
    of those of which not all is known.
    """

    refs: tuple[PackageRef, ...] = ()
    whole: bool = True
    doubtful: frozenset[Place | None] = frozenset()
    name: SetName | None = None
    """What they are called together."""

    def surely_other_than(self, other: PackageMembers) -> bool:
        """Whether these are other packages, whatever the unknown ones turn out to be."""
        if self.whole and other.whole:
            return self.refs != other.refs
        more, less = frozenset(self.refs), frozenset(other.refs)
        return (other.whole and not more <= less) or (self.whole and not less <= more)


def resolve_package_set(source: ResourceSource, files: Files) -> PackageMembers:
    """The packages of a PackageSet; one that can't be told is left out."""
    check_set_supported(source)
    packages: dict[PackageRef, Place] = {}
    whole = not unsure(source.spec, "packages")
    doubtful: set[Place | None] = set()
    for index, item in enumerate(source.spec.get("packages") or ()):
        package = _package(source, index, item, files)
        if package is None:
            whole = False
            continue
        if any(unsure(item, key) for key in ("name", "description", "upload")):
            doubtful.add(package.place)
        place = source.place("packages", index)
        first = packages.setdefault(package, place)
        if first is not place:
            source.error(
                "duplicate-package",
                f"{describe(package)} appears twice in this set, first at {first}",
                place,
                "remove one of them",
            )
    version = source.spec.get("version")
    name = SetName(source.identity.name, None if version is None else str(version))
    return PackageMembers(tuple(packages), whole, frozenset(doubtful), name)


def one_by_content(sets: Iterable[tuple[ResourceSource, PackageMembers]]) -> Mapping[PackageRef, PackageRef]:
    """Every package → the first that is equal to it, in order.

    Content is what a file is known by, so all its declarations have to say the same of it.
    """
    packages: dict[PackageRef, PackageRef] = {}
    said: dict[PackageRef, PackageFile] = {}
    for source, members in sets:
        for package in members.refs:
            packages.setdefault(package, package)
            if isinstance(package, PackageFile) and package.place not in members.doubtful:
                _same(source, package, said.setdefault(package, package))
    return packages


def _same(source: ResourceSource, package: PackageFile, first: PackageFile) -> None:
    differing = [
        word
        for word, other, value in (
            ("name", first.name, package.name),
            ("description", first.description, package.description),
            ("upload", first.mode, package.mode),
            ("version", first.version, package.version),
            ("type", first.type, package.type),
            ("vendor", first.vendor, package.vendor),
        )
        if value != other
    ]
    if differing:
        source.error(
            "package-conflict",
            f"the content of {quoted(package.path.name)} is declared before at {first.place} "
            f"with another {' and '.join(differing)}",
            package.place or source.place("packages"),
            "content is uploaded once: say the same of it everywhere, or refer to that PackageSet",
        )


def describe(package: PackageRef) -> str:
    """A package in the words of its declaration."""
    match package:
        case PackageById(id=id_):
            return f"package id {quoted(id_)}"
        case PackageByName(name=name):
            return f"package name {quoted(name)}"
    return f"the content sha256:{package.sha256[:16]}"


def upload_mode(wish: str, size: int, limits: Limits) -> UploadMode | None:
    """How a file of `size` bytes travels; None when it is too large for the mode that was asked for.

    Multipart wherever the server takes that, else streaming.
    """
    fits = [mode for mode in UploadMode if size <= limits.upload.get(mode, size)]
    if wish == "auto":
        return next(iter(fits), None)
    return UploadMode(wish) if UploadMode(wish) in fits else None


def too_large(name: str, size: int, wish: str, limits: Limits) -> str:
    """That a file is larger than what travels as was asked for."""
    largest = max(limits.upload.values(), default=0) if wish == "auto" else limits.upload[UploadMode(wish)]
    way = "the server" if wish == "auto" else wish
    return f"{name} has {size:,} bytes, but {way} takes {largest:,} at most"


def _package(source: ResourceSource, index: int, item: Mapping[str, Any], files: Files) -> PackageRef | None:
    """The package that an item means; None where that can't be told."""
    if "file" in item:
        return _package_file(source, index, item, files)
    for key in ("id", "name"):
        if key in item:
            _printable(source, index, key, str(item[key]))
    if gapped(item):
        return None  # what was left out may have said that another one is meant
    place = source.place("packages", index)
    return (
        PackageById(str(item["id"]), place)
        if "id" in item
        else PackageByName(str(item["name"]), place, _said(item, "version"), _said(item, "type"))
    )


def _package_file(
    source: ResourceSource, index: int, item: Mapping[str, Any], files: Files
) -> PackageFile | None:
    """The content that an item means; None where it can't be read."""
    file = str(item["file"])
    path = files.find(source.giver("packages", index, "file"), file)
    digest = path if isinstance(path, Problem) else files.digest(file, path)
    if isinstance(path, Problem) or isinstance(digest, Problem):
        assert isinstance(digest, Problem), "where there is no path there is no digest"
        source.problem(digest, source.place("packages", index, "file"))
        return None
    name = str(item.get("name", PurePosixPath(file).name))
    _reachable(source, index, PurePosixPath(file).name)
    if "name" in item or not unsure(item, "name"):
        _printable(source, index, "name" if "name" in item else "file", name)
    _fits(source, index, digest)
    limits, wish = source.facts.limits, str(item.get("upload", "auto"))
    mode = upload_mode(wish, digest.size, limits)
    if mode is None:
        source.error(
            "package-too-large",
            too_large(quoted(file), digest.size, wish, limits),
            source.place("packages", index, "file" if wish == "auto" else "upload"),
            "leave upload out, or write upload: streaming" if wish == "multipart" else None,
        )
    description, longest = str(item.get("description", "")), limits.package_description
    if longest is not None and len(description) > longest:
        source.error(
            "too-long",
            f"the description has {len(description)} characters, but {longest} is the most",
            source.place("packages", index, "description"),
            "shorten it",
        )
    return PackageFile(
        sha256=digest.sha256,
        path=path,
        name=name,
        size=digest.size,
        resource=source.identity,
        description=description,
        mode=mode or UploadMode.MULTIPART,
        version=_said(item, "version"),
        type=_said(item, "type"),
        vendor=_said(item, "vendor"),
        first=index == 0,
        place=source.place("packages", index),
    )


def _said(item: Mapping[str, Any], key: str) -> str | None:
    return str(item[key]) if key in item else None


def _fits(source: ResourceSource, index: int, digest: Digest) -> None:
    """A file has content, and the pinned one."""
    item = source.spec["packages"][index]
    if digest.size == 0:
        source.error(
            "empty-package",
            f"{quoted(str(item['file']))} is empty",
            source.place("packages", index, "file"),
            "there is nothing to upload: was it built?",
        )
    if digest.instead and item.get("sha256") != digest.sha256:  # who pins it has looked at it
        source.error(
            digest.instead.code,
            f"{quoted(str(item['file']))} is {digest.instead.what}",
            source.place("packages", index, "file"),
            f"{digest.instead.hint}; if it is meant, pin it with sha256: {digest.sha256}",
        )
    pin = str(item.get("sha256", digest.sha256))
    if pin != digest.sha256:
        source.error(
            "wrong-sha256",
            f"{quoted(str(item['file']))} has sha256 {digest.sha256}, not the pinned {pin}",
            source.place("packages", index, "sha256"),
            "when the new content is meant, pin its digest",
        )


def _reachable(source: ResourceSource, index: int, name: str) -> None:
    """A file has a name under which gateways can get it."""
    allowed = source.facts.limits.file_characters
    if allowed is not None and (bad := sorted(set(re.sub(allowed, "", name)))):
        source.error(
            "bad-file-name",
            f"no gateway could get a file of the name {quoted(name)}: it has {quoted(''.join(bad))} in it",
            source.place("packages", index, "file"),
            "name it with letters, digits, `.`, `_` and `-`",
        )


def _printable(source: ResourceSource, index: int, key: str, name: str) -> None:
    most = source.facts.limits.package_name or NAME_LIMIT
    place = source.place("packages", index, key)
    if bad := control_character(name):
        message = f"{quoted(name)} has the control character {bad} in it"
        source.error("bad-package-name", message, place, "remove it; it may be invisible in your editor")
    elif not name.strip() or len(name) > most:
        message = f"a package name has 1 to {most} characters, but this has {len(name.strip())}"
        source.error("bad-package-name", message, place)
