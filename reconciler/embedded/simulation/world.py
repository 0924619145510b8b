"""The simulated world in the database: what calls of the API change in it, and what happens as time goes on.

It lives inside one transaction. All that happens is a function of the database and the time that is given:
run twice from the same start it happens in the same way.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache

from reconciler.embedded.lifecycle import STARTED
from reconciler.embedded.simulation import machine, settings
from reconciler.embedded.simulation.machine import MOVES, SCHEDULED, On, PhaseWindow, Polls
from reconciler.embedded.simulation.settings import Simulation
from reconciler.embedded.simulation.work import PackagePart, WorkStep, failure, next_step, offline
from reconciler.embedded.tables import agenda, campaigns, deliveries, gateways, inventory, packages
from reconciler.embedded.tables.gateways import Gateway
from reconciler.embedded.wire import Json, ReceivedCall

COMPLETED = "completed"
WAKE_UP = "wake-up"
STATE_CHANGE = "state-change"
EXECUTION_PROGRESS = "execution-progress"
DOWNLOAD_PROGRESS = "download-progress"


@dataclass(frozen=True, slots=True)
class _Campaign:
    """What the world needs to know of a campaign again and again. Callbacks: kind → destination, states."""

    seq: int
    id: str
    name: str
    started: bool
    parts: Sequence[PackagePart]
    callbacks: dict[str, tuple[str, list[str]]]
    list_id: str | None
    every_ms: int


@dataclass(frozen=True, slots=True)
class Ran:
    """How many events happened, and up to when; `more`: there are others that are due."""

    events: int
    until_ms: int
    more: bool


def world_of(call: ReceivedCall) -> "World | None":
    """The world that a call of the API changes; None while nothing is simulated."""
    simulation = settings.load(call.db)
    return World(call.db, simulation, call.context.now_ms()) if simulation.enabled else None


class World:
    """The world at one time, `now`, inside the transaction of `db`."""

    def __init__(self, db: sqlite3.Connection, simulation: Simulation, now: int) -> None:
        self._db = db
        self._simulation = simulation
        self._now = now
        self._called_back = False
        self._campaign = cache(self._read_campaign)
        self._part = cache(self._read_part)

    # What calls of the API and of the controls do

    def rebuild(self) -> None:
        """Plan everything anew: after the simulation was switched on or set differently."""
        agenda.clear(self._db)
        for seq in campaigns.in_status(self._db, STARTED):
            self._plan_all(seq)
        for seq in agenda.lists(self._db):
            agenda.evaluate_at(self._db, seq, self._now)

    def status_changed(self, seq: int, status: str) -> None:
        """Started: its gateways go on, and are called to poll. Else they stay as they are.

        A step of work that was begun before is not done.
        """
        agenda.drop_campaign(self._db, seq)
        for gateway_id in self._plan_all(seq) if status == STARTED else ():
            self._call_back(self._campaign(seq), WAKE_UP, gateway_id)

    def joined(self, seq: int, gateway_ids: Iterable[str]) -> None:
        """New gateways are in the campaign."""
        if self._campaign(seq).started:
            lines = [(each, self._next_poll(each, machine.FIRST, self._now)) for each in gateway_ids]
            agenda.put(self._db, seq, lines)

    def changed(self, seq: int, gateway_id: str) -> None:
        """Its packages or its state are others: what it was about to do begins again."""
        campaign, gateway = self._campaign(seq), gateways.find(self._db, seq, gateway_id)
        if gateway.state in machine.FINAL:
            agenda.drop(self._db, seq, gateway_id)
        elif campaign.started and not gateway.closed:
            self._plan(campaign, gateway)

    def scheduled(self, seq: int, gateway_id: str, phase: str) -> None:
        """A phase has a new window; the gateway is called to poll."""
        campaign, gateway = self._campaign(seq), gateways.find(self._db, seq, gateway_id)
        if not campaign.started or gateway.closed or gateway.state in machine.FINAL:
            return
        if MOVES[gateway.state].phase == phase:
            self._plan(campaign, gateway)
        self._call_back(campaign, WAKE_UP, gateway_id, state=gateway.state)

    def notified(self, seq: int, gateway_id: str) -> None:
        """A gateway that isn't busy polls at once."""
        campaign, gateway = self._campaign(seq), gateways.find(self._db, seq, gateway_id)
        self._call_back(campaign, WAKE_UP, gateway_id, state=gateway.state)
        resting = gateway.state not in machine.FINAL and MOVES[gateway.state].on is not On.WORK
        sleeps = gateway.state == machine.FIRST and self._wakes(gateway_id, gateway.changed_ms) > self._now
        if campaign.started and not gateway.closed and resting and not sleeps:
            agenda.put_one(self._db, seq, gateway_id, self._now)

    def put(self, seq: int, before: str, gateway: Gateway) -> None:
        """A control has put a gateway into another state."""
        with self.settling(seq):
            self.changed(seq, gateway.gateway_id)
            if gateway.state != before:
                self._tell_state(self._campaign(seq), gateway)

    def closed(self, seq: int, gateway_id: str) -> None:
        """The campaign goes on without this gateway."""
        with self.settling(seq):
            agenda.drop(self._db, seq, gateway_id)

    def listed(self, seq: int) -> None:
        """The distribution list of a campaign was set: it is evaluated now, and from now on in any status."""
        agenda.evaluate_at(self._db, seq, self._now)

    @contextmanager
    def settling(self, seq: int) -> Iterator[None]:
        """The campaign completes when its last gateway at work ends, closes or leaves in this block."""
        before = agenda.busy(self._db, seq)
        yield
        if before and not agenda.busy(self._db, seq):
            self._call_back(self._campaign(seq), COMPLETED)

    # What happens as time goes on

    def run(self, until: int, *, limit: int, in_step: bool) -> Ran:
        """Let happen what is due until then, in order, `limit` events at most.

        `in_step`: time does not pass a callback that is not sent yet.
        """
        events = 0
        if in_step and (callback := deliveries.next_due(self._db)) is not None:
            until = min(until, callback)
        while True:
            if in_step and self._called_back:
                until = min(until, self._now)
            due = agenda.first(self._db)
            if due is None or due.due_ms > until:
                return Ran(events, until, more=False)
            if events == limit:
                return Ran(events, self._now, more=True)
            self._now = due.due_ms
            if due.gateway_id is None:
                self._evaluate(self._campaign(due.campaign))
            else:
                self._act(self._campaign(due.campaign), gateways.find(self._db, due.campaign, due.gateway_id))
            events += 1

    def _evaluate(self, campaign: _Campaign) -> None:
        found = inventory.evaluate(self._db, campaign.list_id or "", campaign.seq)
        if found:
            gateways.add(self._db, campaign.seq, found, self._now)
            self.joined(campaign.seq, found)
        agenda.evaluate_at(self._db, campaign.seq, self._now + campaign.every_ms)

    def _act(self, campaign: _Campaign, gateway: Gateway) -> None:
        """A gateway polls, or has done a step of its work."""
        move = MOVES[gateway.state]
        if move.on is On.WORK:
            self._work(campaign, gateway)
            return
        may_begin = False
        if move.on is On.WINDOW:
            step = self._step(campaign, gateway, move.phase)
            window = self._window(campaign, gateway, move.phase)
            may_begin = machine.may_work(window, self._now, step.duration)
        state = machine.after_poll(
            gateway.state, headless=self._headless(campaign, gateway), may_begin=may_begin
        )
        self._report(campaign, gateway, replace(gateway, state=state, changed_ms=self._now))

    def _work(self, campaign: _Campaign, gateway: Gateway) -> None:
        move = MOVES[gateway.state]
        step = self._step(campaign, gateway, move.phase)
        cause = failure(
            move.phase,
            step,
            campaign=campaign.name,
            gateway=gateway.gateway_id,
            simulation=self._simulation,
        )
        if cause is not None:
            failed = replace(gateway, state=machine.FAILED, caused_by=cause, changed_ms=self._now)
            self._report(campaign, gateway, failed)
            return
        after = replace(
            gateway,
            state=move.to if step.last else gateway.state,
            downloaded=step.downloaded,
            executed=step.executed,
            changed_ms=self._now,
        )
        self._report(campaign, gateway, after)

    def _report(self, campaign: _Campaign, before: Gateway, after: Gateway) -> None:
        """Keep what became of a gateway, call back, and plan what it does next."""
        if after.state == before.state and MOVES[after.state].on is not On.WORK:
            self._plan(campaign, after)
            return
        gateways.put(self._db, campaign.seq, after)
        if after.downloaded != before.downloaded:
            progress: Json = {"packagesProgress": self._progress(campaign, after)}
            self._call_back(campaign, DOWNLOAD_PROGRESS, after.gateway_id, state=after.state, more=progress)
        if after.executed != before.executed:
            progress = {"progress": list(after.executed)}
            self._call_back(campaign, EXECUTION_PROGRESS, after.gateway_id, state=after.state, more=progress)
        if after.state != before.state:
            self._tell_state(campaign, after)
        if after.state not in machine.FINAL:
            self._plan(campaign, after)
            return
        with self.settling(campaign.seq):
            agenda.drop(self._db, campaign.seq, after.gateway_id)

    def _progress(self, campaign: _Campaign, gateway: Gateway) -> list[Json]:
        return [
            {"progress": str(gateway.downloaded.get(part.id, 0)), "total": str(part.size), "id": part.id}
            for part in self._parts(campaign, gateway)
        ]

    # When a gateway acts next

    def _plan_all(self, seq: int) -> list[str]:
        """Plan all gateways of a campaign that are at work; answers their ids."""
        campaign = self._campaign(seq)
        simple: list[tuple[str, int | None]] = []
        others: list[str] = []
        for gateway_id, state, changed in agenda.at_work(self._db, seq, machine.FINAL):
            if MOVES[state].phase:
                others.append(gateway_id)
            else:
                simple.append((gateway_id, self._next_poll(gateway_id, state, changed)))
        agenda.put(self._db, seq, simple)
        for gateway_id in others:
            self._plan(campaign, gateways.find(self._db, seq, gateway_id))
        return [*(gateway_id for gateway_id, _ in simple), *others]

    def _plan(self, campaign: _Campaign, gateway: Gateway) -> None:
        """Write down when a gateway acts next. Work that doesn't fit into its window any more is put off."""
        move, due, polls = MOVES[gateway.state], None, self._polls(gateway.gateway_id)
        if not move.phase:
            due = self._next_poll(gateway.gateway_id, gateway.state, gateway.changed_ms)
        else:
            step = self._step(campaign, gateway, move.phase)
            window = self._window(campaign, gateway, move.phase)
            if move.on is On.WORK and machine.may_work(window, self._now, step.duration):
                due = self._now + step.duration
            elif move.on is On.WORK:
                off = replace(gateway, state=SCHEDULED[move.phase], changed_ms=self._now)
                self._report(campaign, gateway, off)
                return
            else:
                due = machine.next_poll(gateway.state, polls, self._now, window, step.duration)
        agenda.put_one(self._db, campaign.seq, gateway.gateway_id, due)

    def _polls(self, gateway_id: str) -> Polls:
        return Polls.of(gateway_id, seed=self._simulation.seed, every=self._simulation.poll_seconds * 1000)

    def _next_poll(self, gateway_id: str, state: str, since: int) -> int:
        """When a gateway polls next that is in `state` since then; one that is offline, when it wakes up."""
        moment = self._now
        if state == machine.FIRST:
            moment = max(moment, self._wakes(gateway_id, since))
        return self._polls(gateway_id).after(moment)

    def _wakes(self, gateway_id: str, joined: int) -> int:
        asleep = offline(gateway_id, self._simulation)
        return joined + self._simulation.offline_hours * 3_600_000 if asleep else joined

    def _step(self, campaign: _Campaign, gateway: Gateway, phase: str) -> WorkStep:
        parts = self._parts(campaign, gateway)
        return next_step(phase, parts, gateway.downloaded, gateway.executed, self._simulation)

    def _window(self, campaign: _Campaign, gateway: Gateway, phase: str) -> PhaseWindow | None:
        found = gateways.schedule(self._db, campaign.seq, gateway.gateway_id, phase)
        return None if found is None else PhaseWindow(*found)

    def _headless(self, campaign: _Campaign, gateway: Gateway) -> bool:
        """All its packages are."""
        headless = self._simulation.headless
        if isinstance(headless, bool):
            return headless
        return headless.issuperset(part.id for part in self._parts(campaign, gateway))

    def _parts(self, campaign: _Campaign, gateway: Gateway) -> Sequence[PackagePart]:
        if not gateway.overridden:
            return campaign.parts
        return [self._part(one) for one in gateways.effective_packages(self._db, campaign.seq, gateway)]

    # Callbacks

    def _tell_state(self, campaign: _Campaign, gateway: Gateway) -> None:
        """Callbacks that name no states track them all."""
        _, tracked = campaign.callbacks.get(STATE_CHANGE, ("", []))
        if not tracked or gateway.state in tracked:
            more: Json = {} if gateway.caused_by is None else {"causedBy": gateway.caused_by}
            self._call_back(campaign, STATE_CHANGE, gateway.gateway_id, state=gateway.state, more=more)

    def _call_back(
        self,
        campaign: _Campaign,
        event: str,
        gateway_id: str | None = None,
        *,
        state: str | None = None,
        more: Json | None = None,
    ) -> None:
        if event not in campaign.callbacks:
            return
        destination, _ = campaign.callbacks[event]
        payload: Json = {"event": event, "campaignId": campaign.id}
        if gateway_id is not None:
            payload |= {"gatewayId": gateway_id}
        if state is not None:
            payload |= {"state": state}
        payload |= {"timestamp": str(self._now), **(more or {})}
        deliveries.add(self._db, campaign.id, destination, payload, self._now)
        self._called_back = True

    # Read once in a transaction

    def _read_campaign(self, seq: int) -> _Campaign:
        found = campaigns.by_seq(self._db, seq)
        return _Campaign(
            seq=seq,
            id=found.id,
            name=found.name,
            started=found.status == STARTED,
            parts=[self._part(package_id) for package_id in found.packages],
            callbacks=campaigns.callbacks(self._db, seq),
            list_id=found.distribution_list_id,
            every_ms=int(found.reevaluation_seconds or 0) * 1000,
        )

    def _read_part(self, package_id: str) -> PackagePart:
        package = packages.find(self._db, package_id)
        return PackagePart(package.id, package.name, package.size)
