"""A run that ends at any call, before it is sent or before its answer is known: the next does the rest."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from reconciler.apply import apply_plan
from reconciler.model import Step
from reconciler.plan import Plan
from reconciler.providers.base import Bindings, Readback, Result, Writes
from reconciler.state.base import Owned, State
from tests.scenarios.test_exact_calls_of_gateways import FILES, GATEWAYS, resources
from tests.world import AT_ONCE, World, no_delay, run

NOT_TWICE = {"create-campaign", "upload-package"}
"""What would make a second one."""
EVERYTHING = {
    "callbackSet": "bells",
    "packageOverrides": "[{gateways: [gw-01], packageSet: other}]",
    "schedules": "[{schedule: week}]",
    "closedGateways": "[gw-03]",
    "distributionList": "{distributionListId: dl-1, reevaluationIntervalSeconds: 60}",
    "settings": "{LEVEL: debug}",
}
NEW = resources(EVERYTHING, GATEWAYS[:3])
EDITED = resources({**EVERYTHING, "settings": "{LEVEL: info}", "description": "new"}, GATEWAYS[1:4])
STOPPED = resources({**EVERYTHING, "desiredStatus": "STOPPED"}, GATEWAYS[:3])


class Killed(BaseException):
    """The process is gone."""


@dataclass
class Dying:
    """Writes up to call number `at`, which is `sent` or not, and ends the process."""

    real: Writes
    at: int
    sent: bool
    calls: int = 0

    async def run(self, step: Step, bindings: Bindings) -> Result:
        self.calls += 1
        if self.calls <= self.at:
            return await self.real.run(step, bindings)
        if self.sent:
            await self.real.run(step, bindings)
        raise Killed

    async def verify(self, step: Step, bindings: Bindings) -> Readback:
        return await self.real.verify(step, bindings)


async def killed(world: World, plan: Plan, at: int, *, sent: bool) -> bool:
    """Run `plan` up to its call number `at`, which is `sent` or not; whether there was such a call."""
    writes = Dying(world.provider.writes, at, sent)
    try:
        with world.store.locked(world.provider.server, "apply") as session:
            await apply_plan(plan, writes, session, delay=no_delay, parallelism=1, settling=AT_ONCE.settling)
    except Killed:
        if writes.calls <= at:
            raise
        return True
    return False


def told(state: State, members: frozenset[str], *, unheard: bool) -> Mapping[str, Any]:
    """What a state says of `members`, without the ids that a server gives.

    Of a gateway that has left it may say anything: nobody takes it for a member. Who was added by us, and who
    set the distribution list, is never guessed: after an answer that nobody heard (`unheard`) it isn't known.
    """
    unsure = {"gateways", "distributionList"} if unheard else set[str]()
    names = {upload.id: upload.name for upload in state.packages.values()}

    def campaign(owned: Owned) -> Owned:
        kept: dict[str, dict[str, frozenset[str]]] = {}
        for name, groups in owned.members.items():
            for value, gateways in groups.items():
                text = names[json.loads(value)[0]] if name == "packageOverrides" else value
                if (here := gateways & members) and name not in unsure:
                    kept.setdefault(name, {})[text] = here
        applied = {name: value for name, value in owned.applied.items() if name not in unsure}
        # Ids of packages are others in each world.
        declared = {name: value for name, value in owned.declared.items() if name != "packages"}
        return replace(owned, id="", applied=applied, members=kept, declared=declared)

    return {
        "campaigns": {resource: campaign(owned) for resource, owned in state.campaigns.items()},
        # Of a package that is found again, nobody knows whether an empty description is one.
        "packages": {
            sha: replace(upload, id="", description=upload.description or "")
            for sha, upload in state.packages.items()
        },
        "intents": dict(state.intents),
    }


@pytest.mark.parametrize("sent", [False, True], ids=["before it is sent", "before its answer is known"])
@pytest.mark.parametrize(
    ("first", "then"), [("", NEW), (NEW, EDITED), (NEW, STOPPED)], ids=["new", "edited", "stopped"]
)
def test_the_next_run_does_the_rest(first: str, then: str, sent: bool, tmp_path: Path) -> None:
    async def whole(folder: Path, at: int | None) -> tuple[Mapping[str, Any], bool]:
        folder.mkdir()  # noqa: ASYNC240
        async with World.open(folder) as world:
            world.desired(then, **FILES)
            if first:
                await world.apply(first)
            plan = await world.make_plan(then)
            world.seen.clear()
            cut = at is not None and await killed(world, plan, at, sent=sent)
            before = world.writes()
            after = await world.apply(then) if at is None or cut else []
            assert await world.plan(then) == [], at
            assert (await world.make_plan(then)).records == (), at
            for name in NOT_TWICE:
                expected = [step.operation.name for step in plan.steps()].count(name)
                assert [*before, *after].count(name) == expected, at
            [found] = await world.provider.reads.campaigns()
            states = (await world.provider.reads.gateways(found.id)).states
            members = frozenset[str]().union(*states.values())
            return told(world.store.load(), members, unheard=sent), cut

    async def body() -> None:
        undisturbed, _ = await whole(tmp_path / "undisturbed", None)
        at, cut = 0, True
        while cut:
            found, cut = await whole(tmp_path / f"killed at {at}", at)
            assert found == undisturbed, f"killed at call {at}"
            at += 1
        assert at > 1

    run(asyncio.wait_for(body(), 120))  # type: ignore[arg-type]
