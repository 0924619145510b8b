"""Calls of the API as the client and the questions make them: one campaign, one gateway, whole lists."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final, TypeVar

from reconciler.errors import Refusal, Refused, ServerError
from reconciler.model import Json
from reconciler.pool import concurrently
from reconciler.providers.http.answerbody import DEFAULT_MOST
from reconciler.providers.http.listing import ListShape, Page, page
from reconciler.providers.http.paging import LIST_ANSWERS, Fold, Incomplete, Items, pages_after, read_all
from reconciler.providers.http.wire import Call, Encoded, Query, Wire
from reconciler.providers.pulse.codec import bodies
from reconciler.providers.pulse.codec.answers import package_ids
from reconciler.providers.pulse.operations import OPERATIONS

Item = TypeVar("Item")

SEARCHES: Final = 10
"""From so many names on, a list whose length isn't told is read as a whole."""

_TOO_LONG_A_URL: Final = (414, 431)
"""How a server, or a proxy before it, says that the name in a query is too much for it."""


class Calls:
    """Calls over a `Wire`, at most `parallelism` at a time.

    ``page_size``: how many rows a page of a list is asked to have. ``most_bytes``: how many bytes a whole
    list may have.
    """

    def __init__(
        self,
        wire: Wire,
        *,
        page_size: int = 500,
        parallelism: int = 16,
        most_bytes: int = LIST_ANSWERS * DEFAULT_MOST,
    ) -> None:
        self.wire: Final = wire
        self.most_bytes: Final = most_bytes
        self.page_size: Final = page_size
        self.parallelism: Final = parallelism

    async def gateway_packages(self, campaign_id: str, gateway_id: str) -> tuple[str, ...]:
        """*Get Updated Package Information for the Gateway in the Campaign*: the effective list."""
        read = package_ids
        return await self._read_gateway("get-gateway-packages", campaign_id, gateway_id, read)

    async def _of_campaign(
        self, operation: str, campaign_id: str, body: Json = None, batch: Sequence[str] = ()
    ) -> None:
        json = bodies.of_campaign(campaign_id) if body is None else body
        await self.wire.do(Call(OPERATIONS[operation], {"campaign_id": campaign_id}, json=json, batch=batch))

    async def _of_gateway(
        self, operation: str, campaign_id: str, gateway_id: str, body: Json | Encoded
    ) -> None:
        ids = {"campaign_id": campaign_id, "gateway_id": gateway_id}
        await self.wire.do(Call(OPERATIONS[operation], ids, json=body))

    async def _read_gateway(
        self, operation: str, campaign_id: str, gateway_id: str, decode: Callable[[Json], Item]
    ) -> Item:
        ids = {"campaign_id": campaign_id, "gateway_id": gateway_id}
        return await self.wire.read(Call(OPERATIONS[operation], ids), decode)

    async def _found(
        self, call: Call, decode: Callable[[Json], Item | None], *, empty: Json = None
    ) -> Item | None:
        """What a read finds; None when the server has no such thing (404)."""
        try:
            return await self.wire.read(call, decode, empty=empty)
        except Refused as error:
            if Refusal.NO_SUCH_OBJECT in error.meaning:
                return None
            raise

    async def _by_name(
        self,
        operation: str,
        shape: ListShape[Item],
        names: Collection[str] | None,
        name_of: Callable[[Item], str],
    ) -> tuple[Item, ...]:
        """A list, or its items of exactly these names: one by one, or all of it where that takes less."""
        if names is None:
            everything: Items[Item] = Items()
            await self._list(operation, shape, everything)
            return everything.result()
        wanted = frozenset(names)
        if not wanted:
            return ()
        found: Items[Item] = Items(lambda item: name_of(item) in wanted)
        if len(wanted) > 1:
            first = await self._page(operation, shape, None)
            further = pages_after(first)
            if len(wanted) >= (SEARCHES if further is None else further):
                await self._list(operation, shape, found, first=first)
                return found.result()

        async def named(name: str) -> Mapping[str, Item]:
            # The server may match a part of the name, or not look at it at all.
            same: Items[Item] = Items(lambda item: name_of(item) == name)
            await self._list(operation, shape, same, query=(("name", name),))
            return same.kept

        try:
            for items in (await concurrently(sorted(wanted), named, limit=self.parallelism)).values():
                found.add(items)
        except Refused as error:
            if error.status not in _TOO_LONG_A_URL:
                raise
            # The whole list tells it as well, whatever the server thinks of a long name in a URL.
            found = Items(lambda item: name_of(item) in wanted)
            await self._list(operation, shape, found)
        return found.result()

    async def _list(
        self,
        operation: str,
        shape: ListShape[Item],
        fold: Fold[Item],
        *,
        ids: Mapping[str, str] | None = None,
        query: Query = (),
        first: Page[Item] | None = None,
    ) -> None:
        async def fetch(number: int | None) -> Page[Item]:
            return await self._page(operation, shape, number, ids or {}, query)

        try:
            await read_all(fetch, fold, width=self.parallelism, first=first, most_bytes=self.most_bytes)
        except Incomplete as error:
            request = str(Call(OPERATIONS[operation], ids or {}).request())
            raise ServerError(
                f"the list can't be read as a whole: {error}",
                request=request,
                hint="Nothing is concluded from a part of a list. Try again when the server is at rest.",
            ) from None

    async def _page(
        self,
        operation: str,
        shape: ListShape[Item],
        number: int | None,
        ids: Mapping[str, str] | None = None,
        query: Query = (),
    ) -> Page[Item]:
        paging: Query = (("page.size", str(self.page_size)),)
        if number is not None:
            paging = (("page.number", str(number)), *paging)
        call = Call(OPERATIONS[operation], ids or {}, (*query, *paging))
        size = 0

        def measured(found: int) -> None:
            nonlocal size
            size = found

        # A list that says nothing but that there is nothing is an empty one.
        return await self.wire.read(
            call, lambda value: page(value, shape, size), no_content={}, measured=measured
        )
