"""From a URL to a store."""

import sys
from pathlib import Path

import pytest

from reconciler.errors import ReconcilerError, StateError
from reconciler.state.file import FileStore
from reconciler.state.stores import open_store


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("file:state.json", "root/state.json"),
        ("file:.reconciler/blue/state.json", "root/.reconciler/blue/state.json"),
        ("file:../beside.json", "beside.json"),
        ("file:with space%20.json", "root/with space%20.json"),
        ("file:{tmp}/elsewhere.json", "elsewhere.json"),
        ("file://{tmp}/else%20where.json", "else where.json"),
        ("file://localhost{tmp}/elsewhere.json", "elsewhere.json"),
    ],
)
def test_a_file_is_relative_to_the_project_or_absolute(tmp_path: Path, url: str, path: str) -> None:
    url = url.format(tmp=tmp_path)
    store = open_store(url, root=tmp_path / "root")
    assert isinstance(store, FileStore)
    assert store.path == tmp_path / path
    assert store.url == url
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("url", "message", "hint"),
    [
        ("ftp://me:secret@x/y", "no store for a state URL that begins with ftp:", "Known are file:"),
        ("state.json", "names no kind of store", "file:state.json"),
        ("", "names no kind of store", "file:PATH"),
        ("file:", "names no file", "file:PATH"),
        ("file:a\0b", "names no file", "file:PATH"),
        ("file:///a%00b", "names no file", "file:PATH"),
        ("file:///", "names no file", "file:PATH"),
        ("file://state.json", "can't name the host 'state.json'", "file:///"),
    ],
)
def test_other_urls_are_refused_with_what_to_write(tmp_path: Path, url: str, message: str, hint: str) -> None:
    with pytest.raises(ReconcilerError) as caught:
        open_store(url, root=tmp_path)
    assert message in caught.value.message
    assert hint in (caught.value.hint or "")
    assert "secret" not in f"{caught.value.message}{caught.value.hint}"


def test_a_path_that_no_system_takes_is_an_error_of_the_state(tmp_path: Path) -> None:
    store = open_store(f"file:{'x' * 300}", root=tmp_path)
    with pytest.raises(StateError, match="can't read"):
        store.load()


@pytest.mark.parametrize(
    ("scheme", "library", "url"),
    [("postgresql", "psycopg", "postgresql://me:secret@h/db"), ("s3", "obstore", "s3://bucket/state.json")],
)
def test_a_store_whose_library_is_missing_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scheme: str, library: str, url: str
) -> None:
    for name in list(sys.modules):
        if name.startswith(f"reconciler.state.{scheme}"):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(ReconcilerError, match=f"a state in {scheme}: needs a library") as caught:
        open_store(url, root=tmp_path)
    assert caught.value.hint == f"pip install 'reconciler[{scheme}]'"
    assert library in caught.value.message
    assert "secret" not in caught.value.message
