"""Where two values differ."""

import pytest

from reconciler.diff.detail import differences


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        (1, 2, [("f", 1, 2)]),
        ("a", None, [("f", "a", None)]),
        (None, {"a": 1}, [("f", None, {"a": 1})]),
        ({}, {}, []),
        ({"a": 1}, {"a": 1}, []),
        ({"b": 1, "a": 1}, {"a": 2, "c": 3}, [("f.a", 1, 2), ("f.b", 1, None), ("f.c", None, 3)]),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": 3}}, [("f.a.c", 2, 3)]),
        ({"a": None}, {}, [("f.a", None, None)]),
        ({"a": 1}, {"a": [1]}, [("f.a", 1, [1])]),
        (["a", "b"], ["a"], [("f", ["a", "b"], ["a"])]),
        ({"a": {"secret": "from x"}}, {"a": "y"}, [("f.a", {"secret": "from x"}, "y")]),
        (
            {"a": {"secret": "from x"}},
            {"a": {"secret": "from y"}},
            [("f.a", {"secret": "from x"}, {"secret": "from y"})],
        ),
        ({"a": 1}, {"secret": "from y"}, [("f", {"a": 1}, {"secret": "from y"})]),
    ],
)
def test_differences(before: object, after: object, found: list[tuple[str, object, object]]) -> None:
    assert list(differences("f", before, after)) == found
