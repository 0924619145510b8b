"""Plan files on disk: written whole or not at all, and read only as they were written.

The last line holds a digest over all before it. A file is read twice, line by line: whether it is whole, and
only then what it says.

Tests: `tests/plan/test_plan_file.py`.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from tempfile import mkstemp
from typing import Final

import reconciler
from reconciler.codec import Malformed, Shape, coder, parse
from reconciler.errors import ReconcilerError, UnusablePlan, unreadable, unwritable
from reconciler.filereading import only_a_file
from reconciler.model import Finding, Operation, Secret, Server
from reconciler.options import Options
from reconciler.plan.file.lines import PLAN_FORMAT, TYPES, Reading, Sealed, Writing, dumped, entries, rebuilt
from reconciler.plan.fingerprints import Fingerprint, sound
from reconciler.plan.model import Plan
from reconciler.state.durable import sync_folder
from reconciler.trust.folders import refuse_links

FORMAT_VERSION: Final = 1

_LONGEST_LINE: Final = 1 << 26
"""Bytes. The lines that we write are far shorter."""


@dataclass(frozen=True, slots=True)
class MadeIn:
    """The project that a plan was made in. ``root`` is for information only: paths are relative to the
    reader's project.
    """

    root: str
    """Its folder when the plan was made. Paths are relative to the project of whoever applies the plan."""
    name: str | None = None
    """Its name."""
    environment: str | None = None
    """Its environment."""


@dataclass(frozen=True, slots=True)
class MadeOn:
    """The state that a plan was made on; ``lineage`` None: no state existed, and no secret needed one."""

    serial: int
    """Its serial when the plan was made."""
    lineage: str | None = None
    """Its lineage; none when there was no state yet."""


@dataclass(frozen=True, slots=True)
class Head:
    """Where a plan comes from."""

    version: str
    """The version of the tool."""
    server: Server
    project: MadeIn
    state: MadeOn
    options: Options


@dataclass(frozen=True, slots=True)
class PlanEnd:
    """Closes the file."""

    digest: str
    """A digest of all bytes before this line."""


HEAD_FORMAT: Final = replace(
    PLAN_FORMAT,
    shapes={
        Head: Shape(constants={"type": "plan", "formatVersion": FORMAT_VERSION}),
        PlanEnd: Shape(constants={"type": "end"}),
    },
)
"""Of the first line and the last."""


@dataclass(frozen=True, slots=True)
class SavedPlan:
    """What a plan file holds. ``digest`` is that of the file."""

    head: Head
    plan: Plan
    fingerprints: tuple[Fingerprint, ...]
    secrets: tuple[Sealed, ...]
    digest: str


def write_plan(
    path: Path, head: Head, plan: Plan, fingerprints: Iterable[Fingerprint], *, root: Path, salt: str
) -> None:
    """Write a plan file that only its owner may read; ReconcilerError when that can't be done.

    `root` is the folder of the project, `salt` that of the state.
    """
    writing = Writing(root, salt)
    first = coder(HEAD_FORMAT, Head).encode(head, writing)
    found = chain(entries(plan), (("fingerprint", each) for each in fingerprints))
    _write(path, chain([dumped(first)], writing.lines(found)), root)


@dataclass(frozen=True, slots=True)
class PlanFile:
    """A plan file that is as it was written, and of our version."""

    path: Path
    head: Head
    digest: str

    def read(
        self, root: Path, operations: Mapping[str, Operation], open_secret: Callable[[Secret], Secret]
    ) -> SavedPlan:
        """What it holds; `root` is the folder of the project. UnusablePlan when it makes no sense."""
        reading = Reading(root, operations, open_secret)
        found: dict[str, list[object]] = {name: [] for name in TYPES}
        try:
            digest = hashlib.sha256()
            lines = _lines(self.path, digest)
            next(lines)
            for line in lines:
                if entry := reading.entry(line):
                    found[entry[0]].append(entry[1])
            plan = rebuilt(self.head.server, found)
            made = (each for each in found["fingerprint"] if isinstance(each, Fingerprint))
            fingerprints = tuple(map(sound, made))
        except (ValueError, TypeError, RecursionError) as error:
            raise _unusable(self.path, "foreign-plan", f"{self.path} can't be understood: {error}") from error
        return SavedPlan(self.head, plan, fingerprints, tuple(reading.secrets.values()), self.digest)


def open_plan(path: Path) -> PlanFile:
    """Check a plan file; UnusablePlan when it is none, of another version, altered or cut off."""
    digest = hashlib.sha256()
    try:
        only_a_file(path)
        with path.open("rb") as file:
            head = _head(path, file.readline(_LONGEST_LINE))
        for _ in _lines(path, digest):
            pass
    except OSError as error:
        raise unreadable(path, error) from error
    return PlanFile(path, head, digest.hexdigest())


def refused(path: Path, findings: Iterable[Finding]) -> UnusablePlan:
    """Why a plan file can't be applied."""
    message, hint = f"{path} can't be applied; nothing was written", "Make a new plan with `plan --out FILE`."
    return UnusablePlan(message, hint=hint, findings=tuple(findings))


