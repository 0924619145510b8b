"""Calls as reads, writes and questions make them: one object, whole lists, what a query finds.

Tests: `tests/providers/test_hawkbit_tape.py`, `tests/providers/test_hawkbit_reads.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Final, TypeVar

from reconciler.errors import Refusal, Refused, ServerError, Unclear
from reconciler.model import Json
from reconciler.pool import concurrently
from reconciler.providers.hawkbit import codec
from reconciler.providers.hawkbit.codec import Module, Rollout, Row
from reconciler.providers.hawkbit.operations import operation
from reconciler.providers.hawkbit.query import any_of
from reconciler.providers.http.listing import Page
from reconciler.providers.http.paging import Fold, Incomplete, Items, read_all
from reconciler.providers.http.wire import MIXED_UP, Call, Query, Wire

Item = TypeVar("Item")

_KINDS: Final[Mapping[str, str]] = {
    "get-rollout": "rollout",
    "list-rollouts": "rollout",
    "create-rollout": "rollout",
    "get-module": "module",
    "list-modules": "module",
    "create-module": "module",
    "get-set": "distribution set",
    "list-sets": "distribution set",
    "create-set": "distribution set",
    "list-tags": "tag",
    "create-tag": "tag",
}
"""Operation → what its ids are of, as far as such things are made."""
MOST: Final = 500
"""Rows of a page: the server cuts what is more without a word."""


class HawkbitCalls:
    """Calls over a `Wire`, at most `parallelism` at a time.

    ``page_size``: rows that a page may have. ``most_bytes``: how many bytes a whole list may have.
    """

    def __init__(self, wire: Wire, *, page_size: int, parallelism: int, most_bytes: int) -> None:
        self.wire: Final = wire
        self.page_size: Final = min(page_size, MOST)
        self.parallelism: Final = parallelism
        self._seen: set[tuple[str, str]] = set()
        """What was there when it was read, or was made since: its kind and id."""
        self.most_bytes: Final = most_bytes

    async def one(
        self, name: str, decode: Callable[[Json], Item], query: Query = (), **ids: str
    ) -> Item | None:
        """What a read finds; None when the server has no such thing."""
        if not all(each.isdecimal() for key, each in ids.items() if key != "target"):
            return None  # what isn't a number is no id of anything here
        try:
            found = await self.wire.read(Call(operation(name), ids, query), decode)
        except Refused as error:
            if Refusal.NO_SUCH_OBJECT in error.meaning:
                return None
            raise
        self._saw(name, ids.values())
        return found

    async def do(self, name: str, json: Json = None, query: Query = (), **ids: str) -> Json:
        """What a write answers, sent once."""
        return await self.wire.do(Call(operation(name), ids, query, json))

    async def make(self, name: str, json: Json, **ids: str) -> str:
        """The id of what a write makes, sent once.

        Unclear when the answer tells of something else, or of what was there before.
        """
        call = Call(operation(name), ids, json=json)
        [asked] = json if isinstance(json, list) else [json]
        row = asked if isinstance(asked, dict) else {}
        key = await self.wire.write(call, lambda value: codec.made(value, row))
        kind = _KINDS.get(name, "")
        if (kind, key) in self._seen:
            raise Unclear(
                f"the answer names {kind} {key} as the new one, and that was there before",
                request=str(call.request()),
                hint=MIXED_UP,
            )
        self._seen.add((kind, key))
        return key

    def _saw(self, name: str, keys: Iterable[str]) -> None:
        """Note what is there: nothing of that is made now."""
        if kind := _KINDS.get(name):
            self._seen.update((kind, key) for key in keys)

    async def fold(self, name: str, read: Row[Item], fold: Fold[Item], query: Query = (), **ids: str) -> None:
        """Fold a whole list, its pages side by side; ServerError rather than a part of it."""
        step = self.page_size

        async def fetch(number: int | None) -> Page[Item]:
            nonlocal step
            at = 0 if number is None else number
            paging = (("limit", str(step)), ("offset", str(at * step)), ("sort", "id:ASC"))
            call = Call(operation(name), ids, (*query, *paging), private=True)
            size = 0

            def measured(length: int) -> None:
                nonlocal size
                size = length

            found = await self.wire.read(
                call, lambda value: codec.page(value, read, step, at), measured=measured
            )
            if number is None and found.rows:
                step = found.rows  # a server that cuts pages shorter than was asked for
            return replace(found, size=size)

        try:
            await read_all(fetch, fold, width=self.parallelism, most_bytes=self.most_bytes)
        except Incomplete as error:
            raise ServerError(
                f"the list can't be read as a whole: {error}",
                request=str(Call(operation(name), ids).request()),
                hint="Nothing is concluded from a part of a list. Try again when the server is at rest.",
            ) from None

    async def first_page(
        self, name: str, read: Row[Item], query: Query = (), *, rows: int | None = None, **ids: str
    ) -> Page[Item]:
        """The first page of a list, and the total that it tells; ``rows``: how many are enough."""
        step = rows or self.page_size
        paging = (("limit", str(step)), ("offset", "0"), ("sort", "id:ASC"))
        call = Call(operation(name), ids, (*query, *paging), private=True)
        return await self.wire.read(call, lambda value: codec.page(value, read, step, 0))

    async def listed(
        self, name: str, read: Row[Item], queries: Iterable[str] | None = None, more: Query = (), **ids: str
    ) -> Mapping[str, Item]:
        """Id → item of a whole list, or of what any of the queries finds."""

        async def found(query: str) -> Mapping[str, Item]:
            items: Items[Item] = Items()
            asked: Query = (("q", query),) if query else ()
            await self.fold(name, read, items, (*asked, *more), **ids)
            return items.kept

        asked = [""] if queries is None else list(queries)
        every = (await concurrently(asked, found, limit=self.parallelism)).values()
        together: dict[str, Item] = {}
        for each in every:
            together |= each
        self._saw(name, together)
        return {key: together[key] for key in sorted(together, key=_number)}

    # --- what more than one of the parts of the seam asks -------------------------------------------

    async def rollout(self, rollout_id: str) -> Rollout | None:
        """A rollout, None when there is no such id or it is deleted."""
        found = await self.one("get-rollout", codec.rollout, rollout=rollout_id)
        return None if found is None or found.gone else found

    async def rollouts_named(self, names: Iterable[str]) -> tuple[Rollout, ...]:
        """Rollouts of exactly these names, by id."""
        wanted = frozenset(names)
        found = await self.listed("list-rollouts", codec.rollout_row, any_of("name", sorted(wanted)))
        return tuple(each for each in found.values() if each.name in wanted and not each.gone)

    async def modules(self, queries: Iterable[str] | None = None) -> tuple[Module, ...]:
        """Software modules that are there, by id."""
        found = await self.listed("list-modules", codec.module_row, queries)
        return tuple(each for each in found.values() if not each.deleted)

    async def held(self, module_id: str) -> Mapping[str, str]:
        """What a module holds: file name → SHA-256."""
        return await self.one("list-artifacts", codec.artifacts, module=module_id) or {}

    async def tag_id(self, name: str, *, ours: bool = False) -> str | None:
        """The id of the tag of exactly this name; `ours`: only if we made it."""
        found = await self.tags_like(name)
        exact = (key for key, (other, said) in found.items() if other == name and (not ours or _ours(said)))
        return next(exact, None)

    async def tags_like(self, name: str) -> Mapping[str, tuple[str, str]]:
        """Tags that a query for `name` means: id → (name, description). It is blind to case."""
        return await self.listed("list-tags", codec.tag_row, any_of("name", [name]))

    async def filters(self) -> Mapping[str, tuple[str, str]]:
        """Target filters: id → (name, query)."""
        return await self.listed("list-filters", codec.filter_row)


def _ours(description: str) -> bool:
    return description.startswith(codec.MARK)


def _number(key: str) -> tuple[int, str]:
    return (int(key) if key.isdecimal() else 0, key)
