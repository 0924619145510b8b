"""What is held back, in words and in JSON."""

import pytest

from reconciler.plan.model import HeldBack
from reconciler.report.waits_report import held_words, wait_item, wait_lines, wait_markdown
from tests.fakes import rid

UNTIL = 1_800_000_000_000


@pytest.mark.parametrize(
    ("what", "gateways", "until", "calendars", "frozen", "words"),
    [
        (
            ("add", "start"), 1_200, UNTIL, ("nights",), None,
            "gateways that join and the start (1,200 gateways): the calendar nights is closed until TIME",
        ),
        (
            ("edit",), 0, None, ("nights", "company"), "year end",
            "the edit: the calendars nights and company are closed (freeze: year end), and not known to open",
        ),
        (
            ("schedule",), 1, UNTIL, ("x",), "",
            "windows (1 gateway): the calendar x is closed (freeze) until TIME",
        ),
        (
            ("create",), 0, None, (), None,
            "its creation: another campaign keeps the name until a calendar opens",
        ),
    ],
)  # fmt: skip
def test_words(
    what: tuple[str, ...],
    gateways: int,
    until: int | None,
    calendars: tuple[str, ...],
    frozen: str | None,
    words: str,
) -> None:
    wait = HeldBack(rid("a"), what, gateways, until, calendars, frozen)
    words = words.replace("TIME", "2027-01-15 08:00:00 UTC")
    assert held_words(wait) == words
    assert list(wait_lines([wait])) == [f"Waits: Campaign/a: {words}"]
    assert wait_item(wait)["text"] == words


def test_many_are_counted_for_a_pull_request() -> None:
    waits = [HeldBack(rid(f"c-{n:02}"), ("start",), 0, UNTIL, ("nights",)) for n in range(23)]
    lines = "\n".join(wait_markdown(waits))
    assert "### Waits for a calendar: 23 campaigns" in lines
    assert "- and 3 more campaigns" in lines
    assert list(wait_markdown([])) == []
