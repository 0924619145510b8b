"""`audit`: who did what, and whether the log of it holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from reconciler.cli.answer import family, from_state, output
from reconciler.cli.flags import Flags, global_flags
from reconciler.errors import Exit

if TYPE_CHECKING:
    from reconciler.app.statesession import StateSession
    from reconciler.report.command_answers import Answer

command = family("audit", "Show who did what, and verify that nobody changed the log.")

LAST = 20


@command.command()
@click.argument("run", metavar="[RUN]", required=False)
@click.option("--last", type=click.IntRange(1), default=LAST, show_default=True, help="How many runs.")
@output
@global_flags
@click.pass_obj
def show(flags: Flags, *, run: str | None, last: int, output: str) -> Exit:
    """List the last runs, or show one with all its calls.

    RUN is its number, or the beginning of its plan's digest or of the hash of its first line.
    """
    from reconciler.app.auditlog import last_runs, one_run, run_word

    if run is None:
        return from_state(flags, output, lambda session: last_runs(session.store, last))
    word = run_word(run)
    return from_state(flags, output, lambda session: one_run(session.store, word))


@command.command()
@click.option("--expect", metavar="HASH", help="A hash noted earlier: its line must be there.")
@output
@global_flags
@click.pass_obj
def verify(flags: Flags, *, expect: str | None, output: str) -> Exit:
    """Check that no line of the log was changed, lost, added or moved; exit 1 if one was.

    To notice lines cut off at the end, compare with a hash that you noted earlier: --expect.
    """
    from reconciler.app.auditlog import noted_hash, verdict

    noted, held = None if expect is None else noted_hash(expect), True

    def main(session: StateSession) -> Answer:
        nonlocal held
        answer, held = verdict(session.store, noted)
        return answer

    code = from_state(flags, output, main)
    return code if held else Exit.ERROR
