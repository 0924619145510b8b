"""Lists, packages and secrets that are pointers, pages or unresolved merges; ids that look like others."""

import hashlib

import pytest

from reconciler.model import Place, Severity

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 12345\n"
PAGE = "<!DOCTYPE html><html><title>Please sign in</title>"


@pytest.mark.parametrize(("code", "content"), [("lfs-pointer", POINTER), ("web-page", PAGE)])
@pytest.mark.parametrize("name", ["ids.txt", "ids.csv"])
def test_a_list(folder, name: str, code: str, content: str) -> None:
    folder.put(name, content)
    folder.resource("GatewayList", "l", f"file: {name}")
    finding = folder.finding()
    assert (finding.code, finding.place) == (code, Place(name, 1, 1))
    assert finding.hint


@pytest.mark.parametrize(("code", "content"), [("lfs-pointer", POINTER), ("web-page", PAGE)])
def test_a_package(folder, code: str, content: str) -> None:
    folder.put("fw.bin", content)
    folder.resource("PackageSet", "p", "packages: [{file: fw.bin}]")
    finding = folder.finding()
    assert (finding.code, finding.place) == (code, Place("packageset-p.yaml", 5, 21))
    digest = hashlib.sha256(content.encode()).hexdigest()
    assert digest in (finding.hint or "")
    folder.resource("PackageSet", "p", f"packages: [{{file: fw.bin, sha256: {digest}}}]")
    assert folder.resolve().findings == (), "who pins it has looked at it"


@pytest.mark.parametrize("environ", [{}, None])
@pytest.mark.parametrize(("code", "content"), [("lfs-pointer", POINTER), ("web-page", PAGE)])
def test_a_secret(folder, environ, code: str, content: str) -> None:
    folder.put("key", content)
    folder.resource("Campaign", "c", "settings: {k: {fromFile: key}}")
    found = folder.resolve(environ).findings
    assert [(each.code, each.place) for each in found] == [(code, Place("campaign-c.yaml", 5, 28))]


def test_a_secret_with_a_merge_in_it(folder) -> None:
    folder.put("key", "<<<<<<< HEAD\na\n=======\nb\n>>>>>>> main\n")
    folder.resource("Campaign", "c", "settings: {k: {fromFile: key}}")
    assert folder.finding({}).code == "merge-conflict"


@pytest.mark.parametrize("name", ["ids.txt", "ids.csv"])
@pytest.mark.parametrize("marker", ["<<<<<<< HEAD", "=======", ">>>>>>> main", "||||||| base"])
def test_a_list_in_the_middle_of_a_merge(folder, name: str, marker: str) -> None:
    folder.put(name, f"gatewayId\ngw-1\n{marker}\ngw-2\n")
    folder.resource("GatewayList", "l", f"file: {name}")
    finding = folder.finding()
    assert (finding.code, finding.place) == ("merge-conflict", Place(name, 3, 1))


@pytest.mark.parametrize(
    "character",
    ["\u200b", "\u200d", "\u00ad", "\ufeff", "\u202e", "\u2066", "\u2060", "\u180e", "\U000e0061", "\ufe0f"],
)
@pytest.mark.parametrize("where", ["{}gw-1", "gw{}-1", "gw-1{}"])
def test_an_id_with_what_nobody_sees(folder, character: str, where: str) -> None:
    folder.put("ids.txt", f"a\n{where.format(character)}\n")
    folder.resource("GatewayList", "l", "file: ids.txt")
    finding = folder.finding()
    assert (finding.code, finding.place) == ("bad-gateway-id", Place("ids.txt", 2, 1))
    assert f"U+{ord(character):04X}" in finding.message
    assert character not in finding.message or character.isprintable()


@pytest.mark.parametrize(
    "left", ['"gw-1"', '"gw-1",', "'gw-1'", "`gw-1`", "“gw-1”", '="0012"', "«gw-1»", '"gw 1";']
)
@pytest.mark.parametrize("name", ["ids.txt", "inline"])
def test_an_id_in_quotes(folder, name: str, left: str) -> None:
    if name == "inline":
        folder.resource(
            "GatewayList", "l", f"gateways:\n- {left!r}" if "'" not in left else f'gateways:\n- "{left}"'
        )
    else:
        folder.put(name, f"{left}\n")
        folder.resource("GatewayList", "l", f"file: {name}")
    finding = folder.finding()
    assert (finding.code, finding.severity) == ("bad-gateway-id", Severity.ERROR)
    assert "write `" in (finding.hint or "")


@pytest.mark.parametrize("row", ['="0012"', '"=""0012"""', "“0012”", "'0012'"])
def test_a_cell_that_a_spreadsheet_made(folder, row: str) -> None:
    folder.put("ids.csv", f"site,gatewayId\nA,{row}\n")
    folder.resource("GatewayList", "l", "file: ids.csv")
    finding = folder.finding()
    assert (finding.code, finding.hint) == ("bad-gateway-id", "write `0012`")


def test_blanks_before_quotes_are_skipped_and_said(folder) -> None:
    folder.put("ids.csv", 'site,gatewayId\nA, "gw-1"\n"B, ""x"" ",  "gw-2"\n')
    folder.resource("GatewayList", "l", "file: ids.csv")
    folder.resource("Campaign", "c", "gatewayLists: [l]")
    resolved = folder.resolve()
    assert resolved.desired.campaigns[0].gateways == {"gw-1", "gw-2"}
    (finding,) = resolved.findings
    assert (finding.code, finding.severity, finding.place) == (
        "odd-gateway-id",
        Severity.WARNING,
        Place("ids.csv", 2, 5),
    )


@pytest.mark.parametrize(
    "row", ["gw-1 gw-2", "gw-1,gw-2", "gw-1;gw-2", "gw-1\u2003gw-2", "- gw-1", "[", "1.23E+15", '"gw']
)
def test_a_line_that_is_probably_no_id(folder, row: str) -> None:
    folder.put("ids.txt", f"a\n{row}\n")
    folder.resource("GatewayList", "l", "file: ids.txt")
    finding = folder.finding()
    assert (finding.code, finding.severity, finding.place) == (
        "odd-gateway-id",
        Severity.WARNING,
        Place("ids.txt", 2, 1),
    )
    assert finding.hint


def test_many_odd_lines_are_no_flood(folder) -> None:
    folder.put("ids.txt", "".join(f"a {n}\n" for n in range(500)))
    folder.resource("GatewayList", "l", "file: ids.txt")
    found = folder.resolve().findings
    assert len(found) == 101
    assert found[-1].code == "more-findings"


def test_an_id_of_a_megabyte_makes_a_short_message(folder) -> None:
    folder.put("ids.txt", f"{'x' * (1 << 20)}\n")
    folder.resource("GatewayList", "l", "file: ids.txt")
    assert len(folder.finding().message) < 300
