"""Rules that a schema cannot say: between documents, and between fields of one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from reconciler.loading.nodes import Document, resource_of, unsure
from reconciler.model import Finding, Kind, Place, ResourceId, SchedulePhase, Severity
from reconciler.text import did_you_mean, invisible_character, printable, quoted, smells_secret

Path = tuple[str | int, ...]

MOST_SUGGESTIONS = 100
"""How many misspelt references get a suggestion: each is compared with every name there is."""

_CREDENTIALS = re.compile(r"[A-Za-z0-9+.-]+://[^/?#]*@")
_PASSWORD = re.compile(
    r"[A-Za-z0-9+.-]+://(?:[^/?#@]*:[^/?#]*@|[^?#]*\?(?:[^#]*&)?(?:password|sslpassword)=)", re.IGNORECASE
)


@dataclass(slots=True)
class Rules:
    """The rules over all documents of a run, of each what is sound.

    `unread`: why some files could not be read. A reference may then point into one of those.
    """

    documents: Sequence[Document]
    unread: Sequence[Finding] = ()
    _declared: dict[Kind, dict[str, Document]] = field(default_factory=dict)
    _nameless: dict[Kind | None, Document] = field(default_factory=dict)
    """Of each kind a document that has a name which isn't known; None: of those whose kind isn't, either."""
    _kindless: set[str] = field(default_factory=set)
    """The names of documents whose kind isn't known."""
    _suggestions: int = 0

    def findings(self) -> Iterator[Finding]:
        """Every finding."""
        campaigns: dict[str, tuple[ResourceId, Document]] = {}
        for document in self.documents:
            resource = resource_of(document)
            if resource is None:
                self._declared_somehow(document)
                continue
            yield from self._same_resource(document, resource)
            yield from _same_name(document, resource, campaigns)
        for document in self.documents:
            yield from _secrets(document)
            yield from _invisible(document)
        yield from self._dangling()

    def _declared_somehow(self, document: Document) -> None:
        """A document of which not both kind and name are known."""
        name = _mapping(document.value.get("metadata")).get("name")
        if isinstance(name, str):
            self._kindless.add(name)
            return
        kind = document.value.get("kind")
        self._nameless.setdefault(Kind(kind) if isinstance(kind, str) else None, document)

    def _same_resource(self, document: Document, resource: ResourceId) -> Iterator[Finding]:
        first = self._declared.setdefault(resource.kind, {}).setdefault(resource.name, document)
        if first is not document:
            where = first.place(["metadata", "name"])
            message = f"there is another {resource.kind} of the name {quoted(resource.name)}, at {where}"
            place = document.place(["metadata", "name"])
            yield Finding("duplicate-resource", message, place, "give one of them another name", resource)

    def _dangling(self) -> Iterator[Finding]:
        """References to nothing; only a note where they may lead to what could not be read."""
        unread = min((finding.place for finding in self.unread if finding.place), default=None)
        perhaps: list[Place] = []
        reasons: set[Place] = set()
        for document in self.documents:
            for path, kind, name in references(document):
                if name in self._declared.get(kind, ()) or name in self._kindless:
                    continue
                place = document.place(("spec", *path))
                if reason := unread or self._nameless_of(kind):
                    perhaps.append(place)
                    reasons.add(reason)
                    continue
                message, hint = f"there is no {kind} of the name {quoted(name)}", self._hint(kind, name)
                yield Finding("dangling-reference", message, place, hint, resource_of(document))
        if perhaps:
            yield _not_checked(sorted(perhaps), min(reasons))

    def _nameless_of(self, kind: Kind) -> Place | None:
        """Where a resource is declared that may be of that kind and has a name that isn't known."""
        document = self._nameless.get(kind) or self._nameless.get(None)
        return None if document is None else document.place(("metadata", "name"))

    def _hint(self, kind: Kind, name: str) -> str:
        known = self._declared.get(kind)
        if not known:
            return f"no {kind} is declared in the files of this run"
        self._suggestions += 1
        meant = did_you_mean(name, known) if self._suggestions <= MOST_SUGGESTIONS else None
        return meant or f"declare it, or name one of the {len(known)} that there are"


