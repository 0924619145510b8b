"""What the id of a gateway may be, checked for a million of them at once."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from operator import itemgetter

from reconciler.model import Place
from reconciler.model.spellings import Spellings, how_they_differ, spelled_twice
from reconciler.providers.base import Limits
from reconciler.resolve.source import ResourceSource
from reconciler.text import CONTROLS, INVISIBLE, and_more, control_character, invisible_character, quoted

LONGEST = 255

GOOD = re.compile(rf"(?=\S)[^{CONTROLS}{INVISIBLE}]{{1,{LONGEST}}}(?<=\S)")

_QUOTES = "\"'`\u2018\u2019\u201c\u201d\u201e\u00ab\u00bb"
QUOTED = re.compile(rf"=?\s*(?:\"(?P<plain>.*)\"|[{_QUOTES}](?P<other>.*)[{_QUOTES}])\s*[,;]?", re.DOTALL)
"""An id in the quotes of another format, JSON's or a spreadsheet's: ``"gw-1",`` and ``="0012"``."""

MOST = 100
"""How many ids of one list are reported one by one."""


@dataclass(frozen=True)
class Ids:
    """Ids in their order, and where each stands."""

    ids: Sequence[str]
    place: Callable[[int], Place]

    @cached_property
    def text(self) -> str:
        """All of them in a row: what a look at this tells, nobody asks of each."""
        return "".join(self.ids)

    @cached_property
    def plain(self) -> bool:
        """Whether all are printable ASCII."""
        return self.text.isascii() and self.text.isprintable()

    def none_has(self, characters: str) -> bool:
        """Whether none has one of `characters`: a look for each is quicker than one for all."""
        return not any(character in self.text for character in characters)


def check_ids(source: ResourceSource, ids: Ids) -> tuple[frozenset[str], bool]:
    """The good ids as a set, and whether there were no others; each wrong or repeated one is an error."""
    limits = source.facts.limits
    reserved, longest = limits.reserved_ids.keys(), _longest(limits)
    good = frozenset(ids.ids)
    clean = not limits.bad_in_ids or not _bad_in(limits.bad_in_ids).search(ids.text)
    if clean and len(good) == len(ids.ids) and good.isdisjoint(reserved) and _all_good(ids, good, longest):
        return good, not _say_twice(source, ids, good)
    wrong = _wrong(ids, limits)
    for index, code, message, hint in islice(wrong, MOST):
        source.error(code, message, ids.place(index), hint)
    rest = [index for index, *_ in wrong]
    if rest:
        message = f"{len(rest):,} more ids of this list are wrong or repeated; this is the first of them"
        source.note("more-findings", message, ids.place(rest[0]), "fix those before it first")
    kept = frozenset(id_ for id_ in filter(is_good, good - reserved) if len(id_) <= longest)
    if not clean:
        kept = frozenset(id_ for id_ in kept if not _bad_in(limits.bad_in_ids).search(id_))
    return kept, len(kept) == len(good)


def _say_twice(source: ResourceSource, ids: Ids, good: Collection[str]) -> bool:
    """Whether ids are spelled in two ways; each is an error where it stands last."""
    pairs = spelled_twice(good, ids.text)
    if pairs:
        index = {id_: at for at, id_ in enumerate(ids.ids)}
        ordered = sorted(sorted(pair, key=index.__getitem__) for pair in pairs)
        for first, later in ordered[:MOST]:
            place = ids.place(index[later])
            source.error("gateway-spelling", said_twice([(first, later)]), place, HINT_SPELLING)
        for _, later in ordered[MOST : MOST + 1]:
            message = (
                f"{len(ordered) - MOST:,} more ids of this list are spelled twice; this is the first of them"
            )
            source.note("more-findings", message, ids.place(index[later]), "fix those before it first")
    return bool(pairs)


def said_twice(pairs: Sequence[Spellings]) -> str:
    """That ids are probably one device's."""
    first, later = pairs[0]
    what = f"the gateway ids {quoted(first)} and {quoted(later)}{and_more(len(pairs) - 1)}"
    return f"{what} differ only in {how_they_differ(first, later)}: they are probably one device"


HINT_SPELLING = "write each id once, as the server has it"


def _longest(limits: Limits) -> int:
    """How long an id may be: as long as both the server and our files take it."""
    return min(LONGEST, limits.id or LONGEST)


def _all_good(ids: Ids, good: Collection[str], longest: int) -> bool:
    """Whether each is good: one look at all of them, and one by one only if that does not tell."""
    if ids.plain and ids.none_has(_TELLING):
        lengths = set(map(len, ids.ids))
        return not lengths or (min(lengths) > 0 and max(lengths) <= longest)
    return all(len(id_) <= longest and is_good(id_) for id_ in good)


_TELLING = " \"'`"
_ODD = f"{_TELLING},;|+"


