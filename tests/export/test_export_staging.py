"""An export writes over its own files only, all or none of them."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from reconciler.export.staging import Staging, intact


def staged(folder: Path, **files: str) -> Staging:
    staging = Staging(folder / ".stage", folder)
    for name, text in files.items():
        staging.write(f"x/{name}.yaml", text.splitlines())
    return staging


def test_new_changed_unchanged_foreign(tmp_path: Path) -> None:
    first = staged(tmp_path, a="one", b="two", c="three")
    assert (first.compare().new, first.stale(["x"])) == (["x/a.yaml", "x/b.yaml", "x/c.yaml"], [])
    first.move(first.compare().new)
    (tmp_path / "x/c.yaml").write_text((tmp_path / "x/c.yaml").read_text() + "# mine\n")
    (tmp_path / "x/d.yaml").write_text("by hand\n")
    (tmp_path / "x/folder.yaml").mkdir()
    before = (tmp_path / "x/a.yaml").stat()

    second = staged(tmp_path, a="one", b="two again", c="three", d="four", e="five")
    found = second.compare()
    assert found.new == ["x/e.yaml"]
    assert found.changed == ["x/b.yaml"]
    assert found.unchanged == ["x/a.yaml"]
    assert found.foreign == ["x/c.yaml", "x/d.yaml"]
    second.move([*found.new, *found.changed])
    assert (tmp_path / "x/b.yaml").read_text().endswith("\ntwo again\n")
    assert (tmp_path / "x/d.yaml").read_text() == "by hand\n"
    assert (tmp_path / "x/a.yaml").stat().st_ino == before.st_ino

    third = staged(tmp_path, a="one")
    assert third.stale(["x", "y"]) == ["x/b.yaml", "x/e.yaml"], "c and d are somebody's work"


def test_the_same_content_by_hand_is_not_in_the_way(tmp_path: Path) -> None:
    staging = staged(tmp_path, a="one")
    (tmp_path / "x").mkdir()
    (tmp_path / "x/a.yaml").write_bytes((staging.stage / "x/a.yaml").read_bytes())
    assert staging.compare().unchanged == ["x/a.yaml"]


@given(
    st.text(st.characters(exclude_categories=["Cs"])), st.integers(0, 400), st.binary(min_size=1, max_size=3)
)
def test_a_byte_more_or_other_is_seen(text: str, at: int, extra: bytes) -> None:
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder:
        staging = staged(Path(folder), a=text)
        data = (staging.stage / "x/a.yaml").read_bytes()
    assert intact(data)
    at %= len(data) + 1
    assert not intact(data[:at] + extra + data[at:])
    assert not intact(data[:-1])
    assert not intact(b"")
