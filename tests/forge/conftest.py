"""A code host of each kind, over TCP."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler.forge import github, gitlab
from tests.forge.forge_server import TOKEN, Host, code_host


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
