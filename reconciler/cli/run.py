"""`run`: the look of `apply` in a loop, with figures over HTTP."""

from __future__ import annotations

import gc
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from reconciler.cli.flags import Flags, global_flags
from reconciler.cli.output import say, write_lines
from reconciler.cli.running import Terminal, run, stopping, workspace
from reconciler.errors import Exit, ReconcilerError

if TYPE_CHECKING:
    import asyncio

    from reconciler.app.caller import Question
    from reconciler.controller.looks import LookEnd

    Times = click.ParamType[float]
else:
    Times = click.ParamType

_UNITS = {"s": 1, "m": 60, "h": 3600}
_COLLECT = (700, 10, 10)
"""When the collector looks through young, middle and old objects: a process of weeks keeps little garbage."""


class Seconds(Times):
    """``90s``, ``5m``, ``2h``."""

    name = "TIME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        found = re.fullmatch(r"([1-9][0-9]{0,5})([smh])", str(value))
        if found is None:
            self.fail(f"{value!r} isn't a time; write it as 60s, 5m or 1h", param, ctx)
        return float(int(found[1]) * _UNITS[found[2]])


@click.command("run")
@click.option(
    "--interval", type=Seconds(), default="60s", show_default=True, help="Look at least this often."
)
@click.option(
    "--listen",
    metavar="HOST:PORT",
    default="127.0.0.1:9464",
    show_default=True,
    help="Where to serve the page, /metrics, /healthz, /readyz and /api/status.",
)
@click.option(
    "--allow-host",
    "hosts",
    metavar="NAME",
    multiple=True,
    help="A host name that requests may use, besides addresses and localhost. Repeatable.",
)
@click.option(
    "--rollouts-only",
    is_flag=True,
    help="Only pause, abort and open waves. Other differences are named and left alone.",
)
@click.option("--prune", is_flag=True, help="Also delete what this project made and no longer declares.")
@click.option("--pull", type=Seconds(), help="Fetch from Git this often, and check out --ref.")
@click.option(
    "--ref",
    metavar="REMOTE/BRANCH",
    default="origin/main",
    show_default=True,
    help="The branch that --pull follows.",
)
@click.option("--once", is_flag=True, help="Look once and exit as `apply` does; serve nothing.")
@global_flags
@click.pass_obj
def command(
    flags: Flags,
    /,
    *,
    interval: float,
    listen: str,
    hosts: tuple[str, ...],
    rollouts_only: bool,
    prune: bool,
    pull: float | None,
    ref: str,
    once: bool,
) -> Exit:
    """Plan and apply in a loop until stopped.

    Each look works like `apply --auto-approve`: it asks nobody, and a look that fails is repeated. Several
    controllers may run side by side; the lock of the state lets one of them look at a time.
    """
    from dataclasses import replace

    from reconciler.controller.running import Controller, RunAsked
    from reconciler.options import Options

    caller = Controlled()
    options = Options(rollouts_only=rollouts_only, prune=prune)
    asked = RunAsked(options, interval, listen, hosts, pull, ref)
    where = replace(workspace(flags), caller=caller)
    said = LooksSaid()
    controller = Controller(where, asked, caller, said, ended=lambda: caller.ended)
    if once:
        end = run(flags, controller.once())
        if end.error is not None:
            raise end.error
        return end.code
    gc.set_threshold(*_COLLECT)
    try:
        run(flags, controller.run(lambda url: write_lines([url])))
    except KeyboardInterrupt:
        if caller.applying:
            raise  # at once, in the middle of calls
    say("ended")
    return Exit.DONE


class Controlled(Terminal):
    """A `Caller` that nobody sits before; a signal that ends a look ends the loop."""

    def __init__(self) -> None:
        self.applying = False
        self._stop: asyncio.Event | None = None

    @property
    def ended(self) -> bool:
        """Whether a signal came while a plan was applied."""
        return self._stop is not None and self._stop.is_set()

    def ask(self, question: Question) -> bool:
        """See `Caller.ask`."""
        raise ReconcilerError(question.refusal, hint=question.hint)

    @contextmanager
    def stopping(self) -> Iterator[asyncio.Event]:
        """See `Caller.stopping`."""
        with stopping() as stop:
            self._stop, self.applying = stop, True
            try:
                yield stop
            except Exception:
                self.applying = False  # a look that failed; a second signal is no such error
                raise
            self.applying = False


class LooksSaid:
    """Says on stderr what looks found: a line for each that did something, and where that changes."""

    def __init__(self) -> None:
        self._last: tuple[str, str] | None = None

    def __call__(self, end: LookEnd) -> None:
        from reconciler.report.looks import look_line

        past = end.past
        if past.steps or (past.result.value, past.why) != self._last:
            say(look_line(past.at, past.result.value, past.steps, past.seconds, past.why))
        self._last = past.result.value, past.why
