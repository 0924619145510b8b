"""What the state is to know of what is declared: what it doesn't know yet, and no more of it."""

from dataclasses import replace
from typing import Any

import pytest

from reconciler.diff.declares import declared_members, declared_now, packages_declared, set_distribution
from reconciler.model import DesiredStatus, DistributionList, PendingUpload
from reconciler.state.declared import members_value, text_value
from tests.diff.diff_parts import Side, live, view

LONG = "x" * 2_000
UPLOADS = tuple(PendingUpload(f"{number:064x}") for number in range(9))
F1 = DistributionList("f-1", 60)
EVERYTHING = {
    "description": "text",
    "gateways": "ab",
    "distribution": F1,
    "status": DesiredStatus.STARTED,
}
DECLARED = {
    "name": "line",
    "description": "text",
    "packages": ["p", "q"],
    "distributionList": {"distributionListId": "f-1", "reevaluationIntervalSeconds": 60},
    "status": "STARTED",
    "gateways": members_value(frozenset("ab")),
}


def told(
    declared: Any = None,
    kept: Any = None,
    *,
    there: Any = None,
    changed: str = "",
    packages: Any = ("q", "p"),
    **fields: Any,
) -> dict[str, Any]:
    """What `declared_now` says: `declared` and `kept` are what the state knows, `there` is what is live."""
    seen = view(Side(live=replace(live(), **(there or {})), new=declared is None), **fields)
    if seen.owned is not None:
        seen = replace(seen, owned=replace(seen.owned, declared=declared, kept=kept or {}))
    return dict(declared_now(seen, packages, changed=changed.split()))


def test_of_a_new_campaign_all_that_is_declared() -> None:
    assert told(**EVERYTHING) == DECLARED
    assert told(packages=None) == {"name": "line"}
    assert told(description="", packages=(), gateways="") == {
        "name": "line",
        "description": "",
        "packages": [],
        "gateways": members_value(frozenset()),
    }


def test_what_is_known_is_not_said_again() -> None:
    assert told(DECLARED, **EVERYTHING) == {}
    assert told({}, **EVERYTHING) == DECLARED


@pytest.mark.parametrize("name", DECLARED)
def test_each_field_is_said_where_it_is_another_one(name: str) -> None:
    other: dict[str, Any] = {"gateways": members_value(frozenset("a"))}
    assert told({**DECLARED, name: other.get(name, "other")}, **EVERYTHING) == {name: DECLARED[name]}


def test_members_are_counted_anew_only_where_they_may_have_changed() -> None:
    """As many others are not noticed where nothing changed: nobody came, and nobody left."""
    others = {**DECLARED, "gateways": members_value(frozenset("xy"))}
    assert told(others, **EVERYTHING) == {}
    assert told(others, changed="gateways", **EVERYTHING) == {"gateways": DECLARED["gateways"]}
    assert told({**DECLARED, "gateways": None}, **EVERYTHING) == {"gateways": DECLARED["gateways"]}
    assert told(DECLARED, changed="gateways", **EVERYTHING) == {"gateways": DECLARED["gateways"]}


KEPT: dict[str, tuple[Any, dict[str, Any], dict[str, Any]]] = {
    # field: what the server keeps of it; what is live when it is so, and when the server has what is declared
    "name": ("LINE", {"name": "LINE"}, {"name": "line"}),
    "description": ("TEXT", {"description": "TEXT"}, {"description": "text"}),
    "packages": (["p"], {"packages": ("p",)}, {"packages": ("p", "q")}),
    "distributionList": (
        {"distributionListId": "F-1", "reevaluationIntervalSeconds": 60},
        {"distribution": DistributionList("F-1", 60)},
        {"distribution": F1},
    ),
}


@pytest.mark.parametrize("name", KEPT)
def test_what_the_server_kept_for_it_is_forgotten_once_it_is_over(name: str) -> None:
    """Saying what is declared once more is what forgets it."""
    kept, as_kept, as_declared = KEPT[name]
    known = {name: kept}
    assert told(DECLARED, known, there=as_kept, **EVERYTHING) == {}
    assert told(DECLARED, known, there=as_declared, **EVERYTHING) == {name: DECLARED[name]}
    assert told(DECLARED, known, there=as_declared, changed=name, **EVERYTHING) == {}, "it is sent, and read"
    assert told(DECLARED, {"status": "x"}, there=as_declared, packages=None, status=None) == {}, (
        "not declared"
    )


def test_long_texts_are_known_by_their_digest() -> None:
    assert told(description=LONG)["description"] == text_value(LONG)
    assert (
        told({"name": "line", "packages": ["p", "q"], "description": text_value(LONG)}, description=LONG)
        == {}
    )


def test_packages_are_known_by_id_or_else_by_content_in_one_order() -> None:
    ids = tuple(f"p-{number}" for number in range(9))
    mixed = (*reversed(UPLOADS), *reversed(ids))
    expected = [*ids, *({"upload": upload.sha256} for upload in UPLOADS)]
    assert packages_declared(mixed) == expected
    assert packages_declared(()) == []


@pytest.mark.parametrize(
    ("gateways", "closed", "members"),
    [(None, "a", None), ("abc", None, "abc"), ("abc", "bx", "ac"), ("", None, "")],
)
def test_who_is_declared_closed_is_no_member(gateways: Any, closed: Any, members: Any) -> None:
    found = declared_members(view(Side(), gateways=gateways, closed=closed))
    assert found == (None if members is None else frozenset(members))


@pytest.mark.parametrize(
    ("there", "wanted", "found"),
    [
        (None, DistributionList("f-1"), DistributionList("f-1")),
        (F1, DistributionList("f-1"), F1),
        (F1, DistributionList("f-1", 5), DistributionList("f-1", 5)),
        (F1, DistributionList("f-2"), DistributionList("f-2", 60)),
        (F1, DistributionList("f-2", 5), DistributionList("f-2", 5)),
        (
            DistributionList("id", 60, also=frozenset({"called"})),
            DistributionList("called", 5),
            DistributionList("id", 5),
        ),
    ],
)
def test_an_interval_that_is_not_declared_is_the_one_that_is_set(
    there: DistributionList | None, wanted: DistributionList, found: DistributionList
) -> None:
    assert set_distribution(view(Side(live=live(distribution=there))), wanted) == found
    assert set_distribution(view(Side(new=True)), wanted) == wanted
