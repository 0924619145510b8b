"""Lists, however the server counts: every item exactly once, or an error."""

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.errors import ServerError, Unclear
from reconciler.model import Membership
from reconciler.providers.http.listing import Page
from reconciler.providers.http.paging import Incomplete, Items, read_all
from reconciler.providers.http.transport import Request, Response
from reconciler.providers.pulse.client import PulseClient
from reconciler.providers.pulse.codec.members import GatewayRow, Members
from tests.providers.canned_server import Canned, answer, client


@dataclass
class Pages:
    """A server with one list, as a transport. `base` is the number of its first page."""

    rows: list[str]
    base: int = 1
    cap: int = 10
    totals: bool = True
    numbers: bool = True
    bare: bool = False
    ignores_paging: bool = False
    leaves_zero_out: bool = False
    total: Callable[[int], int] = lambda real: real
    change: Mapping[int, Callable[[list[str]], object]] = field(default_factory=dict)
    """After which request the list changes, and how."""
    asked: list[str | None] = field(default_factory=list)

    async def send(self, request: Request) -> Response:
        query = dict(request.query)
        number = query.get("page.number")
        self.asked.append(number)
        size = min(int(query.get("page.size", "10")), self.cap)
        index = 0 if number is None or self.ignores_paging else max(int(number) - self.base, 0)
        rows = self.rows[index * size : (index + 1) * size]
        page: dict[str, object] = {"pageSize": size}
        if self.numbers:
            page["page"] = index + self.base
        if self.totals:
            page["totalElements"] = str(self.total(len(self.rows)))
        if self.leaves_zero_out:
            page = {key: value for key, value in page.items() if value not in (0, "0")}
        gateways = [{"gatewayId": row, "state": "S"} for row in rows]
        change = self.change.get(len(self.asked))
        if change:
            change(self.rows)
        await asyncio.sleep(0)
        return answer(gateways if self.bare else {"pageResponse": page, "gateways": gateways})


def read(pages: Any, size: int = 1000) -> list[str]:
    reader = PulseClient(client(pages).wire, page_size=size, parallelism=4)
    return sorted(asyncio.run(reader.gateways("c1")))


def rows(count: int) -> list[str]:
    return [f"g{n:04}" for n in range(count)]


