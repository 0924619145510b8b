"""Whom a state belongs to, and what an upload may have made."""

import re
from dataclasses import fields

import pytest

from reconciler.errors import WrongServer
from reconciler.model import Kind, OnRemove, ResourceId, RolloutRecord, Server
from reconciler.state.base import CampaignReplaced, Intent, Origin, Owned, Predecessor, State, bound_to

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


def test_what_a_successor_has_of_the_one_before_it_and_what_not() -> None:
    """Field by field, as some don't count when two are compared. A new field belongs in one of the tables."""
    line = ResourceId(Kind.CAMPAIGN, "line")
    before = Owned(
        line,
        "1",
        Origin.ADOPTED,
        OnRemove.ABANDON,
        status="STARTED",
        return_to="STOPPED",
        applied={"settings": {"a": {"value": "old"}}},
        members={"packageOverrides": {"[]": frozenset("a")}},
        replacing=True,
        predecessors=(Predecessor("0", ended=True),),
        since=5,
        declared={"name": "line"},
        kept={"name": "LINE"},
        rollout=RolloutRecord("revision"),
    )
    event = CampaignReplaced(line, "1", "2", "STARTED", {"settings": {"a": {"value": "new"}}}, since=9)
    after = before.succeeded(event)
    stays = ("resource", "on_remove", "declared", "kept", "rollout")
    anew = {
        "id": "2",
        "origin": Origin.CREATED,
        "status": None,
        "return_to": "STARTED",
        "applied": event.applied,
        "members": {},
        "replacing": False,
        "predecessors": (Predecessor("0", ended=True), Predecessor("1")),
        "since": 9,
    }
    assert {each.name for each in fields(Owned)} == {*stays, *anew}
    assert {name: getattr(after, name) for name in anew} == anew
    assert all(getattr(after, name) == getattr(before, name) for name in stays)


@pytest.mark.parametrize(("serial", "begun"), [(0, False), (1, True), (2, True)])
def test_a_state_is_begun_by_its_first_snapshot(serial: int, begun: bool) -> None:
    assert State("lineage", "5a17", serial=serial).begun is begun
