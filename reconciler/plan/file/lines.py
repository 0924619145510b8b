"""A plan as lines of JSON, and back: one line for each thing that it holds.

    {"type": "list", "list": 1, "items": ["gw-000001", …]}      items that later lines name as "list:1"
    {"type": "group", "key": "add-gateways:line-3", …}

Steps are not written, but the groups that they are made of; many gateways are written once, however often
they are named, in lines of a bounded length. The same plan gives the same lines.

Tests: `tests/plan/test_plan_file.py`, `tests/plan/test_plan_golden.py`.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path, PurePath
from types import MappingProxyType
from typing import Any, Final, get_args

from reconciler.codec import RESOURCE, Format, Left, Malformed, Scalar, Shape, Tag, coder, parse
from reconciler.findings import WAIVER_OVER
from reconciler.model import (
    Action,
    Change,
    CreateCampaign,
    EditCampaign,
    Finding,
    FromEnv,
    FromFile,
    Json,
    Operation,
    PendingUpload,
    ResourceId,
    Secret,
    Server,
    StepGroup,
    UploadPackage,
    carried_by,
)
from reconciler.plan.fingerprints import Fingerprint
from reconciler.plan.finished import LEFT_BEHIND
from reconciler.plan.guards import NEEDLESS
from reconciler.plan.model import (
    CampaignImpact,
    Devices,
    GuardTrip,
    HeldBack,
    Impact,
    Packages,
    Partial,
    Plan,
    Snapshot,
)
from reconciler.providers.base import Field
from reconciler.rollout.views import RolloutView
from reconciler.state.applied import known_plain
from reconciler.state.base import Event, FieldApplied, RolloutNoted

LONG: Final = 100
"""More items than these stand in a list of their own."""
ITEMS_A_LINE: Final = 10_000

_NOT_OF_THE_WORK: Final = frozenset({NEEDLESS, WAIVER_OVER, LEFT_BEHIND})
"""Codes of findings that tell nothing of what is done: of waivers, and of gateways as they are now."""

Entry = tuple[str, Any]
"""The type of a line, and the value that stands in it."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Managed fields of a campaign that can't be read back."""

    resource: ResourceId
    """The campaign that has the fields."""
    fields: tuple[str, ...]
    """Their names."""


@dataclass(frozen=True, slots=True)
class Declares:
    """What one campaign declares; recorded in the state once the campaign has it."""

    resource: ResourceId
    """The campaign that has the fields."""
    fields: Mapping[str, Json]
    """Field → what is declared, as a state keeps it."""


@dataclass(frozen=True, slots=True)
class NamedPackage:
    """What a package is called."""

    id: str
    """The server's id; of a package that is still to be uploaded the digest of its content."""
    name: str
    """Its name, and its version where the server keeps one."""


@dataclass(frozen=True, slots=True)
class ListPart:
    """Items in lines of their own, because there are many. Lines with the same number belong together."""

    list: int
    """Which list."""
    items: Json
    """Ids; or pairs of key and value."""


@dataclass(frozen=True, slots=True)
class EnvSecret:
    """Read again when the plan is applied."""

    source: str
    """Where the value comes from, in words."""
    from_env: str
    """The name of the environment variable."""
    digest: str
    """A salted digest of the value."""


@dataclass(frozen=True, slots=True)
class FileSecret:
    """Read again when the plan is applied."""

    source: str
    """Where the value comes from, in words."""
    from_file: Path
    """Relative to the project."""
    digest: str
    """A salted digest of the value."""


PLAN_FORMAT: Final = Format(
    scalars={
        ResourceId: RESOURCE,
        Operation: Scalar(lambda found, _: found.name, lambda name, reading: reading.operation(name)),
        Path: Scalar(lambda path, writing: writing.path(path), lambda text, reading: reading.path(text)),
        Secret: Scalar(lambda found, writing: writing.secret(found), lambda j, reading: reading.secret(j)),
    },
    tags={Event: Tag("event"), Action: Tag("verb", {each: each.verb.value for each in get_args(Action)})},
    shapes={Impact: Shape(without={"campaigns": Left("they stand in lines of their own")})},
    long=LONG,
)
"""What stands in lines of a plan; the context is a `Writing` or a `Reading`."""
PARTS_FORMAT: Final = Format()

TYPES: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "group": StepGroup,
        "change": Change,
        "finding": Finding,
        "impact": Impact,
        "campaign": CampaignImpact,
        "record": Event,
        "unreadable": Unreadable,
        "declares": Declares,
        "guard": GuardTrip,
        "partial": Partial,
        "snapshot": Snapshot,
        "rollout": RolloutView,
        "held-back": HeldBack,
        "package": NamedPackage,
        "fingerprint": Fingerprint,
    }
)
"""The lines between the first and the last, by their type."""


