"""`apply`: plan, ask, lock, run, report."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import click

from reconciler.cli import options as shared
from reconciler.cli.ask import confirmed
from reconciler.cli.compose import Job, connected, make, prepare
from reconciler.cli.exits import apply_exit, plan_exit
from reconciler.cli.flags import Flags, global_flags
from reconciler.cli.output import Output, Reporter, say
from reconciler.cli.plan import plan_once
from reconciler.errors import Exit, ReconcilerError, StateError
from reconciler.model import Outcome
from reconciler.options import Options
from reconciler.plan.model import Plan
from reconciler.providers.base import Provider
from reconciler.report.progress import Progress
from reconciler.report.words import clean, plural
from reconciler.state.base import Session

PARALLELISM = 16
PATIENCE = 300.0
"""Seconds that one step may wait in all: a server that asks for a minute gets it."""


@click.command("apply")
@shared.paths
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
@shared.output
@shared.plan_switches
@global_flags
@click.pass_obj
def command(
    flags: Flags,
    /,
    *,
    paths: tuple[str, ...],
    auto_approve: bool,
    dry_run: bool,
    parallelism: int,
    max_rps: float | None,
    lock_timeout: float,
    output: str,
    **switches: object,
) -> Exit:
    """Make the server as the resources say.

    PATHs are YAML files and folders; without one, those of the project file.
    """
    reporter = Reporter(Output(output), flags)
    options = shared.chosen(switches)
    with reporter.failures():
        job = prepare(flags, paths, dict(os.environ), cwd=Path.cwd())
        if max_rps is not None:
            server = replace(job.project.server, max_requests_per_second=max_rps)
            job = replace(job, project=replace(job.project, server=server))
        if dry_run:
            planned = shared.run(flags, plan_once(job, options))
            reporter.plan(planned.plan)
            return plan_exit(planned.plan)
        applying = Applying(job, options, reporter, parallelism, lock_timeout)
        return shared.run(flags, applying.unasked() if auto_approve else applying.asked())


@dataclass(frozen=True, slots=True)
class Applying:
    """One run of apply."""

    job: Job
    options: Options
    reporter: Reporter
    parallelism: int
    lock_timeout: float

    async def unasked(self) -> Exit:
        """Lock, then plan and run: nobody has to be waited for."""
        async with connected(self.job.project) as provider:
            with self._locked(provider) as session:
                plan = (await make(self.job, session.state, provider, self.options)).plan
                self.reporter.preview(plan, asking=False)
                return await self._execute(plan, provider, session)

    async def asked(self) -> Exit:
        """Plan, ask, and lock only then: nobody else has to wait for an answer."""
        async with connected(self.job.project) as provider:
            before = self.job.store.load()
            plan = (await make(self.job, before, provider, self.options)).plan
            self.reporter.preview(plan, asking=not plan.empty)
            if not plan.empty and not self._confirmed(plan):
                self.reporter.declined(plan)
                return Exit.DONE
            if plan.empty and not plan.records:
                return self._nothing(plan)
            with self._locked(provider) as session:
                if session.state.serial != before.serial:
                    raise _planned_on_older("the state was written by somebody else")
                if session.state.lineage != before.lineage:
                    # There was no state yet, and the new one has another salt: digests must be made with it.
                    again = (await make(self.job, session.state, provider, self.options)).plan
                    if again.groups != plan.groups:
                        raise _planned_on_older("the server changed")
                    plan = again
                return await self._execute(plan, provider, session)

    def _locked(self, provider: Provider) -> AbstractContextManager[Session]:
        return self.job.store.locked(provider.server, "apply", timeout=self.lock_timeout)

    def _confirmed(self, plan: Plan) -> bool:
        question = f"Apply these {plural(plan.size, 'step')} to {clean(str(plan.server))}? Type 'yes': "
        if plan.size == 1:
            question = f"Apply this step to {clean(str(plan.server))}? Type 'yes': "
        return confirmed(
            question,
            refusal="there is no terminal to ask on, so nothing was applied",
            hint="--auto-approve applies without asking; --dry-run only shows the plan.",
        )

    async def _execute(self, plan: Plan, provider: Provider, session: Session) -> Exit:
        if plan.empty and not plan.records:
            return self._nothing(plan)
        from reconciler.apply import apply_plan
        from reconciler.pacing import Backoff

        outcomes: list[Outcome] = []
        progress = _progress(plan)

        def on_outcome(outcome: Outcome) -> None:
            outcomes.append(outcome)
            progress(outcome)

        with _stopping() as stop:
            try:
                await apply_plan(
                    plan,
                    provider,
                    session,
                    delay=Backoff(budget=PATIENCE),
                    parallelism=self.parallelism,
                    on_outcome=on_outcome,
                    stop=stop,
                )
            except ReconcilerError:
                # What was done stays done, and is said before what went wrong.
                progress.close()
                self.reporter.applied(plan, outcomes, Exit.ERROR)
                raise
            finally:
                progress.close()
        if plan.empty:
            return self._nothing(plan)
        code = apply_exit(plan, outcomes, interrupted=stop.is_set())
        self.reporter.applied(plan, outcomes, code)
        return code

    def _nothing(self, plan: Plan) -> Exit:
        """Text has said so already, but for what an exit code means; a document is due."""
        code = apply_exit(plan, ())
        if not self.reporter.text or code is not Exit.DONE:
            self.reporter.applied(plan, (), code)
        return code


def _planned_on_older(what: str) -> StateError:
    return StateError(
        f"{what} since this was planned; nothing was applied",
        hint="Run the command again: it plans on things as they are now.",
    )


def _progress(plan: Plan) -> Progress:
    terminal = sys.stderr.isatty()
    width = 80
    if terminal:
        with suppress(OSError):
            width = os.get_terminal_size(sys.stderr.fileno()).columns or width
    return Progress(plan.size, sys.stderr, terminal=terminal, width=width)


@contextmanager
def _stopping() -> Iterator[asyncio.Event]:
    """An event that the first Ctrl-C or SIGTERM sets; the second one has its usual, hard meaning."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    kinds = (signal.SIGINT, signal.SIGTERM)

    def forget() -> None:
        for kind in kinds:
            with suppress(NotImplementedError, RuntimeError, ValueError):
                loop.remove_signal_handler(kind)

    def on_signal() -> None:
        forget()
        stop.set()
        say("stopping: what is in flight is finished, nothing new is begun; once more to end at once")

    for kind in kinds:
        with suppress(NotImplementedError, RuntimeError, ValueError):
            loop.add_signal_handler(kind, on_signal)
    try:
        yield stop
    finally:
        forget()
