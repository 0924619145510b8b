"""Random lives of a rollout on a server that replaces: merges, failures, people, and runs that are killed.

`MemoryServer` fails a world in which a gateway is in two campaigns that run. Whatever comes, this holds, too:
nobody joins while it is paused or aborted, nobody goes back within a revision, a wave has just as many as its
share says, and in the end everybody has what Git says.
"""

import random
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from reconciler.model import RolloutStatus
from reconciler.providers.base import Facts
from tests.fakes import rid
from tests.scenarios.test_replacement import Dying, Killed
from tests.scenarios.test_revisions import FLEET, ONE, THREE, TWO, begun, every_kind, through, wish

PACKAGES = (ONE, TWO, THREE)
BARRED = (RolloutStatus.PAUSED, RolloutStatus.ABORTED)


class Life:
    """One world, and what Git says of it."""

    def __init__(self, facts: Facts, seed: int) -> None:
        self.random = random.Random(seed)
        self.world = begun(facts)
        self.package, self.paused, self.gateways = ONE, False, FLEET
        self.said: list[str] = []

    @property
    def wanted(self) -> Any:
        return wish(self.package, gateways=self.gateways, rollout={"paused": self.paused})

    def live(self, turns: int) -> None:
        for _ in range(turns):
            did = self.random.choice(
                (self.merge, self.lists, self.pause, self.ends, self.look, self.look, self.look, self.killed)
            )
            self.said.append(did.__name__)
            did()
        self.paused = False
        self.world.look(self.wanted, resume=True)
        self.world.finish()
        for _ in range(8):
            if self.world.record.status in BARRED:
                self.forgive()
            self.world.look(self.wanted, resume=True)
            self.world.finish()
        through(self.world, self.wanted, resume=True)
        assert self.world.homes() == {self.package.id: self.gateways}

    # --- what may come ---------------------------------------------------------------------------------

    def merge(self) -> None:
        self.package = self.random.choice(PACKAGES)

    def lists(self) -> None:
        names = sorted(FLEET | set("xyz"))
        self.gateways = FLEET.union("xyz") - set(self.random.sample(names, self.random.randint(0, 3)))

    def pause(self) -> None:
        self.paused = not self.paused

    def ends(self) -> None:
        newest = self.world.newest
        for gateway in sorted(newest.gateways):
            newest.states[gateway] = self.random.choice(("fine", "fine", "fine", "fine", "flashing", "sick"))

    def look(self) -> None:
        self._checked(lambda: self.world.send(self.world.plan(self.wanted)))
        homes = self.world.homes()
        assert sum(map(len, homes.values())) == len(set().union(*homes.values()))
        assert set().union(*homes.values()) <= self.gateways

    def killed(self) -> None:
        plan = self.world.plan(self.wanted)
        writes = Dying(self.world.server, self.random.randint(0, 6), self.random.random() < 0.5)

        def cut() -> None:
            with suppress(Killed):
                self.world.send(plan, writes)

        self._checked(cut)

    def _checked(self, run: Any) -> None:
        """Run, and see what it must not have done."""
        world = self.world
        before = {each.id: set(each.gateways) for each in world.server.by_id.values()}
        [view] = world.plan(self.wanted).rollouts
        run()
        newest = world.newest
        came = newest.gateways - before.get(newest.id, set())
        if self.paused or view.status in BARRED:
            assert not came, self.said
        assert len(came) <= view.joins or newest.id not in before, self.said
        gone = before.get(newest.id, set()) - newest.gateways
        assert not gone & self.gateways, (self.said, "nobody goes back within a revision")

    def forgive(self) -> None:
        """A person counts no failure any more, for the devices were mended."""
        self.world.newest.states = dict.fromkeys(self.world.newest.gateways, "fine")
        going = replace(self.world.record, status=RolloutStatus.PROGRESSING, why="")
        owned = replace(self.world.owned, rollout=going)
        self.world.state = replace(self.world.state, campaigns={rid("line"): owned})


@every_kind
@pytest.mark.parametrize("seed", range(25))
def test_whatever_comes(seed: int, facts: Facts) -> None:
    Life(facts, seed).live(14)
