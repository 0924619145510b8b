"""Things behind gateways. Running on them can't be read, and must never be done twice by itself.

What is about to be sent stands in the state before it is sent, as *unclear*; only a clear answer makes it
*done* or takes it back. So whatever happens in between, it is not sent again but by `--reassert`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from reconciler.diff.view import EMPTY, NOTHING, Part, View, count
from reconciler.model import Change, Finding
from reconciler.providers.base import Field
from reconciler.state.applied import things_value, unclear
from reconciler.state.base import Event


def diff_things(view: View) -> Part[tuple[str, tuple[str, ...]]]:
    """Gateways and their things that are to be run, sorted by gateway."""
    things = view.campaign.things
    if not things:
        return NOTHING
    recorded = view.values(Field.THINGS, Field.THINGS)
    values = {gateway: value for value, gateways in recorded.items() for gateway in gateways}
    missing: dict[str, tuple[str, ...]] = {}
    doubtful: set[str] = set()
    for gateway in sorted(things.keys() & view.members):
        value = things_value(things[gateway])
        last = None if gateway in view.joining else values.get(gateway)
        if last == unclear(value) and not view.reasserting(Field.THINGS):
            doubtful.add(gateway)
        elif last != value or view.reasserting(Field.THINGS):
            missing[gateway] = things[gateway]
    findings: list[Finding] = [_doubtful(view, frozenset(doubtful))] if doubtful else []
    records: list[Event] = []
    assumed = {g: t for g, t in missing.items() if g not in view.joining}
    if assumed and view.assuming(Field.THINGS):
        findings.append(_assumed(view, frozenset(assumed)))
        records += (view.applied(Field.THINGS, v, ids) for v, ids in _by_value(assumed).items())
        missing = {g: t for g, t in missing.items() if g not in assumed}
    known = EMPTY if view.live is None else frozenset(values) - view.joining
    changes = [
        Change(
            view.campaign.resource,
            Field.THINGS,
            None,
            list(missing[min(ids)]),
            view.why(Field.THINGS, known=bool(ids & known)),
            members=tuple(sorted(ids)),
        )
        for ids in _by_value(missing).values()
    ]
    return Part(tuple(missing.items()), tuple(changes), tuple(findings), tuple(records))


def _by_value(things: Mapping[str, tuple[str, ...]]) -> dict[str, frozenset[str]]:
    groups: dict[str, set[str]] = defaultdict(set)
    for gateway, ids in things.items():
        groups[things_value(ids)].add(gateway)
    return {value: frozenset(gateways) for value, gateways in sorted(groups.items())}


def _doubtful(view: View, gateways: frozenset[str]) -> Finding:
    return view.note(
        "unknown-outcome",
        f"whether the things of {count(gateways)} were run is not known; they are not run again",
        Field.THINGS,
        "look at the things, and run them again with --reassert",
    )


def _assumed(view: View, gateways: frozenset[str]) -> Finding:
    message = f"whether the things of {count(gateways)} were run can't be read; it is taken to be so"
    return view.note("assumed", message, Field.THINGS, "run them with --reassert")
