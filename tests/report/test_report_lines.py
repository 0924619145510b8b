"""Lines on a terminal: broken between words, with a hanging indent, in columns and not in characters."""

import re

import pytest

from reconciler.report.lines import Line, bare, fitted, wrapped
from reconciler.report.terminal import Tone, ansi, columns


@pytest.mark.parametrize(
    ("line", "hang", "lines"),
    [
        ("as it is", None, ["as it is"]),
        ("exactly twenty wide!", None, ["exactly twenty wide!"]),
        ("one two three four five six", None, ["one two three four", "  five six"]),
        ("  ~ field  one two three", 11, ["  ~ field  one two", "      three"]),
        ("  ~ fi  one two three four", 8, ["  ~ fi  one two", "        three four"]),
        ("- one two three four five", None, ["- one two three four", "    five"]),
        ("http://a.example/a-word-that-stays", None, ["http://a.example/a-word-that-stays"]),
        ("see http://a.example/a-word-that-stays", None, ["see", "  http://a.example/a-word-that-stays"]),
        ("one two three four   five   six", None, ["one two three four", "  five   six"]),
        ("広い 広い 広い 広い 広い", None, ["広い 広い 広い 広い", "  広い"]),
        ("e\u0301e\u0301 " * 7 + "end", None, ["e\u0301e\u0301 " * 6 + "e\u0301e\u0301", "  end"]),
        ("", None, [""]),
        ("                              end", None, ["                              end"]),
    ],
)
def test_words_go_on_below(line: str, hang: int | None, lines: list[str]) -> None:
    assert list(wrapped(line, 20, hang)) == lines


def test_colours_go_on_and_end_with_their_line() -> None:
    red, green = ansi("one two three four five", Tone.ERROR), ansi("six", Tone.GOOD)
    lines = list(wrapped(f"x {red} {green} seven", 16))
    assert [bare(line) for line in lines] == ["x one two three", "  four five six", "  seven"]
    for line in lines:
        assert len(re.findall(r"\x1b\[3[0-9]m", line)) == line.count("\x1b[0m")
        assert columns(bare(line)) <= 16
    assert lines[1] == "  \x1b[31mfour five\x1b[0m \x1b[32msix\x1b[0m"


def test_who_writes_knows_the_width() -> None:
    lines = ["a plain line of words", Line("field  a line of words", 7)]
    assert list(fitted(lines, None)) == lines
    assert list(fitted(lines, 16)) == ["a plain line of", "  words", "field  a line of", "       words"]
