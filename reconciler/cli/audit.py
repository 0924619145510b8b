"""`audit`: who did what, and whether the log of it holds."""

from __future__ import annotations

import re
from collections import deque
from typing import TYPE_CHECKING

import click

from reconciler.cli.answer import family, output
from reconciler.cli.flags import Flags, global_flags
from reconciler.errors import Exit, ReconcilerError, UsageError

if TYPE_CHECKING:
    from reconciler.audit.runs import PastRun
    from reconciler.cli.statesession import StateSession
    from reconciler.report.command_answers import Answer

command = family("audit", "Show who did what, and check that nobody changed the log of it.")

LAST = 20
_HASH = re.compile(r"[0-9a-f]{64}")
_DIGEST = re.compile(r"[0-9a-f]{6,64}")
_NUMBER = re.compile(r"[0-9]{1,9}")


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
    from reconciler.cli.statesession import from_state

    if run is not None and not (_NUMBER.fullmatch(run) or _DIGEST.fullmatch(run)):
        raise UsageError(f"{run!r} is no run", hint="Give its number, or 6 digits or more of a digest.")

    def main(session: StateSession) -> Answer:
        from reconciler.audit.chain import ChainVerifier, decode
        from reconciler.audit.runs import calls, runs
        from reconciler.report.audit_answers import audit_run, audit_table

        url, verifier = session.store.url, ChainVerifier(session.store.audit_lines())
        if run is None:
            total = 0
            past: deque[PastRun] = deque(maxlen=last)
            for each in runs(verifier):
                total += 1
                past.append(each)
            return audit_table(tuple(past), total, verifier.verdict, url)
        found = _one([each for each in runs(verifier) if _meant(each, run)], run, url)
        # Read once more: the calls of one run are given on, not held.
        again = filter(None, map(decode, session.store.audit_lines()))
        return audit_run(found, calls(again, found.number), verifier.verdict, url)

    return from_state(flags, output, main)


@command.command()
@click.option("--expect", metavar="HASH", help="A hash that was noted: its line has to be there.")
@output
@global_flags
@click.pass_obj
def verify(flags: Flags, *, expect: str | None, output: str) -> Exit:
    """Check that no line of the log was changed, lost, added or moved; exit 1 where one was.

    That lines were cut off at the end shows only against a hash that was noted elsewhere.
    """
    from reconciler.cli.statesession import from_state

    if expect is not None and not _HASH.fullmatch(expect):
        raise UsageError("--expect is no hash", hint="Give the 64 digits that `audit verify` said last time.")
    holds: list[bool] = []

    def main(session: StateSession) -> Answer:
        from reconciler.audit.chain import verify as verified
        from reconciler.report.audit_answers import audit_verdict

        verdict = verified(session.store.audit_lines(), expect=expect)
        holds.append(verdict.broken is None and (expect is None or verdict.noted is not None))
        return audit_verdict(verdict, session.store.url, expect)

    code = from_state(flags, output, main)
    return code if all(holds) else Exit.ERROR


def _meant(run: PastRun, word: str) -> bool:
    if _NUMBER.fullmatch(word):
        return run.number == int(word)
    return run.hash.startswith(word) or str(run.begin.get("plan", "")).startswith(word)


def _one(found: list[PastRun], word: str, url: str) -> PastRun:
    match found:
        case [run]:
            return run
        case []:
            hint = "`reconciler audit show` lists them."
            raise ReconcilerError(f"there is no run {word} in the audit log of {url}", hint=hint)
        case several:
            numbers = ", ".join(str(run.number) for run in several[:10])
            hint = "Name the one by its number."
            raise ReconcilerError(f"{word} could mean {len(several)} runs: {numbers}", hint=hint)
