"""Reading a list to its end, whatever way the server counts its pages.

    totals told      the first page, then the others at once; read until `total` different items are there.
                     Still too few: on to further pages, then all over again; then it is an error.
    no totals        page after page; an empty page, or one without anything new, ends the list.

The first page is asked for without a number, and counted on from the number that it answers. Where it
answers none, page 1 tells: something new in it, and pages count from 0; the first page again, and they
count from 1. A list that shrinks while it is read is read afresh, because an item may have slipped past.

Whatever a server answers, there is an end: of items, pages and bytes. What goes beyond isn't a list that is
used, and said so, also when it is only told to be that long.

Tests: `tests/providers/test_paging_table.py`, `tests/providers/test_pulse_paging.py`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Generic, Protocol, TypeVar

from reconciler.pool import concurrently
from reconciler.providers.http.listing import Page

Item = TypeVar("Item")
Item_contra = TypeVar("Item_contra", contravariant=True)

READINGS = 4
"""How often a list is read anew before it is given up."""
USELESS_PAGES = 32
"""Empty or repeated pages in a row after which a total is no longer believed."""
PAGES_WITHOUT_TOTAL = 20_000
"""Where no total bounds a list, this does."""
MOST_PAGES = 200_000
"""Pages that a total may ask for."""
MOST_ITEMS = 2_000_000
"""Items of a list: twice the largest fleet that this is made for."""
LIST_ANSWERS = 8
"""A whole list may have so many times the bytes of one answer."""

Fetch = Callable[[int | None], Awaitable[Page[Item]]]
"""Asks for a page by number; None: the first, whatever its number is."""


class Fold(Protocol[Item_contra]):
    """Takes pages in as they come, so that no list of a million rows is ever held."""

    def add(self, items: Mapping[str, Item_contra]) -> int:
        """Take items by id; a later one replaces an earlier. Answers how many ids were new."""
        ...

    def clear(self) -> None: ...

    def __len__(self) -> int:
        """How many different ids there are."""
        ...


class Incomplete(Exception):
    """The list could not be read as a whole; the text says why."""


async def read_all(
    fetch: Fetch[Item],
    fold: Fold[Item],
    *,
    width: int,
    most_bytes: int,
    first: Page[Item] | None = None,
) -> None:
    """Fold the whole list, at most `width` pages at a time; Incomplete rather than a part of it.

    `first` is the first page where it was already read. It has at most `most_bytes`.
    """
    reading = _Reading(fetch, fold, width, most_bytes)
    for _ in range(READINGS):
        if await reading.read(first):
            return
        first = None
    raise Incomplete(reading.shortfall())


def pages_after(first: Page[Item]) -> int | None:
    """How many pages follow the first; None when the server doesn't say."""
    if not first.rows and not first.total:
        return 0
    if first.total is None or len(first.items) > first.total or first.total > MOST_ITEMS:
        return None
    return -(-first.total // max(first.rows, 1)) - 1


_AT_MOST = f"at most {MOST_ITEMS:,} are read"


def _counted(number: int) -> str:
    return f"{number:,}" if number < 10**24 else "more than 10^24"


class _Shrunk(Exception):
    """The total went down while the list was read."""


class _Reading(Generic[Item]):
    """Readings of one list into one fold."""

    def __init__(self, fetch: Fetch[Item], fold: Fold[Item], width: int, most_bytes: int) -> None:
        self._ask = fetch
        self._most_bytes = most_bytes
        self._bytes = 0
        self._fold = fold
        self._width = width
        self._total = 0
        # Of this reading:
        self._floor: int
        """The total of the first page: a smaller one later means that the list shrank."""
        self._pages: set[int]
        """The pages, by a hash of their ids."""
        self._useless: int
        """How many pages in a row were empty or had been there before."""
        self._shrunk: bool

    def shortfall(self) -> str:
        """Why the list is not complete."""
        if self._shrunk:
            return f"the list kept changing while it was read, {READINGS} times over"
        return (
            f"the server counts {self._total} items, but only {len(self._fold)} different ones came in "
            f"{READINGS} readings"
        )

    async def read(self, first: Page[Item] | None = None) -> bool:
        """Read the list once, into what earlier readings found; whether it is complete."""
        self._bytes = 0
        first = self._bounded(first) if first else await self._fetch(None)
        total = first.total or 0
        if -(-total // max(first.rows, 1)) > MOST_PAGES:
            raise Incomplete(f"the server counts {total:,} items, and its pages have {first.rows:,}")
        if total < self._total:
            self._fold.clear()
        if len(first.items) > total:
            # No total was told, or one that can't be true.
            self._fold.clear()
            await self._follow(first)
            return True
        again = len(self._fold) > 0
        self._floor = self._total = total
        self._pages, self._useless, self._shrunk = set(), 0, False
        try:
            self._take(first)
            if again:
                # Nothing is taken for granted now, not even the number of the first page.
                start = first.number or 0
                await self._at_once(range(start, start + self._expected(first) + 1))
            else:
                await self._onward(first)
        except _Shrunk:
            self._shrunk = True
            self._fold.clear()
            return False
        return self._complete()

    async def _fetch(self, number: int | None) -> Page[Item]:
        return self._bounded(await self._ask(number))

    def _bounded(self, page: Page[Item]) -> Page[Item]:
        """`page`, unless the list is longer than any that is read."""
        self._bytes += page.size
        if self._bytes > self._most_bytes:
            raise Incomplete(f"more than {self._most_bytes >> 20:,} MiB came, and it still goes on")
        if (page.total or 0) > MOST_ITEMS:
            raise Incomplete(f"the server counts {_counted(page.total or 0)} items; {_AT_MOST}")
        if len(self._fold) > MOST_ITEMS:
            raise Incomplete(f"{len(self._fold):,} items came, and it still goes on; {_AT_MOST}")
        return page

    # --- with totals --------------------------------------------------------------------------------

    def _complete(self) -> bool:
        return len(self._fold) >= self._total

    def _expected(self, first: Page[Item]) -> int:
        """How many pages there should be. The size is that of the page, for servers cap what was asked."""
        return -(-self._total // max(first.rows, 1))

    async def _onward(self, first: Page[Item]) -> None:
        """From the first page to the last, and past it while something is lacking."""
        if self._complete():
            return
        start = first.number
        after = 1 if start is None else start + 1
        if start is None:
            page = await self._fetch(after)
            # Nothing new: it was the first page again, and pages count from 1.
            start = 0 if page.items.keys() - first.items.keys() else 1
            self._take(page)
            after += 1
        end = start + self._expected(first)
        await self._at_once(range(after, end))
        limit = start + 2 * self._expected(first) + 8
        self._useless = 0
        number = max(after, end)
        while not self._complete() and self._useless < 2:
            if number > limit:
                raise Incomplete(f"{number - start} pages came, and the list still goes on")
            page = await self._fetch(number)
            self._take(page)
            if not page.rows:
                return
            number += 1

    async def _at_once(self, numbers: range) -> None:
        """Pages side by side, until so many useless ones come in a row that the total can't be true."""
        remaining = iter(numbers)

        async def worker(_: int) -> None:
            for number in remaining:
                if self._complete() or self._useless > USELESS_PAGES:
                    return
                self._take(await self._fetch(number))

        await concurrently(range(min(self._width, len(numbers))), worker, limit=self._width)

    def _take(self, page: Page[Item]) -> None:
        if page.total is not None:
            if page.total < self._floor:
                raise _Shrunk
            self._total = max(self._total, page.total)
        known = hash(frozenset(page.items))
        self._useless = self._useless + 1 if not page.rows or known in self._pages else 0
        self._pages.add(known)
        self._fold.add(page.items)

    # --- without ------------------------------------------------------------------------------------

    async def _follow(self, first: Page[Item]) -> None:
        self._fold.add(first.items)
        number = 1 if first.number is None else first.number + 1
        for count in range(PAGES_WITHOUT_TOTAL):
            page = await self._fetch(number + count)
            if not page.rows:
                return
            # The first page again right after itself may be just another way to count.
            if not self._fold.add(page.items) and count > 0:
                return
        raise Incomplete(f"{PAGES_WITHOUT_TOTAL} pages came and the list still goes on")


# --- folds ---------------------------------------------------------------------------------------


class Items(Generic[Item]):
    """A fold that keeps what `wanted` accepts, by id, and counts the rest."""

    def __init__(self, wanted: Callable[[Item], bool] = lambda _: True) -> None:
        self._wanted = wanted
        self._kept: dict[str, Item] = {}
        self._others: set[str] = set()

    def add(self, items: Mapping[str, Item]) -> int:
        before = len(self)
        for key, item in items.items():
            if self._wanted(item):
                self._others.discard(key)
                self._kept[key] = item
            else:
                self._kept.pop(key, None)
                self._others.add(key)
        return len(self) - before

    def clear(self) -> None:
        self._kept.clear()
        self._others.clear()

    def __len__(self) -> int:
        return len(self._kept) + len(self._others)

    @property
    def kept(self) -> Mapping[str, Item]:
        """Id → what was kept."""
        return self._kept

    def result(self) -> tuple[Item, ...]:
        """What was kept, sorted by id."""
        return tuple(self._kept[key] for key in sorted(self._kept))
