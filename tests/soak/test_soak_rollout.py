"""Random rollouts in waves with people, faults and kills in their way: see `soak_rollout`.

SOAK_ROLLOUTS is how many (200), SOAK_SEED the seed of the first. Each failure is listed with the line that
repeats it. A few are a part of every check.
"""

import json
import os
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from tests.soak.conftest import COUNTS
from tests.soak.soak_rollout import Rollout
from tests.soak.soak_run import Ground, Wrong, ground

RUNS = int(os.environ.get("SOAK_ROLLOUTS", "200"))
FIRST = int(os.environ.get("SOAK_SEED", "0"))
AT_ONCE = 4

Record = Callable[[str, object], None]


@pytest.fixture(scope="module")
def soil() -> Iterator[Ground]:
    with ground() as made:
        yield made


def run_all(soil: Ground, seeds: range, record: Record) -> None:
    """Run each of `seeds`; the failures at once, each with the story of its run."""
    counts: Counter[str] = Counter()
    failures: dict[str, str] = {}
    stories = []
    for seed in seeds:
        counts["rollouts"] += 1
        try:
            counts += Rollout(soil, seed).go().counts
        except Wrong as wrong:
            story = str(wrong)
            again = f"SOAK_SEED={seed} SOAK_ROLLOUTS=1 SOAK_RUNS=0 SOAK_HAWKBIT=0 make soak"
            failures[again] = story.rpartition("\n")[2][:200]
            stories.append(f"{again}\n{story}")
    record(COUNTS, json.dumps({**counts, "failures": failures}))
    if failures:
        pytest.fail("\n\n".join(stories), pytrace=False)


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("first", range(FIRST, FIRST + RUNS, AT_ONCE))
def test_rollouts(soil: Ground, first: int, record_property: Record) -> None:
    run_all(soil, range(first, min(first + AT_ONCE, FIRST + RUNS)), record_property)


def test_a_few_rollouts(soil: Ground) -> None:
    run_all(soil, range(3), lambda *_: None)
