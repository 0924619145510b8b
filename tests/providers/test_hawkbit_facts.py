"""The facts of hawkBit, and its table of operations."""

import re

import pytest

from reconciler.model import Phase, Verb
from reconciler.providers.base import Changing, Field, Stage
from reconciler.providers.hawkbit.facts import facts_of
from reconciler.providers.hawkbit.operations import OPERATIONS, PARTS, operation
from reconciler.providers.hawkbit.statuses import BUSY, PHASES, STATES
from reconciler.settings import ServerSettings
from tests.conftest import Golden
from tests.providers.told_facts import told_facts

FACTS = facts_of(ServerSettings(batch_size=50))


def test_every_fact_is_as_it_was(golden: Golden) -> None:
    golden("facts-hawkbit.txt", told_facts(facts_of(ServerSettings(batch_size=50)), PARTS.values()))


def test_an_operation_stands_in_one_table() -> None:
    assert OPERATIONS.keys().isdisjoint(PARTS)
    assert operation("get-rollout") is OPERATIONS["get-rollout"]
    assert operation("list-tags") is PARTS["list-tags"]
    for each in (*OPERATIONS.values(), *PARTS.values()):
        assert each.path.startswith("/rest/v1/")
        assert all(re.fullmatch(r"[A-Z_]+", permission) for permission in each.permissions)


def test_what_a_rollout_lacks() -> None:
    lacking = {name for name in Field if not FACTS.supports(name)}
    assert lacking >= {Field.SETTINGS, Field.OVERRIDES, Field.SCHEDULES, Field.CALLBACKS, Field.THINGS}


def test_a_pause_interrupts_nobody() -> None:
    assert Verb.STOP not in FACTS.interrupting
    assert FACTS.interrupting >= {Verb.REMOVE, Verb.CLOSE, Verb.DELETE}


@pytest.mark.parametrize(
    ("status", "phase"),
    [
        ("ready", Phase.READY),
        ("waiting_for_approval", Phase.WAITING),
        ("running", Phase.RUNNING),
        ("paused", Phase.PAUSED),
    ],
)
def test_words_for_a_rollout(status: str, phase: Phase) -> None:
    assert FACTS.phase(status) is phase
    assert status not in BUSY
    assert status.upper() in PHASES


def test_every_word_for_a_rollout() -> None:
    assert dict(PHASES) == {
        "READY": Phase.READY,
        "WAITING_FOR_APPROVAL": Phase.WAITING,
        "RUNNING": Phase.RUNNING,
        "PAUSED": Phase.PAUSED,
        "CREATING": Phase.BUSY,
        "STARTING": Phase.BUSY,
        "STOPPING": Phase.BUSY,
        "FINISHED": Phase.FINISHED,
        "STOPPED": Phase.ENDED,
        "APPROVAL_DENIED": Phase.ENDED,
    }
    assert {word.lower() for word, phase in PHASES.items() if phase is Phase.BUSY} == BUSY


def test_every_word_for_a_target() -> None:
    assert {state: found.stage for state, found in STATES.items()} == {
        "notstarted": Stage.IDLE,
        "scheduled": Stage.IDLE,
        "wait_for_confirmation": Stage.IDLE,
        "running": Stage.UNDER_WAY,
        "retrieved": Stage.UNDER_WAY,
        "download": Stage.UNDER_WAY,
        "downloaded": Stage.UNDER_WAY,
        "warning": Stage.UNDER_WAY,
        "cancel_rejected": Stage.UNDER_WAY,
        "canceling": Stage.UNDER_WAY,
        "finished": Stage.DONE,
        "canceled": Stage.FAILED,
        "error": Stage.FAILED,
    }


def test_what_can_be_read_emptied_and_replaced() -> None:
    found = {name: (fact.readable, fact.clearable, fact.required) for name, fact in FACTS.fields.items()}
    assert found == {
        Field.NAME: (True, False, False),
        Field.DESCRIPTION: (True, True, False),
        Field.PACKAGES: (True, False, True),
        Field.DELIVERY: (True, False, False),
        Field.GATEWAYS: (True, True, False),
        Field.DISTRIBUTION: (True, False, False),
        Field.CLOSED: (True, False, False),
        Field.STATUS: (True, False, False),
    }
    replaced = {name for name, fact in FACTS.fields.items() if fact.changing is Changing.REPLACED}
    assert replaced == {Field.PACKAGES, Field.DELIVERY, Field.DISTRIBUTION}


def test_what_can_stand_in_an_address() -> None:
    assert FACTS.limits.reserved_ids.keys() == {".", ".."}
    assert set(FACTS.limits.bad_in_ids) == set("/;%\\ \t")
    assert FACTS.limits.file_characters == "[A-Za-z0-9._-]"


def test_words_for_a_target() -> None:
    assert FACTS.stage("finished") is Stage.DONE
    assert FACTS.stage("canceled") is FACTS.stage("error") is Stage.FAILED
    assert FACTS.in_flight("running")
    assert not FACTS.in_flight("scheduled")
    assert next(iter(STATES)) == "notstarted"
