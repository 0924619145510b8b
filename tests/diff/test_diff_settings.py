"""Settings can't be read: the table of ``reconciler.diff.settings``."""

from dataclasses import replace
from typing import Any

import pytest

from reconciler.diff import Diff
from reconciler.diff.settings import diff_settings, same_record
from reconciler.errors import StateError
from reconciler.model import Json, Live, Place, Reason, Secret, Severity
from reconciler.plan.guards import Basis, trips
from reconciler.state.applied import WITHHELD, recorded_settings
from reconciler.state.base import CampaignOwned, FieldApplied, Origin, Owned
from tests.diff.diff_parts import Side, live, view
from tests.fakes import PULSE, Project, campaign, desired, rid
from tests.memory_provider import FACTS, MemoryCampaign, MemoryServer

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


@pytest.mark.parametrize("row", ROWS)
def test_why(row: str) -> None:
    declared, recorded, _ = ROWS[row]
    reason = Reason.NOT_RECORDED if recorded is None else Reason.DECLARED_SINCE
    assert {change.reason for change in compared(declared, recorded).changes} <= {reason}


PLAIN, OTHER = Secret("variable KEY", "plain"), Secret("variable KEY", "other")

# declared, recorded → what the state keeps without a call: None where nothing is to be learned
KEPT: dict[str, tuple[Any, Json, Json]] = {
    "never written, and none wanted": ({}, None, record()),
    "never written": ({"A": "a"}, None, None),
    "the same": ({"A": "a", "K": KEY}, record(A="a", K=KEY), None),
    "one differs": ({"A": "b"}, record(A="a"), None),
    "a plain value becomes a secret of that value": ({"A": PLAIN}, record(A="plain"), record(A=PLAIN)),
    "a secret becomes a plain value of that value": ({"A": "plain"}, record(A=PLAIN), record(A="plain")),
    "both, and another one": (
        {"A": PLAIN, "B": "b"}, record(A="plain", B="b"), record(A=PLAIN, B="b"),
    ),
    "one becomes a secret, and another differs: the edit will tell": (
        {"A": PLAIN, "B": "c"}, record(A="plain", B="b"), None,
    ),
    "becomes a secret of another value: the edit will tell": ({"A": OTHER}, record(A="plain"), None),
    "becomes a secret that was not read": ({"A": Secret("variable KEY")}, record(A="plain"), None),
    "one becomes a secret, and another was not read": (
        {"A": PLAIN, "K": Secret("variable K")}, record(A="plain", K=KEY), None,
    ),
    "not managed": (None, record(A="plain"), None),
}  # fmt: skip


@pytest.mark.parametrize("row", KEPT)
def test_what_the_state_learns_without_a_call(row: str) -> None:
    declared, recorded, kept = KEPT[row]
    found = compared(declared, recorded)
    assert found.records == (() if kept is None else (FieldApplied(rid("line"), "settings", kept),))


def test_a_plain_value_that_becomes_a_secret_of_that_value_goes_from_the_state() -> None:
    project = Project(MemoryServer(MemoryCampaign("1", "line")))
    project.own("line", "1", applied={"settings": record(A="plain")})
    wanted = desired(campaign("line", settings={"A": PLAIN}))
    plan = project.make_plan(wanted)
    assert plan.empty
    project.apply(plan)
    assert "plain" not in repr(project.state)
    assert project.diff(wanted).records == ()
    assert project.plan(desired(campaign("line", settings={"A": OTHER}))) == ["edit-campaign:line"]


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


UNKNOWN = "it was adopted, and its settings can't be read"
UNNAMED = "it was adopted, and may have settings that YAML doesn't name"
GONE = "the secrets K are no longer declared"
ASSUMED = {"settings.assumed": True}
BASIS = Basis(desired(), Live(), PULSE, 0, 0, {})

# how it became ours, what is recorded (or only assumed), declared → why an edit may lose some
LOSES: dict[str, tuple[Origin, dict[str, Any], Any, str | None]] = {
    "created, nothing known": (Origin.CREATED, {}, {"A": "a"}, None),
    "created, known": (Origin.CREATED, {"settings": record(A="a")}, {"A": "a"}, None),
    "created, not managed, nothing known": (Origin.CREATED, {}, None, None),
    "created, not managed, plain": (Origin.CREATED, {"settings": record(A="a")}, None, None),
    "created, not managed, a secret": (Origin.CREATED, {"settings": record(K=KEY)}, None, GONE),
    "adopted, nothing known": (Origin.ADOPTED, {}, {"A": "a"}, UNNAMED),
    "adopted, assumed": (Origin.ADOPTED, {"settings": record(A="a"), **ASSUMED}, {"A": "a"}, UNNAMED),
    "adopted, assumed, and others wanted": (
        Origin.ADOPTED, {"settings": record(A="a"), **ASSUMED}, {"B": "b"}, UNNAMED,
    ),
    "adopted, and sent since": (Origin.ADOPTED, {"settings": record(A="a")}, {"A": "a"}, None),
    "adopted, not managed, nothing known": (Origin.ADOPTED, {}, None, UNKNOWN),
    "adopted, not managed, and sent once": (Origin.ADOPTED, {"settings": record(A="a")}, None, None),
    "adopted, not managed, a secret": (Origin.ADOPTED, {"settings": record(K=KEY)}, None, GONE),
}  # fmt: skip