@given(
    count=st.integers(0, 120),
    size=st.integers(1, 40),
    cap=st.integers(1, 40),
    base=st.integers(0, 1),
    totals=st.booleans(),
    numbers=st.booleans(),
    leaves_zero_out=st.booleans(),
)
def test_every_item_comes_exactly_once(
    count: int, size: int, cap: int, base: int, totals: bool, numbers: bool, leaves_zero_out: bool
) -> None:
    pages = Pages(rows(count), base, cap, totals, numbers, leaves_zero_out=leaves_zero_out)
    assert read(pages, size) == rows(count)
    needed = max(1, -(-count // min(size, cap)))
    if totals:
        told = numbers and not (leaves_zero_out and base == 0)
        # Where page 1 is asked to learn how pages are counted, it may be the first page again.
        assert needed <= len(pages.asked) <= needed + (0 if told or base == 0 else 1)
    else:
        assert len(pages.asked) <= needed + 2
    assert pages.asked[0] is None
    assert len(set(pages.asked)) == len(pages.asked), "no page is asked for twice"


@pytest.mark.parametrize("base", [0, 1])
def test_a_well_behaved_server_sees_as_many_requests_as_there_are_pages(base: int) -> None:
    pages = Pages(rows(1000), base, cap=100)
    assert read(pages, 100) == rows(1000)
    assert len(pages.asked) == 10
    assert sorted(int(number) for number in pages.asked if number) == list(range(base + 1, base + 10))


@pytest.mark.parametrize("count", [0, 1, 9, 10, 11, 35])
@pytest.mark.parametrize("ignores_paging", [False, True])
def test_a_bare_array_ends_with_an_empty_or_a_repeated_page(count: int, ignores_paging: bool) -> None:
    pages = Pages(rows(count), bare=True, ignores_paging=ignores_paging, cap=1000 if ignores_paging else 10)
    assert read(pages) == rows(count)


def test_a_first_page_that_says_0_while_pages_count_from_1() -> None:
    pages = Pages(rows(35))
    original = pages.send

    async def says_zero(request: Request) -> Response:
        value = json.loads((await original(request)).body)
        value["pageResponse"]["page"] = 0
        return answer(value)

    pages.send = says_zero  # type: ignore[method-assign]
    assert read(pages) == rows(35)


def test_a_first_page_that_says_1_while_pages_count_from_0_is_read_all_over() -> None:
    pages = Pages(rows(35), base=0)
    original = pages.send

    async def says_one(request: Request) -> Response:
        value = json.loads((await original(request)).body)
        value["pageResponse"]["page"] += 1
        return answer(value)

    pages.send = says_one  # type: ignore[method-assign]
    assert read(pages) == rows(35)


def test_without_totals_a_0_that_means_1_loses_nothing() -> None:
    pages = Pages(rows(35), totals=False)
    original = pages.send

    async def says_zero(request: Request) -> Response:
        value = json.loads((await original(request)).body)
        value["pageResponse"]["page"] = 0
        return answer(value)

    pages.send = says_zero  # type: ignore[method-assign]
    assert read(pages) == rows(35)


def test_with_a_total_an_empty_page_does_not_end_the_list() -> None:
    pages = Pages(rows(60))
    original = pages.send

    async def holes(request: Request) -> Response:
        value = json.loads((await original(request)).body)
        if ("page.number", "3") in request.query and pages.asked.count("3") == 1:
            value["gateways"] = []
        return answer(value)

    pages.send = holes  # type: ignore[method-assign]
    assert read(pages) == rows(60)


def test_pages_that_overlap_are_read_on() -> None:
    pages = Pages(rows(40))

    async def overlapping(request: Request) -> Response:
        number = int(dict(request.query).get("page.number", "1"))
        part = rows(40)[(number - 1) * 8 : (number - 1) * 8 + 10]
        gateways = [{"gatewayId": row} for row in part]
        return answer({"page": {"number": number, "totalElements": 40}, "gateways": gateways})

    pages.send = overlapping  # type: ignore[method-assign]
    assert read(pages) == rows(40)


@pytest.mark.parametrize("totals", [True, False])
def test_fewer_items_than_the_total_is_an_error(totals: bool) -> None:
    pages = Pages(rows(25), total=lambda real: real + 1)
    with pytest.raises(ServerError) as caught:
        read(pages)
    assert "GET /api/campaigns/c1/devices: the list can't be read as a whole" in str(caught.value)
    assert "counts 26 items, but only 25 different ones came" in str(caught.value)
    assert len(pages.asked) < 40


def test_past_the_end_one_empty_page_is_enough() -> None:
    pages = Pages(rows(25), total=lambda real: real + 1)
    with pytest.raises(ServerError):
        read(pages)
    assert pages.asked[:5] == [None, "2", "3", "4", None], "a page beyond, and then all over"


def test_an_empty_page_with_a_total_is_an_error() -> None:
    canned = Canned(answer({"page": {"totalElements": 3}, "gateways": []}))
    with pytest.raises(ServerError, match="counts 3 items, but only 0"):
        read(canned)


def test_a_total_without_end_is_an_error_soon() -> None:
    pages = Pages(rows(5), total=lambda _: 10**9)
    with pytest.raises(ServerError, match="counts 1,000,000,000 items"):
        read(pages)
    assert len(pages.asked) < 300


def test_a_total_that_runs_away_is_an_error() -> None:
    pages = Pages(rows(5), cap=5, total=lambda real: real + 1)
    pages.change = {n: lambda real: real.extend(f"x{len(real)}-{i}" for i in range(5)) for n in range(1, 500)}
    with pytest.raises(ServerError, match="still goes on"):
        read(pages)
    assert len(pages.asked) < 40


def test_a_total_smaller_than_the_page_is_not_believed() -> None:
    pages = Pages(rows(25), total=lambda _: 2)
    assert read(pages) == rows(25)


@given(after=st.integers(1, 6), gone=st.integers(0, 39))
def test_a_list_that_shrinks_is_read_again(after: int, gone: int) -> None:
    pages = Pages(rows(40), change={after: lambda real: real.pop(gone)})
    found = read(pages)
    left = [row for n, row in enumerate(rows(40)) if n != gone]
    # An item that went after it was read may be there or not; none of the others may be missing.
    assert set(left) <= set(found) <= set(rows(40))


@given(after=st.integers(1, 6), at=st.integers(0, 40))
def test_a_list_that_grows_loses_nothing(after: int, at: int) -> None:
    pages = Pages(rows(40), change={after: lambda real: real.insert(at, "new")})
    assert set(rows(40)) <= set(read(pages)) <= {*rows(40), "new"}


def test_a_list_that_never_stops_shrinking_is_an_error() -> None:
    pages = Pages(rows(400), change={n: lambda real: real.pop(0) for n in range(1, 1000)})
    with pytest.raises(ServerError, match="kept changing"):
        read(pages)


def test_without_a_total_a_list_without_end_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reconciler.providers.http.paging.PAGES_WITHOUT_TOTAL", 50)

    async def fetch(number: int | None) -> Page[str]:
        return Page({str(number): "x"}, 1)

    async def main() -> None:
        await read_all(fetch, Items[str](), width=1, most_bytes=1)

    with pytest.raises(Incomplete, match="50 pages came"):
        asyncio.run(main())


@pytest.mark.parametrize("totals", [True, False])
@pytest.mark.parametrize(("count", "whole"), [(50, True), (51, False)])
def test_so_many_items_are_read_and_no_more(
    monkeypatch: pytest.MonkeyPatch, count: int, whole: bool, totals: bool
) -> None:
    monkeypatch.setattr("reconciler.providers.http.paging.MOST_ITEMS", 50)

    async def fetch(number: int | None) -> Page[str]:
        at = number or 0
        return Page({str(at): "x"} if at < count else {}, int(at < count), at, count if totals else None)

    async def main() -> int:
        await read_all(fetch, fold := Items[str](), width=1, most_bytes=1)
        return len(fold)

    if whole:
        assert asyncio.run(main()) == count
    else:
        with pytest.raises(Incomplete, match="at most"):
            asyncio.run(main())


def test_a_failed_page_fails_the_list() -> None:
    pages = Pages(rows(100))
    original = pages.send

    async def refuses_one(request: Request) -> Response:
        found = await original(request)
        return answer("no", 403) if ("page.number", "4") in request.query else found

    pages.send = refuses_one  # type: ignore[method-assign]
    with pytest.raises(ServerError, match="403 no"):
        read(pages)


def test_no_more_pages_are_under_way_than_allowed() -> None:
    pages = Pages(rows(500))
    original, open_now, most = pages.send, 0, 0

    async def counting(request: Request) -> Response:
        nonlocal open_now, most
        open_now += 1
        most = max(most, open_now)
        try:
            return await original(request)
        finally:
            open_now -= 1

    pages.send = counting  # type: ignore[method-assign]
    assert read(pages) == rows(500)
    assert 2 <= most <= 4


# --- names ---------------------------------------------------------------------------------------


@dataclass
class Campaigns:
    """A server that finds campaigns by a part of their name, or doesn't look at the name."""

    names: list[str]
    filters: bool = True
    totals: bool = True
    asked: list[dict[str, str]] = field(default_factory=list)

    async def send(self, request: Request) -> Response:
        query = dict(request.query)
        self.asked.append(query)
        number, size = int(query.get("page.number", "1")), min(int(query["page.size"]), 10)
        lines = [{"id": f"c{n}", "name": name, "status": "CREATED"} for n, name in enumerate(self.names)]
        if self.filters:
            lines = [line for line in lines if query.get("name", "").lower() in line["name"].lower()]
        page = {"number": number} | ({"totalElements": len(lines)} if self.totals else {})
        return answer({"page": page, "campaigns": lines[(number - 1) * size : number * size]})


NAMES = [f"line-{n}" for n in range(200)] + ["Line-1", "twice", "twice"]


@pytest.mark.parametrize("filters", [True, False])
@pytest.mark.parametrize("totals", [True, False])
@pytest.mark.parametrize(
    "wanted",
    [["line-1"], ["twice"], ["nobody"], ["line-1", "line-19", "nobody"], [f"line-{n}" for n in range(50)]],
)
def test_names_are_matched_exactly(wanted: list[str], filters: bool, totals: bool) -> None:
    server = Campaigns(NAMES, filters, totals)
    found = asyncio.run(client(server).campaigns(wanted))
    assert sorted(line.id for line in found) == sorted(
        f"c{n}" for n, name in enumerate(NAMES) if name in wanted
    )


@pytest.mark.parametrize(
    ("wanted", "requests"),
    [([], 0), (["line-150"], 1), (["line-150", "twice"], 3), ([f"line-{n}" for n in range(100, 150)], 21)],
)
def test_names_cost_the_fewest_requests(wanted: list[str], requests: int) -> None:
    server = Campaigns(NAMES)
    asyncio.run(client(server).campaigns(wanted))
    assert len(server.asked) == requests


def test_many_names_on_a_short_list_cost_one_request() -> None:
    server = Campaigns(NAMES[:8])
    assert len(asyncio.run(client(server).campaigns(NAMES[:5]))) == 5
    assert len(server.asked) == 1


def test_names_on_an_empty_server_cost_one_request() -> None:
    canned = Canned(answer({}))
    assert asyncio.run(client(canned).campaigns(["a", "b"])) == ()
    assert len(canned.seen) == 1


# --- folds ---------------------------------------------------------------------------------------


def test_members_move_between_states_when_they_are_read_again() -> None:
    fold = Members()
    assert fold.add({"a": GatewayRow("S", True), "b": GatewayRow("S", False)}) == 2
    assert fold.add({"a": GatewayRow("T", False), "c": GatewayRow("T", True)}) == 1
    assert len(fold) == 3
    assert fold.closed() == {"c"}
    assert fold.states() == {"S": {"b"}, "T": {"a", "c"}}


def test_members_that_are_forgotten_leave_nothing_behind() -> None:
    fold = Members()
    fold.add({"a": GatewayRow("S", True)})
    fold.clear()
    assert (len(fold), fold.closed(), fold.states()) == (0, frozenset(), {})


def test_items_count_what_they_do_not_keep() -> None:
    fold: Items[str] = Items(lambda item: item == "x")
    assert fold.add({"1": "x", "2": "y"}) == 2
    assert fold.add({"1": "y", "2": "x"}) == 0
    assert fold.result() == ("x",)
    fold.clear()
    assert len(fold) == 0


def test_gateways_stay_a_few_sets() -> None:
    pages = Pages([f"g{n}" for n in range(20_000)], cap=500)
    found = asyncio.run(PulseClient(client(pages).wire, page_size=500).gateways("c1"))
    assert isinstance(found, Membership)
    assert [(state, len(members)) for state, members in found.states.items()] == [("S", 20_000)]
    assert len(pages.asked) == 40


# --- lists that need not be there ------------------------------------------------------------------


@pytest.mark.parametrize("status", [414, 431])
def test_a_name_that_is_too_long_for_a_url_is_found_in_the_whole_list(status: int) -> None:
    name, other = "n" * 9000, "x"
    rows = [{"id": "c1", "name": name, "status": "CREATED"}, {"id": "c2", "name": other, "status": "CREATED"}]

    def reply(request: Request) -> Response:
        return answer({"message": "too long"}, status) if "name" in dict(request.query) else answer(rows)

    found = asyncio.run(client(Canned(reply)).campaigns([name]))
    assert [line.id for line in found] == ["c1"]


def test_a_list_of_no_content_is_empty() -> None:
    nothing = Response(204)
    assert asyncio.run(client(Canned(nothing)).campaigns()) == ()
    assert asyncio.run(client(Canned(nothing)).campaigns(["x"])) == ()
    assert asyncio.run(client(Canned(nothing)).packages()) == ()
    assert not asyncio.run(client(Canned(nothing)).gateways("c1")).lacking(frozenset())


def test_an_empty_answer_that_is_no_204_is_no_empty_list() -> None:
    with pytest.raises(Unclear):
        asyncio.run(client(Canned(Response(200))).campaigns())
