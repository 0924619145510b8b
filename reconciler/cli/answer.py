"""How commands by hand run and answer: ``--output text|json``, errors in both forms.

Tests: `tests/cli/test_cli_campaign.py`.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING

import click

from reconciler.cli.flags import Flags, completing, global_flags
from reconciler.cli.running import Terminal, command_name, run, workspace
from reconciler.errors import Exit
from reconciler.model import Server

if TYPE_CHECKING:
    from reconciler.app.serversession import ServerSession
    from reconciler.app.statesession import StateSession
    from reconciler.report.command_answers import Answer

output = click.option(
    "--output",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="Output format.",
)
auto_approve = click.option("--auto-approve", "--yes", is_flag=True, help="Don't ask for confirmation.")
lock_timeout = click.option(
    "--lock-timeout",
    type=click.FloatRange(0),
    default=10.0,
    show_default=True,
    help="Seconds to wait while somebody else holds the lock.",
)
campaign = click.argument("campaign", metavar="CAMPAIGN", shell_complete=completing("campaigns"))
gateway = click.argument("gateway", metavar="GATEWAY")


def answer(
    flags: Flags,
    form: str,
    main: Callable[[ServerSession], Awaitable[Answer]],
    *,
    approved: bool = False,
    lock_timeout: float = 0.0,
) -> Exit:
    """Run `main` at the project's server, and write the answer that it gives."""
    from reconciler.app.serversession import ServerSession
    from reconciler.app.workspace import connected
    from reconciler.cli.output import failing

    async def at_server() -> tuple[Server, Answer]:
        project = workspace(flags).settle()
        async with connected(project) as provider:
            session = ServerSession(project, provider, Terminal(), approved, command_name(), lock_timeout)
            return provider.server, await main(session)

    with failing(form):
        return present(flags, form, *run(flags, at_server()))


def from_state(
    flags: Flags,
    form: str,
    main: Callable[[StateSession], Answer],
    *,
    approved: bool = False,
    lock_timeout: float = 0.0,
) -> Exit:
    """Run `main` at the project's state, and write the answer that it gives."""
    from reconciler.app.statesession import StateSession
    from reconciler.app.workspace import store_of
    from reconciler.cli.output import failing

    async def at_state() -> tuple[Server, Answer]:
        project = workspace(flags).settle(access=False)
        store = store_of(project)
        session = StateSession(project, store, command_name(), Terminal(), approved, lock_timeout)
        return session.server, main(session)

    with failing(form):
        return present(flags, form, *run(flags, at_state()))


def present(flags: Flags, form: str, server: Server, answer: Answer) -> Exit:
    """Write `answer` to stdout."""
    from reconciler.cli.output import paint_for, write, write_lines

    if form == "json":
        write(answer.document(server))
    else:
        write_lines(answer.text(server, paint_for(sys.stdout, flags)))
    return Exit.DONE


class Family(click.Group):
    """A group of commands of one noun; a word that is none of them is met with the nearest."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in self.commands and not args[0].startswith("-"):
            raise no_such_command(f"{ctx.info_name} {args[0]}", args[0], self.commands, ctx)
        return super().resolve_command(ctx, args)


def no_such_command(
    said: str, name: str, commands: Mapping[str, object], context: click.Context
) -> click.UsageError:
    """What to say about a word that is no command."""
    from difflib import get_close_matches

    near = get_close_matches(name, commands, 1)
    meant = f" Did you mean {near[0]!r}?" if near else f" There are: {', '.join(commands)}."
    return click.UsageError(f"There is no command {said!r}.{meant}", context)


def family(name: str, summary: str) -> Family:
    """An empty group that takes the global flags; without a command it shows its help."""

    @click.group(name, cls=Family, help=summary, invoke_without_command=True)
    @global_flags
    @click.pass_context
    def group(context: click.Context) -> None:
        if context.invoked_subcommand is None:
            click.echo(context.get_help(), err=True)
            context.exit(Exit.USAGE)

    assert isinstance(group, Family)
    return group
