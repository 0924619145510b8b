"""GitHub, as a job of GitHub Actions sees it.

Tests: `tests/forge/test_forge_hosts.py`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

from reconciler.app.repository import pull_request
from reconciler.forge.api import Api
from reconciler.forge.notes import ForgeError, Note, integer, text

TRUSTED: Final = frozenset({"OWNER", "MEMBER", "COLLABORATOR"})


class GitHub:
    """A `Forge`: one repository, and the pull request that the job is about, if it is about one."""

    limit = 65_536

    def __init__(self, api: Api, repository: str, number: int | None) -> None:
        self._api = api
        self._repo = f"/repos/{repository}"
        self._number = number

    async def __aenter__(self) -> GitHub:
        await self._api.__aenter__()
        return self

    async def __aexit__(self, *error: Any) -> None:
        await self._api.__aexit__(*error)

    async def comments(self) -> AsyncIterator[Note]:
        """See `Forge.comments`."""
        async for row in self._api.pages(f"{self._repo}/issues/{self._pull_request()}/comments"):
            yield _note(row)

    async def comment(self, body: str) -> None:
        """See `Forge.comment`."""
        path = f"{self._repo}/issues/{self._pull_request()}/comments"
        await self._api.call("POST", path, body={"body": body})

    async def edit_comment(self, note: Note, body: str) -> None:
        """See `Forge.edit_comment`."""
        await self._api.call("PATCH", f"{self._repo}/issues/comments/{note.id}", body={"body": body})

    async def issues(self, label: str) -> AsyncIterator[Note]:
        """See `Forge.issues`. GitHub lists pull requests among them."""
        async for row in self._api.pages(f"{self._repo}/issues", state="open", labels=label):
            if "pull_request" not in row:
                yield _note(row)

    async def open_issue(self, title: str, body: str, label: str) -> None:
        """See `Forge.open_issue`."""
        told = {"title": title, "body": body, "labels": [label]}
        await self._api.call("POST", f"{self._repo}/issues", body=told)

    async def edit_issue(self, note: Note, title: str, body: str, *, close: bool = False) -> None:
        """See `Forge.edit_issue`."""
        told = {"title": title, "body": body, **({"state": "closed"} if close else {})}
        await self._api.call("PATCH", f"{self._repo}/issues/{note.id}", body=told)

    def _pull_request(self) -> int:
        if self._number is None:
            raise ForgeError("this job is not about a pull request", hint="Run it on the event pull_request.")
        return self._number


def _note(row: Mapping[str, Any]) -> Note:
    """Whoever can't write here can't write in our place, however well they copy a mark."""
    user = row.get("user")
    bot = isinstance(user, dict) and user.get("type") == "Bot"
    ours = bot or text(row, "author_association") in TRUSTED
    number = integer(row, "number" if "number" in row else "id")
    return Note(number, text(row, "body"), ours, text(row, "title"))


def from_environment(environ: Mapping[str, str]) -> GitHub:
    """The repository and pull request of this job; ForgeError when the runner sets something not."""
    token = environ.get("GITHUB_TOKEN", "").strip()
    repository = environ.get("GITHUB_REPOSITORY", "")
    if not token or not repository:
        raise ForgeError(
            "GITHUB_TOKEN and GITHUB_REPOSITORY are needed",
            hint="Give the step `env: {GITHUB_TOKEN: ${{ github.token }}}`.",
        )
    headers = {
        "Accept": "application/vnd.github+json",
        "Authorization": f"Bearer {token}",
        "X-GitHub-Api-Version": "2022-11-28",
    }
    api = Api(environ.get("GITHUB_API_URL", "https://api.github.com"), headers)
    number = pull_request(environ).get("number")
    return GitHub(api, repository, number if isinstance(number, int) else None)
