"""What stands in a file gives a runner of CI no orders, however it is written out."""

import io
import json

import pytest

from reconciler.report.workflow_commands import Unheard, in_ci, no_orders, orders


def heard(*parts: str) -> str:
    stream = io.StringIO()
    unheard = Unheard(stream)
    for part in parts:
        assert unheard.write(part) == len(part)
    return stream.getvalue()


@pytest.mark.parametrize(
    "parts",
    [
        ["::error::x\n"],
        ["\u00a0 \t::add-mask::x\n"],
        ["ok\n", "::stop-commands::x"],
        [":", ":set-env::x"],
        ["  ", "::x"],
        ["a\r::x"],
        ["\ufeff::x"],
    ],
)
def test_no_line_begins_with_a_command(parts: list[str]) -> None:
    said = heard(*parts)
    assert not any(line.strip().strip("\ufeff").startswith("::") for line in said.splitlines())
    assert said.replace(" ", "").replace("\u00a0", "") == "".join(parts).replace(" ", "").replace(
        "\u00a0", ""
    )


@pytest.mark.parametrize("parts", [["a ##[group]x"], ["#", "#[error]x"], ["##", "[error]x"], ["##vso[x]"]])
def test_no_line_holds_an_old_command(parts: list[str]) -> None:
    said = heard(*parts)
    assert "##[" not in said
    assert "##vso" not in said


def test_no_section_of_gitlab_begins() -> None:
    assert "section_start:" not in heard("section_start:1700000000:x\r\x1b[0Kx")
    assert "section_end:" not in heard("x section_", "end:1")


@pytest.mark.parametrize("text", ["a::b ::c\n", "campaign: ::x\n", "## Plan\n", "", "# [x]\n", "section_x\n"])
def test_what_is_no_order_stays(text: str) -> None:
    assert heard(text) == text


def test_a_document_says_the_same() -> None:
    value = {"name": "##[error]x", "a": "section_start:1", "b": "\x9b31m"}
    text = no_orders(json.dumps(value, ensure_ascii=False))
    assert json.loads(text) == value
    assert heard(text) == text
    assert text.isprintable()


def test_our_own_orders_go_past_it() -> None:
    stream = io.StringIO()
    unheard = Unheard(stream)
    assert orders(unheard) is stream  # type: ignore[arg-type]
    assert orders(stream) is stream


def test_only_where_a_runner_reads() -> None:
    assert in_ci({"GITHUB_ACTIONS": "true"})
    assert not in_ci({"CI": ""})
