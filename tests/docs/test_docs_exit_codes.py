"""`--help`, the pages and `errors.Exit` name the same exit codes."""

import re
from pathlib import Path

import pytest

from reconciler.cli.group import cli
from reconciler.errors import Exit, ReconcilerError, UnusablePlan, UsageError
from reconciler.report.wording import MEANINGS

DOCS = Path(__file__).parents[2] / "docs"
ALL = [code.value for code in Exit]


def tables(page: Path) -> list[list[int]]:
    """The codes of each table of exit codes on a page."""
    found = re.findall(
        r"^\| (?:code|exit) \| meaning \|\n\|[-|]+\n((?:\|.*\n)+)", page.read_text("utf-8"), re.M
    )
    return [[int(row.split("|")[1]) for row in rows.splitlines()] for rows in found]


def test_help_names_every_one() -> None:
    assert cli.help is not None
    text = " ".join(cli.help.split())
    listed = text.partition("Exit codes: ")[2]
    assert [int(code) for code in re.findall(r"(?:^|, )(\d+) ", listed)] == ALL


@pytest.mark.parametrize("page", ["how-it-works.md", "reference/exit-codes.md"])
def test_the_pages_name_every_one(page: str) -> None:
    assert tables(DOCS / page) == [ALL]


def test_no_page_names_another_one() -> None:
    named = {code for page in DOCS.rglob("*.md") for codes in tables(page) for code in codes}
    assert named == set(ALL)


def test_each_has_a_meaning_and_errors_end_with_one() -> None:
    assert list(MEANINGS) == list(Exit)
    assert {error.exit_code for error in (ReconcilerError, UsageError, UnusablePlan)} <= set(Exit)


def test_which_comes_first_is_said_alike() -> None:
    for page in ("how-it-works.md", "reference/exit-codes.md"):
        text = " ".join((DOCS / page).read_text("utf-8").split())
        order = re.search(r"When several hold[^.]*\.", text)
        assert order is not None
        assert re.findall(r"\d", order[0]) == ["1", "4", "5", "3", "7", "6"]
