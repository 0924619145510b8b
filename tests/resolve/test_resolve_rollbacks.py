"""Campaigns that are the way back from another one: what they are, and what is wrong with them."""

import pytest

from reconciler.model import Kind, ResourceId


def declared(folder, back: str = "rollbackOf: first", first: str = "rollout: {policy: careful}") -> None:
    folder.resource("GatewayList", "line", "gateways: [gw-1, gw-2]")
    folder.resource("RolloutPolicy", "careful", "waves: [{}]\nonFailure: stop")
    folder.resource("RolloutPolicy", "patient", "waves: [{}]")
    folder.resource("Campaign", "first", f"gatewayLists: [line]\n{first}")
    folder.resource("Campaign", "back", back)


@pytest.mark.parametrize("rollout", ["", "\nrollout: {policy: patient}"])
def test_its_gateways_are_those_of_the_other_one(folder, rollout: str) -> None:
    declared(folder, f"rollbackOf: first{rollout}")
    back, first = folder.resolve().desired.campaigns
    assert folder.every_finding() == ()
    assert back.rollback_of == ResourceId(Kind.CAMPAIGN, "first")
    assert back.gateways == {"gw-1", "gw-2"}
    assert first.rollback_of is None


@pytest.mark.parametrize(
    ("back", "first", "codes"),
    [
        ("rollbackOf: back", "rollout: {policy: careful}", ["rollback-of-nothing"]),
        ("rollbackOf: first", "description: x", ["rollback-of-nothing"]),
        ("rollbackOf: first", "rollout: {policy: patient}", ["rollback-not-stopped"]),
        ("rollbackOf: none", "rollout: {policy: careful}", ["dangling-reference"]),
        ("rollbackOf: first\ngatewayLists: [line]", "rollout: {policy: careful}", ["rollback-with-lists"]),
    ],
)
def test_what_is_wrong_is_said(folder, back: str, first: str, codes: list[str]) -> None:
    declared(folder, back, first)
    assert [each.code for each in folder.every_finding()] == codes


def test_one_way_back_is_enough(folder) -> None:
    declared(folder)
    folder.resource("Campaign", "other", "rollbackOf: first")
    assert [each.code for each in folder.every_finding()] == ["rollback-twice"]


def test_no_way_back_from_a_way_back(folder) -> None:
    declared(folder)
    folder.resource("Campaign", "other", "rollbackOf: back")
    assert [each.code for each in folder.every_finding()] == ["rollback-of-nothing"]
