"""The stand-in for hawkBit answers what a real server does, in all that the provider relies on.

`test_hawkbit_real.py` asks a real one the same.
"""

from pathlib import Path

from tests.hawkbit_standin import running
from tests.hawkbit_standin.contract import failures
from tests.providers.hawkbit_revisions import run_revisions
from tests.providers.hawkbit_way import run_whole_way


def test_the_stand_in_answers_as_a_real_server() -> None:
    with running() as server:
        assert failures(server.url, server.advance) == []


def test_a_project_goes_its_whole_way(tmp_path: Path) -> None:
    with running() as server:
        run_whole_way(server.url, tmp_path, server.advance)


def test_revisions_go_wave_by_wave(tmp_path: Path) -> None:
    with running() as server:
        run_revisions(server.url, tmp_path, server.advance)
