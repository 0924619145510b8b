"""Random rollouts in waves with people, faults and kills in their way: see `soak_rollout`.

SOAK_ROLLOUTS is how many (200), SOAK_SEED the seed of the first. Each failure is listed with the line that
repeats it. A few are a part of every check.
"""

import os
from collections.abc import Iterator

import pytest

from tests.soak.conftest import Record, run_all
from tests.soak.soak_rollout import Rollout
from tests.soak.soak_run import Ground, Wrong, ground

RUNS = int(os.environ.get("SOAK_ROLLOUTS", "200"))
FIRST = int(os.environ.get("SOAK_SEED", "0"))
AT_ONCE = 4


@pytest.fixture(scope="module")
def soil() -> Iterator[Ground]:
    with ground() as made:
        yield made


def rollouts(soil: Ground, seeds: range, record: Record) -> None:
    alone = "SOAK_RUNS=0 SOAK_STORMS=0 SOAK_HAWKBIT=0 SOAK_ROLLOUTS=1"
    run_all(
        seeds, lambda seed: Rollout(soil, seed).go().counts, record, what="rollouts", alone=alone, wrong=Wrong
    )


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("first", range(FIRST, FIRST + RUNS, AT_ONCE))
def test_rollouts(soil: Ground, first: int, record_property: Record) -> None:
    rollouts(soil, range(first, min(first + AT_ONCE, FIRST + RUNS)), record_property)


def test_a_few_rollouts(soil: Ground) -> None:
    rollouts(soil, range(3), lambda *_: None)
