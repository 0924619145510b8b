"""What isn't found and may be there all the same: it is looked for again until its time is over."""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

import pytest

from reconciler.lookout import Lookout
from reconciler.model import (
    CampaignSummary,
    Claim,
    Desired,
    Live,
    LiveCampaign,
    LivePackage,
    OnRemove,
    Ownership,
)
from reconciler.model.doubts import Doubt, Missing
from reconciler.observe import observe
from reconciler.options import Options
from reconciler.state.base import Intent, Uploaded, upload_key
from tests.fakes import Project, Ticking, campaign, desired, file, holds, rid
from tests.memory_provider import MemoryCampaign, MemoryServer

V1 = file("v1")
LONG_AGO = 1_000


class Lagging(MemoryServer):
    """Lists show a thing only from a time on (`listed`), and so do answers for its id (`answered`)."""

    def __init__(self, time: Ticking, *campaigns: MemoryCampaign, **more: Any) -> None:
        super().__init__(*campaigns, **more)
        self.time = time
        self.listed: dict[str, float] = {}
        self.answered: dict[str, float] = {}
        self.unlisted: dict[str, float] = {}
        """From when on a list shows it no more."""

    def _seen(self, key: str, since: Mapping[str, float]) -> bool:
        return since.get(key, 0.0) <= self.time.now

    async def campaigns(self, names: Collection[str] | None = None) -> tuple[CampaignSummary, ...]:
        found = await super().campaigns(names)
        gone = {each for each, at in self.unlisted.items() if at <= self.time.now}
        return tuple(c for c in found if self._seen(c.id, self.listed) and c.id not in gone)

    async def campaign(self, campaign_id: str) -> LiveCampaign | None:
        found = await super().campaign(campaign_id)
        return found if self._seen(campaign_id, self.answered) else None

    async def package(self, package_id: str) -> LivePackage | None:
        found = await super().package(package_id)
        return found if self._seen(package_id, self.answered) else None

    async def packages_of(self, contents: Collection[str]) -> Mapping[str, tuple[LivePackage, ...]]:
        found = await super().packages_of(contents)
        return {s: tuple(p for p in some if self._seen(p.id, self.listed)) for s, some in found.items()}


class World:
    """A server that lags, a state, and a settle time of 30 seconds. The time of day is 100,000."""

    now = 100_000

    def __init__(self, *campaigns: MemoryCampaign, packages: Collection[LivePackage] = ()) -> None:
        self.time = Ticking()
        self.server = Lagging(self.time, *campaigns, packages=packages)
        self.project = Project(self.server)
        self.told: list[Doubt] = []

    def intends(self, key: str, name: str, **more: Any) -> None:
        state = self.project.state
        intents = {**state.intents, key: Intent(key, name, **more)}
        self.project.state = replace(state, intents=intents)

    def live(self, wanted: Desired, **options: bool) -> Live:
        self.server.log.clear()
        lookout = Lookout(self.time.settling, self.now, self.told.append)
        return asyncio.run(observe(wanted, self.project.state, self.server, Options(**options), lookout))


LINE = desired(campaign("line"))
CREATED = MemoryCampaign("1", "line")


def ownership(live: Live) -> Claim:
    return live.claims[rid("line")]


# --- creates whose answer was lost ------------------------------------------------------------------


@pytest.mark.parametrize("lag", [0, 0.4, 5, 29])
@pytest.mark.parametrize("prune", [False, True])
def test_a_lost_create_is_looked_for(lag: float, prune: bool) -> None:
    world = World(CREATED, MemoryCampaign("9", "other"))
    world.intends("Campaign/line", "line", since=world.now - 1)
    world.server.listed["1"] = lag
    if prune:
        world.project.own("old", "9")
    found = ownership(world.live(LINE, prune=prune))
    assert found == Claim(Ownership.RECOVERED, ("1",))
    assert lag <= world.time.now < lag + 8
    assert world.told == ([Doubt("Campaign/line", Missing.MAY_BE_MADE, 30)] if lag else [])