def _unusable(path: Path, code: str, message: str, hint: str | None = None) -> UnusablePlan:
    return refused(path, [Finding(code, message, hint=hint)])


def _head(path: Path, line: bytes) -> Head:
    try:
        made = parse(line)
        if not isinstance(made, dict) or made.pop("type", None) != "plan":
            raise Malformed("its first line is another one")
        version = made.pop("formatVersion", None)
    except Malformed as error:
        raise _unusable(path, "altered-plan", f"{path} is not a plan file, or was altered") from error
    if version != FORMAT_VERSION:
        raise _unusable(
            path,
            "foreign-plan",
            f"{path} has the format version {version}, and this reconciler ({reconciler.__version__})"
            f" knows {FORMAT_VERSION}; it was made by {made.get('version', 'another one')}",
            "apply it with the reconciler that made it",
        )
    made_on = made.get("state")
    if isinstance(made_on, dict) and made_on.pop("salt", None) is not None and not made_on.get("lineage"):
        raise _unusable(
            path,
            "foreign-plan",
            f"{path} holds the key of its digests of secrets, so that who has it can try values: an older"
            " reconciler made it",
        )
    try:
        found: Head = coder(HEAD_FORMAT, Head).decode(made, Reading(Path(), {}, _unopened))
    except Malformed as error:
        raise _unusable(path, "altered-plan", f"{path} was altered: {error.within('plan')}") from error
    return found


def _unopened(secret: Secret) -> Secret:
    return secret


def _lines(path: Path, digest: hashlib._Hash) -> Iterator[bytes]:
    """Every line but the last, which must be the `digest` of these; UnusablePlan after them when it isn't."""
    with path.open("rb") as file:
        line = file.readline(_LONGEST_LINE)
        while following := file.readline(_LONGEST_LINE):
            digest.update(line)
            yield line
            line = following
    if line != _last(digest.hexdigest()):
        raise _unusable(path, "altered-plan", f"{path} was altered or cut off after it was written")


def _last(digest: str) -> bytes:
    return dumped(coder(HEAD_FORMAT, PlanEnd).encode(PlanEnd(digest), None))


def _write(path: Path, lines: Iterable[bytes], root: Path) -> None:
    digest = hashlib.sha256()
    refuse_links(path, root, what="the plan")
    target = path.absolute()
    try:
        if target.exists() and not target.is_file():
            raise ReconcilerError(f"{path} is not a file", hint="name the file that the plan is to stand in")
        descriptor, name = mkstemp(prefix=f".{target.name}.", dir=target.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                for line in lines:
                    digest.update(line)
                    file.write(line)
                file.write(_last(digest.hexdigest()))
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(target)
        except BaseException:
            with suppress(OSError):
                Path(name).unlink()
            raise
        sync_folder(target.parent)
    except OSError as error:
        raise unwritable(path, error) from error
