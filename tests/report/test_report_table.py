"""Tables, bars and small formats."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.providers.base import Stage
from reconciler.report.lines import fitted
from reconciler.report.table import bar, pairs, percent, table
from reconciler.report.terminal import Tone, ansi, columns
from reconciler.text import timestamp


def test_a_table_is_aligned_cleaned_and_coloured():
    rows = [("日本", "x"), ("a\x1b[31m", "y")]
    assert list(table(("NAME", "S"), rows)) == ["NAME       S", "日本       x", "a\\x1b[31m  y"]
    coloured = list(table(("NAME", "S"), rows, ansi, tones=[Tone.GOOD, Tone.ERROR]))
    assert coloured[1] == "日本       \x1b[32mx\x1b[0m"
    assert list(table(("ONE",), [("a",)])) == ["ONE", "a"]


@pytest.mark.parametrize("name", ["e\u0301te\u0301", "日本", "กำ", "a\u0300\u0301bc", "Straße", "x…"])
def test_what_stands_behind_a_column_is_aligned_whatever_its_letters(name):
    _, *lines = table(("NAME", "S"), [(name, "|"), ("a longer name", "|")])
    assert {columns(line) for line in lines} == {len("a longer name  |")}
    assert {columns(line) for line in pairs([(name, "|"), ("a longer name", "|")])} == {16}


def test_pairs():
    assert list(pairs([("Name", "x\ny"), ("Description", "")])) == ["Name         x\\ny", "Description"]
    assert list(pairs([])) == []


STAGES = [stage for stage in Stage if stage is not Stage.UNKNOWN]
_COUNTS = st.dictionaries(st.sampled_from(STAGES), st.integers(0, 10**6))


@given(_COUNTS, st.integers(4, 60))
def test_a_bar_has_its_width_and_shows_whatever_counts(counts, width):
    drawn = bar(counts, width)
    assert len(drawn) == (width if any(counts.values()) else 0)
    for stage, letter in zip(STAGES, "░▒█×", strict=True):
        assert (letter in drawn) == bool(counts.get(stage))


def test_a_bar_in_colour_and_in_letters():
    counts = {Stage.DONE: 2, Stage.UNDER_WAY: 1, Stage.FAILED: 1}
    assert bar(counts, 8, blocks=False) == "####==xx"
    assert bar({Stage.IDLE: 1}, 2, ansi) == "\x1b[2m░░\x1b[0m"
    assert bar(counts, 2) == "█▒", "where there is no room, the largest"
    assert bar({Stage.DONE: 10**6, Stage.FAILED: 1}, 8) == "███████×", "what counts is seen"
    assert bar({}, 8) == bar({Stage.DONE: 0}, 8) == ""


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (0, "1970-01-01T00:00:00Z"),
        (1_700_000_000_123, "2023-11-14T22:13:20Z"),
        (10**30, "1" + "0" * 30),
    ],
)
def test_moment(value, text):
    assert timestamp(value) == text


def test_percent_is_100_only_for_all():
    assert (percent(999, 1000), percent(1000, 1000), percent(0, 0)) == ("99 %", "100 %", "-")


def test_a_table_that_is_too_wide_drops_columns_and_goes_on_below_the_last():
    made = list(
        table(("NAME", "ID", "OWNER", "STATE"), [("fw", "0" * 36, "somebody", "in sync; not readable")])
    )
    assert list(fitted(made, 80))[1] == f"fw    {'0' * 36}  somebody  in sync; not readable"
    assert list(fitted(made, 60)) == ["NAME  OWNER     STATE", "fw    somebody  in sync; not readable"]
    assert list(fitted(made, 34)) == [
        "NAME  OWNER     STATE",
        "fw    somebody  in sync; not",
        f"{16 * ' '}readable",
    ]


def test_the_first_and_the_last_column_are_never_dropped():
    made = list(table(("ID", "WHAT"), [("0" * 10, "x")], drop=("ID", "WHAT")))
    assert next(fitted(made, 5)).startswith("ID")