AGES = {
    # (how long ago it was noted; whether the run saw it end) → how long it is looked for
    "nobody knows when": (None, False, 30),
    "a moment ago": (0, False, 30),
    "its run died a while ago, and when it was sent nobody knows": (600, False, 30),
    "its run died long ago": (1000, False, 0),
    "answered unclearly a moment ago": (0, True, 30),
    "answered unclearly a while ago": (12, True, 18),
    "answered unclearly long ago": (40, True, 0),
    "by a clock that is ahead": (-3600, True, 30),
}


@pytest.mark.parametrize("age", AGES)
def test_for_how_long(age: str) -> None:
    ago, ended, seconds = AGES[age]
    world = World()
    since = None if ago is None else world.now - ago
    world.intends("Campaign/line", "line", since=since, ended=ended)
    assert ownership(world.live(LINE)) == Claim(Ownership.NONE)
    assert world.time.now == seconds
    assert [doubt.seconds for doubt in world.told] == ([seconds] if seconds else [])


def test_an_upload_may_take_longer_than_a_create() -> None:
    world = World()
    world.intends(upload_key(V1.sha256), V1.name, since=world.now - 7_200)
    world.live(desired(packages=[V1]))
    assert world.time.now == 30


def test_nobody_waits_without_a_doubt() -> None:
    world = World(CREATED)
    world.project.own("line", "1", since=world.now)
    world.intends("Campaign/another", "another")  # a run about a part of the project
    world.live(desired(campaign("line"), campaign("new"), packages=[V1], complete=False))
    assert (world.time.now, world.told) == (0, [])


def test_a_lost_create_that_git_gave_up_is_looked_for_too() -> None:
    world = World(CREATED)
    world.intends("Campaign/line", "line", since=world.now)
    world.server.listed["1"] = 7
    assert [each.id for each in world.live(desired()).namesakes["line"]] == ["1"]


def test_a_lost_upload_that_git_gave_up_is_looked_for_too() -> None:
    world = World(packages=[LivePackage("p-1", V1.name, sha256=V1.sha256)])
    world.intends(upload_key(V1.sha256), V1.name, since=world.now)
    world.server.listed["p-1"] = 7
    assert [each.id for each in world.live(desired()).packages_by_content[V1.sha256]] == ["p-1"]
    assert world.live(desired(complete=False)).packages_by_content == {}, "another part may declare it"


def test_a_namesake_that_another_resource_owns_is_not_what_was_made() -> None:
    world = World(CREATED, MemoryCampaign("2", "line"))
    world.project.own("other", "2")
    world.intends("Campaign/line", "line", since=world.now)
    world.server.listed["1"] = 5
    wanted = desired(campaign("line"), campaign("other", "renamed"))
    assert ownership(world.live(wanted)) == Claim(Ownership.RECOVERED, ("1",))


# --- what was made a moment ago ------------------------------------------------------------------


@pytest.mark.parametrize("listed", [0, 12, 100])
@pytest.mark.parametrize("answered", [2, 20])
def test_a_new_campaign_is_not_gone_while_nobody_answers_for_it(listed: float, answered: float) -> None:
    world = World(CREATED)
    world.project.own("line", "1", since=world.now - 1)
    world.server.listed["1"], world.server.answered["1"] = listed, answered
    live = world.live(LINE)
    assert ownership(live) == Claim(Ownership.OWNED, ("1",))
    assert not live.gone
    assert world.time.now >= answered
    assert [(doubt.what, doubt.why) for doubt in world.told] == [("Campaign/line", Missing.JUST_MADE)]


def test_an_old_campaign_that_nobody_lists_is_gone_at_once() -> None:
    world = World()
    world.project.own("line", "1", since=world.now - LONG_AGO)
    live = world.live(LINE)
    assert live.gone == {rid("line")}
    assert world.time.now == 0


