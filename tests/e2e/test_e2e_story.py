"""The whole story in a scratch Git repository, over TCP: two pushes, a merge, and a hand on the server."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.forge.notes import mark
from tests.e2e.e2e_git import HEAD, PULL_REQUEST, RESOURCES, Repository, scratch_repository
from tests.e2e.e2e_runs import TOKEN, Live


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[tuple[Repository, Live]]:
    with scratch_repository(tmp_path) as made:
        yield made


def test_the_story(repository: tuple[Repository, Live]) -> None:
    repo, live = repository
    resources = repo.folder / "resources" / "spring.yaml"

    # A branch with a typo gets a comment that says what is wrong, and where.
    repo.git("switch", "-q", "-c", "spring")
    resources.write_text(RESOURCES.replace("gatewayLists", "gatewayList"))
    repo.push("Spring update")
    code, _ = repo.job("plan", PULL_REQUEST)
    assert code == 1
    assert len(repo.host.comments) == 1
    assert "resources/spring.yaml:14:3" in repo.host.said()[0]

    # A second push updates the comment: it says what the merge would do to which gateways.
    resources.write_text(RESOURCES)
    repo.push("gatewayLists it is")
    code, summary = repo.job("plan", PULL_REQUEST)
    assert code == 0
    (comment,) = repo.host.said()
    assert comment.startswith(mark("plan"))
    for part in (
        "2 gateways of 1 campaign: 2 join",
        "Campaign/spring",
        "created",
        "gw-1",
        f"Commit {HEAD[:12]}",
    ):
        assert part in comment, part
    assert "2 gateways of 1 campaign: 2 join" in summary
    assert live.campaigns() == [], "nothing is done before the merge"

    # The merge applies.
    repo.git("switch", "-q", "main")
    repo.git("merge", "-q", "--no-ff", "-m", "Spring update", "spring")
    code, summary = repo.job("apply", {})
    assert code == 0, summary
    (campaign,) = live.campaigns()
    assert (campaign["name"], campaign["status"]) == ("spring", "STARTED")
    assert "Exit code 0" in summary

    # No drift: no issue.
    code, summary = repo.job("drift", {})
    assert (code, summary, repo.host.issues) == (0, "No drift.\n", [])

    # A change by hand is drift, a stop by hand is a hold; both are told apart in one issue.
    path = f"/api/campaigns/{campaign['id']}"
    live.call("PUT", f"{path}/devices", {"campaignId": campaign["id"], "gatewayIds": ["gw-2"]})
    live.call("PUT", f"{path}/stop", {"campaignId": campaign["id"]})
    for _ in range(2):
        code, summary = repo.job("drift", {})
        assert code == 0
        (issue,) = repo.host.issues
        assert issue["state"] == "open"
        assert "### Changed: 1" in issue["body"]
        assert "Campaign/spring: gateways: 1 → 2 (1 missing there, 0 too many)" in issue["body"]
        assert "### Held: 1" in issue["body"]

    # Applied again and resumed: the issue is closed.
    code, _ = repo.job("apply", {}, ARGUMENTS="--resume")
    assert code == 0
    repo.job("drift", {})
    assert [issue["state"] for issue in repo.host.issues] == ["closed"]
    assert len(repo.host.comments) == 1


def test_a_fork_that_may_not_comment_has_a_summary(repository: tuple[Repository, Live]) -> None:
    repo, _ = repository
    (repo.folder / "resources" / "spring.yaml").write_text(RESOURCES)
    code, summary = repo.job("plan", PULL_REQUEST, COMMENT="false")
    assert code == 0
    assert "2 gateways of 1 campaign: 2 join" in summary
    assert repo.host.calls == []


def test_a_code_host_that_says_no_fails_the_job(repository: tuple[Repository, Live]) -> None:
    repo, _ = repository
    (repo.folder / "resources" / "spring.yaml").write_text(RESOURCES)
    repo.host.faults = [(403, {}, b'{"message": "Resource not accessible by integration"}')]
    code, summary = repo.job("plan", PULL_REQUEST)
    assert code == 1
    assert "2 gateways of 1 campaign: 2 join" in summary, "the plan itself is there"


def test_what_a_workflow_has_no_name_for_comes_in_one_secret(repository: tuple[Repository, Live]) -> None:
    repo, live = repository
    settings = "  settings: {license: {fromEnv: LICENSE}}\n"
    (repo.folder / "resources" / "spring.yaml").write_text(RESOURCES + settings)
    packed = f"\nLICENSE=a=b \n  PULSE_TOKEN={TOKEN}\n"
    code, summary = repo.job("apply", {}, PULSE_TOKEN="", RECONCILER_SECRETS=packed)
    assert code == 0, summary
    (campaign,) = live.campaigns()
    assert live.call("GET", f"/_embedded/campaigns/{campaign['id']}")["settings"] == {"license": "a=b"}


def test_a_secret_that_is_no_variable_is_named_by_its_line(repository: tuple[Repository, Live]) -> None:
    repo, live = repository
    env = {**repo.github({}), "RECONCILER_SECRETS": f"A=1\n{TOKEN}"}
    ran = repo.run([sys.executable, "-m", "reconciler.forge", "apply"], **env)
    assert ran.returncode == 1
    assert ran.stderr.splitlines() == [
        "error: line 2 of RECONCILER_SECRETS isn't NAME=VALUE",
        "  hint: Write one variable a line, without quotes.",
    ]
    assert live.operations() == []
