"""Resources → desired: the kinds in the order in which they refer to each other.

Tests: `tests/resolve/test_resolve_all_at_once.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from reconciler.findings import Findings
from reconciler.loading import Document
from reconciler.loading.referenced_files import Files
from reconciler.model import Desired, Finding, Kind
from reconciler.providers.base import Facts
from reconciler.resolve.calendars import resolve_calendar
from reconciler.resolve.callback_sets import resolve_callback_set
from reconciler.resolve.campaigns import Part, Parts, resolve_campaign
from reconciler.resolve.gateway_lists import ZONE_COLUMN, resolve_gateway_list
from reconciler.resolve.package_sets import one_by_content, resolve_package_set
from reconciler.resolve.policies import named_columns, resolve_policy
from reconciler.resolve.rollbacks import check_rollbacks, ways_back
from reconciler.resolve.rollout_order import campaigns_of_sets, check_order
from reconciler.resolve.source import ResourceSource, by_kind
from reconciler.resolve.timetables import resolve_schedule
from reconciler.settings import NamedCalendar
from reconciler.text import did_you_mean, quoted


@dataclass(frozen=True, slots=True)
class Resolved:
    """What the resources ask for, and what was found: with an error it is not to be used."""

    desired: Desired
    findings: tuple[Finding, ...]


def resolve(
    documents: Sequence[Document],
    facts: Facts,
    *,
    root: Path,
    environ: Mapping[str, str] | None,
    named: Sequence[NamedCalendar] = (),
) -> Resolved:
    """References, files, times, secrets and defaults of validated `documents`, all findings at once.

    Files stay inside `root`. `environ` None: secrets are not read, as in ``validate``. A reference to a
    resource that is not among `documents` is skipped: validation has said so. Of a document with gaps, all is
    said that is sure of what is left of it.

    `facts`: of the server that it is for; what that lacks, or takes no more of, is found. `named`: the
    calendars of the whole project.
    """
    findings = Findings()
    sources = [ResourceSource.of(document, findings, facts) for document in documents]
    kinds = by_kind(sources)
    files = Files(root)
    package_sets = [(source, resolve_package_set(source, files)) for source in kinds[Kind.PACKAGE_SET]]
    packages = one_by_content(package_sets)
    calendars = _named((source, resolve_calendar(source)) for source in kinds[Kind.CALENDAR])
    policies, declared = kinds[Kind.ROLLOUT_POLICY], kinds[Kind.CAMPAIGN]
    sets = campaigns_of_sets(declared)
    columns = named_columns(policies)
    if any(calendar is not None and calendar.of_gateways for calendar in calendars.values()):
        columns |= {ZONE_COLUMN}
    lists = _named(
        (source, resolve_gateway_list(source, files, columns, digested=bool(policies)))
        for source in kinds[Kind.GATEWAY_LIST]
    )
    parts = Parts(
        packages=_named(
            (source, replace(members, refs=tuple(packages[one] for one in members.refs)))
            for source, members in package_sets
        ),
        lists=lists,
        policies=_named(
            (source, resolve_policy(source, lists, calendars, files, sets)) for source in policies
        ),
        schedules=_named((source, resolve_schedule(source, calendars)) for source in kinds[Kind.SCHEDULE]),
        callbacks=_named((source, resolve_callback_set(source)) for source in kinds[Kind.CALLBACK_SET]),
        ways_back=ways_back(kinds[Kind.CAMPAIGN]),
        calendars=tuple(found for each in named if (found := calendars.get(each.name))),
        files=files,
        environ=environ,
    )
    check_order(policies, declared, sets)
    _look_for(named, kinds[Kind.CALENDAR], findings)
    campaigns = tuple(resolve_campaign(source, parts) for source in declared)
    check_rollbacks(kinds[Kind.CAMPAIGN], {each.resource: each for each in campaigns})
    keep = {source.identity: int(count) for source, _ in package_sets if (count := source.spec.get("keep"))}
    known = tuple(calendar for calendar in calendars.values() if calendar is not None)
    return Resolved(Desired(campaigns, tuple(packages), calendars=known, keep=keep), findings.sorted())


def _look_for(named: Sequence[NamedCalendar], sources: Sequence[ResourceSource], findings: Findings) -> None:
    """An error for each calendar of the project that isn't declared."""
    if any(source.resource is None for source in sources):
        return  # one whose name isn't known may be it
    known = [source.identity.name for source in sources]
    for each in named:
        if each.name not in known:
            message = f"there is no {Kind.CALENDAR} of the name {quoted(each.name)}"
            hint = did_you_mean(each.name, known) or f"no {Kind.CALENDAR} of that name is declared"
            findings.error("dangling-reference", message, each.place, hint)


def _named(resolved: Iterable[tuple[ResourceSource, Part]]) -> Mapping[str, Part]:
    """What was resolved, by name; without a name that two have: nobody knows which of them is meant."""
    named: dict[str, Part] = {}
    twice: set[str] = set()
    for source, part in resolved:
        if source.resource is None:
            continue
        if source.resource.name in named:
            twice.add(source.resource.name)
        named[source.resource.name] = part
    return {name: part for name, part in named.items() if name not in twice}
