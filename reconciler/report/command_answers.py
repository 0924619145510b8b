"""What the commands `campaign`, `gateway` and `package` answer: lines for people, a document for scripts.

Tests: `tests/cli/test_cli_campaign.py`, `tests/cli/test_cli_gateway.py`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from reconciler.model import (
    CampaignSummary,
    DistributionList,
    LiveCampaign,
    Outcome,
    OutcomeStatus,
    ResourceId,
    Server,
)
from reconciler.providers.base.questions import (
    CampaignCounts,
    CampaignProgress,
    GatewayStatus,
    PackageInfo,
    PackageProgress,
)
from reconciler.report.plan_document import FORMAT_VERSION
from reconciler.report.table import pairs, percent, table
from reconciler.report.terminal import Paint, Tone
from reconciler.report.wording import OUTCOMES
from reconciler.report.workflow_commands import no_orders
from reconciler.text import clean, cut, plural, timestamp

Lines = Callable[[Paint], Iterator[str]]

_DESCRIPTION: Final = 60
"""Columns of a description in a table."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer. ``data`` is public: documented in docs/commands.md.

    ``items``: one more list of it, by its key, that may be too long for memory. It is read once.
    """

    data: Mapping[str, object]
    lines: Lines
    items: tuple[str, Iterable[object]] | None = None

    def text(self, server: Server, paint: Paint) -> Iterator[str]:
        """For people; names the server first."""
        yield f"Server: {clean(str(server))}"
        yield ""
        yield from self.lines(paint)

    def document(self, server: Server) -> Iterator[str]:
        """For scripts."""
        head = {"formatVersion": FORMAT_VERSION, "server": server_item(server)}
        text = no_orders(json.dumps({**head, **self.data}, ensure_ascii=False, indent=2))
        if self.items is None:
            yield f"{text}\n"
            return
        key, items = self.items
        yield text.removesuffix("\n}") + f",\n  {json.dumps(key)}: ["
        for index, item in enumerate(items):
            yield ("," if index else "") + f"\n    {no_orders(json.dumps(item, ensure_ascii=False))}"
        yield "\n  ]\n}\n"


def server_item(server: Server) -> dict[str, object]:
    """A server in a document."""
    return {"provider": server.provider, "url": server.url, "organization": server.organization}


# --- campaigns -----------------------------------------------------------------------------------


def campaign_list(campaigns: Iterable[CampaignSummary], owners: Mapping[str, ResourceId]) -> Answer:
    """`campaign list`. ``owners``: id → the resource of this project that owns it."""
    found = sorted(campaigns, key=lambda line: (line.name, line.id))
    items = [
        {"id": line.id, "name": line.name, "status": line.status, "resource": _resource(owners.get(line.id))}
        for line in found
    ]

    def lines(paint: Paint) -> Iterator[str]:
        rows = [(line.name, line.id, line.status, str(owners.get(line.id, "-"))) for line in found]
        if rows:
            yield from table(("NAME", "ID", "STATUS", "RESOURCE"), rows, paint)
        yield plural(len(rows), "campaign") + "."

    return Answer({"campaigns": items}, lines)


def counts(found: CampaignCounts) -> Answer:
    """`campaign counts`."""
    named = [
        ("Ready to start", "readyToStart", found.ready),
        ("Waiting for approval", "waitingForApproval", found.waiting),
        ("Approved", "approved", found.approved),
        ("Started", "started", found.started),
        ("Stopped", "stopped", found.stopped),
    ]

    def lines(paint: Paint) -> Iterator[str]:
        yield from pairs([(title, f"{number:,}") for title, _, number in named], paint)

    return Answer({"counts": {key: number for _, key, number in named}}, lines)


def _key(state: str) -> str:
    """``IN_THIS_STATE`` as ``inThisState``."""
    first, *more = state.lower().split("_")
    return first + "".join(word.capitalize() for word in more)


def campaign(
    live: LiveCampaign,
    progress: CampaignProgress,
    distribution: DistributionList | None,
    resource: ResourceId | None,
) -> Answer:
    """`campaign show`."""
    in_state = {_key(state): number for state, number in progress.states.items()}
    item = {
        "id": live.id,
        "name": live.name,
        "status": live.status,
        "resource": _resource(resource),
        "description": live.description,
        "packages": list(live.packages),
        "distributionList": distribution
        and {"id": distribution.id, "reevaluationIntervalSeconds": distribution.interval},
        "gateways": {"total": progress.gateways, **in_state},
        "created": progress.created,
        "modified": progress.modified,
    }

    def lines(paint: Paint) -> Iterator[str]:
        gateways = f"{progress.gateways:,}"
        if progress.gateways and progress.states:
            each = (f"{clean(state)} {number:,}" for state, number in progress.states.items())
            gateways += f" ({', '.join(each)})"
        values = [
            ("Name", live.name),
            ("Id", live.id),
            ("Resource", str(resource or "-")),
            ("Status", live.status),
            ("Description", live.description),
            ("Packages", ", ".join(live.packages) or "none"),
            ("Distribution list", distribution.id if distribution else "none"),
            ("Gateways", gateways),
            ("Created", timestamp(progress.created)),
            ("Modified", timestamp(progress.modified)),
        ]
        yield from pairs(values, paint)

    return Answer({"campaign": item}, lines)


# --- gateways ------------------------------------------------------------------------------------


def gateway_state(campaign_id: str, gateway: str, state: str) -> Answer:
    """`gateway state`."""
    return Answer(
        {"campaign": campaign_id, "gateway": gateway, "state": state},
        lambda paint: pairs([("Gateway", gateway), ("State", state or "-")], paint),
    )


def gateway_progress(
    campaign_id: str, gateway: str, downloads: Sequence[PackageProgress], execution: Sequence[str]
) -> Answer:
    """`gateway progress`."""
    data = {"campaign": campaign_id, "gateway": gateway, **progress_item(downloads, execution)}

    def lines(paint: Paint) -> Iterator[str]:
        yield from pairs([("Gateway", gateway)], paint)
        yield ""
        yield from _progress_lines(downloads, execution, paint)

    return Answer(data, lines)


def gateway_status(campaign_id: str, found: GatewayStatus) -> Answer:
    """`gateway status`."""
    data = {"campaign": campaign_id, **gateway_item(found)}

    def lines(paint: Paint) -> Iterator[str]:
        values = [
            ("Gateway", found.gateway),
            ("State", found.state or "-"),
            ("Since", timestamp(found.changed)),
        ]
        if found.cause:
            values.append(("Cause", found.cause))
        yield from pairs(values, paint)
        yield ""
        yield from _progress_lines(found.downloads, found.execution, paint)

    return Answer(data, lines)


def gateway_item(found: GatewayStatus) -> dict[str, object]:
    """A gateway in a document."""
    return {
        "gateway": found.gateway,
        "state": found.state,
        "changed": found.changed,
        "cause": found.cause or None,
        **progress_item(found.downloads, found.execution),
    }


def progress_item(downloads: Sequence[PackageProgress], execution: Sequence[str]) -> dict[str, object]:
    """Download and execution progress in a document."""
    return {
        "downloads": [{"package": each.id, "done": each.done, "total": each.total} for each in downloads],
        "execution": list(execution),
    }


def _progress_lines(
    downloads: Sequence[PackageProgress], execution: Sequence[str], paint: Paint
) -> Iterator[str]:
    if downloads:
        rows = [(each.id, _amount(each.done), _amount(each.total), _share(each)) for each in downloads]
        yield from table(("PACKAGE", "DOWNLOADED", "OF", "SHARE"), rows, paint)
    else:
        yield "No download progress."
    if execution:
        yield paint("EXECUTION", Tone.STRONG)
        yield from (f"  {clean(line)}" for line in execution)
    else:
        yield "No execution progress."


def download_summary(downloads: Sequence[PackageProgress]) -> str:
    """All downloads of a gateway as one share; ``-`` where that can't be said."""
    done = sum(each.done or 0 for each in downloads)
    return percent(done, sum(each.total or 0 for each in downloads))


