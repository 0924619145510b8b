"""Random worlds, people, faults and kills: see `soak_run`. `make soak` runs it, for it takes its time.

SOAK_RUNS is how many runs (2000), SOAK_SEED the seed of the first; the run after it has the next seed. Beside
them there are SOAK_STORMS storms (a tenth as many). Each failure is listed with the line that repeats it. A
few runs are a part of every check.
"""

import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reconciler.loading import load
from reconciler.model import Desired, DesiredCampaign, Place, Secret, SettingValue
from reconciler.resolve import resolve
from reconciler.validation import validate
from tests.fakes import PULSE
from tests.properties.prop_strategies import FIELDS, episodes
from tests.soak.conftest import Record, run_all
from tests.soak.soak_project import drawn, environment_of, in_real_time, write_project, yaml_of
from tests.soak.soak_run import DIALECTS, Ground, Soak, Wrong, ground
from tests.soak.soak_storm import ENGINES, Storm
from tests.world import NOW

RUNS = int(os.environ.get("SOAK_RUNS", "2000"))
STORMS = int(os.environ.get("SOAK_STORMS", str(RUNS // 10)))
FIRST = int(os.environ.get("SOAK_SEED", "0"))
AT_ONCE = 10
"""Runs of one test: it is what a worker takes, and what a time limit is for."""


@pytest.fixture(scope="module")
def soil() -> Iterator[Ground]:
    with ground() as made:
        yield made


def runs(soil: Ground, seeds: range, record: Record) -> None:
    alone = "SOAK_RUNS=1 SOAK_STORMS=0 SOAK_HAWKBIT=0 SOAK_ROLLOUTS=0"
    run_all(seeds, lambda seed: Soak(soil, seed).go().counts, record, what="runs", alone=alone, wrong=Wrong)


def storms(soil: Ground, seeds: range, record: Record) -> None:
    alone = "SOAK_RUNS=0 SOAK_STORMS=1 SOAK_HAWKBIT=0 SOAK_ROLLOUTS=0"
    run_all(
        seeds, lambda seed: Storm(soil, seed).go().counts, record, what="storms", alone=alone, wrong=Wrong
    )


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("first", range(FIRST, FIRST + RUNS, AT_ONCE))
def test_soak(soil: Ground, first: int, record_property: Record) -> None:
    runs(soil, range(first, min(first + AT_ONCE, FIRST + RUNS)), record_property)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("first", range(FIRST, FIRST + STORMS, AT_ONCE))
def test_storm(soil: Ground, first: int, record_property: Record) -> None:
    storms(soil, range(first, min(first + AT_ONCE, FIRST + STORMS)), record_property)


def test_a_storm_for_each_engine(soil: Ground) -> None:
    storms(soil, range(len(ENGINES)), lambda *_: None)


def test_a_few_runs(soil: Ground) -> None:
    runs(soil, range(8), lambda *_: None)


@pytest.mark.parametrize("seed", range(20))
def test_the_files_ask_for_what_was_drawn(tmp_path: Path, seed: int) -> None:
    """Else a soak would soak something else."""
    episode = drawn(episodes(), seed)
    assert repr(drawn(episodes(), seed)) == repr(episode), "a seed gives the same again"
    wish = in_real_time(episode.after, NOW)
    write_project(tmp_path, "http://127.0.0.1:1", batch=1, page=1)
    (tmp_path / "resources.yaml").write_text(yaml_of(wish))
    documents = load([tmp_path / "resources.yaml"], base=tmp_path).documents
    valid = validate(documents)
    resolved = resolve(valid.documents, PULSE, root=tmp_path, environ=environment_of(wish))
    assert not [finding for finding in (*valid.findings, *resolved.findings) if finding.is_error]
    assert comparable(resolved.desired) == comparable(wish)


def comparable(desired: Desired) -> object:
    """What is asked for, without where it stands, and with secrets as texts."""
    place = Place("x", 1, 1)

    def packages(refs: Iterable[Any] | None) -> object:
        return None if refs is None else [getattr(r, "sha256", None) or replace(r, place=place) for r in refs]

    def text(value: SettingValue) -> str:
        return value.reveal() if isinstance(value, Secret) else value

    def plain(campaign: DesiredCampaign) -> object:
        values = {name: getattr(campaign, name) for name in FIELDS}
        return values | {
            "name": campaign.name,
            "packages": packages(campaign.packages),
            "settings": campaign.settings and {key: text(value) for key, value in campaign.settings.items()},
            "overrides": campaign.overrides
            and [(o.gateways, packages(o.packages)) for o in campaign.overrides],
            "schedules": campaign.schedules and [(s.gateways, s.windows) for s in campaign.schedules],
        }

    return [plain(campaign) for campaign in desired.campaigns]


def test_every_dialect_is_soaked() -> None:
    assert set(DIALECTS) == {"reference", "spring", "bare", "strings", "terse", "silent"}
