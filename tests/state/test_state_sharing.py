"""Sets that Git and the state both have are one; what is only nearly the same stays what it is."""

from dataclasses import replace

from reconciler.model import SchedulePhase
from reconciler.state.applied import schedule_field
from reconciler.state.base import State
from reconciler.state.sharing import sharing
from tests.fakes import Project, campaign, desired
from tests.memory_provider import MemoryServer

IDS = [f"gw-{number}" for number in range(2_000)]


def state(*sets: frozenset[str]) -> State:
    project = Project(MemoryServer())
    fields = map(schedule_field, SchedulePhase)
    members = {field: {"1/2": gateways} for field, gateways in zip(fields, sets, strict=False)}
    project.own("line", "1", members=members)
    return project.state


def test_sets_that_are_equal_are_one_afterwards() -> None:
    git, had = frozenset(IDS), frozenset(IDS)
    before = state(had, frozenset(IDS), had - {"gw-0"})
    after = sharing(before, desired(campaign("line", gateways=git)))
    assert after == before
    first, second, third = (each["1/2"] for each in next(iter(after.campaigns.values())).members.values())
    assert first is second is git is not had
    assert third == had - {"gw-0"}


def test_what_is_small_or_not_declared_stays_as_it_is() -> None:
    small = state(frozenset(IDS[:10]))
    assert sharing(small, desired(campaign("line", gateways=IDS[:10]))) is small
    large = state(frozenset(IDS))
    assert sharing(large, desired(campaign("other", gateways=IDS))) is large
    assert sharing(large, desired(campaign("line"))) is large
    other = replace(large, serial=7)
    assert sharing(other, desired(campaign("line", gateways=IDS[1:]))) == other
