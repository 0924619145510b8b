"""A closed calendar holds a successor back as a whole, and never a campaign half-way between two."""

from dataclasses import replace
from typing import Any

import pytest

from reconciler.model import Calendar
from reconciler.providers.base import Facts
from tests.fakes import desired
from tests.scenarios.test_replacement import STOPPED, TWO, applied, every_kind, line, project, running, send

ALWAYS, NEVER = Calendar("always", "UTC"), Calendar("never", "UTC", windows=())


def closed(**fields: Any) -> Any:
    return line(calendars=(NEVER,), **fields)


@every_kind
def test_a_successor_waits_with_all_that_belongs_to_it(facts: Facts) -> None:
    made = running(facts)
    plan = made.make_plan(desired(closed(packages=(TWO,), gateways="abcd")))
    assert [step.id for step in plan.steps()] == []
    assert [wait.what for wait in plan.waits] == [("replace",)]
    assert plan.changes == ()
    send(made, plan)
    assert applied(made, line(packages=(TWO,), gateways="abcd", calendars=(ALWAYS,)))


@every_kind
def test_a_stop_goes_out_before_the_successor(facts: Facts) -> None:
    made = running(facts)
    plan = made.make_plan(desired(closed(packages=(TWO,), status=STOPPED)))
    assert [step.action.verb for step in plan.steps()] == ["stop"]
    assert [wait.what for wait in plan.waits] == [("replace",)]


@every_kind
@pytest.mark.parametrize("done", range(1, 6))
def test_what_was_begun_ends_nowhere_between_two(facts: Facts, done: int) -> None:
    """However far the run before came: with a closed calendar nothing is ended that isn't started again."""
    made = running(facts)
    plan = made.make_plan(desired(line(packages=(TWO,))))
    steps = list(plan.steps())
    keep = {step.id for step in steps[:done]}
    groups = tuple(group for group in plan.groups if {step.id for step in group} <= keep)
    send(made, replace(plan, groups=groups))
    verbs = [step.action.verb.value for step in made.make_plan(desired(closed(packages=(TWO,)))).steps()]
    sent = {group.action.verb.value for group in groups}
    ended = "end" in sent and "start" not in sent
    assert ("end" in verbs) is False
    assert ("start" in verbs) is ended, "what was ended is taken over from"
    send(made, made.make_plan(desired(closed(packages=(TWO,)))))
    if not {"end", "start"} & sent:
        applied(made, line(packages=(TWO,), calendars=(ALWAYS,)))


@every_kind
def test_a_new_campaign_is_made_and_filled_when_it_is_open(facts: Facts) -> None:
    made = project(facts)
    plan = made.make_plan(desired(closed()))
    verbs = [step.action.verb.value for step in plan.steps()]
    assert verbs == ["create"]
    assert not any(not outcome.settled for outcome in send(made, plan))
    assert applied(made, line(calendars=(ALWAYS,)))
