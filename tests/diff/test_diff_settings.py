"""Settings can't be read: the table of ``reconciler.diff.settings``."""

from typing import Any

import pytest

from reconciler.diff import Diff
from reconciler.errors import StateError
from reconciler.model import Json, Reason, Secret, Severity
from reconciler.state.applied import recorded_settings
from reconciler.state.base import CampaignOwned, FieldApplied, Origin, Owned
from tests.fakes import Project, campaign, desired, rid
from tests.memory_provider import MemoryCampaign, MemoryServer

SALT = "5a17"
KEY = Secret("variable KEY", "k3y")


def compared(declared: Any, recorded: Json, origin: Origin = Origin.CREATED, **fields: Any) -> Diff:
    project = Project(MemoryServer(MemoryCampaign("1", "line", description="text")))
    project.own("line", "1", origin, applied={} if recorded is None else {"settings": recorded})
    return project.diff(desired(campaign("line", settings=declared, **fields)))


def adopted(declared: Any, **fields: Any) -> Diff:
    project = Project(MemoryServer(MemoryCampaign("1", "line", description="text")))
    return project.diff(desired(campaign("line", settings=declared, **fields)), adopt=True)


def record(**settings: Any) -> Json:
    return recorded_settings(settings, SALT)


SECRET = {"secret": "variable KEY"}
BEFORE = {"secret": "as last applied"}

# declared, recorded → key, before, after of every change
ROWS: dict[str, tuple[Any, Json, list[tuple[str, Json, Json]]]] = {
    "never written": ({"B": "b", "A": "a"}, None, [("A", None, "a"), ("B", None, "b")]),
    "never written, and none wanted": ({}, None, []),
    "the same": ({"A": "a"}, record(A="a"), []),
    "one differs": ({"A": "b", "B": "b"}, record(A="a", B="b"), [("A", "a", "b")]),
    "one more": ({"A": "a", "B": "b"}, record(A="a"), [("B", None, "b")]),
    "one less": ({}, record(A="a"), [("A", "a", None)]),
    "the same secret": ({"K": KEY}, record(K=KEY), []),
    "a new secret": ({"K": KEY}, record(), [("K", None, SECRET)]),
    "another secret": ({"K": KEY}, record(K=Secret("x", "old")), [("K", BEFORE, SECRET)]),
    "a secret less": ({}, record(K=KEY), [("K", BEFORE, None)]),
    "a plain value becomes a secret": ({"K": KEY}, record(K="plain"), [("K", "plain", SECRET)]),
    "a secret becomes a plain value": ({"K": "plain"}, record(K=KEY), [("K", BEFORE, "plain")]),
    "a plain value becomes a secret of that value": ({"K": KEY}, record(K="k3y"), []),
    "keys that look like paths": (
        {"a.b['c']": "1", "0": "2"},
        record(**{"a.b['c']": "0"}),
        [("0", None, "2"), ("a.b['c']", "0", "1")],
    ),
}


@pytest.mark.parametrize("row", ROWS)
def test_what_differs(row: str) -> None:
    declared, recorded, expected = ROWS[row]
    difference = compared(declared, recorded)
    assert [(c.field, c.before, c.after) for c in difference.changes] == [
        (f"settings.{key}", before, after) for key, before, after in expected
    ]
    [found] = difference.campaigns
    assert found.edit is bool(expected)
    assert found.fields.settings == declared
    assert difference.findings == ()
    assert "k3y" not in repr(difference.changes)


def test_settings_that_were_never_written_say_so() -> None:
    [change] = compared({"A": "a"}, None).changes
    assert change.reason is Reason.NOT_RECORDED


# --- not managed: an edit sends what is known


@pytest.mark.parametrize(
    ("recorded", "sent", "may_lose"),
    [
        (None, None, False),
        (record(), {}, False),
        (record(A="a"), {"A": "a"}, False),
        (record(A="a", K=KEY), {"A": "a"}, True),
    ],
    ids=["none known", "known to be none", "plain", "a secret that is no longer declared"],
)
def test_settings_that_are_not_managed(recorded: Json, sent: Any, may_lose: bool) -> None:
    without_edit = compared(None, recorded)
    assert (without_edit.changes, without_edit.findings) == ((), ())
    edit = compared(None, recorded, description="new")
    assert edit.campaigns[0].fields.settings == sent
    assert [finding.code for finding in edit.findings] == ["may-lose-settings"] * may_lose
    assert all(finding.severity is Severity.WARNING for finding in edit.findings)
    assert "k3y" not in repr(edit)


def test_the_secrets_that_an_edit_would_lose_are_named() -> None:
    [finding] = compared(None, record(K=KEY, J=KEY), description="new").findings
    assert "J, K" in finding.message


# --- adopted


def test_adopted_settings_are_assumed_and_not_sent() -> None:
    difference = adopted({"K": KEY})
    assert difference.changes == ()
    assert not difference.campaigns[0].edit
    assert [(f.code, f.severity) for f in difference.findings] == [("assumed", Severity.NOTE)]
    assert difference.records == (
        CampaignOwned(Owned(rid("line"), "1", Origin.ADOPTED)),
        FieldApplied(rid("line"), "settings", recorded_settings({"K": KEY}, SALT)),
        FieldApplied(rid("line"), "settings.assumed", True),
    )
    assert "k3y" not in repr(difference)


def test_an_edit_of_an_adopted_campaign_may_lose_settings() -> None:
    difference = adopted({"A": "a"}, description="new")
    assert difference.campaigns[0].fields.settings == {"A": "a"}
    assert [finding.code for finding in difference.findings] == ["assumed", "may-lose-settings"]


def test_settings_of_an_adopted_campaign_that_are_not_managed() -> None:
    assert adopted(None).findings == ()
    difference = adopted(None, description="new")
    assert difference.campaigns[0].fields.settings is None
    assert [finding.code for finding in difference.findings] == ["may-lose-settings"]


def test_a_damaged_record_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(StateError, match="setting A"):
        compared({"A": "a"}, {"A": "a"})
