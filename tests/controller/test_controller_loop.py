"""When a controller looks again."""

import asyncio
import gc
import tracemalloc
from collections import deque
from dataclasses import dataclass, field, replace

import pytest

from reconciler.controller.counts import Happened
from reconciler.controller.looks import LookEnd
from reconciler.controller.loop import Loop
from reconciler.controller.past import LookResult, PastLook
from reconciler.controller.shown import Board, Shown
from reconciler.model import Kind, ResourceId, RolloutStatus, Server
from reconciler.plan.model import Plan
from reconciler.report.statuses import Gateways, Row, StatusReport
from reconciler.report.terminal import Tone
from reconciler.rollout.views import RolloutView

NOW = 1_800_000_000_000
MINUTE = 60_000
LINE = ResourceId(Kind.CAMPAIGN, "line")


class Ended(Exception):
    """The test has seen enough."""


@dataclass
class World:
    """A clock that sleep moves on, looks that end as they are told, and what happened."""

    results: deque[LookResult] = field(default_factory=deque)
    following: int | None = None
    """When the rollout can go on, from each look on."""
    looks_left: int = 5
    now_ms: int = NOW
    at: list[int] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    pulls: dict[int, bool] = field(default_factory=dict)
    """Which pull finds something new."""
    pulled: list[int] = field(default_factory=list)
    trouble: str = ""

    def now(self) -> int:
        return self.now_ms

    async def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now_ms += round(seconds * 1000)

    async def look(self) -> LookEnd:
        if len(self.at) == self.looks_left:
            raise Ended
        self.at.append(self.now_ms)
        result = self.results.popleft() if self.results else LookResult.NOTHING
        view = RolloutView(LINE, "careful", RolloutStatus.PROGRESSING, 10, 1)
        if self.following is not None:
            view = replace(view, next_look=self.now_ms + self.following)
        rows = (Row(LINE, "line", ("1",), "STARTED", Gateways(), Tone.GOOD, "in sync"),)
        status = StatusReport(Plan(Server("pulse", "https://pulse.example.com"), rollouts=(view,)), rows)
        past = PastLook(self.now_ms, 0.5, result, why="broken" if result is LookResult.FAILED else "")
        failed = result in (LookResult.FAILED, LookResult.STANDBY)
        return LookEnd(past, Happened({("get-campaign", "ok"): 1}), None if failed else status, self.now_ms)

    async def tell_failing(self, why: str) -> None:
        self.told.append(why)

    async def pull(self) -> bool:
        self.pulled.append(self.now_ms)
        return self.pulls.get(len(self.pulled), False)

    def loop(self, *, chance: float = 0.5, **more: object) -> Loop:
        board = Board(Shown("line", NOW, MINUTE))
        return Loop(
            self,
            board,
            self.now,
            self.sleep,
            MINUTE,
            chance=lambda: chance,
            **more,  # type: ignore[arg-type]
        )

    def gaps(self, **more: object) -> list[int]:
        """Seconds between looks."""
        loop = self.loop(**more)  # type: ignore[arg-type]
        with pytest.raises(Ended):
            asyncio.run(loop.run())
        return [(b - a) // 1000 for a, b in zip(self.at, self.at[1:], strict=False)]


@pytest.mark.parametrize(("chance", "gap"), [(0.0, 54), (0.5, 60), (1.0, 66)])
def test_it_looks_each_interval_a_tenth_more_or_less(chance: float, gap: int) -> None:
    assert World().gaps(chance=chance) == [gap] * 4


@pytest.mark.parametrize(
    ("following", "gap"), [(7_000, 7), (59_000, 59), (3_600_000, 60), (0, 1), (-5_000, 1), (None, 60)]
)
def test_it_looks_when_a_rollout_can_go_on(following: int | None, gap: int) -> None:
    assert World(following=following).gaps() == [gap] * 4


def test_after_failures_it_waits_longer_and_longer_up_to_ten_minutes() -> None:
    failed = LookResult.FAILED
    world = World(deque([failed] * 7), following=1_000, looks_left=9)
    assert world.gaps() == [60, 120, 240, 480, 600, 600, 600, 1]


def test_a_standby_comes_back_after_an_interval() -> None:
    assert World(deque([LookResult.STANDBY] * 4)).gaps() == [60] * 4


def test_people_are_told_from_the_third_failure_in_a_row_on() -> None:
    failed, well = LookResult.FAILED, LookResult.NOTHING
    world = World(deque([failed, failed, well, failed, failed, failed, failed]), looks_left=7)
    world.gaps()
    assert world.told == ["broken", "broken"]  # the looks see to it that it is said once


def test_something_new_is_looked_at_at_once() -> None:
    world = World(pulls={3: True}, looks_left=3)
    loop = world.loop(pulling=world, pull_every=20_000)
    with pytest.raises(Ended):
        asyncio.run(loop.run())
    assert [(at - NOW) // 1000 for at in world.pulled[:4]] == [0, 20, 40, 60]
    assert (world.at[1] - NOW) // 1000 == 40


def test_a_look_at_files_that_are_not_current_is_none_that_went_well() -> None:
    world = World(trouble="nothing was pulled: no network", looks_left=1)
    loop = world.loop(pulling=world, pull_every=MINUTE)
    end = asyncio.run(loop.once())
    assert (end.past.result, end.past.why) == (LookResult.FAILED, "nothing was pulled: no network")
    assert loop.board.shown.status is not None


def test_it_shows_signs_of_life_also_in_a_long_wait() -> None:
    world = World(deque([LookResult.FAILED] * 6), looks_left=6)
    loop, longest = world.loop(), 0
    sleep = world.sleep

    async def watched(seconds: float) -> None:
        nonlocal longest
        await sleep(seconds)
        longest = max(longest, world.now_ms - loop.board.shown.ticked)

    loop.sleep = watched
    with pytest.raises(Ended):
        asyncio.run(loop.run())
    assert longest <= MINUTE


def test_it_ends_when_it_is_told_to() -> None:
    world = World()
    asyncio.run(world.loop(ended=lambda: len(world.at) == 2).run())
    assert len(world.at) == 2


def test_what_failed_leaves_what_was_known() -> None:
    world = World(deque([LookResult.NOTHING, LookResult.FAILED]), looks_left=2)
    loop = world.loop()
    with pytest.raises(Ended):
        asyncio.run(loop.run())
    shown = loop.board.shown
    assert shown.at == NOW
    assert [each.result for each in shown.looks] == [LookResult.FAILED, LookResult.NOTHING]
    assert shown.counts.looks == {"nothing": 1, "failed": 1}


def test_a_thousand_looks_leave_nothing_behind() -> None:
    def memory(looks: int) -> int:
        world = World(looks_left=looks)
        loop = world.loop()
        world.at = deque(maxlen=looks)  # type: ignore[assignment]
        tracemalloc.start()
        try:
            with pytest.raises(Ended):
                asyncio.run(loop.run())
            gc.collect()
            return tracemalloc.get_traced_memory()[0]
        finally:
            tracemalloc.stop()

    memory(100)
    assert memory(1_000) - memory(100) < 60_000  # the moments of looks, which the test keeps