def entries(plan: Plan) -> Iterator[Entry]:
    """What stands in a plan, in one order."""
    yield from (("group", group) for group in plan.groups)
    yield from (("change", change) for change in plan.changes)
    yield from (("finding", finding) for finding in plan.findings)
    yield "impact", plan.impact
    yield from (("campaign", campaign) for campaign in plan.impact.campaigns)
    yield from (("record", record) for record in plan.records)
    yield from (("unreadable", Unreadable(r, names)) for r, names in sorted(plan.unreadable.items()))
    # Campaigns without steps aren't compared again at apply, so they aren't written.
    touched = {group.action.resource for group in plan.groups}
    yield from (("declares", Declares(r, f)) for r, f in sorted(plan.declares.items()) if r in touched)
    yield from (("guard", trip) for trip in plan.guards)
    yield from (("partial", plan.partial) for _ in range(plan.partial is not None))
    yield from (("snapshot", plan.snapshot) for _ in range(plan.snapshot is not None))
    yield from (("rollout", view) for view in plan.rollouts)
    yield from (("held-back", wait) for wait in plan.waits)
    yield from (("package", NamedPackage(*each)) for each in sorted(plan.package_names.items()))


def rebuilt(server: Server, found: Mapping[str, Sequence[Any]]) -> Plan:
    """The inverse of `entries`, from what stands in the lines by their type."""

    def only(name: str) -> Any:
        lines = found.get(name, ())
        if len(lines) > 1:
            raise Malformed(f"there are {len(lines)} lines of the type {name}")
        return lines[0] if lines else None

    groups = tuple(found.get("group", ()))
    seen: set[str] = set()
    uploads: set[str] = set()
    for group in groups:
        if missing := sorted({need.group for need in group.needs} - seen):
            raise Malformed(f"{group.key} needs {missing[0]}, which doesn't stand before it")
        if group.key in seen:
            raise Malformed(f"there are two groups {group.key}")
        seen.add(group.key)
        if isinstance(group.action, UploadPackage):
            uploads.add(group.action.file.sha256)
        for package in carried_by(group.action):
            if isinstance(package, PendingUpload) and package.sha256 not in uploads:
                raise Malformed(f"{group.key} carries a package that nothing before it uploads")
    return Plan(
        server,
        groups,
        changes=tuple(found.get("change", ())),
        findings=tuple(found.get("finding", ())),
        impact=replace(only("impact") or Impact(), campaigns=tuple(found.get("campaign", ()))),
        records=tuple(found.get("record", ())),
        unreadable={each.resource: each.fields for each in found.get("unreadable", ())},
        declares={each.resource: each.fields for each in found.get("declares", ())},
        guards=tuple(found.get("guard", ())),
        partial=only("partial"),
        snapshot=only("snapshot"),
        rollouts=tuple(found.get("rollout", ())),
        waits=tuple(found.get("held-back", ())),
        package_names={each.id: each.name for each in found.get("package", ())},
    )


def plan_digest(plan: Plan) -> str:
    """What tells one plan from another: a SHA-256 (hex) of all that stands in it.

    Secrets count by where they come from, package files by their content. What the plan rests on doesn't
    count, nor what was read for it, who made the differences, what it means for devices as they are now, nor
    what guards say of it: the same work has the same digest when it is planned twice.
    """
    writing = Writing()
    digest = hashlib.sha256(dumped(coder(PLAN_FORMAT, Server).encode(plan.server, writing)))
    findings = tuple(each for each in plan.findings if each.code not in _NOT_OF_THE_WORK)
    changes = tuple(replace(each, changed_in=None, last=None, by=None) for each in plan.changes)
    campaigns = (
        replace(each, devices=Devices(), packages=Packages(), place=None, windows=())
        for each in plan.impact.campaigns
    )
    impact = replace(plan.impact, permissions=(), devices=Devices(), campaigns=tuple(campaigns))
    alone = replace(plan, changes=changes, findings=findings, impact=impact, guards=(), snapshot=None)
    alone = replace(alone, declares={}, package_names={})
    # The time of the look isn't part of the work.
    records = tuple(each for each in plan.records if not isinstance(each, RolloutNoted))
    groups = tuple(replace(each, not_after=None) for each in plan.groups)
    alone = replace(alone, rollouts=(), waits=(), records=records, groups=groups)
    for line in writing.lines(entries(alone)):
        digest.update(line)
    return digest.hexdigest()


def salted(plan: Plan) -> bool:
    """Whether digests of secrets belong to it, which say something with the salt of one state only."""
    actions = (group.action for group in plan.groups)
    settings = (
        action.fields.settings or {}
        for action in actions
        if isinstance(action, CreateCampaign | EditCampaign)
    )
    if any(isinstance(value, Secret) for values in settings for value in values.values()):
        return True
    return any(
        isinstance(record, FieldApplied) and record.field == Field.SETTINGS and known_plain(record.value)[1]
        for record in plan.records
    )


