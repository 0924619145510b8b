"""Live campaigns as resources, one after another: what they share is written once.

    campaigns/NAME.yaml                     a Campaign
    packages/NAME.yaml                      a PackageSet for each set of packages
    gateways/NAME.yaml, gateways/NAME.txt   a GatewayList for each set of gateways; a long one as a text file
    callbacks/NAME.yaml                     a CallbackSet of a campaign, where the server tells them

What can't be read, or can't stand in YAML, is left out and so not managed, with a comment that says so.

Tests: `tests/export/test_export_run.py`, `tests/export/test_export_adopts.py`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from reconciler.export.resource_names import Names, as_name
from reconciler.export.yamltext import Comment, Noted, Value, comment, writable, yaml_lines
from reconciler.model import (
    API_VERSION,
    CallbackEvent,
    Json,
    Kind,
    LiveCampaign,
    LivePackage,
    Membership,
    Only,
    Phase,
)
from reconciler.providers.base import Detail, Facts, Field
from reconciler.resolve.ids import GOOD, ODD_LINE, is_good
from reconciler.state.applied import callback_field, known_plain
from reconciler.text import instant, smells_secret

CAMPAIGNS: Final = "campaigns"
PACKAGES: Final = "packages"
GATEWAYS: Final = "gateways"
CALLBACKS: Final = "callbacks"
FOLDERS: Final = (CAMPAIGNS, PACKAGES, GATEWAYS, CALLBACKS)

INLINE: Final = 50
"""A list of more gateways goes to a text file."""

_SETTINGS: Final = (
    "settings can't be read back; add those that the campaign has: an edit sends only what stands here"
)
_WRITE_ONLY: Final = "{} can't be read back; add what is to be kept in Git"
_BLIND: Final[Mapping[Field, str]] = MappingProxyType(
    {Field.SCHEDULES: "schedules", Field.CALLBACKS: "callbackSet", Field.THINGS: "runOnThings"}
)
_BY_LIST: Final = (
    "the distribution list decides who is in it, so gatewayLists is left out; write gateways there that are"
    " to be in it in any case"
)
_BY_LIST_ALONE: Final = "the distribution list decides who is in it"

Spec = dict[str | Comment, Value]


@dataclass(frozen=True, slots=True)
class File:
    """A file by its path in the export, and its lines."""

    path: str
    lines: Iterable[str]


class Tree:
    """Makes the files of campaigns; `packages` are all of the server, for their names.

    `names`: campaign id → name of its resource. `overrides`: whether packages of single gateways were read.
    """

    def __init__(
        self,
        names: Mapping[str, str],
        packages: Iterable[LivePackage],
        facts: Facts,
        *,
        overrides: bool = True,
    ) -> None:
        self._facts = facts
        self._campaign_names = names
        self._overrides = overrides
        self._packages: dict[str, LivePackage] = {}
        self._package_names: dict[str, str] = {}
        own = Names()
        for package in sorted(packages, key=lambda package: package.id):
            self._packages[package.id] = package
            self._package_names[package.id] = own.unique(as_name(package.name, "package"))
        self._set_names, self._list_names = Names(), Names()
        self._sets: dict[frozenset[str], str] = {}
        self._lists: dict[str, str] = {}

    @property
    def sets(self) -> int:
        """How many PackageSets there are so far."""
        return len(self._sets)

    @property
    def lists(self) -> int:
        """How many GatewayLists there are so far."""
        return len(self._lists)

    def files(self, live: LiveCampaign) -> Iterator[File]:
        """The campaign's file, after those that it needs and that are not there yet."""
        name = self._campaign_names[live.id]
        spec: Spec = {}
        if live.name != name:
            spec["name"] = live.name
        if live.description and writable(live.description):
            spec["description"] = live.description
        elif live.description:
            _say(spec, "the description holds what YAML can't, and is left out")
        yield from self._own_packages(live, spec)
        self._settings(live, spec)
        yield from self._members(live, name, spec)
        yield from self._package_overrides(live, name, spec)
        _distribution(live, spec, self._facts)
        _delivery(live, spec, self._facts)
        yield from self._callbacks(live, name, spec)
        facts = self._facts
        if blind := [
            word for name, word in _BLIND.items() if facts.supports(name) and not facts.readable(name)
        ]:
            _say(spec, _WRITE_ONLY.format(_and(blind)))
        if closed := sorted(filter(self._good, (live.gateways or Membership()).closed)):
            spec["closedGateways"] = closed
        _status(live, spec)
        yield _resource(CAMPAIGNS, Kind.CAMPAIGN, name, spec, f"campaign {live.id} on the server")

    # --- parts -------------------------------------------------------------------------------------

    def _own_packages(self, live: LiveCampaign, spec: Spec) -> Iterator[File]:
        if not live.packages:
            _say(spec, "no packages on the server; packageSet is left out, so they are not managed")
        elif not all(map(GOOD.fullmatch, live.packages)):
            _say(spec, "packages with ids that YAML can't hold: packageSet is left out")
        else:
            spec["packageSet"] = yield from self._set(live.packages)

    def _settings(self, live: LiveCampaign, spec: Spec) -> None:
        """Settings as the server tells them; what looks like a secret is asked of the environment."""
        if not self._facts.readable(Field.SETTINGS):
            if self._facts.supports(Field.SETTINGS):
                _say(spec, _SETTINGS)
            return
        plain, _ = known_plain(live.applied.get(Field.SETTINGS))
        settings: dict[str | Comment, Value] = {
            key: {"fromEnv": _variable(key)} if smells_secret(key) else value
            for key, value in sorted(plain.items())
            if writable(value)
        }
        if settings:
            spec["settings"] = settings

    def _callbacks(self, live: LiveCampaign, name: str, spec: Spec) -> Iterator[File]:
        """The callbacks that the server tells, as a set of their own."""
        found = {event: live.applied.get(callback_field(event)) for event in CallbackEvent}
        told: Spec = {
            event.value: {key: _value(part) for key, part in value.items()}
            for event, value in found.items()
            if isinstance(value, Mapping)
        }
        if told:
            spec["callbackSet"] = name
            yield _resource(CALLBACKS, Kind.CALLBACK_SET, name, told)

    def _good(self, gateway: str) -> bool:
        limits = self._facts.limits
        short = limits.id is None or len(gateway) <= limits.id
        return short and gateway not in limits.reserved_ids and is_good(gateway)

    def _members(self, live: LiveCampaign, name: str, spec: Spec) -> Iterator[File]:
        members = frozenset(live.gateways or ())
        if live.distribution is not None:
            _say(spec, _BY_LIST_ALONE if self._facts.lists_decide else _BY_LIST)
        elif not all(map(self._good, members)):
            odd = min(gateway for gateway in members if not self._good(gateway))
            _say(spec, f"gatewayLists is left out, for {odd!r} can't stand in a list")
        elif not members:
            spec["gatewayLists"] = []
        else:
            spec["gatewayLists"] = [(yield from self._list(members, name))]

    def _package_overrides(self, live: LiveCampaign, name: str, spec: Spec) -> Iterator[File]:
        if not self._overrides:
            _say(spec, "packageOverrides were not read")
        groups: dict[frozenset[str], tuple[tuple[str, ...], list[str]]] = {}
        for gateway, packages in sorted(live.overrides.items()):
            own = frozenset(packages)
            if own != frozenset(live.packages) and self._good(gateway) and all(map(GOOD.fullmatch, own)):
                groups.setdefault(own, (packages, []))[1].append(gateway)
        entries: list[Value] = []
        for packages, gateways in sorted(groups.values()):
            package_set = yield from self._set(packages)
            if len(gateways) > INLINE:
                listed = yield from self._list(frozenset(gateways), f"{name}-{package_set}")
                entries.append({"gatewayLists": [listed], "packageSet": package_set})
            else:
                entries.append({"gateways": gateways, "packageSet": package_set})
        if entries:
            spec["packageOverrides"] = entries

    # --- what campaigns share ------------------------------------------------------------------------

    def _set(self, packages: Sequence[str]) -> Generator[File, None, str]:
        """The name of the PackageSet of these packages, after its file when it is new."""
        content = frozenset(packages)
        if content not in self._sets:
            self._sets[content] = name = self._set_names.unique(self._named_after(packages))
            items: list[Value] = [self._item(package) for package in dict.fromkeys(packages)]
            yield _resource(PACKAGES, Kind.PACKAGE_SET, name, {"packages": items})
        return self._sets[content]

    def _item(self, package_id: str) -> Mapping[str | Comment, Value]:
        known = self._packages.get(package_id)
        return {"id": Noted(package_id, known.name if known else "not in the server's list of packages")}

    def _named_after(self, packages: Collection[str]) -> str:
        """``firmware``, ``bootloader-and-firmware``, ``firmware-and-4-more-1a2b3c4d``; none: ``nothing``."""
        names = sorted(self._package_names.get(p) or as_name(p, "package") for p in frozenset(packages))
        together = "-and-".join(names) or "nothing"
        if len(names) <= 3 and len(together) <= 100:
            return together
        return f"{names[0][:60]}-and-{len(names) - 1}-more-{_digest(sorted(frozenset(packages)))[:8]}"

    def _list(self, gateways: frozenset[str], name: str) -> Generator[File, None, str]:
        """The name of the GatewayList of these gateways, after its files when it is new."""
        ids = sorted(gateways)
        content = _digest(ids)
        if content not in self._lists:
            self._lists[content] = found = self._list_names.unique(name[:120])
            spec: Spec = {"gateways": ids}
            if len(ids) > INLINE:
                spec = {"file": f"{found}.txt"}
                # Unusual ids go into YAML: in a text file white space and a `#` would begin a comment.
                if odd := [gateway for gateway in ids if _odd(gateway)]:
                    spec["gateways"] = odd
                lines = (gateway for gateway in ids if not _odd(gateway))
                yield File(f"{GATEWAYS}/{found}.txt", lines)
            yield _resource(GATEWAYS, Kind.GATEWAY_LIST, found, spec)
        return self._lists[content]


