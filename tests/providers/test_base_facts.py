"""What facts, ids and packages of any kind of server say: `reconciler/providers/base/`."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from reconciler.model import (
    CampaignFields,
    CreateCampaign,
    Kind,
    LivePackage,
    PackageFile,
    Reason,
    ResourceId,
    UploadPackage,
    Verb,
)
from reconciler.providers import base
from reconciler.providers.base import Bindings, Changing, Field, FieldFacts, Limits, Provider
from reconciler.providers.base.contents import holding
from reconciler.providers.hawkbit.facts import facts_of as hawkbit_facts
from reconciler.providers.pulse.facts import facts_of
from reconciler.settings import ServerSettings

FACTS = facts_of(ServerSettings())
LINE, OTHER = ResourceId(Kind.CAMPAIGN, "line"), ResourceId(Kind.CAMPAIGN, "other")


@pytest.mark.parametrize(
    ("limit", "found"),
    [
        (None, "line ~12"),
        (8, "line ~12"),
        (7, "lin ~12"),
        (5, "l ~12"),
        (4, " ~12"),
        (3, " ~12"),
        (0, " ~12"),
    ],
)
def test_what_a_campaign_is_called_that_has_a_successor(limit: int | None, found: str) -> None:
    assert replace(FACTS, limits=Limits(name=limit)).retired_name("line", "12") == found


@pytest.mark.parametrize(
    ("sha256", "description", "digits"),
    [
        ("cd" * 32, f"x [sha256:{'ab' * 8}]", "cd" * 32),
        (None, f"x [sha256:{'ab' * 8}]", "ab" * 8),
        (None, "x", None),
    ],
)
def test_what_a_package_tells_of_its_content(
    sha256: str | None, description: str, digits: str | None
) -> None:
    assert FACTS.digits(LivePackage("p1", "fw", description, sha256=sha256)) == digits


def test_a_field_is_edited_replaced_or_fixed() -> None:
    fields = {name: FieldFacts(changing=Changing.EDITED) for name in (Field.NAME, Field.PACKAGES)}
    edits = replace(FACTS, fields=fields)
    replaces = replace(FACTS, fields={**fields, Field.PACKAGES: FieldFacts(changing=Changing.REPLACED)})
    assert (edits.replaces, replaces.replaces) == (False, True)
    assert [replaces.changing(each) for each in (Field.NAME, Field.PACKAGES, Field.STATUS)] == [
        Changing.EDITED,
        Changing.REPLACED,
        Changing.FIXED,
    ]


@pytest.mark.parametrize(
    ("order", "first"),
    [
        ((Verb.ADD, Verb.CREATE), True),
        ((Verb.CREATE, Verb.ADD), False),
        ((Verb.CREATE,), False),
    ],
)
def test_whether_gateways_gather_before_their_campaign_is_there(order: tuple[Verb, ...], first: bool) -> None:
    assert replace(FACTS, order=tuple((verb,) for verb in order)).members_first is first


def test_how_far_a_gateway_is() -> None:
    ranked = sorted([*FACTS.states, "of tomorrow"], key=FACTS.rank)
    assert ranked == [*[*FACTS.states][:-1], "of tomorrow", "FAILED"]
    words = hawkbit_facts(ServerSettings(provider="hawkbit", url="http://h"))
    assert sorted([*words.states, "x"], key=words.rank)[-3:] == ["x", "canceled", "error"]


@pytest.mark.parametrize(
    ("ahead", "now"),
    [
        (None, None),
        (0.0, None),
        (5.0, None),
        (-5.0, None),
        (5.01, 1_005.01),
        (-5.01, 994.99),
        (60.0, 1_060.0),
    ],
)
def test_the_time_of_the_server(
    ahead: float | None, now: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "time", SimpleNamespace(time=lambda: 1_000.0))
    there = object()
    provider = Provider(*[there] * 5, ahead=lambda: ahead)  # type: ignore[list-item]
    assert provider.now() == now


def test_without_an_answer_nobody_knows_the_time_of_the_server() -> None:
    assert Provider(*[object()] * 5).now() is None  # type: ignore[list-item]


@pytest.mark.parametrize(
    ("found", "may"),
    [("c1", True), ("C1", True), ("c2", False), ("C2", False), ("c3", False), ("c9", True)],
)
def test_which_campaign_may_be_the_one_that_was_made(found: str, may: bool) -> None:
    bindings = Bindings(owners={"c1": LINE, "c2": OTHER})
    action = CreateCampaign(LINE, Reason.ASKED, CampaignFields("line"), replaces="C3")
    assert bindings.may_be(action, found) is may


def test_where_nothing_is_replaced_no_id_is_excluded() -> None:
    action = CreateCampaign(LINE, Reason.ASKED, CampaignFields("line"))
    assert Bindings().may_be(action, "c3")


@pytest.mark.parametrize(("found", "may"), [("p1", False), ("P1", False), ("p2", True)])
def test_which_package_may_be_the_one_that_was_uploaded(found: str, may: bool) -> None:
    file = PackageFile("ab" * 32, Path("fw.bin"), "fw", 1, ResourceId(Kind.PACKAGE_SET, "fw"), "")
    bindings = Bindings(others={"ab" * 32: ["P1"], "cd" * 32: ["p2"]})
    assert bindings.may_be(UploadPackage(file.resource, Reason.ASKED, file), found) is may


def test_packages_by_what_they_hold() -> None:
    """By as many digits as each tells; sorted by id, and by content."""
    told = {"p3": "ab" * 32, "p1": "abab", "p2": "", "p4": "cd", "p5": "abab", "p6": "ef"}
    packages = [LivePackage(key, "fw", digits) for key, digits in told.items()]
    found = holding(["cd" * 32, "ab" * 32, "00" * 32], packages, lambda each: each.description or None)
    assert {key: [each.id for each in held] for key, held in found.items()} == {
        "00" * 32: [],
        "ab" * 32: ["p1", "p3", "p5"],
        "cd" * 32: ["p4"],
    }
    assert list(found) == sorted(found)


def test_outcomes_of_requests_are_called_as_metrics_call_them() -> None:
    assert [*map(str, base.RequestOutcome)] == ["ok", "refused", "unclear", "limited", "error"]
