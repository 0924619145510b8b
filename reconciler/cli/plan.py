"""`plan`: what apply would do. Takes no lock, and writes nothing but the file of `--out`.

Tests: `tests/cli/test_cli_guards.py`, `tests/e2e/test_e2e_main_job.py`.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from reconciler.cli import options as shared
from reconciler.cli.flags import Flags, completing, global_flags
from reconciler.cli.output import Output, Reporter, document
from reconciler.cli.running import run, workspace
from reconciler.errors import Exit, UsageError


@click.command("plan")
@shared.paths
@document
@click.option("--detailed-exitcode", is_flag=True, help="Exit with 2 when there is at least one step.")
@click.option(
    "--out",
    metavar="FILE",
    shell_complete=completing("files"),
    help="Save the plan, for `apply --plan FILE`.",
)
@click.option(
    "--list",
    "listed",
    type=click.Choice(["gateways"]),
    help="Name every gateway that joins or leaves, not the first few.",
)
@click.option(
    "--json",
    "beside",
    metavar="FILE",
    shell_complete=completing("files"),
    help="Also write the plan to FILE as JSON, for policies and other tools.",
)
@click.option(
    "--html",
    "page",
    metavar="FILE",
    shell_complete=completing("files"),
    help="Also write the plan to FILE as an HTML page, for mails and artifacts.",
)
@click.option(
    "--snapshot",
    metavar="FILE",
    shell_complete=completing("files"),
    help="Plan from what `snapshot` saved. No server is called; no credentials or secrets are needed.",
)
@shared.pace
@shared.workers
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
    listed: str | None,
    beside: str | None,
    page: str | None,
    snapshot: str | None,
    pace: Path | None,
    workers: str | None,
    **switches: object,
) -> Exit:
    """Show what apply would do.

    PATHs are YAML files and folders; without one, those of the project file.
    """
    from reconciler.app.pipeline import plan_exit, plan_once, prepare

    at = shared.workers_named(workers)
    files = {form: path for form, path in ((Output.JSON, beside), (Output.HTML, page)) if path is not None}
    reporter = Reporter(Output(output), flags, beside=files, every_gateway=listed == "gateways")
    with reporter.failures():
        where, options = workspace(flags, paths), shared.chosen(switches)
        if out is not None and snapshot is not None:
            raise UsageError(
                "a plan on a snapshot can't be saved to be applied", hint="Leave --out or --snapshot out."
            )
        if snapshot is None:
            job = prepare(where, pace=pace)
            job = replace(job, project=shared.manned(job.project, at))
            reporter.within(job.project, where.environ)
            planned = run(flags, plan_once(job, options, reporter.looking), engine=job.project.server.engine)
            if out is not None:
                from reconciler.app.savedplans import save

                reporter.about(save(Path(out), job.project, job.store, planned, options), f"Saved as {out}")
        else:
            from reconciler.app.offline import plan_offline

            planned = run(flags, plan_offline(where, options, Path(snapshot), pace=pace))
        reporter.plan(planned.plan)
    return plan_exit(planned.plan, detailed=detailed_exitcode)
