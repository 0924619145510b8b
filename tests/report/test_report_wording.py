"""Values and sentences as a person reads them."""

import json
from dataclasses import replace

import pytest

from reconciler.errors import Exit
from reconciler.model import (
    Change,
    ChangedIn,
    Kind,
    Place,
    Reason,
    ResourceId,
    Secret,
    Server,
)
from reconciler.model.doubts import Doubt, Missing
from reconciler.plan.model import Plan
from reconciler.report import wording
from reconciler.report.plan_text import plan_lines

CAMPAIGN = ResourceId(Kind.CAMPAIGN, "line-3")


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "(none)"),
        ("a", '"a"'),
        ('say "x"', r'"say \"x\""'),
        ("x" * 300, '"' + "x" * 198 + "…"),
        (True, "true"),
        (3, "3"),
        (["a", "b"], '["a", "b"]'),
        (list(range(12)), "[0, 1, 2, 3, 4, 5, 6, 7, 8, 9] and 2 more"),
        ({"a": 1}, "{a: 1}"),
        ({"secret": "from file k"}, "(secret from file k)"),
        (Secret("file k", "hunter2"), "(secret from file k)"),
        (Place("a", 1, 2), "a:1:2"),
        ({"begin": 0, "end": 60_000}, "1970-01-01 00:00 to 1970-01-01 00:01 UTC"),
        (
            {"begin": 1_799_614_800_000, "end": 1_799_614_801_250},
            "2027-01-10 21:00 to 2027-01-10 21:00:01.250000 UTC",
        ),
        ({"begin": 0, "end": 10**15}, "{begin: 0, end: 1000000000000000}"),
        ({"begin": "now", "end": 1}, '{begin: "now", end: 1}'),
    ],
)
def test_values_as_a_person_reads_them(value, said):
    assert wording.show(value) == said


def test_a_secret_is_hidden_by_its_type_wherever_it_stands():
    change = Change(
        CAMPAIGN,
        "settings",
        {"k": Secret("file a", "canary")},
        {"k": [Secret("b", "canary")]},
        Reason.DIFFERS,
    )
    said = list(plan_lines(Plan(Server("pulse", "http://a"), changes=(change,))))
    assert "  ~ settings.k  (secret from file a) → [(secret from b)]" in said
    assert json.loads(json.dumps(wording.safe(change.after))) == {"k": [{"secret": "from b"}]}
    assert wording.safe(Place("a", 1, 2)) == "a:1:2"


def test_whose_a_change_is_and_who_changed_it_last() -> None:
    change = Change(CAMPAIGN, "description", "x", "y", Reason.DIFFERS)
    said = {
        who: wording.changed_in(replace(change, changed_in=who, last="z", by="anna\x1b")) for who in ChangedIn
    }
    assert said[ChangedIn.SERVER] == "changed on the server (last by anna\\x1b)"
    assert said[ChangedIn.BOTH] == (
        'changed both in Git and on the server (last by anna\\x1b); last applied: "z"'
    )
    assert wording.changed_in(replace(change, changed_in=ChangedIn.SERVER)) == "changed on the server"


def test_every_reason_and_exit_code_has_its_sentence():
    assert set(wording.SENTENCES) == set(Reason)
    assert set(wording.MEANINGS) == set(Exit)


@pytest.mark.parametrize("why", Missing)
def test_every_wait_says_why(why: Missing) -> None:
    assert wording.looking(Doubt("fw.bin", why, 12.4)).startswith("looking for fw.bin for up to 12 s: ")
