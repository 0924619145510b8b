"""The console entry: runs a command and turns whatever happens into one clear message and an exit code."""

from __future__ import annotations

import atexit
import gc
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import click

from reconciler.cli.flags import Flags
from reconciler.cli.group import cli
from reconciler.cli.running import interrupting
from reconciler.errors import REPORT, Exit, ReconcilerError, fault
from reconciler.report.streams import Dropping, open_descriptors, told

_GARBAGE = (200_000, 20, 50)
"""When the collector looks through young, middle and old objects."""


_PRINT: Final = frozenset(
    {
        *("validate", "plan", "status", "doctor", "explain", "schema", "completion"),
        *("campaign list", "campaign counts", "campaign show", "package list", "package info"),
        *("gateway state", "gateway progress", "gateway packages", "gateway status"),
        *("gateway active-campaigns", "state list", "state show", "audit show", "audit verify", "trust list"),
    }
)
"""Commands that do nothing but print: a result that is lost is all there was."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line `arguments` (default: those of the process) and answer the exit code."""
    flags = Flags()
    if arguments is None:
        open_descriptors()
        # Almost everything that is read is kept and has no cycles, so collecting each 700 objects is wasted.
        gc.set_threshold(*_GARBAGE)
        # At its end, Python would look through all that is left several times, only to give it back.
        atexit.register(gc.freeze)
    with told() as (out, _), _heard_as_text():
        code = _run(arguments, flags)
        out.flush()
        return _unless_lost(out, code, flags)


def _run(arguments: Sequence[str] | None, flags: Flags) -> int:
    try:
        with interrupting():
            return int(cli.main(arguments, prog_name="reconciler", standalone_mode=False, obj=flags) or 0)
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the last resort
        return _explain(error, flags)


def _unless_lost(out: Dropping, code: int, flags: Flags) -> int:
    """`code`; of a command that only prints 1, where what it printed could not all be written."""
    if not out.wanted:
        return code
    why = getattr(out.lost, "strerror", None) or str(out.lost)
    lost = _fail(f"what stands on stdout could not all be written: {why}")
    return lost if flags.command in _PRINT and code in (Exit.DONE, Exit.HAS_STEPS) else code


@contextmanager
def _heard_as_text() -> Iterator[None]:
    """In CI, nothing that stands in a file or comes from a server gives the runner an order."""
    if not any(os.environ.get(name) for name in ("CI", "GITHUB_ACTIONS", "GITLAB_CI", "TF_BUILD")):
        yield
        return
    from reconciler.report.workflow_commands import Unheard

    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = map(Unheard, before)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def _explain(error: BaseException, flags: Flags) -> int:
    match error:
        case BaseExceptionGroup():
            return _explain(error.exceptions[0], flags)
        case click.UsageError():
            context = error.ctx
            command = context.command_path if context else "reconciler"
            return _fail(error.format_message(), hint=f"See {command} --help", code=Exit.USAGE)
        case click.ClickException():
            return _fail(error.format_message())
        case click.Abort() | KeyboardInterrupt():
            return _fail("interrupted", hint="Nothing is lost: the same command goes on from here.")
        case ReconcilerError():
            if error.findings:
                from reconciler.cli.output import paint_for, write_lines
                from reconciler.report.plan_text import finding_lines

                write_lines(finding_lines(error.findings, paint_for(sys.stderr, flags)), sys.stderr)
            return _fail(error.message, hint=error.hint, code=error.exit_code)
    return _fault(error, verbose=flags.verbose)


def _fail(message: str, *, hint: str | None = None, code: Exit = Exit.ERROR) -> int:
    from reconciler.cli.output import say
    from reconciler.text import clean

    say(f"error: {clean(message)}")
    if hint:
        say(f"  hint: {clean(hint)}")
    return code


def _fault(error: BaseException, *, verbose: bool) -> int:
    what, hint = fault(error)
    if hint != REPORT:
        return _fail(what, hint=hint)
    if verbose:
        import traceback

        from reconciler.cli.output import write_lines

        frames = traceback.extract_tb(error.__traceback__)
        write_lines((line.rstrip("\n") for line in traceback.format_list(frames)), sys.stderr)
    return _fail(what, hint=hint + ("." if verbose else "; --verbose shows how the program got there."))
