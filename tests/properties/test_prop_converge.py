"""After an apply nothing is left to do, whatever was there before and whoever meddled."""

from hypothesis import given, settings

from tests.properties.prop_judge import nothing_refused, wishes_met
from tests.properties.prop_lab import ready
from tests.properties.prop_strategies import Episode, episodes
from tests.world import run

REMOVALS = {"remove", "lose state"}
"""Deeds after which what can't be read isn't what was last applied, and nobody can tell."""


@settings(max_examples=100)
@given(episodes())
def test_after_an_apply_nothing_is_left_to_do(episode: Episode) -> None:
    """The server takes every step; then it is as Git wants it, the plan is empty, and no call is sent."""

    async def body() -> None:
        async with ready(episode) as lab:
            before = lab.state
            plan, applied = await lab.apply_of(episode.after, episode.options)
            nothing_refused(lab, applied)
            sure = not any(deed.what in REMOVALS for deed in episode.deeds)
            wishes_met(episode.after, plan, applied, before, lab, sure=sure, now=lab.now)
            again, nothing = await lab.apply_of(episode.after, _steady(episode))
            assert not [step.id for step in again.steps()]
            assert not nothing.outcomes
            assert not lab.answered()

    run(body())


def _steady(episode: Episode):  # type: ignore[no-untyped-def]
    from dataclasses import replace

    return replace(episode.options, reassert=False)
