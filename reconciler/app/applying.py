"""One run of apply: plan, ask, lock, run; who is told of it decides how that is shown."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from typing import Final, Protocol, TypeVar

from reconciler.app.auditlog import audited_plan
from reconciler.app.caller import Caller, Question
from reconciler.app.checkdesk import Asking, CheckDesk
from reconciler.app.noticing import Noticing, Postman, Turn
from reconciler.app.pipeline import Job, Planned, apply_exit, check, make, secrets_of, waivers_now
from reconciler.app.savedplans import Reviewed, changed, rests_on, reviewed
from reconciler.app.senders import sender_for
from reconciler.app.workspace import Workspace, connected, state_of
from reconciler.audit.recorder import AuditRecorder
from reconciler.errors import Exit, StalePlan, fault_in_words
from reconciler.hiding import Hiding
from reconciler.model import Desired, DesiredRollout, Finding, Live, Outcome, OutcomeStatus, ResourceId
from reconciler.model.doubts import Doubt
from reconciler.options import Options
from reconciler.plan.brakes import brakes, releasing
from reconciler.plan.file import PlanFile, plan_digest, refused, salted
from reconciler.plan.finished import finished, remembered, targeted
from reconciler.plan.guards import Waivers, reconsidered, waive
from reconciler.plan.model import Plan
from reconciler.plan.stale import CODE
from reconciler.providers.base import Facts, Provider
from reconciler.readers.shared import unshared
from reconciler.report.apply_summary import kinds_of
from reconciler.report.plan_text import question_text
from reconciler.rollout.questions import against, asked, wishes
from reconciler.settings import Project
from reconciler.state.base import PlanApplied, SaltChosen, Session, State, StateStore

Value = TypeVar("Value")

_LOG: Final = logging.getLogger("reconciler.app")


class OutcomeListener(Protocol):
    """Told of each outcome as it comes."""

    def __call__(self, outcome: Outcome) -> None: ...

    def looking(self, doubt: Doubt) -> None:
        """Something that may be on the server is looked for."""
        ...

    def close(self) -> None:
        """Nothing more comes."""
        ...


class ApplyListener(Protocol):
    """Told how a run goes. Nothing that it does changes the run."""

    def about(self, digest: str, where: str) -> None:
        """The plan has a digest; `where` says from which file it comes."""
        ...

    def preview(self, plan: Plan, *, asking: bool) -> None:
        """The plan, before anything else is done with it; `asking`: somebody is asked about it next."""
        ...

    def looking(self, doubt: Doubt) -> None:
        """Something that may be on the server is looked for before the plan is made."""
        ...

    def running(self, plan: Plan) -> OutcomeListener:
        """The plan is run now."""
        ...

    def nothing(self, plan: Plan, code: Exit) -> None:
        """Nothing of the plan is sent: it is empty, or something stands against it."""
        ...

    def declined(self, plan: Plan) -> None:
        """Somebody said no."""
        ...

    def applied(self, plan: Plan, outcomes: Sequence[Outcome], code: Exit) -> None:
        """What became of it; also right before the error that ended the run."""
        ...


class ContainedListener:
    """`listener`, told of the run of `plan`. Nothing that it raises reaches the run.

    Its first error about outcomes is said on the log, and it hears of no more of them. ``failure`` is what
    kept the result from being told: for the end of the run to raise.
    """

    def __init__(self, listener: ApplyListener, plan: Plan) -> None:
        self.failure: Exception | None = None
        self._listener = listener
        self._outcomes: OutcomeListener | None = None
        with self._contained():
            self._outcomes = listener.running(plan)

    def __call__(self, outcome: Outcome) -> None:
        """See `OutcomeListener`."""
        if self._outcomes is not None:
            try:
                self._outcomes(outcome)
            except Exception as error:  # noqa: BLE001 - as in `_contained`, but come by the thousand
                self._told_no_longer(error)

    def looking(self, doubt: Doubt) -> None:
        """See `OutcomeListener`."""
        with self._contained():
            if self._outcomes is not None:
                self._outcomes.looking(doubt)

    def close(self) -> None:
        """See `OutcomeListener`."""
        with self._contained():
            if self._outcomes is not None:
                self._outcomes.close()

    def applied(self, plan: Plan, outcomes: Sequence[Outcome], code: Exit) -> None:
        """See `ApplyListener`."""
        try:
            self._listener.applied(plan, outcomes, code)
        except Exception as error:  # noqa: BLE001 - the end of the run is written first
            self.failure = error

    @contextmanager
    def _contained(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # noqa: BLE001 - whatever can't be shown, what is done goes on
            self._told_no_longer(error)

    def _told_no_longer(self, error: Exception) -> None:
        self._outcomes = None
        _LOG.error("progress is shown no longer: %s", fault_in_words(error))


@dataclass(frozen=True, slots=True)
class _Told:
    """Who hears of what becomes of steps: the audit log, which stops the run where it can't, and people."""

    recorder: AuditRecorder
    progress: ContainedListener
    stop: asyncio.Event

    def together(self, outcomes: Sequence[Outcome]) -> None:
        self._written(self.recorder.outcomes, outcomes)

    def parcel(self, outcomes: Sequence[Outcome]) -> None:
        self._written(self.recorder.parcel, outcomes)
        for outcome in outcomes:
            self.progress(outcome)

    def _written(self, write: Callable[[Value], None], what: Value) -> None:
        write(what)
        if self.recorder.failure is not None:
            self.stop.set()


