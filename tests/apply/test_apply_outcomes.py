"""Outcomes by the million."""

import tracemalloc
from collections import Counter
from dataclasses import dataclass

import pytest
from apply_script import Script, apply, campaign, group, step
from apply_script import plan as plan_of
from hypothesis import given
from hypothesis import strategies as st

from reconciler.apply import Outcomes
from reconciler.apply.outcomes import alike
from reconciler.errors import Refused
from reconciler.hiding import Hiding
from reconciler.model import CampaignFields, Outcome, OutcomeStatus, Secret, Skip, Step
from reconciler.providers.base import Bindings, Result

MANY = group("schedule-download", gateways=[f"gw-{n:07}" for n in range(20_000)], per_call=1)
STEPS = [Step(MANY, 0), Step(MANY, 7), step("edit-campaign"), Step(MANY, 3, ("gw-0000003",))]

outcomes = st.builds(
    Outcome,
    st.sampled_from(STEPS),
    st.sampled_from(OutcomeStatus),
    st.sampled_from(["", "approved first"]),
    st.integers(0, 2),
    st.none() | st.just("c-1"),
    st.booleans(),
    st.just(()) | st.just(("gw-0000003",)),
    st.none() | st.sampled_from(Skip),
    st.none() | st.just("c-1"),
)
plain = st.builds(Outcome, st.sampled_from(STEPS), st.just(OutcomeStatus.DONE))


@given(st.lists(outcomes | plain))
def test_what_goes_in_comes_out(every: list[Outcome]) -> None:
    kept = Outcomes(every)
    assert list(kept) == every
    assert len(kept) == len(every)
    assert (kept[1:], kept[-2:]) == (every[1:], every[-2:])
    assert [kept[at] for at in range(-len(every), 0)] == every


@given(st.lists(st.lists(plain) | st.lists(outcomes | plain)), st.lists(st.integers(0, 130)), st.data())
def test_parcels_and_single_ones_come_out_as_they_went_in(
    every: list[list[Outcome]], indices: list[int], data: st.DataObject
) -> None:
    parcel = [Outcome(Step(MANY, index), OutcomeStatus.DONE) for index in sorted(set(indices))]
    kept, all_of_it = Outcomes(), list[Outcome]()
    for some in [*every, parcel, *every[:2]]:
        all_of_it += some
        if data.draw(st.booleans()):
            kept.extend(some)
        else:
            for outcome in some:
                kept.append(outcome)
    assert list(kept) == all_of_it
    assert [kept[at] for at in range(len(all_of_it))] == all_of_it


@given(st.lists(outcomes | plain), st.integers(0, 40))
def test_what_is_just_done_is_counted_by_group(every: list[Outcome], run: int) -> None:
    kept = Outcomes(every)
    kept.extend(Outcome(each, OutcomeStatus.DONE) for each in STEPS[:1] * run)
    every = list(kept)
    found = list(kept.alike())
    assert sum(count for _, count in found) == len(every)
    counted = Counter[tuple[str, OutcomeStatus]]()
    for outcome, count in found:
        counted[outcome.step.group.key, outcome.status] += count
    assert counted == Counter((outcome.step.group.key, outcome.status) for outcome in every)
    assert list(alike(every)) == [(outcome, 1) for outcome in every]


def test_a_parcel_takes_next_to_nothing() -> None:
    many = list(MANY)
    tracemalloc.start()
    kept = Outcomes()
    for at in range(0, len(many), 1000):
        kept.extend(Outcome(each, OutcomeStatus.DONE) for each in many[at : at + 1000])
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(kept) == 20_000
    assert size < 10_000


def test_steps_that_are_done_take_a_few_bytes() -> None:
    tracemalloc.start()
    kept = Outcomes(Outcome(each, OutcomeStatus.DONE) for each in MANY)
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size < 10 * len(kept)


# --- secrets ------------------------------------------------------------------------------------------


@dataclass
class Repeating(Script):
    """It repeats what it was sent, and more, as it says no."""

    said: str = ""

    async def run(self, step: Step, bindings: Bindings) -> Result:
        raise Refused(f"400 no: {self.said}", request="PUT /x")


@pytest.mark.parametrize("operation", ["create-campaign", "edit-campaign"])
def test_no_outcome_says_a_secret_of_the_plan_or_one_that_is_known(operation: str) -> None:
    settings = {"key": Secret("variable KEY", "correct-horse"), "plain": "battery-staple"}
    if operation == "edit-campaign":
        settings["unread"] = Secret("variable OTHER")
    edit = group(operation, fields=CampaignFields("line", settings=settings))
    start = group("start-campaign", campaign("other"))
    said = "correct-horse battery-staple tr0ub4dor"
    told = apply(plan_of(edit, start), Repeating(said=said), hiding=Hiding(["tr0ub4dor"])).outcomes
    assert [outcome.message for outcome in told] == ["PUT /x: 400 no: *** battery-staple ***"] * 2
    bare = group(operation, fields=CampaignFields("line"))
    [outcome] = apply(plan_of(bare), Repeating(said=said)).outcomes
    assert outcome.message.endswith(said)
