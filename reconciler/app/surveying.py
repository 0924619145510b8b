"""What reads a whole server, and says how far it is: `export` and `snapshot`. Nothing is changed there."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, TextIO

from reconciler.app.pipeline import check
from reconciler.app.workspace import Workspace, connected, state_of, store_of
from reconciler.errors import InvalidInput, unwritable
from reconciler.export import Exported, Wanted, export
from reconciler.export.tree import CAMPAIGNS
from reconciler.model import Desired
from reconciler.pool import ended
from reconciler.providers.base import Reads
from reconciler.settings import Project
from reconciler.snapshot import Header, Overrides, Taken, gateways_to_ask, take
from reconciler.text import plural
from reconciler.trust.folders import refuse_links

SECONDS: Final = 10.0
ON_A_TERMINAL: Final = 0.5

Told = Callable[[int, int], None]
"""Tell how many campaigns of how many are read."""


async def export_server(project: Project, wanted: Wanted, out: TextIO) -> Exported:
    """Write what the server has as resources; `out` is told how far it is."""
    refuse_links(wanted.folder / CAMPAIGNS, project.root, what="the export")
    async with connected(project) as provider, counting(provider.reads, out) as told:
        state = state_of(project, store_of(project))
        owners = {owned.id: resource for resource, owned in state.campaigns.items()}
        return await export(provider.reads, provider.facts, owners, wanted, told)


@dataclass(frozen=True, slots=True)
class TakingSnapshot:
    """A snapshot that is to be taken; ``desired`` is needed where its overrides are."""

    project: Project
    overrides: Overrides
    desired: Desired
    path: Path

    async def run(self, out: TextIO) -> Taken:
        """Take it; `out` is told how far it is. ReconcilerError when the file can't be written."""
        refuse_links(self.path, self.project.root, what="the snapshot")
        with written(self.path) as file:
            return await self._into(file, out)

    async def _into(self, file: BinaryIO, out: TextIO) -> Taken:
        project, store = self.project, store_of(self.project)
        async with connected(project) as provider, counting(provider.reads, out) as told:
            now = int(time.time() * 1000)
            header = Header(provider.server, now, self.overrides, project.name, project.environment)
            asked = gateways_to_ask(self.overrides, self.desired, state_of(project, store))
            return await take(
                provider.reads,
                provider.facts,
                header,
                file,
                load=lambda: state_of(project, store),
                overridden=asked,
                on_campaign=told,
            )


def snapshot_of(workspace: Workspace, overrides: Overrides, path: Path) -> TakingSnapshot:
    """What is to be taken; no secret of the resources is read. InvalidInput when something is wrong."""
    project, desired = workspace.settle(), Desired()
    if overrides is Overrides.DECLARED:
        checked = check(workspace, offline=True)
        if not checked.sound:
            raise InvalidInput(checked.findings)
        desired = checked.desired
    return TakingSnapshot(project, overrides, desired, path)


@contextmanager
def written(path: Path) -> Iterator[BinaryIO]:
    """A file that takes the place of `path` when the block ends well, and leaves nothing behind otherwise."""
    part = path.with_name(f".{path.name}.part")
    try:
        part.unlink(missing_ok=True)
        file = part.open("xb")
    except OSError as error:
        raise unwritable(path, error) from error
    try:
        with file:
            yield file
        part.replace(path)
    except OSError as error:
        raise unwritable(path, error) from error
    finally:
        part.unlink(missing_ok=True)


@asynccontextmanager
async def counting(reads: Reads, out: TextIO, *, seconds: float | None = None) -> AsyncIterator[Told]:
    """Says on `out` how far it is: on a terminal one line that is redrawn, elsewhere a line now and then."""
    terminal = out.isatty()
    done, total = 0, 0

    def told(read: int, of: int) -> None:
        nonlocal done, total
        done, total = read, of

    async def say() -> None:
        while True:
            await asyncio.sleep(seconds or (ON_A_TERMINAL if terminal else SECONDS))
            requests = plural(sum(reads.requests.values()), "request")
            line = f"{done:,} of {plural(total, 'campaign')} read, {requests} so far"
            out.write(f"\r\x1b[K{line}" if terminal else f"{line}\n")
            out.flush()

    saying = asyncio.create_task(say())
    try:
        yield told
    finally:
        await ended(saying)
        if terminal:
            out.write("\r\x1b[K")
            out.flush()
