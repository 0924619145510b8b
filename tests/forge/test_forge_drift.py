"""What a plan of the main branch says about drift."""

from typing import Any

import pytest

from reconciler.forge.drift import Drift, drift_markdown, drift_of

DOCUMENT: dict[str, Any] = {
    "changes": [
        {"resource": "Campaign/a", "field": "description", "before": "theirs", "after": "ours"},
        {
            "resource": "Campaign/a",
            "field": "gateways",
            "before": {"count": 1_200, "lost": ["g1"]},
            "after": {"count": 1_201, "gained": ["g2", "g3"]},
        },
        {
            "resource": "Campaign/a",
            "field": "schedules",
            "before": None,
            "after": 1,
            "gateways": ["g1", "g2"],
        },
    ],
    "findings": [
        {"code": "held", "severity": "note", "message": "a person stopped it"},
        {"code": "assumed", "severity": "note", "message": "its settings"},
        {"code": "ambiguous-package", "severity": "error", "message": "there are two"},
    ],
    "unreadable": [{"resource": "Campaign/b", "fields": ["settings", "callbacks"]}],
}


def test_three_things_are_told_apart() -> None:
    drift = drift_of(DOCUMENT)
    first, members, part = drift.changed
    assert first.startswith("Campaign/a: description: ")
    assert first.index("theirs") < first.index("ours"), "the server's first"
    assert members == "Campaign/a: gateways: 1,200 → 1,201 (2 missing there, 1 too many)"
    assert part.startswith("Campaign/a: schedules of 2 gateways: ")
    assert drift.held == ("a person stopped it",)
    assert drift.assumed == ("its settings", "Campaign/b: settings, callbacks")
    assert drift.wrong == ("there are two",)


def test_a_merge_that_is_not_applied_is_no_drift() -> None:
    def row(who: str | None, **more: Any) -> dict[str, Any]:
        told = {} if who is None else {"changedIn": who}
        return {"resource": "Campaign/a", "field": who or "old", "before": "x", "after": "y", **told, **more}

    changes = [
        row("git"),
        row("server", changedBy="anna\n"),
        row("both", lastApplied="z"),
        row("never"),
        row(None),
    ]
    waits = {"code": "waiting-for-approval", "severity": "note", "message": "it waits"}
    drift = drift_of({"changes": changes, "findings": [waits]})
    assert drift.changed == (
        'Campaign/a: server: "x" → "y", changed on the server (last by anna\\n)',
        'Campaign/a: both: "x" → "y", changed both in Git and on the server; last applied: "z"',
        'Campaign/a: old: "x" → "y"',
    )
    assert drift.waiting == (
        'Campaign/a: git: "x" → "y", changed in Git',
        'Campaign/a: never: "x" → "y", never applied',
        "it waits",
    )
    assert drift.any
    merged = drift_of({"changes": [row("git"), row("never")], "findings": [waits]})
    assert not merged.any
    assert "no drift" in drift_markdown(merged)


@pytest.mark.parametrize(
    ("drift", "some"),
    [
        (Drift(), False),
        (Drift(assumed=("x",)), False),
        (Drift(changed=("x",)), True),
        (Drift(held=("x",)), True),
        (Drift(wrong=("x",)), True),
        (Drift(waiting=("x",)), False),
    ],
)
def test_what_can_not_be_read_is_no_news(drift: Drift, some: bool) -> None:
    assert drift.any is some


def test_the_issue_has_a_part_for_each_that_there_is() -> None:
    text = drift_markdown(drift_of(DOCUMENT))
    parts = ["### Wrong: 1\n", "### Changed: 3\n", "### Held: 1\n", "### Assumed: 2\n"]
    places = [text.index(part) for part in parts]
    assert places == sorted(places), "the worst first"
    assert "- `Campaign/a: gateways: 1,200 → 1,201 (2 missing there, 1 too many)`\n" in text
    assert "### Held" not in drift_markdown(Drift(changed=("x",)))
    many = drift_markdown(Drift(changed=tuple(map(str, range(60)))))
    assert many.startswith("### Changed: 60\n")
    assert many.count("\n- ") < 60
