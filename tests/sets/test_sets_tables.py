"""CSV files of rows: what is read, and what is refused at its cell."""
# ruff: noqa: E501 - a table keeps its rows

from pathlib import Path

import pytest

from reconciler.loading.tables import Misread
from reconciler.sets.generators import Table, read_table
from tests.sets.set_folders import SetFolder, set_of, values

QUOTE = '"'
LFS = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12\n"


def table(text: str | bytes, name: str = "s.csv") -> Table:
    read = read_table(name, text if isinstance(text, bytes) else text.encode())
    assert isinstance(read, Table), read
    return read


def misread(text: str | bytes, name: str = "s.csv") -> str:
    read = read_table(name, text if isinstance(text, bytes) else text.encode())
    assert isinstance(read, Misread)
    return f"{read.line}:{read.column} {read.problem.code}: {read.problem.message}"


@pytest.mark.parametrize(
    "text",
    [
        "a,b\nx,y\n",
        "\ufeffa,b\r\nx,y\r\n",
        "\n\n a , b \n\n x ,\ty\n,\n",
        'a,b\n"x", "y"',
        "a,b,\nx,y,\n",
        "a,,b\nx,,y\n",
    ],
)
def test_what_is_read_as_the_same_table(text: str) -> None:
    (row,) = table(text).rows("s.csv")
    assert row.values == {"a": "x", "b": "y"}


def test_cells_know_where_they_stand() -> None:
    first, second = table('a,b\n"x\nx",  y\nz\n').rows("dir/s.csv")
    assert [str(place) for place in first.places(("a", "b"))] == ["dir/s.csv:2:2", "dir/s.csv:3:6"]
    assert [str(place) for place in second.places(("b",))] == ["dir/s.csv:4:2"]
    assert [str(place) for place in second.places()] == ["dir/s.csv:4:1"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (LFS, "1:1 lfs-pointer: `s.csv` is a pointer of Git LFS, not the content that it stands for"),
        (b"<!DOCTYPE html><html>", "1:1 web-page: `s.csv` is a page of HTML, as a server sends it to a browser"),
        (b"site\nZ\xfcrich\n", "2:2 not-utf8: `s.csv` is not UTF-8 text"),
        ("site\n<<<<<<< HEAD\na\n", "2:1 merge-conflict: `s.csv` holds an unresolved merge"),
        ("", "1:1 bad-table: `s.csv` names no columns"),
        (",\na,b\n", "1:1 bad-table: `s.csv` names no columns"),
        ("a;b\nx;y\n", "1:1 bad-table: the columns of `s.csv` are not separated by commas"),
        ("a,b, a\nx,y,z\n", "1:6 bad-table: `s.csv` has several columns `a`"),
        ("a,b\u200b\nx,y\n", "1:3 bad-table: the name of the column"),
        ("a,b\nx,y,z\n", "2:5 bad-table: the row has 3 cells, but `s.csv` names 2 columns"),
        ('a\n"x" y\n', "2:1 bad-table: `s.csv` is not CSV"),
        ('a\n"x\n', "2:1 bad-table: `s.csv` is not CSV"),
        ("a\n" + "x" * 200_000, "2:1 bad-table: a cell of `s.csv` has 200,000 characters; a cell may have 131,072"),
    ],
)  # fmt: skip
def test_what_is_no_table(text: str | bytes, said: str) -> None:
    assert misread(text).startswith(said)


def test_only_a_csv_file_is_one() -> None:
    assert misread("a\n", "sites.txt") == "1:1 bad-table: `sites.txt` is no .csv file"


def test_too_many_rows() -> None:
    assert misread("a\n" + "x\n" * 100_001).startswith(
        "100002:1 set-too-large: `s.csv` has more than 100,000 rows"
    )


@pytest.mark.parametrize(
    ("cell", "code"),
    [
        ("a\u200bb", "bad-value"),  # zero width
        ("a\u202eb", "bad-value"),  # right to left
        ("a\x07b", "bad-value"),
        ("=HYPERLINK(1)", "bad-value"),
        ('"=""0012"""', "bad-value"),
        ("@SUM(1)", "bad-value"),
        ("#REF!", "bad-value"),
        ("#N/A", "bad-value"),
        ("${site}", "bad-value"),
        ("x" * 10_001, "bad-value"),
        ("1.2E+11", "odd-value"),
        ("", "missing-value"),
    ],
)
def test_what_a_cell_may_not_hold(tmp_path: Path, cell: str, code: str) -> None:
    here = SetFolder(tmp_path)
    read = here.read(
        set_of("[csv: s.csv]", spec="{description: '${n}'}"), {"s.csv": f"site,n\na,{cell}\nb,ok\n"}
    )
    (found,) = read.findings
    assert (found.code, str(found.place)) == (code, f"s.csv:2:{3 + cell.startswith(QUOTE)}")
    assert len(values(read)) == (1 if found.is_error else 2)


def test_a_column_that_nothing_uses_may_hold_anything(tmp_path: Path) -> None:
    read = SetFolder(tmp_path).read(set_of("[csv: s.csv]"), {"s.csv": "site,n\na,=1\n"})
    assert [each.code for each in read.findings] == ["unused-value"]
    assert len(values(read)) == 1


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("../s.csv", "outside-project"),
        ("/etc/s.csv", "bad-path"),
        ("out.csv", "outside-project"),
        (".git/s.csv", "private-path"),
        ("none.csv", "missing-file"),
        ("folder.csv", "unreadable-file"),
    ],
)
def test_paths_stay_inside_the_project(tmp_path: Path, name: str, code: str) -> None:
    root = tmp_path / "project"
    (root / ".git").mkdir(parents=True)
    (root / ".git" / "s.csv").write_text("site\na\n")
    (root / "folder.csv").mkdir()
    (tmp_path / "s.csv").write_text("site\na\n")
    (root / "out.csv").symlink_to(tmp_path / "s.csv")
    read = SetFolder(root).read(set_of(f"[csv: {name}]"))
    assert [(each.code, str(each.place)) for each in read.findings] == [(code, "set.yaml:5:21")]