@pytest.mark.parametrize("edited", [False, True])
@pytest.mark.parametrize("row", LOSES)
def test_what_an_edit_may_lose(row: str, edited: bool) -> None:
    origin, applied, declared, why = LOSES[row]
    project = Project(MemoryServer(MemoryCampaign("1", "line", description="text")))
    project.own("line", "1", origin, applied=applied)
    wanted = desired(campaign("line", settings=declared, description="new" if edited else "text"))
    found = project.diff(wanted)
    [one] = found.campaigns
    said = [each.message.partition("that we don't know: ")[2] for each in found.findings]
    assert said == ([why] if why and one.edit else [])
    guards = [trip.guard for trip in trips(project.make_plan(wanted), BASIS, {})]
    assert guards == (["mayLoseSettings"] if why and one.edit else [])


def test_a_damaged_record_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(StateError, match="setting A"):
        compared({"A": "a"}, {"A": "a"})


# --- in one order, and asserted -------------------------------------------------------------------

KEYS = [f"KEY_{number:02}" for number in range(12)]


def test_keys_stand_in_one_order() -> None:
    names = ", ".join(KEYS)
    changed = compared(dict.fromkeys(reversed(KEYS), "b"), None)
    assert [c.field for c in changed.changes] == [f"settings.{key}" for key in KEYS]
    secrets = record(**dict.fromkeys(reversed(KEYS), KEY))
    (lost,) = compared(None, secrets, description="new").findings
    assert lost.message.endswith(f"the secrets {names} are no longer declared")
    (untold,) = compared(dict.fromkeys(reversed(KEYS), Secret("variable KEY")), secrets).findings
    assert f"the secret settings {names} changed" in untold.message


@pytest.mark.parametrize("recorded", [None, record(A="a", B="b")])
def test_asserted_settings_are_all_sent(recorded: Json) -> None:
    project = Project(MemoryServer(MemoryCampaign("1", "line")))
    project.own("line", "1", applied={} if recorded is None else {"settings": recorded})
    found = project.diff(desired(campaign("line", settings={"A": "a", "C": "c"})), reassert=True)
    gone = [] if recorded is None else [("settings.B", "b", None)]
    before = None if recorded is None else "a"
    assert [(c.field, c.before, c.after) for c in found.changes] == [
        ("settings.A", before, "a"),
        *gone,
        ("settings.C", None, "c"),
    ]
    assert {c.reason for c in found.changes} == {Reason.REASSERTED}


def test_a_secret_that_was_not_read_is_not_said_to_be_untold_where_it_is_sent_anyway() -> None:
    project = Project(MemoryServer(MemoryCampaign("1", "line")))
    project.own("line", "1", applied={"settings": record(K=KEY)})
    found = project.diff(desired(campaign("line", settings={"K": Secret("variable KEY")})), reassert=True)
    assert found.findings == ()
    assert [c.field for c in found.changes] == ["settings.K"]


def test_adopted_settings_that_are_known_are_compared() -> None:
    one = view(Side(adopting=True, applied={"settings": record(A="a")}), settings={"A": "b"})
    found = diff_settings(one)
    assert [(c.field, c.before, c.after) for c in found.changes] == [("settings.A", "a", "b")]
    assert (found.findings, found.records) == ((), ())


def test_what_may_be_lost_is_said_where_settings_stand() -> None:
    place = Place("line.yaml", 4, 5)
    found = compared({"A": "b"}, None, Origin.ADOPTED, places={"settings": place})
    [finding] = found.findings
    assert (finding.code, finding.place, finding.resource) == ("may-lose-settings", place, rid("line"))
    assert finding.severity is Severity.WARNING


def test_a_secret_on_the_server_that_was_not_read_is_not_compared() -> None:
    """It is named once, and no other one is."""
    unread = Secret("variable KEY")
    had = replace(
        live(), applied={"settings": {"A": {"value": "a"}, "B": dict(WITHHELD), "C": dict(WITHHELD)}}
    )
    seen = view(Side(live=had), settings={"A": "b", "B": unread, "D": "d"})
    seen = replace(seen, ask=replace(seen.ask, facts=replace(FACTS, states=seen.ask.facts.states)))
    found = diff_settings(seen)
    assert [change.field for change in found.changes] == ["settings.A", "settings.C", "settings.D"]
    [finding] = found.findings
    assert finding.code == "secret-not-compared"
    assert "secret setting B changed" in finding.message


# --- a server whose settings can be read ----------------------------------------------------------

THERE = {"secret": "as on the server"}

