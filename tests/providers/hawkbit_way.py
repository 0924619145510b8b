"""The way of a project on a hawkBit server, whichever it is: plans, applies, and devices that obey.

    run_whole_way(url, folder, rest)

`rest` lets time pass: seconds of a real server, or the clock of the stand-in. Everything that is made has a
random word in its name, so that the server may be one that others use, too.
"""

import asyncio
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from reconciler.app.pipeline import draft
from reconciler.apply import apply_plan
from reconciler.loading import load
from reconciler.options import Options
from reconciler.pacing import Settling
from reconciler.providers.base import Provider
from reconciler.providers.hawkbit.kind import connect
from reconciler.resolve import resolve
from reconciler.settings import ServerSettings
from reconciler.state.base import State
from reconciler.validation import validate
from tests.fakes import NOW, MemorySession
from tests.hawkbit_standin import devices
from tests.providers.hawkbit_world import ADMIN
from tests.world import AT_ONCE

SECONDS = 60

TEXT = """\
apiVersion: reconciler/v1
kind: PackageSet
metadata: {{name: firmware-{word}}}
spec: {{packages: [{{file: {file}-{word}.bin}}]}}
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
  name: Line {word}
  packageSet: firmware-{word}
  desiredStatus: {status}
  {who}
"""
NOBODY = """\
apiVersion: reconciler/v1
kind: GatewayList
metadata: {name: hall}
spec: {gateways: []}
"""


class Way:
    """A project on one side, a server on the other."""

    def __init__(self, url: str, folder: Path, provider: Provider, rest: Callable[[float], object]) -> None:
        self.url, self.folder, self.provider, self.rest = url, folder, provider, rest
        self.word = secrets.token_hex(3)
        self.session = MemorySession(State("lineage", "5a17", server=provider.server))
        for name in ("a", "b"):
            (folder / f"{name}-{self.word}.bin").write_text(f"{name} {self.word}")

    def gateways(self, *numbers: int) -> list[str]:
        return [f"gw-{self.word}-{number}" for number in numbers]

    def text(
        self, file: str, *numbers: int, status: str = "STARTED", who: str = "gatewayLists: [hall]"
    ) -> str:
        gateways = ", ".join(self.gateways(*numbers))
        return TEXT.format(word=self.word, file=file, gateways=gateways, status=status, who=who)

    async def plan(self, text: str, **options: Any) -> Any:
        path = self.folder / "resources.yaml"
        path.write_text(text)
        valid = validate(load([path], base=self.folder).documents)
        resolved = resolve(valid.documents, self.provider.facts, root=self.folder, environ={})
        assert not [f for f in (*valid.findings, *resolved.findings) if f.is_error]
        asked = {"now": NOW, "lookout": AT_ONCE}
        found = await draft(resolved.desired, self.session.state, self.provider, Options(**options), **asked)
        return found.plan

    async def apply(self, text: str, **options: Any) -> list[str]:
        """The operations that it takes; nothing is left to do."""
        plan = await self.plan(text, **options)

        def delay(attempts: int, asked: float | None, waited: float) -> float | None:
            self.rest(0.3)
            return 0.0 if attempts < 60 else None

        applied = await apply_plan(
            plan, self.provider.writes, self.session, delay=delay, parallelism=4, settling=Settling(0)
        )
        assert not applied.failed, [o.message for o in applied.outcomes if not o.settled]
        self.rest(0.5)
        again = await self.plan(text, **options)
        assert [step.id for step in again.steps()] == [], "it came to rest"
        return [step.operation.name for step in plan.steps()]

    async def states(self) -> dict[str, list[str]]:
        """State → gateways, of the campaign."""
        [summary] = await self.provider.reads.campaigns([f"Line {self.word}"])
        members = await self.provider.reads.gateways(summary.id)
        return {state: sorted(ids) for state, ids in members.states.items()}

    async def until(self, wanted: dict[str, list[str]]) -> None:
        ends = time.monotonic() + SECONDS
        while (found := await self.states()) != wanted:
            assert time.monotonic() < ends, f"{found}, and not {wanted}"
            self.rest(0.2)

    def api(self) -> httpx.Client:
        return httpx.Client(base_url=f"{self.url}/rest/v1", auth=("admin", "admin"), timeout=30)

    def prepare(self) -> str:
        """Targets that may ask, and a filter; its name."""
        with self.api() as api:
            for key, value in (("enabled", True), ("key", "key")):
                config = f"/system/configs/authentication.gatewaytoken.{key}"
                api.put(config, json={"value": value}).raise_for_status()
            rows = [{"controllerId": each} for each in self.gateways(1, 2, 3, 4)]
            api.post("/targets", json=rows).raise_for_status()
            name = f"filter {self.word}"
            query = f"id==gw-{self.word}-3,id==gw-{self.word}-4"
            api.post("/targetfilters", json={"name": name, "query": query}).raise_for_status()
            return name

    def polls(self, outcome: str | None, *numbers: int) -> dict[str, str]:
        """What the devices do, each in one poll."""
        base = f"{self.url}/DEFAULT/controller/v1"
        with httpx.Client(base_url=base, headers={"Authorization": "GatewayToken key"}, timeout=30) as client:
            found = devices.step(client, self.gateways(*numbers), lambda _: outcome)
        self.rest(0.3)
        return {gateway.rpartition("-")[2]: did for gateway, did in found.items()}


