"""The folder of a test."""

from pathlib import Path

import pytest

from tests.overlays.overlay_folders import Folder


@pytest.fixture
def here(tmp_path: Path) -> Folder:
    return Folder(tmp_path)
