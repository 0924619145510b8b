"""`snapshot`: what plans need, saved to plan without credentials. Takes no lock, and writes one file."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import click

from reconciler.cli import options as shared
from reconciler.cli.flags import Flags, completing, global_flags
from reconciler.cli.output import write_lines
from reconciler.errors import Exit, InvalidInput, ReconcilerError
from reconciler.model import Desired
from reconciler.settings import Project


@click.command("snapshot")
@shared.paths
@click.option(
    "--out", required=True, metavar="FILE", shell_complete=completing("files"), help="The file to write."
)
@click.option(
    "--overrides",
    type=click.Choice(["declared", "all", "none"]),
    default="declared",
    show_default=True,
    help="Whose packages to read, a call for each gateway: those that the resources give an override or that"
    " had one, all open ones, or none.",
)
@global_flags
@click.pass_obj
def command(flags: Flags, paths: tuple[str, ...], out: str, overrides: str) -> Exit:
    """Save what plans need, to plan without credentials.

    `plan --snapshot FILE` plans on it without network, credentials and secrets, as in a pull request from a
    fork. Neither settings of the server nor secrets, nor digests of those, are in it.
    """
    from reconciler.app.pipeline import settle

    environ, cwd = dict(os.environ), Path.cwd()
    project = settle(flags, environ, cwd=cwd)
    desired = _declared(flags, paths, environ, cwd) if overrides == "declared" else Desired()
    with written(Path(out)) as file:
        taking = _snapshot(project, desired, overrides, file, Path(out))
        lines = shared.run(flags, taking, engine=project.server.engine)
    write_lines(lines)
    return Exit.DONE


def _declared(flags: Flags, paths: tuple[str, ...], environ: dict[str, str], cwd: Path) -> Desired:
    """What the resources ask for; no secret is read for that."""
    from reconciler.app.pipeline import check

    checked = check(flags, paths, environ, cwd=cwd, offline=True)
    if any(finding.is_error for finding in checked.findings):
        raise InvalidInput(checked.findings)
    return checked.desired


async def _snapshot(
    project: Project, desired: Desired, overrides: str, file: BinaryIO, path: Path
) -> list[str]:
    """Take it; what to say of it."""
    from reconciler.app.pipeline import connected
    from reconciler.app.surveying import counting
    from reconciler.report.surveys import taken_lines
    from reconciler.snapshot import Header, Overrides, gateways_to_ask, take
    from reconciler.state.base import State, bound_to
    from reconciler.state.stores import open_store

    store = open_store(project.state_url, root=project.root)
    async with connected(project) as provider, counting(provider) as told:

        def load() -> State:
            return bound_to(store.load(), provider.server, url=store.url)

        now = int(time.time() * 1000)
        header = Header(provider.server, now, overrides, project.name, project.environment)
        asked = gateways_to_ask(Overrides(overrides), desired, load())
        taken = await take(provider, header, file, load=load, overridden=asked, on_campaign=told)
    return list(taken_lines(taken, provider.server, path))


@contextmanager
def written(path: Path) -> Iterator[BinaryIO]:
    """A file that takes the place of `path` when the block ends well, and leaves nothing behind otherwise."""
    part = path.with_name(f".{path.name}.part")
    try:
        file = part.open("wb")
    except OSError as error:
        raise ReconcilerError(f"{path} can't be written: {error.strerror or error}") from error
    try:
        with file:
            yield file
        part.replace(path)
    except OSError as error:
        raise ReconcilerError(f"{path} can't be written: {error.strerror or error}") from error
    finally:
        part.unlink(missing_ok=True)
