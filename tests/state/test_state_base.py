"""Whom a state belongs to, and what an upload may have made."""

import re

import pytest

from reconciler.errors import WrongServer
from reconciler.model import Server
from reconciler.state.base import Intent, State, bound_to

PULSE = Server("pulse", "https://one.example.com", "acme")


@pytest.mark.parametrize(
    ("others", "ids", "made"),
    [
        ((), ["a", "b"], ["a", "b"]),
        (("a",), ["a", "b"], ["b"]),
        (("A",), ["a", "b"], ["b"]),
        (("a", "b"), ["b", "a"], []),
        (("c",), [], []),
    ],
)
def test_none_of_those_that_were_there_before_was_made(
    others: tuple[str, ...], ids: list[str], made: list[str]
) -> None:
    assert Intent("sha256:ab", "fw", others=others).made(ids) == made


def test_a_state_belongs_to_the_server_that_it_met_first() -> None:
    state = State("lineage", "5a17")
    bound = bound_to(state, PULSE, url="file:x")
    assert bound == State("lineage", "5a17", server=PULSE)
    assert bound_to(bound, PULSE, url="file:x") is bound


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (Server("pulse", "https://one.example.com", None), r"the pulse server \S.* \(no organization\)"),
        (
            Server("hawkbit", "https://two.example.com", "acme"),
            r"the hawkbit server \S.*(?<!\(no organization\))",
        ),
    ],
)
def test_another_server_is_named(other: Server, said: str) -> None:
    state = State("lineage", "5a17", server=PULSE)
    with pytest.raises(WrongServer) as caught:
        bound_to(state, other, url="file:x")
    words = (
        rf"the state file:x belongs to the pulse server {re.escape(str(PULSE))}, and this run is about {said}"
    )
    assert re.fullmatch(words, caught.value.message)