# declared, on the server, recorded → key, before, after of every change
READ: dict[str, tuple[Any, dict[str, str], Json, list[tuple[str, Json, Json]]]] = {
    "not declared": (None, {"A": "a"}, None, []),
    "the same": ({"A": "a"}, {"A": "a"}, None, []),
    "one differs": ({"A": "b", "B": "b"}, {"A": "a", "B": "b"}, record(A="b", B="b"), [("A", "a", "b")]),
    "more than one, in order": ({"B": "1", "A": "1"}, {}, None, [("A", None, "1"), ("B", None, "1")]),
    "one less": ({}, {"A": "a"}, None, [("A", "a", None)]),
    "the same secret": ({"K": KEY}, {"K": "k3y"}, None, []),
    "another secret": ({"K": KEY}, {"K": "old"}, None, [("K", THERE, SECRET)]),
    "a secret becomes plain": ({"K": "plain"}, {"K": "k3y"}, record(K=KEY), [("K", THERE, "plain")]),
    "a plain one is none of ours": ({}, {"K": "k3y"}, record(K=KEY), [("K", THERE, None)]),
    "a name of a secret": ({}, {"password": "k3y"}, None, [("password", THERE, None)]),
}


@pytest.mark.parametrize("row", READ)
def test_what_differs_where_they_can_be_read(row: str) -> None:
    declared, there, recorded, expected = READ[row]
    project = Project(MemoryServer(MemoryCampaign("1", "line", settings=there), facts=FACTS))
    project.own("line", "1", applied={} if recorded is None else {"settings": recorded})
    difference = project.diff(desired(campaign("line", settings=declared)))
    assert [(c.field, c.before, c.after, c.reason) for c in difference.changes] == [
        (f"settings.{key}", before, after, Reason.DIFFERS) for key, before, after in expected
    ]
    [found] = difference.campaigns
    assert (found.edit, found.fields.settings) == (bool(expected), declared)
    assert difference.findings == ()
    assert "k3y" not in repr(difference.changes)


# --- settings that the server keeps in another form than they were sent in ----------------------------------

AS_PLAIN, AS_DIGEST = {"value": "a"}, {"digest": Secret("x", "a").digest(SALT)}


@pytest.mark.parametrize(
    ("kept", "there", "same"),
    [
        (None, None, True),
        (None, AS_PLAIN, False),
        (AS_PLAIN, None, False),
        (AS_PLAIN, AS_PLAIN, True),
        (AS_PLAIN, {"value": "b"}, False),
        # A secret of that value is kept as its digest, and read as what it is.
        (AS_DIGEST, AS_PLAIN, True),
        (AS_DIGEST, {"value": "b"}, False),
        (AS_PLAIN, AS_DIGEST, False),
    ],
)
def test_whether_a_setting_is_as_the_state_keeps_it(kept: Json, there: Json, same: bool) -> None:
    assert same_record(kept, there, SALT) is same


# what was sent, what the server made of it, what it has now; what is declared → the keys that differ
MADE_OF_IT: dict[str, tuple[dict[str, str], dict[str, Any], dict[str, str], dict[str, str], str]] = {
    "as it made it": ({"A": "a"}, {"A": {"value": "a!"}}, {"A": "a!"}, {"A": "a"}, ""),
    "as it was sent": ({"A": "a"}, {"A": {"value": "a!"}}, {"A": "a"}, {"A": "a"}, ""),
    "as somebody made it": ({"A": "a"}, {"A": {"value": "a!"}}, {"A": "x"}, {"A": "a"}, "A"),
    "it took none of it": ({"A": "a"}, {"A": None}, {}, {"A": "a"}, ""),
    "it took none of it, and has one now": ({"A": "a"}, {"A": None}, {"A": "x"}, {"A": "a"}, "A"),
    "another one is declared": ({"A": "a"}, {"A": {"value": "a!"}}, {"A": "a!"}, {"A": "b"}, "A"),
    "one of two": ({"A": "a", "B": "b"}, {"A": {"value": "a!"}}, {"A": "a!"}, {"A": "a", "B": "b"}, "B"),
    "it added one": ({"A": "a"}, {"B": {"value": "own"}}, {"A": "a", "B": "own"}, {"A": "a"}, ""),
    "nothing is known of it": ({"A": "a"}, {}, {"A": "a!"}, {"A": "a"}, "A"),
}


@pytest.mark.parametrize("row", MADE_OF_IT)
def test_what_the_server_makes_of_what_was_sent_is_no_difference(row: str) -> None:
    sent, kept, there, declared, differ = MADE_OF_IT[row]
    had = replace(live(), applied={"settings": recorded_settings(there, SALT)})
    seen = view(Side(live=had, applied={"settings": recorded_settings(sent, SALT)}), settings=declared)
    assert seen.owned
    facts = replace(FACTS, states=seen.ask.facts.states)
    seen = replace(
        seen, owned=replace(seen.owned, kept={"settings": kept}), ask=replace(seen.ask, facts=facts)
    )
    assert [change.field for change in diff_settings(seen).changes] == [f"settings.{key}" for key in differ]
    new = diff_settings(replace(seen, owned=replace(seen.owned, kept={})))
    plain = {key for key in {*there, *declared} if there.get(key) != declared.get(key)}
    assert {change.field for change in new.changes} == {f"settings.{key}" for key in plain}
