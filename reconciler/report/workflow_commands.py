"""Streams that CI reads: a line in them may be an order to the runner, and names of others are no orders."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, TextIO

_CI: Final = ("CI", "GITHUB_ACTIONS", "GITLAB_CI", "TF_BUILD")
_ORDER: Final = re.compile(r"(::)|(##)(\[|vso)|(section_)(start:|end:)")
_BLANK: Final = re.compile(r"[\s\ufeff]*")
_MAYBE: Final = re.compile(r"[\s\ufeff]*:?")
_BREAKS: Final = "\r\n\x85\u2028\u2029"
_LONGEST: Final = len("section_start:")


def in_ci(environ: Mapping[str, str]) -> bool:
    """Whether a runner reads what this process writes."""
    return any(environ.get(name) for name in _CI)


_IN_DOCUMENTS: Final = re.compile(r"##(?=\[|vso)|section_(?=start:|end:)|[\x7f-\x9f\u2028\u2029]")


def no_orders(document: str) -> str:
    """JSON that says the same, and holds neither an order to a runner nor what steers a terminal."""
    return _IN_DOCUMENTS.sub(lambda found: f"{found[0][:-1]}\\u{ord(found[0][-1]):04x}", document)


class Unheard:
    """A text stream on which no line is an order to a runner: of GitHub (``::`` first in a line, ``##[``
    anywhere), of Azure (``##vso``) or of GitLab (``section_start:``). A blank parts such signs.

    ``orders`` is the stream for our own.
    """

    def __init__(self, orders: TextIO) -> None:
        self.orders = orders
        self._line = ""
        """What stands in the line so far, as far as that matters: all while it is blank, else its end."""

    def write(self, text: str) -> int:
        """Write `text`, its orders parted."""
        if type(text) is not str:  # click tries with bytes what kind of stream this is
            return self.orders.write(text)
        before = self._line
        joined = before + text
        made = _ORDER.sub(lambda found: self._parted(found, joined, len(before)), joined)[len(before) :]
        last = max(map(joined.rfind, _BREAKS)) + 1
        line = joined[last:]
        self._line = line if _MAYBE.fullmatch(line) else "x" + line[-_LONGEST:]
        self.orders.write(made)
        return len(text)

    def writelines(self, lines: Any) -> None:
        """Write each of `lines`."""
        for line in lines:
            self.write(line)

    def _parted(self, found: re.Match[str], text: str, written: int) -> str:
        if found.end() <= written:
            return found[0]  # it is out already
        if found[1] is None:
            return " ".join(part for part in found.groups() if part)
        begin = max(text.rfind(sign, 0, found.start()) for sign in _BREAKS) + 1
        return ": :" if _BLANK.fullmatch(text, begin, found.start()) else found[0]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.orders, name)


def orders(stream: TextIO) -> TextIO:
    """Where our own orders to the runner go: `stream` as it was before it was made to give none."""
    return stream.orders if isinstance(stream, Unheard) else stream
