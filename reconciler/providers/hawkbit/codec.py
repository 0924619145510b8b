"""From the wire to values: every answer that is read. Secrets of devices are in targets, and are never read.

Tests: `tests/providers/test_shape_tables.py`, `tests/providers/test_hawkbit_codec.py`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, TypeVar
from urllib.parse import unquote, urlsplit

from reconciler.model import Json, LivePackage
from reconciler.providers.http.listing import Page
from reconciler.providers.http.shape import Unexpected, flag, identity, mapping, sequence, text, whole

Item = TypeVar("Item")
Row = Callable[[Mapping[str, Any]], tuple[str, Item]]

MARK: Final = "[reconciler]"
"""What descriptions of tags and sets begin with that we made."""
CONTENT_KEY: Final = "reconciler.sha256"
"""The metadata of a module that tells what it holds."""


@dataclass(frozen=True, slots=True)
class Rollout:
    """A rollout as the server says. ``counts``: targets by the server's words for where they are."""

    id: str
    name: str
    status: str
    query: str
    bundle: str
    """The id of its distribution set."""
    description: str = ""
    dynamic: bool = False
    deleted: bool = False
    kind: str = ""
    """How it is delivered: soft, forced, timeforced, downloadonly."""
    force_time: int | None = None
    start_at: int | None = None
    total: int = 0
    counts: Mapping[str, int] | None = None
    created: int | None = None
    modified: int | None = None
    modified_by: str = ""

    @property
    def gone(self) -> bool:
        """Whether it is deleted: the server hides it, and still answers by its id."""
        return self.deleted or self.status in ("deleting", "deleted")

    @property
    def begun(self) -> bool:
        """Whether it was started: then its targets have actions."""
        return self.status not in ("creating", "waiting_for_approval", "approval_denied", "ready")


class ActionRow(NamedTuple):
    """What a target has to do: ``status`` in the server's most exact word."""

    target: str
    status: str
    active: bool
    rollout: str = ""


@dataclass(frozen=True, slots=True)
class Bundle:
    """A distribution set: ``modules`` are ids, sorted."""

    id: str
    name: str
    version: str
    kind: str
    modules: tuple[str, ...]
    valid: bool = True
    ours: bool = False
    """Whether we made it."""


def page(value: Json, read: Row[Item], step: int, number: int) -> Page[Item]:
    """A page of a list: ``{"content": […], "total": N}``; a bare list is all of it."""
    if isinstance(value, list):
        rows, total = value, len(value)
    else:
        answer = mapping(value, "a list")
        if "content" not in answer:
            raise Unexpected("a list with its content", answer)
        rows = list(sequence(answer["content"], "the content of a list"))
        told = whole(answer.get("total"), "the total of a list")
        total = len(rows) if told is None and number == 0 and len(rows) < step else told or 0
    items = dict(read(mapping(row, "a row of a list")) for row in rows)
    return Page(items, len(rows), number, total)


def rollout(value: Json) -> Rollout:
    """A rollout, alone or as a row."""
    record = mapping(value, "a rollout")
    counts = record.get("totalTargetsPerStatus")
    return Rollout(
        id=identity(record, "a rollout", ("id",)),
        name=text(record.get("name"), "its name"),
        status=text(record.get("status"), "its status").lower(),
        query=text(record.get("targetFilterQuery"), "its query"),
        bundle=text(record.get("distributionSetId"), "its distribution set"),
        description=text(record.get("description"), "its description"),
        dynamic=flag(record.get("dynamic"), "dynamic"),
        deleted=flag(record.get("deleted"), "deleted"),
        kind=text(record.get("type"), "its type").lower(),
        force_time=whole(record.get("forcetime"), "forcetime"),
        start_at=whole(record.get("startAt"), "startAt"),
        total=whole(record.get("totalTargets"), "totalTargets") or 0,
        counts=None if counts is None else _counts(counts),
        created=whole(record.get("createdAt"), "createdAt"),
        modified=whole(record.get("lastModifiedAt"), "lastModifiedAt"),
        modified_by=text(record.get("lastModifiedBy"), "lastModifiedBy"),
    )


def _counts(value: object) -> Mapping[str, int]:
    return {str(key): whole(n, str(key)) or 0 for key, n in mapping(value, "counts").items()}


def rollout_row(row: Mapping[str, Any]) -> tuple[str, Rollout]:
    """A row of the list of rollouts."""
    read = rollout(row)
    return read.id, read


def target_row(row: Mapping[str, Any]) -> tuple[str, None]:
    """A row of a list of targets: its id, and nothing else of it."""
    return identity(row, "a target", ("controllerId",)), None


def action_row(row: Mapping[str, Any]) -> tuple[str, ActionRow]:
    """A row of the list of actions."""
    status = text(row.get("detailStatus") or row.get("status"), "the status of an action").lower()
    active = flag(row.get("active"), "active") if "active" in row else status not in OVER
    rollout = text(row.get("rollout"), "the rollout of an action")
    return identity(row, "an action", ("id",)), ActionRow(_target_of(row), status, active, rollout)


OVER: Final = frozenset({"finished", "error", "canceled"})
"""Statuses of actions that are over."""


def _target_of(row: Mapping[str, Any]) -> str:
    """Whose action it is, from its links: ``…/targets/ID`` and ``…/targets/ID/actions/N``."""
    links = row.get("_links")
    for name in ("target", "self"):
        link = links.get(name) if isinstance(links, Mapping) else None
        href = link.get("href") if isinstance(link, Mapping) else None
        if isinstance(href, str):
            parts = urlsplit(href).path.split("/")
            if "targets" in parts and len(parts) > parts.index("targets") + 1:
                return unquote(parts[parts.index("targets") + 1])
    raise Unexpected("an action with a link to its target", row)