def _amount(value: int | None) -> str:
    return "?" if value is None else f"{value:,}"


def _share(each: PackageProgress) -> str:
    return "?" if each.done is None or each.total is None else percent(each.done, each.total)


def gateway_packages(campaign_id: str, gateway: str, packages: Sequence[str]) -> Answer:
    """`gateway packages`."""
    return _ids({"campaign": campaign_id, "gateway": gateway}, "packages", packages, "PACKAGE", "package")


def active_campaigns(gateway: str, ids: Sequence[str], owners: Mapping[str, ResourceId]) -> Answer:
    """`gateway active-campaigns`."""
    data = {
        "gateway": gateway,
        "campaigns": [{"id": each, "resource": _resource(owners.get(each))} for each in ids],
    }

    def lines(paint: Paint) -> Iterator[str]:
        if ids:
            rows = [(each, str(owners.get(each, "-"))) for each in ids]
            yield from table(("CAMPAIGN", "RESOURCE"), rows, paint)
        yield plural(len(ids), "campaign") + "."

    return Answer(data, lines)


def _ids(data: Mapping[str, object], key: str, ids: Sequence[str], heading: str, noun: str) -> Answer:
    def lines(paint: Paint) -> Iterator[str]:
        if ids:
            yield from table((heading,), [(each,) for each in ids], paint)
        yield plural(len(ids), noun) + "."

    return Answer({**data, key: list(ids)}, lines)


