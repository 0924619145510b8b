"""The seam to a code host: as much of its API as a comment and an issue need."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

from reconciler.errors import ReconcilerError


class ForgeError(ReconcilerError):
    """The code host did not do what it was asked for; the message names the request."""


@dataclass(frozen=True, slots=True)
class Note:
    """A comment or an issue. ``ours``: written by something that may write in our place."""

    id: int
    body: str
    ours: bool = True
    title: str = ""


class Forge(Protocol):
    """A code host, seen from one job of its CI."""

    @property
    def limit(self) -> int:
        """How many characters a comment may have."""
        ...

    def comments(self) -> AsyncIterator[Note]:
        """The comments of this pull request, oldest first."""
        ...

    async def comment(self, body: str) -> None:
        """Add a comment to this pull request."""
        ...

    async def edit_comment(self, note: Note, body: str) -> None:
        """Give a comment another text."""
        ...

    def issues(self, label: str) -> AsyncIterator[Note]:
        """The open issues with `label`."""
        ...

    async def open_issue(self, title: str, body: str, label: str) -> None:
        """Open an issue with one label."""
        ...

    async def edit_issue(self, note: Note, title: str, body: str, *, close: bool = False) -> None:
        """Give an issue another title and text, and close it if asked to."""
        ...
