"""The merge of one document over another: what becomes of values, and where they stand."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.loading import Document, Loaded, load_text
from reconciler.model import Place
from reconciler.overlays import overlaid
from reconciler.overlays.merge import lay

HEAD = "apiVersion: reconciler/v1\nkind: Campaign\nmetadata: {name: x}\n"


def document(text: str, file: str = "base.yaml", head: str = HEAD) -> Document:
    """The one document of `text`; what follows the head begins in line 4."""
    loaded = load_text(head + text, file, Path("/project") / file)
    assert loaded.findings == ()
    (only,) = loaded.documents
    return only


def laid(*texts: str) -> Document:
    """Specs over each other, in files that are called 0, 1, 2."""
    first, *others = (document(f"spec: {text}", str(index)) for index, text in enumerate(texts))
    for other in others:
        first = lay(first, other)
    return first


RULES = [
    ("{a: 1}", "{}", {"a": 1}),
    ("{a: 1}", "{b: 2}", {"a": 1, "b": 2}),
    ("{a: 1, b: 2}", "{a: 3}", {"a": 3, "b": 2}),
    ("{a: {b: 1, c: 2}}", "{a: {c: 3, d: 4}}", {"a": {"b": 1, "c": 3, "d": 4}}),
    ("{a: {b: {c: 1, d: 2}}}", "{a: {b: {c: 5}}}", {"a": {"b": {"c": 5, "d": 2}}}),
    ("{a: [1, 2]}", "{a: [3]}", {"a": [3]}),
    ("{a: [1, 2]}", "{a: []}", {"a": []}),
    ("{a: {b: 1}}", "{a: {}}", {"a": {"b": 1}}),
    ("{a: {b: 1}}", "{a: 5}", {"a": 5}),
    ("{a: {b: 1}}", "{a: [1]}", {"a": [1]}),
    ("{a: 5}", "{a: {b: 1}}", {"a": {"b": 1}}),
    ("{a: 1, b: 2}", "{a: null}", {"b": 2}),
    ("{a: 1, b: 2}", "{a: }", {"b": 2}),
    ("{a: {b: 1, c: 2}}", "{a: {b: ~}}", {"a": {"c": 2}}),
    ("{a: {b: 1}}", "{a: {b: ~}}", {"a": {}}),
    # Nothing to unset: it stays, and validation refuses it.
    ("{}", "{a: ~}", {"a": None}),
    ("{}", "{a: {b: ~}}", {"a": {"b": None}}),
    ("{a: [1]}", "{a: [~]}", {"a": [None]}),
    # A setting is one value.
    ("{settings: {k: {fromEnv: A}, l: '1'}}", "{settings: {k: {fromFile: f}}}",
     {"settings": {"k": {"fromFile": "f"}, "l": "1"}}),
    ("{settings: {k: {fromEnv: A}}}", "{settings: {k: plain}}", {"settings": {"k": "plain"}}),
    ("{settings: {k: {fromEnv: A}}}", "{settings: {k: ~}}", {"settings": {}}),
    ("{other: {k: {fromEnv: A}}}", "{other: {k: {fromFile: f}}}",
     {"other": {"k": {"fromEnv": "A", "fromFile": "f"}}}),
]  # fmt: skip


@pytest.mark.parametrize(("below", "over", "expected"), RULES)
def test_rules(below: str, over: str, expected: dict[str, Any]) -> None:
    base = document(f"spec: {below}")
    before = repr(base.value)
    assert lay(base, document(f"spec: {over}")).value["spec"] == expected
    assert repr(base.value) == before


def test_unset_twice_is_unset_and_set_after_unset_is_set() -> None:
    assert laid("{a: 1}", "{a: ~}", "{a: ~}").value["spec"] == {}
    assert laid("{a: 1}", "{a: ~}", "{a: 2}").value["spec"] == {"a": 2}
    assert laid("{a: {b: 1}}", "{a: ~}", "{a: {c: 2}}").value["spec"] == {"a": {"c": 2}}


def test_what_says_which_resource_is_meant_is_not_changed() -> None:
    over = document(
        "spec: {a: 1}\n",
        "over.yaml",
        "overlay: no\nkind: Campaign\n\n\nmetadata: {name: x, labels: {a: b}}\n",
    )
    made = lay(document("spec: {}"), over)
    assert "overlay" not in made.value
    assert made.value["metadata"] == {"name": "x", "labels": {"a": "b"}}
    assert made.place(["kind"]) == Place("base.yaml", 2, 7)
    assert made.place(["metadata", "name"]) == Place("base.yaml", 3, 18)
    assert made.place(["metadata", "labels", "a"]).file == "over.yaml"
    assert made.place(["apiVersion"]) == Place("base.yaml", 1, 13)


def test_another_version_of_the_format_is_for_validation_to_refuse() -> None:
    made = lay(document("spec: {}"), document("", "over.yaml", HEAD.replace("/v1", "/v2")))
    assert made.value["apiVersion"] == "reconciler/v2"
    assert made.place(["apiVersion"]).file == "over.yaml"


def test_every_value_keeps_its_place() -> None:
    base = document("spec:\n  a: 1\n  b:\n    c: [x, y]\n    d: 2\n")
    over = document("spec:\n  e: {f: 1}\n  b:\n    c:\n    - z\n    g: 3\n", "over.yaml")
    made = lay(base, over)
    assert made.place() == Place("base.yaml", 1, 1)
    assert made.place(["spec", "a"]) == Place("base.yaml", 5, 6)
    assert made.place(["spec", "b"]) == Place("base.yaml", 7, 5)
    assert made.place(["spec", "b"], key=True) == Place("base.yaml", 6, 3)
    assert made.place(["spec", "b", "c"]) == Place("over.yaml", 8, 5)
    assert made.place(["spec", "b", "c", 0]) == Place("over.yaml", 8, 7)
    assert made.place(["spec", "b", "d"]) == Place("base.yaml", 8, 8)
    assert made.place(["spec", "b", "g"], key=True) == Place("over.yaml", 9, 5)
    assert made.place(["spec", "e", "f"]) == Place("over.yaml", 5, 10)
    assert made.place(["spec", "nothing"]) == Place("base.yaml", 5, 3)
    assert made.giver(["spec", "b", "c", 0]).path == Path("/project/over.yaml")
    assert made.giver(["spec", "b"]).path == Path("/project/base.yaml")


def test_what_was_unset_stands_where_that_is_said() -> None:
    made = lay(document("spec:\n  a: {b: 1}\n"), document("spec:\n  a:\n    b: ~\n", "over.yaml"))
    assert made.place(["spec", "a", "b"]) == Place("over.yaml", 6, 5)
    assert made.place(["spec", "a", "b", "c"]) == Place("over.yaml", 6, 5)


def test_three_layers_keep_their_places() -> None:
    made = laid("{a: {b: 1, c: 1}, d: 1}", "{a: {b: 2}, e: {f: 2, g: 2}}", "{e: {f: 3}, a: {c: 3}}")
    assert made.value["spec"] == {"a": {"b": 2, "c": 3}, "d": 1, "e": {"f": 3, "g": 2}}
    where = {path: made.place(["spec", *path]).file for path in ["ab", "ac", "d", "ef", "eg", "e"]}
    assert where == {"ab": "1", "ac": "2", "d": "0", "ef": "2", "eg": "1", "e": "1"}


# --- properties ----------------------------------------------------------------------------------

KEYS = st.sampled_from("abcd")
LEAVES: st.SearchStrategy[Any] = st.integers(0, 9) | st.lists(st.integers(0, 9), max_size=3)
TREES = st.dictionaries(
    KEYS,
    st.recursive(LEAVES, lambda inner: st.dictionaries(KEYS, inner, max_size=4), max_leaves=8),
    max_size=4,
)


def shaped(depth: int) -> st.SearchStrategy[dict[str, Any]]:
    """Trees of one shape: a name is always a mapping, or never."""
    inner = shaped(depth - 1) if depth else LEAVES
    return st.fixed_dictionaries({}, optional={"a": LEAVES, "b": LEAVES, "c": inner, "d": inner})


def spec(tree: dict[str, Any], file: str = "base.yaml") -> Document:
    import json

    return document(f"spec: {json.dumps(tree)}", file)


def leaves(tree: Any, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    """Values by their paths; an empty mapping says nothing."""
    if isinstance(tree, dict):
        return {at: leaf for key, value in tree.items() for at, leaf in leaves(value, (*path, key)).items()}
    return {path: tree}


@given(TREES)
def test_nothing_laid_over_changes_nothing(tree: dict[str, Any]) -> None:
    base = spec(tree)
    assert lay(base, spec({}, "over.yaml")).value == base.value
    assert lay(base, spec(tree, "over.yaml")).value == base.value


@given(TREES, TREES)
def test_laying_it_twice_is_laying_it_once(below: dict[str, Any], over: dict[str, Any]) -> None:
    once = lay(spec(below), spec(over, "over.yaml"))
    assert lay(once, spec(over, "over.yaml")).value == once.value


@given(shaped(2), shaped(2), shaped(2))
def test_layers_of_one_shape_are_associative(
    below: dict[str, Any], middle: dict[str, Any], over: dict[str, Any]
) -> None:
    first = lay(lay(spec(below, "0"), spec(middle, "1")), spec(over, "2"))
    second = lay(spec(below, "0"), lay(spec(middle, "1"), spec(over, "2")))
    assert first.value == second.value
    for path in leaves(first.value["spec"]):
        assert first.place(("spec", *path)).file == second.place(("spec", *path)).file


@given(TREES, TREES)
def test_a_value_stands_in_the_last_layer_that_says_it(below: dict[str, Any], over: dict[str, Any]) -> None:
    made = lay(spec(below, "0"), spec(over, "1"))
    said = leaves(over)
    for path, value in leaves(made.value["spec"]).items():
        file = made.place(("spec", *path)).file
        assert (file == "1") == (path in said), path
        assert value == (said[path] if file == "1" else leaves(below)[path])


@given(TREES)
def test_without_layers_it_is_the_same_object(tree: dict[str, Any]) -> None:
    read = Loaded((spec(tree),))
    assert overlaid(read, ()) is read
