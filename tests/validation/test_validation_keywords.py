"""The quick test and jsonschema with our keywords must always agree, on documents made by chance."""
# ruff: noqa: E501 - a table keeps its rows

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from reconciler.loading import Ambiguous, MarkedList, MarkedMap, load_text
from reconciler.model import Kind
from reconciler.validation import keywords, validate
from reconciler.validation.keywords import build, compiled
from reconciler.validation.schemas import PROJECT, inline, schema
from reconciler.validation.sound import LOST, keeping

KINDS = [*(kind.value for kind in Kind), PROJECT]


@pytest.fixture(scope="module")
def checks() -> Mapping[str, tuple[Any, Any]]:
    made = {}
    for kind in KINDS:
        inlined = inline(schema(kind))
        made[kind] = compiled(inlined), build(inlined)
    return made


def examples(value: Any) -> list[Any]:
    """Every example anywhere in a schema."""
    if isinstance(value, list):
        return [found for item in value for found in examples(item)]
    if not isinstance(value, dict):
        return []
    own = value["examples"] if isinstance(value.get("examples"), list) else []
    return own + [found for item in value.values() for found in examples(item)]


POOL = [found for kind in KINDS for found in examples(schema(kind))]
ODD = [None, True, 0, -1, 1.5, 60, "", " ", "..", "a b", "x" * 300, "a\n", Ambiguous("yes", "true in YAML 1.1"), [], {}]  # fmt: skip
FIELDS = sorted({name for value in POOL if isinstance(value, dict) for name in value})
values = st.one_of(
    st.sampled_from(POOL), st.sampled_from(ODD), st.lists(st.sampled_from(POOL + ODD), max_size=3)
)


@st.composite
def documents(draw: st.DrawFn) -> tuple[str, Any]:
    """A whole example of a kind, with a few fields at any depth set, renamed or taken out."""
    kind = draw(st.sampled_from(KINDS))
    document: Any = draw(
        st.sampled_from([found for found in POOL if isinstance(found, dict) and found.get("kind") == kind])
    )
    for _ in range(draw(st.integers(0, 4))):
        document = _changed(draw, document)
    return kind, document


def _changed(draw: st.DrawFn, value: Any) -> Any:
    if isinstance(value, dict) and value and draw(st.integers(0, 4)):
        key = draw(st.sampled_from(sorted(value)))
        return {**value, key: _changed(draw, value[key])}
    if isinstance(value, list) and value and draw(st.integers(0, 3)):
        at = draw(st.integers(0, len(value) - 1))
        return [*value[:at], _changed(draw, value[at]), *value[at + 1 :]]
    if isinstance(value, dict) and draw(st.booleans()):
        key = draw(st.sampled_from([*FIELDS, *value, "zzz", "", Ambiguous("on", "true in YAML 1.1")]))
        return {name: item for name, item in value.items() if name != key} | (
            {key: draw(values)} if draw(st.integers(0, 3)) else {}
        )
    return draw(values)


@given(made=documents())
@settings(max_examples=400)
def test_they_agree(made: tuple[str, Any], checks: Mapping[str, tuple[Any, Any]]) -> None:
    kind, document = made
    accepts, validator = checks[kind]
    assert accepts(document) is not any(validator.iter_errors(document))


def marked(value: Any) -> Any:
    """The value as a document would hold it."""
    if isinstance(value, list):
        items = MarkedList(0)
        for item in value:
            items.append(marked(item))
            items.marks.append(1)
        return items
    if not isinstance(value, dict):
        return value
    fields = MarkedMap(0)
    for name, item in value.items():
        fields[name] = marked(item)
        fields.marks.extend((1, 1))
    return fields


def within(left: Any, whole: Any) -> bool:
    """Whether nothing is left that wasn't there."""
    if isinstance(left, dict):
        return isinstance(whole, dict) and all(within(left[name], whole.get(name)) for name in left)
    if isinstance(left, list):
        rest = iter(whole)
        return all(any(within(item, other) for other in rest) for item in left)
    return bool(left == whole)


@given(made=documents())
@settings(max_examples=400)
def test_what_is_sound_is_accepted(made: tuple[str, Any], checks: Mapping[str, tuple[Any, Any]]) -> None:
    kind, document = made[0], marked(made[1])
    (accepts, validator), keeps = checks[kind], keeping(inline(schema(kind)))
    left = keeps(document)
    if accepts(document):
        assert left is document
    elif left is not LOST:
        assert accepts(left)
        assert not list(validator.iter_errors(left)), "both know gaps"
        assert within(left, document)
        assert keeps(left) is left


def plain(value: Any) -> bool:
    """Whether a value holds nothing that only we tell apart from JSON."""
    if isinstance(value, dict):
        return all(plain(key) and plain(item) for key, item in value.items())
    if isinstance(value, list):
        return all(map(plain, value))
    return not isinstance(value, Ambiguous) and not (isinstance(value, float) and value.is_integer())


