"""What comes over the wire, in the shapes that servers give it."""

from typing import Any

import pytest

from reconciler.providers.hawkbit import codec
from reconciler.providers.http.shape import Unexpected

LINKS = {"self": {"href": "http://h/rest/v1/targets/gw%2D1/actions/7"}}


def test_a_page_says_how_many_there_are() -> None:
    found = codec.page({"content": [{"controllerId": "a"}], "total": 7, "size": 1}, codec.target_row, 50, 3)
    assert (dict(found.items), found.rows, found.number, found.total) == ({"a": None}, 1, 3, 7)


def test_a_bare_list_is_all_of_it() -> None:
    found = codec.page([{"controllerId": "a"}], codec.target_row, 50, 0)
    assert (found.rows, found.total) == (1, 1)


@pytest.mark.parametrize("value", [{}, {"total": 3}, {"error": "x"}, "x", None, 7, {"content": 3}])
def test_what_is_no_list_is_never_an_empty_one(value: Any) -> None:
    with pytest.raises(Unexpected):
        codec.page(value, codec.target_row, 50, 0)


@pytest.mark.parametrize(
    ("row", "wanted"),
    [
        ({"status": "running", "active": True}, ("running", True)),
        ({"status": "RUNNING"}, ("running", True)),
        ({"status": "finished"}, ("finished", False)),
        ({"status": "pending", "detailStatus": "canceling", "active": True}, ("canceling", True)),
    ],
)
def test_an_action(row: dict[str, Any], wanted: tuple[str, bool]) -> None:
    key, found = codec.action_row({"id": 7, "_links": LINKS, **row})
    assert (key, found.target, found.status, found.active) == ("7", "gw-1", *wanted)


@pytest.mark.parametrize("links", [None, {}, {"self": {}}, {"self": {"href": "http://h/rest/v1/actions/7"}}])
def test_an_action_of_nobody_can_t_be_read(links: Any) -> None:
    with pytest.raises(Unexpected):
        codec.action_row({"id": 7, "status": "running", "_links": links})


def test_an_action_by_the_link_to_its_target() -> None:
    links = {"target": {"href": "https://h/hawkbit/rest/v1/targets/a%20b"}, "self": {"href": "x"}}
    assert codec.action_row({"id": 1, "status": "error", "_links": links})[1].target == "a b"


@pytest.mark.parametrize(
    ("more", "gone"),
    [({}, False), ({"deleted": True}, True), ({"status": "deleting"}, True), ({"status": "deleted"}, True)],
)
def test_a_hidden_rollout_is_gone(more: dict[str, Any], gone: bool) -> None:
    assert codec.rollout({"id": 1, "name": "x", "status": "running", **more}).gone is gone


def test_artifacts_by_their_hash() -> None:
    rows = [{"providedFilename": "fw.bin", "hashes": {"sha256": "AB"}}]
    assert codec.artifacts(rows) == codec.artifacts({"content": rows}) == {"fw.bin": "ab"}
    assert codec.artifacts([]) == {}


def test_what_was_made_alone_or_as_the_one_of_a_list() -> None:
    asked = {"name": "fw", "version": "1", "distributionSetId": 7}
    assert codec.made({"id": 5}, asked) == codec.made([{"id": 5}], asked) == "5"
    told = {"id": 5, "name": "fw ", "version": "1", "distributionSetId": 7, "type": "os"}
    assert codec.made(told, asked) == codec.made([told], {}) == "5"
    others = ({"name": "fx"}, {"version": "2"}, {"distributionSetId": 8})
    forms = ("", "007", "5a", "٥", 0, -5, 5.5, True, "3f2c1a9e-0000-4000-8000-000000000000")
    wrong = [{**told, **each} for each in (*others, *({"id": form} for form in forms))]
    for value in ([], [{"id": 1}, {"id": 2}], {}, {"name": "fw"}, *wrong):
        with pytest.raises(Unexpected):
            codec.made(value, asked)


def test_a_set_has_its_modules_sorted_by_number() -> None:
    found = codec.bundle({"id": 1, "name": "s", "version": "1", "modules": [{"id": 10}, {"id": 9}]})
    assert found.modules == ("9", "10")


@pytest.mark.parametrize(
    ("description", "ours"),
    [(codec.MARK, True), (f"{codec.MARK}, and more", True), (f"not {codec.MARK}", False), (None, False)],
)
def test_a_set_of_ours_says_so_at_its_beginning(description: str | None, ours: bool) -> None:
    row = {"id": 1, "name": "s", "version": "1", "modules": [], "description": description}
    assert codec.bundle(row).ours is ours


def test_a_target_is_read_without_its_secret() -> None:
    """Neither what is read nor an error about it repeats it."""
    target = {"controllerId": "a", "securityToken": "s3cr3t"}
    assert "s3cr3t" not in repr(codec.page({"content": [target], "total": 1}, codec.target_row, 50, 0))
    for value in ({"content": [{"securityToken": "s3cr3t"}], "total": 1}, {"securityToken": "s3cr3t"}):
        with pytest.raises(Unexpected) as caught:
            codec.page(value, codec.target_row, 50, 0)
        assert "s3cr3t" not in caught.value.without(str)
