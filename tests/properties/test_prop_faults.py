"""Lost answers, refused connections, a process that dies: applying again puts everything right, once."""

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from reconciler.errors import NotExecuted, Unclear
from reconciler.model import OutcomeStatus, Step, Verb
from reconciler.providers.base import Bindings, Readback, Result
from tests.properties.prop_judge import none_left_stopped, nothing_doubled, nothing_refused
from tests.properties.prop_lab import Lab, ready
from tests.properties.prop_strategies import Episode, episodes, examples
from tests.world import run

FAULTS = ("none", "none", "none", "not executed", "lost before", "lost after", "look fails")


class Wrapped:
    """A provider in front of the real one; what isn't said here is the real one's."""

    def __init__(self, lab: Lab) -> None:
        self._real = lab.provider.writes

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


class Faulty(Wrapped):
    """Each call takes the next of `faults`, until there are none left."""

    def __init__(self, lab: Lab, faults: Iterator[str]) -> None:
        super().__init__(lab)
        self.faults = faults
        self.blind = False

    async def run(self, step: Step, bindings: Bindings) -> Result:
        fault = next(self.faults, "none")
        request = step.operation.name
        if fault == "not executed":
            raise NotExecuted("busy", request=request, status=429)
        if fault == "lost before":
            raise Unclear("cut", request=request)
        result = await self._real.run(step, bindings)
        if fault in ("lost after", "look fails"):
            self.blind = fault == "look fails"
            raise Unclear("cut", request=request)
        return result

    async def verify(self, step: Step, bindings: Bindings) -> Readback:
        if self.blind:
            self.blind = False
            raise Unclear("cut", request="look")
        return await self._real.verify(step, bindings)


@examples(50)
@given(episode=episodes(meddle=False, reassert=False), faults=st.lists(st.sampled_from(FAULTS), max_size=25))
def test_faults_are_overcome_by_applying_again(episode: Episode, faults: Sequence[str]) -> None:
    async def body() -> None:
        async with ready(episode) as lab:
            before = lab.snapshot()
            faulty: Any = Faulty(lab, iter(faults))
            for _ in range(len(faults) + 3):
                plan, applied = await lab.apply_of(episode.after, episode.options, through=faulty)
                nothing_doubled(before, lab.snapshot(), lab.state)
                unknown = {o.step.action.verb for o in applied.outcomes if o.status is OutcomeStatus.UNKNOWN}
                # Of what is made, where the list can't be read: the next apply looks for it.
                assert unknown <= {Verb.THINGS, Verb.CREATE, Verb.UPLOAD}
                if plan.empty:
                    break
            assert plan.empty, [step.id for step in plan.steps()]
            none_left_stopped(episode.after, applied, before, lab.snapshot(), lab.state)

    run(body())


# --- a process that dies -------------------------------------------------------------------------


class Crash(BaseException):
    """The process is gone."""


class Mortal(Wrapped):
    """Dies at call number `at`, before it is sent or after it was answered; the files stay as they are."""

    def __init__(self, lab: Lab, at: int, *, after: bool) -> None:
        super().__init__(lab)
        self.folder = lab.folder
        self.left = at
        self.after = after
        self.dead = False

    async def run(self, step: Step, bindings: Bindings) -> Result:
        if self.dead:
            raise Crash
        self.left -= 1
        dies = self.left < 0
        if dies and not self.after:
            self._die()
        result = await self._real.run(step, bindings)
        if dies and not self.dead:
            self._die()
        return result

    def _die(self) -> None:
        self.dead = True
        shutil.copytree(self.folder, self.folder / "left", ignore=shutil.ignore_patterns("left"))
        raise Crash


def _come_back(folder: Path) -> None:
    """The files are what they were when the process died."""
    for path in folder.glob("state.json*"):
        path.unlink()
    for path in (folder / "left").glob("state.json*"):
        path.replace(folder / path.name)
    shutil.rmtree(folder / "left")


@dataclass(frozen=True, slots=True)
class Death:
    at: int
    after: bool


deaths = st.lists(st.builds(Death, st.integers(0, 30), st.booleans()), min_size=1, max_size=2)


@examples(60)
@given(episode=episodes(meddle=False, reassert=False), deaths=deaths)
def test_a_crash_loses_nothing(episode: Episode, deaths: Sequence[Death]) -> None:
    """The next apply finds and finishes what was begun: nothing twice, and no bracket left open."""

    async def body() -> None:
        async with ready(episode) as lab:
            before = lab.snapshot()
            for death in deaths:
                size = (await lab.plan_of(episode.after, episode.options)).size
                mortal: Any = Mortal(lab, death.at % max(size, 1), after=death.after)
                try:
                    await lab.apply_of(episode.after, episode.options, through=mortal)
                except Crash:
                    _come_back(lab.folder)
            _, applied = await lab.apply_of(episode.after, episode.options)
            nothing_refused(lab, applied)
            plan, applied = await lab.apply_of(episode.after, episode.options)
            nothing_refused(lab, applied)
            if not plan.empty:
                plan, applied = await lab.apply_of(episode.after, episode.options)
            assert plan.empty, [step.id for step in plan.steps()]
            after = lab.snapshot()
            nothing_doubled(before, after, lab.state)
            none_left_stopped(episode.after, applied, before, after, lab.state)
            assert all(owned.return_to is None for owned in lab.state.campaigns.values()) or _waits(plan)

    run(body())


def _waits(plan: Any) -> bool:
    return any(finding.code == "waiting-for-approval" for finding in plan.findings)
