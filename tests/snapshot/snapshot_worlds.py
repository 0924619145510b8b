"""A world that makes every plan twice, on the server and on a snapshot of it: they must be the same."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path

from reconciler.app.pipeline import draft
from reconciler.model import Finding
from reconciler.options import Options
from reconciler.plan import Plan
from reconciler.providers.base import Provider
from reconciler.providers.snapshot import saved_server
from reconciler.report.markdown import plan_markdown
from reconciler.report.plan_document import plan_chunks
from reconciler.report.plan_text import plan_lines
from reconciler.snapshot import (
    Header,
    Overrides,
    SnapshotFile,
    gateways_to_ask,
    open_snapshot,
    read_state,
    take,
)
from reconciler.state.base import State, bound_to
from reconciler.survey import Overridden
from tests.world import AT_ONCE, World

TAKEN = 1_790_000_000_000


@dataclass
class TwiceWorld(World):
    """``blind``: what a snapshot can't tell, and said so, in all plans so far."""

    overrides: Overrides = Overrides.DECLARED
    blind: list[Finding] = field(default_factory=list)
    canaries: list[str] = field(default_factory=list)
    """What may never stand in a snapshot."""

    async def make_plan(self, text: str, **options: bool) -> Plan:
        # A run has a provider of its own; a world keeps one, with the requests of all its plans.
        self.provider.reads.wire.requests.clear()
        online = await super().make_plan(text, **options)
        saved = await self.snapshot(text)
        content = saved.path.read_text("ascii")
        assert not [canary for canary in self.canaries if canary in content]
        offline = await self.plan_offline(saved, text, **options)
        blind = [finding for finding in offline.findings if finding.code == "secret-not-compared"]
        self.blind += blind
        findings = tuple(finding for finding in offline.findings if finding not in blind)
        assert shown(replace(offline, findings=findings)) == shown(online)
        assert offline.records == online.records or self.canaries
        return online

    async def snapshot(self, text: str) -> SnapshotFile:
        """A snapshot of the server and the state as they are."""
        desired = self.desired(text)
        path = self.folder / "snapshot.jsonl"
        asked = gateways_to_ask(self.overrides, desired, self.load())
        return saved_at(path, await taken(self.provider, self.load, asked, self.overrides))

    def load(self) -> State:
        return bound_to(self.store.load(), self.provider.server, url=self.store.url)

    async def plan_offline(self, saved: SnapshotFile, text: str, **options: bool) -> Plan:
        """The plan that only the snapshot is asked for; no secret is read for it."""
        environ, self.environ = self.environ, None  # type: ignore[assignment]
        try:
            desired = self.desired(text)
        finally:
            self.environ = environ
        self.seen.clear()
        state, chosen = read_state(saved), Options(**options)
        provider = saved_server(saved, self.provider.facts)
        plan = (await draft(desired, state, provider, chosen, now=self.now, lookout=AT_ONCE)).plan
        assert not self.seen, "the server was asked"
        return plan


async def taken(
    provider: Provider,
    load: Callable[[], State],
    asked: Overridden,
    overrides: Overrides = Overrides.DECLARED,
) -> bytes:
    """The bytes of a snapshot."""
    out = BytesIO()
    await take(
        provider.reads,
        provider.facts,
        Header(provider.server, TAKEN, overrides),
        out,
        load=load,
        overridden=asked,
    )
    return out.getvalue()


def shown(plan: Plan) -> tuple[str, str, str]:
    """A plan in every form."""
    return "\n".join(plan_lines(plan)), "".join(plan_chunks(plan)), plan_markdown(plan)


def saved_at(path: Path, data: bytes) -> SnapshotFile:
    """A snapshot of these bytes."""
    path.write_bytes(data)
    return open_snapshot(path)
