"""Findings beside the code: workflow commands and SARIF."""

import json
from pathlib import Path

from reconciler.model import Finding, Kind, Place, ResourceId, Severity
from reconciler.report.annotations import github_lines, sarif

FINDINGS = (
    Finding("b-code", "50% of\nit, and: more", Place("dir/ä b,c:d.yaml", 3, 7), "Mend\rit."),
    Finding("a-code", "hm", resource=ResourceId(Kind.CAMPAIGN, "x"), severity=Severity.WARNING),
    Finding("a-code", "oh", Place(str(Path("/abs/f.yaml")), 1, 1), severity=Severity.NOTE),
)


def test_github():
    assert list(github_lines(FINDINGS)) == [
        "::notice title=a-code,file=/abs/f.yaml,line=1,col=1::oh",
        (
            "::error title=b-code,file=dir/ä b%2Cc%3Ad.yaml,line=3,col=7::"
            "50%25 of%0Ait, and: more%0Ahint: Mend%0Dit."
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
