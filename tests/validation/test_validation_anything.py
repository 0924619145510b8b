"""Whatever stands in a file: loading and validation make findings and raise nothing."""
# ruff: noqa: E501 - a table keeps its rows

import sys
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.findings import CODES
from reconciler.loading import load_text
from reconciler.model import Kind
from reconciler.validation import validate, validate_project
from reconciler.validation.schemas import PROJECT, schema

EXAMPLES = [
    yaml.safe_dump_all([example], sort_keys=False, default_flow_style=flow).encode()
    for kind in (*Kind, PROJECT)
    for example in schema(kind)["examples"]
    for flow in (False, True)
]
SNIPPETS = [
    b"*x", b"&x ", b"<<: ", b"!!str ", b"!x ", b"? ", b": ", b"- ", b"\t", b"[", b"]", b"{", b"}", b"'", b'"', b"|\n", b">-\n", b"#", b"---\n",
    b"...\n", b"%YAML 1.1\n", b"\x00", b"\xff", b"\xef\xbb\xbf", b"\xc2\x85", b"\xe2\x80\xa8", b"\r", b"\n", b" ", b"~", b"yes", b"010", b"1.10",
    b"2024-01-01", b"12:30:45", b"things", b"spec: ", b"kind: ", b"name: ", b"'':", b"\\", b'"\\ud800"', b'"\\U00110000"', b"9" * 400, b"[[[[" * 30,
]  # fmt: skip


def check(data: bytes | str) -> None:
    loaded = load_text(data, "a.yaml", Path("/project/a.yaml"))
    findings = [*loaded.findings, *validate(loaded.documents, unread=loaded.unread).findings]
    for document in loaded.documents:
        findings += validate_project(document).findings
    for finding in findings:
        assert finding.code in CODES
        assert finding.message
        assert finding.message.encode()
        assert finding.place is not None
        assert finding.place.line >= 1
        assert finding.place.column >= 1
    assert loaded.documents or loaded.findings


@pytest.fixture(params=["libyaml", "python"], autouse=True, scope="module")
def parser(request: pytest.FixtureRequest) -> object:
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "python":
            patch.setitem(sys.modules, "yaml._yaml", None)
        yield request.param


@given(st.binary(max_size=200))
@settings(max_examples=200)
def test_any_bytes(data: bytes) -> None:
    check(data)


@given(st.text(max_size=200))
@settings(max_examples=200)
def test_any_text(data: str) -> None:
    check(data)


@given(st.lists(st.sampled_from(SNIPPETS), max_size=20))
@settings(max_examples=200)
def test_anything_that_means_something_in_yaml(parts: list[bytes]) -> None:
    check(b"".join(parts))


@given(st.data())
@settings(max_examples=250)
def test_valid_resources_with_a_few_mutations(data: st.DataObject) -> None:
    made = bytearray(data.draw(st.sampled_from(EXAMPLES)))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(made)))
        length = data.draw(st.integers(0, 8))
        made[at : at + length] = data.draw(st.sampled_from(SNIPPETS) | st.binary(max_size=3))
    check(bytes(made))


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_examples_themselves_are_sound(example: bytes) -> None:
    (document,) = load_text(example, "a.yaml", Path("/project/a.yaml")).documents
    if document.value["kind"] == PROJECT:
        assert validate_project(document).findings == ()
    else:
        assert {finding.code for finding in validate([document]).findings} <= {"dangling-reference"}
