"""A field that is added to a type reaches all that is made of it; nobody has to remember."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, make_dataclass, replace
from typing import Any

import pytest

from reconciler.codec import coder
from reconciler.codec.members import members_of
from reconciler.codec.typeschema import SchemaMaker
from reconciler.model import (
    CampaignSummary,
    Change,
    Kind,
    Live,
    LiveCampaign,
    LivePackage,
    Membership,
    Phase,
    Reason,
    ResourceId,
    Scope,
    Server,
)
from reconciler.plan import Plan
from reconciler.plan.file.lines import PLAN_FORMAT, Writing
from reconciler.plan.fingerprints import FACTS_FORMAT, Fingerprint, Of, fingerprints
from reconciler.plan.model import Impact
from reconciler.plan.stale import stale
from reconciler.plan.touched import Touched
from reconciler.snapshot.line_format import SNAPSHOT_FORMAT, GatewaysLine, OverridesLine, ValuesLine
from reconciler.state.base import Intent, Origin, Owned, State, Uploaded
from reconciler.state.state_format import STATE_FORMAT

LINE = ResourceId(Kind.CAMPAIGN, "line")
SERVER = Server("fake", "https://fake.example.com")


def with_colour(base: type) -> Any:
    """`base` with one more field, as the next version of us may have it."""
    return make_dataclass(
        f"Painted{base.__name__}",
        [("colour_of_paint", str, field(default="grey"))],
        bases=(base,),
        frozen=True,
        slots=True,
        kw_only=True,
    )


PaintedCampaign = with_colour(LiveCampaign)
PaintedPackage = with_colour(LivePackage)
PaintedOwned = with_colour(Owned)
PaintedIntent = with_colour(Intent)
PaintedUploaded = with_colour(Uploaded)
PaintedChange = with_colour(Change)

LIVE = PaintedCampaign("1", "Line", "STARTED", Phase.UNKNOWN, distribution_read=True)
PACKAGE = PaintedPackage("p", "fw.bin", "", "ab" * 8)
OWNED = PaintedOwned(LINE, "1", Origin.CREATED)
UPLOADED = PaintedUploaded("ab" * 32, "p", "fw.bin", LINE)
INTENT = PaintedIntent("Campaign/line", "Line")


@pytest.mark.parametrize(
    ("form", "plain"),
    [
        (SNAPSHOT_FORMAT, LIVE),
        (SNAPSHOT_FORMAT, PACKAGE),
        (STATE_FORMAT, OWNED),
        (STATE_FORMAT, UPLOADED),
        (STATE_FORMAT, INTENT),
        (PLAN_FORMAT, PaintedChange(LINE, "f", None, 1, Reason.DIFFERS)),
        (PLAN_FORMAT, OWNED),
    ],
    ids=lambda each: type(each).__name__,
)
def test_it_is_written_and_read(form: Any, plain: Any) -> None:
    found = coder(form, type(plain))
    red = replace(plain, colour_of_paint="red")
    context = Writing() if form is PLAN_FORMAT else None
    document = found.encode_object(red, context)
    assert document["colourOfPaint"] == "red"
    assert found.decode(document, None) == red
    before = found.encode_object(plain, context)
    assert "colourOfPaint" not in before, "what doesn't have it yet is read as it is"
    assert found.decode(before, None) == plain


def test_it_is_in_the_state_around_it() -> None:
    @dataclass(frozen=True, slots=True)
    class NextState(State):
        campaigns: Mapping[ResourceId, PaintedOwned] = field(default_factory=dict)

    state = NextState("l", "5a", campaigns={LINE: replace(OWNED, colour_of_paint="red")})
    document: Any = coder(STATE_FORMAT, NextState).encode(state, {})
    assert document["campaigns"]["Campaign/line"]["colourOfPaint"] == "red"
    assert coder(STATE_FORMAT, NextState).decode(document, {}) == state


def taken(campaign: LiveCampaign, package: LivePackage, state: State) -> Mapping[Of, Fingerprint]:
    """The fingerprints of a plan that touches all of these."""
    live = Live(
        by_id={"1": campaign},
        named_packages={"fw.bin": (package,)},
        packages_by_content={"ab" * 32: (package,)},
        namesakes={"Line": (CampaignSummary("1", "Line", "STARTED"),)},
    )
    scope = Scope({"1": None}, package_names=frozenset({"fw.bin"}), contents=frozenset({"ab" * 32}))  # type: ignore[dict-item]
    touched = Touched(scope, frozenset({LINE}), frozenset({"ab" * 32}))
    return {each.of: each for each in fingerprints(Plan(SERVER), touched, live, state)}


OF: dict[str, tuple[Of, Any]] = {
    "campaign": (Of.CAMPAIGN, LIVE),
    "package by name": (Of.PACKAGE_NAME, PACKAGE),
    "package by content": (Of.CONTENT, PACKAGE),
    "owned": (Of.ENTRY, OWNED),
    "intent": (Of.ENTRY, INTENT),
    "upload": (Of.UPLOAD, UPLOADED),
    "intent of an upload": (Of.UPLOAD, replace(INTENT, key=f"sha256:{'ab' * 32}")),
}


@pytest.mark.parametrize(("of", "value"), OF.values(), ids=OF)
def test_it_makes_a_plan_stale(of: Of, value: Any) -> None:
    """Somebody paints it red after the plan was made."""

    def seen(value: Any) -> Mapping[Of, Fingerprint]:
        state = State("l", "5a")
        campaign, package = LIVE, PACKAGE
        match value:
            case LiveCampaign():
                campaign = value
            case LivePackage():
                package = value
            case Owned():
                state = replace(state, campaigns={LINE: value})
            case Intent():
                state = replace(state, intents={value.key: value})
            case Uploaded():
                state = replace(state, packages={value.sha256: value})
        return taken(campaign, package, state)

    before, after = seen(value), seen(replace(value, colour_of_paint="red"))
    assert before[of] != after[of]
    assert stale(before.values(), before.values()) == ()
    assert stale(before.values(), after.values())
    assert stale(after.values(), before.values()), "and the other way round"


def test_what_is_not_in_a_fingerprint_is_named_with_its_reason() -> None:
    for kind in (LiveCampaign, LivePackage, Owned, Intent, Uploaded):
        without = FACTS_FORMAT.shapes[kind].without
        counted = {each.field.name for each in members_of(FACTS_FORMAT, kind)}
        assert counted | set(without) == {each.name for each in fields(kind)}
        assert all(left.why for left in without.values())


def test_the_lines_of_gateways_hold_all_of_a_membership() -> None:
    """They are taken apart by hand: a new field of a membership needs a place in its lines."""
    assert {each.name for each in fields(Membership)} == {"states", "closed", "values"}
    assert {each.name for each in fields(GatewaysLine)} == {"state", "closed", "ids"}
    assert {each.name for each in fields(OverridesLine)} == {"packages", "ids"}
    assert {each.name for each in fields(ValuesLine)} == {"field", "value", "ids"}


def test_every_part_of_a_plan_has_its_line() -> None:
    """`entries` takes a plan apart by hand; the test that fills each field of a plan says the rest."""
    assert [each.name for each in members_of(PLAN_FORMAT, Impact)] == ["requests", "permissions", "devices"]
    assert [each.name for each in fields(Plan)] == [
        "server",
        "groups",
        "changes",
        "findings",
        "impact",
        "records",
        "unreadable",
        "declares",
        "guards",
        "partial",
        "snapshot",
        "rollouts",
        "waits",
        "package_names",
    ]


def test_it_is_in_the_schema_once_it_says_what_it_is() -> None:
    @dataclass(frozen=True, slots=True)
    class Painted:
        """A thing."""

        name: str
        """What it is called."""
        colour_of_paint: str = "grey"
        """How it looks."""

    made = SchemaMaker(STATE_FORMAT).object(Painted)
    assert made["properties"]["colourOfPaint"] == {
        "title": "Colour of paint",
        "description": "How it looks.",
        "type": "string",
    }
    assert made["required"] == ["name"]
