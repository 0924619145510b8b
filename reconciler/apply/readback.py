"""After the last step of a campaign: what it has now, and what the server made of what was sent.

A server may trim, fold, clamp, reorder or complete what it is sent. What it keeps is read by one call for
the campaign, one for its distribution list and one for each set of packages that single gateways were
assigned (of one of them), where any of that was sent; again for a moment where it differs: an answer may
lag. What differs then is how the server keeps it: said once, and never sent again.

Tests: `tests/apply/test_apply_readback.py`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from unicodedata import normalize

from reconciler.apply.patience import Delay
from reconciler.model import (
    Action,
    AssignPackages,
    BoundPackage,
    CreateCampaign,
    EditCampaign,
    Finding,
    Json,
    RegisterCallback,
    ResourceId,
    Secret,
    SetDistributionList,
    SettingValue,
    Severity,
    Verb,
)
from reconciler.providers.base import Facts, Field, Reads
from reconciler.state.applied import (
    callback_field,
    callback_value,
    changed_settings,
    known_plain,
    packages_value,
    recorded_settings,
)
from reconciler.state.base import FieldsDeclared
from reconciler.state.declared import distribution_value, packages_list, text_value
from reconciler.text import clean, cut, smells_secret

_LOOKS = 3
_SHOWN = 240

_CARRIERS: Mapping[str, frozenset[Verb]] = {
    Field.NAME: frozenset({Verb.CREATE, Verb.EDIT}),
    Field.DESCRIPTION: frozenset({Verb.CREATE, Verb.EDIT}),
    Field.PACKAGES: frozenset({Verb.CREATE, Verb.EDIT}),
    Field.DISTRIBUTION: frozenset({Verb.CREATE, Verb.DISTRIBUTE}),
    Field.GATEWAYS: frozenset({Verb.CREATE, Verb.ADD, Verb.REMOVE}),
    Field.STATUS: frozenset({Verb.CREATE, Verb.START, Verb.STOP}),
}
"""Field → the verbs that bring it."""


@dataclass(frozen=True, slots=True)
class Learned:
    """What the state learns of a campaign, and what a person should know."""

    event: FieldsDeclared | None = None
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class Kept:
    """One field that the server keeps otherwise: for the state, and in words."""

    name: str
    value: Json
    sent: str
    there: str


@dataclass(frozen=True, slots=True)
class KeptReader:
    """Reads what the server keeps."""

    reads: Reads
    facts: Facts
    salt: str
    delay: Delay
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep

    async def kept(
        self, campaign_id: str, sent: Iterable[Action], packages: Mapping[str, str]
    ) -> Sequence[Kept]:
        """What the server keeps of what these actions sent, where that is something else.

        Nothing where it can't be read. `packages` are the uploads of this run, by content.
        """
        actions = tuple(sent)
        found: list[Kept] = []
        for look in range(_LOOKS):
            try:
                found = [
                    *await self._of_campaign(campaign_id, actions, packages),
                    *await self._of_distribution(campaign_id, actions),
                    *await self._of_overrides(campaign_id, actions, packages),
                ]
            except Exception:  # noqa: BLE001 - it is done whatever can be read of it
                return []
            wait = self.delay(look + 2, None, 0.0) if look < _LOOKS - 1 else None
            if not found or wait is None:
                break
            await self.sleep(wait)
        return found

    async def _of_campaign(
        self, campaign_id: str, actions: Sequence[Action], packages: Mapping[str, str]
    ) -> list[Kept]:
        fields = next((a.fields for a in actions if isinstance(a, CreateCampaign | EditCampaign)), None)
        readable = self.facts.readable(Field.CALLBACKS)
        callbacks = [a for a in actions if isinstance(a, RegisterCallback) and readable]
        live = await self.reads.campaign(campaign_id) if fields or callbacks else None
        if live is None:
            return []
        rows: list[tuple[str, Json, Json]] = []
        for callback in callbacks:
            name = callback_field(callback.event)
            sent = None if callback.callback is None else callback_value(callback.callback)
            rows.append((name, sent, live.applied.get(name)))
        if fields is not None:
            rows.append((Field.NAME, text_value(fields.name), text_value(live.name)))
            if fields.description is not None:
                there = text_value(live.description)
                rows.append((Field.DESCRIPTION, text_value(fields.description), there))
            if fields.packages is not None:
                ids = packages_list(_ids(fields.packages, packages))
                rows.append((Field.PACKAGES, ids, packages_list(live.packages)))
        kept = [_kept(str(name), sent, there) for name, sent, there in rows if sent != there]
        return kept + (self._settings(fields.settings, live.applied.get(Field.SETTINGS)) if fields else [])

    async def _of_distribution(self, campaign_id: str, actions: Sequence[Action]) -> list[Kept]:
        found = []
        for action in actions:
            if isinstance(action, SetDistributionList):
                sent = distribution_value(action.distribution)
                there = distribution_value(await self.reads.distribution_list(campaign_id))
                if sent != there:
                    found.append(_kept(Field.DISTRIBUTION.value, sent, there))
        return found

    async def _of_overrides(
        self, campaign_id: str, actions: Sequence[Action], packages: Mapping[str, str]
    ) -> list[Kept]:
        """Each set of packages under one field. What one of its gateways has, all of them have.

        A gateway that goes on having the campaign's own was not assigned any: that is to be sent again.
        """
        assigned = [a for a in actions if isinstance(a, AssignPackages) and a.gateways]
        if not assigned or not self.facts.readable(Field.OVERRIDES):
            return []
        some = sorted({action.gateways[0] for action in assigned})
        there = await self.reads.overrides(campaign_id, some)
        rows = [
            (packages_value(_ids(a.packages, packages)), packages_value(there[a.gateways[0]]))
            for a in assigned
        ]
        differing = {sent: kept for sent, kept in rows if sent != kept}
        if not differing:
            return []
        live = await self.reads.campaign(campaign_id)
        own = packages_value(live.packages) if live else None
        return [
            Kept(Field.OVERRIDES, {sent: json.loads(kept)}, sent, kept)
            for sent, kept in sorted(differing.items())
            if kept != own
        ]

    def _settings(self, sent: Mapping[str, SettingValue] | None, there: Json) -> list[Kept]:
        """Each setting by itself under one field: the state keeps those that differ."""
        if sent is None or not self.facts.readable(Field.SETTINGS):
            return []
        plain, _ = known_plain(there)
        differing = sorted(changed_settings(there, sent, self.salt))
        if not differing:
            return []
        secret = {key for key in differing if isinstance(sent.get(key), Secret) or smells_secret(key)}
        values: dict[str, SettingValue] = {
            key: Secret("the server", text) if key in secret else text for key, text in plain.items()
        }
        records = recorded_settings(values, self.salt)
        kept = {key: records.get(key) for key in differing}
        pairs = [
            (f"{key}: {_shown(sent.get(key), key)}", f"{key}: {_shown(values.get(key), key)}")
            for key in differing
        ]
        return [Kept(Field.SETTINGS, kept, ", ".join(a for a, _ in pairs), ", ".join(b for _, b in pairs))]


_NOBODY: frozenset[Verb] = frozenset()
"""Carries a field that no verb is known to carry, as a file may name it."""


def settled_fields(
    declares: Mapping[str, Json], unsettled: Iterable[Verb], packages: Mapping[str, str]
) -> dict[str, Json]:
    """What the campaign has of what it `declares`; `packages` are the uploads of this run, by content."""
    failed = frozenset(unsettled)
    found = {name: value for name, value in declares.items() if not (_CARRIERS.get(name, _NOBODY) & failed)}
    listed = found.get(Field.PACKAGES)
    if isinstance(listed, list):
        ids = [packages.get(str(e.get("upload"))) if isinstance(e, Mapping) else e for e in listed]
        if None in ids:
            del found[Field.PACKAGES]
        else:
            found[Field.PACKAGES] = packages_list(str(each) for each in ids)
    return found


def _ids(bound: Iterable[BoundPackage], packages: Mapping[str, str]) -> list[str]:
    """The server's ids; `packages` are the uploads of this run, by content."""
    return [each if isinstance(each, str) else packages.get(each.sha256, "") for each in bound]


