"""What is asked of each kind of list, and what of it is taken: `tests/golden/http-paging.txt`.

A list has pages of three rows. Its server counts pages from 0 or 1, and tells that number, the total, both or
neither; or it lies about one of them.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import product

import pytest

from reconciler.providers.http import paging
from reconciler.providers.http.listing import Page
from reconciler.providers.http.paging import Incomplete, Items, pages_after, read_all
from tests.providers.told import grouped

SIZE = 3
Rows = str
"""A row is a letter."""


@dataclass(frozen=True)
class List:
    """A server with one list. ``told``: which number it tells of its first page."""

    rows: Rows
    base: int = 0
    told: int | None = 0
    total: Callable[[int], int | None] = lambda real: real
    later: Mapping[int, Rows] = field(default_factory=dict)
    """From which request on there are other rows."""
    stuck: bool = False
    """Each page is the first one."""
    width: int = 1
    bytes: int = 1_000
    page_bytes: int = 10

    def lines(self, *, first: bool = False) -> list[str]:
        """What is asked for and what comes of it; `first`: the first page was read before."""
        asked: list[str] = []
        kept: Items[str] = Items()

        async def fetch(number: int | None) -> Page[str]:
            asked.append("-" if number is None else str(number))
            rows = next(
                (self.later[at] for at in sorted(self.later, reverse=True) if at < len(asked)), self.rows
            )
            index = 0 if number is None or self.stuck else max(number - self.base, 0)
            part = rows[index * SIZE : (index + 1) * SIZE]
            told = None if self.told is None else self.told + index
            return Page(
                {each: each for each in part}, len(part), told, self.total(len(rows)), self.page_bytes
            )

        async def main() -> None:
            page = await fetch(None) if first else None
            await read_all(fetch, kept, width=self.width, first=page, most_bytes=self.bytes)

        try:
            asyncio.run(main())
        except Incomplete as error:
            return [f"asked {' '.join(asked)}", f"! {error}"]
        return [f"asked {' '.join(asked)}", f"= {''.join(kept.result())}"]


ROWS = ["", "a", "abc", "abcd", "abcdef", "ihgfedcba"]
TOLD: dict[str, tuple[int, int | None]] = {
    # how pages are counted → from where, and what the first one says
    "from 0": (0, 0),
    "from 1": (1, 1),
    "from 0, untold": (0, None),
    "from 1, untold": (1, None),
    "from 1, and says 0": (1, 0),
    "from 0, and says 1": (0, 1),
}
TOTALS: dict[str, Callable[[int], int | None]] = {
    "its total": lambda real: real,
    "no total": lambda _: None,
    "a total of 2 more": lambda real: real + 2,
    "a total of 1": lambda _: 1,
    "a total of 0": lambda _: 0,
}


def _cases() -> Iterator[tuple[str, List]]:
    for rows, (how, (base, told)), (what, total) in product(ROWS, TOLD.items(), TOTALS.items()):
        yield f"{len(rows)} rows, {how}, {what}", List(rows, base, told, total)


LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
NINE = List("abcdefghi")
SPECIAL: dict[str, List] = {
    "side by side": replace(NINE, width=3),
    "it shrinks": replace(NINE, later={1: "bcdefghi"}),
    "it shrinks while it is read again": replace(NINE, later={1: "bcdefghi", 3: "cdefghi"}),
    "it shrinks for ever": replace(NINE, later={n: "abcdefghi"[: 9 - n] for n in range(1, 9)}),
    "it grows in front": replace(NINE, later={2: "xabcdefghi"}),
    "it grows at its end": replace(NINE, later={2: "abcdefghijkl"}),
    "it grows for ever": List("abcdef", later={n: LETTERS[: 6 + 3 * n] for n in range(1, 16)}),
    "others are there instead": replace(NINE, later={2: "ABCDEFGHI"}),
    "rows come twice": List("abcabcabc"),
    "rows come twice, and then others": List("abcabcabc", later={5: "abcdefghi"}),
    "fewer are there when it is read again": List("aabbcc", total=lambda n: n, later={3: "bcd"}),
    "every page is the first": List("abc", stuck=True, total=lambda _: 9),
    "every page is the first, and no total": List("abc", stuck=True, told=None, total=lambda _: None),
    "a total without end": List("abc", stuck=True, total=lambda _: 1_000),
    "a total of too many pages": List("abc", total=lambda _: 700_000),
    "a total of more than are read": List("abc", total=lambda _: 2_000_001),
    "a total of too many digits": List("abc", total=lambda _: 10**24),
    "a total of as many digits as are shown": List("abc", total=lambda _: 10**24 - 1),
    "just the bytes": replace(NINE, bytes=30),
    "a byte too many": replace(NINE, bytes=29),
    "just the bytes of each reading": List("abcabcabc", bytes=50, later={5: "abcdefghi"}),
    "MiB too many": replace(NINE, page_bytes=2 << 20, bytes=5 << 20),
}


def test_each_kind_of_list(golden: Callable[[str, str], None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paging, "PAGES_WITHOUT_TOTAL", 6)
    text = [*grouped((name, each.lines()) for name, each in _cases())]
    text += ["", *grouped((name, each.lines()) for name, each in SPECIAL.items())]
    text += [
        "",
        *grouped((f"{name}, its first page known", each.lines(first=True)) for name, each in SPECIAL.items()),
    ]
    golden("http-paging.txt", "".join(f"{line}\n" for line in text))


@pytest.mark.parametrize(
    ("rows", "total", "after"),
    [
        (0, None, 0),
        (0, 0, 0),
        (0, 4, 3),
        (3, None, None),
        (3, 2, None),
        (3, 3, 0),
        (3, 4, 1),
        (3, 6, 1),
        (3, 7, 2),
    ],
)
def test_how_many_pages_follow(rows: int, total: int | None, after: int | None) -> None:
    assert pages_after(Page({str(n): n for n in range(rows)}, rows, 0, total)) == after


def test_a_total_of_more_than_are_read_tells_nothing_of_pages() -> None:
    assert pages_after(Page({"a": "a"}, 1, 0, 2_000_000)) == 1_999_999
    assert pages_after(Page({"a": "a"}, 1, 0, 2_000_001)) is None
