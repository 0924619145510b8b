"""`plan`: what apply would do. Takes no lock, and writes nothing anywhere."""

from __future__ import annotations

import os
from pathlib import Path

import click

from reconciler.cli import options as shared
from reconciler.cli.compose import Job, Planned, connected, make, prepare
from reconciler.cli.exits import plan_exit
from reconciler.cli.flags import Flags, global_flags
from reconciler.cli.output import Output, Reporter
from reconciler.errors import Exit
from reconciler.options import Options


@click.command("plan")
@shared.paths
@shared.output
@click.option("--detailed-exitcode", is_flag=True, help="Exit with 2 when there is at least one step.")
@shared.plan_switches
@global_flags
@click.pass_obj
def command(
    flags: Flags,
    /,
    *,
    paths: tuple[str, ...],
    output: str,
    detailed_exitcode: bool,
    **switches: object,
) -> Exit:
    """Show what apply would do.

    PATHs are YAML files and folders; without one, those of the project file.
    """
    reporter = Reporter(Output(output), flags)
    with reporter.failures():
        job = prepare(flags, paths, dict(os.environ), cwd=Path.cwd())
        planned = shared.run(flags, plan_once(job, shared.chosen(switches)))
        reporter.plan(planned.plan)
    return plan_exit(planned.plan, detailed=detailed_exitcode)


async def plan_once(job: Job, options: Options) -> Planned:
    """Plan on the state as it is."""
    async with connected(job.project) as provider:
        return await make(job, job.store.load(), provider, options)
