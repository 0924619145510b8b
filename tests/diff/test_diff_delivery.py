"""How gateways get their packages: what differs, and what nobody can tell."""

import pytest

from reconciler.diff.delivery import all_terms, differing_terms, shown_terms
from reconciler.model import DeliveryTerms, Force, Only

LIVE = DeliveryTerms(Force.ALWAYS, None, Only.ALL, None, 0)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (DeliveryTerms(), None),
        (DeliveryTerms(Force.ALWAYS), None),
        (DeliveryTerms(Force.NEVER), ({"force": "always"}, {"force": "never"})),
        (DeliveryTerms(only=Only.DOWNLOAD), ({"only": "all"}, {"only": "download"})),
        (DeliveryTerms(start_at=5), ({"startAt": None}, {"startAt": "1970-01-01T00:00:00.005Z"})),
        # Nobody tells whether it asks for a confirmation: that is no difference.
        (DeliveryTerms(confirm=True), None),
        (DeliveryTerms(Force.NEVER, confirm=True), ({"force": "always"}, {"force": "never"})),
    ],
)
def test_only_what_is_declared_and_told_differs(wanted: DeliveryTerms, found: object) -> None:
    assert differing_terms(wanted, LIVE) == found


def test_a_server_that_tells_nothing_differs_in_nothing() -> None:
    assert differing_terms(DeliveryTerms(Force.NEVER, 1, Only.DOWNLOAD, True, 2), None) is None


def test_what_is_declared_is_shown_by_its_names() -> None:
    terms = DeliveryTerms(Force.AFTER, 7, confirm=False)
    assert shown_terms(terms) == {
        "force": "after",
        "forceAfter": "1970-01-01T00:00:00.007Z",
        "confirm": False,
    }


def test_times_are_shown_as_files_have_them() -> None:
    wanted, live = DeliveryTerms(start_at=1_900_000_000_000), DeliveryTerms(start_at=0)
    assert differing_terms(wanted, live) == ({"startAt": None}, {"startAt": "2030-03-17T17:46:40Z"})


def test_a_successor_is_delivered_as_the_one_before_it_where_nothing_else_is_said() -> None:
    assert all_terms(None, LIVE) == LIVE
    assert all_terms(DeliveryTerms(Force.NEVER), None) == DeliveryTerms(Force.NEVER)
    assert all_terms(DeliveryTerms(Force.NEVER), LIVE) == DeliveryTerms(Force.NEVER, None, Only.ALL, None, 0)
    assert all_terms(None, None) is None
