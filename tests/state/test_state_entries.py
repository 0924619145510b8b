"""What a state holds of one resource: found, moved, and forgotten."""

from dataclasses import replace

import pytest

from reconciler.model import Kind, OnRemove, ResourceId
from reconciler.state.base import Intent, Origin, Owned, State, Uploaded, upload_key
from reconciler.state.entries import StateEntry, entries
from reconciler.state.folding import fold

A, B, C = (ResourceId(Kind.CAMPAIGN, name) for name in "abc")
FIRMWARE, OTHER = ResourceId(Kind.PACKAGE_SET, "firmware"), ResourceId(Kind.PACKAGE_SET, "other")
OWNED = Owned(
    B,
    "c-2",
    Origin.ADOPTED,
    OnRemove.ABANDON,
    "STARTED",
    "STARTED",
    {"settings": {}},
    {"gateways": {"added": frozenset("x")}},
)
UPLOADS = [
    Uploaded("3" * 64, "p-3", "a.bin", FIRMWARE),
    Uploaded("1" * 64, "p-1", "b.bin", FIRMWARE, left_behind=True),
    Uploaded("2" * 64, "p-2", "b.bin", FIRMWARE),
]
INTENTS = [Intent(str(A), "A"), Intent(str(B), "B", {"settings": {}}), Intent(upload_key("9" * 64), "fw.bin")]
STATE = State(
    "lineage",
    "5a17",
    campaigns={B: OWNED, C: Owned(C, "c-3", Origin.CREATED)},
    packages={each.sha256: each for each in reversed(UPLOADS)},
    intents={each.key: each for each in INTENTS},
)


def test_every_resource_has_one_entry_with_all_that_is_held_of_it() -> None:
    found = entries(STATE)
    assert list(found.items()) == [
        (A, StateEntry(A, intent=INTENTS[0])),
        (B, StateEntry(B, OWNED, INTENTS[1])),
        (C, StateEntry(C, STATE.campaigns[C])),
        # By name, then by content.
        (FIRMWARE, StateEntry(FIRMWARE, uploads=tuple(UPLOADS))),
    ]
    assert [each.ids for each in found.values()] == [(), ("c-2",), ("c-3",), ("p-3", "p-1", "p-2")]


def test_an_empty_state_holds_nothing() -> None:
    assert entries(State("lineage", "5a17")) == {}


def test_a_campaign_is_moved_whole() -> None:
    to = ResourceId(Kind.CAMPAIGN, "new")
    after = fold(STATE, entries(STATE)[B].moved(to))
    assert after.campaigns == {C: STATE.campaigns[C], to: replace(OWNED, resource=to)}
    assert after.intents == {
        **{each.key: each for each in (INTENTS[0], INTENTS[2])},
        str(to): replace(INTENTS[1], key=str(to)),
    }
    assert after.packages == STATE.packages


def test_a_campaign_that_was_about_to_be_created_is_moved() -> None:
    to = ResourceId(Kind.CAMPAIGN, "new")
    after = fold(STATE, entries(STATE)[A].moved(to))
    assert after.campaigns == STATE.campaigns
    assert after.intents.keys() == {str(to), str(B), INTENTS[2].key}


def test_packages_are_moved_with_what_is_known_of_them() -> None:
    after = fold(STATE, entries(STATE)[FIRMWARE].moved(OTHER))
    assert after.packages == {each.sha256: replace(each, resource=OTHER) for each in UPLOADS}
    assert (after.campaigns, after.intents) == (STATE.campaigns, STATE.intents)


@pytest.mark.parametrize(
    ("resource", "campaigns", "intents", "packages"),
    [
        (A, {B, C}, {str(B), upload_key("9" * 64)}, {"1" * 64, "2" * 64, "3" * 64}),
        (B, {C}, {str(A), upload_key("9" * 64)}, {"1" * 64, "2" * 64, "3" * 64}),
        (C, {B}, {str(A), str(B), upload_key("9" * 64)}, {"1" * 64, "2" * 64, "3" * 64}),
        (FIRMWARE, {B, C}, {str(A), str(B), upload_key("9" * 64)}, set()),
    ],
)
def test_all_that_is_held_is_forgotten(
    resource: ResourceId, campaigns: set[ResourceId], intents: set[str], packages: set[str]
) -> None:
    after = fold(STATE, entries(STATE)[resource].forgotten())
    assert (after.campaigns.keys(), after.intents.keys(), after.packages.keys()) == (
        campaigns,
        intents,
        packages,
    )