# --- packages ------------------------------------------------------------------------------------


def package_list(packages: Iterable[PackageInfo]) -> Answer:
    """`package list`."""
    found = sorted(packages, key=lambda info: (info.package.name, info.package.id))

    def lines(paint: Paint) -> Iterator[str]:
        if found:
            rows = [
                (
                    info.package.name,
                    info.package.id,
                    info.created_by or "-",
                    timestamp(info.created),
                    cut(info.package.description, _DESCRIPTION),
                )
                for info in found
            ]
            yield from table(("NAME", "ID", "BY", "CREATED", "DESCRIPTION"), rows, paint)
        yield plural(len(found), "package") + "."

    return Answer({"packages": [_package_item(info) for info in found]}, lines)


def _content(digits: str | None) -> str:
    """What a package holds, as far as the server or a mark of ours tells."""
    if digits is None:
        return "not marked"
    return f"sha256:{digits}" if len(digits) == 64 else f"sha256:{digits}… (as its mark says)"


def package(info: PackageInfo) -> Answer:
    """`package info`."""
    it = info.package
    values = [
        ("Name", it.name),
        ("Id", it.id),
        ("Description", it.description),
        ("Content", _content(info.digits)),
        ("By", info.created_by or "-"),
        ("Created", timestamp(info.created)),
    ]
    return Answer({"package": _package_item(info)}, lambda paint: pairs(values, paint))


def _package_item(info: PackageInfo) -> dict[str, object]:
    it = info.package
    return {
        "id": it.id,
        "name": it.name,
        "description": it.description,
        "mark": info.digits,
        "createdBy": info.created_by or None,
        "created": info.created,
    }


# --- what was done -------------------------------------------------------------------------------


def done(operation: str, about: Mapping[str, str], outcome: Outcome | None, sentence: str) -> Answer:
    """What became of a command that changes something; `sentence` says it to people."""
    status = outcome.status if outcome else OutcomeStatus.DONE
    data = {
        "operation": operation,
        **about,
        "outcome": status.value,
        "message": outcome.message if outcome else "",
        "created": outcome.created if outcome else None,
    }

    def lines(paint: Paint) -> Iterator[str]:
        settled = status in (OutcomeStatus.DONE, OutcomeStatus.NOT_NEEDED)
        yield f"{paint(OUTCOMES[status], Tone.GOOD if settled else Tone.WARNING)}: {clean(sentence)}"

    return Answer(data, lines)


def idle(operation: str, about: Mapping[str, str], sentence: str) -> Answer:
    """A command that had nothing to do."""
    return _said(operation, about, OutcomeStatus.NOT_NEEDED.value, sentence)


def declined(operation: str, about: Mapping[str, str]) -> Answer:
    """A command that somebody said no to."""
    return _said(operation, about, "declined", "nothing was done, because the answer was not 'yes'")


def _said(operation: str, about: Mapping[str, str], outcome: str, sentence: str) -> Answer:
    data = {"operation": operation, **about, "outcome": outcome, "message": sentence, "created": None}
    words = outcome.replace("-", " ")
    return Answer(data, lambda paint: iter([f"{paint(words, Tone.WARNING)}: {clean(sentence)}"]))


def _resource(resource: ResourceId | None) -> str | None:
    return str(resource) if resource else None
