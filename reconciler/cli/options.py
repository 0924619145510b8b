"""What plan, apply and status share on the command line."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any, TypeVar

import click

from reconciler.cli.flags import Flags
from reconciler.cli.output import Output
from reconciler.options import Options

_C = TypeVar("_C", bound=Callable[..., Any])
_T = TypeVar("_T")

paths = click.argument("paths", nargs=-1, metavar="[PATH]...")
output = click.option(
    "--output",
    type=click.Choice([it.value for it in Output]),
    default=Output.TEXT.value,
    show_default=True,
    help="The form of the result.",
)

_SWITCHES = (
    click.option("--prune", is_flag=True, help="Also delete what is ours and no longer declared."),
    click.option("--adopt", is_flag=True, help="Take live campaigns of declared names as ours."),
    click.option("--resume", is_flag=True, help="Start campaigns again that somebody else stopped."),
    click.option("--reassert", is_flag=True, help="Send again what can't be read, and what is in doubt."),
    click.option(
        "--refresh",
        type=click.Choice(["full", "recorded"]),
        default="full",
        show_default=True,
        help="Read package overrides from the server, or trust what the state recorded.",
    ),
)


def plan_switches(command: _C) -> _C:
    """The switches that change what a plan may contain."""
    for switch in reversed(_SWITCHES):
        command = switch(command)
    return command


def chosen(switches: Mapping[str, Any]) -> Options:
    """The values of `plan_switches`, as a command got them."""
    given = dict(switches)
    return Options(refresh_recorded=given.pop("refresh") == "recorded", **given)


def run(flags: Flags, main: Coroutine[Any, Any, _T]) -> _T:
    """Run `main`; with ``--verbose`` the log goes to stderr."""
    with _logging() if flags.verbose else nullcontext():
        return asyncio.run(main)


@contextmanager
def _logging() -> Iterator[None]:
    import logging

    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logger = logging.getLogger("reconciler")
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)
