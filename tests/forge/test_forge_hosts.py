"""One comment and one issue on both code hosts, over TCP: found again, kept up to date, never doubled."""

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler.forge import github, gitlab
from reconciler.forge.http import Api
from reconciler.forge.notes import Forge, ForgeError, keep_comment, keep_issue, mark
from tests.forge.forge_server import BOT, TOKEN, Host, code_host


@pytest.fixture
def host() -> Iterator[Host]:
    with code_host() as host:
        yield host


@pytest.fixture(params=["github", "gitlab"])
def forge(request: pytest.FixtureRequest, host: Host, tmp_path: Path) -> Callable[[], Any]:
    """Makes the forge of a job, as its environment describes it."""
    event = tmp_path / "event.json"
    event.write_text(json.dumps({"pull_request": {"number": 7}}))
    if request.param == "github":
        environ = {
            "GITHUB_TOKEN": TOKEN,
            "GITHUB_REPOSITORY": "acme/fleet",
            "GITHUB_API_URL": host.url,
            "GITHUB_EVENT_PATH": str(event),
        }
        return lambda: github.from_environment(environ)
    environ = {
        "RECONCILER_GITLAB_TOKEN": TOKEN,
        "CI_PROJECT_ID": "acme/fleet",
        "CI_API_V4_URL": host.url,
        "CI_MERGE_REQUEST_IID": "7",
    }
    return lambda: gitlab.from_environment(environ)


def keep(make: Callable[[], Any], body: str, key: str = "plan") -> None:
    async def main() -> None:
        async with make() as forge:
            await keep_comment(forge, key, body)

    asyncio.run(main())


def tell(make: Callable[[], Any], body: str | None, title: str = "Drift") -> None:
    async def main() -> None:
        async with make() as forge:
            await keep_issue(forge, "drift", title, body)

    asyncio.run(main())


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
    assert github.commit(environ) == commit
    assert github.commit({"GITHUB_SHA": "merged"}) == "merged"
    assert github.commit({}) == ""


def test_what_is_missing_in_the_environment_is_named() -> None:
    with pytest.raises(ForgeError, match="GITHUB_TOKEN"):
        github.from_environment({})
    with pytest.raises(ForgeError, match="RECONCILER_GITLAB_TOKEN"):
        gitlab.from_environment({})


# --- what passes, and what doesn't ------------------------------------------------------------------


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_read_and_an_update_are_sent_again(forge: Callable[[], Any], host: Host, status: int) -> None:
    keep(forge, "first")
    host.faults = [(status, {"Retry-After": "0"}, b"later")]
    keep(forge, "second")
    assert host.said() == [f"{mark('plan')}\nsecond"]


def test_a_secondary_limit_is_waited_for(host: Host) -> None:
    async def main() -> Any:
        async with Api(host.url, {"PRIVATE-TOKEN": TOKEN}) as api:
            return await api.call("GET", "/user")

    host.faults = [(403, {"Retry-After": "0"}, b'{"message": "secondary rate limit"}')]
    assert asyncio.run(main()) == {"id": 42}


def test_a_post_that_may_have_arrived_is_not_sent_again(host: Host) -> None:
    async def main() -> Any:
        async with Api(host.url, {"PRIVATE-TOKEN": TOKEN}) as api:
            return await api.call("POST", "/projects/acme%2Ffleet/issues", body={"title": "x"})

    host.faults = [(502, {}, b"<html>")]
    with pytest.raises(ForgeError, match=r"POST .*: 502 Bad Gateway"):
        asyncio.run(main())
    assert len(host.calls) == 1


def test_no_permission_says_which(forge: Callable[[], Any], host: Host) -> None:
    host.faults = [(403, {}, b'{"message": "Resource not accessible by integration"}')]
    with pytest.raises(ForgeError, match="403 Resource not accessible") as caught:
        keep(forge, "x")
    assert "permission to write comments" in (caught.value.hint or "")
    assert TOKEN not in str(caught.value)


def test_nobody_there_is_an_error_after_some_tries(host: Host) -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    async def main() -> None:
        async with Api("http://127.0.0.1:1", {}, sleep=sleep) as api:
            await api.call("GET", "/user")

    with pytest.raises(ForgeError, match="GET /user: no connection"):
        asyncio.run(main())
    assert waits