class Writing:
    """Makes lines, and knows what types don't tell: the context of `PLAN_FORMAT` when it is written.

    ``root`` is what paths are relative to, ``salt`` that of the digests of secrets; without them neither
    paths nor digests are written.
    """

    def __init__(self, root: Path | None = None, salt: str | None = None) -> None:
        self._root = root
        self._salt = salt
        self._lists = 0
        self._numbers: dict[tuple[Json, ...], int] = {}
        self._new: list[tuple[int, Sequence[Json]]] = []

    def lines(self, found: Iterable[Entry], types: Mapping[str, Any] = TYPES) -> Iterator[bytes]:
        """A line for each, after the lists that it names."""
        part_of = coder(PARTS_FORMAT, ListPart).encode_object
        for name, value in found:
            body = coder(PLAN_FORMAT, types[name]).encode_object(value, self)
            for number, items in self._new:
                rest = iter(items)
                while part := list(islice(rest, ITEMS_A_LINE)):
                    yield dumped({"type": "list", **part_of(ListPart(number, part), None)})
            self._new.clear()
            yield dumped({"type": name, **body})

    def keep(self, items: Sequence[Json]) -> int:
        """See `Keeper`. Ids that were written down before have the same number."""
        ids = tuple(items) if isinstance(items[0], str) else None
        known = None if ids is None else self._numbers.get(ids)
        if known is not None:
            return known
        self._lists += 1
        self._new.append((self._lists, items))
        if ids is not None:
            self._numbers[ids] = self._lists
        return self._lists

    def path(self, path: Path) -> Json:
        return None if self._root is None else _relative(path, self._root)

    def secret(self, secret: Secret) -> Json:
        """ValueError when nothing tells how to read it again."""
        if self._salt is None:
            return {"source": secret.source}
        digest = secret.digest(self._salt)
        match secret.origin:
            case FromEnv(name):
                return coder(PLAN_FORMAT, EnvSecret).encode(EnvSecret(secret.source, name, digest), self)
            case FromFile(path):
                return coder(PLAN_FORMAT, FileSecret).encode(FileSecret(secret.source, path, digest), self)
            case None:
                raise ValueError(f"nothing tells how to read the secret from {secret.source} again")


@dataclass(frozen=True, slots=True)
class Sealed:
    """A secret as a plan file holds it: where its value comes from, and the digest that it had."""

    secret: Secret
    digest: str


class Reading:
    """Reads lines, and knows what types don't tell (`Inward`).

    ``open_secret`` gives a secret with its value, or as it is when it can't be read.
    """

    def __init__(
        self,
        root: Path,
        operations: Mapping[str, Operation],
        open_secret: Callable[[Secret], Secret],
    ) -> None:
        self.secrets: dict[tuple[str, str], Sealed] = {}
        self._root = Path(os.path.realpath(root))
        self._operations = operations
        self._open_secret = open_secret
        self._lists: dict[int, list[Json] | tuple[Json, ...]] = {}

    def entry(self, line: bytes) -> Entry | None:
        """What stands in a line; None when it is a part of a list. Malformed, or another ValueError."""
        found = parse(line)
        if not isinstance(found, dict):
            raise Malformed.wrong("an object")
        name = found.pop("type", None)
        if name == "list":
            self._extend(coder(PARTS_FORMAT, ListPart).decode(found, None))
            return None
        if not isinstance(name, str) or name not in TYPES:
            raise Malformed(f"there is no line of the type {name!r}")
        try:
            return name, coder(PLAN_FORMAT, TYPES[name]).decode(found, self)
        except Malformed as error:
            error.within(name)
            raise

    def _extend(self, part: ListPart) -> None:
        known = self._lists.setdefault(part.list, [])
        if not isinstance(part.items, list) or not isinstance(known, list):
            raise Malformed.wrong("a list that nobody has named yet").within("items")
        known += part.items

    def kept(self, number: int) -> tuple[Any, ...]:
        """See `Keeper`. One tuple for all who name the list."""
        if number not in self._lists:
            raise Malformed.wrong("the number of a list before it")
        self._lists[number] = made = tuple(self._lists[number])
        return made

    def path(self, text: Json) -> Path:
        if not isinstance(text, str):
            raise Malformed.wrong("a string")
        return Path(os.path.normpath(self._root / text))

    def secret(self, found: Json) -> Secret:
        """One secret for all who have the same source."""
        in_file = isinstance(found, dict) and "fromFile" in found
        made: EnvSecret | FileSecret
        made = coder(PLAN_FORMAT, FileSecret if in_file else EnvSecret).decode(found, self)
        key = (made.source, made.digest)
        if key not in self.secrets:
            origin = FromEnv(made.from_env) if isinstance(made, EnvSecret) else FromFile(made.from_file)
            self.secrets[key] = Sealed(self._open_secret(Secret(made.source, origin=origin)), made.digest)
        return self.secrets[key].secret

    def operation(self, name: Json) -> Operation:
        if not isinstance(name, str) or name not in self._operations:
            raise Malformed.wrong("an operation of this server" if isinstance(name, str) else "a string")
        return self._operations[name]


def _relative(path: Path, root: Path) -> str:
    return PurePath(os.path.relpath(path, os.path.realpath(root))).as_posix()


def dumped(value: Json) -> bytes:
    """A line of JSON."""
    # A lone surrogate can't be written as UTF-8, so everything outside ASCII is escaped.
    return json.dumps(value, separators=(",", ":"), allow_nan=False).encode() + b"\n"
