"""Each shape that a type can have in JSON: written so, and read again as it was."""
# ruff: noqa: E501 - a table keeps its rows

from __future__ import annotations

import json
from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.codec import (
    RESOURCE,
    Each,
    Format,
    Keyed,
    Left,
    Lifted,
    Malformed,
    Merged,
    Pairs,
    Scalar,
    Shape,
    Tag,
    WrittenAs,
    coder,
    detached,
    parse,
)
from reconciler.model import Json, Kind, ResourceId


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True, slots=True)
class Point:
    x_axis: int
    y_axis: int = 0


@dataclass(frozen=True, slots=True)
class NamedPoint:
    """Two fields, of which one is the key elsewhere."""

    name: str
    at: Point | None = None


@dataclass(frozen=True, slots=True)
class Everything:
    text: str
    natural: int
    number: float
    truth: bool
    anything: Json
    colour: Colour
    resource: ResourceId
    point: Point
    several: tuple[str, ...] = ()
    points: tuple[Point, ...] = ()
    some: frozenset[str] = frozenset()
    colours: Set[Colour] = frozenset()
    by_name: Mapping[str, Point] = field(default_factory=dict)
    by_resource: Mapping[ResourceId, int] = field(default_factory=dict)
    maybe: str | None = None
    text_or: str | Point = ""


@dataclass(frozen=True, slots=True)
class Dog:
    name: str


@dataclass(frozen=True, slots=True)
class BigCat:
    name: str
    claws: int = 18


Animal = Dog | BigCat


def carrier(kind: Any) -> type:
    """A dataclass with one field, ``value``, of that type."""
    from dataclasses import make_dataclass

    return make_dataclass("Box", [("value", kind)], frozen=True, slots=True)


PLAIN = Format(scalars={ResourceId: RESOURCE}, tags={Animal: Tag("is")})
LINE = ResourceId(Kind.CAMPAIGN, "a/b")
WHOLE = Everything(
    "t",
    7,
    1.5,
    truth=True,
    anything={"a": [1, None]},
    colour=Colour.BLUE,
    resource=LINE,
    point=Point(1),
    several=("b", "a"),
    points=(Point(1, 2), Point(3)),
    some=frozenset("cab"),
    colours=frozenset(Colour),
    by_name={"b": Point(1), "a": Point(2)},
    by_resource={LINE: 3},
    maybe="m",
    text_or=Point(9),
)


def test_everything_a_type_can_be() -> None:
    document = coder(PLAIN, Everything).encode_object(WHOLE, None)
    assert document == {
        "text": "t",
        "natural": 7,
        "number": 1.5,
        "truth": True,
        "anything": {"a": [1, None]},
        "colour": "blue",
        "resource": "Campaign/a/b",
        "point": {"xAxis": 1},
        "several": ["b", "a"],
        "points": [{"xAxis": 1, "yAxis": 2}, {"xAxis": 3}],
        "some": ["a", "b", "c"],
        "colours": ["blue", "red"],
        "byName": {"a": {"xAxis": 2}, "b": {"xAxis": 1}},
        "byResource": {"Campaign/a/b": 3},
        "maybe": "m",
        "textOr": {"xAxis": 9},
    }
    assert list(document)[:3] == ["text", "natural", "number"], "in the order of the fields"
    assert coder(PLAIN, Everything).decode(parse(json.dumps(document)), None) == WHOLE


def test_what_has_its_default_is_left_out_and_need_not_be_there() -> None:
    bare = Everything("", 0, 0.0, False, None, Colour.RED, LINE, Point(0))
    document = coder(PLAIN, Everything).encode_object(bare, None)
    assert sorted(document) == sorted(
        ["text", "natural", "number", "truth", "anything", "colour", "resource", "point"]
    )
    assert coder(PLAIN, Everything).decode(document, None) == bare
    assert coder(PLAIN, Everything).decode({**document, "maybe": None}, None) == bare


@pytest.mark.parametrize(
    ("kind", "value", "document"),
    [
        (Animal, Dog("rex"), {"is": "dog", "name": "rex"}),
        (Animal, BigCat("leo", 17), {"is": "big-cat", "name": "leo", "claws": 17}),
        (tuple[Animal, ...], (BigCat("a"), Dog("b")), [{"is": "big-cat", "name": "a"}, {"is": "dog", "name": "b"}]),
        (Mapping[str, str | Point], {"b": "x", "a": Point(1)}, {"a": {"xAxis": 1}, "b": "x"}),
        (Animal | None, None, None),
        (Animal | None, Dog("rex"), {"is": "dog", "name": "rex"}),
    ],
)  # fmt: skip
def test_unions(kind: Any, value: Any, document: Json) -> None:
    found = coder(PLAIN, kind)
    assert found.encode(value, None) == document
    assert found.decode(document, None) == value


