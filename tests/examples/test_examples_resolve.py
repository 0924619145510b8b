"""Each example loads, validates and resolves without a finding, and shows what it says it shows."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from reconciler.app.workspace import for_sets
from reconciler.loading import Loaded, load
from reconciler.model import DesiredStatus, Kind, PackageFile, UploadMode
from reconciler.overlays import read_layers
from reconciler.project import load_project
from reconciler.providers.opening import facts_of
from reconciler.resolve import Resolved, resolve
from reconciler.sets import laid
from reconciler.validation import validate
from reconciler.validation.schemas import inline, schema
from tests.schema_paths import TextLoader, fields, paths

EXAMPLES = Path(__file__).parents[2] / "examples"
NAMES = sorted(path.name for path in EXAMPLES.iterdir() if path.is_dir())
PROJECTS = [name for name in NAMES if name != "controller"]
"""What has resources in it."""
SECRETS = {"LINE3_LICENSE": "license"}


def read(name: str, cwd: Path, **flags: Any) -> tuple[Loaded, Resolved]:
    """An example through all stages up to resolve, without any finding."""
    project = load_project(cwd=cwd, environ={}, need_server=False, **flags)
    assert project.findings == ()
    assert project.project is not None
    root = project.project.root
    loaded = load(project.project.resources, base=root, excluded=project.project.excluded)
    loaded = laid(loaded, read_layers(project.project.overlays, base=root), *for_sets(root))
    validated = validate(loaded.documents)
    facts = facts_of(project.project.server)
    resolved = resolve(validated.documents, facts, root=root, environ=SECRETS)
    assert (*loaded.findings, *validated.findings, *resolved.findings) == ()
    return loaded, resolved


@pytest.mark.parametrize("name", PROJECTS)
def test_it_has_no_finding_from_inside(name: str) -> None:
    assert read(name, EXAMPLES / name)[1].desired.campaigns


@pytest.mark.parametrize("name", PROJECTS)
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
    there = {path.name for path in (EXAMPLES / name).iterdir()} - {"README.md", ".reconciler", "__pycache__"}
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
    """Those that only another kind of server has, and those of sets, stand in examples of them."""
    documents = [
        document
        for name in ("complete", "hawkbit", "sites")
        for document in read(name, EXAMPLES / name)[0].documents
    ]
    for kind in Kind:
        specs = [document.value["spec"] for document in documents if document.value["kind"] == kind]
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


def test_complete_is_different_in_staging() -> None:
    plain = read("complete", EXAMPLES / "complete")[1].desired.campaigns
    staging = read("complete", EXAMPLES / "complete", environment="staging")[1].desired.campaigns
    changed = {new.resource.name: new for old, new in zip(plain, staging, strict=True) if old != new}
    assert set(changed) == {"line-3"}
    assert changed["line-3"].gateways == {"lab-0001"}
    assert changed["line-3"].schedules is None


@pytest.mark.parametrize("path", sorted(EXAMPLES.rglob("*.yaml")), ids=lambda path: path.name)
def test_editors_are_told_the_schema_of_every_document(path: Path) -> None:
    """The server for editors looks for the line in each document; the schema is a file beside."""
    for document in path.read_text("utf-8").split("\n---\n"):
        (line,) = re.findall(r"^# yaml-language-server: \$schema=(.*)$", document, re.MULTILINE)
        assert document.startswith("# yaml-language-server"), path
        file = path.parent / line
        assert file.resolve().parent == EXAMPLES.parent / "schemas"
        Draft202012Validator(json.loads(file.read_text("utf-8"))).validate(yaml.load(document, TextLoader))


def test_complete_has_every_field_of_a_project_file() -> None:
    file = EXAMPLES / "complete" / "reconciler.yaml"
    text = file.read_text("utf-8")
    for field in json.dumps(sorted(fields(inline(schema("Project"))["properties"]["spec"]))).split('"')[1::2]:
        assert f"{field.rpartition('.')[2]}" in text, field
