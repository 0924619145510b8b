"""What moves the simulated world: calls that come in, a task that waits for the next event, and steps.

Tests: `tests/embedded/test_embedded_simulation.py`.
"""

import asyncio
import logging
import sqlite3
import time
from contextlib import suppress
from typing import Final

from reconciler.embedded.clock import Clock
from reconciler.embedded.simulation import settings
from reconciler.embedded.simulation.courier import Courier
from reconciler.embedded.simulation.settings import Simulation
from reconciler.embedded.simulation.world import World
from reconciler.embedded.store import Store
from reconciler.embedded.tables import agenda, deliveries
from reconciler.pool import ended

# Events per transaction, so that other calls get their turn in between.
_BATCH: Final = 500
# How long a call waits for a world that is behind its clock.
_PATIENCE_SECONDS: Final = 1.0
_SHORTEST_SLEEP_SECONDS: Final = 0.02
# After a failure of the database.
_TROUBLE_SECONDS: Final = 5

logger = logging.getLogger(__name__)


class Driver:
    """Moves the world to what the clock says, while the simulation is enabled and the clock isn't paused.

    State is brought up to date by each call that comes in; the task is there for callbacks, and so that less
    is left to do. A process that is used in process may have no task running: it starts with the next call.
    """

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        with store.transaction(write=False) as db:
            self._simulation = settings.load(db)
        self._task: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._news = asyncio.Event()
        # Who sends the callbacks: the background task or a step of the clock.
        self._sending = asyncio.Lock()

    def changed(self, simulation: Simulation) -> None:
        """The settings are these from now on."""
        self._simulation = simulation

    def start(self) -> None:
        """Begin with the event loop that runs."""
        if self._simulation.enabled:
            self._ensure_task()

    async def before_call(self) -> None:
        """Let all happen that is due, so that a call sees the world as it is by now."""
        if not self._simulation.enabled:
            return
        self._ensure_task()
        end = time.monotonic() + _PATIENCE_SECONDS
        while self._running and await self._advance() and time.monotonic() < end:
            pass

    def after_call(self) -> None:
        """A call may have made something due."""
        if self._simulation.enabled:
            self._ensure_task()
            self._news.set()

    async def step(self, milliseconds: int) -> tuple[int, int]:
        """Let time pass at once, event after event, each callback attempted before time goes on.

        Answers how many events happened and how many callbacks were attempted.
        """
        self._bind()
        async with self._sending:
            start = self._clock.now_ms()
            target = start + milliseconds
            self._clock.hold(start)
            try:
                return await self._pass(target)
            finally:
                self._clock.release()
                self._save_clock()
                self.after_call()

    async def close(self) -> None:
        """End the task."""
        task, self._task = self._task, None
        if task is not None:
            await ended(task)
            if not task.cancelled():
                task.result()

    @property
    def _running(self) -> bool:
        return self._simulation.enabled and not self._clock.stands

    async def _pass(self, target: int) -> tuple[int, int]:
        events = attempts = 0
        with Courier(self._store) as courier:
            while self._simulation.enabled:
                with self._store.transaction(write=True) as db:
                    world = World(db, self._simulation, self._clock.now_ms())
                    ran = world.run(target, limit=_BATCH, in_step=True)
                    self._clock.hold(max(self._clock.now_ms(), ran.until_ms))
                    self._clock.save(db)
                events += ran.events
                attempted = 0
                if not ran.more:
                    attempted = await courier.attempt(ran.until_ms, self._simulation)
                    attempts += attempted
                if not attempted and not ran.more and ran.until_ms >= target:
                    break
                await asyncio.sleep(0)
        self._clock.hold(target)
        return events, attempts

    def _save_clock(self) -> None:
        with self._store.transaction(write=True) as db:
            self._clock.save(db)

    async def _advance(self) -> bool:
        """Let happen what is due by now; whether there is more. Others get their turn then."""
        now = self._clock.now_ms()
        with self._store.transaction(write=False) as db:
            first = agenda.first(db)
        if first is None or first.due_ms > now:
            return False
        with self._store.transaction(write=True) as db:
            ran = World(db, self._simulation, now).run(now, limit=_BATCH, in_step=False)
        await asyncio.sleep(0)
        return ran.more

    def _bind(self) -> None:
        """An app that is used in process may see one event loop after another."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._loop, self._task = loop, None
            self._news, self._sending = asyncio.Event(), asyncio.Lock()

    def _ensure_task(self) -> None:
        self._bind()
        if self._running and (self._task is None or self._task.done()):
            self._task = asyncio.get_running_loop().create_task(self._drive(), name="embedded-simulation")

    async def _drive(self) -> None:
        while self._running:
            self._news.clear()
            try:
                await self._catch_up()
                wait = self._until_next()
            except sqlite3.ProgrammingError:
                return  # the store is closed
            except sqlite3.Error:
                logger.exception("the simulated gateways stand still for %d s", _TROUBLE_SECONDS)
                wait = _TROUBLE_SECONDS
            with suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._news.wait()

    async def _catch_up(self) -> None:
        while self._running and await self._advance():
            pass
        now = self._clock.now_ms()
        async with self._sending:
            with Courier(self._store) as courier:
                while self._running and await courier.attempt(now, self._simulation):
                    pass

    def _until_next(self) -> float | None:
        """Real seconds until something is due."""
        with self._store.transaction(write=False) as db:
            first, callback = agenda.first(db), deliveries.next_due(db)
        moments = [moment for moment in (first.due_ms if first else None, callback) if moment is not None]
        if not moments:
            return None
        ahead = (min(moments) - self._clock.now_ms()) / 1000 / self._clock.setting.factor
        return max(ahead, _SHORTEST_SLEEP_SECONDS)
