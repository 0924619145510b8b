"""What the state learns of each verb, before it is sent and after it has ended."""

import pytest

from reconciler.apply.record import after, before
from reconciler.model import (
    CampaignFields,
    DesiredStatus,
    DistributionList,
    OnRemove,
    Outcome,
    OutcomeStatus,
    PendingUpload,
    Secret,
    Step,
    Verb,
)
from reconciler.state.base import (
    BracketClosed,
    BracketOpened,
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
    Origin,
    Owned,
    PackageForgotten,
    PackageUploaded,
    PredecessorEnded,
    PredecessorForgotten,
    ReplacementBegun,
    StatusSet,
    Uploaded,
    upload_key,
)
from tests.apply.apply_script import CAMPAIGN, FILE, PACKAGES, SALT, step

KEY = Secret("environment variable KEY", "hunter2")
FIELDS = CampaignFields("Line 3", settings={"LEVEL": "debug", "KEY": KEY})
APPLIED = {"settings": {"KEY": {"digest": KEY.digest(SALT)}, "LEVEL": {"value": "debug"}}}
CONTENT = upload_key(FILE.sha256)
STARTED, STOPPED = DesiredStatus.STARTED, DesiredStatus.STOPPED

THINGS = {"a": ("t-2", "t-1"), "b": ("t-3",), "c": ("t-1", "t-2")}
GATEWAYS = ("a", "b", "c")

STEPS: dict[str, Step] = {
    "create": step("create-campaign", fields=CampaignFields("Line 3")),
    "create with settings": step("create-campaign", fields=FIELDS),
    "create to abandon": step("create-campaign", on_remove=OnRemove.ABANDON),
    "edit": step("edit-campaign"),
    "edit settings": step("edit-campaign", fields=FIELDS),
    "edit no settings": step("edit-campaign", fields=CampaignFields("Line 3", settings={})),
    "upload": step("upload-package", resource=PACKAGES),
    "start": step("start-campaign"),
    "start of a bracket": step("start-campaign", bracket=True),
    "stop": step("stop-campaign"),
    "stop of a bracket": step("stop-campaign", bracket=True),
    "approve": step("approve-campaign"),
    "add": step("add-gateways", gateways="ab", per_call=2),
    "remove": step("remove-gateways", gateways="ab", per_call=2),
    "close": step("close-gateway", gateways="a", per_call=1),
    "distribute": step("set-distribution-list"),
    "callback": step("register-completed-callback"),
    "add beside a list": step("add-gateways", gateways="ab", per_call=2, distribution=DistributionList("l")),
    "override": step("assign-gateway-packages", gateways="a", per_call=1, packages=("p-2", "p-1")),
    "override with an upload": step(
        "assign-gateway-packages", gateways="a", per_call=1, packages=(PendingUpload(FILE.sha256),)
    ),
    "schedule": step("schedule-download", gateways="a", per_call=1),
    "things": step("run-on-things", gateways="abc", per_call=3, things=THINGS),
    "delete": step("delete-campaign"),
    "create a successor": step(
        "create-campaign", fields=FIELDS, replaces="c-0", starts=True, on_remove=OnRemove.ABANDON
    ),
    "create a successor that stays": step("create-campaign", replaces="c-0"),
    "retire": step("retire", target="c-0"),
    "end": step("end", target="c-0"),
    "delete a predecessor": step("delete-campaign", target="c-0", predecessor=True),
    "start a predecessor": step("start-campaign", target="c-0", predecessor=True),
    "stop a predecessor": step("stop-campaign", target="c-0", predecessor=True),
    "delete package": step("delete-package"),
}

BEFORE: dict[str, tuple[Event, ...]] = {
    "create": (IntentNoted(Intent("Campaign/line-3", "Line 3")),),
    "create with settings": (IntentNoted(Intent("Campaign/line-3", "Line 3", APPLIED)),),
    "create to abandon": (IntentNoted(Intent("Campaign/line-3", "line-3")),),
    # What is replaced says so before anything is done to it.
    "create a successor": (
        ReplacementBegun(CAMPAIGN),
        IntentNoted(Intent("Campaign/line-3", "Line 3", APPLIED, "c-0", STARTED)),
    ),
    "create a successor that stays": (
        ReplacementBegun(CAMPAIGN),
        IntentNoted(Intent("Campaign/line-3", "line-3", {}, "c-0")),
    ),
    "retire": (ReplacementBegun(CAMPAIGN),),
    "upload": (IntentNoted(Intent(CONTENT, "fw.bin")),),
    "stop of a bracket": (BracketOpened(CAMPAIGN, STARTED),),
    # Else a stop of ours whose answer is lost would be taken for somebody else's.
    "stop": (StatusSet(CAMPAIGN, None),),
    # Never repeated, so the doubt is durable before it is sent.
    "things": (
        MembersApplied(CAMPAIGN, "runOnThings", '?["t-1", "t-2"]', ("a", "c")),
        MembersApplied(CAMPAIGN, "runOnThings", '?["t-3"]', ("b",)),
    ),
}


