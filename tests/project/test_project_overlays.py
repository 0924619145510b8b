"""The overlays of environments in the project file: whose they are, where they are, and what is set aside."""

from pathlib import Path

import pytest

from reconciler.model import Place
from reconciler.project import LoadedProject, load_project

HEAD = "apiVersion: reconciler/v1\nkind: Project\nmetadata: {name: line-3}\nspec:\n"
SPEC = """\
  server: {url: 'https://pulse.example.com'}
  environments:
    staging: {overlays: [common, staging.yaml]}
    production: {overlays: [production], resources: [common]}
    plain: {}
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "reconciler.yaml").write_text(HEAD + SPEC)
    for folder in ("common", "production"):
        (tmp_path / folder).mkdir()
    (tmp_path / "staging.yaml").touch()
    return tmp_path


def load(root: Path, environment: str | None = None) -> LoadedProject:
    return load_project(cwd=root, environ={}, environment=environment)


@pytest.mark.parametrize(
    ("environment", "overlays"),
    [(None, []), ("plain", []), ("staging", ["common", "staging.yaml"]), ("production", ["production"])],
)
def test_each_environment_has_its_own(root: Path, environment: str | None, overlays: list[str]) -> None:
    loaded = load(root, environment)
    assert loaded.findings == ()
    assert loaded.project is not None
    assert loaded.project.overlays == loaded.overlays == tuple(root / name for name in overlays)


@pytest.mark.parametrize("environment", [None, "staging", "plain"])
def test_those_of_all_are_set_aside(root: Path, environment: str | None) -> None:
    loaded = load(root, environment)
    aside = tuple(root / name for name in ("common", "staging.yaml", "production"))
    assert loaded.project is not None
    assert loaded.project.excluded == loaded.excluded == aside


def test_which_environments_there_are(root: Path) -> None:
    loaded = load(root)
    assert loaded.environments == ("plain", "production", "staging")
    assert loaded.apart == ("production", "staging")


@pytest.mark.parametrize(
    ("listed", "code", "column", "message"),
    [
        ("[common, gone]", "file-not-found", 24, "there is no file or folder `gone`"),
        ("[..]", "outside-project", 16, "`..` leads out of the project"),
        ("[common, common]", "duplicate-item", 24, "stands in this list already"),
        ("[1]", "wrong-type", 16, "is the number 1"),
        ("common", "wrong-type", 15, "is the text"),
    ],
)
def test_what_is_wrong_with_them(root: Path, listed: str, code: str, column: int, message: str) -> None:
    text = (
        f"{HEAD}  server: {{url: 'embedded:'}}\n  environments:\n    a:\n    b:\n      overlays: {listed}\n"
    )
    (root / "reconciler.yaml").write_text(text.replace("    a:\n", ""))
    (found,) = load(root, "b").findings
    assert (found.code, found.place) == (code, Place("reconciler.yaml", 8, column + 2))
    assert message in found.message


def test_they_belong_to_environments_only(root: Path) -> None:
    (root / "reconciler.yaml").write_text(HEAD + "  server: {url: 'embedded:'}\n  overlays: [common]\n")
    (found,) = load(root).findings
    assert (found.code, found.place) == ("unknown-field", Place("reconciler.yaml", 6, 3))


def test_without_a_project_file_there_are_none(tmp_path: Path) -> None:
    loaded = load(tmp_path, "staging")
    assert (loaded.overlays, loaded.excluded, loaded.environments) == ((), (), ())


def test_one_that_is_gone_is_said_and_the_rest_is_known(root: Path) -> None:
    (root / "staging.yaml").unlink()
    loaded = load(root, "staging")
    assert loaded.project is None
    assert [found.code for found in loaded.findings] == ["file-not-found"]
    assert loaded.overlays == (root / "common",)
