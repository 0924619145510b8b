import itertools
from dataclasses import replace

import pytest

from reconciler.model import Phase, SchedulePhase, Verb
from reconciler.providers.base import Field, Stage
from reconciler.providers.pulse.facts import facts_of
from reconciler.settings import EditWhileStarted, ServerSettings
from tests.conftest import Golden
from tests.providers.canned_server import Canned, provider
from tests.providers.told_facts import told_facts

FACTS = facts_of(ServerSettings())
PHASES = {
    "CREATED": Phase.READY,
    "APPROVED": Phase.READY,
    "APPROVAL_NEEDED": Phase.WAITING,
    "STARTED": Phase.RUNNING,
    "STOPPED": Phase.PAUSED,
    "started": Phase.RUNNING,
    "": Phase.UNKNOWN,
    "FINISHED": Phase.UNKNOWN,
}
ALLOWED = {
    Verb.START: {Phase.READY, Phase.PAUSED},
    Verb.STOP: {Phase.RUNNING},
    Verb.APPROVE: {Phase.WAITING},
    Verb.EDIT: {Phase.READY, Phase.PAUSED, Phase.WAITING},
    Verb.DELETE: {Phase.READY, Phase.PAUSED, Phase.WAITING},
}


def test_every_fact_is_as_it_was(golden: Golden) -> None:
    golden("facts-pulse.txt", told_facts(facts_of(ServerSettings())))


@pytest.mark.parametrize(("status", "meaning"), list(PHASES.items()))
def test_what_a_status_means(status: str, meaning: Phase) -> None:
    assert FACTS.phase(status) is meaning


THEIRS = {*FACTS.phases.values(), Phase.UNKNOWN}
"""Phases that a campaign of this server can be in."""


@pytest.mark.parametrize(
    ("verb", "in_phase"),
    list(itertools.product(filter(FACTS.knows, Verb), filter(THEIRS.__contains__, Phase))),
    ids=str,
)
def test_what_a_server_takes_in_which_phase(verb: Verb, in_phase: Phase) -> None:
    assert FACTS.allows(verb, in_phase) is (in_phase in ALLOWED.get(verb, set(Phase)))


@pytest.mark.parametrize("in_phase", list(Phase))
def test_some_servers_take_an_edit_of_a_started_campaign(in_phase: Phase) -> None:
    found = facts_of(ServerSettings(edit_while_started=EditWhileStarted.ALLOW))
    assert found.allows(Verb.EDIT, in_phase)
    assert found.allows(Verb.DELETE, in_phase) is FACTS.allows(Verb.DELETE, in_phase)


def test_a_status_that_nobody_knows_allows_what_every_status_allows() -> None:
    every = frozenset(Phase) - {Phase.UNKNOWN}
    for phases, taken in ((every, True), (every - {Phase.BUSY}, False)):
        assert replace(FACTS, allowed={Verb.EDIT: phases}).allows(Verb.EDIT, Phase.UNKNOWN) is taken


def test_the_provider_tells_its_facts() -> None:
    opened = provider(Canned())
    pulse = opened.facts
    assert pulse.phase("STARTED") is Phase.RUNNING
    assert not pulse.allows(Verb.EDIT, Phase.RUNNING)
    assert len(pulse.operations) == 38
    assert not pulse.supports(Field.DELIVERY)
    assert not pulse.replaces
    assert {name for name in Field if pulse.supports(name) and not pulse.readable(name)} == {
        Field.SETTINGS, Field.CALLBACKS, Field.SCHEDULES, Field.THINGS,
    }  # fmt: skip
    assert {Field.CALLBACKS, Field.SCHEDULES, Field.DISTRIBUTION, Field.OVERRIDES} <= {
        name for name in Field if not pulse.clearable(name)
    }
    assert opened.server.url == "http://pulse.example.com"


def test_the_words_for_a_gateway() -> None:
    stages = {state: found.stage for state, found in FACTS.states.items()}
    assert stages == {
        "INSTANTIATED": Stage.IDLE,
        "INVENTORY_UP_TO_DATE": Stage.IDLE,
        "WAITING_FOR_DOWNLOAD_APPROVAL": Stage.IDLE,
        "SCHEDULED_DOWNLOAD": Stage.UNDER_WAY,
        "WAITING_FOR_DOWNLOAD": Stage.UNDER_WAY,
        "DOWNLOAD_COMPLETE": Stage.UNDER_WAY,
        "WAITING_FOR_EXECUTION_APPROVAL": Stage.UNDER_WAY,
        "SCHEDULED_EXECUTION": Stage.UNDER_WAY,
        "WAITING_FOR_EXECUTION": Stage.UNDER_WAY,
        "EXECUTION_COMPLETE": Stage.UNDER_WAY,
        "WAITING_FOR_ACTIVATION_APPROVAL": Stage.UNDER_WAY,
        "SCHEDULED_ACTIVATION": Stage.UNDER_WAY,
        "WAITING_FOR_ACTIVATION": Stage.UNDER_WAY,
        "ACTIVATION_COMPLETE": Stage.DONE,
        "FAILED": Stage.FAILED,
    }


def test_what_interrupts_a_gateway() -> None:
    assert FACTS.interrupting == {Verb.STOP, Verb.REMOVE, Verb.CLOSE, Verb.DELETE}


def test_what_can_be_read_and_emptied() -> None:
    found = {name: (fact.readable, fact.clearable) for name, fact in FACTS.fields.items()}
    unread = {Field.SETTINGS, Field.SCHEDULES, Field.CALLBACKS, Field.THINGS}
    emptied = {Field.DESCRIPTION, Field.PACKAGES, Field.SETTINGS, Field.GATEWAYS}
    assert found == {
        name: (name not in unread, name in emptied) for name in Field if name is not Field.DELIVERY
    }
    assert not any(fact.required for fact in FACTS.fields.values())


@pytest.mark.parametrize(
    ("state", "phases"),
    [
        ("INSTANTIATED", set()),
        ("WAITING_FOR_DOWNLOAD", set()),
        ("DOWNLOAD_COMPLETE", {SchedulePhase.DOWNLOAD}),
        ("EXECUTION_COMPLETE", {SchedulePhase.DOWNLOAD, SchedulePhase.EXECUTION}),
        ("ACTIVATION_COMPLETE", set(SchedulePhase)),
        ("FAILED", set(SchedulePhase)),
        ("SOMETHING", set()),
        ("", set()),
    ],
)
def test_which_phases_a_gateway_has_behind_it(state: str, phases: set[SchedulePhase]) -> None:
    assert {wanted for wanted in SchedulePhase if FACTS.past(state, wanted)} == phases
