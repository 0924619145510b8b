"""Widths in columns, and lines that are drawn again in their place."""

import io

import pytest

from reconciler.report.terminal import Screen, clipped, columns, fitting, padded


def test_lines_are_drawn_over_those_before():
    out = io.StringIO()
    screen = Screen(out, lambda: (10, 4))
    screen.show(["one", "two"])
    screen.show(["x" * 20, "\x1b[31m" + "y" * 20 + "\x1b[0m", "3", "4"])
    screen.end(["a" * 20])
    screen.show(["again"])
    assert out.getvalue() == (
        "\r\x1b[Jone\ntwo\n"
        "\x1b[2A\r\x1b[J" + "x" * 10 + "\n\x1b[31m" + "y" * 10 + "\x1b[0m\n… 2 more l\n"
        "\x1b[3A\r\x1b[J" + "a" * 20 + "\n"
        "\r\x1b[Jagain\n"
    )


def test_forgotten_lines_stay():
    out = io.StringIO()
    screen = Screen(out, lambda: (10, 1))
    screen.show(["one"])
    screen.forget()
    screen.show(["two"])
    assert out.getvalue() == "\r\x1b[Jone\n\r\x1b[Jtwo\n"


@pytest.mark.parametrize(
    ("text", "width"),
    [
        ("", 0),
        ("abc", 3),
        ("é", 1),
        ("e\u0301", 1),
        ("日本", 4),
        ("a\u0300\u0301b", 2),
        ("█▒", 2),
        ("→ …", 3),
        ("ü\x1b[31m", 6),  # what isn't text is never drawn: its length is as good as any
    ],
)
def test_columns_are_those_of_a_terminal(text, width):
    assert columns(text) == width


def test_padding_counts_columns():
    assert padded("e\u0301", 3) == "e\u0301  "
    assert padded("日", 3) == "日 "
    assert padded("abcd", 3) == "abcd"


def test_clipping_counts_columns():
    assert clipped("e\u0301a\u0300bc", 2) == "e\u0301a\u0300"
    assert clipped("日本", 3) == "日"
    assert clipped("\x1b[31mab\x1b[0mcd", 3) == "\x1b[31mab\x1b[0mc\x1b[0m"
    assert clipped("abc", 3) == "abc"


@pytest.mark.parametrize(
    ("line", "shown"),
    [("abcd", "abcd"), ("abcde", "abc…"), ("日本", "日本"), ("日本x", "日…"), ("e\u0301" * 4, "e\u0301" * 4)],
)
def test_what_does_not_fit_is_cut_with_a_sign(line, shown):
    assert fitting(line, 4) == shown
    assert columns(shown) <= 4
