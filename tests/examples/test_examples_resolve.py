"""Each example loads, validates and resolves without a finding, and shows what it says it shows."""

import json
from pathlib import Path
from typing import Any

import pytest

from reconciler.loading import Loaded, load
from reconciler.model import DesiredStatus, Kind, PackageFile, UploadMode
from reconciler.project import load_project
from reconciler.resolve import Resolved, resolve
from reconciler.validation import validate
from reconciler.validation.schemas import inline, schema

EXAMPLES = Path(__file__).parents[2] / "examples"
NAMES = sorted(path.name for path in EXAMPLES.iterdir() if path.is_dir())
SECRETS = {"LINE3_LICENSE": "license"}


def read(name: str, cwd: Path, **flags: Any) -> tuple[Loaded, Resolved]:
    """An example through all stages up to resolve, without any finding."""
    project = load_project(cwd=cwd, environ={}, need_server=False, **flags)
    assert project.findings == ()
    assert project.project is not None
    loaded = load(project.project.resources, base=project.project.root)
    validated = validate(loaded.documents)
    resolved = resolve(validated.documents, root=project.project.root, environ=SECRETS)
    assert (*loaded.findings, *validated.findings, *resolved.findings) == ()
    return loaded, resolved


@pytest.mark.parametrize("name", NAMES)
def test_it_has_no_finding_from_inside(name: str) -> None:
    assert read(name, EXAMPLES / name)[1].desired.campaigns


@pytest.mark.parametrize("name", NAMES)
def test_it_has_no_finding_from_anywhere(name: str, tmp_path: Path) -> None:
    inside = read(name, EXAMPLES / name)[1].desired
    project = EXAMPLES / name / "reconciler.yaml"
    for cwd in (EXAMPLES.parent, EXAMPLES, tmp_path):
        flags: Any = {"file": project} if project.exists() else {"paths": [EXAMPLES / name]}
        desired = read(name, cwd, **flags)[1].desired
        assert desired.packages == inside.packages
        assert [each.gateways for each in desired.campaigns] == [each.gateways for each in inside.campaigns]


@pytest.mark.parametrize("name", NAMES)
def test_it_has_a_readme_that_names_what_is_there(name: str) -> None:
    readme = (EXAMPLES / name / "README.md").read_text("utf-8")
    named = {word.strip("/") for word in readme.split("`")[1::2]}
    there = {path.name for path in (EXAMPLES / name).iterdir()} - {"README.md", ".reconciler"}
    assert there <= named


def test_quickstart_is_what_the_readme_says() -> None:
    _, resolved = read("quickstart", EXAMPLES / "quickstart")
    rest, pilot = resolved.desired.campaigns
    assert (pilot.status, rest.status) == (DesiredStatus.STARTED, DesiredStatus.STOPPED)
    assert len(pilot.gateways | rest.gateways) == 8
    assert not pilot.gateways & rest.gateways
    (package,) = resolved.desired.packages
    assert isinstance(package, PackageFile)
    assert (package.name, package.mode) == ("edge-agent-1.4.2", UploadMode.MULTIPART)


def test_complete_has_every_field_of_every_kind() -> None:
    loaded, _ = read("complete", EXAMPLES / "complete")
    for kind in Kind:
        specs = [document.value["spec"] for document in loaded.documents if document.value["kind"] == kind]
        used = set().union(*(paths(spec) for spec in specs))
        assert fields(inline(schema(kind))["properties"]["spec"]) - used == set(), kind


@pytest.mark.parametrize("environment", ["staging", "production"])
def test_complete_has_environments(environment: str) -> None:
    environ = {"PULSE_TOKEN": "t", "STAGING_USERNAME": "u", "STAGING_PASSWORD": "p"}
    loaded = load_project(cwd=EXAMPLES / "complete", environ=environ, environment=environment)
    assert loaded.findings == ()
    assert loaded.project is not None
    assert environment in loaded.project.state_url
    assert loaded.project.server.url.startswith("https://pulse.")


def test_complete_has_every_field_of_a_project_file() -> None:
    file = EXAMPLES / "complete" / "reconciler.yaml"
    text = file.read_text("utf-8")
    for field in json.dumps(sorted(fields(inline(schema("Project"))["properties"]["spec"]))).split('"')[1::2]:
        assert f"{field.rpartition('.')[2]}" in text, field


def fields(node: Any, path: str = "") -> set[str]:
    """Every field that a schema knows, as a dotted path; items of lists and values of maps are left out."""
    found: set[str] = set()
    for branch in [node, *node.get("oneOf", ()), node.get("items", {})]:
        for name, below in branch.get("properties", {}).items():
            found |= {f"{path}.{name}"} | fields(below, f"{path}.{name}")
    values = node.get("additionalProperties")
    return found | (fields(values, f"{path}.*") if isinstance(values, dict) else set())


def paths(value: Any, path: str = "") -> set[str]:
    """Every field that a value has, also with the keys of maps as ``*``."""
    if isinstance(value, list):
        return set().union(*(paths(item, path) for item in value))
    if not isinstance(value, dict):
        return set()
    found: set[str] = set()
    for name, below in value.items():
        for step in (name, "*"):
            found |= {f"{path}.{step}"} | paths(below, f"{path}.{step}")
    return found