def owned(on_remove: OnRemove = OnRemove.DELETE, **applied: object) -> CampaignOwned:
    return CampaignOwned(Owned(CAMPAIGN, "id-1", Origin.CREATED, on_remove, applied=applied))  # type: ignore[arg-type]


DONE: dict[str, tuple[Event, ...]] = {
    "create": (owned(),),
    "create with settings": (owned(**APPLIED),),
    "create to abandon": (owned(OnRemove.ABANDON),),
    "create a successor": (CampaignReplaced(CAMPAIGN, "c-0", "id-1", STARTED, APPLIED),),
    "create a successor that stays": (CampaignReplaced(CAMPAIGN, "c-0", "id-1"),),
    "end": (PredecessorEnded(CAMPAIGN, "c-0"),),
    "delete a predecessor": (PredecessorForgotten(CAMPAIGN, "c-0"),),
    "start a predecessor": (FreezeEnded(CAMPAIGN, "c-0"),),
    "edit settings": (
        FieldApplied(CAMPAIGN, "settings", APPLIED["settings"]),
        FieldApplied(CAMPAIGN, "settings.assumed", None),
    ),
    "edit no settings": (
        FieldApplied(CAMPAIGN, "settings", {}),
        FieldApplied(CAMPAIGN, "settings.assumed", None),
    ),
    "upload": (
        PackageUploaded(Uploaded(FILE.sha256, "id-1", "fw.bin", PACKAGES, description=FILE.description)),
    ),
    "start": (StatusSet(CAMPAIGN, STARTED),),
    "start of a bracket": (BracketClosed(CAMPAIGN),),
    "stop": (StatusSet(CAMPAIGN, STOPPED),),
    "delete": (CampaignForgotten(CAMPAIGN),),
    "delete package": (PackageForgotten(FILE.sha256),),
    "remove": (MembersForgotten(CAMPAIGN, ("a", "b")),),
    "distribute": (FieldApplied(CAMPAIGN, "distributionList", "list-1"),),
    "callback": (FieldApplied(CAMPAIGN, "callbackSet.completed", {"notificationDestinationId": "d-1"}),),
    "add beside a list": (MembersApplied(CAMPAIGN, "gateways", "added", ("a", "b")),),
    "override": (MembersApplied(CAMPAIGN, "packageOverrides", '["p-1", "p-2"]', ("a",)),),
    "override with an upload": (MembersApplied(CAMPAIGN, "packageOverrides", '["p-7"]', ("a",)),),
    "schedule": (MembersApplied(CAMPAIGN, "schedules.download", "1/2", ("a",)),),
    "things": (
        MembersApplied(CAMPAIGN, "runOnThings", '["t-1", "t-2"]', ("a", "c")),
        MembersApplied(CAMPAIGN, "runOnThings", '["t-3"]', ("b",)),
    ),
}

NOT_NEEDED = {
    **DONE,
    # Somebody else stopped it: no later run may start it again.
    "stop of a bracket": (BracketClosed(CAMPAIGN),),
}

FAILED: dict[str, tuple[Event, ...]] = {
    "create": (IntentDropped("Campaign/line-3"),),
    "create with settings": (IntentDropped("Campaign/line-3"),),
    "create to abandon": (IntentDropped("Campaign/line-3"),),
    "create a successor": (IntentDropped("Campaign/line-3"),),
    "create a successor that stays": (IntentDropped("Campaign/line-3"),),
    "upload": (IntentDropped(CONTENT),),
    "things": (MembersForgotten(CAMPAIGN, GATEWAYS, "runOnThings"),),
    "stop of a bracket": (BracketClosed(CAMPAIGN),),
}


@pytest.mark.parametrize("what", STEPS)
def test_before_it_is_sent(what: str) -> None:
    assert before(STEPS[what], SALT, 1000, {}) == BEFORE.get(what, ())


