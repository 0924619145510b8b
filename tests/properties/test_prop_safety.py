"""What a plan never does: touch others, wipe what isn't managed, break the order, leave who ran stopped."""

from hypothesis import given

from tests.properties.prop_cases import known_cases
from tests.properties.prop_judge import (
    foreign_untouched,
    in_order,
    moves_in_order,
    none_left_stopped,
    unmanaged_kept,
    uploads_first,
)
from tests.properties.prop_lab import ready
from tests.properties.prop_strategies import Episode, episodes, examples
from tests.world import run


@examples(50)
@known_cases
@given(episode=episodes())
def test_the_order_holds_and_no_campaign_is_left_stopped(episode: Episode) -> None:
    async def body() -> None:
        async with ready(episode) as lab:
            before = lab.snapshot()
            plan, applied = await lab.apply_of(episode.after, episode.options)
            steps = list(plan.steps())
            settled = [outcome.step for outcome in applied.outcomes]
            for order in (steps, settled):
                in_order(plan, order)
                moves_in_order(order, before)
                uploads_first(order)
            none_left_stopped(episode.after, applied, before, lab.snapshot(), lab.state)

    run(body())


@examples(50)
@known_cases
@given(episode=episodes())
def test_what_is_not_ours_or_not_managed_stays_as_it_is(episode: Episode) -> None:
    """Foreign campaigns and packages to the last byte; of ours, each field that YAML leaves out."""

    async def body() -> None:
        async with ready(episode) as lab:
            before, state = lab.snapshot(), lab.state
            plan, applied = await lab.apply_of(episode.after, episode.options)
            after, now = lab.snapshot(), lab.state
            foreign_untouched(before, after, state, now, prune=episode.options.prune)
            unmanaged_kept(episode.after, plan, applied, before, after, now)

    run(body())
