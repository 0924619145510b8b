"""A whole world for a test: YAML on one side, a real server on the other, every stage between them real.

    async with World.open(tmp_path) as world:
        assert await world.apply(YAML) == ["create-campaign", "add-gateways"]
        assert await world.plan(YAML) == []

Both answer with the names of the *writes*: those that the server saw, or those that the plan holds.
"""

import asyncio
import os
import re
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import httpx

from reconciler.app.pipeline import draft
from reconciler.apply import Applied, apply_plan
from reconciler.embedded import create_app
from reconciler.embedded.dialects import PRESETS, Dialect
from reconciler.loading import load
from reconciler.lookout import Lookout
from reconciler.model import Desired, Outcome
from reconciler.options import Options
from reconciler.pacing import Settling
from reconciler.plan import Plan
from reconciler.providers.base import Provider
from reconciler.providers.pulse.kind import connect
from reconciler.providers.pulse.operations import OPERATIONS
from reconciler.resolve import resolve
from reconciler.settings import NamedCalendar, ServerSettings
from reconciler.state.base import StateStore, bound_to
from reconciler.state.stores import open_store
from reconciler.validation import validate

NOW = 1_800_000_000_000
"""What the clock says in these tests, epoch milliseconds: January 2027."""

AT_ONCE = Lookout(Settling(0))
"""What isn't found isn't looked for again."""

_PATTERNS = [
    (operation.method, re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(operation.path)) + "/?"), name)
    for name, operation in OPERATIONS.items()
]


def operation_of(method: str, path: str) -> str:
    """The name of the operation that a request is."""
    return next(name for m, pattern, name in _PATTERNS if m == method and pattern.fullmatch(path))


def no_delay(attempts: int, retry_after: float | None, waited: float) -> float | None:
    """Try again at once, a few times."""
    return 0.0 if attempts < 5 else None


@dataclass
class World:
    """A project folder, a state in it, and a server."""

    folder: Path
    provider: Provider
    app: Any
    seen: list[Any]
    settings: ServerSettings = field(default_factory=ServerSettings)
    environ: Mapping[str, str] = field(default_factory=dict)
    now: int = NOW
    calendars: tuple[str, ...] = ()
    """Those that the project names."""

    @classmethod
    @asynccontextmanager
    async def open(
        cls, folder: Path, *, approval_needed: bool = False, dialect: Dialect | None = None, **settings: Any
    ) -> AsyncIterator[Self]:
        """A world on a server of its own, in this process; `settings` are of ServerSettings.

        The server speaks `dialect`, or the preset that the variable DIALECT names (`make dialects`).
        """
        speaks = dialect or PRESETS[os.environ.get("DIALECT", "reference")]
        app = create_app(":memory:", approval_needed=approval_needed, record=True, dialect=speaks)
        server = replace(ServerSettings(), **settings)
        try:
            async with connect(server, app=app) as provider:
                yield cls(folder, provider, app, app.state.context.recorder.seen, server)
        finally:
            app.state.context.store.close()

    @property
    def store(self) -> StateStore:
        return open_store("file:state.json", root=self.folder)

    def desired(self, text: str, **files: str) -> Desired:
        """What the YAML `text` asks for; AssertionError with the findings when it is wrong."""
        for name, content in files.items():
            (self.folder / name).write_text(content)
        path = self.folder / "resources.yaml"
        path.write_text(text)
        loaded = load([path], base=self.folder)
        valid = validate(loaded.documents)
        named = tuple(map(NamedCalendar, self.calendars))
        resolved = resolve(
            valid.documents, self.provider.facts, root=self.folder, environ=self.environ, named=named
        )
        errors = [f for f in (*loaded.findings, *valid.findings, *resolved.findings) if f.is_error]
        assert not errors, errors
        return resolved.desired

    async def make_plan(self, text: str, **options: Any) -> Plan:
        chosen = Options(**options)
        state = bound_to(self.store.load(), self.provider.server, url=self.store.url)
        return (
            await draft(self.desired(text), state, self.provider, chosen, now=self.now, lookout=AT_ONCE)
        ).plan

    async def run(self, plan: Plan, on_outcome: Callable[[Outcome], None] = lambda _: None) -> Applied:
        with self.store.locked(self.provider.server, "apply") as session:
            return await apply_plan(
                plan,
                self.provider.writes,
                session,
                delay=no_delay,
                parallelism=8,
                on_outcome=on_outcome,
                settling=AT_ONCE.settling,
                now=lambda: self.now / 1000,
            )

    async def plan(self, text: str, **options: Any) -> list[str]:
        """The operations that a plan for `text` holds, in order."""
        return [step.operation.name for step in (await self.make_plan(text, **options)).steps()]

    async def apply(self, text: str, **options: Any) -> list[str]:
        """Plan and apply `text`: the writes that the server saw, in order. Every step must succeed."""
        plan = await self.make_plan(text, **options)
        self.seen.clear()
        applied = await self.run(plan)
        assert not applied.failed, [o for o in applied.outcomes if not o.settled]
        return self.writes()

    async def control(self, path: str, body: object) -> None:
        """Put something behind the API, as `/_embedded/` lets one."""
        transport = httpx.ASGITransport(self.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://embedded") as client:
            (await client.put(f"/_embedded/{path}", json=body)).raise_for_status()

    def writes(self) -> list[str]:
        """The writes that the server saw since the record was last cleared."""
        return [operation_of(call.method, call.path) for call in self.seen if call.method != "GET"]

    def reads(self) -> list[str]:
        return [
            operation_of(call.method, call.path)
            for call in self.seen
            if call.method == "GET" and not call.path.startswith(("/api/versions", "/api/tokens"))
        ]


def run(coroutine: Coroutine[Any, Any, None]) -> None:
    """Run an async test body."""
    asyncio.run(coroutine)
