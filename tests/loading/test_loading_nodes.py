"""Places of nodes."""

from pathlib import Path

import pytest

from reconciler.loading import Document, MarkedList, MarkedMap, load_text

TEXT = """\
# a comment
metadata:
  name: x
spec:
  gateways:
    - gw-1
    - {id: gw-2, n: [1, 2]}
  empty:
"""


@pytest.mark.parametrize(
    ("path", "value", "key"),
    [
        ((), (2, 1), (2, 1)),
        (("metadata",), (3, 3), (2, 1)),
        (("metadata", "name"), (3, 9), (3, 3)),
        (("spec", "gateways"), (6, 5), (5, 3)),
        (("spec", "gateways", 0), (6, 7), (6, 7)),
        (("spec", "gateways", 1), (7, 7), (7, 7)),
        (("spec", "gateways", 1, "n", 1), (7, 25), (7, 25)),
        (("spec", "gateways", 1, "n"), (7, 21), (7, 18)),
        (("spec", "empty"), (8, 9), (8, 3)),
        # what doesn't exist is where the deepest node is that does
        (("nothing",), (2, 1), (2, 1)),
        (("metadata", "other"), (3, 3), (3, 3)),
        (("metadata", 0), (3, 3), (3, 3)),
        (("metadata", "name", "x"), (3, 9), (3, 9)),
        (("spec", "gateways", 2), (6, 5), (6, 5)),
        (("spec", "gateways", -1), (6, 5), (6, 5)),
        (("spec", "gateways", "0"), (6, 5), (6, 5)),
    ],
)
def test_places(path: tuple[str | int, ...], value: tuple[int, int], key: tuple[int, int]) -> None:
    (document,) = load_text(TEXT, "a.yaml", Path("/a.yaml")).documents
    for place, expected in ((document.place(path), value), (document.place(path, key=True), key)):
        assert (place.file, place.line, place.column) == ("a.yaml", *expected)


def test_a_document_made_of_plain_values_has_one_place() -> None:
    document = Document("a.yaml", Path("/a.yaml"), {"a": {"b": [1]}})
    assert str(document.place(["a", "b", 0], key=True)) == "a.yaml:1:1"


def test_marks_are_packed() -> None:
    """A list of many ids must not carry an object an id."""
    (document,) = load_text("a: [" + "x, " * 1000 + "]", "a.yaml", Path("/a.yaml")).documents
    items = document.value["a"]
    assert isinstance(document.value, MarkedMap)
    assert isinstance(items, MarkedList)
    assert len(items) == 1000
    assert items.marks.itemsize * len(items.marks) == 8 * 1000
    assert document.place(["a", 999]).column == 5 + 3 * 999


def test_columns_beyond_any_small_integer() -> None:
    (document,) = load_text("a: [" + "x," * 100_000 + "y]", "a.yaml", Path("/a.yaml")).documents
    assert document.place(["a", 100_000]).column == 200_005
