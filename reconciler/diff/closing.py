"""Gateways for which the campaign is closed. It can be read, and can't be undone."""

from __future__ import annotations

from reconciler.diff.view import Part, View, count
from reconciler.model import Change, Finding, Reason, sorted_ids
from reconciler.providers.base import Field


def diff_closed(view: View) -> Part[str]:
    """Members that are to be closed, sorted. Who isn't a member stays out, which is closed enough."""
    wanted = view.campaign.closed
    if wanted is None or view.live is None or view.live.gateways is None:
        return Part()
    members = view.live.gateways
    todo = sorted_ids(wanted - members.lacking(wanted) - members.closed - view.leaving)
    reopened = members.closed - wanted
    findings: tuple[Finding, ...] = ()
    if reopened:
        message = f"closed, not declared so, and never to be opened again: {count(reopened)}"
        findings = (view.note("cannot-undo", message, Field.CLOSED),)
    if not todo:
        return Part(findings=findings)
    change = Change(view.campaign.resource, Field.CLOSED, False, True, Reason.CLOSES, members=todo)
    return Part(todo, (change,), findings)
