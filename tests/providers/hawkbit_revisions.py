"""Two revisions of a rollout in waves on a hawkBit server, whichever it is, with devices that obey.

    run_revisions(url, folder, rest)

See `hawkbit_way.py`. Every device installs just what its revision says, and nothing twice.
"""

import asyncio
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from reconciler.model import RolloutStatus
from reconciler.providers.hawkbit.kind import connect
from reconciler.settings import ServerSettings
from tests.providers.hawkbit_way import SECONDS, Way
from tests.providers.hawkbit_world import ADMIN

POLICY = """
---
apiVersion: reconciler/v1
kind: RolloutPolicy
metadata: {{name: careful}}
spec:
  waves:
    - {{name: canary, gateways: [{canary}]}}
    - {{name: half, gateways: [{second}]}}
    - {{}}
"""


class Revisions:
    """A campaign in three waves: the first gateway, the second, the rest."""

    def __init__(self, way: Way) -> None:
        self.way = way

    def text(self, file: str) -> str:
        who = "gatewayLists: [hall]\n  rollout: {policy: careful}"
        canary, second = self.way.gateways(1, 2)
        text = self.way.text(file, 1, 2, 3, 4, who=who)
        return text.rstrip("\n") + POLICY.format(canary=canary, second=second)

    @property
    def owned(self) -> Any:
        [owned] = self.way.session.state.campaigns.values()
        return owned

    async def look(self, file: str, **options: Any) -> list[str]:
        return await self.way.apply(self.text(file), **options)

    async def installs(
        self, outcome: str | None, *numbers: int, polling: Iterable[int] = range(1, 5)
    ) -> dict[str, str]:
        """What those that poll do, where they do something, once these are taken in."""
        reads, ends = self.way.provider.reads, time.monotonic() + SECONDS
        wanted = frozenset(self.way.gateways(*numbers))
        while not wanted.isdisjoint((await reads.gateways(self.owned.id)).states.get("notstarted", ())):
            assert time.monotonic() < ends, f"{sorted(wanted)} are not taken in"
            self.way.rest(0.2)
        found = self.way.polls(outcome, *polling)
        return {number: did for number, did in found.items() if did != "idle"}

    async def homes(self) -> list[set[str]]:
        """Who is in what was replaced and goes on, oldest first, and last who is in the campaign."""
        alive = [each.id for each in self.owned.predecessors if not each.ended]
        reads = self.way.provider.reads
        members = [await reads.gateways(key) for key in (*alive, self.owned.id)]
        return [{each.rpartition("-")[2] for each in found} for found in members]


def run_revisions(url: str, folder: Path, rest: Callable[[float], object]) -> None:
    """A rollout of three waves, another one, and the way back in the middle of a third."""

    async def main() -> None:
        settings = ServerSettings(url=url, provider="hawkbit", auth=ADMIN)
        async with connect(settings) as provider:
            await _revisions(Revisions(Way(url, folder, provider, rest)))

    asyncio.run(main())


async def _revisions(made: Revisions) -> None:
    made.way.prepare()
    waves = ("upload-artifact create-rollout tag-targets start-rollout", (1,)), ("tag-targets", (2,))
    for steps, numbers in (*waves, ("tag-targets", (3, 4))):
        assert " ".join(await made.look("a")) == steps
        assert await made.installs("success", *numbers) == {str(each): "success" for each in numbers}
    assert await made.look("a") == []
    assert made.owned.rollout.status is RolloutStatus.COMPLETE

    # Another revision, wave by wave: the others stay, and hear nothing of it.
    assert await made.look("b") == [
        "upload-artifact", "edit-rollout", "create-rollout", "tag-targets", "untag-targets", "start-rollout",
    ]  # fmt: skip
    assert await made.homes() == [{"2", "3", "4"}, {"1"}]
    assert await made.installs("success", 1) == {"1": "success"}
    assert await made.look("b") == ["untag-targets", "tag-targets"]
    assert await made.homes() == [{"3", "4"}, {"1", "2"}]
    assert await made.installs("success", 2) == {"2": "success"}

    # Back in the middle of it: who has the old packages is done with them, who has the new ones goes back.
    assert "start-rollout" in await made.look("a")
    assert await made.homes() == [{"3", "4"}, {"2"}, {"1"}]
    assert await made.installs("success", 1) == {"1": "success"}
    assert await made.look("a") == ["untag-targets", "tag-targets", "stop-rollout"]
    assert await made.installs("success", 2) == {"2": "success"}
    *moved, first, second, third = await made.look("a", prune=True)
    assert (moved, first, second, third) == (
        ["untag-targets", "tag-targets", "stop-rollout"], "delete-rollout", "delete-rollout", "delete-module",
    )  # fmt: skip
    assert await made.installs("success", 3, 4) == {}
    assert await made.homes() == [{"1", "2", "3", "4"}]
    await made.look("a", prune=True)
    assert made.owned.rollout.status is RolloutStatus.COMPLETE

    # One that is under way with the packages that come once more: it installs them, and isn't taken for done.
    way_there = (("b", 1, "success"), ("b", 2, None), ("a", 1, "success"), ("b", 1, "success"))
    for file, number, did in way_there:
        await made.look(file, prune=True)
        found = await made.installs(did, number, polling=[number])
        assert found == {str(number): did or "proceeding"}, (file, number)
    assert await made.homes() == [{"3", "4"}, {"2"}, {"1"}]
    await made.look("b", prune=True)
    assert await made.installs("success", 2) == {"2": "success"}
    assert await made.homes() == [{"3", "4"}, {"1", "2"}]
