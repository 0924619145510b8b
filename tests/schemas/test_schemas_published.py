"""The published schemas: valid, described, self-contained, and found from wherever the package is."""
# ruff: noqa: E501 - a table keeps its rows

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from written_schemas import MADE, text_of

from reconciler.errors import ReconcilerError
from reconciler.model import Kind
from reconciler.validation import schemas
from reconciler.validation.schemas import (
    PROJECT,
    inline,
    overlay,
    schema,
    schema_directory,
    schema_names,
    union,
)

KINDS = [*(kind.value for kind in Kind), PROJECT]
NAMES = schema_names()


def nodes(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every schema within a schema, with its path."""
    yield path, value
    for holder in ("properties", "$defs"):
        for name, rule in value.get(holder, {}).items():
            yield from nodes(rule, f"{path}/{name}")
    for holder in ("items", "propertyNames", "additionalProperties", "not", "if", "then"):
        if isinstance(value.get(holder), dict):
            yield from nodes(value[holder], f"{path}/{holder}")
    for holder in ("oneOf", "anyOf", "allOf"):
        for index, rule in enumerate(value.get(holder, ())):
            yield from nodes(rule, f"{path}/{holder}{index}")


@pytest.mark.parametrize("name", NAMES)
def test_valid_and_named(name: str) -> None:
    published = schema(name)
    Draft202012Validator.check_schema(published)
    assert published["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert published["$id"] == f"https://reconciler.dev/schemas/v1/{name}.json"
    assert published["title"]
    assert published["description"]


def test_everything_is_published() -> None:
    assert {*KINDS, "resource", "overlay", "plan", "plan-file", "state", "status", "snapshot"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_every_field_is_described(name: str) -> None:
    for path, rule in nodes(inline(schema(name))):
        if path.endswith("/if"):
            continue  # which kind a document is of: no field
        for field, value in rule.get("properties", {}).items():
            assert value.get("title"), f"{path}/{field}"
            assert value.get("description"), f"{path}/{field}"
            assert value.get("examples"), f"{path}/{field}"


@pytest.mark.parametrize("name", NAMES)
def test_examples_keep_to_their_schema(name: str) -> None:
    for path, rule in nodes(inline(schema(name))):
        for example in rule.get("examples", ()):
            assert Draft202012Validator(rule).is_valid(example), f"{path}: {example}"
        if "default" in rule:
            assert Draft202012Validator(rule).is_valid(rule["default"]), path


@pytest.mark.parametrize("name", KINDS)
def test_nothing_is_open_but_maps(name: str) -> None:
    for path, rule in nodes(inline(schema(name))):
        if rule.get("type") == "object" and "oneOf" not in rule:
            closed = rule["additionalProperties"] is False
            assert closed or "properties" not in rule, path


@pytest.mark.parametrize("name", [*KINDS, "resource", "overlay", "plan"])
def test_patterns_mean_the_same_in_python_and_in_editors(name: str) -> None:
    for path, rule in nodes(schema(name)):
        if "pattern" in rule:
            pattern = rule["pattern"]
            assert not re.search(r"\\[dwbAZ]|\(\?P|\(\?<|\(\?[a-z]", pattern), path
            assert pattern.startswith("^"), path
            assert pattern.endswith("$(?!\\n)"), path  # `$` alone lets a newline pass
            for example in rule.get("examples", ()):
                assert re.search(pattern, example)
                assert not re.search(pattern, example + "\n"), path


@pytest.mark.parametrize("name", NAMES)
def test_references_stay_in_the_file(name: str) -> None:
    """An editor must not have to fetch anything."""
    text = json.dumps(schema(name))
    for reference in re.findall(r'"\$ref": "([^"]+)"', text):
        node: Any = schema(name)
        assert reference.startswith("#/")
        for part in reference[2:].split("/"):
            node = node[part]
        assert isinstance(node, dict)


def test_what_schemas_share_is_the_same() -> None:
    shared: dict[str, set[str]] = {}
    for kind in KINDS:
        for name, rule in schema(kind)["$defs"].items():
            shared.setdefault(name, set()).add(json.dumps(rule, sort_keys=True))
    assert {name for name, variants in shared.items() if len(variants) > 1} == set()


def test_names_and_references_have_one_form() -> None:
    definitions = schema("Campaign")["$defs"]
    assert definitions["reference"]["pattern"] == definitions["name"]["pattern"]


@pytest.mark.parametrize("name", ["resource", "overlay"])
def test_the_union_is_made_of_its_kinds(name: str, request: pytest.FixtureRequest) -> None:
    """`pytest tests/schemas --update-golden` writes it anew."""
    path = schema_directory() / f"{name}.json"
    made = json.dumps(union() if name == "resource" else overlay(), indent=2, ensure_ascii=False) + "\n"
    if request.config.getoption("--update-golden"):
        path.write_text(made, "utf-8")
    assert path.read_text("utf-8") == made


@pytest.mark.parametrize("name", MADE)
def test_what_we_write_has_the_schema_of_its_types(name: str, request: pytest.FixtureRequest) -> None:
    """`make schemas` writes it anew."""
    path, made = schema_directory() / f"{name}.json", text_of(MADE[name]())
    if request.config.getoption("--update-golden"):
        path.write_text(made, "utf-8")
    assert path.read_text("utf-8") == made


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("kind: Campaign\nspec: {description: x}", True),
        ("kind: Campaign", True),
        (
            "kind: Campaign\nspec: {approve: null, settings: {a: null}, distributionList: {distributionListId: null}}",
            True,
        ),
        ("kind: Campaign\nspec: {desiredStatus: null, packageOverrides: null, gatewayLists: null}", True),
        ("kind: GatewayList\nspec: {file: null, things: {gw-1: null}}", True),
        ("kind: Schedule\nspec: {download: {begin: '2027-01-01T00:00:00Z'}}", True),
        ("kind: Schedule\noverlay: new\nspec: {}", True),
        ("kind: Schedule\noverlay: no\nspec: {}", False),
        ("kind: Campaign\nspec: {descripton: x}", False),
        ("kind: Campaign\nspec: {approve: 1}", False),
        ("kind: Campaign\nspec: {settings: {a: {fromEnv: null}}}", False),
        ("kind: PackageSet\nspec: {packages: [{}]}", False),
        ("kind: Pod", False),
    ],
)
def test_an_overlay_has_some_of_the_fields(text: str, fits: bool) -> None:
    document = {"apiVersion": "reconciler/v1", "metadata": {"name": "x"}, **yaml.safe_load(text)}
    validator = Draft202012Validator(dict(schema("overlay")))
    assert validator.is_valid(document) is fits
    assert not validator.is_valid({**document, "metadata": {}})


@pytest.mark.parametrize("kind", [kind.value for kind in Kind])
def test_the_union_tells_kinds_apart(kind: str) -> None:
    validator = Draft202012Validator(dict(schema("resource")))
    (example,) = schema(kind)["examples"]
    assert validator.is_valid(example)
    assert not validator.is_valid({**example, "kind": "Pod"})
    assert not validator.is_valid({**example, "spec": {"zzz": 1}})


PLAN: dict[str, Any] = {
    "formatVersion": 1,
    "server": {"provider": "pulse", "url": "https://pulse.example.com", "organization": None},
    "summary": {"steps": 1, "changes": 1, "campaigns": {"started": 1}, "gatewaysGained": 2, "byOperation": {"add-gateways": 1}},
    "steps": [
        {
            "id": "add", "operation": "add-gateways", "method": "POST", "path": "/api/campaigns/1/devices", "resource": "Campaign/x",
            "needs": [], "reason": "joins", "destructive": False, "permission": None, "gateways": ["a", "b"],
        }
    ],
    "changes": [{"resource": "Campaign/x", "field": "gateways", "before": None, "after": None, "reason": "joins"}],
    "impact": {"requests": 1},
    "findings": [
        {
            "code": "plain-secret", "severity": "warning", "message": "x", "hint": None, "resource": "Campaign/x", "file": "a.yaml",
            "line": 1, "column": 1,
        }
    ],
}  # fmt: skip


def test_a_plan_keeps_to_its_schema() -> None:
    validator = Draft202012Validator(dict(schema("plan")))
    validator.validate(PLAN)
    validator.validate({**PLAN, "outcomes": [{"step": "add", "status": "done"}]})


@pytest.mark.parametrize(
    "change",
    [
        {"formatVersion": 2},
        {"server": {"provider": "pulse", "url": "x"}},
        {"steps": [{**PLAN["steps"][0], "destructive": "no"}]},
        {"steps": [{"id": "x"}]},
        {"changes": [{"resource": "nothing", "field": "", "before": 1, "after": 1, "reason": ""}]},
        {"findings": [{**PLAN["findings"][0], "severity": "bad"}]},
        {"findings": [{**PLAN["findings"][0], "extra": 1}]},
        {"findings": [{**PLAN["findings"][0], "code": "Not Kebab"}]},
        {"findings": [{**PLAN["findings"][0], "line": 0}]},
        {"summary": {}},
    ],
)
def test_what_is_no_plan(change: dict[str, Any]) -> None:
    assert not Draft202012Validator(dict(schema("plan"))).is_valid({**PLAN, **change})


def test_an_unknown_schema_is_said_so() -> None:
    for name in ("Pod", "../pyproject", "", "."):
        with pytest.raises(ReconcilerError, match="there is no schema") as caught:
            schema(name)
        assert "Campaign" in (caught.value.hint or "")


@pytest.mark.parametrize("layout", ["wheel", "checkout"])
def test_found_in_either_layout(layout: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "reconciler"
    folder = package / "schemas" if layout == "wheel" else tmp_path / "schemas"
    folder.mkdir(parents=True)
    (folder / "Project.json").write_text("{}", "utf-8")
    monkeypatch.setattr(schemas, "__file__", str(package / "validation" / "schemas.py"))
    assert schema_directory() == folder
    assert schema("Project") == {}


def test_a_missing_folder_is_one_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "schemas").mkdir()  # somebody else's
    monkeypatch.setattr(schemas, "__file__", str(tmp_path / "reconciler" / "validation" / "schemas.py"))
    with pytest.raises(ReconcilerError, match="Schemas of this installation are missing") as caught:
        schema_directory()
    assert caught.value.hint == "install the package again"
