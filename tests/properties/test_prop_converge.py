"""After an apply nothing is left to do, whatever was there before and whoever meddled."""

from dataclasses import replace

from hypothesis import given

from reconciler.model import Verb
from reconciler.plan import Plan
from tests.properties.prop_cases import known_cases
from tests.properties.prop_judge import nothing_refused, wishes_met
from tests.properties.prop_lab import ready
from tests.properties.prop_strategies import Episode, episodes, examples
from tests.world import run

UNSEEN = {"remove", "lose state"}
"""Deeds after which what can't be read isn't what was last applied, and nobody can tell."""


@examples(70)
@known_cases
@given(episode=episodes())
def test_after_an_apply_nothing_is_left_to_do(episode: Episode) -> None:
    """The server takes every step; then it is as Git wants it, the plan is empty, and no call is sent.

    Two things wait for the next plan, for no plan can know them: an approval that an edit brought back on a
    campaign that nobody wishes started, and a package whose last override this plan took back.
    """

    async def body() -> None:
        async with ready(episode) as lab:
            before = lab.state
            plan, applied = await lab.apply_of(episode.after, episode.options)
            nothing_refused(lab, applied)
            sure = not any(deed.what in UNSEEN for deed in episode.deeds)
            wishes_met(episode.after, plan, applied, before, lab, sure=sure, now=lab.now)
            steady = replace(episode.options, reassert=False)
            again, second = await lab.apply_of(episode.after, steady)
            nothing_refused(lab, second)
            assert not unforeseen(plan, again, episode), unforeseen(plan, again, episode)
            if not again.empty:
                again, second = await lab.apply_of(episode.after, steady)
            assert again.empty, [step.id for step in again.steps()]
            assert not second.outcomes
            assert not lab.answered()

    run(body())


def unforeseen(plan: Plan, again: Plan, episode: Episode) -> list[str]:
    """Steps of the second plan that the first one should have had."""
    in_use = {f.resource for f in plan.findings if f.code == "package-in-use"}
    edited = {s.resource for s in plan.steps() if s.action.verb is Verb.EDIT}
    return [
        step.id
        for step in again.steps()
        if not (
            (step.action.verb is Verb.APPROVE and episode.reapprove and step.resource in edited)
            or (step.action.verb is Verb.DELETE_PACKAGE and step.resource in in_use)
        )
    ]