def run_whole_way(url: str, folder: Path, rest: Callable[[float], object]) -> None:
    """Everything that a campaign goes through, and devices that install just what it says."""

    async def main() -> None:
        settings = ServerSettings(url=url, provider="hawkbit", auth=ADMIN)
        async with connect(settings) as provider:
            await _whole_way(Way(url, folder, provider, rest))

    asyncio.run(main())


async def _whole_way(way: Way) -> None:
    listed = way.prepare()
    one, two, three, four = way.gateways(1, 2, 3, 4)
    assert await way.apply(way.text("a", status="STOPPED")) == ["upload-artifact", "create-rollout"]
    assert await way.apply(way.text("a", 1, 2)) == ["tag-targets", "start-rollout"]
    await way.until({"running": [one, two]})
    assert way.polls("success", 1) == {"1": "success"}
    assert way.polls("failure", 2) == {"2": "failure"}
    await way.until({"error": [two], "finished": [one]})
    assert await way.apply(way.text("a", 1, 2, 3)) == ["tag-targets"]
    await way.until({"error": [two], "finished": [one], "running": [three]})
    assert await way.apply(way.text("a", 1, 2, 3, status="STOPPED")) == ["pause-rollout"]
    # Others, while one is at it: its action ends with the rollout that is deleted.
    await way.apply(way.text("b", 1, 2, 3), prune=True)
    assert set(way.polls("success", 1, 2, 3).values()) == {"success"}
    await way.until({"finished": [one, two, three]})
    # The same set again, delivered in another way: who is done with it is done, and nobody installs it twice.
    softly = way.text("b", 1, 2, 3).replace("desiredStatus", "delivery: {force: never}\n  desiredStatus")
    await way.apply(softly, prune=True)
    await way.until({"finished": [one, two, three]})
    assert set(way.polls("success", 1, 2, 3).values()) == {"idle"}
    # Back to what was deleted meanwhile.
    await way.apply(way.text("a", 1, 2), prune=True)
    assert set(way.polls("success", 1, 2).values()) == {"success"}
    await way.until({"finished": [one, two]})
    # By a filter, from which one is left out.
    await way.apply(NOBODY, prune=True)
    who = f'distributionList: {{distributionListId: "{listed}"}}\n  closedGateways: [{four}]'
    await way.apply(way.text("b", who=who), prune=True)
    await way.until({"running": [three]})
    assert way.polls("success", 3, 4) == {"3": "success", "4": "idle"}
    await way.until({"finished": [three]})
    await way.apply(NOBODY, prune=True)
    with way.api() as api:
        left = api.get("/rollouts", params={"q": f"name=='*{way.word}*'"}).json()["total"]
        tags = api.get("/targettags", params={"q": f"name=='*{way.word}*'"}).json()["total"]
    assert (left, tags) == (0, 0)
