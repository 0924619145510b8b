"""A rollout at rest is read without the list of its actions, and nobody is told as done who isn't."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.model import Membership
from reconciler.providers.base import Provider
from reconciler.providers.hawkbit import settled
from reconciler.providers.hawkbit.codec import ActionRow
from reconciler.providers.hawkbit.kind import connect
from reconciler.providers.hawkbit.members import States, membership
from reconciler.settings import ServerSettings
from tests.hawkbit_standin import Standin
from tests.hawkbit_standin.app import Asked
from tests.providers.hawkbit_world import ADMIN

PAGE = 3
MANY = PAGE * (settled.WORTH + 1) + 1
"""So many done ones that their list is worth being spared."""
SERVER = "http://hawkbit.example.com"


def ids(*numbers: int) -> list[str]:
    return [f"gw-{n:03}" for n in numbers]


@dataclass
class Fleet:
    """One dynamic rollout on a tag, on the stand-in, and its provider."""

    server: Standin
    provider: Provider
    api: httpx.AsyncClient
    rollout: Any = None
    tag: int = 0
    bundle: int = 0
    asked: list[str] = field(default_factory=list)

    @classmethod
    @asynccontextmanager
    async def open(cls, members: int, *, more: int = 8, **delivery: Any) -> "AsyncIterator[Fleet]":
        """A rollout that runs for so many targets; `more` others are there."""
        server = Standin()
        server.add_targets(ids(*range(members + more)))
        transport = httpx.ASGITransport(app=server.app)
        settings = ServerSettings(url=SERVER, provider="hawkbit", auth=ADMIN, page_size=PAGE)
        base = f"{SERVER}/rest/v1"
        async with (
            httpx.AsyncClient(transport=transport, base_url=base, auth=("admin", "admin")) as api,
            connect(settings, app=server.app) as provider,
        ):
            fleet = cls(server, provider, api)
            fleet.bundle = await fleet.new_set("fw")
            fleet.tag = await fleet.new_tag("reconciler-line-1", ids(*range(members)))
            body = {
                "name": "line",
                "distributionSetId": fleet.bundle,
                "targetFilterQuery": "tag=='reconciler-line-1'",
                "dynamic": True,
                "amountGroups": 0,
                "dynamicGroupTemplate": {"nameSuffix": "-more", "targetCount": 1000},
                **delivery,
            }
            made = (await api.post("/rollouts", json=body)).raise_for_status().json()
            server.settle()
            (await api.post(f"/rollouts/{made['id']}/start")).raise_for_status()
            server.settle()
            fleet.rollout = server.world.rollouts[made["id"]]
            yield fleet

    async def new_set(self, name: str) -> int:
        body: Any = [{"name": name, "version": "1", "type": "os"}]
        module = (await self.api.post("/softwaremodules", json=body)).json()[0]["id"]
        files = {"file": ("fw.bin", name.encode())}
        (await self.api.post(f"/softwaremodules/{module}/artifacts", files=files)).raise_for_status()
        body[0]["modules"] = [{"id": module}]
        made: int = (await self.api.post("/distributionsets", json=body)).json()[0]["id"]
        return made

    async def new_tag(self, name: str, members: list[str]) -> int:
        made: int = (await self.api.post("/targettags", json=[{"name": name}])).json()[0]["id"]
        await self.tagged(members, tag=made)
        return made

    async def tagged(self, members: list[str], *, tag: int = 0, on: bool = True) -> None:
        path = f"/targettags/{tag or self.tag}/assigned"
        (await self.api.request("POST" if on else "DELETE", path, json=members)).raise_for_status()
        self.server.settle()

    async def assigned(self, gateway: str, bundle: int) -> None:
        (await self.api.post(f"/targets/{gateway}/assignedDS", json={"id": bundle})).raise_for_status()

    def ends(self, status: str, *numbers: int) -> None:
        """What the devices say of what they have to do."""
        for gateway in ids(*numbers):
            for action in [a for a in self.server.world.targets[gateway].actions if a.active]:
                self.server.world.settle(action, status)
        self.server.settle()

    def cancels(self, *numbers: int) -> None:
        for gateway in ids(*numbers):
            self.server.world.settle(self.rollout.actions[gateway], "canceled")

    def truth(self) -> Membership:
        """What the long list would say."""
        states = States()
        rows = {str(a.id): ActionRow(a.target, a.status, a.active) for a in self.rollout.actions.values()}
        states.add(rows)
        return membership(
            set(self.server.world.tags[self.tag].members),
            states,
            downloads=self.rollout.type == "downloadonly",
        )

    async def read(self) -> Membership:
        """Who is in it; `asked` is what that took."""
        self.server.seen.clear()
        found = await self.provider.reads.gateways(str(self.rollout.id))
        self.asked = self.server.calls("GET")
        return found

    @property
    def short(self) -> bool:
        """Whether the last reading took fewer requests than the list of actions has pages."""
        return self.asked.count("GET /rest/v1/actions") < len(self.rollout.actions) / PAGE


def on(body: Callable[[Fleet], Awaitable[None]], members: int = MANY, **more: Any) -> None:
    async def main() -> None:
        async with Fleet.open(members, **more) as fleet:
            await body(fleet)

    asyncio.run(main())


def test_a_fleet_that_is_done_is_read_from_its_tag() -> None:
    async def body(fleet: Fleet) -> None:
        fleet.ends("finished", *range(MANY))
        found = await fleet.read()
        assert found == fleet.truth()
        assert found.states == {"finished": frozenset(ids(*range(MANY)))}
        # The short list and two counts of what is finished.
        assert fleet.asked.count("GET /rest/v1/actions") == 3
        assert fleet.asked.count(f"GET /rest/v1/distributionsets/{fleet.bundle}/installedTargets") == 2
        tag_pages = -(-MANY // PAGE)
        assert fleet.asked.count(f"GET /rest/v1/targettags/{fleet.tag}/assigned") == tag_pages + 2
        assert len(fleet.asked) == tag_pages + 2 + 3 + 2 + 2, fleet.asked  # its tag, and the rollout

    on(body)


def test_those_who_are_not_done_are_told_as_they_are() -> None:
    async def body(fleet: Fleet) -> None:
        fleet.ends("finished", *range(3, MANY + 3))
        fleet.ends("error", 0)
        fleet.cancels(1)
        await fleet.tagged(ids(1), on=False)
        found = await fleet.read()
        assert fleet.short
        assert found == fleet.truth()
        assert (found.state_of("gw-000"), found.state_of("gw-002")) == ("error", "running")
        assert found.closed == {"gw-001"}

    on(body, MANY + 3)


Spoils = Callable[[Fleet], Awaitable[None]]


async def assigned_and_not_installed(fleet: Fleet) -> None:
    await fleet.assigned("gw-030", fleet.bundle)
    await fleet.tagged(ids(30))
    assert fleet.rollout.actions["gw-030"].status == "finished", "so says the server"


async def not_taken_in_yet(fleet: Fleet) -> None:
    await fleet.api.post(f"/rollouts/{fleet.rollout.id}/pause")
    await fleet.tagged(ids(30))


async def not_taken_in_and_another_left(fleet: Fleet) -> None:
    await not_taken_in_yet(fleet)
    await fleet.tagged(ids(0), on=False)


async def gets_something_else(fleet: Fleet) -> None:
    await fleet.assigned("gw-001", await fleet.new_set("other"))


async def has_something_else(fleet: Fleet) -> None:
    await gets_something_else(fleet)
    fleet.ends("finished", 1)


async def failed_at_something_else(fleet: Fleet) -> None:
    await gets_something_else(fleet)
    fleet.ends("error", 1)


async def another_tag_that_differs_in_case(fleet: Fleet) -> None:
    await fleet.new_tag("Reconciler-LINE-1", ids(30))


async def left_when_done(fleet: Fleet) -> None:
    await fleet.tagged(ids(0), on=False)


async def more_than_a_page_failed(fleet: Fleet) -> None:
    more = ids(*range(MANY, MANY + PAGE + 1))
    await fleet.tagged(more)
    fleet.ends("error", *range(MANY, MANY + PAGE + 1))


async def not_taken_in_while_one_is_closed(fleet: Fleet) -> None:
    await fleet.tagged(ids(30))
    fleet.cancels(30)
    await fleet.tagged(ids(30), on=False)
    await fleet.api.post(f"/rollouts/{fleet.rollout.id}/pause")
    await fleet.tagged(ids(31))


@pytest.mark.parametrize(
    "spoils",
    [
        assigned_and_not_installed,
        not_taken_in_yet,
        not_taken_in_and_another_left,
        gets_something_else,
        has_something_else,
        failed_at_something_else,
        another_tag_that_differs_in_case,
        left_when_done,
        more_than_a_page_failed,
        not_taken_in_while_one_is_closed,
    ],
)
def test_what_counts_do_not_prove_is_read(spoils: Spoils) -> None:
    async def body(fleet: Fleet) -> None:
        fleet.ends("finished", *range(MANY))
        await spoils(fleet)
        found = await fleet.read()
        assert found == fleet.truth()
        assert not fleet.short

    on(body)


def test_who_was_cancelled_and_has_it_all_the_same_is_in_nobodys_way() -> None:
    async def body(fleet: Fleet) -> None:
        await fleet.tagged(ids(30))
        fleet.cancels(30)
        fleet.server.world.targets["gw-030"].installed = fleet.bundle
        fleet.ends("finished", *range(MANY))
        assert await fleet.read() == fleet.truth()
        assert fleet.short

    on(body)


def test_who_only_downloads_has_nothing_installed() -> None:
    async def body(fleet: Fleet) -> None:
        for action in fleet.rollout.actions.values():
            action.status = "downloaded"
        fleet.server.world.version += 1
        found = await fleet.read()
        assert found == fleet.truth()
        assert found.states == {"finished": frozenset(ids(*range(MANY)))}
        assert not fleet.short

    on(body, type="downloadonly")


def test_a_few_are_read_as_ever() -> None:
    async def body(fleet: Fleet) -> None:
        fleet.ends("finished", 0, 1, 2)
        assert await fleet.read() == fleet.truth()
        assert fleet.asked.count("GET /rest/v1/actions") == 1

    on(body, 3)


# --- any fleet, and what changes while it is read --------------------------------------------------------

TOTAL = MANY + 8
TURNS = ["tag", "untag", "error", "finished", "cancel", "assign", "other"]
changes = st.lists(
    st.tuples(
        st.sampled_from(
            ["tag", "untag", "error", "finished", "cancel", "assign", "other", "pause", "resume"]
        ),
        st.integers(0, TOTAL - 1),
    ),
    max_size=4,
)


async def change(fleet: Fleet, what: str, number: int, other: int) -> None:
    gateway = ids(number)[0]
    match what:
        case "tag" | "untag":
            await fleet.tagged([gateway], on=what == "tag")
        case "error" | "finished":
            fleet.ends(what, number)
        case "cancel":
            action = fleet.rollout.actions.get(gateway)
            if action is not None and action.active:
                fleet.server.world.settle(action, "canceled")
        case "assign" | "other":
            await fleet.assigned(gateway, fleet.bundle if what == "assign" else other)
        case _:
            await fleet.api.post(f"/rollouts/{fleet.rollout.id}/{what}")
    fleet.server.settle()


@given(first=changes, still=st.sets(st.integers(0, MANY - 1), max_size=4), then=changes)
def test_any_fleet_is_read_as_its_lists_say(
    first: list[tuple[str, int]], still: set[int], then: list[tuple[str, int]]
) -> None:
    async def body(fleet: Fleet) -> None:
        other = await fleet.new_set("other")
        for what, number in first:
            await change(fleet, what, number, other)
        fleet.ends("finished", *(set(range(MANY)) - still))
        for what, number in then:
            await change(fleet, what, number, other)
        assert await fleet.read() == fleet.truth()

    on(body)


@given(
    still=st.sets(st.integers(0, MANY - 1), max_size=2),
    what=st.sampled_from(TURNS),
    number=st.integers(0, TOTAL - 1),
    at=st.integers(0, 24),
    paused=st.booleans(),
)
def test_what_changes_meanwhile_makes_nobody_done(
    still: set[int], what: str, number: int, at: int, paused: bool
) -> None:
    """With one change at any time, it is what was true before or after; and who is done stays done."""

    async def body(fleet: Fleet) -> None:
        other = await fleet.new_set("other")
        fleet.ends("finished", *(set(range(MANY)) - still))
        if paused:
            await fleet.api.post(f"/rollouts/{fleet.rollout.id}/pause")
        world, left = fleet.server.world, at
        truths = [fleet.truth()]

        def meanwhile(_: Asked) -> None:
            nonlocal left
            left -= 1
            if left != -1:
                return
            target = world.targets[ids(number)[0]]
            match what:
                case "tag":
                    target.tags.add(fleet.tag)
                    world.tags[fleet.tag].members[target.controller] = None
                case "untag":
                    target.tags.discard(fleet.tag)
                    world.tags[fleet.tag].members.pop(target.controller, None)
                case "error" | "finished" | "cancel":
                    for action in [a for a in target.actions if a.active]:
                        world.settle(action, "canceled" if what == "cancel" else what)
                case _:
                    world.assign(target, fleet.bundle if what == "assign" else other)
            world.version += 1
            fleet.server.settle()

        fleet.server.fault = meanwhile
        found = await fleet.read()
        fleet.server.fault = lambda _: None
        truths.append(fleet.truth())
        if fleet.short:
            assert found in truths
        done = found.states.get("finished", frozenset())
        assert done <= {g for g, action in fleet.rollout.actions.items() if action.status == "finished"}

    on(body)