def learned(
    resource: ResourceId, fields: Mapping[str, Json], kept: Iterable[Kept], known: Mapping[str, Json]
) -> Learned:
    """What a state and a person learn; `known` is what the state knows of what the server keeps."""
    new = [
        each
        for each in kept
        if each.name in fields or _with(known.get(each.name), each) != known.get(each.name)
    ]
    if not fields and not new:
        return Learned()
    values: dict[str, Json] = {}
    for each in new:
        values[each.name] = _with(values.get(each.name, known.get(each.name)), each)
    return Learned(FieldsDeclared(resource, fields, values), tuple(_finding(resource, each) for each in new))


def _with(known: Json, kept: Kept) -> Json:
    """All that the server keeps of the field: of packages of single gateways, for each set that was sent."""
    if kept.name == Field.OVERRIDES and isinstance(known, Mapping) and isinstance(kept.value, Mapping):
        both: dict[str, Json] = {**known}
        return both | dict(kept.value)
    return kept.value


def _finding(resource: ResourceId, kept: Kept) -> Finding:
    return Finding(
        "server-keeps-otherwise",
        f"as {kept.name} {kept.sent} was sent, and the server keeps {kept.there};"
        " it is not sent again while both stay so",
        hint="declare what the server keeps, if that is meant",
        resource=resource,
        severity=Severity.NOTE,
    )


def _said(value: object, *, escaped: bool) -> str:
    return cut(clean(json.dumps(value, ensure_ascii=escaped)), _SHOWN) if value is not None else "nothing"


def _kept(name: str, sent: Json, there: Json) -> Kept:
    """Two texts that look the same are told apart by their characters."""
    alike = normalize("NFC", _said(sent, escaped=False)) == normalize("NFC", _said(there, escaped=False))
    return Kept(name, there, _said(sent, escaped=alike), _said(there, escaped=alike))


def _shown(value: SettingValue | None, key: str) -> str:
    if isinstance(value, Secret) or (value is not None and smells_secret(key)):
        return "(secret)"
    return _said(value, escaped=False)
