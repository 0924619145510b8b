"""One state and one journal in which each field says something."""

from reconciler.model import Kind, OnRemove, ResourceId, Server
from reconciler.state.base import (
    BracketClosed,
    BracketOpened,
    CampaignAbandoned,
    CampaignForgotten,
    CampaignOwned,
    Event,
    FieldApplied,
    FieldsDeclared,
    Intent,
    IntentDropped,
    IntentNoted,
    LockInfo,
    MembersApplied,
    MembersForgotten,
    OnRemoveSet,
    Origin,
    Owned,
    PackageForgotten,
    PackageUploaded,
    PlanApplied,
    SaltChosen,
    State,
    StatusSet,
    Uploaded,
    upload_key,
)

A, B = ResourceId(Kind.CAMPAIGN, "line-3"), ResourceId(Kind.CAMPAIGN, "line ä/4")
FIRMWARE = ResourceId(Kind.PACKAGE_SET, "firmware")
ONE, TWO = "ab" * 32, "0c" * 32
OWNED = Owned(
    A,
    "8c7f",
    Origin.ADOPTED,
    OnRemove.ABANDON,
    "STARTED",
    "STARTED",
    {"callbackSet.completed": None, "settings": {"LEVEL": {"value": "debug"}, "KEY": {"digest": "9f86"}}},
    {"gateways": {}, "schedules.download": {"1/2": frozenset({"gw-2", "gw-1"}), "0/9": frozenset({"gw-3"})}},
    {"name": "Line 3", "description": " Line 3", "gateways": {"count": 2, "digest": "7d1e"}},
    {"description": "Line 3"},
)
STATE = State(
    "6f1c0a52-4c0e-4c43-9a55-0f5d8c4a7f0e",
    "9b2e4c1fa07d53868e1d0c2b7a4f6e35",
    12,
    Server("pulse", "https://pulse.example.com", "line-3"),
    {B: Owned(B, "1", Origin.CREATED), A: OWNED},
    {
        ONE: Uploaded(ONE, "p-1", "fw.bin", FIRMWARE),
        TWO: Uploaded(TWO, "p-2", "x", FIRMWARE, left_behind=True),
    },
    {
        upload_key(ONE): Intent(upload_key(ONE), "fw.bin"),
        "Campaign/line-5": Intent("Campaign/line-5", "Line 5", {"settings": {"retries": {"value": "3"}}}),
    },
    {TWO: True, ONE: False},
)
EVENTS: list[Event] = [
    IntentNoted(STATE.intents["Campaign/line-5"]),
    IntentDropped("Campaign/line-5"),
    CampaignOwned(OWNED),
    CampaignForgotten(A),
    CampaignAbandoned(B, (ONE, TWO)),
    StatusSet(A, "STARTED"),
    StatusSet(A, None),
    BracketOpened(A, "STARTED"),
    BracketClosed(A),
    FieldApplied(A, "settings", {"LEVEL": {"value": "debug"}}),
    FieldApplied(A, "callbackSet.completed", None),
    FieldsDeclared(A, {"name": "Line 3"}),
    FieldsDeclared(A, {"description": " Line 3"}, {"description": "Line 3"}),
    MembersApplied(A, "schedules.download", "1/2", ("gw-2", "gw-1")),
    MembersForgotten(A, ("gw-1",), "schedules.download"),
    MembersForgotten(A, ("gw-1",)),
    OnRemoveSet(A, OnRemove.ABANDON),
    PackageUploaded(STATE.packages[ONE]),
    PackageUploaded(STATE.packages[TWO]),
    PackageForgotten(ONE),
    PlanApplied(ONE, whole=True),
    SaltChosen("9b2e4c1fa07d53868e1d0c2b7a4f6e35"),
]
LOCK = LockInfo("1f", "ann@build", "build", 4711, "apply", 1_790_000_000.5)
