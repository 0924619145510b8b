"""What plan, apply and status share on the command line."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from typing import Any, TypeVar

import click

from reconciler.cli.flags import Flags, completing
from reconciler.cli.output import Output
from reconciler.cli.params import LabelSelector, Target
from reconciler.cli.signals import ended_by_signals
from reconciler.options import Options, Targets
from reconciler.settings import Engine

_C = TypeVar("_C", bound=Callable[..., Any])
_T = TypeVar("_T")

paths = click.argument("paths", nargs=-1, metavar="[PATH]...", shell_complete=completing("files"))
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
    click.option(
        "--target",
        "resources",
        multiple=True,
        type=Target(),
        shell_complete=completing("campaigns"),
        help="Only this campaign, as Campaign/NAME; may be given several times.",
    ),
    click.option(
        "--selector",
        "selectors",
        multiple=True,
        type=LabelSelector(),
        help="Only campaigns with this label, as KEY=VALUE, KEY!=VALUE or KEY; all that are given must hold.",
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
    targets = Targets(given.pop("resources"), given.pop("selectors"))
    return Options(refresh_recorded=given.pop("refresh") == "recorded", targets=targets, **given)


def run(flags: Flags, main: Coroutine[Any, Any, _T], *, engine: Engine = Engine.HTTPX) -> _T:
    """Run `main`; with ``--verbose`` the log goes to stderr.

    The engine aiohttp runs on uvloop where that is installed, in half the time.
    """
    loops: Callable[[], asyncio.AbstractEventLoop] | None = None
    if engine is Engine.AIOHTTP:
        with suppress(ImportError):
            from uvloop import new_event_loop as loops
    with _logging() if flags.verbose else nullcontext(), asyncio.Runner(loop_factory=loops) as runner:
        return runner.run(ended_by_signals(main))


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
