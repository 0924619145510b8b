"""A project on one side, the stand-in for hawkBit over TCP on the other, with devices that poll it.

async with HawkbitWorld.open(tmp_path) as world:
    await world.apply(line(3))
    world.devices("success")
    assert world.counts("line")["finished"] == 3
"""

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import httpx

from reconciler.app.pipeline import draft
from reconciler.apply import Applied, apply_plan
from reconciler.loading import load
from reconciler.model import Desired, Finding, Secret
from reconciler.options import Options
from reconciler.pacing import Backoff
from reconciler.plan import Plan
from reconciler.providers.base import Provider
from reconciler.providers.hawkbit.kind import connect
from reconciler.resolve import resolve
from reconciler.settings import Basic, ServerSettings
from reconciler.state.base import State
from reconciler.validation import validate
from tests.fakes import NOW, MemorySession
from tests.hawkbit_standin import Standin, devices, running
from tests.world import AT_ONCE, no_delay

ADMIN = Basic("admin", Secret("environment variable PASSWORD", "admin"))

TEXT = """\
apiVersion: reconciler/v1
kind: PackageSet
metadata: {{name: firmware}}
spec: {{packages: [{packages}]}}
---
apiVersion: reconciler/v1
kind: GatewayList
metadata: {{name: hall}}
spec: {{gateways: [{gateways}]}}
---
apiVersion: reconciler/v1
kind: Campaign
metadata: {{name: line}}
spec:
  packageSet: firmware
  gatewayLists: [hall]
  desiredStatus: {status}
"""


def ids(*numbers: int) -> list[str]:
    return [f"gw-{n:02}" for n in numbers]


def line(*numbers: int, status: str = "STARTED", packages: str = "{file: fw.bin}", more: str = "") -> str:
    """A campaign of these gateways; `more`: further lines of it."""
    text = TEXT.format(packages=packages, gateways=", ".join(ids(*numbers)), status=status)
    return text + "".join(f"  {each}\n" for each in more.splitlines())


@dataclass
class HawkbitWorld:
    """A project folder, its state in memory, and the server."""

    folder: Path
    server: Standin
    provider: Provider
    session: MemorySession
    findings: list[Finding] = field(default_factory=list)

    @classmethod
    @asynccontextmanager
    async def open(cls, folder: Path, *, targets: int = 20, **settings: Any) -> AsyncIterator[Self]:
        (folder / "fw.bin").write_bytes(b"firmware 1")
        (folder / "fx.bin").write_bytes(b"firmware 2")
        with running() as server:
            server.world.config["authentication.gatewaytoken.enabled"] = True
            server.world.config["authentication.gatewaytoken.key"] = "key"
            server.add_targets(ids(*range(targets)))
            chosen = {"auth": ADMIN, "page_size": 7, **settings}
            named = ServerSettings(url=server.url, provider="hawkbit", **chosen)
            async with connect(named, backoff=Backoff(base=0.001, attempts=4)) as provider:
                session = MemorySession(State("lineage", "5a17", server=provider.server))
                yield cls(folder, server, provider, session)

    def desired(self, text: str) -> Desired:
        path = self.folder / "resources.yaml"
        path.write_text(text)
        loaded = load([path], base=self.folder)
        valid = validate(loaded.documents)
        resolved = resolve(valid.documents, self.provider.facts, root=self.folder, environ={})
        errors = [f for f in (*loaded.findings, *valid.findings, *resolved.findings) if f.is_error]
        assert not errors, errors
        return resolved.desired

    async def make_plan(self, text: str, **options: Any) -> Plan:
        planned = await draft(
            self.desired(text),
            self.session.state,
            self.provider,
            Options(**options),
            now=NOW,
            lookout=AT_ONCE,
        )
        self.findings = list(planned.plan.findings)
        return planned.plan

    async def plan(self, text: str, **options: Any) -> list[str]:
        """The operations that a plan for `text` holds, in order."""
        return [step.operation.name for step in (await self.make_plan(text, **options)).steps()]

    async def run(self, plan: Plan) -> Applied:
        writes = self.provider.writes
        return await apply_plan(
            plan, writes, self.session, delay=no_delay, parallelism=4, settling=AT_ONCE.settling
        )

    async def apply(self, text: str, **options: Any) -> list[str]:
        """Plan and apply `text`; nothing may be left to do. The operations that it took."""
        plan = await self.make_plan(text, **options)
        applied = await self.run(plan)
        assert not applied.failed, [outcome for outcome in applied.outcomes if not outcome.settled]
        self.server.settle()
        done = [step.operation.name for step in plan.steps()]
        assert await self.plan(text, **options) == [], "it came to rest"
        return done

    # --- the other side -----------------------------------------------------------------------------

    def devices(
        self, outcome: str | Callable[[str], str | None] | None, numbers: Iterable[int] = range(20)
    ) -> dict[str, str]:
        """One poll of each device, and what it did."""
        tells = outcome if callable(outcome) else lambda _: outcome
        base = f"{self.server.url}/DEFAULT/controller/v1"
        headers = {"Authorization": "GatewayToken key"}
        with httpx.Client(base_url=base, headers=headers) as client:
            found = devices.step(client, ids(*numbers), tells)
        self.server.settle()
        return {device: did for device, did in found.items() if did != "idle"}

    def rollout(self, name: str) -> Any:
        return next(r for r in self.server.world.rollouts.values() if r.name == name and not r.deleted)

    def counts(self, name: str) -> dict[str, int]:
        counts = self.server.world.counts(self.rollout(name))
        return {word: n for word, n in counts.items() if n}