@pytest.mark.parametrize("prune", [False, True])
def test_an_id_of_ours_that_is_listed_is_ours_whoever_does_not_answer(prune: bool) -> None:
    world = World(CREATED)
    world.project.own("line", "1")
    if prune:
        world.project.own("old", "9")
    world.server.answered["1"] = 12
    assert ownership(world.live(LINE, prune=prune)) == Claim(Ownership.OWNED, ("1",))
    world.time.now, world.server.answered["1"] = 0, 1_000
    live = world.live(LINE, prune=prune)
    assert ownership(live) == Claim(Ownership.UNREADABLE, ("1",))
    assert rid("line") not in live.gone
    assert world.time.now == 30
    plan = world.project.make_plan(LINE, prune=prune)
    (finding,) = [each for each in plan.findings if each.is_error]
    assert (finding.code, finding.resource) == ("not-answering", rid("line"))
    assert not any("create" in step.id for step in plan.steps())


@pytest.mark.parametrize("prune", [False, True], ids=["by names", "the whole list"])
def test_a_list_that_still_shows_what_is_deleted_is_asked_again(prune: bool) -> None:
    world = World(CREATED, MemoryCampaign("9", "old"))
    world.project.own("line", "1")
    world.project.own("old", "9")
    world.server.answered["1"], world.server.unlisted["1"] = 1_000, 3
    live = world.live(LINE, prune=prune)
    assert (live.listed is not None) is prune
    assert live.gone == {rid("line")}
    assert ownership(live).ownership is Ownership.NONE
    assert 3 <= world.time.now < 8


def test_what_is_to_be_deleted_is_not_forgotten_while_it_is_listed() -> None:
    world = World(CREATED)
    world.project.own("line", "1", on_remove=OnRemove.DELETE)
    world.server.answered["1"] = 1_000
    live = world.live(desired(), prune=True)
    assert live.unreadable == {rid("line")}
    plan = world.project.make_plan(desired(), prune=True)
    assert (plan.records, [each.code for each in plan.findings]) == ((), ["not-answering"])


# --- packages ------------------------------------------------------------------------------------


def test_a_lost_upload_is_looked_for() -> None:
    world = World(packages=[holds("p-1", "fw.bin", V1)])
    world.intends(upload_key(V1.sha256), V1.name, since=world.now)
    world.server.listed["p-1"] = 9
    live = world.live(desired(packages=[V1]))
    assert [each.id for each in live.packages_by_content[V1.sha256]] == ["p-1"]
    assert world.told == [Doubt("fw.bin", Missing.MAY_BE_MADE, 30)]


def test_a_new_package_is_not_uploaded_again_while_nobody_answers_for_it() -> None:
    world = World(packages=[holds("p-1", "fw.bin", V1)])
    known = Uploaded(V1.sha256, "p-1", V1.name, V1.resource, since=world.now - 2)
    world.project.state = replace(world.project.state, packages={V1.sha256: known})
    world.server.answered["p-1"] = 9
    live = world.live(desired(packages=[V1]))
    assert live.package_ids == {"p-1": True}
    assert world.told == [Doubt("fw.bin", Missing.JUST_MADE, 28)]


def test_an_old_package_that_is_gone_is_gone_at_once() -> None:
    world = World()
    world.project.uploaded(V1, "p-1")
    assert world.live(desired(packages=[V1])).package_ids == {"p-1": False}
    assert world.time.now == 0


@pytest.mark.parametrize(("kept", "listed"), [("AB-1", "ab-1"), ("{ab-1}", "AB-1")])
def test_an_id_that_is_only_listed_in_another_form_is_ours(kept: str, listed: str) -> None:
    """The server gave it so, and doesn't know it so."""
    world = World(MemoryCampaign(listed, "line"))
    world.project.own("line", kept)
    live = world.live(LINE)
    assert ownership(live) == Claim(Ownership.OWNED, (listed,))
    assert not live.gone
    plan = world.project.make_plan(LINE)
    assert list(plan.steps()) == []
    assert plan.findings == ()
    world.project.apply(plan)
    assert world.project.state.campaigns[rid("line")].id == listed