def tag_row(row: Mapping[str, Any]) -> tuple[str, tuple[str, str]]:
    """A row of the list of tags: id → (name, description)."""
    name = text(row.get("name"), "the name of a tag")
    return identity(row, "a tag", ("id",)), (name, text(row.get("description"), "its description"))


def filter_row(row: Mapping[str, Any]) -> tuple[str, tuple[str, str]]:
    """A row of the list of target filters: id → (name, query)."""
    name = text(row.get("name"), "the name of a filter")
    return identity(row, "a filter", ("id",)), (name, text(row.get("query"), "its query"))


def group_row(row: Mapping[str, Any]) -> tuple[str, str]:
    """A row of the list of groups: id → status."""
    return identity(row, "a group", ("id",)), text(row.get("status"), "its status").lower()


@dataclass(frozen=True, slots=True)
class Module:
    """A software module, without what it holds."""

    package: LivePackage
    version: str = ""
    kind: str = ""
    deleted: bool = False
    created_by: str = ""
    created: int | None = None


def module(value: Json) -> Module:
    """A software module, alone or as a row."""
    record = mapping(value, "a software module")
    return Module(
        LivePackage(
            identity(record, "a software module", ("id",)),
            text(record.get("name"), "its name"),
            text(record.get("description"), "its description"),
        ),
        version=text(record.get("version"), "its version"),
        kind=text(record.get("type"), "its type"),
        deleted=flag(record.get("deleted"), "deleted"),
        created_by=text(record.get("createdBy"), "createdBy"),
        created=whole(record.get("createdAt"), "createdAt"),
    )


def module_row(row: Mapping[str, Any]) -> tuple[str, Module]:
    """A row of the list of modules."""
    read = module(row)
    return read.package.id, read


def artifacts(value: Json) -> Mapping[str, str]:
    """The artifacts of a module: file name → SHA-256, hex."""
    if isinstance(value, Mapping):
        value = value.get("content")
    found = {}
    for row in sequence(value, "artifacts"):
        record = mapping(row, "an artifact")
        hashes = mapping(record.get("hashes"), "the hashes of an artifact")
        name = text(record.get("providedFilename"), "its file name")
        found[name] = text(hashes.get("sha256"), "its SHA-256").lower()
    return found


def bundle(value: Json) -> Bundle:
    """A distribution set, alone or as a row."""
    record = mapping(value, "a distribution set")
    modules = (identity(row, "a module", ("id",)) for row in sequence(record.get("modules"), "its modules"))
    return Bundle(
        id=identity(record, "a distribution set", ("id",)),
        name=text(record.get("name"), "its name"),
        version=text(record.get("version"), "its version"),
        kind=text(record.get("type"), "its type"),
        modules=tuple(sorted(modules, key=_as_number)),
        valid=record.get("valid") is not False,
        ours=text(record.get("description"), "its description").startswith(MARK),
    )


def bundle_row(row: Mapping[str, Any]) -> tuple[str, Bundle]:
    """A row of the list of distribution sets."""
    read = bundle(row)
    return read.id, read


def _as_number(key: str) -> tuple[int, str]:
    return (int(key) if key.isdecimal() else 0, key)


def made(value: Json, asked: Mapping[str, Any]) -> str:
    """The id of what was made: alone, or the one of a list. Unexpected when it tells of something else than
    was `asked` for, or its id is no number.
    """
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    record = mapping(value, "what was made")
    key = identity(record, "what was made", ("id",))
    if not _NUMBER.fullmatch(key):
        raise Unexpected("what was made with a number as its id", record.get("id"))
    for name, what in _TOLD.items():
        told = record.get(name)
        if told is None or name not in asked:
            continue
        if text(told, f"{what} of what was made").strip() != str(asked[name]).strip():
            raise Unexpected(f"what was made with {what} {str(asked[name])!r}", told)
    return key


_NUMBER: Final = re.compile(r"[1-9][0-9]{0,18}", re.ASCII)
_TOLD: Final = {"name": "the name", "version": "the version", "distributionSetId": "the distribution set"}
"""What an answer to a create repeats of what was asked for."""


class HistoryEntry(NamedTuple):
    """What was said about an action at one time, and in which status it was then."""

    status: str
    messages: tuple[str, ...]
    at: int | None = None


def history(value: Json) -> tuple[HistoryEntry, ...]:
    """What was said about an action, oldest first."""
    rows = sequence(mapping(value, "the history of an action").get("content"), "the history of an action")
    return tuple(_entry(mapping(row, "an entry of a history")) for row in reversed(rows))


def _entry(row: Mapping[str, Any]) -> HistoryEntry:
    messages = (text(line, "a message") for line in sequence(row.get("messages"), "messages"))
    status = text(row.get("type"), "the type of an entry").lower()
    return HistoryEntry(status, tuple(filter(None, messages)), whole(row.get("reportedAt"), "reportedAt"))


def cause(entries: Sequence[HistoryEntry]) -> str:
    """Why an action failed: what the device said with its failure, before what the server says of it."""
    said = next((each.messages for each in reversed(entries) if each.status == "error" and each.messages), ())
    own = [line for line in said if not line.startswith(_SERVER)]
    return "; ".join(own or said)


_SERVER: Final = "Update Server:"
"""How the server's own lines begin."""


def permissions(value: Json) -> frozenset[str]:
    """The permissions and roles of who asks."""
    rows = mapping(value, "who we are").get("permissions")
    return frozenset(text(row, "a permission") for row in sequence(rows, "permissions"))
