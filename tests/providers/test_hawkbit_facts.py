"""The facts of hawkBit, and its table of operations."""

import re

import pytest

from reconciler.model import Phase, Verb
from reconciler.providers.base import Field, Stage
from reconciler.providers.hawkbit.facts import facts_of
from reconciler.providers.hawkbit.operations import OPERATIONS, PARTS, operation
from reconciler.providers.hawkbit.statuses import BUSY, PHASES, STATES
from reconciler.settings import ServerSettings

FACTS = facts_of(ServerSettings(batch_size=50))


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


def test_words_for_a_target() -> None:
    assert FACTS.stage("finished") is Stage.DONE
    assert FACTS.stage("canceled") is FACTS.stage("error") is Stage.FAILED
    assert FACTS.in_flight("running")
    assert not FACTS.in_flight("scheduled")
    assert next(iter(STATES)) == "notstarted"
