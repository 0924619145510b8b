"""Callbacks can be written but not read, and not taken back: each is compared with what was last sent."""

from __future__ import annotations

from reconciler.diff.view import Part, View
from reconciler.model import Callback, CallbackEvent, Change, Finding
from reconciler.providers.base import Field
from reconciler.state.applied import callback_field, callback_value
from reconciler.state.base import Event, FieldApplied

CallbackFor = tuple[CallbackEvent, Callback]


def diff_callbacks(view: View) -> Part[CallbackFor]:
    """What to register, in the order of the events."""
    todo: list[CallbackFor] = []
    changes: list[Change] = []
    findings: list[Finding] = []
    records: list[Event] = []
    declared = view.campaign.callbacks or {}
    for event in CallbackEvent:
        name = callback_field(event)
        before = view.owned.applied.get(name) if view.owned else None
        if event not in declared:
            if before is not None:
                findings.append(_not_taken_back(view, event))
            continue
        after = callback_value(declared[event])
        if before == after and not view.ask.options.reassert:
            continue
        if before is None and view.assuming:
            findings.append(_assumed(view, event))
            records.append(FieldApplied(view.campaign.resource, name, after))
            continue
        todo.append((event, declared[event]))
        reason = view.why(known=before is not None)
        changes.append(Change(view.campaign.resource, name, before, after, reason))
    return Part(tuple(todo), tuple(changes), tuple(findings), tuple(records))


def _not_taken_back(view: View, event: CallbackEvent) -> Finding:
    return view.note(
        "cannot-undo",
        f"the callback {event} is no longer declared, but stays registered: it can't be taken back",
        Field.CALLBACKS,
        "point it at a destination that ignores it",
    )


def _assumed(view: View, event: CallbackEvent) -> Finding:
    message = f"the callback {event} can't be read; it is taken to be as declared, and not sent"
    return view.note("assumed", message, Field.CALLBACKS, "send it with --reassert")
