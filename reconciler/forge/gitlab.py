"""GitLab, as a job of GitLab CI sees it.

Tests: `tests/forge/test_forge_hosts.py`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import quote

from reconciler.forge.api import Api
from reconciler.forge.notes import ForgeError, Note, integer, text


class GitLab:
    """A `Forge`: one project, and the merge request that the job is about, if it is about one."""

    limit = 1_000_000

    def __init__(self, api: Api, project: str, number: str | None) -> None:
        self._api = api
        self._project = f"/projects/{quote(project, safe='')}"
        self._number = number

    async def __aenter__(self) -> GitLab:
        await self._api.__aenter__()
        return self

    async def __aexit__(self, *error: Any) -> None:
        await self._api.__aexit__(*error)

    async def comments(self) -> AsyncIterator[Note]:
        """See `Forge.comments`. Whoever owns the token is asked for first: only their notes are ours."""
        found = await self._api.call("GET", "/user")
        me = integer(found if isinstance(found, dict) else {}, "id")
        query = {"sort": "asc", "order_by": "created_at"}
        async for row in self._api.pages(f"{self._merge_request()}/notes", **query):
            author = row.get("author")
            ours = isinstance(author, dict) and author.get("id") == me
            yield Note(integer(row, "id"), text(row, "body"), ours)

    async def comment(self, body: str) -> None:
        """See `Forge.comment`."""
        await self._api.call("POST", f"{self._merge_request()}/notes", body={"body": body})

    async def edit_comment(self, note: Note, body: str) -> None:
        """See `Forge.edit_comment`."""
        await self._api.call("PUT", f"{self._merge_request()}/notes/{note.id}", body={"body": body})

    async def issues(self, label: str) -> AsyncIterator[Note]:
        """See `Forge.issues`."""
        async for row in self._api.pages(f"{self._project}/issues", state="opened", labels=label):
            yield Note(integer(row, "iid"), text(row, "description"), True, text(row, "title"))

    async def open_issue(self, title: str, body: str, label: str) -> None:
        """See `Forge.open_issue`."""
        told = {"title": title, "description": body, "labels": label}
        await self._api.call("POST", f"{self._project}/issues", body=told)

    async def edit_issue(self, note: Note, title: str, body: str, *, close: bool = False) -> None:
        """See `Forge.edit_issue`."""
        told = {"title": title, "description": body, **({"state_event": "close"} if close else {})}
        await self._api.call("PUT", f"{self._project}/issues/{note.id}", body=told)

    def _merge_request(self) -> str:
        if self._number is None:
            raise ForgeError(
                "this job is not about a merge request", hint="Run it in a merge request pipeline."
            )
        return f"{self._project}/merge_requests/{self._number}"


def from_environment(environ: Mapping[str, str]) -> GitLab:
    """The project and merge request of this job; ForgeError when something is missing."""
    token = environ.get("RECONCILER_GITLAB_TOKEN", "").strip()
    project = environ.get("CI_PROJECT_ID", "")
    if not token or not project:
        raise ForgeError(
            "RECONCILER_GITLAB_TOKEN and CI_PROJECT_ID are needed",
            hint="Make a project access token with the scope api, and name it in a masked variable.",
        )
    api = Api(environ.get("CI_API_V4_URL", "https://gitlab.com/api/v4"), {"PRIVATE-TOKEN": token})
    return GitLab(api, project, environ.get("CI_MERGE_REQUEST_IID"))
