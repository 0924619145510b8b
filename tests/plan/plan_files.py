"""Plans of worlds in memory, written to files and read again."""

import asyncio
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from reconciler.app.pipeline import draft, guard_basis
from reconciler.model import (
    Desired,
    DesiredCampaign,
    DistributionList,
    Finding,
    FromEnv,
    Live,
    LivePackage,
    Secret,
    SettingValue,
)
from reconciler.options import Options
from reconciler.plan import Plan
from reconciler.plan.file import Head, MadeIn, MadeOn, SavedPlan, open_plan, write_plan
from reconciler.plan.fingerprints import Fingerprint, fingerprints, touched_of
from reconciler.plan.stale import stale
from reconciler.plan.touched import touched_by
from reconciler.reading import read
from reconciler.state.base import State
from tests.fakes import AT_ONCE, NOW, PULSE, Project
from tests.memory_provider import MemoryServer
from tests.properties.prop_strategies import VENDOR, VENDOR_NAME, projects

OPERATIONS = PULSE.operations


@dataclass(frozen=True)
class Made:
    """A plan, and the two sides that it was made from."""

    plan: Plan
    live: Live
    state: State
    options: Options = field(default_factory=Options)

    @property
    def fingerprints(self) -> tuple[Fingerprint, ...]:
        return fingerprints(self.plan, touched_by(self.plan, self.live, self.state), self.live, self.state)

    def save(self, path: Path, root: Path | None = None) -> None:
        head = Head(
            "0.1.0", self.plan.server, MadeIn("/project", "p"), MadeOn(7, self.state.lineage), self.options
        )
        write_plan(path, head, self.plan, self.fingerprints, root=root or path.parent, salt=self.state.salt)


async def planned(project: Project, wanted: Desired, **options: bool) -> Made:
    """The plan of `wanted`, as the command makes it."""
    chosen = Options(**options)
    made = await draft(wanted, project.state, project.server, chosen, now=NOW, lookout=AT_ONCE)
    basis = await guard_basis(made, project.server)
    return Made(made.plan, basis.live, made.state, chosen)


async def stale_now(made: Made, project: Project) -> Sequence[Finding]:
    """What is not as it was when `made` was made; only what it touches is read."""
    before = made.fingerprints
    live = await read(touched_of(before).scope, project.server)
    return stale(before, fingerprints(made.plan, touched_of(before), live, project.state))


def reread(path: Path, secrets: Mapping[str, str] | None = None, root: Path | None = None) -> SavedPlan:
    """What stands in a plan file, with the secrets that the environment would have."""

    def opened(secret: Secret) -> Secret:
        assert isinstance(secret.origin, FromEnv)
        return Secret(secret.source, (secrets or {}).get(secret.origin.name), secret.origin)

    return open_plan(path).read(root or path.parent, OPERATIONS, opened)


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def forged(path: Path, lines: Iterable[Mapping[str, Any]]) -> None:
    """A file of `lines` with the digest that belongs to them."""
    body = b"".join(json.dumps(line, separators=(",", ":")).encode() + b"\n" for line in lines)
    end = {"type": "end", "digest": hashlib.sha256(body).hexdigest()}
    path.write_bytes(body + json.dumps(end, separators=(",", ":")).encode() + b"\n")


# --- random worlds -------------------------------------------------------------------------------

SECRETS = {"s1": "s1", "s2": "s2"}
"""The environment in which the secrets of `cases` are read."""


@dataclass(frozen=True)
class Case:
    """A world in which something was applied, and what Git wants of it now."""

    project: Project
    wanted: Desired
    options: Mapping[str, bool]

    def planned(self) -> Made:
        return asyncio.run(planned(self.project, self.wanted, **self.options))


@st.composite
def cases(draw: st.DrawFn) -> Case:
    vendor = LivePackage(VENDOR, VENDOR_NAME)
    server = MemoryServer(packages=[vendor], batch=draw(st.sampled_from((1, 2, 100))))
    project = Project(server)
    before = draw(projects())
    if draw(st.integers(0, 3)):
        project.apply(project.make_plan(_readable(before)))
    for number, live in enumerate(draw(st.permutations(sorted(server.by_id)))):
        match number, draw(st.integers(0, 9)):
            case 0, 0:
                del server.by_id[live]
            case 0, 1:
                project.state = replace(project.state, campaigns={})
            case _, 2:
                server.by_id[live].distribution = DistributionList("dl-1", 60)
            case _, 3:
                server.by_id[live].gateways.add("g-stranger")
    options = {name: draw(st.booleans()) for name in ("adopt", "prune", "resume", "reassert")}
    return Case(project, _readable(draw(projects(before))), options)


def _readable(wanted: Desired) -> Desired:
    """`wanted` with secrets that can be read again: each from a variable that is called as its value."""

    def origin(value: SettingValue) -> SettingValue:
        if not isinstance(value, Secret):
            return value
        name = value.reveal()
        return Secret(f"environment variable {name}", name, FromEnv(name))

    def readable(campaign: DesiredCampaign) -> DesiredCampaign:
        if campaign.settings is None:
            return campaign
        return replace(campaign, settings={key: origin(value) for key, value in campaign.settings.items()})

    return replace(wanted, campaigns=tuple(map(readable, wanted.campaigns)))