FORMED: dict[str, tuple[Any, Shape, Any, Json]] = {
    "renamed": (int, Shape(names={"value": "worth"}), 1, {"worth": 1}),
    "constants": (int, Shape(constants={"formatVersion": 3}), 1, {"formatVersion": 3, "value": 1}),
    "keyed": (
        Mapping[str, NamedPoint],
        Shape(forms={"value": Keyed("name")}),
        {"b": NamedPoint("b", Point(1)), "a": NamedPoint("a")},
        {"value": {"a": {}, "b": {"at": {"xAxis": 1}}}},
    ),
    "pairs": (
        Mapping[str, frozenset[str]],
        Shape(forms={"value": Pairs("of", "ids")}),
        {"b": frozenset("yx"), "a": frozenset()},
        {"value": [{"of": "a", "ids": []}, {"of": "b", "ids": ["x", "y"]}]},
    ),
    "pairs in their own order": (
        Mapping[str, bool],
        Shape(forms={"value": Pairs("of", "is", ordered=True)}),
        {"b": True, "a": False},
        {"value": [{"of": "b", "is": True}, {"of": "a", "is": False}]},
    ),
    "pairs of each": (
        Mapping[str, Mapping[str, int]],
        Shape(forms={"value": Each(Pairs("k", "v"))}),
        {"x": {"a": 1}},
        {"value": {"x": [{"k": "a", "v": 1}]}},
    ),
    "merged": (
        NamedPoint,
        Shape(forms={"value": Merged()}),
        NamedPoint("n", Point(2)),
        {"name": "n", "at": {"xAxis": 2}},
    ),
    "lifted": (
        NamedPoint,
        Shape(forms={"value": Lifted("name")}),
        NamedPoint("n", Point(2)),
        {"value": {"at": {"xAxis": 2}}, "name": "n"},
    ),
}


@pytest.mark.parametrize(("kind", "shape", "value", "document"), FORMED.values(), ids=FORMED)
def test_forms_of_their_own(kind: Any, shape: Shape, value: Any, document: Json) -> None:
    box = carrier(kind)
    found = coder(Format(shapes={box: shape}), box)
    made = found.encode(box(value), None)
    assert made == document
    assert json.dumps(made) == json.dumps(document), "in this order, too"
    assert found.decode(parse(json.dumps(document)), None) == box(value)


@pytest.mark.parametrize(
    ("kind", "value"), [(str, "x"), (int, 3), (float, 2.5), (bool, True), (Json, [1, None])]
)
def test_what_is_json_already_is_written_as_it_is(kind: Any, value: Any) -> None:
    found = coder(Format(), kind)
    assert found.encode(value, None) == value
    assert found.decode(value, None) == value


def test_what_is_left_out_has_what_the_shape_says() -> None:
    shape = Shape(without={"y_axis": Left("it is told elsewhere", 5)}, always=frozenset({"x_axis"}))
    found = coder(Format(shapes={Point: shape}), Point)
    assert found.encode(Point(1, 2), None) == {"xAxis": 1}
    assert found.decode({"xAxis": 1}, None) == Point(1, 5)
    with pytest.raises(Malformed, match=r"^yAxis is not known$"):
        found.decode({"xAxis": 1, "yAxis": 5}, None)


def test_what_is_always_written_has_to_be_there() -> None:
    found = coder(Format(shapes={Point: Shape(always=frozenset({"y_axis"}), first=("y_axis",))}), Point)
    assert json.dumps(found.encode(Point(1), None)) == '{"yAxis": 0, "xAxis": 1}'
    with pytest.raises(Malformed, match=r"^yAxis is missing$"):
        found.decode({"xAxis": 1}, None)


def test_what_is_only_written() -> None:
    box = carrier(tuple[str, ...])
    found = coder(Format(shapes={box: Shape(forms={"value": WrittenAs(len)})}), box)
    assert found.encode(box(("a", "b")), None) == {"value": 2}
    with pytest.raises(Malformed):
        found.decode({"value": 2}, None)


