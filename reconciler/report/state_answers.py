"""What the commands `state …` answer. Digests of secrets stay where they are.

Tests: `tests/cli/test_cli_state.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from reconciler.model import Json, ResourceId
from reconciler.report.command_answers import Answer
from reconciler.report.table import pairs, table
from reconciler.report.terminal import Paint, Tone
from reconciler.report.wording import show
from reconciler.state.base import LockInfo, Owned, Predecessor, State, Uploaded
from reconciler.state.entries import StateEntry, entries
from reconciler.text import and_more, clean, first, plural, printable, timestamp

_SAMPLE: Final = 5
"""Gateways that are named of those that share a value."""
_DIGITS: Final = 12
_LONGEST_KEY: Final = 200
_HIDDEN: Final = "(secret)"


def state_list(state: State, url: str) -> Answer:
    """`state list`. ``url`` is where the state is."""
    held = entries(state)
    data = {
        "state": _about(state, url),
        "campaigns": [_campaign_line(entry) for entry in held.values() if entry.owned or entry.intent],
        "packages": [_upload_item(upload) for upload in _uploads(held)],
    }

    def lines(paint: Paint) -> Iterator[str]:
        yield from pairs([("State", f"{url} (serial {state.serial})")], paint)
        campaigns = [_row(entry) for entry in held.values() if entry.owned or entry.intent]
        packages = [
            (str(each.resource), each.id, each.name, f"{each.sha256[:_DIGITS]}…") for each in _uploads(held)
        ]
        if campaigns:
            yield ""
            yield from table(("RESOURCE", "ID", "STATUS", "LAST APPLIED"), campaigns, paint)
        if packages:
            yield ""
            yield from table(("RESOURCE", "ID", "NAME", "SHA-256"), packages, paint)
        yield ""
        yield f"{plural(len(campaigns), 'campaign')}, {plural(len(packages), 'package')}."

    return Answer(data, lines)


def state_entry(entry: StateEntry, state: State, url: str) -> Answer:
    """`state show`."""
    owned = entry.owned
    data: dict[str, object] = {
        "state": _about(state, url),
        "resource": str(entry.resource),
        "interrupted": {"name": entry.intent.name} if entry.intent else None,
        "campaign": _campaign_item(owned) if owned else None,
        "packages": [_upload_item(upload) for upload in entry.uploads],
    }

    def lines(paint: Paint) -> Iterator[str]:
        values = [("State", url), ("Resource", str(entry.resource))]
        if entry.intent:
            words = f"a create of {entry.intent.name!r}; the next plan looks whether it happened"
            values.append(("Interrupted", words))
        if owned:
            values += [
                ("Id", owned.id),
                ("Origin", owned.origin.value),
                ("On remove", owned.on_remove.value),
                ("Status", _status(owned)),
                *(("Replaces", _former(each)) for each in owned.predecessors),
            ]
            if owned.replacing:
                values.append(("Interrupted", "a successor was about to take its place"))
        yield from pairs(values, paint)
        if owned:
            yield from _applied_lines(owned, paint)
        for upload in entry.uploads:
            yield ""
            yield from pairs([("Id", upload.id), ("Name", upload.name), ("SHA-256", upload.sha256)], paint)

    return Answer(data, lines)


def lock(holder: LockInfo | None, url: str) -> Answer:
    """`state unlock` that breaks nothing: who holds the lock."""
    data = {"state": {"url": url}, "lock": lock_item(holder) if holder else None}
    if holder is None:
        return Answer(data, lambda _: iter([f"Nobody holds the lock of {clean(url)}."]))
    values = [
        ("Lock", holder.id),
        ("Holder", f"{holder.holder} on {holder.host} (process {holder.pid})"),
        ("For", holder.operation),
        ("Since", timestamp(int(holder.since * 1000))),
    ]
    if holder.expires is not None:
        values.append(("Until", f"{timestamp(int(holder.expires * 1000))}, unless its holder renews it"))

    def lines(paint: Paint) -> Iterator[str]:
        yield from pairs([("State", url), *values], paint)
        yield ""
        yield f"If that process is gone: `reconciler state unlock {clean(holder.id)}` takes the lock away."

    return Answer(data, lines)


def lock_item(holder: LockInfo) -> dict[str, Json]:
    """A lock in a document; times as everywhere there."""
    return {
        "id": holder.id,
        "holder": holder.holder,
        "host": holder.host,
        "pid": holder.pid,
        "operation": holder.operation,
        "since": int(holder.since * 1000),
        "expires": None if holder.expires is None else int(holder.expires * 1000),
    }


def _about(state: State, url: str) -> dict[str, object]:
    return {"url": url, "lineage": state.lineage, "serial": state.serial}


def _uploads(held: Mapping[ResourceId, StateEntry]) -> Iterator[Uploaded]:
    return (upload for entry in held.values() for upload in entry.uploads)


# --- campaigns -----------------------------------------------------------------------------------


def _row(entry: StateEntry) -> tuple[str, str, str, str]:
    owned = entry.owned
    if owned is None:
        return str(entry.resource), "-", "interrupted", "-"
    fields = [*sorted(owned.applied), *(f"{name} ({each:,})" for name, each in _counts(owned).items())]
    return str(entry.resource), owned.id, _status(owned), ", ".join(fields) or "-"


def _status(owned: Owned) -> str:
    """The wish that was last met, or what an open bracket returns to."""
    if owned.return_to is None:
        return owned.status or "-"
    unfinished = any(not each.ended for each in owned.predecessors)
    until = "once what it replaces has ended" if unfinished else "stopped for a change"
    return f"{until}, then {owned.return_to}"


def _former_item(each: Predecessor) -> dict[str, object]:
    return {"id": each.id, "ended": each.ended}


def _former(each: Predecessor) -> str:
    return f"{each.id}, which has ended" if each.ended else f"{each.id}, which may still be under way"


def _counts(owned: Owned) -> dict[str, int]:
    """Field → how many gateways have a value of it."""
    return {name: sum(map(len, owned.members[name].values())) for name in sorted(owned.members)}


def _campaign_line(entry: StateEntry) -> dict[str, object]:
    owned = entry.owned
    return {
        "resource": str(entry.resource),
        "id": owned.id if owned else None,
        "status": owned.status if owned else None,
        "returnTo": owned.return_to if owned else None,
        "applied": sorted(owned.applied) if owned else [],
        "members": _counts(owned) if owned else {},
        "interrupted": entry.intent is not None,
    }


def _campaign_item(owned: Owned) -> dict[str, object]:
    return {
        "id": owned.id,
        "origin": owned.origin.value,
        "onRemove": owned.on_remove.value,
        "status": owned.status,
        "returnTo": owned.return_to,
        **({"replacing": True} if owned.replacing else {}),
        **(
            {"predecessors": [_former_item(each) for each in owned.predecessors]}
            if owned.predecessors
            else {}
        ),
        "applied": {name: _open(value) for name, value in sorted(owned.applied.items())},
        "members": {
            name: [
                {"value": value, "gateways": len(ids), "first": _first(ids)}
                for value, ids in sorted(owned.members[name].items())
            ]
            for name in sorted(owned.members)
        },
    }


def _applied_lines(owned: Owned, paint: Paint) -> Iterator[str]:
    applied = [pair for name, value in sorted(owned.applied.items()) for pair in _flat(name, value)]
    if applied:
        yield ""
        yield paint("LAST APPLIED", Tone.STRONG)
        yield from pairs(applied, paint)
    rows = [
        (name, value, f"{len(ids):,}: {first(_first(ids), _SAMPLE)}{and_more(len(ids) - _SAMPLE)}")
        for name in sorted(owned.members)
        for value, ids in sorted(owned.members[name].items())
    ]
    if rows:
        yield ""
        yield from table(("FIELD", "VALUE", "GATEWAYS"), rows, paint)


def _flat(name: str, value: Json) -> Iterator[tuple[str, str]]:
    """A field, or each key of it: ``settings.LEVEL`` and its value."""
    match value:
        case {"digest": str(), **others} if not others:
            yield name, _HIDDEN
        case {"value": str(text), **others} if not others:
            yield name, show(text)
        case Mapping() if value:
            for key in sorted(value):
                yield from _flat(f"{name}.{printable(key, _LONGEST_KEY)}", value[key])
        case _:
            yield name, show(value)


def _open(value: Json) -> Json:
    """`value` without the digests of secrets."""
    match value:
        case {"digest": str(), **others} if not others:
            return {"secret": True}
        case Mapping():
            return {key: _open(value[key]) for key in sorted(value)}
    return value


def _first(ids: frozenset[str]) -> Sequence[str]:
    from heapq import nsmallest

    return nsmallest(_SAMPLE, ids)


def _upload_item(upload: Uploaded) -> dict[str, object]:
    return {
        "resource": str(upload.resource),
        "id": upload.id,
        "name": upload.name,
        "sha256": upload.sha256,
    }
