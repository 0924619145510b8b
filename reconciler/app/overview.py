"""What `status` reads beyond a plan: who is in every campaign, why gateways failed, how far they are.

1  a plan, as `plan` makes it                                       as observe reads
2  campaigns that are owned and no longer declared                  get-campaign
3  gateways of campaigns, where the plan had no need to know        list-gateways
4  failed gateways, a bounded number, and those that are listed     get-gateway-status

Tests: `tests/cli/test_cli_status.py`.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator, Mapping, MutableMapping
from dataclasses import dataclass, field, replace
from heapq import nsmallest
from typing import Final, Protocol

from reconciler.app.pipeline import Job, Planned, make
from reconciler.app.workspace import connected
from reconciler.errors import NotExecuted, Refusal, Refused, Unclear
from reconciler.model import Live, LiveCampaign, Membership, ResourceId
from reconciler.options import Options
from reconciler.plan.finished import done_before
from reconciler.pool import concurrently
from reconciler.providers.base import Provider, Stage
from reconciler.providers.base.questions import GatewayStatus
from reconciler.report.status_report import status_rows
from reconciler.report.statuses import GatewayLine, Gateways, StatusReport
from reconciler.state.base import State

CAUSES: Final = 100
"""How many failed gateways are asked why, in all."""
_LISTS: Final = 4
"""A part of what is worth asking for at a time: pages of one list are read side by side already."""
_FIRST: Final = (Stage.FAILED, Stage.UNDER_WAY, Stage.IDLE, Stage.DONE)
"""Which gateways are listed first."""

_Asked = tuple[ResourceId, str, str]
"""Resource, campaign id, gateway id."""


class StatusListener(Protocol):
    """Told of each look."""

    def show(self, status: StatusReport) -> None:
        """There is a new look."""
        ...

    def trouble(self, line: str) -> None:
        """There is none, and why."""
        ...


async def look(
    job: Job, listener: StatusListener, *, limit: int = 0, interval: float | None = None
) -> StatusReport:
    """Look once, or, with an `interval` in seconds, until nothing more can come by itself; the last look."""
    async with connected(job.project, reading=job.reading) as provider:
        overview = Overview(job, provider, limit)
        status = await overview.look(Options())
        listener.show(status)
        while interval is not None and not (status.final or status.still):
            await asyncio.sleep(interval)
            try:
                # Overrides cost a request a gateway, and progress doesn't change them.
                status = await overview.look(Options(refresh_recorded=True))
            except (NotExecuted, Unclear) as error:
                listener.trouble(f"warning: {error.message}; looking again")
            else:
                listener.show(status)
    return status


@dataclass(frozen=True, slots=True)
class Overview:
    """How to look. ``limit``: how many gateways of a campaign are listed, 0 for none."""

    job: Job
    provider: Provider
    limit: int = 0
    known: MutableMapping[_Asked, GatewayStatus] = field(default_factory=dict)
    """Failed gateways that earlier looks asked why: they are not asked again while they stay failed."""

    async def look(self, options: Options) -> StatusReport:
        """One look. ServerError when a read fails for good."""
        return await self.of(await make(self.job, self.job.store.load(), self.provider, options))

    async def of(self, planned: Planned) -> StatusReport:
        """The same look, of which there is a plan already."""
        live = await self._whole(planned)
        chosen = dict(self._chosen(live))
        asked = _by_campaign(await self._answers(live, chosen))
        gateways = {
            resource: self._counted(
                found.gateways,
                asked.get(resource, {}),
                frozenset(chosen[resource]),
                _done_before(planned.state, found),
            )
            for resource, found in live.campaigns.items()
            if found.gateways is not None
        }
        rows = status_rows(self.job.desired, live, planned.state, planned.plan, gateways)
        return StatusReport(planned.plan, rows)

    async def _whole(self, planned: Planned) -> Live:
        """The live side with every campaign that is ours, and its gateways."""
        live, owned = planned.live, planned.state.campaigns
        declared = {campaign.resource for campaign in self.job.desired.campaigns}
        unread = {r: it.id for r, it in owned.items() if r not in declared and r not in live.campaigns}
        reads = self.provider.reads
        found = await concurrently(unread.values(), reads.campaign, limit=reads.parallelism)
        campaigns = {**live.campaigns}
        campaigns |= {resource: it for resource, i in unread.items() if (it := found[i]) is not None}

        async def members(campaign_id: str) -> Membership | None:
            try:
                return await self.provider.reads.gateways(campaign_id)
            except Refused as error:
                if Refusal.NO_SUCH_OBJECT in error.meaning:  # deleted a moment ago
                    return None
                raise

        lacking = {it.id for it in campaigns.values() if it.gateways is None}
        width = max(1, reads.parallelism // _LISTS)
        read = await concurrently(sorted(lacking), members, limit=width)
        return replace(
            live,
            campaigns={r: replace(it, gateways=read.get(it.id, it.gateways)) for r, it in campaigns.items()},
            gone=live.gone | {resource for resource, i in unread.items() if found[i] is None},
        )

    def _chosen(self, live: Live) -> Iterator[tuple[ResourceId, tuple[str, ...]]]:
        """The gateways that are listed: failed ones first, then those under way."""
        for resource, found in live.campaigns.items():
            ids: list[str] = []
            for stage in _FIRST if self.limit else ():
                ids += nsmallest(self.limit - len(ids), self._members(found, stage))
            yield resource, tuple(ids)

    async def _answers(
        self, live: Live, chosen: Mapping[ResourceId, tuple[str, ...]]
    ) -> Mapping[_Asked, GatewayStatus | None]:
        """What is asked of gateways, and what is known of failed ones."""
        questions, width = tuple(self._questions(live, chosen)), self.provider.reads.parallelism
        if self.limit:
            return await concurrently(questions, self._ask, limit=width)
        known = {each: self.known[each] for each in questions if each in self.known}
        unknown = [each for each in questions if each not in known]
        asked = await concurrently(unknown, self._ask, limit=width)
        self.known.clear()
        self.known.update(known)
        self.known.update((each, status) for each, status in asked.items() if status is not None)
        return {**known, **asked}

    def _questions(self, live: Live, chosen: Mapping[ResourceId, tuple[str, ...]]) -> Iterator[_Asked]:
        left = CAUSES
        for resource, found in sorted(live.campaigns.items()):
            failed = nsmallest(left, self._members(found, Stage.FAILED))
            left -= len(failed)
            for gateway in dict.fromkeys((*chosen[resource], *failed)):
                yield resource, found.id, gateway

    def _members(self, found: LiveCampaign, stage: Stage) -> Iterator[str]:
        for state, members in found.gateways.states.items() if found.gateways else ():
            if self._stage(state) is stage:
                yield from members

    async def _ask(self, asked: _Asked) -> GatewayStatus | None:
        _, campaign_id, gateway = asked
        try:
            return await self.provider.questions.gateway_status(campaign_id, gateway)
        except Refused as error:
            if Refusal.NO_SUCH_OBJECT in error.meaning:  # removed a moment ago
                return None
            raise

    def _counted(
        self,
        members: Membership,
        asked: Mapping[str, GatewayStatus],
        chosen: frozenset[str],
        before: Mapping[str, frozenset[str]],
    ) -> Gateways:
        states = {state: members.states[state] for state in sorted(members.states, key=self._order)}
        stages: dict[Stage, int] = defaultdict(int)
        still: dict[Stage, int] = defaultdict(int)
        for state, ids in states.items():
            stage = self._stage(state)
            stages[stage] += len(ids)
            still[stage] += len(ids) - len(ids & members.closed)
        done = frozenset().union(*(ids for s, ids in states.items() if self._stage(s) is Stage.DONE))
        counts = {names: len(done & before[names]) for names in sorted(before)}
        causes: dict[str, list[str]] = defaultdict(list)
        for gateway, status in sorted(asked.items()):
            if self._stage(members.state_of(gateway) or "") is Stage.FAILED:
                causes[status.cause].append(gateway)
        return Gateways(
            states={state: len(ids) for state, ids in states.items() if ids},
            stages=dict(stages),
            closed=len(members.closed),
            open=dict(still),
            pending=sum(count for stage, count in still.items() if not stage.final),
            done_before={names: count for names, count in counts.items() if count},
            causes={
                cause: tuple(causes[cause]) for cause in sorted(causes, key=lambda c: (-len(causes[c]), c))
            },
            listed=tuple(
                GatewayLine(status, gateway in members.closed)
                for gateway, status in asked.items()
                if gateway in chosen
            ),
        )

    def _stage(self, state: str) -> Stage:
        """What a state means to a person: a word that nobody knows is no news."""
        stage = self.provider.facts.stage(state)
        return Stage.IDLE if stage is Stage.UNKNOWN else stage

    def _order(self, state: str) -> tuple[int, str]:
        return self.provider.facts.rank(state), state


def _done_before(state: State, live: LiveCampaign) -> Mapping[str, frozenset[str]]:
    """Names of packages → gateways that were done or failed with them when others came."""
    owned = next((each for each in state.campaigns.values() if each.id == live.id), None)
    return done_before(owned, live.packages) if owned else {}


def _by_campaign(
    asked: Mapping[_Asked, GatewayStatus | None],
) -> Mapping[ResourceId, dict[str, GatewayStatus]]:
    """Resource → gateway → its status, of those that are still there."""
    answers: dict[ResourceId, dict[str, GatewayStatus]] = defaultdict(dict)
    for (resource, _, gateway), status in asked.items():
        if status is not None:
            answers[resource][gateway] = status
    return answers