@dataclass(frozen=True, slots=True)
class ApplyResult:
    """How a run ended. ``exit`` is the code that the command ends with."""

    plan: Plan
    outcomes: Sequence[Outcome] = ()
    exit: Exit = Exit.DONE
    declined: bool = False
    """Somebody was asked, and didn't say yes."""
    interrupted: bool = False
    """A signal came: not everything was begun."""
    turns: Sequence[Turn] = ()
    """How rollouts turned by it."""
    planned: Planned | None = field(default=None, repr=False)
    """What the plan was made from, where it was made by this run."""


@dataclass(frozen=True, slots=True)
class Applying:
    """One run of apply."""

    project: Project
    store: StateStore
    caller: Caller
    listener: ApplyListener
    parallelism: int
    lock_timeout: float
    postman: Postman | None = None
    """Who tells people of what was turned."""
    clock: Callable[[], float] = time.time
    """Epoch seconds."""

    async def unasked(self, job: Job, options: Options) -> ApplyResult:
        """Lock, then plan and run: nobody has to be waited for."""
        self._admit(job)
        async with connected(self.project, parallelism=self.parallelism, reading=job.reading) as provider:
            return await self.unasked_at(provider, job, options)

    async def unasked_at(self, provider: Provider, job: Job, options: Options) -> ApplyResult:
        """The same at a server that is open."""
        async with self._noticed(provider) as (session, noticing):
            made = await self._make(job, session.state, provider, options)
            plan = noticing.plan = made.plan
            self.listener.preview(plan, asking=False)
            result = await self._execute(plan, made.live, provider, session, desired=job.desired)
        return replace(result, planned=made, turns=noticing.turned)

    async def asked(self, job: Job, options: Options) -> ApplyResult:
        """Plan, ask, and lock only then: nobody else has to wait for an answer. Then look once more."""
        self._admit(job)
        async with connected(self.project, parallelism=self.parallelism, reading=job.reading) as provider:
            return await self.asked_at(provider, job, options)

    async def asked_at(self, provider: Provider, job: Job, options: Options) -> ApplyResult:
        """The same at a server that is open."""
        before = self.store.load()
        planned = await self._make(job, before, provider, options)
        plan = planned.plan
        self.listener.preview(plan, asking=not (plan.empty or plan.tripped))
        if not _sends(plan):
            return replace(self._nothing(plan), planned=planned)
        if not plan.empty and not self._confirmed(plan):
            self.listener.declined(plan)
            return ApplyResult(plan, declined=True, planned=planned)
        async with self._noticed(provider) as (session, noticing):
            state = session.state
            if (before.begun or state.begun) and state.lineage != before.lineage:
                raise _planned_on_older("the state was begun or replaced")
            findings, live = await changed(plan, rests_on(planned), provider.reads, state, provider.facts)
            findings = findings or await _against(plan, wishes(job.desired), state, self._asking(job))
            if findings:
                raise _planned_on_older("what it touches changed", findings)
            plan = noticing.plan = self._reconsidered(plan, live, provider, session.state, job.waivers)
            if plan.tripped:
                return replace(self._nothing(plan), planned=planned)
            if salted(plan) and not state.begun:
                session.record(SaltChosen(before.salt))
            result = await self._execute(plan, live, provider, session, desired=job.desired)
        return replace(result, planned=planned, turns=noticing.turned)

    async def reviewed(self, file: PlanFile, waivers: Waivers, workspace: Workspace) -> ApplyResult:
        """Run the plan in `file` and nothing else, if all that it touches is as it was."""
        async with connected(self.project, parallelism=self.parallelism) as provider:
            reviewed, plan = self._opened(file, waivers, workspace, provider)
            self.listener.preview(plan, asking=False)
            if not _sends(plan):
                return self._nothing(plan)
            declared, asking = self._declared(plan, file, workspace)
            async with self._noticed(provider) as (session, noticing):
                live = await reviewed.check(provider.reads, session.state, provider.facts)
                if findings := await _against(plan, declared, session.state, asking):
                    raise refused(file.path, findings)
                plan = noticing.plan = self._reconsidered(plan, live, provider, session.state, waivers)
                if plan.tripped:
                    return self._nothing(plan)
                result = await self._execute(plan, live, provider, session, file=file.digest)
            return replace(result, turns=noticing.turned)

    async def rehearsed(self, file: PlanFile, waivers: Waivers, workspace: Workspace) -> Plan:
        """The plan in `file`, if it could be applied now; nothing is locked or written."""
        async with connected(self.project, parallelism=self.parallelism) as provider:
            reviewed, plan = self._opened(file, waivers, workspace, provider)
            if _sends(plan):
                state = state_of(self.project, self.store)
                live = await reviewed.check(provider.reads, state, provider.facts)
                plan = self._reconsidered(plan, live, provider, state, waivers)
            return plan

    def _admit(self, job: Job) -> None:
        """InvalidInput where a secret of a check would go where nobody trusts it to."""
        if job.desk is not None:
            job.desk.admit(self.project, job.desired)

    def _asking(self, job: Job) -> Asking | None:
        return None if job.desk is None else job.desk.asking(self.project)

    def _declared(
        self, plan: Plan, file: PlanFile, workspace: Workspace
    ) -> tuple[Mapping[ResourceId, DesiredRollout], Asking | None]:
        """The rollouts whose checks stand before what `plan` releases, as the files of the project say them.

        A plan file has no more of a check than its name: UnusablePlan where that is no longer declared.
        """
        views = [view for view in releasing(plan) if view.checks]
        if not views:
            return {}, None
        desired = check(workspace.inside(self.project.environment), offline=True).desired
        declared, desk = wishes(desired), CheckDesk(workspace)
        findings = [
            Finding(CODE, f"{view.resource}: its checks differ from those when the plan was made")
            for view in views
            if view.resource not in declared
            or tuple(each.name for each in declared[view.resource].checks) != view.checks
        ]
        if findings:
            raise refused(file.path, findings)
        desk.admit(self.project, desired)
        return declared, desk.asking(self.project)

    def _opened(
        self, file: PlanFile, waivers: Waivers, workspace: Workspace, provider: Provider
    ) -> tuple[Reviewed, Plan]:
        """What is in `file`, and its plan with the guards that are waived now."""
        found = reviewed(file, self.project, provider.facts.operations, workspace)
        self.listener.about(plan_digest(found.saved.plan), f"From {file.path}")
        return found, waive(found.saved.plan, waivers, waivers_now(self.project))

    def _reconsidered(
        self, plan: Plan, live: Live, provider: Provider, state: State, waivers: Waivers
    ) -> Plan:
        """`plan`, with what it would interrupt and leave behind by now."""
        project, facts = self.project, provider.facts
        declared = waivers_now(project)
        return reconsidered(plan, live, facts, project.guards, waivers, state=state, declared=declared)

    async def _make(self, job: Job, state: State, provider: Provider, options: Options) -> Planned:
        now = int(self.clock() * 1000)
        listener, asking = self.listener, self._asking(job)
        return await make(job, state, provider, options, listener.looking, now=now, asking=asking)

    @asynccontextmanager
    async def _noticed(self, provider: Provider) -> AsyncIterator[tuple[Session, Noticing]]:
        """The locked state; people are told of what the block turned once nobody waits for the lock."""
        noticing = Noticing(self.project, self.postman, self.clock)
        try:
            with self._locked(provider) as session, noticing.during(session):
                yield session, noticing
        finally:
            await noticing.tell()

    @contextmanager
    def _locked(self, provider: Provider) -> Iterator[Session]:
        with ExitStack() as stack:
            with self.caller.blocking():
                lock = self.store.locked(provider.server, "apply", timeout=self.lock_timeout)
                session = stack.enter_context(lock)
            yield session

    def _confirmed(self, plan: Plan) -> bool:
        question = Question(
            question_text(plan),
            refusal="there is no terminal to ask on, so nothing was applied",
            hint="--auto-approve applies without asking; --dry-run only shows the plan.",
        )
        return self.caller.ask(question)

    async def _execute(
        self,
        plan: Plan,
        live: Live,
        provider: Provider,
        session: Session,
        *,
        file: str | None = None,
        desired: Desired | None = None,
    ) -> ApplyResult:
        """Run `plan`, `live` being as things are.

        `file` is the digest of the file that it stands in, `desired` what it was made for.
        Of one that a guard stands against, only what holds rollouts up.
        """
        judged = plan
        if plan.tripped:
            plan = brakes(plan)
        if not _sends(plan):
            return self._nothing(judged)
        from reconciler.apply import apply_plan
        from reconciler.pacing import Backoff, Settling

        sending = sender_for(self.project, plan, provider, session, self.parallelism)
        async with sending as sender:
            with (
                self.caller.stopping() as stop,
                audited_plan(self.project, plan, session, file=file) as recorder,
            ):
                if file:
                    session.record(PlanApplied(file, whole=False))
                progress = ContainedListener(self.listener, plan)
                told = _Told(recorder, progress, stop)

                try:
                    applied = await apply_plan(
                        _remembering(plan, live, session.state, provider.facts),
                        provider.writes,
                        session,
                        delay=Backoff(),
                        parallelism=self.parallelism,
                        on_outcome=progress,
                        on_together=told.together,
                        on_parcel=told.parcel,
                        sender=sender,
                        stop=stop,
                        source=unshared(provider),
                        hiding=Hiding(secrets_of(desired) if desired else ()),
                        settling=Settling(self.project.server.settle),
                        on_doubt=progress.looking,
                        now=self.clock,
                    )
                finally:
                    progress.close()
                outcomes = applied.outcomes
                plan = replace(plan, findings=(*plan.findings, *applied.findings))
                if applied.error is not None:
                    # Report what was done before the error is shown.
                    progress.applied(plan, outcomes, Exit.ERROR)
                    raise applied.error
                if file and all(outcome.status in _AS_PLANNED for outcome, _ in kinds_of(outcomes)):
                    session.record(PlanApplied(file, whole=True))
                if plan.empty:
                    nothing = self._nothing(judged)
                    recorder.code = nothing.exit
                    return nothing
                recorder.code = apply_exit(judged, outcomes, interrupted=stop.is_set())
                progress.applied(plan, outcomes, recorder.code)
        if progress.failure is not None:
            raise progress.failure
        return ApplyResult(plan, outcomes, recorder.code, interrupted=stop.is_set())

    def _nothing(self, plan: Plan) -> ApplyResult:
        code = apply_exit(plan, ())
        self.listener.nothing(plan, code)
        return ApplyResult(plan, exit=code)


