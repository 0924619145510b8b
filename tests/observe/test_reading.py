"""The one reader: all that a scope asks for, and nothing that was read before."""

import asyncio

from reconciler.model import (
    Aspects,
    CampaignSummary,
    DistributionList,
    Live,
    LiveCampaign,
    LivePackage,
    Scope,
)
from reconciler.reading import read
from tests.fakes import rid
from tests.memory_provider import MemoryCampaign, MemoryServer

CONTENT = "c" * 64
MEMBERS = Aspects(members=True)
ALL = Aspects(members=True, distribution=True, overrides=frozenset({"gw-1", "gw-3", "gw-9"}))


def server() -> MemoryServer:
    return MemoryServer(
        MemoryCampaign(
            "1", "line", "STARTED", "", ("p-1",), {"gw-1", "gw-2", "gw-3"}, DistributionList("f-1", 60),
            closed={"gw-3"}, overrides={"gw-1": ("p-2",)},
        ),
        MemoryCampaign("2", "other", packages=("p-1", "p-2")),
        packages=[LivePackage("p-1", "one"), LivePackage("p-2", "two", sha256=CONTENT)],
    )  # fmt: skip


def reading(scope: Scope, found: MemoryServer, live: Live | None = None) -> tuple[Live, list[str]]:
    found.log.clear()
    return asyncio.run(read(scope, found, live)), list(found.log)


def test_nothing_is_read_for_nothing() -> None:
    live, reads = reading(Scope(), server())
    assert (live, reads) == (Live(), [])


def test_all_that_is_asked_for() -> None:
    scope = Scope(
        {"1": ALL, "9": ALL},
        frozenset({"line", "nobody"}),
        package_ids=frozenset({"p-1", "p-2", "p-9"}),
        package_names=frozenset({"two", "none"}),
        contents=frozenset({CONTENT}),
    )
    live, reads = reading(scope, server())
    assert reads == [
        "campaigns line nobody",
        "campaign 1",
        "campaign 9",
        "gateways 1",
        "override 1 gw-1",
        "distribution 1",
        "package p-2",
        "package p-9",
        "packages none two",
        "packages-of cccccccc",
    ]
    assert live.scope == scope
    line = live.by_id["1"]
    assert line is not None
    assert line.gateways is not None
    assert set(line.gateways) == {"gw-1", "gw-2", "gw-3"}
    assert line.overrides == {"gw-1": ("p-2",)}, "of open members only"
    assert (line.distribution, line.distribution_read) == (DistributionList("f-1", 60), True)
    assert live.by_id["9"] is None
    assert live.namesakes == {"line": (CampaignSummary("1", "line", "STARTED"),), "nobody": ()}
    assert live.package_ids == {"p-1": True, "p-2": True, "p-9": False}
    assert {name: [p.id for p in found] for name, found in live.named_packages.items()} == {
        "none": [],
        "two": ["p-2"],
    }
    assert [package.id for package in live.packages_by_content[CONTENT]] == ["p-2"]
    again, reads = reading(scope, server(), live)
    assert (again, reads) == (live, []), "nothing is read twice"


def test_what_is_missing_is_added() -> None:
    found = server()
    first, _ = reading(Scope({"1": Aspects()}, frozenset({"line"})), found)
    known = Live(by_id=first.by_id, namesakes=first.namesakes, campaigns={rid("line"): _live(first, "1")})
    more = Scope({"1": MEMBERS, "2": Aspects(overrides=frozenset({"gw-1"}))}, frozenset({"line", "other"}))
    live, reads = reading(more, found, known)
    assert reads == ["campaigns other", "campaign 2", "gateways 1"]
    assert live.campaigns[rid("line")] is live.by_id["1"], "who is in is known by resource, too"
    live, reads = reading(Scope({"1": ALL}), found, live)
    assert reads == ["override 1 gw-1", "distribution 1"]


def _live(live: Live, key: str) -> LiveCampaign:
    found = live.by_id[key]
    assert found is not None
    return found


def test_the_whole_list_answers_names_and_who_uses_a_package() -> None:
    found = server()
    live, reads = reading(Scope(whole=True), found)
    assert reads == ["campaigns"]
    assert [summary.id for summary in live.listed or ()] == ["1", "2"]
    assert live.namesakes == {}, "only of names that were asked for"
    live, reads = reading(Scope({"2": Aspects()}, frozenset({"line"}), users=frozenset({"p-1"})), found, live)
    assert reads == ["campaign 2", "campaign 1"]
    assert live.namesakes.keys() == {"line"}
    assert live.users == {"p-1": {"1", "2"}, "p-2": {"2"}}


def test_users_need_the_whole_list() -> None:
    _, reads = reading(Scope(users=frozenset({"p-1"})), server())
    assert reads == ["campaigns", "campaign 1", "campaign 2"]


def test_two_scopes_are_one() -> None:
    first = Scope({"1": MEMBERS}, frozenset("a"), True, frozenset("b"), frozenset("c"), frozenset("d"))
    second = Scope(
        {"1": Aspects(distribution=True, overrides=frozenset("g")), "2": Aspects()}, users=frozenset("e")
    )
    both = first | second
    assert both == second | first
    assert both.campaigns == {"1": Aspects(True, True, frozenset("g")), "2": Aspects()}
    assert (both.whole, both.names, both.users) == (True, frozenset("a"), frozenset("e"))
    assert first | Scope() == first
