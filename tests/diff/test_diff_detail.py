"""Where two values differ: mappings key by key, everything else as one value."""

from types import MappingProxyType
from typing import Any

import pytest

from reconciler.diff.detail import differences


@pytest.mark.parametrize(
    ("before", "after", "rows"),
    [
        pytest.param("a", "b", [("f", "a", "b")], id="two values"),
        pytest.param(None, {"a": 1}, [("f", None, {"a": 1})], id="nothing before"),
        pytest.param({"a": 1}, None, [("f", {"a": 1}, None)], id="nothing after"),
        pytest.param({"a": 1, "b": 2}, {"a": 1, "b": 3}, [("f.b", 2, 3)], id="a key has another value"),
        pytest.param({"b": 1, "a": 1}, {"b": 2, "a": 2}, [("f.a", 1, 2), ("f.b", 1, 2)], id="sorted"),
        pytest.param({"a": 1}, {}, [("f.a", 1, None)], id="a key is gone"),
        pytest.param({}, {"a": None}, [("f.a", None, None)], id="a key with nothing comes"),
        pytest.param({"a": {"b": 1}}, {"a": {"b": 2}}, [("f.a.b", 1, 2)], id="deeper"),
        pytest.param({"a": [1, 2]}, {"a": [1, 3]}, [("f.a", [1, 2], [1, 3])], id="a list is one value"),
        pytest.param({"a": [1]}, {"a": [1]}, [], id="the same list"),
        pytest.param({"a": 1}, {"a": True}, [("f.a", 1, True)], id="a number is no boolean"),
        pytest.param({"a": 1}, {"a": "1"}, [("f.a", 1, "1")], id="a number isn't text"),
        pytest.param({"a": "x"}, {"a": {"b": 1}}, [("f.a", "x", {"b": 1})], id="a text becomes a mapping"),
        pytest.param(
            {"a": {"secret": "x"}},
            {"a": {"secret": "y"}},
            [("f.a", {"secret": "x"}, {"secret": "y"})],
            id="a secret is one value",
        ),
        pytest.param(
            {"secret": "x"}, {"secret": "y"}, [("f", {"secret": "x"}, {"secret": "y"})], id="a secret"
        ),
        pytest.param(MappingProxyType({"a": 1}), {"a": 2}, [("f.a", 1, 2)], id="another kind of mapping"),
        pytest.param({"a.b": 1}, {"a.b": 2}, [("f.a.b", 1, 2)], id="a key with a dot"),
    ],
)
def test_what_differs(before: Any, after: Any, rows: list[tuple[str, Any, Any]]) -> None:
    assert list(differences("f", before, after)) == rows
