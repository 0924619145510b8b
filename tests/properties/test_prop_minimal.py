"""No step can be left out: without any one group, a difference remains."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.model import Reason, StepGroup, Verb, carried_by
from reconciler.plan import Plan
from tests.properties.prop_cases import CASES
from tests.properties.prop_lab import ready
from tests.properties.prop_strategies import Episode, episodes, examples
from tests.world import run


@examples(70)
@given(episode=episodes(reassert=False), chosen=st.integers(0, 30))
def test_no_step_can_be_left_out(episode: Episode, chosen: int) -> None:
    """What is left out is found again by the next plan, be it the stop or the start of a bracket.

    Four kinds of step leave no difference by themselves, and are there for a reason of their own:

    - the stop before gateways with settings of their own join: it is about the time in between, not the end;
    - an approve before a start that approves by itself, or where the server turns out to ask for none;
    - a start that turns out to wait for an approval that Git doesn't give;
    - an override with the packages that an edit gives the campaign: whether who has it follows can't be read.
    """

    run(_without(episode, chosen))


@pytest.mark.parametrize("chosen", range(3))
@pytest.mark.parametrize("case", CASES)
def test_no_step_can_be_left_out_of_known_cases(case: str, chosen: int) -> None:
    run(_without(CASES[case], chosen))


async def _without(episode: Episode, chosen: int) -> None:
    async with ready(episode) as lab:
        groups = (await lab.plan_of(episode.after, episode.options)).groups
        if not groups or groups[chosen % len(groups)].action.reason is Reason.STOP_TO_JOIN:
            return
        left_out = groups[chosen % len(groups)]
        await lab.apply_of(episode.after, episode.options, without=lambda plan: _less(plan, left_out))
        again = await lab.plan_of(episode.after, episode.options)
        if again.empty and left_out.action.verb is Verb.OVERRIDE:
            resource = left_out.action.resource
            edit = next(g for g in groups if (g.action.resource, g.action.verb) == (resource, Verb.EDIT))
            assert set(carried_by(left_out.action)) == set(carried_by(edit.action))
        elif again.empty:
            assert left_out.action.verb in (Verb.APPROVE, Verb.START), left_out.key
            before = lab.snapshot()
            alone = replace(left_out, needs=())
            await lab.run(replace(again, groups=(alone,)))
            assert lab.snapshot() == before, left_out.key


def _less(plan: Plan, left_out: StepGroup) -> Plan:
    """`plan` without that group, which nothing waits for any more."""
    return replace(
        plan,
        groups=tuple(
            replace(group, needs=tuple(need for need in group.needs if need.group != left_out.key))
            for group in plan.groups
            if group.key != left_out.key
        ),
    )
