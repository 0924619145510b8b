"""The console entry: runs a command and turns whatever happens into one clear message and an exit code."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import click

from reconciler.cli.flags import Flags
from reconciler.cli.group import cli
from reconciler.cli.running import interrupting
from reconciler.errors import Exit, ReconcilerError

_GARBAGE = (50_000, 20, 50)
"""When the collector looks through young, middle and old objects."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line `arguments` (default: those of the process) and answer the exit code."""
    flags = Flags()
    if arguments is None:
        # What is read is kept, and in no cycles: the process needn't look for garbage each 700 objects.
        gc.set_threshold(*_GARBAGE)
    for stream in (sys.stdout, sys.stderr):
        # A name that the terminal's encoding lacks is no reason to fail.
        if reconfigure := getattr(stream, "reconfigure", None):
            reconfigure(errors="backslashreplace")
    with _heard_as_text():
        return _run(arguments, flags)


def _run(arguments: Sequence[str] | None, flags: Flags) -> int:
    try:
        with interrupting():
            return int(cli.main(arguments, prog_name="reconciler", standalone_mode=False, obj=flags) or 0)
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the last resort
        return _explain(error, flags)


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
        case OSError():
            return _fail(_about(error))
    return _bug(error, verbose=flags.verbose)


def _fail(message: str, *, hint: str | None = None, code: Exit = Exit.ERROR) -> int:
    from reconciler.cli.output import say
    from reconciler.text import clean

    say(f"error: {clean(message)}")
    if hint:
        say(f"  hint: {clean(hint)}")
    return code


def _about(error: OSError) -> str:
    what = error.strerror or type(error).__name__
    return f"{error.filename}: {what}" if error.filename else what


def _bug(error: BaseException, *, verbose: bool) -> int:
    """Where it happened, never with what values: they may be secret."""
    import traceback

    frames = traceback.extract_tb(error.__traceback__)
    at = frames[-1]
    if verbose:
        from reconciler.cli.output import write_lines

        write_lines((line.rstrip("\n") for line in traceback.format_list(frames)), sys.stderr)
    return _fail(
        f"this is a bug in reconciler: {type(error).__name__} in {at.name}, {at.filename}:{at.lineno}",
        hint="Please report it with this line"
        + ("." if verbose else "; --verbose shows how the program got there."),
    )
