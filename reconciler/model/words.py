"""Names, places, findings, secrets: the words that everything else is said in."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

API_VERSION = "reconciler/v1"

Json = None | bool | int | float | str | Sequence["Json"] | Mapping[str, "Json"]


class Kind(StrEnum):
    """The kinds of resource."""

    PACKAGE_SET = "PackageSet"
    GATEWAY_LIST = "GatewayList"
    SCHEDULE = "Schedule"
    CALLBACK_SET = "CallbackSet"
    CAMPAIGN = "Campaign"
    CAMPAIGN_SET = "CampaignSet"
    CALENDAR = "Calendar"
    ROLLOUT_POLICY = "RolloutPolicy"


@dataclass(frozen=True, slots=True, order=True)
class ResourceId:
    """Kind and name of a resource; ``str()`` gives ``Campaign/line-3``."""

    kind: Kind
    name: str

    def __hash__(self) -> int:
        # Nearly all kinds are the same, and a string caches its hash, while an enum computes it each time.
        return hash(self.name)

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"

    @classmethod
    def parse(cls, text: str) -> ResourceId:
        """The inverse of ``str()``; ValueError when `text` names no kind."""
        kind, slash, name = text.partition("/")
        if not slash or not name:
            raise ValueError(f"{text!r} is not KIND/NAME")
        return cls(Kind(kind), name)


@dataclass(frozen=True, slots=True, order=True)
class RowPlace:
    """The place of a row of a set, or of a value in it; line and column count from 1."""

    file: str
    """Relative to the project."""
    line: int
    """The line."""
    column: int
    """The column."""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A place in a file; line and column count from 1."""

    file: str
    """Relative to the project."""
    line: int
    """The line."""
    column: int
    """The column."""
    rows: tuple[RowPlace, ...] = ()
    """In the template of a set: the values that were filled in, in the order of the generators."""

    def __str__(self) -> str:
        at = f"{self.file}:{self.line}:{self.column}"
        return f"{at} ({', '.join(map(str, self.rows))})" if self.rows else at


class Severity(StrEnum):
    """How bad a finding is. Only an error stops a run."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something a person should know: what, where, and what to do next.

    ``code`` is stable and kebab-case. ``place`` points at the value to change, ``resource`` names what
    it is about; at least one of them is set, unless the finding is about the run as a whole.
    """

    code: str
    """Which kind of finding."""
    message: str
    """What was found."""
    place: Place | None = None
    hint: str | None = None
    """What to do."""
    resource: ResourceId | None = None
    """What it is about."""
    severity: Severity = Severity.ERROR
    """How bad it is."""

    @property
    def is_error(self) -> bool:
        return self.severity is Severity.ERROR

    def sort_key(self) -> tuple[str, int, int, tuple[RowPlace, ...], str, str, str]:
        """Files in order, then places in them, then findings without a place."""
        where = self.place or Place("\uffff", 0, 0)
        named = str(self.resource or "")
        return (where.file, where.line, where.column, where.rows, named, self.code, self.message)


@dataclass(frozen=True, slots=True)
class FromEnv:
    """The environment variable that holds a secret."""

    name: str


@dataclass(frozen=True, slots=True)
class FromFile:
    """The file whose content is a secret."""

    path: Path


class Secret:
    """A value that never shows: not in ``str``, ``repr``, a plan, state, log or error.

    ``source`` says where it comes from (``environment variable LINE3_KEY``), ``origin`` how to read it again.
    The value is None where it was not asked for, as in ``validate``, which must work without secrets.
    """

    __slots__ = ("_value", "origin", "source")

    def __init__(
        self, source: str, value: str | None = None, origin: FromEnv | FromFile | None = None
    ) -> None:
        self.source = source
        self.origin = origin
        self._value = value

    @property
    def known(self) -> bool:
        """Whether the value was read."""
        return self._value is not None

    def reveal(self) -> str:
        """The value, for the wire only."""
        if self._value is None:
            raise ValueError(f"the secret from {self.source} was not read")
        return self._value

    def digest(self, salt: str) -> str:
        """A salted SHA-256 of the value, hex: tells whether it changed and nothing else."""
        return hmac.new(salt.encode(), self.reveal().encode(), hashlib.sha256).hexdigest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and (self.source, self._value) == (other.source, other._value)

    def __hash__(self) -> int:
        return hash(self.source)

    def __repr__(self) -> str:
        return f"Secret({self.source})"


SettingValue = str | Secret


@dataclass(frozen=True, slots=True)
class Server:
    """Which server a plan, a state or a report is about."""

    provider: str
    """The kind of server."""
    url: str
    """Its address."""
    organization: str | None = None
    """The organization to act in; None: the user's own."""

    def __str__(self) -> str:
        return f"{self.url} (organization {self.organization})" if self.organization else self.url


def sorted_ids(ids: Collection[str]) -> tuple[str, ...]:
    """Ids in the one order in which everything is emitted."""
    return tuple(sorted(ids))


def several(sets: Iterable[frozenset[str]]) -> frozenset[str]:
    """What is in more than one of the `sets`."""
    filled = [each for each in sets if each]
    if len(filled) < 2:
        return frozenset()
    once: set[str] = set()
    again: set[str] = set()
    for each in filled:
        again |= once & each
        once |= each
    return frozenset(again)
