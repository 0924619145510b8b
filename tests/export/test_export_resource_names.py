"""Names of a server become names of resources."""

import re
import time
from collections.abc import Mapping

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from reconciler.errors import ReconcilerError
from reconciler.export import select
from reconciler.export.resource_names import Names, as_name
from reconciler.model import CampaignSummary, Kind, ResourceId

VALID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("line-3", "line-3"),
        ("Line_3.B", "Line_3.B"),
        ("1.10", "1.10"),
        ("yes", "yes"),
        ("Line 3, Frühling", "line-3-fruhling"),
        ("  a  ", "a"),
        ("-a-", "a"),
        ("a/b\nc", "a-b-c"),
        ("..", "campaign"),
        ("", "campaign"),
        ("日本", "campaign"),
        ("Straße ½", "strae-12"),
        ("x" * 300, "x" * 100),
        ("é" * 1_000_000, "e" * 100),
    ],
)
def test_names(text: str, name: str) -> None:
    assert as_name(text, "campaign") == name


@given(st.lists(st.text(max_size=130) | st.sampled_from(["a", "A", "a-2", "a 2", "", "yes"])))
@example(["a", "A", "a-2", "a", "a"])
def test_valid_unique_and_the_same_again(texts: list[str]) -> None:
    def named() -> list[str]:
        names = Names()
        return [names.unique(as_name(text, "x")) for text in texts]

    found = named()
    assert all(map(VALID.fullmatch, found))
    assert len({name.casefold() for name in found}) == len(texts)
    assert found == named()


def test_ten_thousand_of_one_name_are_named_in_no_time() -> None:
    names = Names()
    names.keep("firmware-3")
    begun = time.thread_time()
    found = [names.unique("firmware" if index % 2 else "Firmware") for index in range(10_000)]
    assert time.thread_time() - begun < 1
    assert found[:4] == ["Firmware", "firmware-2", "Firmware-4", "firmware-5"]
    assert len({name.casefold() for name in found}) == 10_000


def lines(**campaigns: str) -> list[CampaignSummary]:
    return [CampaignSummary(key, name, "CREATED") for key, name in campaigns.items()]


def owners(**names: str) -> Mapping[str, ResourceId]:
    return {key: ResourceId(Kind.CAMPAIGN, name) for key, name in names.items()}


def test_collisions_get_a_suffix_in_the_order_of_ids() -> None:
    found = select(lines(c="a b", a="A B", b="a-b"), {})
    assert found.names == {"a": "a-b", "b": "a-b-2", "c": "a-b-3"}
    assert not found.findings


def test_what_is_owned_keeps_its_name() -> None:
    found = select(lines(a="line 3", b="line-3"), owners(b="line-3"))
    assert found.names == {"b": "line-3", "a": "line-3-2"}


def test_a_name_does_not_depend_on_what_is_asked_for() -> None:
    every = select(lines(a="x 1", b="x/1", c="y"), {}).names
    assert select(lines(a="x 1", b="x/1", c="y"), {}, ["x/*"]).names == {"b": every["b"]} == {"b": "x-1-2"}
    assert select(lines(a="x 1", b="x/1", c="y"), {}, ["y", "x 1"]).names == {"a": "x-1", "c": "y"}


def test_a_pattern_that_matches_nothing_is_a_mistake() -> None:
    with pytest.raises(ReconcilerError, match=r"no campaign's name matches 'z' or 'q\*'") as caught:
        select(lines(a="x"), {}, ["z", "q*"])
    assert caught.value.hint
    assert select([], {}).names == {}


@pytest.mark.parametrize("name", ["", " a", "a\nb", "a" * 256, "a\ud800", "a\u2028"])
def test_a_name_that_can_not_be_declared_is_left_out_and_said(name: str) -> None:
    found = select(lines(a=name, b="fine"), {})
    assert found.names == {"b": "fine"}
    (finding,) = found.findings
    assert finding.code == "not-exported"
    assert "campaign a is left out" in finding.message


def test_of_several_of_one_name_only_an_owned_one_can_be_told() -> None:
    nobody = select(lines(a="dup", b="dup", c="x"), {})
    assert nobody.names == {"c": "x"}
    (finding,) = nobody.findings
    assert finding.message == "2 campaigns are called 'dup'; left out: a, b"
    assert finding.hint is not None
    assert "reconciler import Campaign/NAME a" in finding.hint

    one = select(lines(a="dup", b="dup"), owners(b="ours"))
    assert one.names == {"b": "ours"}
    assert [finding.message for finding in one.findings] == ["2 campaigns are called 'dup'; left out: a"]

    # Two resources can't declare one name.
    both = select(lines(a="dup", b="dup"), owners(a="one", b="two"))
    assert (both.names, len(both.findings)) == ({}, 1)
