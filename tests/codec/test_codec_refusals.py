"""What isn't JSON of ours is refused, and the message says where and why."""
# ruff: noqa: E501 - a table keeps its rows

import json
import re
from typing import Any

import pytest
from test_codec_shapes import PLAIN, WHOLE, Animal, Everything, NamedPoint, Point, carrier

from reconciler.codec import (
    Format,
    Keyed,
    Lifted,
    Malformed,
    Merged,
    Pairs,
    Shape,
    coder,
    parse,
    parse_shared,
)

GOOD: dict[str, Any] = json.loads(json.dumps(coder(PLAIN, Everything).encode(WHOLE, None)))

REFUSED: dict[str, tuple[tuple[str | int, ...], Any, str]] = {
    "missing": (("text",), ..., "text is missing"),
    "missing below": (("point", "xAxis"), ..., "point.xAxis is missing"),
    "unknown": (("extra",), 1, "extra is not known"),
    "unknown below": (("byName", "a", "z"), 1, "byName.a.z is not known"),
    "a field's own name": (("point", "x_axis"), 1, "point.x_axis is not known"),
    "no text": (("text",), 1, "text: a string belongs here"),
    "no text though one may lack": (("maybe",), 1, "maybe: a string belongs here"),
    "null": (("text",), None, "text: a string belongs here"),
    "no whole number": (("natural",), 1.0, "natural: a natural number belongs here"),
    "negative": (("natural",), -1, "natural: a natural number belongs here"),
    "truth as a number": (("natural",), True, "natural: a natural number belongs here"),
    "text as a number": (("number",), "1", "number: a number belongs here"),
    "truth as any number": (("number",), False, "number: a number belongs here"),
    "a number as truth": (("truth",), 1, "truth: true or false belongs here"),
    "no such word": (("colour",), "green", "colour: red or blue belongs here"),
    "no word": (("colour",), 1, "colour: a string belongs here"),
    "no resource": (("resource",), "line", "resource: KIND/NAME belongs here"),
    "no such kind": (("resource",), "Car/x", "resource: KIND/NAME belongs here"),
    "a resource that isn't text": (("resource",), 1, "resource: a string belongs here"),
    "a key that isn't a resource": (("byResource",), {"x": 1}, "byResource.x: KIND/NAME belongs here"),
    "no object": (("point",), [], "point: an object belongs here"),
    "no mapping": (("byName",), [], "byName: an object belongs here"),
    "no array": (("points",), {}, "points: an array belongs here"),
    "text for an array": (("several",), "list:1", "several: an array of strings belongs here"),
    "an array of more than text": (("several", 1), 1, "several: an array of strings belongs here"),
    "deep in an array": (("points", 1, "yAxis"), "x", "points[1].yAxis: a natural number belongs here"),
    "twice in a set": (("some",), ["a", "a"], "some: an array of items that differ belongs here"),
    "neither text nor object": (("textOr",), 1, "textOr: an object belongs here"),
}  # fmt: skip


def edited(document: Any, path: tuple[str | int, ...], value: Any) -> Any:
    """A copy with another value at a path; `...` removes it."""
    made = inner = json.loads(json.dumps(document))
    for key in path[:-1]:
        inner = inner[key]
    if value is ...:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return made


def refusal(found: Any, document: Any, form: Format = PLAIN) -> str:
    with pytest.raises(Malformed) as caught:
        coder(form, found).decode(document, None)
    return str(caught.value)


@pytest.mark.parametrize(("path", "value", "message"), REFUSED.values(), ids=REFUSED)
def test_each_is_refused_with_its_place(path: tuple[str | int, ...], value: Any, message: str) -> None:
    assert refusal(Everything, edited(GOOD, path, value)) == message


@pytest.mark.parametrize("document", [None, 1, "x", []])
def test_the_whole_is_an_object(document: Any) -> None:
    assert refusal(Everything, document) == "an object belongs here"
    assert refusal(Animal, document) == "an object belongs here"


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({}, "is is missing"),
        ({"is": 1}, "is: a string belongs here"),
        ({"is": "cow"}, "is: dog or big-cat belongs here"),
        ({"is": "dog"}, "name is missing"),
        ({"is": "dog", "name": "x", "claws": 1}, "claws is not known"),
        ({"is": "big-cat", "name": 1}, "name: a string belongs here"),
    ],
)
def test_unions(document: Any, message: str) -> None:
    assert refusal(Animal, document) == message


