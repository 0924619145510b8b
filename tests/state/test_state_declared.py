"""Values of fields that can be read, as a state keeps them."""

from typing import Any

import pytest

from reconciler.model import DistributionList, Json, Kind, ResourceId
from reconciler.state.base import Origin, Owned
from reconciler.state.declared import (
    distribution_value,
    keeps,
    members_count,
    members_value,
    packages_list,
    text_value,
)

MANY = [f"gw-{number}" for number in range(20)]
LINE = ResourceId(Kind.CAMPAIGN, "line")


@pytest.mark.parametrize("text", ["", "a", 1_000 * "x"])
def test_a_text_is_kept_as_it_is(text: str) -> None:
    assert text_value(text) == text


def test_a_long_text_is_kept_as_its_digest() -> None:
    value: Any = text_value(1_001 * "x")
    assert (value["length"], len(value["digest"])) == (1_001, 64)
    assert text_value(1_000 * "x" + "y") not in (value, text_value(1_002 * "x"))
    assert text_value(1_001 * "\ud800") != value, "whatever stands in it"


def test_the_order_of_packages_and_gateways_means_nothing() -> None:
    assert packages_list([*reversed(MANY), *MANY]) == sorted(MANY)
    value = members_value(frozenset(MANY))
    assert value == members_value(tuple(reversed(MANY)))
    assert value["count"] == 20  # type: ignore[index,call-overload]
    assert value != members_value((*MANY[1:], "gw-x"))
    assert members_value(("ab",)) != members_value(("a", "b"))


@pytest.mark.parametrize(
    ("value", "count"),
    [
        (members_value(MANY), 20),
        ({"count": 0}, 0),
        ({"count": "1"}, None),
        ({}, None),
        (None, None),
        ([], None),
    ],
)
def test_how_many_gateways_it_was(value: Json, count: int | None) -> None:
    assert members_count(value) == count


def test_a_distribution_list() -> None:
    assert distribution_value(None) is None
    assert distribution_value(DistributionList("f-1")) == {"distributionListId": "f-1"}
    both = {"distributionListId": "f-1", "reevaluationIntervalSeconds": 0}
    assert distribution_value(DistributionList("f-1", 0, also=frozenset({"f-2"}))) == both


@pytest.mark.parametrize(
    ("declared", "applied", "kept", "same"),
    [
        ({"x": "sent"}, {}, {"x": "there"}, True),
        ({}, {"x": "sent"}, {"x": "there"}, True),
        ({"x": "other"}, {"x": "sent"}, {"x": "there"}, False),
        ({"x": "sent"}, {}, {"x": "elsewhere"}, False),
        ({"x": "sent"}, {}, {"y": "there"}, False),
        ({"x": "sent"}, {}, {}, False),
        ({}, {}, {"x": "there"}, False),
    ],
)
def test_what_the_server_makes_of_what_was_sent(
    declared: dict[str, Json], applied: dict[str, Json], kept: dict[str, Json], same: bool
) -> None:
    owned = Owned(LINE, "1", Origin.CREATED, declared=declared, applied=applied, kept=kept)
    assert keeps(owned, "x", "sent", "there") is same


def test_nothing_is_kept_of_what_is_not_there() -> None:
    assert not keeps(Owned(LINE, "1", Origin.CREATED, declared={"x": "sent"}), "x", "sent", None)
