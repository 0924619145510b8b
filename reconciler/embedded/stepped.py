"""A server whose clock stands unless it is stepped, kept in memory: for who plays a whole campaign through.

Tests: `tests/embedded/test_embedded_stepped.py`.
"""

from collections.abc import Mapping
from dataclasses import replace

from reconciler.embedded.app import create_app
from reconciler.embedded.context import Context
from reconciler.embedded.simulation import settings
from reconciler.embedded.simulation.settings import Simulation
from reconciler.embedded.tables import agenda


class SteppedServer:
    """It begins at `now_ms`; its gateways are simulated as `simulation` says, in the words of the control."""

    def __init__(self, now_ms: int, simulation: Mapping[str, object]) -> None:
        self.app = create_app(":memory:", approval_needed=False)
        self._context: Context = self.app.state.context
        simulated = replace(settings.parse(Simulation(), simulation), enabled=True)
        with self._context.store.transaction(write=True) as db:
            settings.save(db, simulated)
            self._context.clock.change(now_ms=now_ms, paused=True)
            self._context.clock.save(db)
        self._context.driver.changed(simulated)

    @property
    def now_ms(self) -> int:
        """What its clock says."""
        return self._context.now_ms()

    def next_event_ms(self) -> int | None:
        """When a gateway does something next; None: none does, until a call changes that."""
        with self._context.store.transaction(write=False) as db:
            found = agenda.first(db)
        return None if found is None else found.due_ms

    async def step_to(self, moment_ms: int) -> None:
        """Let all happen that happens until then."""
        await self._context.driver.step(max(0, moment_ms - self.now_ms))

    async def close(self) -> None:
        """It is gone then."""
        await self._context.driver.close()
        self._context.store.close()