@pytest.mark.parametrize(
    ("shape", "kind", "document", "message"),
    [
        (Shape(forms={"value": Merged()}), NamedPoint, {"at": {"xAxis": 1}}, "name is missing"),
        (Shape(forms={"value": Merged()}), NamedPoint, {"name": "x", "at": {}}, "at.xAxis is missing"),
        (Shape(forms={"value": Merged()}), NamedPoint, {"name": "x", "y": 1}, "y is not known"),
        (Shape(forms={"value": Merged()}), NamedPoint, [], "an object belongs here"),
        (Shape(forms={"value": Lifted("name")}), NamedPoint, {"name": "x"}, "value is missing"),
        (Shape(forms={"value": Lifted("name")}), NamedPoint, {"value": {}}, "name is missing"),
        (Shape(forms={"value": Lifted("name")}), NamedPoint, {"value": {}, "name": 1}, "name: a string belongs here"),
        (Shape(forms={"value": Lifted("name")}), NamedPoint, {"value": {"name": "x"}, "name": "x"}, "value.name is not known"),
        (Shape(forms={"value": Keyed("name")}), dict[str, NamedPoint], {"value": []}, "value: an object belongs here"),
        (Shape(forms={"value": Keyed("name")}), dict[str, NamedPoint], {"value": {"a": {"name": "a"}}}, "value.a.name is not known"),
        (Shape(forms={"value": Pairs("k", "v")}), dict[str, int], {"value": {}}, "value: an array belongs here"),
        (Shape(forms={"value": Pairs("k", "v")}), dict[str, int], {"value": [{"k": "a"}]}, "value[0].v is missing"),
        (Shape(forms={"value": Pairs("k", "v")}), dict[str, int], {"value": [{"k": "a", "v": 1, "w": 1}]}, "value[0].w is not known"),
        (
            Shape(forms={"value": Pairs("k", "v")}), dict[str, int],
            {"value": [{"k": "a", "v": 1}, {"k": "b", "v": 1}, {"k": "a", "v": 2}]}, "value[2].k stands there before",
        ),
    ],
)  # fmt: skip
def test_forms_of_their_own(shape: Shape, kind: Any, document: Any, message: str) -> None:
    box = carrier(kind)
    assert refusal(box, document, Format(shapes={box: shape})) == message


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "Expecting value"),
        ("{", "Expecting property name"),
        ("[1,]", "Expecting value|Illegal trailing comma"),
        ("NaN", "NaN isn't JSON"),
        ('{"a": [Infinity]}', "Infinity isn't JSON"),
        ("-Infinity", "-Infinity isn't JSON"),
        ("1e400", "the number 1e400 is too large"),
        ('{"a": -1e999}', "the number -1e999 is too large"),
        ("9" * 5000, "Exceeds the limit"),
        ('{"a": 1, "b": 2, "a": 1}', "the member 'a' appears twice"),
        ('[{"b": {"c": 1, "c": 1}}]', "the member 'c' appears twice"),
        ("[" * 100_000, "nested too deep"),
        ('{"a":' * 100_000, "nested too deep"),
        (b"\xff\xfe\x00", "truncated data"),
        ("1 2", "Extra data"),
    ],
)
def test_what_is_no_json(text: str | bytes, why: str) -> None:
    with pytest.raises(Malformed, match=why):
        parse(text)
    if isinstance(text, str):
        with pytest.raises(Malformed, match=why):
            parse_shared(text, "ids")


def test_numbers_that_are_large_but_not_too_large() -> None:
    assert parse("[1e308, 123456789012345678901234567890, 0.1]") == [
        1e308,
        123456789012345678901234567890,
        0.1,
    ]


def test_the_same_list_again_is_the_same_object() -> None:
    found: Any = parse_shared('[{"ids": ["a"]}, {"ids": ["a"]}, {"ids": ["b"]}, {"more": ["b"]}]', "ids")
    assert found[0]["ids"] is found[1]["ids"] is not found[2]["ids"]
    assert found == [{"ids": ["a"]}, {"ids": ["a"]}, {"ids": ["b"]}, {"more": ["b"]}]


LONG = json.dumps([f"gw-{number:05}" for number in range(1_000)])
OTHER = LONG.replace("gw-00500", "gw_00500")


@pytest.mark.parametrize(
    "text",
    [
        f'[{{"ids": {LONG}}}, {{"ids": {LONG}, "more": {LONG}}}, {{"ids": {OTHER}}}, {{"ids": {LONG}}}]',
        f'{{"ids": {LONG}, "inner": {{"ids": {LONG}}}, "other": {{"ids": {OTHER}}}}}',
        f'[{{"ids": {LONG[:-1]}, "]"]}}, {{"ids": {LONG[:-1]}, "]", "x"]}}]',
        f'[{{"ids": {LONG[:-1]}, "\\"]"]}}, {{"ids": {LONG[:-1]}, "\\"]"]}}]',
        f'[{{"ids": {LONG[:-1]}, ["x"]]}}, {{"ids": {LONG[:-1]}, ["x"]]}}]',
        f'{{"a\\"ids": {LONG}, "ids": {LONG}}}',
        f'{{"ids": {LONG}, "said": "\\u00000", "inner": {{"ids": "\\u00000"}}}}',
        f'{{"said": "\\"ids\\": {LONG.replace(chr(34), "")}", "ids": {LONG}}}',
    ],
)
def test_long_lists_are_read_as_they_stand_there(text: str) -> None:
    assert parse_shared(text, "ids") == json.loads(text)


def test_long_lists_that_are_the_same_are_one_object_wherever_they_stand() -> None:
    found: Any = parse_shared(f'[{{"ids": {LONG}}}, {{"ids": {OTHER}}}, {{"ids": {LONG}}}]', "ids")
    assert found[0]["ids"] is found[2]["ids"]
    assert found[1]["ids"] == json.loads(OTHER)


@pytest.mark.parametrize(
    "text",
    [
        f'[{{"ids": {LONG}}}, {{"ids": {LONG} x}}]',
        f'[{{"ids": {LONG}}}, {{"ids": {LONG[:-10]}, NaN]}}]',
        f'[{{"ids": {LONG[:-1]} "x"]}}]',
        f'[{{"ids": {LONG}}}, {{"ids": {LONG}, "ids": 1}}]',
        f'{{"ids": {LONG}',
    ],
)
def test_what_is_wrong_behind_long_lists_is_found_where_it_stands(text: str) -> None:
    with pytest.raises(Malformed) as plainly:
        parse(text)
    with pytest.raises(Malformed, match=re.escape(str(plainly.value))):
        parse_shared(text, "ids")


def test_a_value_that_is_read_is_one_of_the_type() -> None:
    assert coder(PLAIN, Point).decode({"xAxis": 1, "yAxis": 2}, None) == Point(1, 2)
