"""`package`: packages by hand."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.cli.answer import answer, auto_approve, family, lock_timeout, output
from reconciler.cli.flags import Flags, completing, global_flags
from reconciler.errors import Exit

if TYPE_CHECKING:
    from reconciler.cli.serversession import ServerSession
    from reconciler.report.answers import Answer

command = family("package", "List, show, upload and delete packages by hand.")
_package = click.argument("package", metavar="PACKAGE")


@command.command("list")
@click.option("--name", metavar="NAME", help="Only packages of exactly this name.")
@output
@global_flags
@click.pass_obj
def list_(flags: Flags, name: str | None, output: str) -> Exit:
    """List the packages on the server."""

    async def main(session: ServerSession) -> Answer:
        from reconciler.report.answers import package_list

        return package_list(await session.console.package_infos(None if name is None else [name]))

    return answer(flags, output, main)


@command.command()
@_package
@output
@global_flags
@click.pass_obj
def info(flags: Flags, package: str, output: str) -> Exit:
    """Show a package. PACKAGE is its id or its name."""

    async def main(session: ServerSession) -> Answer:
        from reconciler.report import answers

        return answers.package(await session.package(package))

    return answer(flags, output, main)


@command.command()
@click.argument("file", metavar="FILE", shell_complete=completing("files"))
@click.option("--name", metavar="NAME", help="Its name on the server.  [default: that of the file]")
@click.option(
    "--description", metavar="TEXT", default="", help="What it is; the mark of its content follows."
)
@click.option(
    "--upload",
    type=click.Choice(["auto", "multipart", "streaming"]),
    default="auto",
    show_default=True,
    help="How it travels; auto: multipart up to 1 GB.",
)
@lock_timeout
@output
@global_flags
@click.pass_obj
def upload(
    flags: Flags,
    *,
    file: str,
    name: str | None,
    description: str,
    upload: str,
    lock_timeout: float,
    output: str,
) -> Exit:
    """Upload a file as a new package.

    Its description ends in the mark of its content, as that of a package that apply uploads.
    """

    async def main(session: ServerSession) -> Answer:
        import asyncio

        from reconciler.cli.files import upload_action
        from reconciler.report.answers import done

        action = await asyncio.to_thread(upload_action, Path(file), name, description, upload)
        outcome = await session.act(action)
        about = {"package": outcome.created or "", "name": action.file.name, "sha256": action.file.sha256}
        operation = session.provider.lower(action).operation.name
        sentence = f"{action.file.name} is package {outcome.created} ({action.file.size:,} bytes)"
        return done(operation, about, outcome, sentence)

    return answer(flags, output, main, lock_timeout=lock_timeout)


@command.command()
@_package
@auto_approve
@lock_timeout
@output
@global_flags
@click.pass_obj
def delete(flags: Flags, package: str, auto_approve: bool, lock_timeout: float, output: str) -> Exit:
    """Delete a package. PACKAGE is its id or its name.

    A server refuses to delete what a campaign still uses.
    """

    async def main(session: ServerSession) -> Answer:
        from reconciler.model import DeletePackage, Kind, OutcomeStatus, Reason, ResourceId
        from reconciler.report.answers import declined, done

        found = (await session.package(package)).package
        about = {"package": found.id, "name": found.name}
        if not session.sure(f"Delete package {found.name!r} ({found.id})"):
            return declined("delete-package", about)
        resource = ResourceId(Kind.PACKAGE_SET, found.name or found.id)
        outcome = await session.act(DeletePackage(resource, Reason.ASKED, found.id))
        already = " already" if outcome.status is OutcomeStatus.NOT_NEEDED else ""
        return done(
            "delete-package", about, outcome, f"package {found.name!r} ({found.id}) is deleted{already}"
        )

    return answer(flags, output, main, approved=auto_approve, lock_timeout=lock_timeout)
