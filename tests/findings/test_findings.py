"""The collector of findings, and the codes."""

import random
import re
import time

import pytest

from reconciler.errors import InvalidInput
from reconciler.findings import CODES, Findings
from reconciler.model import Finding, Kind, Place, ResourceId, Severity

LINE_3 = ResourceId(Kind.CAMPAIGN, "line-3")


def test_what_is_found_is_kept_and_sorted_once() -> None:
    findings = Findings()
    findings.note("c", "third", Place("b.yaml", 1, 1), "a hint", LINE_3)
    findings.warning("b", "second", Place("a.yaml", 10, 1))
    assert not findings.failed
    findings.error("a", "first", Place("a.yaml", 9, 1))
    findings.add([Finding("d", "about the run")])
    assert [(found.code, found.severity) for found in findings.found] == [
        ("c", Severity.NOTE),
        ("b", Severity.WARNING),
        ("a", Severity.ERROR),
        ("d", Severity.ERROR),
    ]
    assert [found.code for found in findings.sorted()] == ["a", "b", "c", "d"]
    assert findings.found[0] == Finding("c", "third", Place("b.yaml", 1, 1), "a hint", LINE_3, Severity.NOTE)
    assert findings.failed
    assert findings.errors == 2


@pytest.mark.parametrize("severity", list(Severity))
def test_only_an_error_is_a_failure(severity: Severity) -> None:
    findings = Findings()
    findings.add([Finding("a", "it", severity=severity)])
    assert findings.failed is (severity is Severity.ERROR)


def test_a_hundred_thousand_findings_are_gathered_in_no_time() -> None:
    """And asking whether any is an error doesn't look at all of them."""
    places = [Place("a.yaml", line, 1) for line in range(100_000)]
    random.Random(4711).shuffle(places)
    findings = Findings()
    begun = time.thread_time()
    for place in places:
        findings.warning("a", "it", place)
        assert not findings.failed
    found = findings.sorted()
    assert time.thread_time() - begun < 5
    assert [each.place.line for each in found if each.place] == list(range(100_000))


def test_codes_are_kebab_case_and_explained() -> None:
    for code, meaning in CODES.items():
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", code)
        assert meaning.endswith(".")


@pytest.mark.parametrize(("count", "said"), [(0, "0 errors"), (1, "1 error"), (1_234, "1,234 errors")])
def test_the_error_counts_them(count: int, said: str) -> None:
    findings = [Finding("a", "it", severity=Severity.WARNING), *[Finding("b", "it")] * count]
    assert InvalidInput(findings).message == f"{said} in the input"
