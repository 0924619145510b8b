"""The leaf of text: every function against what a person should read."""

import re
import subprocess
import sys
import time

import pytest

from reconciler.text import (
    CONTROLS,
    and_more,
    calendar_time,
    clean,
    control_character,
    cut,
    did_you_mean,
    duration,
    excerpt,
    first,
    first_lines,
    local_moment,
    moment,
    nearest,
    plural,
    printable,
    quoted,
    sentence,
    span,
    timestamp,
    window,
)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Line 3", "Line 3"),
        ("Frühling 日本", "Frühling 日本"),
        ("a\x1b[31mb", r"a\x1b[31mb"),
        ("a\nb\tc", r"a\nb\tc"),
        ("a\u202eb", r"a\u202eb"),
        ("a\x85\u2028b", r"a\x85\u2028b"),
        ("\U000e0001", r"\U000e0001"),
        ("\ud800", r"\ud800"),
        ("", ""),
    ],
)
def test_clean_leaves_nothing_that_steers_a_terminal(text: str, shown: str) -> None:
    assert clean(text) == shown
    assert clean(clean(text)) == shown
    assert shown.isprintable()


def test_printable_is_cut_before_it_is_cleaned() -> None:
    assert printable("x" * 61) == "x" * 59 + "…"
    assert printable("x" * 60) == "x" * 60
    assert printable("\x07" * 1_000_000, 3) == r"\x07\x07…"
    assert quoted("a\tb") == r"`a\tb`"
    assert cut("abcdef", 3) == "ab…"
    assert cut("abc", 3) == "abc"


@pytest.mark.parametrize(
    ("text", "most", "shown"),
    [("a\n\n  b\x1b[2J", 20, "a b [2J"), ("one two", 5, "one …"), (" \t\u2028 ", 5, ""), ("日本", 2, "日本")],
)
def test_an_excerpt_is_one_line_of_prose(text: str, most: int, shown: str) -> None:
    assert excerpt(text, most) == shown


def test_counts() -> None:
    assert plural(1, "step") == "1 step"
    assert plural(0, "step") == "0 steps"
    assert plural(2_000, "entry", "entries") == "2,000 entries"
    assert and_more(0) == and_more(-3) == ""
    assert and_more(1_234) == " and 1,234 more"


@pytest.mark.parametrize(
    ("names", "most", "shown"),
    [
        ([], 3, ""),
        (["a"], 3, "a"),
        (["a", "b", "c"], 3, "a, b, c"),
        (["a", "b", "c", "d"], 3, "a, b, c and 1 more"),
        (["a\x1b", *"b" * 2_001], 1, r"a\x1b and 2,001 more"),
    ],
)
def test_the_first_names_and_how_many_more(names: list[str], most: int, shown: str) -> None:
    assert first(names, most) == shown


def test_the_first_names_as_they_are_wanted() -> None:
    assert first(["a", "b"], 1, quoted) == "`a` and 1 more"


def test_the_first_lines_and_how_many_more() -> None:
    assert list(first_lines(["- a", "- b"], 2, "- ")) == ["- a", "- b"]
    assert list(first_lines(["- a", "- b", "- c"], 1, "- ")) == ["- a", "- and 2 more"]
    assert list(first_lines(["a"] * 1_001, 0)) == ["and 1,001 more"]


def test_what_may_have_been_meant() -> None:
    known = ("packages", "Schedules", "straße")
    assert nearest("package", known) == "packages"
    assert nearest("SCHEDULE", known) == "Schedules"
    assert nearest("STRASSE", known) == "straße"
    assert nearest("xyz", known) is None
    assert nearest("x", ()) is None
    assert did_you_mean("package", known) == "did you mean `packages`?"
    assert did_you_mean("package", known, "PackageSet/{}".format) == "did you mean PackageSet/packages?"
    assert did_you_mean("xyz", known) is None


def test_a_word_without_end_is_compared_in_no_time() -> None:
    begun = time.thread_time()
    assert nearest("package" * 100_000, ["packages"] * 100) is None
    assert time.thread_time() - begun < 1


def test_a_sentence_begins_with_a_capital() -> None:
    assert sentence("did you mean it?") == "Did you mean it?"
    assert sentence("") == ""


WHEN = 1_799_614_800_000


