"""Declared campaigns that a run leaves alone: the table of ``reconciler.diff.untargeted``."""

from typing import Any

import pytest

from reconciler.diff import Ask, Diff, diff
from reconciler.diff.untargeted import Untargeted, heirs, keepers, untargeted
from reconciler.model import Desired, DistributionList, Live, LiveCampaign, Membership, Phase, Place
from reconciler.options import Options, Targets
from reconciler.state.base import Origin, Owned, State
from reconciler.targets import narrowed
from tests.fakes import NOW, Project, campaign, desired, rid
from tests.memory_provider import MemoryCampaign, MemoryServer

OTHER = rid("other")
LIST = DistributionList("dl", 60)


def focused(*left_alone: Any) -> Desired:
    """A run about ``line``."""
    everything = desired(campaign("line"), *left_alone)
    return narrowed(everything, State("l", "5a17"), Targets((rid("line"),)))


def known(*names: str, **more: Any) -> State:
    owned = {rid(name): Owned(rid(name), f"id {name}", Origin.CREATED, **more) for name in names}
    return State("l", "5a17", campaigns=owned)


def there(phase: Phase = Phase.RUNNING, **more: Any) -> Live:
    members = Membership({"idle": frozenset("abc")})
    found = LiveCampaign("id other", "other", "STATUS", phase, **{"gateways": members, **more})
    return Live(by_id={found.id: found})


ADDED = {"members": {"gateways": {"added": frozenset("b")}}}

# what is declared of who is left alone, its live side, the state → whom it loses; None: it is no matter
ROWS: dict[str, tuple[Any, Live, State, str | None]] = {
    "it loses some": ({"gateways": "ax"}, there(), known("other"), "bc"),
    "it loses nobody": ({"gateways": "abcx"}, there(), known("other"), ""),
    "its gateways are not managed": ({}, there(), known("other"), ""),
    "its gateways were not read": ({"gateways": "a"}, there(gateways=None), known("other"), ""),
    "a list keeps them": ({"gateways": "a"}, there(distribution=LIST), known("other"), ""),
    "a list keeps some": ({"gateways": "a"}, there(distribution=LIST), known("other", **ADDED), "b"),
    **{
        f"it is {phase}": ({"gateways": "a"}, there(phase), known("other"), None)
        for phase in Phase
        if phase is not Phase.RUNNING
    },
    "it is not ours": ({"gateways": "a"}, there(), known(), None),
    "it was not read": ({"gateways": "a"}, Live(), known("other"), None),
    "it is gone": ({"gateways": "a"}, Live(by_id={"id other": None}), known("other"), None),
}


@pytest.mark.parametrize("row", ROWS)
def test_who_is_lost(row: str) -> None:
    declared, live, state, lost = ROWS[row]
    found = untargeted(focused(campaign("other", **declared)), live, state)
    gateways = frozenset(declared.get("gateways", ""))
    assert found == (() if lost is None else (Untargeted(OTHER, frozenset(lost), gateways),))


def test_without_targets_nobody_is_left_alone() -> None:
    everything = desired(campaign("line"), campaign("other", gateways="a"))
    assert untargeted(everything, there(), known("other")) == ()
    assert keepers(everything, known("other")) == {}
    assert heirs(everything, known()) == {}


def test_whose_names_are_kept_and_who_takes_one_over() -> None:
    alone = focused(campaign("other"), campaign("third", "called so"), campaign("twin", "called so"))
    assert keepers(alone, known("line", "other")) == {"id other": OTHER}
    assert heirs(alone, known("line", "other")) == {"called so": rid("third")}
    assert heirs(alone, known("third", "twin")) == {"other": OTHER}


def compared(fakes: list[MemoryCampaign], wanted: Desired, **options: Any) -> Diff:
    project = Project(MemoryServer(*fakes))
    for each in fakes:
        project.own(each.name, each.id)
    chosen = Options(targets=Targets((rid("line"),)), **options)
    made = project.draft(wanted, targets=chosen.targets, **options)
    return diff(made.desired, made.live, made.state, Ask(chosen, NOW, project.server.facts))


# the gateways of those that run and are left alone: live, declared → from whom line takes which, as is said
TAKES: dict[str, tuple[dict[str, tuple[str, str]], str | None]] = {
    "none of them loses it": ({"m": ("a", "a")}, None),
    "one loses it": ({"m": ("ax", "x")}, "the gateway a from Campaign/m"),
    "one loses two": ({"m": ("ab", "")}, "2 gateways from Campaign/m"),
    "two lose the same": (
        {"m": ("a", ""), "n": ("a", "")}, "the gateway a from Campaign/m, the gateway a from Campaign/n",
    ),
    "two lose others": (
        {"m": ("ab", "b"), "n": ("b", "")}, "the gateway a from Campaign/m, the gateway b from Campaign/n",
    ),
    "two lose others, in another order": (
        {"n": ("a", ""), "m": ("b", "")}, "the gateway b from Campaign/m, the gateway a from Campaign/n",
    ),
    "others are lost": ({"m": ("xy", "y")}, None),
}  # fmt: skip


@pytest.mark.parametrize("row", TAKES)
def test_whom_a_targeted_campaign_would_take(row: str) -> None:
    others, said = TAKES[row]
    fakes = [MemoryCampaign(name, name, "STARTED", gateways=set(was)) for name, (was, _) in others.items()]
    place = Place("line.yaml", 6, 3)
    line = campaign("line", gateways="ab", places={"gatewayLists": place})
    wanted = desired(line, *(campaign(n, gateways=now) for n, (_, now) in others.items()))
    found = compared([*fakes, MemoryCampaign("1", "line")], wanted)
    messages = [each.message for each in found.findings]
    if said:
        (message,) = messages
        assert message == (
            f"Campaign/line would take {said}, which runs, loses them, and is not targeted:"
            " they have to leave first"
        )
        assert [(each.place, each.resource) for each in found.findings] == [(place, rid("line"))]
        assert found.campaigns == ()
    else:
        assert messages == []
        assert found.campaigns[0].gained == ("a", "b")
    assert found.untargeted == {rid(n): frozenset(now) for n, (_, now) in others.items()}


def test_a_campaign_that_moves_is_not_deleted_and_every_other_one_is() -> None:
    fakes = [MemoryCampaign("1", "line"), MemoryCampaign("2", "line too")]
    for name, moves in (("line", True), ("line too", False), ("elsewhere", False)):
        project = Project(MemoryServer(*fakes))
        project.own("line", "1")
        wanted = desired(campaign("heir", name), campaign("third"))
        made = project.draft(wanted, prune=True, targets=Targets((rid("line"),)))  # type: ignore[arg-type]
        assert bool(made.plan.groups) is not moves
        assert [each.code for each in made.plan.findings] == ["needs-target"] * moves
