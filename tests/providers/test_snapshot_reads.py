"""What a server answers that is a snapshot: `reconciler/providers/snapshot.py`, on one held in memory."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from reconciler.errors import ReconcilerError
from reconciler.model import (
    CampaignSummary,
    DistributionList,
    LiveCampaign,
    LivePackage,
    Membership,
    Phase,
    Server,
)
from reconciler.providers.opening import facts_of
from reconciler.providers.snapshot import SnapshotReads, saved_server
from reconciler.settings import ServerSettings

FACTS = facts_of(ServerSettings())
DIGEST = "ab" * 32
LIST = DistributionList("l1", 60)


def campaign(key: str, name: str, status: str, **more: Any) -> LiveCampaign:
    return LiveCampaign(key, name, status, Phase.UNKNOWN, "why", ("p1",), **more)


@dataclass
class Held:
    """A snapshot in memory, and the gateways that were asked for."""

    server: Server = ServerSettings().identity
    campaigns: Mapping[str, LiveCampaign] = field(
        default_factory=lambda: {
            "C1": campaign("C1", "line", "STARTED", distribution=LIST, distribution_read=True),
            "c2": campaign("c2", "other", "of tomorrow"),
            "c3": campaign("c3", "line", "CREATED"),
        }
    )
    packages: Mapping[str, LivePackage] = field(
        default_factory=lambda: {
            "P1": LivePackage("P1", "fw", f"x [sha256:{DIGEST[:16]}]"),
            "p2": LivePackage("p2", "FW", "x"),
            "p3": LivePackage("p3", "fw", "x"),
        }
    )

    def gateways(self, campaign_id: str) -> Membership:
        return Membership({"IDLE": frozenset({"a", campaign_id})}, frozenset())

    def overrides(self, campaign_id: str) -> Mapping[str, tuple[str, ...]]:
        return {"b": ("p1",), "a": (), "z": (campaign_id,)}


HELD = Held()
C1, P1 = HELD.campaigns["C1"], HELD.packages["P1"]
SUMMARIES = [
    CampaignSummary("C1", "line", "STARTED"),
    CampaignSummary("c2", "other", "of tomorrow"),
    CampaignSummary("c3", "line", "CREATED"),
]
ANSWERS: dict[str, tuple[Callable[[SnapshotReads], Awaitable[object]], object]] = {
    "all campaigns": (lambda reads: reads.campaigns(), tuple(SUMMARIES)),
    "campaigns by name": (lambda reads: reads.campaigns({"line"}), (SUMMARIES[0], SUMMARIES[2])),
    "campaigns by no name": (lambda reads: reads.campaigns([]), ()),
    "no campaign": (lambda reads: reads.campaign("c9"), None),
    "gateways": (lambda reads: reads.gateways("C1"), HELD.gateways("C1")),
    "a list": (lambda reads: reads.distribution_list("C1"), LIST),
    "no list": (lambda reads: reads.distribution_list("c2"), None),
    "all packages": (lambda reads: reads.packages(), tuple(HELD.packages.values())),
    "packages by name": (lambda reads: reads.packages({"fw"}), (P1, HELD.packages["p3"])),
    "packages by no name": (lambda reads: reads.packages([]), ()),
    "packages by content": (
        lambda reads: reads.packages_of([DIGEST, "cd" * 32]),
        {DIGEST: (P1,), "cd" * 32: ()},
    ),
    "a package": (lambda reads: reads.package("P1"), P1),
    "a package in other letters": (lambda reads: reads.package("p1"), P1),
    "no package": (lambda reads: reads.package("p9"), None),
    "overrides of nobody": (lambda reads: reads.overrides("c9", frozenset()), {}),
}


def reads() -> SnapshotReads:
    return SnapshotReads(HELD, FACTS)


@pytest.mark.parametrize("what", ANSWERS)
def test_an_answer(what: str) -> None:
    call, found = ANSWERS[what]

    async def main() -> object:
        return await call(reads())

    assert asyncio.run(main()) == found


@pytest.mark.parametrize(
    ("key", "phase"),
    [("C1", Phase.RUNNING), ("c1", Phase.RUNNING), ("c2", Phase.UNKNOWN), ("c3", Phase.READY)],
)
def test_a_campaign_is_told_without_its_list(key: str, phase: Phase) -> None:
    found = asyncio.run(reads().campaign(key))
    assert found is not None
    assert (found.id.lower(), found.phase) == (key.lower(), phase)
    assert (found.distribution, found.distribution_read) == (None, False)


def test_overrides_come_in_the_order_of_gateways() -> None:
    found = asyncio.run(reads().overrides("C1", dict.fromkeys(["z", "b", "a"]).keys()))
    assert list(found.items()) == [("a", ()), ("b", ("p1",)), ("z", ("C1",))]


@pytest.mark.parametrize(
    ("asked", "who"),
    [
        (["b", "x"], "x"),
        (["y", "x", "b"], "x and 1 more"),
        ([f"g{n:04}" for n in range(1_002)], "g0000 and 1,001 more"),
    ],
)
def test_overrides_that_nobody_asked_about(asked: list[str], who: str) -> None:
    with pytest.raises(ReconcilerError) as caught:
        asyncio.run(reads().overrides("C1", frozenset(asked)))
    assert caught.value.message == (
        f"the snapshot doesn't say which packages the gateway {who} of campaign 'line' gets"
    )
    assert caught.value.hint == (
        "Take it again, with `--overrides all`, or with the resources that are planned now;"
        " or plan with `--refresh recorded`, which trusts what was last applied."
    )


def test_the_server_that_was_saved() -> None:
    server = saved_server(HELD, FACTS)
    assert (server.server, server.facts) == (HELD.server, FACTS)
    assert isinstance(server.reads, SnapshotReads)
    assert (server.reads.parallelism, server.reads.requests) == (1, {})
