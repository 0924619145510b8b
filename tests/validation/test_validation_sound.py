"""What is left of documents with errors, and where it has gaps."""
# ruff: noqa: E501 - a table keeps its rows

from pathlib import Path
from typing import Any

import pytest

from reconciler.loading import Document, MarkedList, MarkedMap, load_text
from reconciler.loading.nodes import unsure
from reconciler.validation import validate
from reconciler.validation.sound import MOST_GUESSES

LIST = True
"""A gap in a list."""


def sound(kind: str, spec: str) -> Document:
    head = f"apiVersion: reconciler/v1\nkind: {kind}\nmetadata: {{name: x}}\nspec:\n  "
    (document,) = load_text(head + spec, "a.yaml", Path("/project/a.yaml")).documents
    (left,) = validate([document]).documents
    return left


def gaps(value: object, path: str = "") -> dict[str, Any]:
    """Where something is missing: path → the gaps of a mapping, `LIST` of a list."""
    found: dict[str, Any] = {}
    if isinstance(value, MarkedMap):
        found |= {path: set(value.gaps)} if value.gaps else {}
        for name, item in value.items():
            found |= gaps(item, f"{path}.{name}")
    elif isinstance(value, MarkedList):
        found |= {path: LIST} if value.gap else {}
        for index, item in enumerate(value):
            found |= gaps(item, f"{path}[{index}]")
    return found


LEFT = [
    # kind, spec, what is left of it, its gaps
    ("GatewayList", "{gateways: [a, a, b]}", {"gateways": ["a", "b"]}, {}),
    ("GatewayList", "{gateways: [a, 5, .., b]}", {"gateways": ["a", "b"]}, {".gateways": LIST}),
    ("GatewayList", "{gateways: a, file: x.txt}", {"file": "x.txt"}, {"": {"gateways"}}),
    ("GatewayList", "{gatways: [a], file: x.txt}", {"file": "x.txt"}, {"": {"gateways"}}),
    ("GatewayList", "{zzzzzzzz: [a], file: x.txt}", {"file": "x.txt"}, {"": {None}}),
    ("GatewayList", "{things: {a: [x, 5], ' b': [], c: 5, d: [t]}}", {"things": {"a": ["x"], "d": ["t"]}},
        {"": {"gateways", "file"}, ".things": {" b", "c"}, ".things.a": LIST}),
    ("GatewayList", "{file: x.txt, things: {a: [x, x]}}", {"file": "x.txt", "things": {"a": ["x"]}}, {}),
    ("PackageSet", "{packages: [{file: a}, {flie: b}, x, {file: c, sha256: 5}]}",
        {"packages": [{"file": "a"}, {}, {"file": "c"}]},
        {".packages": LIST, ".packages[1]": {"id", "name", "file"}, ".packages[2]": {"sha256"}}),
    ("PackageSet", "{packages: [{id: a, file: b, description: c, upload: x}]}", {"packages": [{"description": "c"}]},
        {".packages[0]": {"id", "name", "file", "upload"}}),
    ("PackageSet", "{packages: [{description: c, file: *x}, {description: c, zzzzzzzz: *x}]}",
        {"packages": [{"description": "c"}, {"description": "c"}]},
        {".packages[0]": {"file"}, ".packages[1]": {"zzzzzzzz"}}),
    ("PackageSet", "{packages: [{name: a, upload: auto}]}", {"packages": [{"name": "a"}]}, {".packages[0]": {None}}),
    ("PackageSet", "{packages: [{file: *x, upload: auto, nmae: b}]}", {"packages": [{"upload": "auto"}]},
        {".packages[0]": {"file", "name"}}),
    ("PackageSet", "{}", {}, {"": {"packages"}}),
    ("Schedule", "{donwload: {begin: a, end: b}, execution: {begin: c}}", {"execution": {"begin": "c"}},
        {"": {"download"}, ".execution": {"end"}}),
    ("Schedule", "{download: {begin: 2030-01-01T00:00Z, end: 5}}", {"download": {"begin": "2030-01-01T00:00Z"}}, {".download": {"end"}}),
    ("Campaign", "{naem: x, approve: yes, settings: {a: b, c: 5, d: {fromFile: e}, f: {fromEnv: g h}, i: {}}}",
        {"settings": {"a": "b", "d": {"fromFile": "e"}, "f": {}, "i": {}}},
        {"": {"name", "approve"}, ".settings": {"c"}, ".settings.f": {"fromEnv"}, ".settings.i": {"fromEnv", "fromFile"}}),
    ("Campaign", "{packageOverrides: [{gateways: [a], packageSet: 5}, {packageSet: p}, {gateways: [b], gatewayLists: [c], packageSet: q}]}",
        {"packageOverrides": [{"gateways": ["a"]}, {"packageSet": "p"}, {"packageSet": "q"}]},
        {".packageOverrides[0]": {"packageSet"}, ".packageOverrides[1]": {"gateways", "gatewayLists"},
         ".packageOverrides[2]": {"gateways", "gatewayLists"}}),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "spec", "left", "expected"), LEFT)
def test_what_is_left(kind: str, spec: str, left: Any, expected: dict[str, Any]) -> None:
    value: Any = sound(kind, spec).value
    assert value["spec"] == left
    assert gaps(value["spec"]) == expected
    for path, lost in expected.items():
        if not path:
            assert all(unsure(value["spec"], str(name)) for name in lost)


def test_what_is_left_stands_where_it_stood() -> None:
    document = sound("PackageSet", "{packages: [x, {file: a, nmae: c, upload: auto}, {id: d}]}")
    assert str(document.place(["spec", "packages", 0, "upload"])) == "a.yaml:5:45"
    assert str(document.place(["spec", "packages", 0], key=True)) == "a.yaml:5:18"
    assert str(document.place(["spec", "packages", 1, "id"])) == "a.yaml:5:57"


@pytest.mark.parametrize(
    "head", ["kind: Schedule\nspec: []", "kind: Schedule", "kind: Schedule\nkind: Campaign"]
)
def test_documents_without_a_spec(head: str) -> None:
    (document,) = load_text(f"metadata: {{name: x}}\n{head}\n", "a.yaml", Path("/a.yaml")).documents
    left = validate([document]).documents
    assert all("spec" not in document.value for document in left)
    assert len(left) == (0 if "Campaign" in head else 1), "what has no kind can't be resolved"


def test_what_a_thousand_unknown_fields_were_meant_to_be_is_not_guessed() -> None:
    value: Any = sound("Campaign", "{" + ", ".join(f"name{index}: x" for index in range(1000)) + "}").value
    assert value["spec"].gaps == {"name", None}
    value = sound("Campaign", "{" + ", ".join(f"name{index}: x" for index in range(MOST_GUESSES)) + "}").value
    assert value["spec"].gaps == {"name"}
