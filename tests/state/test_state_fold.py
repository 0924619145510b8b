"""A state is a fold over what happened."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product
from typing import Any, get_args

import pytest
from hypothesis import given
from state_strategies import events, journals, states

from reconciler.model import Kind, OnRemove, ResourceId, RolloutRecord, Server
from reconciler.state import folding
from reconciler.state.base import (
    BracketClosed,
    BracketOpened,
    CampaignAbandoned,
    CampaignForgotten,
    CampaignOwned,
    CampaignReplaced,
    Event,
    FieldApplied,
    FieldsDeclared,
    FreezeEnded,
    Intent,
    IntentDropped,
    IntentNoted,
    MembersApplied,
    MembersForgotten,
    NoticeNoted,
    OnRemoveSet,
    Origin,
    Owned,
    PackageForgotten,
    PackageUploaded,
    PlanApplied,
    Predecessor,
    PredecessorEnded,
    PredecessorForgotten,
    ReplacementBegun,
    RolloutNoted,
    SaltChosen,
    State,
    StatusSet,
    Uploaded,
    new_state,
    upload_key,
)
from reconciler.state.folding import fold

A, B = ResourceId(Kind.CAMPAIGN, "a"), ResourceId(Kind.CAMPAIGN, "b")
SET = ResourceId(Kind.PACKAGE_SET, "set")


@given(states, journals, journals)
def test_a_journal_may_be_folded_in_parts(state: State, first: list[Event], second: list[Event]) -> None:
    assert fold(fold(state, first), second) == fold(state, first + second)


@given(states, events)
def test_an_event_twice_is_an_event_once(state: State, event: Event) -> None:
    assert fold(state, [event, event]) == fold(state, [event])


@given(states, journals)
def test_a_journal_that_was_folded_in_may_be_replayed(state: State, journal: list[Event]) -> None:
    once = fold(state, journal)
    assert fold(once, journal) == once


@given(states, journals)
def test_folding_leaves_its_arguments_alone(state: State, journal: list[Event]) -> None:
    before = (dict(state.campaigns), dict(state.packages), dict(state.intents), list(journal))
    after = fold(state, journal)
    assert (dict(state.campaigns), dict(state.packages), dict(state.intents), journal) == before
    kept = ("lineage", "serial", "server")
    assert [getattr(after, name) for name in kept] == [getattr(state, name) for name in kept]


def test_what_is_created_ends_its_intent_and_no_other() -> None:
    sha, other = "a" * 64, "b" * 64
    noted = [IntentNoted(Intent(key, "n")) for key in (str(A), str(B), upload_key(sha), upload_key(other))]
    done = [
        CampaignOwned(Owned(A, "1", Origin.CREATED)),
        PackageUploaded(Uploaded(sha, "p", "n", SET)),
    ]
    assert list(fold(new_state(), [*noted, *done]).intents) == [str(B), upload_key(other)]


def test_what_is_said_of_a_campaign_that_is_not_ours_says_nothing() -> None:
    state = new_state()
    said = [StatusSet(A, "STARTED"), BracketOpened(A, "STARTED"), FieldApplied(A, "settings", {})]
    assert fold(state, said) == state


def test_an_applied_field_is_replaced_and_forgotten() -> None:
    owned = fold(new_state(), [CampaignOwned(Owned(A, "1", Origin.CREATED))])
    both = fold(owned, [FieldApplied(A, "x", 1), FieldApplied(A, "y", 2), FieldApplied(A, "x", 3)])
    assert both.campaigns[A].applied == {"x": 3, "y": 2}
    assert fold(both, [FieldApplied(A, "x", None)]).campaigns[A].applied == {"y": 2}


def test_what_the_server_keeps_belongs_to_what_was_sent() -> None:
    owned = fold(new_state(), [CampaignOwned(Owned(A, "1", Origin.CREATED))])
    kept = fold(
        owned, [FieldsDeclared(A, {"x": " a", "y": " b"}, {"x": "a", "y": "b", "settings": {"k": None}})]
    )
    anew = fold(kept, [FieldsDeclared(A, {"x": " c"})]).campaigns[A]
    assert (anew.declared, anew.kept) == ({"x": " c", "y": " b"}, {"y": "b", "settings": {"k": None}})
    assert fold(kept, [FieldApplied(A, "settings", {})]).campaigns[A].kept == {"x": "a", "y": "b"}
    assert fold(kept, [FieldApplied(A, "settings", None)]).campaigns[A].kept == {"x": "a", "y": "b"}


def test_the_owner_of_a_live_campaign() -> None:
    state = fold(new_state(), [CampaignOwned(Owned(A, "1", Origin.CREATED))])
    assert state.owner_of("1") == A
    assert state.owner_of("2") is None


def test_plans_that_were_applied_are_known_the_last_of_them_only() -> None:
    digests = [f"{number:064x}" for number in range(102)]
    state = fold(new_state(), [PlanApplied(digest, False) for digest in digests])
    assert list(state.plans) == digests[2:], "oldest first"
    state = fold(state, [PlanApplied(digests[-1], True), PlanApplied(digests[2], True)])
    assert list(state.plans) == digests[2:]
    assert [digest for digest, whole in state.plans.items() if whole] == [digests[2], digests[-1]]


def test_the_salt_of_what_was_planned_becomes_that_of_the_state() -> None:
    state = new_state()
    assert not state.begun
    assert fold(state, [SaltChosen("5a17")]).salt == "5a17"


# --- every event on every state -----------------------------------------------------------------------

SHA, OTHER, THIRD = "a" * 64, "b" * 64, "c" * 64
OF_A: Mapping[str, Mapping[str, frozenset[str]]] = {
    "packageOverrides": {"old": frozenset("xy"), "older": frozenset("z")},
    "gateways": {"added": frozenset("x")},
}


def full_owned(resource: ResourceId, live: str) -> Owned:
    return Owned(
        resource,
        live,
        Origin.ADOPTED,
        OnRemove.ABANDON,
        status="STARTED",
        return_to="STARTED",
        applied={"settings": {"L": {"value": "1"}}, "settings.assumed": True},
        members=OF_A,
        predecessors=(Predecessor("c-0"), Predecessor("c-1", ended=True)),
    )


def uploaded(sha: str, *, left_behind: bool = False) -> Uploaded:
    return Uploaded(sha, f"p-{sha[0]}", "fw.bin", SET, left_behind)


EMPTY = State("lineage", "5a17", 3)
FULL = State(
    "lineage",
    "5a17",
    3,
    Server("pulse", "https://pulse.example.com"),
    campaigns={A: full_owned(A, "c-a"), B: full_owned(B, "c-b")},
    packages={sha: uploaded(sha) for sha in (SHA, OTHER)},
    intents={key: Intent(key, "n") for key in (str(A), str(B), upload_key(SHA), upload_key(OTHER))},
    plans={"1": False, "2": True},
    told={"look": 5},
)
NEW = Owned(A, "c-new", Origin.CREATED)


def without(known: Mapping[Any, Any], *keys: object) -> dict[Any, Any]:
    return {key: value for key, value in known.items() if key not in keys}


def campaign_a(**values: Any) -> State:
    """FULL with other values of its campaign A; the order of the campaigns says nothing."""
    return replace(FULL, campaigns={**FULL.campaigns, A: replace(FULL.campaigns[A], **values)})


def members_of_a(**fields: Mapping[str, frozenset[str]]) -> State:
    return campaign_a(members={**OF_A, **fields})


Case = tuple[Event, State, State]
ON_EACH: dict[str, Case] = {
    # Event, what it makes of EMPTY, what it makes of FULL.
    "an intent": (
        IntentNoted(Intent("Campaign/c", "C")),
        replace(EMPTY, intents={"Campaign/c": Intent("Campaign/c", "C")}),
        replace(FULL, intents={**FULL.intents, "Campaign/c": Intent("Campaign/c", "C")}),
    ),
    "the same intent with another name": (
        IntentNoted(Intent(str(A), "other", {"settings": {}})),
        replace(EMPTY, intents={str(A): Intent(str(A), "other", {"settings": {}})}),
        replace(FULL, intents={**FULL.intents, str(A): Intent(str(A), "other", {"settings": {}})}),
    ),
    "an intent is dropped": (
        IntentDropped(str(A)),
        EMPTY,
        replace(FULL, intents=without(FULL.intents, str(A))),
    ),
    # What the gateways of the campaign before had isn't what those of this one have.
    "owned": (
        CampaignOwned(NEW),
        replace(EMPTY, campaigns={A: NEW}),
        replace(FULL, campaigns={**FULL.campaigns, A: NEW}, intents=without(FULL.intents, str(A))),
    ),
    "forgotten": (
        CampaignForgotten(A),
        EMPTY,
        replace(FULL, campaigns=without(FULL.campaigns, A)),
    ),
    "abandoned": (
        CampaignAbandoned(A),
        EMPTY,
        replace(FULL, campaigns=without(FULL.campaigns, A)),
    ),
    "abandoned with packages": (
        CampaignAbandoned(A, (OTHER, THIRD)),
        EMPTY,
        replace(
            FULL,
            campaigns=without(FULL.campaigns, A),
            packages={SHA: uploaded(SHA), OTHER: uploaded(OTHER, left_behind=True)},
        ),
    ),
    "a status": (StatusSet(A, "STOPPED"), EMPTY, campaign_a(status="STOPPED")),
    "no status": (StatusSet(A, None), EMPTY, campaign_a(status=None)),
    "a bracket is opened": (BracketOpened(A, "APPROVED"), EMPTY, campaign_a(return_to="APPROVED")),
    "a bracket is closed": (BracketClosed(A), EMPTY, campaign_a(return_to=None)),
    "a replacement is begun": (ReplacementBegun(A), EMPTY, campaign_a(replacing=True)),
    "replaced": (
        CampaignReplaced(A, "c-a", "c-new", "STARTED", {"settings": {}}),
        EMPTY,
        replace(
            FULL,
            campaigns={
                **FULL.campaigns,
                A: Owned(
                    A,
                    "c-new",
                    Origin.CREATED,
                    OnRemove.ABANDON,
                    return_to="STARTED",
                    applied={"settings": {}},
                    predecessors=(*FULL.campaigns[A].predecessors, Predecessor("c-a")),
                ),
            },
            intents=without(FULL.intents, str(A)),
        ),
    ),
    "replaced long ago": (CampaignReplaced(A, "c-0", "c-a"), EMPTY, FULL),
    "a predecessor has ended": (
        PredecessorEnded(A, "c-0"),
        EMPTY,
        campaign_a(predecessors=(Predecessor("c-0", ended=True), Predecessor("c-1", ended=True))),
    ),
    "a predecessor is gone": (
        PredecessorForgotten(A, "c-0"),
        EMPTY,
        campaign_a(predecessors=(Predecessor("c-1", ended=True),)),
    ),
    "a freeze is over": (FreezeEnded(A, "c-1"), EMPTY, FULL),
    "a freeze is over for the campaign itself": (FreezeEnded(A, "c-a"), EMPTY, campaign_a(status="STARTED")),
    "a predecessor that nobody knows": (PredecessorForgotten(A, "c-9"), EMPTY, FULL),
    "a field": (
        FieldApplied(A, "distributionList", "l-1"),
        EMPTY,
        campaign_a(applied={**FULL.campaigns[A].applied, "distributionList": "l-1"}),
    ),
    "another value of a field": (
        FieldApplied(A, "settings", {}),
        EMPTY,
        campaign_a(applied={"settings": {}, "settings.assumed": True}),
    ),
    "no value of a field": (
        FieldApplied(A, "settings.assumed", None),
        EMPTY,
        campaign_a(applied={"settings": {"L": {"value": "1"}}}),
    ),
    "a false value of a field": (
        FieldApplied(A, "settings.assumed", False),
        EMPTY,
        campaign_a(applied={"settings": {"L": {"value": "1"}}, "settings.assumed": False}),
    ),
    "what is declared": (
        FieldsDeclared(A, {"name": "Line 3"}),
        EMPTY,
        campaign_a(declared={"name": "Line 3"}),
    ),
    "what is declared, and kept otherwise": (
        FieldsDeclared(A, {"name": " Line 3"}, {"name": "Line 3", "settings": {"L": None}}),
        EMPTY,
        campaign_a(declared={"name": " Line 3"}, kept={"name": "Line 3", "settings": {"L": None}}),
    ),
    "the first of a field": (
        MembersApplied(A, "schedules.download", "1/2", ("x", "v")),
        EMPTY,
        members_of_a(**{"schedules.download": {"1/2": frozenset("xv")}}),
    ),
    "more of a value": (
        MembersApplied(A, "packageOverrides", "older", ("v",)),
        EMPTY,
        members_of_a(packageOverrides={"old": frozenset("xy"), "older": frozenset("zv")}),
    ),
    "another value for some": (
        MembersApplied(A, "packageOverrides", "new", ("y", "v")),
        EMPTY,
        members_of_a(
            packageOverrides={"old": frozenset("x"), "older": frozenset("z"), "new": frozenset("yv")}
        ),
    ),
    "another value for the last that had one": (
        MembersApplied(A, "packageOverrides", "old", ("z",)),
        EMPTY,
        members_of_a(packageOverrides={"old": frozenset("xyz")}),
    ),
    "a value for nobody": (MembersApplied(A, "packageOverrides", "new", ()), EMPTY, FULL),
    "nothing of a field is known": (
        MembersForgotten(A, ("x", "z", "v"), "packageOverrides"),
        EMPTY,
        members_of_a(packageOverrides={"old": frozenset("y")}),
    ),
    "nothing of a whole field": (
        MembersForgotten(A, ("x", "y"), "gateways"),
        EMPTY,
        campaign_a(members={"packageOverrides": OF_A["packageOverrides"]}),
    ),
    "nothing of a field that nobody has": (MembersForgotten(A, ("x",), "runOnThings"), EMPTY, FULL),
    "nothing of any field": (
        MembersForgotten(A, ("x", "z")),
        EMPTY,
        campaign_a(members={"packageOverrides": {"old": frozenset("y")}}),
    ),
    "rollout": (
        RolloutNoted(A, RolloutRecord(wave=2)),
        EMPTY,
        campaign_a(rollout=RolloutRecord(wave=2)),
    ),
    "on removal": (OnRemoveSet(A, OnRemove.DELETE), EMPTY, campaign_a(on_remove=OnRemove.DELETE)),
    "uploaded": (
        PackageUploaded(uploaded(THIRD)),
        replace(EMPTY, packages={THIRD: uploaded(THIRD)}),
        replace(FULL, packages={**FULL.packages, THIRD: uploaded(THIRD)}),
    ),
    "uploaded as was meant": (
        PackageUploaded(replace(uploaded(SHA), id="p-new")),
        replace(EMPTY, packages={SHA: replace(uploaded(SHA), id="p-new")}),
        replace(
            FULL,
            packages={SHA: replace(uploaded(SHA), id="p-new"), OTHER: uploaded(OTHER)},
            intents=without(FULL.intents, upload_key(SHA)),
        ),
    ),
    "a package is forgotten": (
        PackageForgotten(SHA),
        EMPTY,
        replace(FULL, packages={OTHER: uploaded(OTHER)}),
    ),
    "a salt": (SaltChosen("7e57"), replace(EMPTY, salt="7e57"), replace(FULL, salt="7e57")),
    "people are told": (
        NoticeNoted("guard:maxStarts", 7),
        replace(EMPTY, told={"guard:maxStarts": 7}),
        replace(FULL, told={"look": 5, "guard:maxStarts": 7}),
    ),
    "what they were told of is over": (NoticeNoted("look", None), EMPTY, replace(FULL, told={})),
    "a plan": (
        PlanApplied("3", False),
        replace(EMPTY, plans={"3": False}),
        replace(FULL, plans={"1": False, "2": True, "3": False}),
    ),
    "the rest of a plan": (
        PlanApplied("1", True),
        replace(EMPTY, plans={"1": True}),
        replace(FULL, plans={"1": True, "2": True}),
    ),
}


@pytest.mark.parametrize("what", ON_EACH)
def test_an_event_changes_this_and_nothing_else(what: str) -> None:
    event, of_empty, of_full = ON_EACH[what]
    assert fold(EMPTY, [event]) == of_empty
    assert fold(FULL, [event]) == of_full


def test_what_a_freeze_stopped_is_noted_until_it_runs_again() -> None:
    before = campaign_a(rollout=RolloutRecord(wave=2, stopped=("c-0", "c-1")))
    after = campaign_a(rollout=RolloutRecord(wave=2, stopped=("c-1",)))
    assert fold(before, [FreezeEnded(A, "c-0")]) == after
    assert fold(after, [FreezeEnded(A, "c-0")]) == after


def test_every_event_is_in_the_table() -> None:
    assert {type(event) for event, _, _ in ON_EACH.values()} == set(get_args(Event))


def test_events_that_come_together_say_what_they_say_one_by_one() -> None:
    """Every two, behind one that has opened the gateways of the campaign, and behind none."""
    every = [event for event, _, _ in ON_EACH.values()]
    opened: tuple[Sequence[Event], ...] = ((), (MembersApplied(A, "runOnThings", "new", ("x", "v")),))
    for state, first in product((EMPTY, FULL), opened):
        begun = fold(state, first)
        for one in every:
            then = fold(begun, [one])
            for two in every:
                assert fold(state, [*first, one, two]) == fold(then, [two]), (first, one, two)


def test_events_that_wait_are_folded_when_many_do_or_somebody_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folding, "UNFOLDED", 3)
    pending = folding.PendingState(EMPTY)
    keys = [f"Campaign/{number}" for number in range(4)]
    for number, key in enumerate(keys[:2]):
        pending.add([IntentNoted(Intent(key, "n"))])
        assert (list(pending.base.intents), len(pending._waiting)) == ([], number + 1)
    pending.add([IntentNoted(Intent(keys[2], "n"))])
    assert (list(pending.base.intents), pending._waiting) == (keys[:3], [])
    pending.add([IntentNoted(Intent(keys[3], "n"))])
    assert list(pending.fold().intents) == keys
    assert (pending.fold(), pending._waiting) == (pending.base, [])
    pending.saved_as(9)
    assert (pending.base.serial, list(pending.fold().intents)) == (9, keys)
