"""`init`: a small project to begin with. Nothing that is there is ever overwritten."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import click

from reconciler.app.newproject import (
    CI,
    Answers,
    fault_of_state,
    fault_of_url,
    is_new,
    likely_ci,
    make_project,
)
from reconciler.cli.flags import Flags, completing, global_flags
from reconciler.cli.output import say, write_lines
from reconciler.cli.running import interruptible, typed
from reconciler.errors import Exit
from reconciler.text import clean

_SERVER = "Your campaign server, as a URL (Enter: later)"
_STATE = "Where the state is kept: s3://…, postgresql://… (Enter: a file here)"
_CI = "What runs CI"


@click.command("init")
@click.argument("directory", metavar="[DIR]", default=".", shell_complete=completing("folders"))
@click.option(
    "--ci",
    type=click.Choice([*CI, "none"]),
    help="Also make the workflow file of a service that runs CI.  [default: none]",
)
@global_flags
@click.pass_obj
def command(flags: Flags, directory: str, ci: str | None) -> Exit:
    """Create a small project to begin with.

    Writes into DIR a project file, example resources, JSON Schemas for the editor and a .gitignore. In an
    existing project it only writes the CI workflow, in the root of the repository, where CI looks for it.
    Nothing is overwritten.

    On a terminal it asks for the server, the place of the state and the CI service, unless --url, --state
    and --ci give them.
    """
    root = Path(directory)
    answers = Answers(flags.url or "", flags.state or "", ci or "none")
    if sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty() and is_new(root):
        with interruptible():
            answers = _asked(root, answers, flags, ci)
    write_lines(make_project(root, answers, os.environ))
    return Exit.DONE


def _asked(root: Path, given: Answers, flags: Flags, ci: str | None) -> Answers:
    """What wasn't given, from the person at the terminal."""
    url = given.url if flags.url is not None else _until_fit(_SERVER, fault_of_url)
    state = (
        given.state
        if flags.state is not None
        else _until_fit(_STATE, lambda text: fault_of_state(text, root))
    )
    likely = likely_ci(root, os.environ)
    if ci is None:
        known = (*CI, "none")
        question = f"{_CI} ({', '.join(known)}) [{likely}]"
        ci = _until_fit(
            question, lambda word: None if word in ("", *known) else f"there are {', '.join(known)}"
        )
    return Answers(url, state, ci or likely)


def _until_fit(question: str, fault_of: Callable[[str], str | None]) -> str:
    while True:
        line = typed(f"{question}:")
        if not line:
            raise click.Abort
        if not (fault := fault_of(line.strip())):
            return line.strip()
        say(f"Error: {clean(fault)}")