def _not_checked(references: Sequence[Place], reason: Place) -> Finding:
    first, count = references[0], len(references)
    what = f"the reference at {first} leads" if count == 1 else f"{count:,} references (first: {first}) lead"
    message = f"{what} to nothing that could be read, and may mean what stands here"
    hint = "fix this first: only then can be told whether something is missing"
    return Finding("references-not-checked", message, reason, hint, severity=Severity.NOTE)


def references(document: Document) -> Iterator[tuple[Path, Kind, str]]:
    """Every reference in the spec of a document: where it stands, and what it names."""
    spec = _mapping(document.value.get("spec"))
    match document.value.get("kind"):
        case Kind.CAMPAIGN:
            yield from _of_campaign(spec)
        case Kind.SCHEDULE:
            for phase in SchedulePhase:
                for path, target, name in _one(_mapping(spec.get(phase)), "calendar", Kind.CALENDAR):
                    yield (phase.value, *path), target, name
        case Kind.ROLLOUT_POLICY:
            yield from _one(spec, "calendar", Kind.CALENDAR)
            yield from _many(spec, "after", Kind.CAMPAIGN)
            for index, item in enumerate(_items(spec.get("after"))):
                for path, target, name in _one(_mapping(item), "set", Kind.CAMPAIGN_SET):
                    yield ("after", index, *path), target, name
            for index, wave in enumerate(_items(spec.get("waves"))):
                for path, target, name in _many(_mapping(wave), "gatewayLists", Kind.GATEWAY_LIST):
                    yield ("waves", index, *path), target, name


def _of_campaign(spec: Mapping[str, Any]) -> Iterator[tuple[Path, Kind, str]]:
    yield from _one(spec, "packageSet", Kind.PACKAGE_SET)
    yield from _many(spec, "gatewayLists", Kind.GATEWAY_LIST)
    yield from _one(spec, "rollbackOf", Kind.CAMPAIGN)
    yield from _one(spec, "callbackSet", Kind.CALLBACK_SET)
    for path, target, name in _one(_mapping(spec.get("rollout")), "policy", Kind.ROLLOUT_POLICY):
        yield ("rollout", *path), target, name
    for section, own, kind in (
        ("packageOverrides", "packageSet", Kind.PACKAGE_SET),
        ("schedules", "schedule", Kind.SCHEDULE),
    ):
        for index, item in enumerate(_items(spec.get(section))):
            entry = _mapping(item)
            for path, target, name in (
                *_one(entry, own, kind),
                *_many(entry, "gatewayLists", Kind.GATEWAY_LIST),
            ):
                yield (section, index, *path), target, name


def _one(holder: Mapping[str, Any], field_name: str, kind: Kind) -> Iterator[tuple[Path, Kind, str]]:
    value = holder.get(field_name)
    if isinstance(value, str):
        yield (field_name,), kind, value


def _many(holder: Mapping[str, Any], field_name: str, kind: Kind) -> Iterator[tuple[Path, Kind, str]]:
    for index, item in enumerate(_items(holder.get(field_name))):
        if isinstance(item, str):
            yield (field_name, index), kind, item


def _same_name(
    document: Document, resource: ResourceId, known: dict[str, tuple[ResourceId, Document]]
) -> Iterator[Finding]:
    """Two campaigns that would be one on the server."""
    spec = document.value.get("spec")
    if resource.kind is not Kind.CAMPAIGN or not isinstance(spec, dict) or unsure(spec, "name"):
        return
    name = str(spec.get("name", resource.name))
    first, other = known.setdefault(name, (resource, document))
    if first != resource:  # else they are one resource twice
        message = f"another campaign is called {quoted(name)} on the server, at {_named_at(other)}"
        hint = "give one of them another `spec.name`"
        yield Finding("duplicate-campaign-name", message, _named_at(document), hint, resource)


def _named_at(campaign: Document) -> Place:
    """Where a campaign says what it is called on the server."""
    named = "name" in _mapping(campaign.value.get("spec"))
    return campaign.place(("spec" if named else "metadata", "name"))


