"""The flags that every command takes, before its name and after it.

Tests: `tests/cli/test_cli_entry.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import click

_C = TypeVar("_C", bound=Callable[..., Any])


@dataclass(slots=True)
class Flags:
    """What the global flags said; None: not given. Filled while the command line is read."""

    project: str | None = None
    environment: str | None = None
    url: str | None = None
    state: str | None = None
    verbose: bool = False
    no_color: bool = False
    command: str = ""
    """What runs: ``campaign stop``."""


def _keep(context: click.Context, parameter: click.Parameter, value: object) -> None:
    flags = context.find_object(Flags)
    if flags is not None:
        flags.command = context.command_path.partition(" ")[2]
    if value not in (None, False) and flags is not None and parameter.name is not None:
        setattr(flags, parameter.name, value)


def _option(*names: str, **settings: Any) -> Callable[[_C], _C]:
    return click.option(*names, callback=_keep, expose_value=False, **settings)


def completing(words: str) -> Callable[[click.Context, click.Parameter, str], Any]:
    """A `shell_complete`: the function `words` of `cli.complete`, which is loaded when a shell asks."""

    def complete(context: click.Context, parameter: click.Parameter, incomplete: str) -> Any:
        from reconciler.cli import complete

        return getattr(complete, words)(context, parameter, incomplete)

    return complete


_OPTIONS = (
    _option(
        "--project",
        metavar="FILE",
        shell_complete=completing("resource_files"),
        help="The project file.  [default: reconciler.yaml or .yml, here or above]",
    ),
    _option(
        "--environment",
        "-e",
        metavar="NAME",
        shell_complete=completing("environments"),
        help="The environment of the project file.",
    ),
    _option("--url", metavar="URL", help="The server; `embedded:` runs one in this process."),
    _option("--state", metavar="URL", help="Where the state is kept."),
    _option("--verbose", "-v", is_flag=True, help="Log each action to stderr."),
    _option("--no-color", is_flag=True, help="No colour."),
)


def global_flags(command: _C) -> _C:
    """Give a command or a group the global flags; they end up in the run's `Flags`, the last one wins."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command
