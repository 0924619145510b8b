"""Providers as the contract suite works on them: each opened on an empty server, by its name.

A new kind of server joins by a line in `BENCHES`.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, fields
from functools import partial
from pathlib import Path
from typing import Any

from reconciler.embedded import Running
from reconciler.embedded.dialects import PRESETS
from reconciler.model import (
    CampaignFields,
    Kind,
    PackageFile,
    Reason,
    ResourceId,
    Secret,
    Step,
    StepGroup,
    UploadMode,
    Verb,
)
from reconciler.providers.base import Bindings, Facts, Result
from reconciler.providers.hawkbit import kind
from reconciler.providers.hawkbit.facts import facts_of as hawkbit_facts
from reconciler.providers.opening import facts_of, opened
from reconciler.settings import Basic, EditWhileStarted, ServerSettings
from tests.actions import CLASSES, action
from tests.hawkbit_standin import Standin, running
from tests.memory_provider import FACTS, IMMUTABLE, IMMUTABLE_LATE, MemoryServer

LINE = ResourceId(Kind.CAMPAIGN, "line")
_numbers = itertools.count()


@dataclass
class Bench:
    """A provider on a server of its own, and what the suite made there."""

    provider: Any
    folder: Path
    gateways: tuple[str, ...] = field(default_factory=lambda: tuple(f"gw-{n:02}" for n in range(23)))

    @property
    def facts(self) -> Facts:
        facts: Facts = self.provider.facts
        return facts

    def knows(self, verb: Verb) -> bool:
        return any(verb in rank for rank in self.facts.order)

    def step(self, verb: Verb, resource: ResourceId = LINE, **values: Any) -> Step:
        """The one step that does `verb`."""
        made = acting(verb, resource, **values)
        lowered = self.facts.lower(made)
        return Step(StepGroup(f"{verb}:{resource.name}", made, lowered.operation, lowered.per_call), 0)

    async def do(self, verb: Verb, resource: ResourceId = LINE, **values: Any) -> Result:
        """Do `verb`, in as many steps as it takes; the last result."""
        first = self.step(verb, resource, **values)
        result = Result()
        for index in range(len(first.group)):
            result = await self.provider.writes.run(Step(first.group, index), Bindings())
        return result

    def file(self, content: bytes | None = None, name: str = "fw.bin") -> PackageFile:
        """A file on disk, unlike any other."""
        data = b"f%d" % next(_numbers) if content is None else content
        digest = hashlib.sha256(data).hexdigest()
        path = self.folder / digest[:12]
        path.write_bytes(data)
        resource = ResourceId(Kind.PACKAGE_SET, "firmware")
        modes = [mode for mode in UploadMode if len(data) <= self.facts.limits.upload.get(mode, len(data))]
        return PackageFile(digest, path, name, len(data), resource, "", modes[0])

    async def upload(self, file: PackageFile) -> str:
        made = await self.do(Verb.UPLOAD, file.resource, file=file)
        assert made.created
        return made.created

    async def fields(self, name: str, **values: Any) -> CampaignFields:
        """What a campaign is made with; at least that without which the server makes none."""
        return CampaignFields(name, **values)

    async def create(self, name: str, **values: Any) -> str:
        made = await self.do(Verb.CREATE, fields=await self.fields(name, **values))
        assert made.created
        return made.created


def acting(verb: Verb, resource: ResourceId = LINE, **values: Any) -> Any:
    """An action of `verb` with those of the values that belong to it."""
    names = {each.name for each in fields(CLASSES[verb])}
    return action(verb, resource, Reason.ASKED, **{n: v for n, v in values.items() if n in names})


Opening = Callable[[Path], AbstractAsyncContextManager[Bench]]


@asynccontextmanager
async def _pulse(folder: Path, *, dialect: str) -> AsyncIterator[Bench]:
    """Over TCP, on the embedded server."""
    with Running() as server:
        if dialect != "reference":
            server.app.state.context.speech.dialect = PRESETS[dialect]
        settings = ServerSettings(url=server.url, batch_size=10, page_size=10)
        async with opened(settings) as provider:
            yield Bench(provider, folder)


@asynccontextmanager
async def _memory(folder: Path) -> AsyncIterator[Bench]:
    yield Bench(MemoryServer(facts=FACTS, refuses=True), folder)


@asynccontextmanager
async def _immutable(folder: Path, *, facts: Facts, busy: int = 0) -> AsyncIterator[Bench]:
    yield Bench(MemoryServer(facts=facts, refuses=True, busy=busy), folder)


class HawkbitBench(Bench):
    """On the stand-in, whose rollouts need packages, and whose targets have to be there first."""

    standin: Standin

    async def fields(self, name: str, **values: Any) -> CampaignFields:
        held = sorted(self.standin.world.modules)
        if not values.get("packages"):
            values["packages"] = (str(held[0]) if held else await self.upload(self.file()),)
        return CampaignFields(name, **{**values, "settings": None})

    async def do(self, verb: Verb, resource: ResourceId = LINE, **values: Any) -> Result:
        result = await super().do(verb, resource, **values)
        self.standin.settle()
        return result


@asynccontextmanager
async def _hawkbit(folder: Path) -> AsyncIterator[Bench]:
    """Over TCP, on the stand-in."""
    with running() as server:
        server.add_targets(f"gw-{n:02}" for n in range(23))
        auth = Basic("admin", Secret("the tests", "admin"))
        settings = ServerSettings(url=server.url, provider="hawkbit", batch_size=10, page_size=10, auth=auth)
        async with kind.connect(settings) as provider:
            bench = HawkbitBench(provider, folder)
            bench.standin = server
            yield bench


BENCHES: Mapping[str, Opening] = {
    "hawkbit": _hawkbit,
    **{f"pulse, {name}": partial(_pulse, dialect=name) for name in PRESETS},
    "memory": _memory,
    "immutable": partial(_immutable, facts=IMMUTABLE),
    "immutable, late": partial(_immutable, facts=IMMUTABLE_LATE),
}
"""Name → an empty server of that kind."""

ALL_FACTS: Mapping[str, Facts] = {
    "pulse": facts_of(ServerSettings()),
    "pulse that edits what runs": facts_of(ServerSettings(edit_while_started=EditWhileStarted.ALLOW)),
    "memory": FACTS,
    "immutable": IMMUTABLE,
    "immutable, late": IMMUTABLE_LATE,
    "hawkbit": hawkbit_facts(ServerSettings()),
}