def _secrets(document: Document) -> Iterator[Finding]:
    """Plain settings whose key smells of a secret. The value is not shown."""
    if document.value.get("kind") != Kind.CAMPAIGN:
        return
    for key, value in _mapping(_mapping(document.value.get("spec")).get("settings")).items():
        if smells_secret(key) and isinstance(value, str) and value:
            yield Finding(
                "plain-secret",
                f"the setting {quoted(key)} stands in plain text, shows in plans and is kept in state",
                document.place(("spec", "settings", key)),
                f"write `{printable(key)}: {{fromEnv: NAME}}` or `{{fromFile: path}}` if it is a secret",
                resource_of(document),
                Severity.WARNING,
            )


MOST_INVISIBLE = 100
"""How many texts of one document are reported for what nobody sees in them."""
_IDS = frozenset({"gateways", "closedGateways"})
"""Lists of ids: what their ids may hold is checked with those of data files."""


def _invisible(document: Document) -> Iterator[Finding]:
    """Texts and keys that hold what nobody sees. The text is not shown: it may be a secret."""
    if _all_ascii(document.value):
        return
    found = _texts_with_invisible(document.value, ())
    for path, at_key, (at, which) in islice(found, MOST_INVISIBLE):
        what = f"the key {quoted(str(path[-1]))}" if at_key else f"`{printable('.'.join(map(str, path)))}`"
        yield Finding(
            "invisible-character",
            f"{what} has the invisible character {which} in it, at its character {at + 1}",
            document.place(path, key=at_key),
            "remove it: the text only looks like the one that is meant",
            resource_of(document),
            Severity.WARNING,
        )


def _all_ascii(value: object) -> bool:
    """Whether all texts and keys are, but for lists of ids: then nothing in them is invisible."""
    waiting: list[Any] = [value]
    for each in waiting:  # it grows on the way
        if isinstance(each, str):
            if not each.isascii():
                return False
        elif isinstance(each, Mapping):
            waiting += each
            waiting += (item for key, item in each.items() if key not in _IDS or not isinstance(item, list))
        elif isinstance(each, list):
            waiting += each
    return True


def _texts_with_invisible(value: object, path: Path) -> Iterator[tuple[Path, bool, tuple[int, str]]]:
    """Path, whether its key is meant, and what is there."""
    if isinstance(value, str):
        if not value.isascii() and (unseen := invisible_character(value, in_prose=True)):
            yield path, False, unseen
    elif isinstance(value, Mapping):
        for key, item in value.items():
            if not key.isascii() and (unseen := invisible_character(key, in_prose=True)):
                yield (*path, key), True, unseen
            if not (key in _IDS and isinstance(item, list)):
                yield from _texts_with_invisible(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _texts_with_invisible(item, (*path, index))


def project_findings(document: Document) -> Iterator[Finding]:
    """Credentials in the URLs of a project file, also in its environments. The URL is not shown."""
    yield from _invisible(document)
    spec = _mapping(document.value.get("spec"))
    places: list[Path] = [("spec",)]
    places += [("spec", "environments", name) for name in _mapping(spec.get("environments"))]
    for path in places:
        here = spec if len(path) == 1 else _mapping(spec["environments"][path[-1]])
        server, state = _mapping(here.get("server")).get("url"), _mapping(here.get("state")).get("url")
        if isinstance(server, str) and _CREDENTIALS.match(server):
            message = "the URL of the server holds a user name or a password, and every report shows it"
            hint = "take it out of the URL; `auth` says where credentials come from"
            yield Finding("url-with-credentials", message, document.place((*path, "server", "url")), hint)
        if isinstance(state, str) and _PASSWORD.match(state):
            message = "the URL of the state holds a password in plain text"
            hint = "take it out; the library behind it reads it from its own environment variables or files"
            place = document.place((*path, "state", "url"))
            yield Finding("plain-secret", message, place, hint, severity=Severity.WARNING)


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _items(value: object) -> Sequence[object]:
    return value if isinstance(value, list) else ()
