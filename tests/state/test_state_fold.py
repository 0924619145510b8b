"""A state is a fold over what happened."""

from hypothesis import given
from state_strategies import events, journals, states

from reconciler.model import Kind, ResourceId
from reconciler.state.base import (
    PLANS_KEPT,
    BracketOpened,
    CampaignOwned,
    Event,
    FieldApplied,
    Intent,
    IntentNoted,
    Origin,
    Owned,
    PackageUploaded,
    PlanApplied,
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


def test_the_owner_of_a_live_campaign() -> None:
    state = fold(new_state(), [CampaignOwned(Owned(A, "1", Origin.CREATED))])
    assert state.owner_of("1") == A
    assert state.owner_of("2") is None


def test_plans_that_were_applied_are_known_the_last_of_them_only() -> None:
    digests = [f"{number:064x}" for number in range(PLANS_KEPT + 2)]
    state = fold(new_state(), [PlanApplied(digest, False) for digest in digests])
    assert list(state.plans) == digests[2:], "oldest first"
    state = fold(state, [PlanApplied(digests[-1], True), PlanApplied(digests[2], True)])
    assert list(state.plans) == digests[2:]
    assert [digest for digest, whole in state.plans.items() if whole] == [digests[2], digests[-1]]


def test_the_salt_of_what_was_planned_becomes_that_of_the_state() -> None:
    state = new_state()
    assert not state.begun
    assert fold(state, [SaltChosen("5a17")]).salt == "5a17"
