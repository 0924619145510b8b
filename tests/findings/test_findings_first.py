"""A report lists a thousand findings, and says how many more there are."""

from reconciler.findings import MOST_SHOWN, first_of
from reconciler.model import Finding, Place, Severity


def test_few_are_all_there_and_sorted() -> None:
    found = [Finding("x", "b", Place("b", 1, 1)), Finding("x", "a", Place("a", 1, 1))]
    assert [each.message for each in first_of(found)] == ["a", "b"]


def test_of_many_errors_come_first_and_the_rest_is_counted() -> None:
    notes = [Finding("n", "n", Place("a", n, 1), severity=Severity.NOTE) for n in range(1, MOST_SHOWN + 500)]
    error = Finding("e", "e", Place("z", 1, 1))
    *listed, last = first_of([*notes, error])
    assert len(listed) == MOST_SHOWN
    assert error in listed
    assert last.code == "more-findings"
    assert last.message.startswith("500 more findings")
