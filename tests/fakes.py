"""A project on a server in memory: for tests of the stages between YAML and HTTP.

    project = Project(MemoryServer(MemoryCampaign("1", "line", "STARTED")))
    project.own("line", "1")
    assert project.plan(desired(campaign("line", description="new"))) == [
        "stop-campaign:line", "edit-campaign:line", "start-campaign:line",
    ]

The server (see `tests/memory_provider.py`) logs every read, and fails a test that sends what it forbids.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from reconciler.app.pipeline import Planned, draft
from reconciler.apply import Applied, apply_plan
from reconciler.diff import Ask, Diff, diff
from reconciler.lookout import Lookout
from reconciler.model import (
    Desired,
    DesiredCampaign,
    Kind,
    Live,
    LivePackage,
    PackageFile,
    PackageRef,
    Place,
    ResourceId,
    Wave,
    used_packages,
)
from reconciler.model.waves import Waves
from reconciler.observe import observe
from reconciler.options import Options
from reconciler.pacing import Settling
from reconciler.plan import Plan
from reconciler.providers.pulse.facts import facts_of
from reconciler.settings import ServerSettings
from reconciler.state.base import Event, Intent, Origin, Owned, State, Uploaded, upload_key
from reconciler.state.folding import fold
from tests.memory_provider import SERVER, MemoryServer

NOW = 1_800_000_000_000
AT_ONCE = Lookout(Settling(0))
"""What isn't found isn't looked for again."""
PULSE = facts_of(ServerSettings())


class Ticking:
    """A clock that moves when somebody sleeps, so that nobody has to wait."""

    def __init__(self, seconds: float = 30.0) -> None:
        self.now = 0.0
        self.slept: list[float] = []
        self.settling = Settling(seconds, lambda: self.now, self.sleep)

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.slept.append(seconds)
        await asyncio.sleep(0)


@dataclass
class MemorySession:
    """A `Session` that keeps the state in memory."""

    state: State

    def record(self, *events: Event, sync: bool = True) -> None:
        self.state = fold(self.state, events)


@dataclass
class Project:
    """A server and a state, and the stages between them."""

    server: MemoryServer = field(default_factory=MemoryServer)
    state: State = field(default_factory=lambda: State("lineage", "5a17", server=SERVER))

    def own(self, name: str, campaign_id: str, origin: Origin = Origin.CREATED, **more: Any) -> Owned:
        """The state knows ``Campaign/name``."""
        owned = Owned(rid(name), campaign_id, origin, **more)
        self.state = replace(self.state, campaigns={**self.state.campaigns, owned.resource: owned})
        return owned

    def uploaded(self, file: PackageFile, package_id: str) -> Uploaded:
        """The state knows `file` as that package."""
        upload = Uploaded(file.sha256, package_id, file.name, file.resource)
        self.state = replace(self.state, packages={**self.state.packages, file.sha256: upload})
        return upload

    def intends(self, key: str | PackageFile, name: str, **applied: Any) -> None:
        """A create (by the name of its resource) or an upload was about to be sent."""
        text = str(rid(key)) if isinstance(key, str) else upload_key(key.sha256)
        intents = {**self.state.intents, text: Intent(text, name, applied)}
        self.state = replace(self.state, intents=intents)

    def live(self, wanted: Desired, **options: bool) -> Live:
        self.server.log.clear()
        return asyncio.run(observe(wanted, self.state, self.server, Options(**options), AT_ONCE))

    def reads(self, wanted: Desired, **options: bool) -> list[str]:
        """The reads that observing `wanted` takes, in order."""
        self.live(wanted, **options)
        return self.server.log

    def diff(self, wanted: Desired, **options: bool) -> Diff:
        ask = Ask(Options(**options), NOW, self.server.facts)
        return diff(wanted, self.live(wanted, **options), self.state, ask)

    def draft(self, wanted: Desired, **options: bool) -> Planned:
        """A plan for `wanted`, and what it was made from; no guard is asked."""
        self.server.log.clear()
        return asyncio.run(
            draft(wanted, self.state, self.server, Options(**options), now=NOW, lookout=AT_ONCE)
        )

    def make_plan(self, wanted: Desired, **options: bool) -> Plan:
        return self.draft(wanted, **options).plan

    def plan(self, wanted: Desired, **options: bool) -> list[str]:
        """The ids of the steps of a plan for `wanted`, in order."""
        return [step.id for step in self.make_plan(wanted, **options).steps()]

    def apply(self, plan: Plan) -> Applied:
        """Run `plan` one step at a time, and let the state learn of it."""
        session = MemorySession(self.state)
        applied = asyncio.run(
            apply_plan(
                plan, self.server, session, delay=lambda *_: None, parallelism=1, settling=AT_ONCE.settling
            )
        )
        self.state = session.state
        return applied


def rid(name: str, kind: Kind = Kind.CAMPAIGN) -> ResourceId:
    return ResourceId(kind, name)


def campaign(resource: str = "line", name: str | None = None, **fields: Any) -> DesiredCampaign:
    """``Campaign/resource``, called `name` on the server."""
    for key in ("gateways", "closed"):
        if fields.get(key) is not None:
            fields[key] = frozenset(fields[key])
    return DesiredCampaign(rid(resource), name or resource, Place("line.yaml", 1, 1), **fields)


def in_waves(*waves: frozenset[str]) -> Waves:
    """Waves with these gateways."""
    return Waves(frozenset().union(*waves), [Wave("", candidates=each) for each in waves], "")


def desired(
    *campaigns: DesiredCampaign, packages: Iterable[PackageRef] = (), complete: bool = True
) -> Desired:
    """What Git wants; packages that campaigns use are declared, too."""
    declared = tuple(dict.fromkeys((*packages, *used_packages(campaigns))))
    return Desired(tuple(sorted(campaigns, key=lambda c: c.resource)), declared, complete)


def file(content: str, name: str = "fw.bin", **more: Any) -> PackageFile:
    digest = sha256(content.encode()).hexdigest()
    resource = rid("firmware", Kind.PACKAGE_SET)
    place = Place("packages.yaml", 7, 9)
    return PackageFile(digest, Path(name), name, len(content), resource, place=place, **more)


def holds(package_id: str, name: str, content: PackageFile, description: str = "") -> LivePackage:
    """A package on the server whose description says what it holds."""
    return LivePackage(package_id, name, f"{description} [sha256:{content.sha256[:16]}]")
