"""What hangs on a campaign as a whole: its callbacks and its distribution list.

A callback is compared with the one that the server tells; where it tells none, with what was last sent.

| declared | known      | campaign           | what happens                                               |
|----------|------------|--------------------|------------------------------------------------------------|
| yes      | the same   | any                | nothing                                                    |
| yes      | another    | any                | registered                                                 |
| yes      | nothing    | ours before        | registered                                                 |
| yes      | nothing    | just being adopted | unless it can be read assumed to be so: recorded, not sent |
| no       | yes        | any                | taken back; where the server can't, it stays, with a word  |

A distribution list can be read, and can't be taken back. Where the server is told of an
interval it needs one: a declared one, or that of the list that is set.

| declared | live          | what happens                                                               |
|----------|---------------|----------------------------------------------------------------------------|
| yes      | the same      | nothing; recorded as ours, where a run died before it could record it      |
| yes      | none, another | set; before the first one, declared members are recorded as added by us    |
| no       | ours          | stays set, with a word                                                     |
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from reconciler.diff.detail import differences
from reconciler.diff.view import NOTHING, Part, View
from reconciler.model import (
    Callback,
    CallbackEvent,
    Change,
    DistributionList,
    Finding,
    Reason,
)
from reconciler.providers.base import Detail, Field
from reconciler.state.applied import ADDED, MEMBERSHIP, callback_field, callback_value
from reconciler.state.base import Event, FieldApplied
from reconciler.state.declared import distribution_value

CallbackFor = tuple[CallbackEvent, Callback | None]
"""None: it is taken back."""


def diff_callbacks(view: View) -> Part[CallbackFor]:
    """What to register, in the order of the events."""
    todo: list[CallbackFor] = []
    changes: list[Change] = []
    findings: list[Finding] = []
    records: list[Event] = []
    declared = view.campaign.callbacks or {}
    if not (declared or view.known(Field.CALLBACKS)):
        return NOTHING
    for event in CallbackEvent:
        name = callback_field(event)
        before = view.value(Field.CALLBACKS, name)
        wanted = declared.get(event)
        if wanted is None and (before is None or not _takes_back(view)):
            if before is not None and view.owned and name in view.owned.applied:
                findings.append(_not_taken_back(view, event))
            continue
        after = None if wanted is None else callback_value(wanted)
        if before == after and not view.reasserting(Field.CALLBACKS):
            continue
        if view.readable(Field.CALLBACKS) and view.kept(name, after, before):
            continue
        if before is None and view.assuming(Field.CALLBACKS):
            findings.append(_assumed(view, event))
            records.append(FieldApplied(view.campaign.resource, name, after))
            continue
        todo.append((event, wanted))
        reason = view.why(Field.CALLBACKS, known=before is not None)
        changes.append(Change(view.campaign.resource, name, before, after, reason))
    return Part(tuple(todo), tuple(changes), tuple(findings), tuple(records))


def _takes_back(view: View) -> bool:
    """Whether callbacks go that are not declared: where some are, or where it is said that none are."""
    return view.campaign.callbacks is not None and view.ask.facts.clearable(Field.CALLBACKS)


def _not_taken_back(view: View, event: CallbackEvent) -> Finding:
    return view.note(
        "cannot-undo",
        f"the callback {event} is no longer declared, but stays registered: {_why_it_stays(view)}",
        Field.CALLBACKS,
        "declare a callbackSet without it"
        if view.ask.facts.clearable(Field.CALLBACKS)
        else "point it at a destination that ignores it",
    )


def _why_it_stays(view: View) -> str:
    clearable = view.ask.facts.clearable(Field.CALLBACKS)
    return "callbacks are no longer managed" if clearable else "it can't be taken back"


def _assumed(view: View, event: CallbackEvent) -> Finding:
    message = f"the callback {event} can't be read; it is taken to be as declared, and not sent"
    return view.note("assumed", message, Field.CALLBACKS, "send it with --reassert")


def diff_distribution(view: View) -> Part[DistributionList]:
    """The distribution list to set, if any."""
    campaign, current = view.campaign, view.live.distribution if view.live else None
    wanted = campaign.distribution
    if wanted is None:
        return Part(findings=_kept(view))
    if current is not None and current.is_called(wanted.id):
        wanted = replace(wanted, id=current.id, also=current.also)
    if wanted.interval is None and Detail.INTERVAL in view.ask.facts.details:
        if current is None or current.interval is None:
            return Part(findings=(_lacks_interval(view, wanted),))
        wanted = replace(wanted, interval=current.interval)
    if wanted == current:
        return Part(records=_ours_already(view, wanted))
    if view.kept(Field.DISTRIBUTION, distribution_value(wanted), distribution_value(current)):
        return Part()
    return Part((wanted,), tuple(_distribution_changes(view, current, wanted)), (), _ours_so_far(view))


def _lacks_interval(view: View, wanted: DistributionList) -> Finding:
    return Finding(
        "interval-needed",
        f"{view.campaign.resource}: the distribution list {wanted.id!r} can't be set without an interval",
        view.campaign.place_of(Field.DISTRIBUTION),
        "write reevaluationIntervalSeconds",
        view.campaign.resource,
    )


def _ours_already(view: View, wanted: DistributionList) -> tuple[Event, ...]:
    """What is set as declared is ours from now on: that it can't be taken back is said later, too."""
    assert view.owned is not None, "what is there is ours"
    if view.owned.applied.get(Field.DISTRIBUTION) == wanted.id:
        return ()
    return (FieldApplied(view.campaign.resource, Field.DISTRIBUTION, wanted.id),)


def _ours_so_far(view: View) -> tuple[Event, ...]:
    """Declared members before the first distribution list is set: they are there by us, not by the list."""
    live, declared = view.live, view.campaign.gateways
    if declared is None or live is None or live.gateways is None or live.distribution:
        return ()
    ours = declared - live.gateways.lacking(declared)
    return (view.applied(MEMBERSHIP, ADDED, ours),) if ours else ()


def _distribution_changes(
    view: View, current: DistributionList | None, wanted: DistributionList
) -> Iterator[Change]:
    resource, after = view.campaign.resource, distribution_value(wanted)
    if current is None:
        yield Change(resource, Field.DISTRIBUTION, None, after, Reason.DIFFERS)
    else:
        for path, old, new in differences(Field.DISTRIBUTION, distribution_value(current), after):
            yield Change(resource, path, old, new, Reason.DIFFERS)


def _kept(view: View) -> tuple[Finding, ...]:
    """A distribution list of ours that YAML no longer names stays set."""
    if not view.owned or Field.DISTRIBUTION not in view.owned.applied:
        return ()
    message = "the distribution list is no longer declared, but stays set: it can't be taken back"
    return (view.note("cannot-undo", message, Field.DISTRIBUTION),)
