"""The seam to a code host, and what we keep there: one comment a purpose, and one issue.

They are found again by a mark that nobody sees, and kept up to date.

Tests: `tests/forge/test_forge_hosts.py`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from reconciler.errors import ReconcilerError

LABEL: Final = "reconciler-drift"


class ForgeError(ReconcilerError):
    """The code host did not do what it was asked for; the message names the request."""


@dataclass(frozen=True, slots=True)
class Note:
    """A comment or an issue. ``ours``: written by something that may write in our place."""

    id: int
    body: str
    ours: bool = True
    title: str = ""


def integer(row: Mapping[str, Any], name: str) -> int:
    """A number of a row that the code host lists; ForgeError when it has none there."""
    found = row.get(name)
    if isinstance(found, int):
        return found
    raise ForgeError(f"the code host answered without the number {name!r}", hint="Is this its API?")


def text(row: Mapping[str, Any], name: str) -> str:
    """A text of such a row; empty where there is none."""
    found = row.get(name)
    return found if isinstance(found, str) else ""


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


def mark(key: str) -> str:
    """The first line of a text for the purpose `key`: a comment that HTML doesn't show."""
    return f"<!-- reconciler:{key.replace('--', '-')} -->"


async def keep_comment(forge: Forge, key: str, body: str) -> None:
    """Make the comment for `key` say `body`: the one that is there, or a new one."""
    said = _within(f"{mark(key)}\n{body}", forge.limit)
    found = await _marked(forge.comments(), key)
    if found is None:
        await forge.comment(said)
    elif found.body != said:
        await forge.edit_comment(found, said)


async def keep_issue(forge: Forge, key: str, title: str, body: str | None) -> None:
    """Make the one open issue for `key` say `body`; None: there is nothing to say, and it is closed."""
    found = await _marked(forge.issues(LABEL), key)
    if body is None:
        if found is not None:
            await forge.edit_issue(
                found, found.title, f"{mark(key)}\nNothing differs any more.\n", close=True
            )
        return
    said = _within(f"{mark(key)}\n{body}", forge.limit)
    if found is None:
        await forge.open_issue(title, said, LABEL)
    elif (found.title, found.body) != (title, said):
        await forge.edit_issue(found, title, said)


async def keep_issues(
    forge: Forge, prefix: str, wanted: Mapping[str, tuple[str, str]], label: str, *, close: bool = True
) -> None:
    """Make the open issues of `label` whose keys begin with `prefix` those that are `wanted`.

    `wanted`: key → title and text. The others are closed, unless `close` is false: nobody knows of them.
    """
    missing = dict(wanted)
    begins = mark(prefix).removesuffix(" -->")
    found = [note async for note in forge.issues(label) if note.ours and note.body.startswith(begins)]
    for note in found:
        key = next((key for key in missing if note.body.startswith(mark(key))), None)
        if key is not None:
            title, body = missing.pop(key)
            said = _within(f"{mark(key)}\n{body}", forge.limit)
            if (note.title, note.body) != (title, said):
                await forge.edit_issue(note, title, said)
        elif close:
            first = note.body.partition("\n")[0]
            await forge.edit_issue(note, note.title, f"{first}\nNobody is waited for any more.\n", close=True)
    for key, (title, body) in missing.items():
        await forge.open_issue(title, _within(f"{mark(key)}\n{body}", forge.limit), label)


async def _marked(notes: AsyncIterator[Note], key: str) -> Note | None:
    """Anybody may copy a mark: only what may be ours counts."""
    async for note in notes:
        if note.ours and note.body.startswith(mark(key)):
            return note
    return None


def _within(text: str, limit: int) -> str:
    """Reports keep their own limit; this is for what stands around them."""
    return text if len(text) <= limit else text[: limit - 2] + "…\n"