def test_another_campaign_of_that_name_is_not_ours_for_that() -> None:
    world = World(MemoryCampaign("ab-2", "line"))
    world.project.own("line", "AB-1")
    assert ownership(world.live(LINE)) == Claim(Ownership.NOT_OURS, ("ab-2",))


# --- several at once --------------------------------------------------------------------------------

V2, V3, V4 = file("v2", "b.bin"), file("v3", "c.bin"), file("v4", "d.bin")


def test_of_several_lost_uploads_those_are_looked_for_that_may_come_yet() -> None:
    """Not what is there, nor what would be by now; for as long as the last of them may take."""
    world = World(packages=[holds("p-2", "b.bin", V2)])
    for content, ago in ((V1, 12), (V2, 0), (V3, 40), (V4, 5)):
        world.intends(upload_key(content.sha256), content.name, since=world.now - ago, ended=True)
    world.live(desired(packages=[V1, V2, V3, V4]))
    assert world.told == [Doubt(name, Missing.MAY_BE_MADE, 25) for name in ("d.bin", "fw.bin")]
    assert world.time.now == 25
    first, *again = world.server.log
    assert first.split() == ["packages-of", *sorted(each.sha256[:8] for each in (V1, V2, V3, V4))]
    assert {tuple(sorted(each.split())) for each in again} == {
        tuple(sorted(["packages-of", V1.sha256[:8], V4.sha256[:8]]))
    }


def test_of_several_packages_those_are_looked_for_that_were_just_made() -> None:
    world = World(packages=[holds("p-2", "b.bin", V2)])
    packages = {
        content.sha256: Uploaded(
            content.sha256, f"p-{at}", content.name, content.resource, since=world.now - ago
        )
        for at, (content, ago) in enumerate(((V1, 12), (V2, 0), (V3, 40), (V4, 5)), 1)
    }
    world.project.state = replace(world.project.state, packages=packages)
    live = world.live(desired(packages=[V1, V2, V3, V4]))
    assert live.package_ids == {"p-1": False, "p-2": True, "p-3": False, "p-4": False}
    assert world.told == [Doubt(name, Missing.JUST_MADE, 25) for name in ("d.bin", "fw.bin")]
    assert world.time.now == 25
    assert world.server.log.count("package p-2") == world.server.log.count("package p-3") == 1


def test_of_several_lost_creates_those_are_looked_for_that_may_come_yet() -> None:
    world = World(MemoryCampaign("2", "b"))
    wanted = desired(*(campaign(name) for name in "abcd"))
    for name, ago in (("a", 12), ("b", 0), ("c", 40), ("d", 5)):
        world.intends(f"Campaign/{name}", name, since=world.now - ago, ended=True)
    claims = world.live(wanted).claims
    assert claims[rid("b")] == Claim(Ownership.RECOVERED, ("2",))
    assert world.told == [Doubt(f"Campaign/{name}", Missing.MAY_BE_MADE, 25) for name in "ad"]
    assert world.time.now == 25
    first, *again = (each for each in world.server.log if each.startswith("campaigns"))
    assert first == "campaigns a b c d"
    assert set(again) == {"campaigns a d"}


def test_of_several_campaigns_those_are_looked_for_that_were_just_made() -> None:
    world = World(MemoryCampaign("2", "b"))
    for at, (name, ago) in enumerate((("a", 12), ("b", 0), ("c", 40), ("d", 5)), 1):
        world.project.own(name, str(at), since=world.now - ago)
    live = world.live(desired(*(campaign(name) for name in "abcd")))
    assert live.gone == {rid("a"), rid("c"), rid("d")}
    assert world.told == [Doubt(f"Campaign/{name}", Missing.JUST_MADE, 25) for name in "ad"]
    assert world.time.now == 25
    assert world.server.log.count("campaign 2") == world.server.log.count("campaign 3") == 1
