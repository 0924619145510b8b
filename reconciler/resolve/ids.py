"""What the id of a gateway may be, checked for a million of them at once."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from reconciler.model import Place
from reconciler.providers.base import Limits
from reconciler.resolve.source import ResourceSource
from reconciler.text import CONTROLS, control_character, quoted

LONGEST = 255

GOOD = re.compile(rf"(?=\S)[^{CONTROLS}]{{1,{LONGEST}}}(?<=\S)")

MOST = 100
"""How many ids of one list are reported one by one."""


@dataclass(frozen=True, slots=True)
class Ids:
    """Ids in their order, and where each stands."""

    ids: Sequence[str]
    place: Callable[[int], Place]


def check_ids(source: ResourceSource, ids: Ids) -> tuple[frozenset[str], bool]:
    """The good ids as a set, and whether there were no others; each wrong or repeated one is an error."""
    limits = source.facts.limits
    reserved, longest = limits.reserved_ids.keys(), _longest(limits)
    good = frozenset(ids.ids)
    if len(good) == len(ids.ids) and good.isdisjoint(reserved) and _all_good(ids.ids, longest):
        return good, True
    wrong = _wrong(ids, limits)
    for index, code, message, hint in islice(wrong, MOST):
        source.error(code, message, ids.place(index), hint)
    rest = [index for index, *_ in wrong]
    if rest:
        message = f"{len(rest):,} more ids of this list are wrong or repeated; this is the first of them"
        source.note("more-findings", message, ids.place(rest[0]), "mend those before it first")
    kept = frozenset(id_ for id_ in filter(GOOD.fullmatch, good - reserved) if len(id_) <= longest)
    return kept, len(kept) == len(good)


def _longest(limits: Limits) -> int:
    """How long an id may be: as long as both the server and our files take it."""
    return min(LONGEST, limits.id or LONGEST)


def _all_good(ids: Sequence[str], longest: int) -> bool:
    """Whether each matches `GOOD`: one look at all of them, and one by one only if that does not tell."""
    all_of_them = "".join(ids)
    if all_of_them.isascii() and all_of_them.isprintable() and " " not in all_of_them:
        lengths = set(map(len, ids))
        return not lengths or (min(lengths) > 0 and max(lengths) <= longest)
    return all(len(id_) <= longest and GOOD.fullmatch(id_) for id_ in ids)


def _wrong(ids: Ids, limits: Limits) -> Iterator[tuple[int, str, str, str | None]]:
    """Index, code, message and hint of each id that is wrong or was there before."""
    first: dict[str, int] = {}
    longest = _longest(limits)
    for index, id_ in enumerate(ids.ids):
        if why := limits.reserved_ids.get(id_):
            message = f"{quoted(id_)} can't be a gateway id: {why}"
            yield index, "reserved-gateway-id", message, "take it out"
        elif len(id_) > longest or not GOOD.fullmatch(id_):
            yield (index, "bad-gateway-id", *_why(id_, longest))
        elif (before := first.setdefault(id_, index)) != index:
            message = f"gateway {quoted(id_)} stands twice in this list, first at {ids.place(before)}"
            yield index, "duplicate-gateway", message, "keep one of them"


def _why(id_: str, longest: int) -> tuple[str, str | None]:
    if not id_.strip():
        return "the gateway id is empty", "write an id, or take the line out"
    if id_ != id_.strip():
        return f"gateway id {quoted(id_)} has white space around it", f"write {quoted(id_.strip())}"
    if bad := control_character(id_):
        hint = "remove it; it may be invisible in your editor"
        return f"gateway id {quoted(id_)} has the control character {bad} in it", hint
    return f"gateway id {quoted(id_)} has {len(id_):,} characters, but {longest} is the most", "shorten it"
