"""`apply`: make the server as the resources say, or as a reviewed plan says."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from reconciler.app.workspace import PARALLELISM
from reconciler.cli import options as shared
from reconciler.cli.flags import Flags, completing, global_flags
from reconciler.cli.output import Output, Reporter, document
from reconciler.cli.running import Terminal, run, workspace
from reconciler.errors import Exit, UsageError

if TYPE_CHECKING:
    from reconciler.settings import Project


@click.command("apply")
@shared.paths
@click.option(
    "--plan",
    "file",
    metavar="FILE",
    shell_complete=completing("files"),
    help="Apply exactly what `plan --out FILE` saved, without a question.",
)
@click.option("--auto-approve", is_flag=True, help="Don't ask for confirmation.")
@click.option(
    "--rollouts-only",
    is_flag=True,
    help="Only pause, abort and open waves. Other differences are named and left alone.",
)
@click.option("--dry-run", is_flag=True, help="Show the plan and stop, as `plan` does.")
@click.option(
    "--parallelism",
    type=click.IntRange(1, 256),
    default=PARALLELISM,
    show_default=True,
    help="How many steps run at the same time.",
)
@click.option(
    "--max-rps",
    type=click.FloatRange(0, min_open=True),
    help="At most so many requests a second.  [default: as the project file says]",
)
@click.option(
    "--lock-timeout",
    type=click.FloatRange(0),
    default=0.0,
    show_default=True,
    help="Seconds to wait while somebody else holds the lock.",
)
@shared.workers
@click.option(
    "--metrics-file",
    metavar="FILE",
    shell_complete=completing("files"),
    help="Write this run's metrics for Prometheus (node_exporter's textfile collector).",
)
@shared.waivers
@document
@shared.plan_switches
@global_flags
@click.pass_context
def command(
    context: click.Context,
    /,
    *,
    paths: tuple[str, ...],
    file: str | None,
    auto_approve: bool,
    rollouts_only: bool,
    dry_run: bool,
    parallelism: int,
    max_rps: float | None,
    lock_timeout: float,
    workers: str | None,
    metrics_file: str | None,
    waive: tuple[str, ...],
    reason: tuple[str, ...],
    output: str,
    **switches: object,
) -> Exit:
    """Bring the server in line with the resources.

    PATHs are YAML files and folders; without one, those of the project file.
    """
    from reconciler.app.applying import Applying
    from reconciler.app.pipeline import plan_exit, plan_once, prepare
    from reconciler.app.posting import postman_of
    from reconciler.app.savedplans import find_home
    from reconciler.app.workspace import store_of

    flags: Flags = context.obj
    manned = shared.workers_named(workers)
    reporter, caller = Reporter(Output(output), flags, failed="❌ Not applied"), Terminal()
    where, waivers = workspace(flags, paths), shared.waived(waive, reason)
    if file is not None:
        _alone(context, paths, (*switches, "rollouts_only", "metrics_file"))
    with reporter.failures():
        if file is not None:
            saved, project = find_home(Path(file), where)
            project = shared.manned(_paced(project, max_rps), manned)
            reporter.within(project, where.environ)
            engine = project.server.engine
            postman = postman_of(project, where)
            applying = Applying(
                project, store_of(project), caller, reporter, parallelism, lock_timeout, postman
            )
            if not dry_run:
                return run(flags, applying.reviewed(saved, waivers, where), engine=engine).exit
            plan = run(flags, applying.rehearsed(saved, waivers, where), engine=engine)
        else:
            options = replace(shared.chosen(switches), rollouts_only=rollouts_only)
            job = prepare(where, waivers=waivers)
            reporter.within(job.project, where.environ)
            job = replace(job, project=shared.manned(_paced(job.project, max_rps), manned))
            engine = job.project.server.engine
            if not dry_run:
                project, postman = job.project, postman_of(job.project, where)
                applying = Applying(project, job.store, caller, reporter, parallelism, lock_timeout, postman)
                if metrics_file is not None:
                    from reconciler.controller.metricsfile import MetricsFile

                    figures = MetricsFile.at(Path(metrics_file))
                    measured = figures.applied(applying, job, options, postman, asking=not auto_approve)
                    return run(flags, measured, engine=engine).exit
                making = applying.unasked if auto_approve else applying.asked
                return run(flags, making(job, options), engine=engine).exit
            plan = run(flags, plan_once(job, options, reporter.looking), engine=engine).plan
        reporter.plan(plan)
        return plan_exit(plan)


def _paced(project: Project, max_rps: float | None) -> Project:
    if max_rps is None:
        return project
    return replace(project, server=replace(project.server, max_requests_per_second=max_rps))


def _alone(context: click.Context, paths: Collection[str], switches: Iterable[str]) -> None:
    """UsageError when something stands beside --plan that would change what is applied."""
    said = [
        option.opts[0]
        for option in context.command.params
        if option.name in set(switches)
        and context.get_parameter_source(option.name) is not ParameterSource.DEFAULT
    ]
    if paths:
        said.insert(0, "a PATH")
    if said:
        raise UsageError(
            f"--plan stands without {' and '.join(said)}: what is applied stands in the file",
            hint="Give them to `plan --out FILE`.",
        )
