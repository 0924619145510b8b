"""One comment and one issue on both code hosts, over TCP: found again, kept up to date, never doubled."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reconciler.app.repository import pushed_commit
from reconciler.forge import github, gitlab
from reconciler.forge.notes import Forge, ForgeError, mark
from tests.forge.forge_server import BOT, TOKEN, Host, keep, tell


def test_the_first_push_comments_and_the_second_updates(forge: Callable[[], Any], host: Host) -> None:
    keep(forge, "first")
    keep(forge, "second")
    assert host.said() == [f"{mark('plan')}\nsecond"]
    assert len(host.writes) == 2
    keep(forge, "second")
    assert len(host.writes) == 2, "nothing changed, nothing is written"


def test_two_purposes_have_a_comment_each(forge: Callable[[], Any], host: Host) -> None:
    keep(forge, "a", "plan/production")
    keep(forge, "b", "plan/staging")
    keep(forge, "c", "plan/production")
    assert host.said() == [f"{mark('plan/production')}\nc", f"{mark('plan/staging')}\nb"]


def test_a_comment_is_found_beyond_the_first_page(forge: Callable[[], Any], host: Host) -> None:
    stranger = {"user": {"type": "User"}, "author_association": "NONE", "author": {"id": 1}}
    host.comments += [{"id": n + 1, "body": "talk", **stranger} for n in range(150)]
    keep(forge, "first")
    keep(forge, "second")
    assert host.said()[150:] == [f"{mark('plan')}\nsecond"]


def test_a_stranger_who_copies_the_mark_is_ignored(forge: Callable[[], Any], host: Host) -> None:
    stranger = {"user": {"type": "User"}, "author_association": "CONTRIBUTOR", "author": {"id": 1}}
    host.comments.append({"id": 1, "body": f"{mark('plan')}\nNo changes.", **stranger})
    keep(forge, "the truth")
    assert host.said() == [f"{mark('plan')}\nNo changes.", f"{mark('plan')}\nthe truth"]


def test_a_body_keeps_the_limit_of_the_host(forge: Callable[[], Any], host: Host) -> None:
    keep(forge, "x" * 1_100_000)
    limit: Forge = forge()
    assert len(host.said()[0]) == limit.limit


def test_one_issue_is_opened_updated_closed_and_opened_again(forge: Callable[[], Any], host: Host) -> None:
    tell(forge, None)
    assert host.issues == []
    tell(forge, "one")
    tell(forge, "two")
    tell(forge, "two")
    assert len(host.issues) == 1
    assert f"{mark('drift')}\ntwo" in host.issues[0].values()
    tell(forge, None)
    assert host.issues[0]["state"] == "closed"
    writes = len(host.writes)
    tell(forge, None)
    assert len(host.writes) == writes
    tell(forge, "three")
    assert [issue["state"] for issue in host.issues][1:] in (["open"], ["opened"])


def test_a_pull_request_with_the_label_is_no_issue(host: Host, tmp_path: Path) -> None:
    labels = ["reconciler-drift"]
    host.issues.append(
        {"id": 1, "number": 1, "state": "open", "labels": labels, "user": BOT, "pull_request": {},
         "body": mark("drift"), "title": "a pull request"}
    )  # fmt: skip
    environ = {"GITHUB_TOKEN": TOKEN, "GITHUB_REPOSITORY": "acme/fleet", "GITHUB_API_URL": host.url}
    tell(lambda: github.from_environment(environ), "drift")
    assert [issue["title"] for issue in host.issues] == ["a pull request", "Drift"]


def test_a_job_that_is_about_no_pull_request_says_so(host: Host, tmp_path: Path) -> None:
    environ = {"GITHUB_TOKEN": TOKEN, "GITHUB_REPOSITORY": "acme/fleet", "GITHUB_API_URL": host.url}
    for event in ("", str(tmp_path / "missing.json")):
        with pytest.raises(ForgeError, match="not about a pull request"):
            keep(lambda event=event: github.from_environment({**environ, "GITHUB_EVENT_PATH": event}), "x")
    gitlab_environ = {"RECONCILER_GITLAB_TOKEN": TOKEN, "CI_PROJECT_ID": "1", "CI_API_V4_URL": host.url}
    with pytest.raises(ForgeError, match="not about a merge request"):
        keep(lambda: gitlab.from_environment(gitlab_environ), "x")


@pytest.mark.parametrize(
    ("event", "commit"),
    [
        ({"pull_request": {"number": 7, "head": {"sha": "pushed"}}}, "pushed"),
        ({"pull_request": {"number": 7, "head": {}}}, "merged"),
        ({"pull_request": {"number": 7}}, "merged"),
        ({"pull_request": None}, "merged"),
        ([], "merged"),
    ],
)
def test_the_commit_is_the_one_that_was_pushed(tmp_path: Path, event: object, commit: str) -> None:
    path = tmp_path / "event.json"
    path.write_text(json.dumps(event))
    environ = {"GITHUB_SHA": "merged", "GITHUB_EVENT_PATH": str(path)}
    assert pushed_commit(environ) == commit
    assert pushed_commit({"GITHUB_SHA": "merged"}) == "merged"
    assert pushed_commit({}) == ""


def test_what_is_missing_in_the_environment_is_named() -> None:
    with pytest.raises(ForgeError, match="GITHUB_TOKEN"):
        github.from_environment({})
    with pytest.raises(ForgeError, match="RECONCILER_GITLAB_TOKEN"):
        gitlab.from_environment({})


# --- what passes, and what doesn't ------------------------------------------------------------------
