"""The group of commands. A command's module is imported when it is run, so that `--help` stays quick.

Tests: `tests/cli/test_cli_entry.py`.
"""

from __future__ import annotations

from importlib import import_module
from keyword import iskeyword
from typing import TYPE_CHECKING, Final

import click

import reconciler
from reconciler.cli.flags import global_flags
from reconciler.errors import Exit

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

PURPOSES: Final = {
    "Begin": {
        "init": "Create a small project to begin with.",
        "trust": "Manage which hosts get secrets, and what may be run and read.",
        "doctor": "Check the set-up: project, server, sign-in, permissions, state.",
        "completion": "Print a completion script for your shell.",
    },
    "Check and plan": {
        "validate": "Check resources without calling a server.",
        "plan": "Show what apply would do.",
        "rehearse": "Simulate whole rollouts before they begin.",
        "calendar": "Show when calendars are open.",
        "snapshot": "Save what a plan needs, so that planning needs no credentials.",
    },
    "Apply and watch": {
        "apply": "Bring the server in line with the resources.",
        "run": "Plan and apply in a loop until stopped.",
        "status": "Show how the declared campaigns are doing on the server.",
        "rollout": "Show rollouts in waves; pause, resume or abort them.",
    },
    "Take in what is on the server": {
        "export": "Write what is on the server as resources, ready for Git.",
        "import": "Link a resource to an object that is already on the server.",
    },
    "Do it by hand": {
        "campaign": "List, show, approve, start and stop campaigns by hand.",
        "gateway": "Inspect, notify and close single gateways of a campaign.",
        "package": "List, show, upload and delete packages by hand.",
    },
    "State and log": {
        "state": "Inspect the recorded state, and repair it by hand.",
        "audit": "Show who did what, and verify that nobody changed the log.",
    },
    "Look something up": {
        "explain": "Explain a kind or a field, or find the file that set a value.",
        "schema": "Print the JSON Schema of a kind.",
    },
    "Rehearse on a server of your own": {
        "serve": "Run a campaign server of your own, to try things on.",
    },
}
"""Purpose → its commands, each with the first line of its help."""
COMMANDS: Final = {name: text for commands in PURPOSES.values() for name, text in commands.items()}
"""Name → the first line of its help. The module `reconciler.cli.NAME` (`import_`) holds it as `command`."""
EXAMPLES: Final = {
    "init": "reconciler init line-3 --ci github",
    "trust": "reconciler trust add env:PULSE_TOKEN https://pulse.example.com",
    "doctor": "reconciler doctor -e staging",
    "completion": "reconciler completion bash",
    "validate": "reconciler validate --output github",
    "plan": "reconciler plan -e staging --detailed-exitcode",
    "rehearse": "reconciler rehearse line-3 --failure-rate 0.02",
    "calendar": "reconciler calendar show nights --days 30",
    "snapshot": "reconciler snapshot --out snapshot.jsonl",
    "apply": "reconciler apply --plan reviewed.plan",
    "run": "reconciler run --interval 5m --rollouts-only",
    "status": "reconciler status --watch",
    "rollout": "reconciler rollout show line-3 --failed",
    "export": "reconciler export --out resources",
    "import": "reconciler import Campaign/line-3 4711",
    "campaign": "reconciler campaign stop Campaign/line-3",
    "gateway": "reconciler gateway status Campaign/line-3 gw-0301",
    "package": "reconciler package list",
    "state": "reconciler state show Campaign/line-3",
    "audit": "reconciler audit show",
    "explain": "reconciler explain --from line-3.desiredStatus",
    "schema": "reconciler schema Campaign",
    "serve": "reconciler serve --simulate 600",
}
"""What its help shows of each command."""


class LazyGroup(click.Group):
    """Knows its commands by `COMMANDS`, and loads the one that is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in COMMANDS:
            return None
        module = f"{cmd_name}_" if iskeyword(cmd_name) else cmd_name
        command: click.Command = import_module(f"reconciler.cli.{module}").command
        command.epilog = f"\b\nExample:\n  {EXAMPLES[cmd_name]}"
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Commands by their names: none has to be loaded for that."""
        from click.shell_completion import CompletionItem

        names = ((name, text) for name, text in COMMANDS.items() if name.startswith(incomplete))
        flags = click.Command.shell_complete(self, ctx, incomplete)
        return [*(CompletionItem(name, help=text) for name, text in names), *flags]

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in COMMANDS and not name.startswith("-"):
            from reconciler.cli.answer import no_such_command

            raise no_such_command(name, name, COMMANDS, ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        width = max(map(len, COMMANDS))
        for purpose, commands in PURPOSES.items():
            with formatter.section(purpose):
                # All sections share the width of the first column.
                formatter.write_dl([(name.ljust(width), text) for name, text in commands.items()])
                formatter.write_text(f"Example: {EXAMPLES[next(iter(commands))]}")


@click.group(
    cls=LazyGroup, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.version_option(reconciler.__version__, prog_name="reconciler", message="%(prog)s %(version)s")
@global_flags
@click.pass_context
def cli(context: click.Context) -> None:
    """Over-the-air update campaigns, kept in Git.

    Results go to stdout, progress and log to stderr. Exit codes: 0 done or nothing to do, 1 error,
    2 there are steps (plan --detailed-exitcode), 3 some steps failed, 4 the plan file can't be applied,
    5 a guard refused, 6 a live object isn't ours, 7 a rollout stands aborted, 64 the command line is wrong.
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help(), err=True)
        context.exit(Exit.USAGE)
