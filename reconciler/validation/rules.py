"""Rules that a schema cannot say: between documents, and between fields of one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from reconciler.findings import printable
from reconciler.loading.nodes import Document
from reconciler.model import Finding, Kind, ResourceId, Severity
from reconciler.validation.words import nearest, resource_of, smells_secret

Path = tuple[str | int, ...]

MOST_SUGGESTIONS = 100
"""How many misspelt references get a suggestion: each is compared with every name there is."""

_CREDENTIALS = re.compile(r"[A-Za-z0-9+.-]+://[^/?#]*@")
_PASSWORD = re.compile(
    r"[A-Za-z0-9+.-]+://(?:[^/?#@]*:[^/?#]*@|[^?#]*\?(?:[^#]*&)?(?:password|sslpassword)=)", re.IGNORECASE
)


@dataclass(slots=True)
class Rules:
    """The rules over all documents of a run, broken ones too: they declare names all the same.

    `complete` is False when some files could not be read: a reference may then point into one of those.
    """

    documents: Sequence[Document]
    complete: bool = True
    _declared: dict[Kind, dict[str, Document]] = field(default_factory=dict)
    _suggestions: int = 0

    def findings(self) -> Iterator[tuple[Document, Finding]]:
        """Every finding with the document it is about."""
        campaigns: dict[str, Document] = {}
        for document in self.documents:
            resource = resource_of(document)
            if resource is None:
                continue
            for finding in (
                *self._same_resource(document, resource),
                *_same_name(document, resource, campaigns),
            ):
                yield document, finding
        for document in self.documents:
            for finding in (*self._dangling(document), *_things(document), *_secrets(document)):
                yield document, finding

    def _same_resource(self, document: Document, resource: ResourceId) -> Iterator[Finding]:
        first = self._declared.setdefault(resource.kind, {}).setdefault(resource.name, document)
        if first is not document:
            where = first.place(["metadata", "name"])
            message = f"there is another {resource.kind} of the name `{printable(resource.name)}`, at {where}"
            place = document.place(["metadata", "name"])
            yield Finding("duplicate-resource", message, place, "give one of them another name", resource)

    def _dangling(self, document: Document) -> Iterator[Finding]:
        if not self.complete or document.value.get("kind") != Kind.CAMPAIGN:
            return
        for path, kind, name in references(_mapping(document.value.get("spec"))):
            if name in self._declared.get(kind, ()):
                continue
            message = f"there is no {kind} of the name `{printable(name)}`"
            place = document.place(("spec", *path))
            yield Finding("dangling-reference", message, place, self._hint(kind, name), resource_of(document))

    def _hint(self, kind: Kind, name: str) -> str:
        known = self._declared.get(kind)
        if not known:
            return f"no {kind} is declared in the files of this run"
        self._suggestions += 1
        meant = nearest(name, known) if self._suggestions <= MOST_SUGGESTIONS else None
        return (
            f"did you mean `{printable(meant)}`?"
            if meant
            else f"declare it, or name one of the {len(known)} that there are"
        )


def references(spec: Mapping[str, Any]) -> Iterator[tuple[Path, Kind, str]]:
    """Every reference in the spec of a Campaign: where it stands, and what it names."""
    yield from _one(spec, "packageSet", Kind.PACKAGE_SET)
    yield from _many(spec, "gatewayLists", Kind.GATEWAY_LIST)
    yield from _one(spec, "callbackSet", Kind.CALLBACK_SET)
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
    if type(value) is str:  # `Ambiguous` text is refused already
        yield (field_name,), kind, value


def _many(holder: Mapping[str, Any], field_name: str, kind: Kind) -> Iterator[tuple[Path, Kind, str]]:
    for index, item in enumerate(_items(holder.get(field_name))):
        if type(item) is str:
            yield (field_name, index), kind, item


def _same_name(document: Document, resource: ResourceId, known: dict[str, Document]) -> Iterator[Finding]:
    """Two campaigns that would be one on the server."""
    if resource.kind is not Kind.CAMPAIGN:
        return
    name, path = _server_name(document)
    first = known.setdefault(name, document)
    if first is not document and resource_of(first) != resource:  # else they are one resource twice
        where = first.place(_server_name(first)[1])
        message = f"another campaign is called `{printable(name)}` on the server, at {where}"
        hint = "give one of them another `spec.name`"
        yield Finding("duplicate-campaign-name", message, document.place(path), hint, resource)


def _server_name(document: Document) -> tuple[str, Path]:
    name = _mapping(document.value.get("spec")).get("name")
    if isinstance(name, str):
        return str(name), ("spec", "name")
    return str(_mapping(document.value["metadata"])["name"]), ("metadata", "name")


def _things(document: Document) -> Iterator[Finding]:
    """Things of gateways outside the list; with a `file:` only resolving can tell."""
    spec = _mapping(document.value.get("spec"))
    if document.value.get("kind") != Kind.GATEWAY_LIST or "file" in spec:
        return
    things = _mapping(spec.get("things"))
    members = {item for item in _items(spec.get("gateways")) if isinstance(item, str)} if things else set()
    for gateway in things:
        if type(gateway) is str and gateway not in members:  # other keys are refused already
            message = f"things are given for the gateway `{printable(gateway)}`, which is not in this list"
            place = document.place(("spec", "things", gateway), key=True)
            hint = "add the gateway to `gateways`, or take its things out"
            yield Finding("thing-outside-list", message, place, hint, resource_of(document))


def _secrets(document: Document) -> Iterator[Finding]:
    """Plain settings whose key smells of a secret. The value is not shown."""
    if document.value.get("kind") != Kind.CAMPAIGN:
        return
    for key, value in _mapping(_mapping(document.value.get("spec")).get("settings")).items():
        if smells_secret(key) and isinstance(value, str) and value:
            yield Finding(
                "plain-secret",
                f"the setting `{printable(key)}` stands in plain text, shows in plans and is kept in state",
                document.place(("spec", "settings", key)),
                f"write `{printable(key)}: {{fromEnv: NAME}}` or `{{fromFile: path}}` if it is a secret",
                resource_of(document),
                Severity.WARNING,
            )


def project_findings(document: Document) -> Iterator[Finding]:
    """Credentials in the URLs of a project file, also in its environments. The URL is not shown."""
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
