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

command = family("audit", "Show who did what, and check that nobody changed the log of it.")

LAST = 20


@command.command()
@click.argument("run", metavar="[RUN]", required=False)
@click.option("--last", type=click.IntRange(1), default=LAST, show_default=True, help="How many runs.")
@output
@global_flags
@click.pass_obj
def show(flags: Flags, *, run: str | None, last: int, output: str) -> Exit:
    """List the last runs, or show one with all its calls.

    RUN is its number, or how the digest of its plan, or the hash of its first line begins.
    """
    from reconciler.app.auditlog import last_runs, one_run, run_word

    if run is None:
        return from_state(flags, output, lambda session: last_runs(session.store, last))
    word = run_word(run)
    return from_state(flags, output, lambda session: one_run(session.store, word))


@command.command()
@click.option("--expect", metavar="HASH", help="A hash that was noted: its line has to be there.")
@output
@global_flags
@click.pass_obj
def verify(flags: Flags, *, expect: str | None, output: str) -> Exit:
    """Check that no line of the log was changed, lost, added or moved; exit 1 where one was.

    That lines were cut off at the end shows only against a hash that was noted elsewhere.
    """
    from reconciler.app.auditlog import noted_hash, verdict

    noted, held = None if expect is None else noted_hash(expect), True

    def main(session: StateSession) -> Answer:
        nonlocal held
        answer, held = verdict(session.store, noted)
        return answer

    code = from_state(flags, output, main)
    return code if held else Exit.ERROR
