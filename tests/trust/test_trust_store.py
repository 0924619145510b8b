"""What a person allowed, kept in their configuration folder: private, and never in a project."""

import json
import os
import stat
from pathlib import Path

import pytest

from reconciler.errors import ReconcilerError
from reconciler.trust.needs import CommandGrant, FileGrant, SecretGrant
from reconciler.trust.store import GrantStore, grant_id, grant_store

GRANTS = {
    SecretGrant("env:PULSE_TOKEN", "https://pulse.example.com"),
    CommandGrant("vault read -field=token secret/pulse", "/work/reconciler.yaml"),
    FileGrant("/run/secrets/token", "/work/reconciler.yaml"),
}


@pytest.fixture
def store(tmp_path: Path) -> GrantStore:
    made = grant_store({"XDG_CONFIG_HOME": str(tmp_path / "config")}, tmp_path / "project")
    assert made
    return made


def test_what_is_added_is_there_until_it_is_removed(store: GrantStore) -> None:
    assert store.load() == frozenset()
    assert store.add(GRANTS) == GRANTS
    assert store.add(GRANTS) == frozenset()
    assert store.load() == GRANTS
    gone = SecretGrant("env:PULSE_TOKEN", "https://pulse.example.com")
    store.remove([gone])
    assert store.load() == GRANTS - {gone}


def test_it_is_for_this_user_alone_and_leaves_nothing_beside_it(store: GrantStore) -> None:
    before = os.umask(0)
    try:
        store.add(GRANTS)
    finally:
        os.umask(before)
    assert stat.S_IMODE(store.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(store.path.parent.stat().st_mode) == 0o700
    assert [each.name for each in store.path.parent.iterdir()] == ["trust.json"]
    assert json.loads(store.path.read_text())["formatVersion"] == 1


def test_where_it_is(tmp_path: Path) -> None:
    home, project = tmp_path / "home", tmp_path / "project"

    def path(**environ: str) -> Path | None:
        made = grant_store(environ, project)
        return made.path if made else None

    assert path(HOME=str(home)) == home / ".config/reconciler/trust.json"
    assert path(HOME=str(home), XDG_CONFIG_HOME=str(tmp_path / "x")) == tmp_path / "x/reconciler/trust.json"
    assert path(HOME=str(home), XDG_CONFIG_HOME="relative") == home / ".config/reconciler/trust.json"
    assert path(HOME="relative") is path() is None


@pytest.mark.parametrize("below", ["", "deploy", "home"])
def test_nothing_in_a_project_or_its_checkout_is_believed(tmp_path: Path, below: str) -> None:
    project = tmp_path / "repo" / "line-3"
    project.mkdir(parents=True)
    (tmp_path / "repo" / ".git").mkdir()
    assert grant_store({"HOME": str(tmp_path / "repo" / below)}, project) is None
    assert grant_store({"XDG_CONFIG_HOME": str(project / below)}, project) is None
    (tmp_path / "way").symlink_to(tmp_path / "repo")
    assert grant_store({"HOME": str(tmp_path / "way" / below)}, project) is None


def _others_may_write(store: GrantStore) -> None:
    store.path.chmod(0o666)


def _others_may_replace(store: GrantStore) -> None:
    store.path.parent.chmod(0o777)


def _a_link(store: GrantStore) -> None:
    store.path.rename(store.path.with_name("planted"))
    store.path.symlink_to("planted")


def _a_folder(store: GrantStore) -> None:
    store.path.unlink()
    store.path.mkdir()


def _a_pipe(store: GrantStore) -> None:
    store.path.unlink()
    os.mkfifo(store.path, 0o600)


def _no_json(store: GrantStore) -> None:
    store.path.write_text("{")


def _newer(store: GrantStore) -> None:
    store.path.write_text('{"formatVersion": 2, "trusted": []}')


def _no_grant(store: GrantStore) -> None:
    store.path.write_text('{"formatVersion": 1, "trusted": [{"secret": "env:A"}]}')


def _no_list(store: GrantStore) -> None:
    store.path.write_text('{"formatVersion": 1, "trusted": {}}')


def _no_text(store: GrantStore) -> None:
    store.path.write_text('{"formatVersion": 1, "trusted": [{"secret": 1, "host": "x"}]}')


def _deep(store: GrantStore) -> None:
    store.path.write_text("[" * 100_000)


@pytest.mark.parametrize(
    "spoil",
    [
        _others_may_write,
        _others_may_replace,
        _a_link,
        _a_folder,
        _a_pipe,
        _no_json,
        _newer,
        _no_grant,
        _no_list,
        _no_text,
        _deep,
    ],
)
def test_what_cannot_be_believed_is_refused(store: GrantStore, spoil) -> None:
    store.add(GRANTS)
    spoil(store)
    with pytest.raises(
        ReconcilerError, match="what was trusted on this machine can't be read from"
    ) as caught:
        store.load()
    assert caught.value.hint
    assert str(store.path) in caught.value.hint


def test_a_folder_that_others_may_write_gets_no_grants(store: GrantStore) -> None:
    store.path.parent.mkdir(parents=True)
    store.path.parent.chmod(0o777)
    with pytest.raises(ReconcilerError, match="others may write its folder"):
        store.add(GRANTS)
    assert not store.path.exists()


def test_ids_are_short_and_differ() -> None:
    ids = {grant_id(grant) for grant in GRANTS}
    assert len(ids) == 3
    assert {len(each) for each in ids} == {8}
    assert grant_id(CommandGrant("a", "b")) != grant_id(FileGrant("a", "b"))
