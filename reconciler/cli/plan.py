"""`plan`: what apply would do. Takes no lock, and writes nothing but the file of `--out`."""

from __future__ import annotations

import os
from pathlib import Path

import click

from reconciler.app.pipeline import Job, Planned, connected, make, prepare
from reconciler.cli import options as shared
from reconciler.cli.exits import plan_exit
from reconciler.cli.flags import Flags, completing, global_flags
from reconciler.cli.output import Output, Reporter
from reconciler.errors import Exit, UsageError
from reconciler.options import Options


@click.command("plan")
@shared.paths
@shared.output
@click.option("--detailed-exitcode", is_flag=True, help="Exit with 2 when there is at least one step.")
@click.option(
    "--out",
    metavar="FILE",
    shell_complete=completing("files"),
    help="Save the plan, for `apply --plan FILE`.",
)
@click.option(
    "--snapshot",
    metavar="FILE",
    shell_complete=completing("files"),
    help="Plan on what `snapshot` saved: no server is asked, and no credentials or secrets are needed.",
)
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
    out: str | None,
    snapshot: str | None,
    **switches: object,
) -> Exit:
    """Show what apply would do.

    PATHs are YAML files and folders; without one, those of the project file.
    """
    reporter = Reporter(Output(output), flags)
    with reporter.failures():
        environ, cwd, options = dict(os.environ), Path.cwd(), shared.chosen(switches)
        if out is not None and snapshot is not None:
            raise UsageError(
                "a plan on a snapshot can't be saved to be applied", hint="Leave --out or --snapshot out."
            )
        if snapshot is None:
            job = prepare(flags, paths, environ, cwd=cwd)
            planned = shared.run(flags, plan_once(job, options), engine=job.project.server.engine)
            if out is not None:
                from reconciler.app.savedplans import save

                reporter.about(save(Path(out), job.project, planned, options), f"Saved as {out}")
        else:
            from reconciler.app.offline import plan_offline

            file = Path(snapshot)
            planned = shared.run(flags, plan_offline(flags, paths, environ, options, cwd=cwd, file=file))
        reporter.plan(planned.plan)
    return plan_exit(planned.plan, detailed=detailed_exitcode)


async def plan_once(job: Job, options: Options) -> Planned:
    """Plan on the state as it is."""
    async with connected(job.project) as provider:
        return await make(job, job.store.load(), provider, options)
