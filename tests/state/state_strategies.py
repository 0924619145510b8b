"""Arbitrary states and events; resources and keys are few, so that events meet."""

from hypothesis import strategies as st

from reconciler.model import Json, Kind, OnRemove, ResourceId, Server
from reconciler.state.base import (
    BracketClosed,
    BracketOpened,
    CampaignAbandoned,
    CampaignForgotten,
    CampaignOwned,
    CampaignReplaced,
    Event,
    FieldApplied,
    FreezeEnded,
    Intent,
    IntentDropped,
    IntentNoted,
    MembersApplied,
    MembersForgotten,
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
    SaltChosen,
    State,
    StatusSet,
    Uploaded,
    upload_key,
)

texts = st.text(st.characters(), max_size=5)
resources = st.sampled_from([ResourceId(Kind.CAMPAIGN, name) for name in ("a", "b/c", "ä .\u2028")])
digests = st.sampled_from(["0" * 64, "ab" * 32])
statuses = st.sampled_from(["STARTED", "STOPPED", "APPROVED"])
field_names = st.sampled_from(["settings", "callbacks"])
values: st.SearchStrategy[Json] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
gateways = st.lists(texts, max_size=3, unique=True).map(tuple)
member_groups = st.dictionaries(
    texts, st.frozensets(st.sampled_from("abcdef"), min_size=1), min_size=1, max_size=2
)
owneds = st.builds(
    Owned,
    resources,
    texts,
    st.sampled_from(Origin),
    st.sampled_from(OnRemove),
    st.none() | statuses,
    st.none() | statuses,
    st.dictionaries(field_names, values, max_size=2),
    st.dictionaries(field_names, member_groups, max_size=2),
    st.booleans(),
    st.lists(st.builds(Predecessor, texts, st.booleans()), max_size=2).map(tuple),
)
uploads = st.builds(Uploaded, digests, texts, texts, resources, st.booleans())
intents = st.builds(
    Intent,
    resources.map(str) | digests.map(upload_key),
    texts,
    st.dictionaries(field_names, values),
    st.none() | texts,
    st.none() | statuses,
)
servers = st.builds(Server, texts, texts, st.none() | texts)
states = st.builds(
    State,
    lineage=st.uuids().map(str),
    salt=st.text("0123456789abcdef", min_size=32, max_size=32),
    serial=st.integers(0, 2**70),
    server=st.none() | servers,
    campaigns=st.lists(owneds, max_size=3).map(lambda found: {owned.resource: owned for owned in found}),
    packages=st.lists(uploads, max_size=3).map(lambda found: {upload.sha256: upload for upload in found}),
    intents=st.lists(intents, max_size=3).map(lambda found: {intent.key: intent for intent in found}),
    plans=st.dictionaries(digests, st.booleans()),
)
events: st.SearchStrategy[Event] = st.one_of(
    st.builds(IntentNoted, intents),
    st.builds(IntentDropped, resources.map(str) | digests.map(upload_key)),
    st.builds(CampaignOwned, owneds),
    st.builds(CampaignForgotten, resources),
    st.builds(CampaignAbandoned, resources, st.lists(digests, unique=True).map(tuple)),
    st.builds(StatusSet, resources, st.none() | statuses),
    st.builds(BracketOpened, resources, statuses),
    st.builds(BracketClosed, resources),
    st.builds(ReplacementBegun, resources),
    # A server never gives an id twice.
    st.builds(CampaignReplaced, resources, texts, st.uuids().map(str), st.none() | statuses),
    st.builds(PredecessorEnded, resources, texts),
    st.builds(PredecessorForgotten, resources, texts),
    st.builds(FreezeEnded, resources, texts),
    st.builds(FieldApplied, resources, field_names, values),
    st.builds(MembersApplied, resources, field_names, texts, gateways),
    st.builds(MembersForgotten, resources, gateways, st.none() | field_names),
    st.builds(OnRemoveSet, resources, st.sampled_from(OnRemove)),
    st.builds(PackageUploaded, uploads),
    st.builds(PackageForgotten, digests),
    st.builds(PlanApplied, digests, st.booleans()),
    st.builds(SaltChosen, st.text("0123456789abcdef", min_size=32, max_size=32)),
)
journals = st.lists(events, max_size=8)