@pytest.mark.parametrize(
    ("milliseconds", "column", "words"),
    [
        (WHEN, "2027-01-10T21:00:00Z", "2027-01-10 21:00:00 UTC"),
        (0, "1970-01-01T00:00:00Z", "1970-01-01 00:00:00 UTC"),
        (10**18, str(10**18), str(10**18)),
        (-(10**30), str(-(10**30)), str(-(10**30))),
    ],
)
def test_moments(milliseconds: int, column: str, words: str) -> None:
    assert timestamp(milliseconds) == column
    assert moment(milliseconds) == words


@pytest.mark.parametrize(
    ("begin", "end", "shown"),
    [
        (WHEN, WHEN + 28_800_000, "2027-01-10 21:00 to 2027-01-11 05:00 UTC"),
        (WHEN, WHEN + 1_500, "2027-01-10 21:00 to 2027-01-10 21:00:01.500000 UTC"),
        (WHEN + 1_000, WHEN + 60_000, "2027-01-10 21:00:01 to 2027-01-10 21:01 UTC"),
        (WHEN, WHEN - 1, None),
        (-1, 5, None),
        (0, 253_402_300_799_999, "1970-01-01 00:00 to 9999-12-31 23:59:59.999000 UTC"),
        (0, 253_402_300_800_000, None),
    ],
)
def test_windows(begin: int, end: int, shown: str | None) -> None:
    assert window(begin, end) == shown


def test_a_moment_here_names_its_offset() -> None:
    assert re.fullmatch(r"2027-01-1[01] \d\d:\d\d:00[+-]\d\d:\d\d", local_moment(WHEN / 1000) or "")
    assert local_moment(1e30) is None
    assert local_moment(float("nan")) is None


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "0 seconds"), (1, "1 second"), (119, "1 minute"), (7_200, "2 hours"), (86_400_000, "1,000 days")],
)
def test_durations(seconds: int, shown: str) -> None:
    assert duration(seconds) == shown


@pytest.mark.parametrize("char", ["\x00", "\x1f", "\x7f", "\x9f", "\u2028", "\u2029", "\ud800"])
def test_what_has_no_place_in_a_name(char: str) -> None:
    assert control_character(f"a{char}b\x00") == f"U+{ord(char):04X}"
    assert control_character("a b-ü日") is None
    assert re.fullmatch(f"[^{CONTROLS}]+", "a b-ü日")


def test_the_leaf_imports_nothing_heavy() -> None:
    code = (
        "import sys; import reconciler.text; "
        "assert not {'datetime', 'difflib', 'wcwidth', 'heapq'} & set(sys.modules) - before"
    )
    before = "before = {*sys.modules}"
    code = code.replace("import sys; ", f"import sys; {before}; ")
    subprocess.run([sys.executable, "-c", code], check=True)


NOW_MS = 1_796_331_600_000
"""Thu 3 Dec 2026, 21:00 UTC."""


@pytest.mark.parametrize(
    ("milliseconds", "zone", "said"),
    [
        (NOW_MS, "Europe/Berlin", "Thu 3 Dec 22:00 CET"),
        (NOW_MS, "UTC", "Thu 3 Dec 21:00 UTC"),
        (NOW_MS, "America/New_York", "Thu 3 Dec 16:00 EST"),
        (NOW_MS, "America/Sao_Paulo", "Thu 3 Dec 18:00 UTC-03"),
        (NOW_MS, "Australia/Lord_Howe", "Fri 4 Dec 08:00 UTC+11"),
        (NOW_MS, "Asia/Kathmandu", "Fri 4 Dec 02:45 UTC+05:45"),
        (NOW_MS + 1, "UTC", "Thu 3 Dec 21:01 UTC"),
        (NOW_MS + 400 * 86_400_000, "UTC", "Fri 7 Jan 2028 21:00 UTC"),
        (NOW_MS, "No/Where", "2026-12-03 21:00:00 UTC"),
        (1 << 60, "UTC", str(1 << 60)),
    ],
)
def test_times_of_calendars_as_people_say_them(milliseconds: int, zone: str, said: str) -> None:
    assert calendar_time(milliseconds, zone, NOW_MS) == said


def test_a_time_without_zone_is_one_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        assert calendar_time(NOW_MS, now=NOW_MS) == "Thu 3 Dec 22:00 CET"
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize(
    ("minutes", "said"),
    [
        (0, "0 m"),
        (-5, "0 m"),
        (1, "1 m"),
        (192, "3 h 12 m"),
        (720, "12 h"),
        (1440, "1 d"),
        (1441, "1 d 1 m"),
        (3070, "2 d 3 h"),
    ],
)
def test_spans(minutes: int, said: str) -> None:
    assert span(minutes * 60_000) == said
    assert span(minutes * 60_000 - 1) == said
