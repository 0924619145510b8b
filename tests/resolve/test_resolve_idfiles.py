"""Files of gateway ids: text and CSV, and where in them something is wrong."""

import csv
import io
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.model import Place, ResourceId
from reconciler.resolve.idfiles import IdFile, read_ids

LIST = ResourceId.parse("GatewayList/l")


CELL = st.text(st.characters(blacklist_categories=("Cs",)), max_size=8)


LONG = "x" * 131_073
"""A cell that is one character longer than `csv` takes."""
DOUBLED = '""' * 131_073


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("ids.txt", "a\nb\nc_d\n"),
        ("ids.txt", b"\xef\xbb\xbfa\r\nb\r\nc_d"),
        ("IDS.TXT", "# head\n\n  a \t\n#x\nb # tail\nc_d\t# tail # more\n   \n"),
        ("ids.csv", "gatewayId\na\nb\nc d\n"),
        ("ids.csv", b"\xef\xbb\xbfsite,gatewayId,n\r\nx,a,1\r\n\r\ny, b ,2\r\nz,c d\r\n"),
        ("ids.csv", '\n"site", gatewayId \n"one,\ntwo",a\n"a ""b""",b\n,"c d"\n'),
    ],
)
def test_data_files_are_read(folder, name: str, content: str | bytes) -> None:
    folder.put(f"data/{name}", content)
    assert folder.ids_of(f"file: data/{name}") == {"a", "b", "c_d" if name.lower().endswith("txt") else "c d"}


def test_a_hash_inside_an_id_is_part_of_it(folder) -> None:
    folder.write(ids_txt="gw#1\n")
    assert folder.ids_of("file: ids.txt") == {"gw#1"}


def test_an_empty_file_is_an_empty_list(folder) -> None:
    folder.write(ids_txt="# nobody\n")
    assert folder.ids_of("file: ids.txt") == frozenset()


@pytest.mark.parametrize(
    ("name", "content", "code", "line", "column", "said"),
    [
        ("x.txt", "a\nb\n a\n", "duplicate-gateway", 3, 2, "`a` appears twice in this list, first at x.txt"),
        ("x.txt", "a\n\nthings\n", "reserved-gateway-id", 3, 1, "`things` can't be a gateway id"),
        ("x.txt", "a\n..\n", "reserved-gateway-id", 2, 1, "`..` can't be a gateway id"),
        ("x.txt", "a\ngw\x071\n", "bad-gateway-id", 2, 1, "`gw\\x071` has the control character U+0007"),
        ("x.txt", "a\rb\n", "bad-gateway-id", 1, 1, "has the control character U+000D"),
        ("x.txt", f"a\n{'x' * 256}\n", "bad-gateway-id", 2, 1, "has 256 characters, but 255 is the most"),
        ("x.txt", "a\n\xa0b\n", "bad-gateway-id", 2, 1, "has white space around it"),
        ("x.txt", b"\xef\xbb\xbfa\nb\xc3\xa4\xff\n", "not-utf8", 2, 3, "`x.txt` is not UTF-8 text"),
        ("x.txt", "a\n".encode("utf-16"), "not-utf8", 1, 1, "`x.txt` is UTF-16"),
        ("x.txt", "gw-1\ngw-2\n".encode("utf-16-le"), "not-utf8", 1, 1, "`x.txt` is UTF-16"),
        ("x.csv", "gatewayId\ngw-ä\n".encode("utf-16-be"), "not-utf8", 1, 1, "`x.csv` is UTF-16"),
        ("x.txt", "a\n".encode("utf-32"), "not-utf8", 1, 1, "`x.txt` is UTF-32"),
        ("x.csv", "n,gatewayId\n1,a\n2,a\n", "duplicate-gateway", 3, 3, "first at x.csv:2:3"),
        ("x.csv", 'n,gatewayId\n"1\n1",a\n2,a\n', "duplicate-gateway", 4, 3, "first at x.csv:3:4"),
        ("x.csv", "n,gatewayId\na,a\na,a\n", "duplicate-gateway", 3, 3, "first at x.csv:2:3"),
        ("x.csv", "n,gatewayId\ngw-10,gw-1\ngw-1, gw-1\n", "duplicate-gateway", 3, 7, "first at x.csv:2:7"),
        ("x.csv", 'n,gatewayId\n"a,""b"", a",a\n"a"\t,a\n', "bad-id-file", 3, 1, "is not CSV"),
        ("x.csv", 'n,gatewayId\n"a,""b"", a",a\n5" a,"a"\n', "duplicate-gateway", 3, 7, "at x.csv:2:14"),
        ("x.csv", 'n,gatewayId\n1,"""a"\n2,"""a"\n', "duplicate-gateway", 3, 4, "first at x.csv:2:4"),
        ("x.csv", 'n,gatewayId\n1,"\na"\n2,a\n', "duplicate-gateway", 4, 3, "first at x.csv:3:1"),
        ("x.csv", 'n,gatewayId\n1,""\n', "bad-gateway-id", 2, 4, "the gateway id is empty"),
        ("x.csv", "n,gatewayId\n1,a\n2\n", "bad-gateway-id", 3, 2, "the gateway id is empty"),
        ("x.csv", "n,gatewayId\n1,\n", "bad-gateway-id", 2, 3, "the gateway id is empty"),
        ("x.csv", 'gatewayId\n"a\nb"\n', "bad-gateway-id", 2, 2, "has the control character U+000A"),
        ("x.csv", "n,id\n1,a\n", "bad-id-file", 1, 3, "`x.csv` has no gatewayId column"),
        ("x.csv", "", "bad-id-file", 1, 1, "`x.csv` has no gatewayId column"),
        ("x.csv", '\n"a\nb",gatewayId, gatewayId\n', "bad-id-file", 3, 15, "has several gatewayId columns"),
        ("x.csv", 'gatewayId\na\n"b\nc\n', "bad-id-file", 4, 1, "`x.csv` is not CSV: unexpected end of data"),
        ("x.csv", 'gatewayId\n"a"b\n', "bad-id-file", 2, 1, "`x.csv` is not CSV: ',' expected after '\"'"),
        ("x.csv", f"n,gatewayId\n1,a\n{LONG},b\n", "bad-id-file", 3, 1, "131,073 characters"),
        ("x.csv", f'n,gatewayId\n1,a\n2, "{LONG}"\n', "bad-id-file", 3, 4, "`x.csv` has 131,073 characters"),
        ("x.csv", f'gatewayId\n"a\n{LONG[:-1]}', "bad-id-file", 2, 1, "may have 131,072 at most"),
        ("x.csv", f'n,gatewayId\n"{DOUBLED}",b\n', "bad-id-file", 2, 1, "has 131,073 characters"),
        ("x.json", "[]", "bad-id-file", 1, 1, "`x.json` is neither .txt nor .csv"),
        ("x", "a", "bad-id-file", 1, 1, "`x` is neither .txt nor .csv"),
    ],
)  # fmt: skip
def test_findings_point_into_the_data_file(
    folder, name: str, content: str | bytes, code: str, line: int, column: int, said: str
) -> None:
    folder.put(name, content)
    folder.resource("GatewayList", "l", f"file: {name}")
    finding = folder.finding()
    assert (finding.code, finding.place) == (code, Place(name, line, column))
    assert said in finding.message
    assert finding.resource == LIST
    assert finding.hint