_AS_PLANNED = frozenset({OutcomeStatus.DONE, OutcomeStatus.NOT_NEEDED, OutcomeStatus.WAITING})


def _remembering(plan: Plan, live: Live, state: State, facts: Facts) -> Plan:
    """`plan`, by which the state also learns who has finished with packages that change.

    It learns that before they do: whatever ends the run, nobody is taken to be done with what came later.
    """
    found = finished(plan, targeted(plan, live.by_id), state, facts)
    return replace(plan, records=(*plan.records, *remembered(plan, found, facts)))


def _sends(plan: Plan) -> bool:
    """Whether there is anything to do, and nothing stands against it."""
    return not plan.tripped and not (plan.empty and not plan.records and not plan.declares)


async def _against(
    plan: Plan, declared: Mapping[ResourceId, DesiredRollout], state: State, asking: Asking | None
) -> tuple[Finding, ...]:
    """What the checks say by now against what `plan` releases."""
    if asking is None:
        return ()
    before = {resource: owned.rollout for resource, owned in state.campaigns.items() if owned.rollout}
    views = {view.resource: view for view in releasing(plan)}
    answers = await asking(tuple(asked(views.values(), declared, before)))
    return tuple(
        Finding(CODE, f"{resource}: {why}", resource=resource)
        for resource, given in answers.items()
        for why in against(views[resource], given)
    )


def _planned_on_older(what: str, findings: Sequence[Finding] = ()) -> StalePlan:
    return StalePlan(
        f"{what} since this was planned; nothing was applied",
        hint="Run the command again: it plans on things as they are now.",
        findings=findings,
    )
