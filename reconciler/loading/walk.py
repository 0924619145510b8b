"""Which files a run reads: folders recursively and sorted, hidden entries skipped, every file once."""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from reconciler.filereading import read_whole
from reconciler.findings import Findings
from reconciler.model import Finding, Place, Severity
from reconciler.text import printable
from reconciler.trust.folders import Astray, strays

SUFFIXES = (".yaml", ".yml")
"""What a YAML file in a folder ends with, in any case."""
PROJECT_FILE = "reconciler.yaml"
_HINTS = {
    errno.EFBIG: "split it into several files",
    errno.ETIMEDOUT: "name a file, or write to the pipe before it is read",
}
_ALMOST_YAML = re.compile(r"\.ya?ml", re.IGNORECASE)
"""In the name of a file that ends otherwise: ``a.yaml.j2``, ``a.yaml~``, ``a.yml.bak``, ``a.yamlx``."""
_JSON = (".json", ".json5", ".jsonc", ".jsonl")
_OF_RESOURCES = b"apiVersion"
_HEAD = 65_536
_PROJECT_FILES = frozenset({PROJECT_FILE, "reconciler.yml"})


def is_project_file(path: Path) -> bool:
    """Whether a file is called like a project file; upper case is as good as lower."""
    return path.name.lower() in _PROJECT_FILES


def project_files(folder: Path) -> tuple[Path, ...]:
    """What is called like a project file in `folder` and may be one, sorted; also links to nowhere."""
    try:
        names, listed = os.listdir(folder), True  # noqa: PTH208
    except OSError:
        names, listed = [*_PROJECT_FILES], False
    paths = filter(is_project_file, (folder / name for name in sorted(names)))
    return tuple(path for path in paths if _may_be_file(path, unknown=listed))


def _may_be_file(path: Path, *, unknown: bool) -> bool:
    """Whether `path` is a file, or `unknown` where nobody can tell."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except OSError:
        return unknown


def _is_yaml(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file to read: how findings show it, and its absolute path; ``named``: it was given itself."""

    file: str
    path: Path
    named: bool = False


