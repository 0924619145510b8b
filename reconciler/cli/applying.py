"""The running part of `apply`: plan, ask, lock, run, report."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass

from reconciler.cli.ask import confirmed
from reconciler.cli.audited import audited_plan
from reconciler.cli.compose import Job, connected, make
from reconciler.cli.exits import apply_exit, plan_exit
from reconciler.cli.output import Reporter
from reconciler.cli.planfile import Reviewed, changed, rests_on, reviewed
from reconciler.cli.signals import interruptible, stopping
from reconciler.errors import Exit, StalePlan
from reconciler.model import Finding, Live, Outcome, OutcomeStatus
from reconciler.options import Options
from reconciler.plan.file import PlanFile, plan_digest, salted
from reconciler.plan.guards import Waivers, reconsidered, waive
from reconciler.plan.model import Plan
from reconciler.providers.base import Provider
from reconciler.report.progress import Progress
from reconciler.report.words import clean, plural
from reconciler.settings import Project
from reconciler.state.base import PlanApplied, SaltChosen, Session, StateStore, bound_to

PATIENCE = 300.0
"""Seconds that one step may wait in all: a server that asks for a minute gets it."""


@dataclass(frozen=True, slots=True)
class Applying:
    """One run of apply."""

    project: Project
    store: StateStore
    reporter: Reporter
    parallelism: int
    lock_timeout: float

    async def unasked(self, job: Job, options: Options) -> Exit:
        """Lock, then plan and run: nobody has to be waited for."""
        async with connected(self.project) as provider:
            with self._locked(provider) as session:
                plan = (await make(job, session.state, provider, options)).plan
                self.reporter.preview(plan, asking=False)
                return await self._execute(plan, provider, session)

    async def asked(self, job: Job, options: Options) -> Exit:
        """Plan, ask, and lock only then: nobody else has to wait for an answer. Then look once more."""
        async with connected(self.project) as provider:
            before = self.store.load()
            planned = await make(job, before, provider, options)
            plan = planned.plan
            self.reporter.preview(plan, asking=not (plan.empty or plan.tripped))
            if not _sends(plan):
                return self._nothing(plan)
            if not plan.empty and not self._confirmed(plan):
                self.reporter.declined(plan)
                return Exit.DONE
            with self._locked(provider) as session:
                state = session.state
                if (before.begun or state.begun) and state.lineage != before.lineage:
                    raise _planned_on_older("the state was begun or replaced")
                findings, live = await changed(plan, rests_on(planned), provider, state)
                if findings:
                    raise _planned_on_older("what it touches changed", findings)
                plan = self._reconsidered(plan, live, provider, job.waivers)
                if plan.tripped:
                    return self._nothing(plan)
                if salted(plan) and not state.begun:
                    session.record(SaltChosen(before.salt))
                return await self._execute(plan, provider, session)

    async def reviewed(self, file: PlanFile, waivers: Waivers, environ: Mapping[str, str]) -> Exit:
        """Run the plan in `file` and nothing else, if all that it touches is as it was."""
        async with connected(self.project) as provider:
            reviewed, plan = self._opened(file, waivers, environ, provider)
            self.reporter.preview(plan, asking=False)
            if not _sends(plan):
                return self._nothing(plan)
            with self._locked(provider) as session:
                live = await reviewed.check(provider, session.state)
                plan = self._reconsidered(plan, live, provider, waivers)
                if plan.tripped:
                    return self._nothing(plan)
                if (salt := file.head.state.salt) is not None:
                    session.record(SaltChosen(salt))
                return await self._execute(plan, provider, session, file=file.digest)

    async def rehearsed(self, file: PlanFile, waivers: Waivers, environ: Mapping[str, str]) -> Exit:
        """Whether the plan in `file` could be applied now; nothing is locked or written."""
        async with connected(self.project) as provider:
            reviewed, plan = self._opened(file, waivers, environ, provider)
            state = bound_to(self.store.load(), provider.server, url=self.store.url)
            if _sends(plan):
                live = await reviewed.check(provider, state)
                plan = self._reconsidered(plan, live, provider, waivers)
            self.reporter.plan(plan)
            return plan_exit(plan)

    def _opened(
        self, file: PlanFile, waivers: Waivers, environ: Mapping[str, str], provider: Provider
    ) -> tuple[Reviewed, Plan]:
        """What is in `file`, and its plan with the guards that are waived now."""
        found = reviewed(file, self.project, provider.operations, environ)
        self.reporter.about(plan_digest(found.saved.plan), f"From {file.path}")
        return found, waive(found.saved.plan, waivers)

    def _reconsidered(self, plan: Plan, live: Live, provider: Provider, waivers: Waivers) -> Plan:
        """`plan`, with what it would interrupt by now."""
        return reconsidered(plan, live, provider.in_flight, self.project.guards, waivers)

    @contextmanager
    def _locked(self, provider: Provider) -> Iterator[Session]:
        with ExitStack() as stack:
            with interruptible():
                lock = self.store.locked(provider.server, "apply", timeout=self.lock_timeout)
                session = stack.enter_context(lock)
            yield session

    def _confirmed(self, plan: Plan) -> bool:
        question = f"Apply these {plural(plan.size, 'step')} to {clean(str(plan.server))}? Type 'yes': "
        if plan.size == 1:
            question = f"Apply this step to {clean(str(plan.server))}? Type 'yes': "
        return confirmed(
            question,
            refusal="there is no terminal to ask on, so nothing was applied",
            hint="--auto-approve applies without asking; --dry-run only shows the plan.",
        )

    async def _execute(
        self, plan: Plan, provider: Provider, session: Session, *, file: str | None = None
    ) -> Exit:
        """Run `plan`; `file` is the digest of the file that it stands in."""
        if not _sends(plan):
            return self._nothing(plan)
        from reconciler.apply import apply_plan
        from reconciler.pacing import Backoff

        with stopping() as stop, audited_plan(self.project, plan, session, file=file) as recorder:
            if file:
                session.record(PlanApplied(file, whole=False))
            progress = _progress(plan)

            def on_outcome(outcome: Outcome) -> None:
                recorder.outcome(outcome)
                if recorder.failure is not None:
                    stop.set()
                progress(outcome)

            try:
                applied = await apply_plan(
                    plan,
                    provider,
                    session,
                    delay=Backoff(budget=PATIENCE),
                    parallelism=self.parallelism,
                    on_outcome=on_outcome,
                    stop=stop,
                )
            finally:
                progress.close()
            outcomes = applied.outcomes
            if applied.error is not None:
                # What was done stays done, and is said before what went wrong.
                self.reporter.applied(plan, outcomes, Exit.ERROR)
                raise applied.error
            if file and all(outcome.status in _AS_PLANNED for outcome in outcomes):
                session.record(PlanApplied(file, whole=True))
            if plan.empty:
                recorder.code = self._nothing(plan)
                return recorder.code
            recorder.code = apply_exit(plan, outcomes, interrupted=stop.is_set())
            self.reporter.applied(plan, outcomes, recorder.code)
        return recorder.code

    def _nothing(self, plan: Plan) -> Exit:
        """Text has said so already, but for what an exit code means; a document is due."""
        code = apply_exit(plan, ())
        if not self.reporter.text or code is not Exit.DONE:
            self.reporter.applied(plan, (), code)
        return code


_AS_PLANNED = frozenset({OutcomeStatus.DONE, OutcomeStatus.NOT_NEEDED, OutcomeStatus.WAITING})


def _sends(plan: Plan) -> bool:
    """Whether there is anything to do, and nothing stands against it."""
    return not plan.tripped and not (plan.empty and not plan.records)


def _planned_on_older(what: str, findings: Sequence[Finding] = ()) -> StalePlan:
    return StalePlan(
        f"{what} since this was planned; nothing was applied",
        hint="Run the command again: it plans on things as they are now.",
        findings=findings,
    )


def _progress(plan: Plan) -> Progress:
    terminal = sys.stderr.isatty()
    width = 80
    if terminal:
        with suppress(OSError):
            width = os.get_terminal_size(sys.stderr.fileno()).columns or width
    return Progress(plan.size, sys.stderr, terminal=terminal, width=width)
