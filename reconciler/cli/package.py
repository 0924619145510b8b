"""`package`: packages by hand.

Tests: `tests/cli/test_cli_operations.py`.
"""

from __future__ import annotations

from pathlib import Path

import click

from reconciler.cli.answer import answer, auto_approve, family, lock_timeout, output
from reconciler.cli.flags import Flags, completing, global_flags
from reconciler.errors import Exit

command = family("package", "List, show, upload and delete packages by hand.")
_package = click.argument("package", metavar="PACKAGE")


@command.command("list")
@click.option("--name", metavar="NAME", help="Only packages of exactly this name.")
@output
@global_flags
@click.pass_obj
def list_(flags: Flags, name: str | None, output: str) -> Exit:
    """List the packages on the server."""
    from reconciler.app import byhand

    return answer(flags, output, lambda session: byhand.list_packages(session, name))


@command.command()
@_package
@output
@global_flags
@click.pass_obj
def info(flags: Flags, package: str, output: str) -> Exit:
    """Show a package. PACKAGE is its id or its name."""
    from reconciler.app import byhand

    return answer(flags, output, lambda session: byhand.show_package(session, package))


@command.command()
@click.argument("file", metavar="FILE", shell_complete=completing("files"))
@click.option("--name", metavar="NAME", help="Its name on the server.  [default: that of the file]")
@click.option(
    "--description", metavar="TEXT", default="", help="A description; the mark of its content is added."
)
@click.option(
    "--upload",
    type=click.Choice(["auto", "multipart", "streaming"]),
    default="auto",
    show_default=True,
    help="How to send it; auto: multipart up to 1 GB.",
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

    The mark of its content is added to the description, as `apply` does.
    """
    from reconciler.app import byhand

    return answer(
        flags,
        output,
        lambda session: byhand.upload_package(session, Path(file), name, description, upload),
        lock_timeout=lock_timeout,
    )


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
    from reconciler.app import byhand

    return answer(
        flags,
        output,
        lambda session: byhand.delete_package(session, package),
        approved=auto_approve,
        lock_timeout=lock_timeout,
    )
