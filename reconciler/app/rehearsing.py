"""`rehearse`: whole rollouts before they begin, on a server that is thrown away. No real server is called.

Each look is a plan and an apply as always; between two looks the clock of that server is moved on.

Tests: `tests/app/test_app_rehearsing.py`.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from reconciler.app.pipeline import Planned, check, draft
from reconciler.app.workspace import PARALLELISM, Workspace, as_ours
from reconciler.errors import InvalidInput, ReconcilerError, UsageError
from reconciler.lookout import Lookout
from reconciler.model import (
    Desired,
    DesiredCampaign,
    DesiredRollout,
    DesiredStatus,
    OutcomeStatus,
    RolloutStatus,
    Secret,
)
from reconciler.model.desired import PackageFile, PackageRef, used_packages
from reconciler.options import Options
from reconciler.pacing import Backoff, Settling
from reconciler.providers.base import Provider
from reconciler.report.rehearsal_report import (
    RehearsalEnd,
    RehearsalReport,
    RehearsedCampaign,
    RehearsedRun,
    RehearsedWave,
)
from reconciler.report.rollouts_report import wait_words
from reconciler.rollout.calendars import DAY, opening
from reconciler.rollout.sampling import sampled
from reconciler.rollout.situation import WaitFor
from reconciler.rollout.views import RolloutView
from reconciler.settings import ServerSettings
from reconciler.state.base import StateStore, bound_to
from reconciler.text import did_you_mean, first, plural

if TYPE_CHECKING:
    from reconciler.embedded import SteppedServer

RATES: Final = (0.0, 0.02, 0.05, 0.1, 0.2, 0.5)
"""Failure rates, where nobody names others."""
GATEWAYS: Final = 2_000
"""More than so many are sampled."""
LOOK: Final = 15 * 60 * 1000
"""Milliseconds between two looks while devices are at work."""
_AFTERWARDS: Final = 14 * DAY
"""So long those may go on that are in when all is decided."""
_LONGEST: Final = 365 * DAY
"""Nobody waits longer, and those who never poll would be back after it."""
_WELL: Final = frozenset({OutcomeStatus.DONE, OutcomeStatus.NOT_NEEDED, OutcomeStatus.WAITING})
_ALWAYS_OFFLINE: Final = 24 * 366
_AT_ONCE: Final = Lookout(Settling(0))


@dataclass(frozen=True, slots=True)
class Asked:
    """What to rehearse."""

    campaigns: tuple[str, ...] = ()
    """Their names; none: all that have a rollout."""
    rates: tuple[float, ...] = RATES
    offline: float = 0.0
    """How many gateways never poll, 0 to 1."""
    gateways: int = GATEWAYS
    begin: int = 0
    """Epoch milliseconds."""
    seed: int = 0
    expect: RehearsalEnd | None = None


def starting(text: str) -> int:
    """``--from``: epoch milliseconds."""
    from reconciler.loading.referenced_files import Problem
    from reconciler.resolve.times import parse_time

    found = parse_time(text, None)
    if isinstance(found, Problem):
        raise UsageError(found.message, hint=found.hint)
    return found


async def rehearse(
    workspace: Workspace, asked: Asked, told: Callable[[str], None] = lambda _: None
) -> RehearsalReport:
    """Every rollout that is asked for, at every rate; `told` hears what is rehearsed next.

    InvalidInput when there is an error in the files. No secret is read.
    """
    checked = check(workspace, offline=True)
    if not checked.sound:
        raise InvalidInput(checked.findings)
    rates = asked.rates
    if asked.expect is None and 0 not in rates:
        rates = (0.0, *rates)
    found = [
        await _campaign(campaign, wish, replace(asked, rates=rates), told)
        for campaign, wish in _chosen(checked.desired, asked.campaigns)
    ]
    return RehearsalReport(
        asked.begin, asked.seed, asked.offline, tuple(found), tuple(_notes(asked)), asked.expect
    )


def _chosen(desired: Desired, names: Sequence[str]) -> Sequence[tuple[DesiredCampaign, DesiredRollout]]:
    paced = {each.resource.name: (each, each.rollout) for each in desired.campaigns if each.rollout}
    if not paced:
        hint = "`spec.rollout` of a campaign declares one."
        raise ReconcilerError("no campaign has a rollout, so there is nothing to rehearse", hint=hint)
    for name in names:
        if name not in paced:
            hint = did_you_mean(name, paced) or f"There are: {', '.join(sorted(paced))}."
            raise ReconcilerError(f"the campaign {name!r} has no rollout here", hint=hint)
    return [paced[name] for name in dict.fromkeys(names or sorted(paced))]


def _notes(asked: Asked) -> Iterator[str]:
    yield (
        "words of people are taken as given: approvals, and that campaigns are started and nobody pauses"
        " them; checks are not asked, and guards not either"
    )
    yield (
        f"a look each {LOOK // 60_000} minutes while devices are at work; a device polls each 5 minutes, and"
        " packages are small placeholders: a real update takes longer"
    )
    yield "each campaign is alone on its server: what others do to its gateways is not rehearsed"
    if asked.offline:
        yield f"{asked.offline * 100:.4g} % of the gateways never poll"


async def _campaign(
    campaign: DesiredCampaign, wish: DesiredRollout, asked: Asked, told: Callable[[str], None]
) -> RehearsedCampaign:
    fleet = (campaign.gateways or frozenset()) - (campaign.closed or frozenset())
    smaller = sampled(campaign, wish, asked.gateways)
    taken = len((smaller.gateways or frozenset()) - (smaller.closed or frozenset()))
    notes = []
    if taken < len(fleet):
        notes.append(
            f"{taken:,} of {len(fleet):,} gateways take part, of every wave, zone and group; the counts of"
            " the policy are scaled down with them, and all counts here are of those; --gateways takes more"
        )
    if wish.paused:
        notes.append("Git pauses the rollout: here it is not")
    if wish.after:
        named = first([each.name for each in wish.after], 3)
        notes.append(f"it comes after {named}: here it begins at once")
    if campaign.status is not DesiredStatus.STARTED:
        notes.append("Git doesn't ask for the campaign to be started: here it is")
    runs = []
    for rate in asked.rates:
        told(f"{campaign.resource} at a failure rate of {rate * 100:.4g} %")
        with TemporaryDirectory(prefix="reconciler-rehearsal-") as folder:
            desired = _as_rehearsed(smaller, Path(folder))
            async with _Rehearsal.begun(desired, Path(folder), rate, asked) as rehearsal:
                runs.append(await rehearsal.run())
    return RehearsedCampaign(campaign.resource, wish.policy, len(fleet), taken, tuple(runs), tuple(notes))


# --- what takes the place of what ----------------------------------------------------------------


def _as_rehearsed(campaign: DesiredCampaign, folder: Path) -> Desired:
    """`campaign` with all that steers its rollout, and nothing that calls or shows anything outside."""
    wish = campaign.rollout
    assert wish is not None, "only campaigns with a rollout are rehearsed"
    places = dict(_placeholders(campaign, folder))
    settings = campaign.settings
    if settings is not None:
        settings = {
            key: "rehearsed" if isinstance(value, Secret) else value for key, value in settings.items()
        }
    rehearsed = replace(
        campaign,
        packages=tuple(places[ref] for ref in campaign.packages or ()),
        package_set=None,
        delivery=None,
        settings=settings,
        overrides=campaign.overrides
        and tuple(
            replace(each, packages=tuple(places[ref] for ref in each.packages)) for each in campaign.overrides
        ),
        callbacks=None,
        distribution=None,
        things=None,
        status=DesiredStatus.STARTED,
        # Rehearsed as if every gateway had to go back.
        rollback_of=None,
        rollout=replace(wish, approved=len(wish.waves), paused=False, after=()),
    )
    return Desired((rehearsed,), tuple(places.values()))


def _placeholders(campaign: DesiredCampaign, folder: Path) -> Iterator[tuple[PackageRef, PackageFile]]:
    """For each package a small file in `folder`."""
    for number, ref in enumerate(used_packages([campaign]), start=1):
        content = f"placeholder {number}".encode()
        path = folder / f"package-{number}"
        path.write_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        yield ref, PackageFile(digest, path, path.name, len(content), campaign.resource)


# --- one run -------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Rehearsal:
    """One rollout at one rate."""

    desired: Desired
    rate: float
    server: SteppedServer
    provider: Provider
    store: StateStore
    begin: int
    opened: dict[int, int] = field(default_factory=dict)
    waited: dict[int, dict[WaitFor, int]] = field(default_factory=dict)
    """For what, and how long, before a wave opened."""
    waits: dict[WaitFor, int] = field(default_factory=dict)
    """The same since the last one opened."""
    most: int = 0
    looks: int = 0

    @classmethod
    @asynccontextmanager
    async def begun(
        cls, desired: Desired, folder: Path, rate: float, asked: Asked
    ) -> AsyncIterator[_Rehearsal]:
        """Ready for its first look."""
        from reconciler.providers.opening import opened
        from reconciler.state.stores import open_store

        with as_ours():
            from reconciler.embedded import SteppedServer
        simulation = {
            "seed": asked.seed,
            "failureRate": rate,
            "headless": True,
            "offlineRate": asked.offline,
            "offlineHours": _ALWAYS_OFFLINE,
        }
        server = SteppedServer(asked.begin, simulation)
        try:
            async with opened(ServerSettings(settle=0.0), app=server.app) as provider:
                store = open_store("file:state.json", root=folder)
                yield cls(desired, rate, server, provider, store, asked.begin)
        finally:
            await server.close()

    async def run(self) -> RehearsedRun:
        """From the first look to the last."""
        while True:
            now = self.server.now_ms
            view, idle = await self._look()
            if view.opens:
                self.opened[view.opens] = now
                self.waited[view.opens], self.waits = self.waits, {}
            following = self._next(view, idle=idle)
            if self._over(view) or following is None or following > self.begin + _LONGEST:
                return await self._ended(view, now)
            await self.server.step_to(following)
            why = view.waits[0].reason if view.waits else WaitFor.SUCCESS
            self.waits[why] = self.waits.get(why, 0) + following - now

    async def _look(self) -> tuple[RolloutView, bool]:
        """Plan and apply; and whether there was nothing to do."""
        from reconciler.apply import apply_plan

        self.looks += 1
        planned = await self._planned()
        plan = planned.plan
        [view] = plan.rollouts
        idle = plan.empty and not plan.records
        if not idle:
            with self.store.locked(self.provider.server, "rehearse") as session:
                applied = await apply_plan(
                    plan,
                    self.provider.writes,
                    session,
                    delay=Backoff(),
                    parallelism=PARALLELISM,
                    settling=Settling(0),
                    now=lambda: self.server.now_ms / 1000,
                )
            if applied.error is not None:
                raise applied.error
            bad = next((each for each in applied.outcomes if each.status not in _WELL), None)
            if bad is not None:
                raise ReconcilerError(
                    f"{view.resource}: the rehearsal can't go on: {bad.step.operation.name}: {bad.message}",
                    hint="Its server is like Pulse's: what another kind takes, it may not.",
                )
        finished = sum(wave.done + wave.failed for wave in view.waves)
        self.most = max(self.most, view.entered + view.joins - finished)
        return view, idle

    async def _planned(self) -> Planned:
        state = bound_to(self.store.load(), self.provider.server, url=self.store.url)
        now = self.server.now_ms
        return await draft(self.desired, state, self.provider, Options(), now=now, lookout=_AT_ONCE)

    def _next(self, view: RolloutView, *, idle: bool) -> int | None:
        """When a look may find something else; None: never."""
        now = self.server.now_ms
        moments = [view.next_look, self._deadline(view)]
        if (event := self.server.next_event_ms()) is not None:
            moments.append(self._grid(max(event, now + 1)))
        if not idle:
            moments.append(self._grid(now + 1))
        if any(wait.reason is WaitFor.NOT_RUNNING for wait in view.waits):
            moments += self._turns()
        return min((each for each in moments if each is not None and each > now), default=None)

    def _grid(self, moment: int) -> int:
        """The first of the regular looks from then on."""
        return self.begin + -(-(moment - self.begin) // LOOK) * LOOK

    def _deadline(self, view: RolloutView) -> int | None:
        """Just after the deadline of the wave that is open."""
        owned = self.store.load().campaigns.get(view.resource)
        if owned is None or owned.rollout is None or not owned.rollout.since or not view.wave:
            return None
        deadline = self._wish.waves[view.wave - 1].deadline
        return None if deadline is None else owned.rollout.since + deadline + 1

    def _turns(self) -> Iterator[int | None]:
        """When a calendar opens or closes next."""
        from zoneinfo import ZoneInfo

        for zone in self._wish.zones or ("UTC",):
            told = opening(self._wish.calendars, ZoneInfo(zone), self.server.now_ms)
            yield told.until if told.open else told.opens

    @property
    def _campaign(self) -> DesiredCampaign:
        return self.desired.campaigns[0]

    @property
    def _wish(self) -> DesiredRollout:
        assert self._campaign.rollout is not None
        return self._campaign.rollout

    @staticmethod
    def _over(view: RolloutView) -> bool:
        """Whether it is decided; of one that is complete the last must have joined, too."""
        if view.status is RolloutStatus.COMPLETE:
            refused = sum(wave.refused for wave in view.waves)
            meant = sum(wave.gateways for wave in view.waves)
            return view.entered + view.joins + refused >= meant
        return view.status in (RolloutStatus.ABORTED, RolloutStatus.PAUSED)

    async def _ended(self, view: RolloutView, end: int) -> RehearsedRun:
        await self.server.step_to(end + _AFTERWARDS)
        [last] = (await self._planned()).plan.rollouts
        later = (n for n, wave in enumerate(last.waves, start=1) if n > view.wave and wave.gateways)
        if (following := next(later, None)) is not None:
            self.waited[following], self.waits = self.waits, {}
        verdict = _VERDICTS.get(view.status, RehearsalEnd.WAITS)
        waves = tuple(
            RehearsedWave(
                wave.name,
                wave.gateways,
                self.opened.get(number),
                wave.entered,
                wave.done,
                wave.failed,
                tuple(self.waited.get(number, {}).items()),
                self._wish.waves[number - 1].approval,
            )
            for number, wave in enumerate(last.waves, start=1)
        )
        return RehearsedRun(
            self.rate,
            verdict,
            _why(view, verdict),
            self.begin,
            end,
            self.looks,
            self.most,
            waves,
            tuple(self.waits.items()),
        )


_VERDICTS: Final = {
    RolloutStatus.COMPLETE: RehearsalEnd.COMPLETE,
    RolloutStatus.ABORTED: RehearsalEnd.ABORTED,
    RolloutStatus.PAUSED: RehearsalEnd.PAUSED,
}


def _why(view: RolloutView, verdict: RehearsalEnd) -> str:
    if verdict is RehearsalEnd.WAITS:
        waits = "; ".join(wait_words(view, wait) for wait in view.waits)
        return f"nothing more happens by itself: {waits or view.where}"
    if verdict is RehearsalEnd.COMPLETE:
        left = sum(wave.gateways for wave in view.waves) - view.entered - view.joins
        return f"{plural(left, 'gateway')} never joined" if left else ""
    if view.why == "deadline":
        return f"{view.where} missed its deadline"
    return view.why
