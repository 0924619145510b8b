"""What is written as YAML is read back by our own loader as it was."""

import string
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from yaml import CSafeLoader
from yaml import load as load_yaml

from reconciler.export.yamltext import Comment, Noted, comment, writable, yaml_lines
from reconciler.loading import load_text

TRAPS = [
    "yes", "NO", "on", "y", "null", "~", "", " ", "true", "False", "1.10", "1e3", "010", "0x1F", "0b1",
    "0o7", "1_000", "12:30:45", "2024-01-01", "2024-01-01T00:00:00Z", ".inf", "-.INF", ".nan", "=", "<<",
    "-", "--", "---", "...", "- a", "? a", ": a", "a: b", "a:", "a #b", "#", "# a", "a#b", "*a", "&a",
    "!a", "!!str a", "%a", "@a", "`a", "|", ">", "|-", "[a]", "{a: b}", ",a", "'a'", "\"a\"", "\\",
    "\\\"", "a\tb", "a ", " a", "a  b", "a\nb", "a\n", "\na", "a\n\nb\n", "a\n\n", " a\nb", "a \nb",
    "a\r\nb", "\n", "a\n  b\n c", "a\n#b", "a\n---\nb", "a\n...\n", "a\n: b", "\u0000", "\u0007",
    "\u001b[0m", "\u007f", "\u0085", "\u00a0", "a\u00adb", "\u2028", "\u2029", "\ufeff", "\ufffe",
    "\uffff", "\ue000", "\U0001f642", "\U0010ffff", "\u00e9", "e\u0301", "Gr\u00f6\u00dfe", "\u0663",
    "\uff11\uff12", "1" * 30, "+1", "-1", "1.", ".5", "0", "00",
    "a" * 90,
    "a b " * 30 + "c",
    "tab\t\nnext", "x\n\ty", "(a)", "/a", "a/b", "a@b", "a, b", "a;b", "a'b", "a=b", "a+b", "a?b", "a!b",
    "a&b", "a|b", "a<b", "a[b", "a{b",
]  # fmt: skip

texts = st.sampled_from(TRAPS) | st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
texts |= st.text(string.printable, max_size=20) | st.text("ab\n #:-'\"", max_size=12)
words = st.text(string.ascii_letters, min_size=1, max_size=8)
keys = words | texts.filter(bool)
"""A key fits into a line of 1,024; those of resources are words."""
scalars = texts | st.integers(-(10**17), 10**17) | st.booleans()
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=12,
)
documents = st.dictionaries(keys, values, min_size=1, max_size=5)


def loaded(lines: list[str]) -> Any:
    read = load_text("".join(f"{line}\n" for line in lines), "x.yaml", Path("x.yaml"))
    assert not read.findings, (read.findings, lines)
    (document,) = read.documents
    return document.value


def plain(value: Any) -> Any:
    """Without what remembers places; the types stay to be compared."""
    if isinstance(value, dict):
        return {plain(key): plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return (type(value), value)


@pytest.mark.parametrize(
    "document",
    [
        {"a": dict.fromkeys(filter(None, TRAPS), "x")},
        {"a": TRAPS},
        {"a": [{"b": {}}, [], [[], {}], [["x\ny"]], {"c": ["x\ny\n", {"d": "p\nq"}]}]},
    ],
    ids=["keys", "texts", "nested"],
)
def test_our_loader_reads_these_back(document: dict[str, Any]) -> None:
    assert plain(loaded(list(yaml_lines(document)))) == plain(document)


@given(documents)
def test_our_loader_reads_it_back(document: dict[str, Any]) -> None:
    assert plain(loaded(list(yaml_lines(document)))) == plain(document)


@given(documents)
@example({"a": TRAPS})
def test_so_does_a_reader_of_yaml_1_1(document: dict[str, Any]) -> None:
    """The readers of editors and other tools: they must not take `yes` for something else."""
    text = "".join(f"{line}\n" for line in yaml_lines(document))
    if any(odd in text for odd in ("\ufffe", "\uffff")):  # only escaped, and PyYAML knows no such escape
        return
    assert load_yaml(text, CSafeLoader) == document


@given(documents, st.lists(texts, min_size=1, max_size=3))
@example({"a": "b"}, ["x\ny: z", "\u2028a: b", "#", "", "a" * 3_000])
def test_comments_are_only_comments(document: dict[str, Any], comments: list[str]) -> None:
    noted: dict[Any, Any] = {Comment(text): "" for text in comments}
    noted |= document
    noted["last"] = {Comment(text): "" for text in comments} | {
        "list": [{"id": Noted("12", comments[0])}, Noted("b", comments[-1])],
        "bare": {Comment(comments[0]): ""},
    }
    wanted = document | {"last": {"list": [{"id": "12"}, "b"], "bare": {}}}
    assert plain(loaded([*comment(comments[0]), *yaml_lines(noted)])) == plain(wanted)


def test_tidy() -> None:
    """As a person would write it."""
    document: dict[str, Any] = {
        "name": "Line 3, Frühling (2)",
        "version": "1.10",
        "text": "first\n\n  second: yes\n",
        "open": "a\nb",
        "many": 3,
        "sure": True,
        Comment("a word about " + "what follows " * 8): "",
        "none": [],
        "items": [{"id": Noted("8c7f", "firmware"), "of": ["x", "yes"]}, {"a": {}}],
    }
    assert (
        "\n".join(yaml_lines(document))
        == """\
name: Line 3, Frühling (2)
version: "1.10"
text: |
  first

    second: yes
open: |-
  a
  b
many: 3
sure: true
# a word about what follows what follows what follows what follows what follows what follows what
# follows what follows
none: []
items:
  - id: 8c7f # firmware
    of:
      - x
      - "yes"
  - a: {}"""
    )


@pytest.mark.parametrize(
    ("text", "can"), [("\ud800", False), ("a\udfffb", False), ("\U0001f642", True), ("", True)]
)
def test_half_of_a_character_can_not_be_written(text: str, can: bool) -> None:
    assert writable(text) is can


def test_a_megabyte() -> None:
    """In one line, and in many."""
    for text in ("ä: # " * 200_000, "a line: of text #\n" * 60_000):
        assert loaded(list(yaml_lines({"description": text})))["description"] == text