@given(made=documents().filter(lambda made: plain(made[1])))
@settings(max_examples=300)
def test_an_editor_says_the_same(made: tuple[str, Any], checks: Mapping[str, tuple[Any, Any]]) -> None:
    """jsonschema as it is, on the schema as it is published."""
    kind, document = made
    editor = Draft202012Validator(dict(schema(kind)))
    assert editor.is_valid(document) is checks[kind][0](document)


@pytest.mark.parametrize(
    ("rule", "good", "bad"),
    [
        ({"pattern": "^a"}, ["a", 5, None], ["b"]),
        ({"minLength": 1, "maxLength": 2}, ["a", [], 5], ["", "abc"]),
        ({"minimum": 1, "maximum": 2}, [1, 2.0, "", True], [0, 3]),
        ({"exclusiveMinimum": 0}, [1, 0.1], [0, -1]),
        ({"items": {"type": "integer"}}, [[1], "x", {}], [[True], [1, "a"]]),
        ({"minItems": 1, "maxItems": 2}, [[1], [1, 2], "", {}], [[], [1, 2, 3]]),
        ({"uniqueItems": True}, [["a", "b"], "x", [1, 1]], [["a", "b", "a"]]),
        ({"required": ["a"]}, [{"a": None}, []], [{}]),
        ({"properties": {"a": {"type": "string"}}, "additionalProperties": {"type": "array"}}, [{"a": "", "b": []}, 1], [{"b": ""}, {"a": 1}]),
        ({"additionalProperties": False}, [{}, []], [{"a": 1}]),
        ({"propertyNames": {"minLength": 1}}, [{"a": 1}, ""], [{"": 1}]),
        ({"anyOf": [{"required": ["a"]}, {"required": ["b"]}]}, [{"a": 1}, {"b": 1}], [{}]),
        ({"type": ["string", "object"]}, ["", {}], [1, None]),
        ({"enum": ["a"]}, ["a"], ["b", None, 1]),
        ({"const": "a"}, ["a"], ["b"]),
        ({"not": {"const": "a"}}, ["b"], ["a"]),
        ({"type": "string", "x-unquoted": True}, [Ambiguous("y", ""), "y"], [1]),
        ({"type": "string"}, ["y"], [Ambiguous("y", "")]),
    ],
)  # fmt: skip
def test_each_keyword(rule: dict[str, Any], good: list[Any], bad: list[Any]) -> None:
    accepts, validator = compiled(rule), build(rule)
    for value in good:
        assert accepts(value)
        assert not list(validator.iter_errors(value))
    for value in bad:
        assert not accepts(value)
        assert list(validator.iter_errors(value))


def test_a_keyword_that_is_not_known_is_not_ignored() -> None:
    with pytest.raises(KeyError):
        compiled({"multipleOf": 3})
    known = {word for kind in KINDS for word in _words(inline(schema(kind)))}
    assert known == set(keywords.KEYWORDS)


def _words(rule: Any) -> set[str]:
    """The keywords of a schema that bind."""
    found = {word for word in rule if word not in keywords._NOTES}
    inner = [*rule.get("properties", {}).values(), *rule.get("oneOf", ()), *rule.get("anyOf", ())]
    inner += [
        rule[word]
        for word in ("items", "propertyNames", "additionalProperties")
        if isinstance(rule.get(word), dict)
    ]
    return found.union(*map(_words, inner))


HEAD = "apiVersion: reconciler/v1\nkind: GatewayList\nmetadata: {name: x}\nspec:\n  gateways:\n"


def test_jsonschema_looks_only_at_items_that_are_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    """200,000 ids, of which one is wrong: the schema of ids is asked about one."""
    text = HEAD + "".join(f"    - gw-{index}\n" for index in range(200_000)) + "    - ..\n"
    (document,) = load_text(text, "a.yaml", Path("/a.yaml")).documents
    asked: list[object] = []
    pattern = keywords.KEYWORDS["pattern"]
    spy = replace(pattern, errors=lambda *given: asked.append(given[2]) or pattern.errors(*given))
    monkeypatch.setitem(keywords.KEYWORDS, "pattern", spy)
    (finding,) = validate([document]).findings
    assert (finding.code, finding.place and finding.place.line) == ("reserved-gateway-id", 200_006)
    assert asked == ["x", ".."]


def test_a_list_without_fault_never_reaches_jsonschema(monkeypatch: pytest.MonkeyPatch) -> None:
    text = HEAD + "".join(f"    - gw-{index}\n" for index in range(200_000))
    (document,) = load_text(text, "a.yaml", Path("/a.yaml")).documents
    monkeypatch.setattr("reconciler.validation.build", lambda _: pytest.fail("jsonschema was asked"))
    assert validate([document]).documents == (document,)
    gateways = document.value["spec"]["gateways"]  # type: ignore[index]
    assert isinstance(gateways, MarkedList)
    assert len(gateways) == 200_000
