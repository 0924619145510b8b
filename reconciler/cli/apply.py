"""`apply`: make the server as the resources say, or as a reviewed plan says."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable
from dataclasses import replace
from pathlib import Path

import click
from click.core import ParameterSource

from reconciler.app.applying import Applying
from reconciler.app.pipeline import prepare
from reconciler.app.savedplans import find_home
from reconciler.cli import options as shared
from reconciler.cli.exits import plan_exit
from reconciler.cli.flags import Flags, completing, global_flags
from reconciler.cli.output import Output, Reporter
from reconciler.cli.plan import plan_once
from reconciler.cli.waivers import given, waivers
from reconciler.errors import Exit, UsageError
from reconciler.settings import Project
from reconciler.state.stores import open_store

PARALLELISM = 16


@click.command("apply")
@shared.paths
@click.option(
    "--plan",
    "file",
    metavar="FILE",
    shell_complete=completing("files"),
    help="Apply exactly what `plan --out FILE` saved; nobody is asked.",
)
@click.option("--auto-approve", is_flag=True, help="Don't ask.")
@click.option("--dry-run", is_flag=True, help="Show the plan and stop: the same as the command plan.")
@click.option(
    "--parallelism",
    type=click.IntRange(1, 256),
    default=PARALLELISM,
    show_default=True,
    help="Steps that run at the same time.",
)
@click.option(
    "--max-rps",
    type=click.FloatRange(0, min_open=True),
    help="Requests a second.  [default: as the project file says]",
)
@click.option(
    "--lock-timeout",
    type=click.FloatRange(0),
    default=0.0,
    show_default=True,
    help="Seconds to wait for a lock that somebody else holds.",
)
@waivers
@shared.output
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
    dry_run: bool,
    parallelism: int,
    max_rps: float | None,
    lock_timeout: float,
    waive: tuple[str, ...],
    reason: tuple[str, ...],
    output: str,
    **switches: object,
) -> Exit:
    """Make the server as the resources say.

    PATHs are YAML files and folders; without one, those of the project file.
    """
    flags: Flags = context.obj
    reporter = Reporter(Output(output), flags)
    environ, cwd, waived = dict(os.environ), Path.cwd(), given(waive, reason)
    if file is not None:
        _alone(context, paths, switches)
    with reporter.failures():
        if file is not None:
            saved, project = find_home(Path(file), flags, environ, cwd=cwd)
            project = _paced(project, max_rps)
            store = open_store(project.state_url, root=project.root)
            applying = Applying(project, store, reporter, parallelism, lock_timeout)
            run = applying.rehearsed if dry_run else applying.reviewed
            return shared.run(flags, run(saved, waived, environ), engine=project.server.engine)
        options = shared.chosen(switches)
        job = replace(prepare(flags, paths, environ, cwd=cwd), waivers=waived)
        job = replace(job, project=_paced(job.project, max_rps))
        engine = job.project.server.engine
        if dry_run:
            planned = shared.run(flags, plan_once(job, options), engine=engine)
            reporter.plan(planned.plan)
            return plan_exit(planned.plan)
        applying = Applying(job.project, job.store, reporter, parallelism, lock_timeout)
        making = applying.unasked if auto_approve else applying.asked
        return shared.run(flags, making(job, options), engine=engine)


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
