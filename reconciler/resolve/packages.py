"""PackageSets: each package by id, by name or by the content of a file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import Any

from reconciler.model import PackageById, PackageByName, PackageFile, PackageRef, Place, UploadMode
from reconciler.resolve.files import Digest, Files
from reconciler.resolve.source import Findings, Source
from reconciler.resolve.words import UNPRINTABLE, Problem, shown

MULTIPART_LIMIT = 1_000_000_000
"""Bytes that *Upload Package* takes as multipart; above it the file has to be streamed."""

NAME_LIMIT = 255


def resolve_package_set(source: Source, files: Files, findings: Findings) -> tuple[PackageRef, ...]:
    """The packages of a PackageSet in their order; what has an error is left out."""
    packages: dict[PackageRef, Place] = {}
    for index, item in enumerate(source.spec.get("packages") or ()):
        package = _package(source, index, item, files, findings)
        if package is None:
            continue
        place = source.place("packages", index)
        first = packages.setdefault(package, place)
        if first is not place:
            findings.error(
                source,
                place,
                "duplicate-package",
                f"{describe(package)} stands twice in this set, first at {first}",
                "remove one of them",
            )
    return tuple(packages)


def one_by_content(
    sets: Iterable[tuple[Source, tuple[PackageRef, ...]]], findings: Findings
) -> Mapping[PackageRef, PackageRef]:
    """Every package → the first that is equal to it, in order.

    Content is what a file is known by, so all its declarations have to say the same of it.
    """
    packages: dict[PackageRef, PackageRef] = {}
    for source, members in sets:
        for package in members:
            first = packages.setdefault(package, package)
            if isinstance(package, PackageFile) and isinstance(first, PackageFile):
                _same(source, package, first, findings)
    return packages


def _same(source: Source, package: PackageFile, first: PackageFile, findings: Findings) -> None:
    differing = [
        word
        for word, other, value in (
            ("name", first.name, package.name),
            ("description", first.description, package.description),
            ("upload", first.mode, package.mode),
        )
        if value != other
    ]
    if differing:
        findings.error(
            source,
            package.place or source.place("packages"),
            "package-conflict",
            f"the content of {shown(package.path.name)} is declared before at {first.place} "
            f"with another {' and '.join(differing)}",
            "content is uploaded once: say the same of it everywhere, or refer to that PackageSet",
        )


def describe(package: PackageRef) -> str:
    """A package in the words of its declaration."""
    match package:
        case PackageById(id=id_):
            return f"package id {shown(id_)}"
        case PackageByName(name=name):
            return f"package name {shown(name)}"
    return f"the content sha256:{package.sha256[:16]}"


def upload_mode(wish: str, size: int) -> UploadMode | None:
    """How a file of `size` bytes travels; None when it is too large for the mode that was asked for."""
    if wish == "auto":
        return UploadMode.MULTIPART if size <= MULTIPART_LIMIT else UploadMode.STREAMING
    return None if wish == "multipart" and size > MULTIPART_LIMIT else UploadMode(wish)


def _package(
    source: Source, index: int, item: Mapping[str, Any], files: Files, findings: Findings
) -> PackageRef | None:
    place = source.place("packages", index)
    if "file" in item:
        return _package_file(source, index, item, files, findings)
    key = "id" if "id" in item else "name"
    value = str(item[key])
    if not _printable(source, index, key, value, findings):
        return None
    return PackageById(value, place) if key == "id" else PackageByName(value, place)


def _package_file(
    source: Source, index: int, item: Mapping[str, Any], files: Files, findings: Findings
) -> PackageFile | None:
    file = str(item["file"])
    path = files.find(source.document, file)
    digest = path if isinstance(path, Problem) else files.digest(file, path)
    if isinstance(path, Problem) or isinstance(digest, Problem):
        assert isinstance(digest, Problem), "where there is no path there is no digest"
        findings.problem(source, source.place("packages", index, "file"), digest)
        return None
    before = len(findings.found)
    name = str(item.get("name", PurePosixPath(file).name))
    _printable(source, index, "name" if "name" in item else "file", name, findings)
    _fits(source, index, digest, findings)
    mode = upload_mode(str(item.get("upload", "auto")), digest.size)
    if mode is None:
        findings.error(
            source,
            source.place("packages", index, "upload"),
            "package-too-large",
            f"{shown(file)} has {digest.size:,} bytes, but multipart takes {MULTIPART_LIMIT:,} at most",
            "leave upload out, or write upload: streaming",
        )
    if mode is None or len(findings.found) > before:
        return None
    return PackageFile(
        sha256=digest.sha256,
        path=path,
        name=name,
        size=digest.size,
        resource=source.resource,
        description=str(item.get("description", "")),
        mode=mode,
        place=source.place("packages", index),
    )


def _fits(source: Source, index: int, digest: Digest, findings: Findings) -> None:
    """A file has content, and the pinned one."""
    item = source.spec["packages"][index]
    if digest.size == 0:
        findings.error(
            source,
            source.place("packages", index, "file"),
            "empty-package",
            f"{shown(str(item['file']))} is empty",
            "there is nothing to upload: was it built?",
        )
    pin = str(item.get("sha256", digest.sha256))
    if pin != digest.sha256:
        findings.error(
            source,
            source.place("packages", index, "sha256"),
            "wrong-sha256",
            f"{shown(str(item['file']))} has sha256 {digest.sha256}, not the pinned {pin}",
            "when the new content is meant, pin its digest",
        )


def _printable(source: Source, index: int, key: str, name: str, findings: Findings) -> bool:
    place = source.place("packages", index, key)
    if bad := UNPRINTABLE.search(name):
        message = f"{shown(name)} has the control character U+{ord(bad[0]):04X} in it"
        findings.error(
            source, place, "bad-package-name", message, "remove it; it may be invisible in your editor"
        )
    elif not name.strip() or len(name) > NAME_LIMIT:
        message = f"a package name has 1 to {NAME_LIMIT} characters, but this has {len(name.strip())}"
        findings.error(source, place, "bad-package-name", message)
    else:
        return True
    return False
