"""`rollout`: where rollouts stand, and the words of a person to them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.cli import options as shared
from reconciler.cli.answer import family, from_state, lock_timeout, output, present
from reconciler.cli.flags import Flags, completing, global_flags
from reconciler.cli.output import failing
from reconciler.cli.running import run, workspace
from reconciler.errors import Exit

if TYPE_CHECKING:
    from reconciler.app.pipeline import Job
    from reconciler.app.rollouts import Looked

command = family("rollout", "Show rollouts in waves; pause, resume or abort them.")

name_ = click.argument("name", metavar="CAMPAIGN", shell_complete=completing("rollouts"))
reason_ = click.option("--reason", metavar="TEXT", required=True, help="Why; recorded in the audit log.")


def _look(flags: Flags, pace: Path | None = None) -> tuple[Job, Looked]:
    from reconciler.app.pipeline import prepare
    from reconciler.app.rollouts import looked
    from reconciler.options import Options

    job = prepare(workspace(flags), pace=pace)
    return job, run(flags, looked(job, Options()), engine=job.project.server.engine)


@command.command("list")
@output
@global_flags
@click.pass_obj
def list_(flags: Flags, output: str) -> Exit:
    """List every rollout: which wave is open, and what it waits for."""
    with failing(output):
        job, found = _look(flags)
        return present(flags, output, job.project.server.identity, found.every())


@command.command()
@name_
@click.option("--gateway", metavar="ID", help="Say why this gateway has the update, or not yet.")
@click.option("--failed", is_flag=True, help="List the gateways that failed.")
@shared.pace
@output
@global_flags
@click.pass_obj
def show(
    flags: Flags, *, name: str, gateway: str | None, failed: bool, pace: Path | None, output: str
) -> Exit:
    """Show the waves of a campaign's rollout."""
    with failing(output):
        job, found = _look(flags, pace)
        answer = found.show(name, gateway=gateway, failed=failed)
        return present(flags, output, job.project.server.identity, answer)


@command.command()
@name_
@click.option(
    "--exit-code",
    "coded",
    is_flag=True,
    help="Exit with 0 when complete, 2 while under way or waiting, 7 when aborted.",
)
@output
@global_flags
@click.pass_obj
def status(flags: Flags, *, name: str, coded: bool, output: str) -> Exit:
    """Show where a campaign's rollout stands."""
    with failing(output):
        job, found = _look(flags)
        present(flags, output, job.project.server.identity, found.show(name, gateway=None, failed=False))
        return found.exit_of(name) if coded else Exit.DONE


@command.command()
@name_
@reason_
@lock_timeout
@output
@global_flags
@click.pass_obj
def pause(flags: Flags, *, name: str, reason: str, lock_timeout: float, output: str) -> Exit:
    """Release nobody else until somebody resumes."""
    from reconciler.app import rollouts

    return from_state(
        flags, output, lambda session: rollouts.pause(session, name, reason), lock_timeout=lock_timeout
    )


@command.command()
@name_
@reason_
@click.option("--forgive", is_flag=True, help="Gateways that failed so far no longer count.")
@lock_timeout
@output
@global_flags
@click.pass_obj
def resume(flags: Flags, *, name: str, reason: str, forgive: bool, lock_timeout: float, output: str) -> Exit:
    """Resume a paused or aborted rollout; the next look checks its gate again."""
    from reconciler.app import rollouts

    with failing(output):
        forgiven = _look(flags)[1].failed(name) if forgive else ()
    return from_state(
        flags,
        output,
        lambda session: rollouts.resume(session, name, reason, forgive=forgiven),
        lock_timeout=lock_timeout,
    )


@command.command()
@name_
@reason_
@click.option("--wave", metavar="WAVE", help="Its name or number.  [default: the next wave]")
@click.option(
    "--skip",
    "skips",
    multiple=True,
    type=click.Choice(["success", "soak", "check", "calendar"]),
    help="What else it need not wait for.",
)
@lock_timeout
@output
@global_flags
@click.pass_obj
def promote(
    flags: Flags,
    *,
    name: str,
    reason: str,
    wave: str | None,
    skips: tuple[str, ...],
    lock_timeout: float,
    output: str,
) -> Exit:
    """Let the next wave open, once."""
    from reconciler.app import rollouts
    from reconciler.app.statesession import StateSession
    from reconciler.report.command_answers import Answer

    def promoted(session: StateSession) -> Answer:
        number = rollouts.wave_number(workspace(flags), name, wave, session.state)
        return rollouts.promote(session, name, reason, wave=number, skips=skips)

    return from_state(flags, output, promoted, lock_timeout=lock_timeout)


@command.command()
@name_
@reason_
@click.option("--stop", is_flag=True, help="Also let the next apply stop the campaign.")
@lock_timeout
@output
@global_flags
@click.pass_obj
def abort(flags: Flags, *, name: str, reason: str, stop: bool, lock_timeout: float, output: str) -> Exit:
    """Abort a rollout, as if its gate had failed."""
    from reconciler.app import rollouts

    return from_state(
        flags,
        output,
        lambda session: rollouts.abort(session, name, reason, stop=stop),
        lock_timeout=lock_timeout,
    )