@pytest.mark.parametrize(
    ("header", "hint"),
    [
        ("site;gatewayId", "the columns must be separated by commas"),
        ("gateway_id,site", "rename the column `gateway_id`"),
        ("GATEWAYID", "rename the column `GATEWAYID`"),
        ("serial,site", "the first line has to name the columns, one of them gatewayId"),
    ],
)
def test_a_missing_column_gets_a_hint(folder, header: str, hint: str) -> None:
    folder.write(x_csv=f"{header}\n1\n")
    folder.resource("GatewayList", "l", "file: x.csv")
    assert folder.finding().hint == hint


@given(st.lists(st.tuples(CELL, CELL)), st.sampled_from(["\n", "\r\n"]))
def test_any_table_that_csv_writes_is_read_back(rows: list[tuple[str, str]], newline: str) -> None:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator=newline, quoting=csv.QUOTE_ALL)
    writer.writerows([("n", "gatewayId"), *rows])
    read = read_ids("x.csv", buffer.getvalue().encode())
    assert isinstance(read, IdFile)
    assert list(read.ids) == [id_.strip(" \t\r\n") for _, id_ in rows]


@given(st.lists(st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\n"), max_size=9)))
def test_ids_of_a_text_file_stand_where_it_says(lines: list[str]) -> None:
    read = read_ids("x.txt", "\n".join(lines).encode())
    assert isinstance(read, IdFile)
    bare = [line.lstrip("\ufeff") if number == 0 else line for number, line in enumerate(lines)]
    for index, id_ in enumerate(read.ids):
        place = read.place("x.txt", index)
        assert id_
        assert not id_.startswith("#")
        line = bare[place.line - 1] if place.line > 1 else lines[0].removeprefix("\ufeff")
        assert line[place.column - 1 :].startswith(id_)


@given(
    st.lists(st.lists(CELL.filter(str.strip), min_size=3, max_size=3), min_size=1, max_size=4), st.booleans()
)
def test_ids_of_a_table_stand_where_it_says(rows: list[list[str]], every: bool) -> None:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n", quoting=csv.QUOTE_ALL if every else csv.QUOTE_MINIMAL)
    writer.writerows([["n", "gatewayId", "m"], *rows])
    text = buffer.getvalue()
    read = read_ids("x.csv", text.encode())
    assert isinstance(read, IdFile)
    lines = text.split("\n")
    for index, id_ in enumerate(read.ids):
        place = read.place("x.csv", index)
        rest = "\n".join([lines[place.line - 1][place.column - 1 :], *lines[place.line :]])
        assert rest.startswith((id_, id_.replace('"', '""')))


@given(st.binary(max_size=60), st.sampled_from(["x.txt", "x.csv"]))
def test_no_bytes_break_a_reader(data: bytes, name: str) -> None:
    read = read_ids(name, data)
    if isinstance(read, IdFile):
        assert all(read.place(name, index).line >= 1 for index in range(len(read.ids)))


def test_a_million_lines_take_seconds(folder) -> None:
    count = 1_000_000
    folder.write(x_txt="".join(f"gw-{number:07d}\n" for number in range(count)) + "gw-0000007\n")
    folder.resource("GatewayList", "l", "file: x.txt")
    begin = time.process_time()
    finding = folder.finding()
    assert finding.place == Place("x.txt", count + 1, 1)
    assert "first at x.txt:8:1" in finding.message
    assert time.process_time() - begin < 20, "a linear pass takes two seconds on a slow machine"
