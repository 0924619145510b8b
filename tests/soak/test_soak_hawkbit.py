"""Random worlds on the stand-in for hawkBit: see `soak_hawkbit`. `make soak` runs many, every check a few.

SOAK_HAWKBIT is how many (a quarter of SOAK_RUNS), SOAK_SEED the seed of the first.
"""

import asyncio
import json
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.providers.hawkbit import settled
from tests.soak.conftest import COUNTS
from tests.soak.soak_hawkbit import HawkbitSoak, WrongEnd
from tests.soak.test_soak import AT_ONCE, FIRST, RUNS

WORLDS = int(os.environ.get("SOAK_HAWKBIT", str(RUNS // 4)))
Record = Callable[[str, object], None]


def run_all(folder: Path, seeds: range, record: Record) -> None:
    """Run each of `seeds`; the failures at once, each with the story of its run.

    In every other world so few are done already that counts are to prove it.
    """
    counts: Counter[str] = Counter()
    failures: dict[str, str] = {}
    stories = []
    for seed in seeds:
        counts["runs on hawkBit"] += 1
        try:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(settled, "WORTH", 0 if seed % 2 else settled.WORTH)
                counts += asyncio.run(HawkbitSoak(seed, folder / str(seed)).go())
        except WrongEnd as wrong:
            again = f"SOAK_SEED={seed} SOAK_RUNS=0 SOAK_STORMS=0 SOAK_HAWKBIT=1 make soak"
            failures[again] = str(wrong).rpartition("\n")[2][:200]
            stories.append(f"{again}\n{wrong}")
    record(COUNTS, json.dumps({**counts, "failures": failures}))
    if failures:
        pytest.fail("\n\n".join(stories), pytrace=False)


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("first", range(FIRST, FIRST + WORLDS, AT_ONCE))
def test_soak_on_hawkbit(tmp_path: Path, first: int, record_property: Record) -> None:
    run_all(tmp_path, range(first, min(first + AT_ONCE, FIRST + WORLDS)), record_property)


def test_a_few_worlds_on_hawkbit(tmp_path: Path) -> None:
    run_all(tmp_path, range(8), lambda *_: None)
