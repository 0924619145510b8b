"""What a plan of the main branch says about drift: server and Git differ, and nobody merged anything."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reconciler.model import ChangedIn
from reconciler.report.markup import code_span
from reconciler.report.wording import CHANGED_IN, show
from reconciler.text import clean, first_lines, plural

_MOST = 50
_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Drift:
    """What is told apart.

    ``changed``: the server has another value than Git, and Git is not the one that changed, or not alone.
    ``held``: stopped by a person, and left so. ``assumed``: can't be read back, so nobody knows.
    ``wrong``: what keeps a plan from being made or applied. ``waiting``: merged, and not applied yet.
    """

    changed: tuple[str, ...] = ()
    held: tuple[str, ...] = ()
    assumed: tuple[str, ...] = ()
    wrong: tuple[str, ...] = ()
    waiting: tuple[str, ...] = ()

    @property
    def any(self) -> bool:
        """Whether somebody should look: what can't be read at all is no news, nor what waits for an apply."""
        return bool(self.changed or self.held or self.wrong)


def drift_of(document: Mapping[str, Any]) -> Drift:
    """The drift that `plan --output json` tells."""
    findings: Sequence[Mapping[str, Any]] = document.get("findings", ())
    changes: Sequence[Mapping[str, Any]] = document.get("changes", ())
    unreadable: Sequence[Mapping[str, Any]] = document.get("unreadable", ())
    return Drift(
        changed=tuple(_change(one) for one in changes if not _waits(one)),
        held=tuple(one["message"] for one in findings if one["code"] == "held"),
        assumed=(
            *(one["message"] for one in findings if one["code"] == "assumed"),
            *(f"{one['resource']}: {', '.join(one['fields'])}" for one in unreadable),
        ),
        wrong=tuple(one["message"] for one in findings if one["severity"] == "error"),
        waiting=(
            *(_change(one) for one in changes if _waits(one)),
            *(one["message"] for one in findings if one["code"] == "waiting-for-approval"),
        ),
    )


def _waits(change: Mapping[str, Any]) -> bool:
    """Whether nobody but Git made the change, so that an apply is all that it waits for."""
    return change.get("changedIn") in (ChangedIn.GIT, ChangedIn.NEVER)


def _change(one: Mapping[str, Any]) -> str:
    """One change of the document on one line: the server's value, then Git's."""
    before, after = one["before"], one["after"]
    if isinstance(after, Mapping) and "gained" in after and "lost" in before:
        counts = f"{before['count']:,} → {after['count']:,}"
        change = f"{counts} ({len(after['gained']):,} missing there, {len(before['lost']):,} too many)"
    else:
        change = f"{show(before, _SHOWN)} → {show(after, _SHOWN)}"
    of = f" of {plural(len(one['gateways']), 'gateway')}" if one.get("gateways") else ""
    who = one.get("changedIn")
    words = f", {CHANGED_IN[ChangedIn(who)]}" if who in tuple(ChangedIn) else ""
    words += f" (last by {clean(str(one['changedBy']))})" if words and one.get("changedBy") else ""
    last = f"; last applied: {show(one['lastApplied'], _SHOWN)}" if "lastApplied" in one else ""
    return f"{one['resource']}: {one['field']}{of}: {change}{words}{last}"


def drift_markdown(drift: Drift) -> str:
    """The text of the issue."""
    return "\n".join(
        [
            *_part("Wrong", "The plan can't be made or applied as it is.", drift.wrong),
            *_part(
                "Changed", "The server has something other than Git. The next apply undoes it.", drift.changed
            ),
            *_part("Held", "A person stopped it. It is left stopped until somebody resumes it.", drift.held),
            *_part("Assumed", "It can't be read back: nobody knows whether it changed.", drift.assumed),
            *_part("Waiting", "It is merged and not applied yet, which is no drift.", drift.waiting),
        ]
    )


def _part(title: str, meaning: str, lines: Sequence[str]) -> Iterator[str]:
    if not lines:
        return
    yield f"### {title}: {len(lines):,}\n\n{meaning}\n"
    yield from first_lines([f"- {code_span(line)}" for line in lines], _MOST, "- ")
    yield ""
