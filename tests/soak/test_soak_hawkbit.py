"""Random worlds on the stand-in for hawkBit: see `soak_hawkbit`. `make soak` runs many, every check a few.

SOAK_HAWKBIT is how many (a quarter of SOAK_RUNS), SOAK_SEED the seed of the first.
"""

import asyncio
import os
from collections import Counter
from pathlib import Path

import pytest

from reconciler.providers.hawkbit import settled
from tests.soak.conftest import Record, run_all
from tests.soak.soak_hawkbit import HawkbitSoak, WrongEnd
from tests.soak.test_soak import AT_ONCE, FIRST, RUNS

WORLDS = int(os.environ.get("SOAK_HAWKBIT", str(RUNS // 4)))


def worlds(folder: Path, seeds: range, record: Record) -> None:
    """In every other world so few are done already that counts are to prove it."""

    def world(seed: int) -> Counter[str]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(settled, "WORTH", 0 if seed % 2 else settled.WORTH)
            return asyncio.run(HawkbitSoak(seed, folder / str(seed)).go())

    alone = "SOAK_RUNS=0 SOAK_STORMS=0 SOAK_HAWKBIT=1 SOAK_ROLLOUTS=0"
    run_all(seeds, world, record, what="runs on hawkBit", alone=alone, wrong=WrongEnd)


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("first", range(FIRST, FIRST + WORLDS, AT_ONCE))
def test_soak_on_hawkbit(tmp_path: Path, first: int, record_property: Record) -> None:
    worlds(tmp_path, range(first, min(first + AT_ONCE, FIRST + WORLDS)), record_property)


@pytest.mark.timeout(600)
def test_a_few_worlds_on_hawkbit(tmp_path: Path) -> None:
    worlds(tmp_path, range(8), lambda *_: None)
