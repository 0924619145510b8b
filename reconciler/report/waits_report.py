"""What is held back until a calendar opens: for people and for JSON.

Tests: `tests/report/test_waits_report.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from reconciler.model import Verb
from reconciler.plan.model import HeldBack
from reconciler.report.lines import Line
from reconciler.report.markup import code_span
from reconciler.report.terminal import Paint, Tone, plain
from reconciler.text import clean, moment, plural

_MOST: Final = 20
"""How many are named in Markdown."""
_WHAT: Final = {
    Verb.ADD.value: "gateways that join",
    Verb.OVERRIDE.value: "packages of single gateways",
    Verb.SCHEDULE.value: "windows",
    Verb.THINGS.value: "runs on things",
    Verb.DISTRIBUTE.value: "the distribution list",
    Verb.EDIT.value: "the edit",
    Verb.APPROVE.value: "the approval",
    Verb.START.value: "the start",
    Verb.CREATE.value: "its creation",
    "replace": "the successor",
}


def wait_lines(waits: Iterable[HeldBack], paint: Paint = plain) -> Iterator[str]:
    """A line for each campaign of which something waits."""
    for wait in waits:
        yield Line(f"{paint('Waits:', Tone.WARNING)} {clean(str(wait.resource))}: {held_words(wait)}", 7)


def held_words(wait: HeldBack) -> str:
    """``the edit and the start (450 gateways): the calendar nights is closed until …``."""
    what = [clean(_WHAT.get(each, each)) for each in wait.what]
    several = f"{', '.join(what[:-1])} and {what[-1]}" if len(what) > 1 else "".join(what)
    whom = f" ({plural(wait.gateways, 'gateway')})" if wait.gateways else ""
    return f"{several}{whom}: {_why(wait)}"


def _why(wait: HeldBack) -> str:
    if not wait.calendars:
        return "another campaign keeps the name until a calendar opens"
    names = " and ".join(map(clean, wait.calendars))
    closed = f"the calendars {names} are" if len(wait.calendars) > 1 else f"the calendar {names} is"
    frozen = f" (freeze{': ' if wait.frozen else ''}{clean(wait.frozen)})" if wait.frozen is not None else ""
    until = ", and not known to open"
    if wait.until is not None:
        until = f" until {moment(wait.until)}"
    return f"{closed} closed{frozen}{until}"


def wait_item(wait: HeldBack) -> dict[str, object]:
    """One of them in JSON; times in epoch milliseconds, null where nobody knows."""
    return {
        "resource": str(wait.resource),
        "what": list(wait.what),
        "gateways": wait.gateways,
        "until": wait.until,
        "calendars": list(wait.calendars),
        "freeze": wait.frozen,
        "text": held_words(wait),
    }


def wait_markdown(waits: Iterable[HeldBack]) -> Iterator[str]:
    """The same for a pull request."""
    told = tuple(waits)
    if not told:
        return
    yield f"### Waits for a calendar: {plural(len(told), 'campaign')}\n"
    for wait in told[:_MOST]:
        yield f"- {code_span(str(wait.resource))}: {code_span(held_words(wait))}"
    if len(told) > _MOST:
        yield f"- and {plural(len(told) - _MOST, 'more campaign')}"
    yield ""
