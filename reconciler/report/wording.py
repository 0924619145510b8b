"""The wording that reports share: reasons, exit codes, outcomes, values, differences, counted findings."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Final

from reconciler.errors import Exit
from reconciler.model import (
    Change,
    ChangedIn,
    Finding,
    GatewayChange,
    Json,
    OutcomeStatus,
    Reason,
    Secret,
    Server,
    Severity,
)
from reconciler.model.doubts import Doubt, Missing
from reconciler.plan.model import Snapshot
from reconciler.settings import EMBEDDED_URL
from reconciler.text import and_more, clean, cut, duration, first, moment, plural, window

SENTENCES: Final[Mapping[Reason, str]] = {
    Reason.NOT_ON_SERVER: "it is not on the server yet",
    Reason.GONE_FROM_SERVER: "it was deleted from the server",
    Reason.DIFFERS: "the server says something else",
    Reason.NOT_RECORDED: "it was never sent, and can't be read back",
    Reason.DECLARED_SINCE: "its declaration changed since it was last sent",
    Reason.REMOVED_FROM_GIT: "it is no longer declared",
    Reason.NO_LONGER_USED: "nothing declares or uses it any more",
    Reason.JOINS: "these gateways are declared and not in the campaign",
    Reason.LEAVES: "these gateways are in the campaign and no longer declared",
    Reason.WANTS_STARTED: "it is declared STARTED",
    Reason.WANTS_STOPPED: "it is declared STOPPED",
    Reason.FREEZE: "a freeze holds, and the policy stops for it what an earlier revision is under way with",
    Reason.FREEZE_OVER: "the freeze is over that stopped an earlier revision",
    Reason.WANTS_APPROVAL: "it waits for an approval, and approve: true is declared",
    Reason.MAY_WANT_APPROVAL: "the server may ask for an approval, and approve: true is declared",
    Reason.STOP_TO_EDIT: "it can't be changed while it runs",
    Reason.STOP_TO_DELETE: "it can't be deleted while it runs",
    Reason.STOP_TO_CHANGE: "the server takes this only while it is stopped",
    Reason.START_AGAIN: "it was stopped only to be changed",
    Reason.FINISH_INTERRUPTED: "an earlier run stopped it and was interrupted",
    Reason.RESUMED: "somebody stopped it, and --resume was asked for",
    Reason.REASSERTED: "it can't be read back, and --reassert was asked for",
    Reason.TAKEN_BACK: "it is no longer declared, and goes back to what the campaign has",
    Reason.CLOSES: "these gateways are declared closed",
    Reason.ASKED: "it was asked for by hand",
    Reason.REPLACES: "the server can't edit it, so a successor takes its place",
    Reason.MAKES_ROOM: "its successor gets its name",
    Reason.REPLACED: "its successor takes its place",
    Reason.TAKES_OVER: "it takes the place of the one before it",
    Reason.MOVES: "their wave has come, or nothing declares them any more",
    Reason.STOP_TO_JOIN: "gateways with settings of their own join, and would act before they have them",
}
"""Why there is a change or a step."""

MEANINGS: Final[Mapping[Exit, str]] = {
    Exit.DONE: "everything is done, or waits for a person",
    Exit.ERROR: "an error or an interruption; what was begun is finished",
    Exit.HAS_STEPS: "there is something to apply",
    Exit.PARTLY: "some steps failed; all others are done or listed above",
    Exit.STALE_PLAN: "the plan can't be applied",
    Exit.GUARD: "a guard refused, so nothing was sent",
    Exit.NOT_OURS: "a live object of a declared name isn't ours; everything else is done",
    Exit.ROLLOUT_ABORTED: "a rollout stands aborted; everything else is done",
    Exit.USAGE: "the command line is wrong",
}
"""What an exit code means."""

OUTCOMES: Final[Mapping[OutcomeStatus, str]] = {
    OutcomeStatus.DONE: "done",
    OutcomeStatus.NOT_NEEDED: "not needed",
    OutcomeStatus.WAITING: "waiting for a person",
    OutcomeStatus.FAILED: "failed",
    OutcomeStatus.SKIPPED: "skipped",
    OutcomeStatus.UNKNOWN: "unknown",
}

CHANGED_IN: Final[Mapping[ChangedIn, str]] = {
    ChangedIn.GIT: "changed in Git",
    ChangedIn.SERVER: "changed on the server",
    ChangedIn.BOTH: "changed both in Git and on the server",
    ChangedIn.NEVER: "never applied",
}
"""Whose a change is."""


def looking(doubt: Doubt) -> str:
    """What is looked for before a run goes on, and for how long."""
    match doubt.why:
        case Missing.MAY_BE_MADE:
            why = "it may have been made, though no answer said so"
        case Missing.JUST_MADE:
            why = "the server should have it, and doesn't answer for it yet"
    return f"looking for {clean(doubt.what)} for up to {doubt.seconds:,.0f} s: {why}"


PLAIN: Final = frozenset(
    {
        Reason.NOT_ON_SERVER,
        Reason.DIFFERS,
        Reason.JOINS,
        Reason.LEAVES,
        Reason.WANTS_STARTED,
        Reason.WANTS_STOPPED,
        Reason.STOP_TO_DELETE,
        Reason.START_AGAIN,
        Reason.CLOSES,
        Reason.NO_LONGER_USED,
    }
)
"""Reasons that say no more than what is shown beside them."""

ABSENT: Final = "(none)"
UNREADABLE: Final = "(not readable)"


def why(reason: Reason) -> str:
    """`` (an earlier run stopped it and was interrupted)``; nothing where that goes without saying."""
    return "" if reason in PLAIN else f" ({SENTENCES[reason]})"


def server_words(server: Server) -> str:
    """A server in a sentence: its address, or ``the embedded server``."""
    if server.url != EMBEDDED_URL:
        return clean(str(server))
    inside = f" (organization {clean(server.organization)})" if server.organization else ""
    return f"the embedded server{inside}"


def short(digest: str) -> str:
    """A digest as people compare it."""
    return digest[:12]


def safe(value: object) -> Json:
    """A value of a change as JSON; a secret gives away where it comes from and nothing else."""
    match value:
        case Secret():
            return {"secret": f"from {value.source}"}
        case None | bool() | int() | float() | str():
            return value
        case Mapping():
            return {str(key): safe(item) for key, item in value.items()}
        case Collection():
            return [safe(item) for item in value]
    return str(value)


def show(value: object, limit: int = 200) -> str:
    """A value on one line, as a person reads it; lists are cut."""
    match value:
        case None:
            return ABSENT
        case Secret():
            return f"(secret from {clean(value.source)})"
        case str():
            return cut(clean(json.dumps(value, ensure_ascii=False)), limit)
        case Mapping():
            if _secret(value):
                return f"(secret {clean(str(value['secret']))})"
            if words := _window(value):
                return words
            inner = ", ".join(f"{clean(str(key))}: {show(item, limit)}" for key, item in value.items())
            return cut(f"{{{inner}}}", limit)
        case Collection():
            items = list(value)
            shown = ", ".join(show(item, limit) for item in items[:10])
            return cut(f"[{shown}]", limit) + and_more(len(items) - 10)
    return clean(json.dumps(value) if isinstance(value, bool | int | float) else str(value))


def _secret(value: Mapping[str, object]) -> bool:
    return set(value) == {"secret"}


def _window(value: Mapping[str, object]) -> str | None:
    """A window of epoch milliseconds in words; None for anything else."""
    match value:
        case {"begin": int(begin), "end": int(end), **more} if more.keys() <= _OF_WINDOWS:
            zone, schedule = more.get("timezone"), more.get("schedule")
            told = window(begin, end, zone if isinstance(zone, str) else None)
            return f"{told}, by Schedule/{clean(schedule)}" if told and isinstance(schedule, str) else told
    return None


_OF_WINDOWS: Final = frozenset({"timezone", "schedule"})
"""What may be said of a window beside its times."""


def gateway_change(change: GatewayChange, limit: int = 5) -> str:
    """``120 → 157, gains 37 (a, b and 35 more)``; ``37 (a, b and 35 more)`` where there was none."""
    if not change.before and len(change.gained) == change.after:
        return f"{change.after:,} ({first(change.gained, limit)})"
    parts = [f"{change.before:,} → {change.after:,}"]
    if change.gained:
        parts.append(f"gains {len(change.gained):,} ({first(change.gained, limit)})")
    if change.lost:
        parts.append(f"loses {len(change.lost):,} ({first(change.lost, limit)})")
    return ", ".join(parts)


_SAYS_SO: Final = frozenset({Reason.NOT_ON_SERVER, Reason.REMOVED_FROM_GIT, Reason.NO_LONGER_USED})
"""Reasons that say themselves that Git made a change."""


def changed_in(change: Change) -> str:
    """Whose a change is: ``changed in Git``; empty where nobody knows, or where it is plain to see."""
    who = change.changed_in
    if who is None or (who in (ChangedIn.NEVER, ChangedIn.GIT) and change.reason in _SAYS_SO):
        return ""
    words = CHANGED_IN[who] + (f" (last by {clean(change.by)})" if change.by else "")
    if who is not ChangedIn.BOTH:
        return words
    last = show(change.last) if change.gateways is None else plural(_count(change.last), "gateway")
    return f"{words}; last applied: {last}"


def _count(value: Json) -> int:
    return value if isinstance(value, int) else 0


def counted(findings: Collection[Finding]) -> str:
    """``2 errors, 1 warning``; empty when there are none."""
    counts = {severity: sum(f.severity is severity for f in findings) for severity in Severity}
    return ", ".join(plural(count, severity.value) for severity, count in counts.items() if count)


def snapshot_age(snapshot: Snapshot) -> str:
    """``3 hours old, taken 2026-11-23 00:21:41 UTC``."""
    return f"{duration(snapshot.age)} old, taken {moment(snapshot.taken)}"
