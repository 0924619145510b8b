"""A real hawkBit, where there is one: HAWKBIT_URL names it, or HAWKBIT_JAR is one that can be run."""

import time
from pathlib import Path

from tests.hawkbit_standin.contract import failures
from tests.providers.hawkbit_revisions import run_revisions
from tests.providers.hawkbit_way import run_whole_way


def test_it_answers_what_the_provider_relies_on(hawkbit_url: str) -> None:
    assert failures(hawkbit_url, time.sleep) == []


def test_a_project_goes_its_whole_way(hawkbit_url: str, tmp_path: Path) -> None:
    run_whole_way(hawkbit_url, tmp_path, time.sleep)


def test_revisions_go_wave_by_wave(hawkbit_url: str, tmp_path: Path) -> None:
    run_revisions(hawkbit_url, tmp_path, time.sleep)
