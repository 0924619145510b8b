"""Projects for tests of the use cases, on the embedded server in this process."""

from pathlib import Path

from reconciler.app import Workspace, open_project
from tests.cli.cli_runs import RESOURCES


def workspace(folder: Path, **more: str) -> Workspace:
    """`folder` with resources in it, without a project file; `more` is for `open_project`."""
    resources = folder / "resources"
    resources.mkdir(parents=True)
    (resources / "line.yaml").write_text(RESOURCES)
    (resources / "firmware.bin").write_bytes(b"firmware")
    return open_project(folder, paths=["resources"], environ={}, **more)


def edit(project: Workspace, old: str, new: str) -> None:
    """Other words in the resources."""
    path = project.folder / "resources" / "line.yaml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