def test_a_scalar_knows_what_the_context_knows() -> None:
    path = Scalar(lambda value, root: str(value.relative_to(root)), lambda text, root: root / text)
    box = carrier(Mapping[str, Path])
    found = coder(Format(scalars={Path: path}), box)
    root = Path("/project")
    document = found.encode(box({"a": root / "x"}), root)
    assert document == {"value": {"a": "x"}}
    assert found.decode(document, Path("/other")) == box({"a": Path("/other/x")})


class Kept:
    """A `Keeper` in memory."""

    def __init__(self) -> None:
        self.lists: list[tuple[Any, ...]] = []

    def keep(self, items: Any) -> int:
        self.lists.append(tuple(items))
        return len(self.lists)

    def kept(self, number: int) -> tuple[Any, ...]:
        return self.lists[number - 1]


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (tuple[str, ...], ("a", "b", "c")),
        (frozenset[str], frozenset("abc")),
        (tuple[Point, ...], (Point(1), Point(2), Point(3))),
        (Mapping[str, int], {"a": 1, "b": 2, "c": 3}),
        (Mapping[str, Json], {"a": 1, "b": None, "c": []}),
    ],
)
def test_what_is_long_stands_elsewhere(kind: Any, value: Any) -> None:
    found, kept = coder(Format(long=2), kind), Kept()
    document = found.encode(value, kept)
    assert document == "list:1"
    again = Kept()
    again.lists = [tuple(json.loads(json.dumps(kept.lists[0])))]
    assert found.decode(document, again) == value
    with pytest.raises(Malformed, match="a list belongs here"):
        found.decode("list:x", again)


def test_one_set_is_one_list_and_one_list_one_set() -> None:
    box = carrier(tuple[frozenset[str], ...])
    found, one = coder(Format(shared=True), box), frozenset("abc")
    document: Any = found.encode(box((one, frozenset("x"), one)), {})
    first, second, third = document["value"]
    assert first is third is not second
    read = found.decode(document, {})
    assert read.value[0] is read.value[2]
    assert read == box((one, frozenset("x"), one))


def test_what_others_may_change_is_copied_and_nothing_else() -> None:
    mine: dict[str, Any] = {"a": [1, (2,)]}
    box = carrier(tuple[Mapping[str, Json], ...])
    value = box((mine,))
    copy = detached(value)
    mine["a"].append(3)
    assert copy == box(({"a": [1, [2]]},))
    point = Point(1)
    assert detached(point) is point
    everything = detached(WHOLE)
    assert everything == WHOLE
    assert everything.by_name is not WHOLE.by_name


@pytest.mark.parametrize(
    ("form", "kind", "why"),
    [
        (Format(shapes={Point: Shape(names={"z_axis": "z"})}), Point, "Point has no field z_axis"),
        (Format(shapes={Point: Shape(without={"z": Left("gone")})}), Point, "Point has no field z"),
        (Format(), Animal, "nothing tells Dog, BigCat apart"),
        (Format(), Path, "there is no way to write"),
    ],
)
def test_a_format_that_does_not_fit_its_types_fails_loudly(form: Format, kind: Any, why: str) -> None:
    with pytest.raises(AssertionError, match=why):
        coder(form, kind)


texts = st.text(max_size=4)
values: st.SearchStrategy[Json] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
points = st.builds(Point, st.integers(0), st.integers(0))
resources = st.builds(ResourceId, st.sampled_from(Kind), st.text(min_size=1, max_size=3))
everythings = st.builds(
    Everything,
    texts,
    st.integers(0, 2**80),
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
    values,
    st.sampled_from(Colour),
    resources,
    points,
    st.lists(texts).map(tuple),
    st.lists(points, max_size=3).map(tuple),
    st.frozensets(texts),
    st.frozensets(st.sampled_from(Colour)),
    st.dictionaries(texts, points, max_size=3),
    st.dictionaries(
        resources,
        st.integers(0),
        max_size=2,
    ),
    st.none() | texts,
    texts | points,
)


@given(everythings, st.sampled_from([None, 1]))
def test_whatever_is_written_is_read_again(value: Everything, long: int | None) -> None:
    found, kept = coder(Format(scalars={ResourceId: RESOURCE}, long=long), Everything), Kept()
    document = found.encode(value, kept)
    again = Kept()
    again.lists = [tuple(json.loads(json.dumps(each))) for each in kept.lists]
    assert found.decode(parse(json.dumps(document)), again) == value
