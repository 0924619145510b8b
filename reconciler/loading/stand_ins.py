"""What may stand in a file in place of its content: a pointer to it, a page of a server, an unresolved merge.

Whoever cloned without Git LFS, downloaded without a sign-in or committed in the middle of a merge has such
files. They are as readable as the real ones, so each reader of files asks here first.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

HEAD: Final = 4096
"""How many bytes of a file tell whether it is one of these."""

_LFS: Final = re.compile(rb"version https?://[^\s]*(?:git-lfs|hawser|git-media)[^\s]*\r?\n")
_ANNEX: Final = re.compile(rb"(?:\.\./)*(?:\.git)?/?annex/objects/\S+\s*\Z")
_BEFORE_A_PAGE: Final = re.compile(
    rb"(?:\xef\xbb\xbf)?(?:\s+|<\?xml[^>]{0,200}\?>|<!--.{0,2000}?-->)*", re.DOTALL
)
_PAGE: Final = re.compile(rb"<(?:!doctype\s+html|html|head|body)[\s>/]", re.IGNORECASE)
_REFUSAL: Final = re.compile(
    rb"<Error>\s*<Code>|\{\s*\"(?:errors?|message|detail|status|statusCode)\"\s*:", re.IGNORECASE
)
_LONGEST_REFUSAL: Final = 65_536
_TEXT_ENDINGS: Final = (".html", ".htm", ".xhtml", ".json", ".xml", ".svg")

_MARKS: Final = {
    b"\xff\xfe\0\0": "UTF-32",
    b"\0\0\xfe\xff": "UTF-32",
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
}
"""Byte order marks, longer ones first."""

_MARKER: Final = re.compile(r"^(?:<{7}|={7}|>{7}|\|{7})", re.MULTILINE)
_MARKERS: Final = ("<<<<<<<", "=======", ">>>>>>>", "|||||||")


@dataclass(frozen=True, slots=True)
class StandIn:
    """What a file is instead of what it should be: to complete *the file is …*; and what to do."""

    code: str
    what: str
    hint: str


_POINTER = "fetch the content with `git lfs pull`; in CI, check out with LFS (`lfs: true`)"
_ANNEXED = "fetch the content with `git annex get`"
_SIGN_IN = "download it again, signed in, and look into it: this may be a sign-in or an error page"


def stand_in(head: bytes, *, name: str = "", size: int | None = None) -> StandIn | None:
    """What a file that begins with `head` is instead of itself; None where it may well be itself.

    `name` tells by its ending whether a page is meant, `size` whether it can be an error.
    """
    if _LFS.match(head.removeprefix(b"\xef\xbb\xbf")):
        return StandIn("lfs-pointer", "a pointer of Git LFS, not the content that it stands for", _POINTER)
    if _ANNEX.match(head):
        return StandIn("lfs-pointer", "a pointer of git-annex, not the content that it stands for", _ANNEXED)
    if name.lower().endswith(_TEXT_ENDINGS):
        return None
    before = _BEFORE_A_PAGE.match(head)
    rest = head[before.end() :] if before else head
    if _PAGE.match(rest):
        return StandIn("web-page", "a page of HTML, as a server sends it to a browser", _SIGN_IN)
    if (size is None or size <= _LONGEST_REFUSAL) and _REFUSAL.match(rest):
        return StandIn("web-page", "an answer of a server that says no", _SIGN_IN)
    return None


def conflict_marker(text: str) -> int | None:
    """Where the first line begins that an unresolved merge left in `text`; None where there is none."""
    if not any(marker in text for marker in _MARKERS):
        return None
    found = _MARKER.search(text)
    return found.start() if found else None


CONFLICT = StandIn(
    "merge-conflict",
    "an unresolved merge: this line is a marker of Git, and both sides stand around it",
    "choose what is meant, and remove the lines with `<<<<<<<`, `|||||||`, `=======` and `>>>>>>>`",
)


def encoded_as(data: bytes) -> str | None:
    """What a text that isn't UTF-8 is: by its byte order mark, or by the zeros between its letters."""
    head = data[:HEAD]
    for mark, name in _MARKS.items():
        if head.startswith(mark):
            return name
    if b"\0" not in head:
        return None
    zeros = sorted(half.count(0) for half in (head[0::2], head[1::2]))
    return "UTF-16" if len(head) >= 6 and zeros[0] == 0 and zeros[1] * 10 >= len(head) * 4 else None