def _none_odd(ids: Ids) -> bool:
    """Whether a look at all `ids` at once already tells that none is odd."""
    if not (ids.plain and ids.none_has(_ODD) and all(ids.ids)):
        return False
    return all(map(str.isalnum, set(map(itemgetter(0), ids.ids))))


def is_good(id_: str) -> bool:
    """Whether `id_` can be that of a gateway, as far as no server says otherwise."""
    return GOOD.fullmatch(id_) is not None and not (id_[0] in _OPENING and QUOTED.fullmatch(id_))


_OPENING = frozenset(f"={_QUOTES}")


def _wrong(ids: Ids, limits: Limits) -> Iterator[tuple[int, str, str, str | None]]:
    """Index, code, message and hint of each id that is wrong or was there before."""
    first: dict[str, int] = {}
    longest = _longest(limits)
    for index, id_ in enumerate(ids.ids):
        if why := limits.reserved_ids.get(id_):
            message = f"{quoted(id_)} can't be a gateway id: {why}"
            yield index, "reserved-gateway-id", message, "take it out"
        elif len(id_) > longest or not is_good(id_):
            yield (index, "bad-gateway-id", *_why(id_, longest))
        elif limits.bad_in_ids and (bad := _bad_in(limits.bad_in_ids).search(id_)):
            message = (
                f"gateway id {quoted(id_)} has {quoted(bad[0])} in it, and can't be addressed on the server"
            )
            yield index, "bad-gateway-id", message, "is it the id that the server has?"
        elif (before := first.setdefault(id_, index)) != index:
            message = f"gateway {quoted(id_)} appears twice in this list, first at {ids.place(before)}"
            yield index, "duplicate-gateway", message, "keep one of them"


def _bad_in(characters: str) -> re.Pattern[str]:
    return re.compile(f"[{re.escape(characters)}]")


def _why(id_: str, longest: int) -> tuple[str, str | None]:
    if not id_.strip():
        return "the gateway id is empty", "write an id, or take the line out"
    if id_ != id_.strip():
        return f"gateway id {quoted(id_)} has white space around it", f"write {quoted(id_.strip())}"
    if bad := control_character(id_):
        hint = "remove it; it may be invisible in your editor"
        return f"gateway id {quoted(id_)} has the control character {bad} in it", hint
    if unseen := invisible_character(id_):
        at, which = unseen
        message = (
            f"gateway id {quoted(id_)} has the invisible character {which} in it, at its character {at + 1}"
        )
        return message, "remove it: the id only looks like the one that is meant"
    if found := QUOTED.fullmatch(id_):
        bare = (found["plain"] or found["other"] or "").strip()
        return (
            f"gateway id {quoted(id_)} still has quotes around it",
            f"write {quoted(bare)}" if bare else "take it out",
        )
    return f"gateway id {quoted(id_)} has {len(id_):,} characters, but {longest} is the most", "shorten it"


_ROUNDED = r"^[-+]?\d+(?:[.,]\d+)?[eE]\+\d+$"
ODD_CELL = re.compile(_ROUNDED)
ODD_LINE = re.compile(rf"[\s,;|\"'`]|^\W+$|{_ROUNDED}")
"""What an id is not expected to be, in a cell of a table and in a line of text."""


def warn_of_odd_ids(source: ResourceSource, ids: Ids, odd_id: re.Pattern[str]) -> None:
    """A warning for each id that is probably something else: several, or a number of a spreadsheet."""
    if _none_odd(ids):
        return
    reserved = source.facts.limits.reserved_ids
    odd = (
        (index, id_)
        for index, id_ in enumerate(ids.ids)
        if odd_id.search(id_) and id_ not in reserved and is_good(id_)
    )
    for index, id_ in islice(odd, MOST):
        source.warning("odd-gateway-id", *_odd(id_, ids.place(index)))
    rest = [index for index, _ in odd]
    if rest:
        message = f"{len(rest):,} more ids of this file look odd; this is the first of them"
        source.note("more-findings", message, ids.place(rest[0]), "fix those before it first")


def _odd(id_: str, place: Place) -> tuple[str, Place, str]:
    """Message, place and hint."""
    if re.search(r"[\s,;|]", id_):
        what = "white space" if re.search(r"\s", id_) else "a separator"
        return f"gateway id {quoted(id_)} has {what} in it: a line is one id", place, "write one id a line"
    if re.search(r"\w", id_) is None:
        return (
            f"gateway id {quoted(id_)} has neither a letter nor a digit",
            place,
            "take the line out if it isn't an id",
        )
    if re.search("[\"'`]", id_):
        return (
            f"gateway id {quoted(id_)} has a quote in it",
            place,
            "take it out if it isn't a part of the id",
        )
    return (
        f"gateway id {quoted(id_)} looks like a number that a spreadsheet rounded",
        place,
        "export the column as text, and look for the digits that are lost",
    )
