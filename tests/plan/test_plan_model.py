"""The values that a plan is made of: what is there when nothing is said, and what a plan tells of itself."""

import pytest

from reconciler.model import StepGroup, Verb
from reconciler.plan import CampaignImpact, Impact, Plan
from reconciler.plan.fingerprints import Fingerprint, Of
from reconciler.plan.model import GuardTrip
from tests.actions import action
from tests.fakes import PULSE, rid
from tests.memory_provider import SERVER

LINE = rid("line")


def test_nothing_happens_unless_it_is_said() -> None:
    found = CampaignImpact(LINE, "line")
    assert (found.gained, found.lost, found.shared) == (0, 0, {})
    said = [found.created, found.deleted, found.starts, found.stops, found.interrupted]
    assert said == [False] * 5
    impact = Impact()
    assert (impact.campaigns, impact.requests, impact.permissions, impact.gained, impact.lost) == (
        (),
        0,
        (),
        0,
        0,
    )
    trip = GuardTrip("maxStarts", "so")
    assert (trip.resource, trip.found, trip.limit, trip.waived, trip.place) == (None, 0, 0, None, None)
    assert Fingerprint(Of.NAME, "x", None).gateways == {}


def test_which_step_carries_a_gateway() -> None:
    made = action(Verb.CLOSE, gateways=tuple("abcde"))
    for per_call, steps in ((2, [0, 0, 1, 1, 2]), (1, [0, 1, 2, 3, 4]), (0, [0] * 5)):
        group = StepGroup("close", made, PULSE.lower(made).operation, per_call)
        assert [group.index_of(gateway) for gateway in "abcde"] == steps, per_call
        assert group.index_of("x") is None
        assert list(group.steps_with("ace")) == sorted({steps[0], steps[2], steps[4]})
        assert len(group) == max(steps) + 1


def test_counts_of_all_campaigns_together() -> None:
    rows = [CampaignImpact(rid(n), n, gained, lost) for n, gained, lost in (("a", 1, 20), ("b", 300, 4000))]
    assert (Impact(tuple(rows)).gained, Impact(tuple(rows)).lost) == (301, 4020)


@pytest.mark.parametrize("waived", [(), (0,), (0, 1)])
def test_guards_that_stand_against_a_plan(waived: tuple[int, ...]) -> None:
    trips = tuple(
        GuardTrip(f"guard {at}", "so", waived="agreed" if at in waived else None) for at in range(2)
    )
    standing = Plan(SERVER, guards=trips).tripped
    assert standing == tuple(trip for at, trip in enumerate(trips) if at not in waived)


def test_steps() -> None:
    def group(key: str, gateways: str, per_call: int) -> StepGroup:
        of = action(Verb.ADD, gateways=tuple(gateways))
        return StepGroup(key, of, PULSE.operations["add-gateways"], per_call)

    plan = Plan(SERVER, (group("one", "abc", 2), group("two", "d", 1)))
    assert [step.id for step in plan.steps()] == ["one:1", "one:2", "two:d"]
    assert (plan.size, plan.empty, list(plan.by_key)) == (3, False, ["one", "two"])
    nothing = Plan(SERVER)
    assert (nothing.size, nothing.empty, list(nothing.steps())) == (0, True, [])
