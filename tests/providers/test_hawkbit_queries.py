"""Queries ask for at least what is meant, whatever is in a name."""

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.providers.hawkbit.query import ROOM, any_of, but, equal, tag_of, tagged, without_but
from tests.hawkbit_standin.rsql import matcher

names = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20).filter(str.strip)


@given(names)
def test_a_query_finds_whatever_has_the_name(name: str) -> None:
    query = equal("name", name)
    assert matcher(query, lambda it, _: (it,), lambda _: True)(name)


@given(st.lists(names, min_size=1, max_size=400, unique=True))
def test_many_names_are_asked_in_slices_that_fit_into_an_address(many: list[str]) -> None:
    queries = list(any_of("name", many, "rollout.id==5"))
    assert all(len(quote(query)) < ROOM + 400 for query in queries)
    find = [matcher(q, lambda it, f: (it,) if f == "name" else (5,), lambda _: True) for q in queries]
    assert all(any(each(name) for each in find) for name in many)


def test_a_slice_takes_as_many_as_fit() -> None:
    """Each takes its own characters and three for the comma before it, percent-encoded."""
    size = len(quote("name=='aaaa'")) + 3
    exactly, rest = divmod(ROOM, size)
    longer = "a" * (4 + rest)
    fits = ["aaaa"] * (exactly - 1) + [longer]
    assert len(list(any_of("name", fits))) == 1
    assert len(list(any_of("name", [*fits[:-1], longer + "a"]))) == 2
    first, second = any_of("name", [*fits, *fits])
    assert first == second


def test_no_names_are_no_query() -> None:
    assert list(any_of("name", [])) == []


@pytest.mark.parametrize(
    ("query", "tag"),
    [
        ("tag=='reconciler-line-1'", "reconciler-line-1"),
        ('tag == "line 3"', "line 3"),
        ("tag==line-3", "line-3"),
        ("tag==line*", None),
        ("tag=='line*'", None),
        ("tag!=line", None),
        ("tag==line;name==x", None),
        ("tag==line,tag==other", None),
        ("tag=in=(line)", None),
        ("id==*", None),
        ("", None),
    ],
)
def test_the_tag_of_a_query(query: str, tag: str | None) -> None:
    assert tag_of(query) == tag


def test_our_own_query_tells_its_tag() -> None:
    assert tag_of(tagged("reconciler-line.3_x-12")) == "reconciler-line.3_x-12"


@pytest.mark.parametrize("query", ["id==a", "tag==x;(id==a,id==b)", "name=='it''s'", "(a==b)"])
@pytest.mark.parametrize("ids", [[], ["gw-1"], ["gw-1", "gw (2)"]])
def test_whom_a_query_leaves_out_is_read_back(query: str, ids: list[str]) -> None:
    assert without_but(but(query, ids)) == (query, frozenset(ids))
