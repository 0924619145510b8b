"""Working folders, without and with a project file."""

from pathlib import Path

import pytest

from tests.project.project_folders import FULL, Folder


@pytest.fixture
def here(tmp_path: Path) -> Folder:
    root = tmp_path / "project"
    root.mkdir()
    return Folder(root)


@pytest.fixture
def full(here) -> Folder:
    here.write(FULL)
    (here.root / "ca.pem").touch()
    (here.root / "campaigns").mkdir()
    (here.root / "lists").mkdir()
    return here