@dataclass(slots=True)
class Walk:
    """Walks over paths as they are given; what is found on the way goes to ``findings``.

    `base` is what relative paths are relative to, and what paths inside it are shown relative to.
    """

    base: Path
    excluded: Sequence[Path] = ()
    """Files and folders that are left out, wherever they are met."""
    overlays_of: Callable[[Path], Sequence[Path] | None] = lambda _: None
    """The overlays of a project file that is met on the way; None: it is none."""
    findings: Findings = field(default_factory=Findings)
    _seen: set[tuple[int, int]] = field(default_factory=set)
    _projects: set[Path] = field(default_factory=set)

    def sources(self, paths: Sequence[Path]) -> Iterator[SourceFile]:
        """Every file once, in the order given; a folder's files sorted by their paths."""
        excluded = self._excluded()
        for given in paths:
            path = self.base / given
            try:
                status = path.stat()
            except FileNotFoundError:
                self._report(
                    "file-not-found", f"there is no {shown(path, self.base)}", path, "check the path"
                )
            except (OSError, ValueError) as error:
                self._report("unreadable-file", _why(error), path, "check the path")
            else:
                if any(path.resolve().is_relative_to(folder) for folder in excluded):
                    self._report(
                        "overlay-alone",
                        "this is an overlay, which says nothing by itself; it is left out",
                        path,
                        "choose its environment with --environment, and leave this path out",
                        Severity.WARNING,
                    )
                elif stat.S_ISDIR(status.st_mode):
                    yield from self._folder(path, status)
                elif stat.S_ISREG(status.st_mode) or stat.S_ISFIFO(status.st_mode):
                    if is_project_file(path):
                        self._another_project(path)
                    yield from self._file(path, status, named=True)
                else:
                    self._report(
                        "unreadable-file", "this is not a file that can be read to its end", path, None
                    )

    def _excluded(self) -> Sequence[Path]:
        """What is left out, links resolved; to the walk it is seen already."""
        for given in self.excluded:
            with suppress(OSError, ValueError):  # whoever reads it says so
                self._first_time((self.base / given).stat())
        return [(self.base / given).resolve() for given in self.excluded]

    def _file(self, path: Path, status: os.stat_result, *, named: bool = False) -> Iterator[SourceFile]:
        if self._first_time(status):
            given = Path(os.path.abspath(path))  # noqa: PTH100 - links stay as given
            yield SourceFile(shown(path, self.base), given, named)

    def _folder(self, top: Path, status: os.stat_result) -> Iterator[SourceFile]:
        if not self._first_time(status):
            return
        count = 0
        home = self._home(top)
        waiting = [top]
        while waiting:
            path = waiting.pop()
            if path is not top:
                try:
                    status = path.stat()
                except OSError as error:  # a link to nowhere or to itself
                    if _is_yaml(path):
                        count += 1
                        self._report("unreadable-file", _why(error), path, "fix or remove it")
                    continue
                is_file = stat.S_ISREG(status.st_mode) and _is_yaml(path)
                if not is_file and not stat.S_ISDIR(status.st_mode):
                    self._passed_over(path, status)
                    continue
                if why := _leaves(path, home):
                    count += 1
                    message = f"this link {why.words}, and is not followed"
                    hint = "keep resources in the project folder, also behind links"
                    self._report(why.code, message, path, hint)
                    continue
                if is_file:
                    count += 1
                    yield from self._file(path, status)
                    continue
                if not self._first_time(status):
                    continue
            entries = self._entries(path)
            self._other_projects(entries, home)
            waiting.extend(entries)
        if not count:
            self._report(
                "empty-folder",
                f"there is no *.yaml or *.yml file in {shown(top, self.base)}",
                top,
                "`reconciler init` makes a first project; hidden files and folders are skipped",
                Severity.WARNING,
            )

    def _passed_over(self, path: Path, status: os.stat_result) -> None:
        """A file that isn't read, and that somebody may take for one that is."""
        name = path.name
        if stat.S_ISREG(status.st_mode):
            if not _ALMOST_YAML.search(name) and not _json_of_resources(path):
                return
            why = "this file isn't read, because it doesn't end with .yaml or .yml"
            hint = "rename it when it holds resources; else move it, or hide it with a dot before its name"
        elif _is_yaml(path):
            why, hint = "this isn't read, because it is a pipe, a socket or a device", "make it a file"
        else:
            return
        self._report("skipped-file", why, path, hint, Severity.WARNING)

    def _other_projects(self, entries: Sequence[Path], home: Path) -> None:
        for entry in filter(is_project_file, reversed(entries)):
            if not _leaves(entry, home):
                self._another_project(entry)

    def _another_project(self, file: Path) -> None:
        """A project other than the one that is read: its overlays are no resources, whoever reads them."""
        folder = file.parent
        if os.path.realpath(folder) == os.path.realpath(self.base) or file in self._projects:
            return
        overlays = self.overlays_of(file)
        if overlays is None:
            return
        self._projects.add(file)
        for overlay in overlays:
            with suppress(OSError, ValueError):  # whoever reads that project says so
                self._first_time((folder / overlay).stat())
        self._report(
            "another-project",
            "this folder is a project of its own: its resources are read, its settings and overlays are not",
            file,
            "name this file with --project, or go there, to use them",
            Severity.WARNING,
        )

    def _home(self, top: Path) -> Path:
        """What the links in a folder may not leave: the base, or the folder where that is elsewhere."""
        base, folder = (Path(os.path.realpath(path)) for path in (self.base, top))
        return base if folder.is_relative_to(base) else folder

    def _entries(self, folder: Path) -> list[Path]:
        """What is in `folder` and may be read, last first: for a stack."""
        try:
            with os.scandir(folder) as entries:
                names = [entry.name for entry in entries if _may_be_read(entry)]
        except OSError as error:
            self._report("unreadable-file", _why(error), folder, "give read permission")
            return []
        return [folder / name for name in sorted(names, reverse=True)]

    def _first_time(self, status: os.stat_result) -> bool:
        identity = (status.st_dev, status.st_ino)
        if identity in self._seen:
            return False
        self._seen.add(identity)
        return True

    def _report(
        self, code: str, message: str, path: Path, hint: str | None, severity: Severity = Severity.ERROR
    ) -> None:
        place = Place(shown(path, self.base), 1, 1)
        self.findings.add([Finding(code, message, place, hint, severity=severity)])


def _may_be_read(entry: os.DirEntry[str]) -> bool:
    """Whether an entry isn't hidden, and no file that is plainly something else, as lists of ids are."""
    name = entry.name.lower()
    if name.startswith("."):
        return False
    looks_so = name.endswith((*SUFFIXES, *_JSON)) or _ALMOST_YAML.search(name)
    return bool(looks_so) or not entry.is_file(follow_symlinks=False)


def _json_of_resources(path: Path) -> bool:
    """Whether a file of JSON looks like resources, which only YAML files hold."""
    if not path.name.lower().endswith(_JSON) or path.is_symlink():
        return False
    try:
        with path.open("rb") as file:
            return _OF_RESOURCES in file.read(_HEAD)
    except OSError:
        return False


def _leaves(path: Path, home: Path) -> Astray | None:
    """Where a link leads that isn't followed; None for what is read."""
    return strays(Path(os.path.realpath(path)), home) if path.is_symlink() else None


def read(source: SourceFile) -> bytes | Finding:
    """The bytes of a file, read once, or why they can't be read."""
    try:
        return read_whole(source.path)
    except OSError as error:
        hint = _HINTS.get(error.errno or 0, "give read permission")
        return Finding("unreadable-file", _why(error), Place(source.file, 1, 1), hint)


def shown(path: Path, base: Path) -> str:
    """How people see `path`: relative to `base` when inside it, and printable in any case."""
    text = str(path.relative_to(base) if path.is_relative_to(base) else path)
    return printable(os.fsencode(text).decode(errors="replace"), most=4096)


def _why(error: OSError | ValueError) -> str:
    reason = error.strerror if isinstance(error, OSError) else None
    text = reason or str(error)
    return f"this cannot be read: {text[:1].lower()}{text[1:]}"