def _digest(ids: Iterable[str]) -> str:
    found = hashlib.sha256()
    for each in ids:
        found.update(f"{each}\n".encode())
    return found.hexdigest()


def _odd(gateway: str) -> bool:
    return "#" in gateway or ODD_LINE.search(gateway) is not None


def _and(words: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def _variable(key: str) -> str:
    """The environment variable that is to hold a secret setting."""
    return re.sub(r"[^A-Z0-9]+", "_", key.upper()).strip("_") or "SECRET"


def _value(part: Json) -> Value:
    return [str(each) for each in part] if isinstance(part, list) else str(part)


def _say(spec: Spec, text: str) -> None:
    """A comment at this place of `spec`."""
    spec[Comment(text)] = ""


def _distribution(live: LiveCampaign, spec: Spec, facts: Facts) -> None:
    found = live.distribution
    if found is None:
        return
    called = next(filter(GOOD.fullmatch, (found.id, *found.also)), None)
    intervals = Detail.INTERVAL in facts.details
    if called is None or (intervals and not found.interval):
        why = "its interval can't be read" if called else "its id can't stand in YAML"
        _say(spec, f"the distribution list {found.id!r} is left out, for {why}")
        return
    spec["distributionList"] = {
        "distributionListId": called,
        **({"reevaluationIntervalSeconds": found.interval} if intervals and found.interval else {}),
    }


def _delivery(live: LiveCampaign, spec: Spec, facts: Facts) -> None:
    """How gateways get their packages, as far as the server tells it."""
    told = live.delivery
    if told is None or not facts.supports(Field.DELIVERY):
        return
    rows = {
        # A download without installation is never forced.
        "force": None if told.only is Only.DOWNLOAD else told.force and told.force.value,
        "forceAfter": instant(told.force_after) if told.force_after else None,
        "only": None if told.only is Only.ALL else told.only and told.only.value,
        # 0 means that no start time was set.
        "startAt": instant(told.start_at) if told.start_at else None,
    }
    terms: dict[str | Comment, Value] = {key: value for key, value in rows.items() if value}
    if terms:
        spec["delivery"] = terms


def _status(live: LiveCampaign, spec: Spec) -> None:
    match live.phase:
        case Phase.RUNNING:
            spec["desiredStatus"] = "STARTED"
        case Phase.PAUSED:
            spec["desiredStatus"] = "STOPPED"
        case _:
            _say(spec, f"{live.status} on the server: desiredStatus is left out, so it stays as it is")


def _resource(
    folder: str, kind: Kind, name: str, spec: Mapping[str | Comment, Value], note: str = ""
) -> File:
    document: Spec = {"apiVersion": API_VERSION, "kind": kind.value, "metadata": {"name": name}, "spec": spec}
    lines = [*(comment(note) if note else ()), *yaml_lines(document)]
    return File(f"{folder}/{name}.yaml", lines)