@pytest.mark.parametrize(
    ("status", "unclear", "learned"),
    [
        (OutcomeStatus.DONE, False, DONE),
        (OutcomeStatus.NOT_NEEDED, False, NOT_NEEDED),
        (OutcomeStatus.FAILED, False, FAILED),
        # What may have happened all the same keeps its intent, or its bracket.
        (OutcomeStatus.FAILED, True, {}),
        (OutcomeStatus.UNKNOWN, True, {}),
        (OutcomeStatus.WAITING, False, {}),
        (OutcomeStatus.SKIPPED, False, {}),
    ],
)
@pytest.mark.parametrize("what", STEPS)
def test_after_it_has_ended(
    what: str, status: OutcomeStatus, unclear: bool, learned: dict[str, tuple[Event, ...]]
) -> None:
    created = "id-1" if "create" in what or what == "upload" else None
    outcome = Outcome(STEPS[what], status, created=created, unclear=unclear)
    intended = [event for event in BEFORE.get(what, ()) if isinstance(event, IntentNoted)]
    if unclear and intended:
        # Once more, and when: from then on it may only lag.
        (noted,) = after(outcome, SALT, 1000, {}, {})
        assert isinstance(noted, IntentNoted)
        assert [noted] == intended
        assert (noted.intent.since, noted.intent.ended) == (1000, True)
        return
    assert after(outcome, SALT, 1000, {FILE.sha256: "p-7"}, {}) == learned.get(what, ())


LEFT: dict[str, tuple[tuple[str, ...], tuple[Event, ...]]] = {
    # What of a batch isn't done, and what is kept of the rest.
    "add": (("a",), ()),
    "remove": (("b",), (MembersForgotten(CAMPAIGN, ("a",)),)),
    "add beside a list": (("a",), (MembersApplied(CAMPAIGN, "gateways", "added", ("b",)),)),
    "things": (("c",), DONE["things"][1:]),
}


@pytest.mark.parametrize(
    ("status", "unclear"),
    [
        (OutcomeStatus.FAILED, False),
        (OutcomeStatus.FAILED, True),
        (OutcomeStatus.SKIPPED, False),
        (OutcomeStatus.UNKNOWN, True),
    ],
)
@pytest.mark.parametrize("what", LEFT)
def test_after_a_batch_that_is_done_in_part(what: str, status: OutcomeStatus, unclear: bool) -> None:
    left, learned = LEFT[what]
    if what == "things":
        learned = (MembersApplied(CAMPAIGN, "runOnThings", '["t-1", "t-2"]', ("a",)), *learned)
        if status is OutcomeStatus.FAILED and not unclear:
            # Of those that surely were not told, no doubt is kept.
            learned = (*learned, MembersForgotten(CAMPAIGN, left, "runOnThings"))
    outcome = Outcome(STEPS[what], status, "no", left=left, unclear=unclear)
    assert after(outcome, SALT, 1000, {}, {}) == learned


def test_every_verb_is_in_the_table() -> None:
    assert {one.action.verb for one in STEPS.values()} == set(Verb)


def test_a_package_of_nobody_is_not_forgotten() -> None:
    """Where nobody knows what it held, nothing of it is in the state."""
    unknown = step("delete-package", sha256=None)
    assert after(Outcome(unknown, OutcomeStatus.DONE), SALT, 1000, {}, {}) == ()


def test_no_secret_is_kept() -> None:
    one = STEPS["create with settings"]
    kept = (
        before(one, SALT, 1000, {}),
        after(Outcome(one, OutcomeStatus.DONE, created="id-1"), SALT, 1000, {}, {}),
    )
    assert "hunter2" not in repr(kept)
    assert "hunter2" not in repr([event for events in kept for event in events])


def test_the_same_secret_has_another_digest_under_another_salt() -> None:
    one = STEPS["create with settings"]
    assert before(one, SALT, 1000, {}) == before(one, SALT, 1000, {}) != before(one, "other", 1000, {})


@pytest.mark.parametrize("what", ["create", "create a successor", "upload"])
def test_what_was_made_is_known_since_when(what: str) -> None:
    """Lists may lag for a while from then on."""
    event = after(Outcome(STEPS[what], OutcomeStatus.DONE, created="id-1"), SALT, 1000, {}, {})[0]
    match event:
        case CampaignOwned(owned=made) | PackageUploaded(uploaded=made):
            assert made.since == 1000
        case CampaignReplaced():
            assert event.since == 1000
        case _:
            pytest.fail(f"{event} makes nothing")
