"""What happens to devices, in words: of a campaign, and of a whole plan.

Tests: `tests/report/test_report_devices.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from reconciler.model import Change
from reconciler.plan.model import CampaignImpact, Devices, Impact, Packages
from reconciler.providers.base import Field
from reconciler.text import first, plural

_NAMES: Final = 3
"""How many packages are named."""
_UNTOLD: Final = Devices()


def campaign_words(row: CampaignImpact, *, own: bool = False) -> str:
    """``120 gateways: 22 get fw-2.2.bin instead of fw-2.1.bin, 98 have finished with fw-2.1.bin``.

    `own`: packages of single gateways change, too. Empty where nothing is known of them.
    """
    if row.devices == _UNTOLD:
        return ""
    said = ", ".join(what_happens(row.devices, None if own else row.packages))
    if row.devices.members is None:
        return said
    known = plural(row.devices.members, "gateway")
    return f"{known}: {said}" if said else known


def interrupted_words(devices: Devices) -> str:
    """``5 gateways in the middle of an update are interrupted``; empty where there is none."""
    count = devices.interrupt
    if count is None:
        return "gateways in the middle of an update may be interrupted: how many is not known"
    return f"{plural(count, 'gateway')} in the middle of an update {_is(count)} interrupted" if count else ""


def total_words(impact: Impact, changes: Iterable[Change] = ()) -> Iterator[str]:
    """What a plan does to devices in all: a sentence, and one more for those that it interrupts.

    Where nobody joins, leaves, starts, stops or gets packages, `changes` tell what happens to single ones.
    """
    devices = impact.devices
    if devices == _UNTOLD or not impact.campaigns:
        return
    if said := ", ".join(what_happens(devices, _one(impact))):
        known = "Gateways" if devices.members is None else plural(devices.members, "gateway")
        yield f"{known} of {plural(len(impact.campaigns), 'campaign')}: {said}."
    else:
        others = ", ".join(_what_else(changes))
        quiet = "No gateway joins, leaves, starts, stops or gets packages"
        yield f"{quiet}; {others}." if others else f"{quiet}."
    if words := interrupted_words(devices):
        yield f"{words[0].upper()}{words[1:]}."


def _what_else(changes: Iterable[Change]) -> Iterator[str]:
    """What happens to single gateways that changes no membership, status or package."""
    found: dict[str, set[str]] = {}
    for change in changes:
        found.setdefault(change.field.partition(".")[0], set()).update(change.members)
    for field, (one, many) in _OTHERS.items():
        if count := len(found.get(field, ())):
            yield f"{count:,} {one if count == 1 else many}"


_OTHERS: Final[Mapping[str, tuple[str, str]]] = {
    Field.SCHEDULES: ("gets another window", "get other windows"),
    Field.CLOSED: ("is closed", "are closed"),
    Field.THINGS: ("runs on its things", "run on their things"),
}


def joining(count: int) -> str:
    """``1 gateway joins``, ``450 gateways join``."""
    return f"{plural(count, 'gateway')} {'joins' if count == 1 else 'join'}"


def staying(count: int) -> str:
    """``1 gateway stays with what it has``, ``4,980 gateways stay with what they have``."""
    verb, they = ("stays", "it has") if count == 1 else ("stay", "they have")
    return f"{plural(count, 'gateway')} {verb} with what {they}"


def packages_words(packages: Sequence[str]) -> str:
    """``fw-2.1.bin``, ``a, b, c and 2 more``, ``no package``."""
    return first(packages, _NAMES) if packages else "no package"


def what_happens(devices: Devices, packages: Packages | None) -> Iterator[str]:
    """What happens to how many; `packages`: those of all of them, None where they are not the same."""
    before, after = (packages.before, packages.after) if packages else ((), ())
    given = packages_words(after) if packages else "packages"
    if devices.join:
        yield f"{devices.join:,} {'joins' if devices.join == 1 else 'join'}"
    if devices.leave:
        yield f"{devices.leave:,} {'leaves' if devices.leave == 1 else 'leave'}"
    if devices.start:
        using = f" with {given}" if packages and before == after else ""
        yield f"{devices.start:,} {'starts' if devices.start == 1 else 'start'}{using}"
    if devices.stop:
        yield f"{devices.stop:,} {'stops' if devices.stop == 1 else 'stop'}"
    if devices.update:
        instead = f" instead of {packages_words(before)}" if before and before != after else ""
        yield f"{devices.update:,} {'gets' if devices.update == 1 else 'get'} {given}{instead}"
    if devices.finished:
        under = packages_words(before) if before else "other packages"
        yield f"{devices.finished:,} {'has' if devices.finished == 1 else 'have'} finished with {under}"
    yield from _unknown(devices)


def _unknown(devices: Devices) -> Iterator[str]:
    words = {
        "start": devices.start,
        "join": devices.join,
        "leave": devices.leave,
        "stop": devices.stop,
        "get packages": devices.update,
        "have finished": devices.finished,
    }
    unknown = [word for word, count in words.items() if count is None]
    if unknown:
        *most, last = unknown
        listed = f"{', '.join(most)} and {last}" if most else last
        yield f"how many {listed} is not known yet"


def _one(impact: Impact) -> Packages | None:
    """The packages of all campaigns in which somebody starts or gets some, where these are the same."""
    told = {
        row.packages
        for row in impact.campaigns
        if row.devices.update != 0 or row.devices.finished or row.devices.start
    }
    return told.pop() if len(told) == 1 else None


def _is(count: int) -> str:
    return "is" if count == 1 else "are"
