"""The audit log of a project: what a command says of itself before it begins; and the log read again.

Tests: `tests/cli/test_cli_audit.py`.
"""

from __future__ import annotations

import os
import re
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Final

import reconciler
from reconciler.app.caller import Caller
from reconciler.audit.origin import actor, commit
from reconciler.audit.recorder import AuditedRun, AuditRecorder, Waiver, Who, recording, turns
from reconciler.errors import ReconcilerError, UsageError
from reconciler.model import CreateCampaign, Json, ResourceId, RolloutRecord, Server
from reconciler.plan.file import plan_digest
from reconciler.plan.model import Plan
from reconciler.settings import Project
from reconciler.state.base import (
    CampaignAbandoned,
    CampaignForgotten,
    CampaignOwned,
    Event,
    PackageForgotten,
    PackageUploaded,
    RolloutNoted,
    Session,
    State,
    StateStore,
)
from reconciler.state.locks import new_lock

if TYPE_CHECKING:
    from reconciler.audit.runs import PastRun
    from reconciler.report.command_answers import Answer

_HASH: Final = re.compile(r"[0-9a-f]{64}")
_DIGEST: Final = re.compile(r"[0-9a-f]{6,64}")
_NUMBER: Final = re.compile(r"[0-9]{1,9}")

# --- written -------------------------------------------------------------------------------------


@contextmanager
def audited(
    project: Project,
    store: StateStore,
    operation: str,
    caller: Caller,
    *,
    timeout: float,
    about: Mapping[str, Json] | None = None,
) -> Iterator[tuple[Session, AuditRecorder]]:
    """Holds the lock for a command by hand, with its begin in the log; its end is written behind the block.

    StateLocked when somebody else still holds it after `timeout` seconds.
    """
    server = project.server.identity
    run = _run(project, server, operation, about=about or {})
    with ExitStack() as stack:
        with caller.blocking():
            session = stack.enter_context(store.locked(server, operation, timeout=timeout))
        yield session, stack.enter_context(recording(session, run))


@contextmanager
def audited_plan(
    project: Project, plan: Plan, session: Session, *, file: str | None = None
) -> Iterator[AuditRecorder]:
    """The beginning of an apply stands in the log, and behind the block its end.

    Not of one that sends nothing, and changes nothing in what is ours. ``file`` is the digest of the file
    that the plan stood in.
    """
    about = _ownership(plan.records)
    rollouts = tuple(_rollouts(plan, session.state))
    if plan.empty and not about and not rollouts:
        yield AuditRecorder(session)
        return
    if file is not None:
        about["planFile"] = file
    waived = tuple(
        Waiver(trip.guard, trip.waived, trip.found, trip.limit, trip.resource, trip.until)
        for trip in plan.guards
        if trip.waived is not None
    )
    run = _run(
        project, plan.server, "apply", plan=plan_digest(plan), steps=_steps(plan), waived=waived, about=about
    )
    with recording(session, run) as recorder:
        for each in rollouts:
            recorder.rollout(*each)
        yield recorder


def _rollouts(
    plan: Plan, state: State
) -> Iterator[tuple[ResourceId, RolloutRecord | None, RolloutRecord | None]]:
    """Campaign, how its rollout stood, and how it stands by `plan`: of those that turn."""
    stood = {resource: owned.rollout for resource, owned in state.campaigns.items()}
    stands = {each.resource: each.rollout for each in plan.records if isinstance(each, RolloutNoted)}
    for action in (group.action for group in plan.groups):
        if isinstance(action, CreateCampaign) and action.rollout is not None:
            stands.setdefault(action.resource, action.rollout)
    for resource, after in sorted(stands.items()):
        if turns(before := stood.get(resource), after):
            yield resource, before, after


def _run(project: Project, server: Server, operation: str, **more: Any) -> AuditedRun:
    lock = new_lock(operation)
    who = Who(lock.holder, lock.host, actor(os.environ))
    return AuditedRun(
        operation,
        reconciler.__version__,
        who,
        server,
        project.name,
        project.environment,
        commit(os.environ, project.root),
        **more,
    )


def _steps(plan: Plan) -> Mapping[str, int]:
    counts: Counter[str] = Counter()
    for group in plan.groups:
        counts[group.operation.name] += len(group)
    return counts


def _ownership(records: Iterable[Event]) -> dict[str, Json]:
    """What becomes ours without a call, and what no longer is."""
    takes: list[Json] = []
    forgets: list[Json] = []
    for event in records:
        match event:
            case CampaignOwned(owned):
                takes.append({"resource": str(owned.resource), "id": owned.id})
            case PackageUploaded(uploaded):
                takes.append(
                    {"resource": str(uploaded.resource), "id": uploaded.id, "sha256": uploaded.sha256}
                )
            case CampaignForgotten(resource) | CampaignAbandoned(resource):
                forgets.append({"resource": str(resource)})
            case PackageForgotten(digest):
                forgets.append({"sha256": digest})
    found: dict[str, Json] = {"takes": takes, "forgets": forgets}
    return {name: each for name, each in found.items() if each}


# --- read ----------------------------------------------------------------------------------------


def run_word(word: str) -> str:
    """`word`, if it can mean a run: its number, or how a digest begins. UsageError when it can't."""
    if not (_NUMBER.fullmatch(word) or _DIGEST.fullmatch(word)):
        raise UsageError(f"{word!r} isn't a run", hint="Give its number, or 6 digits or more of a digest.")
    return word


def noted_hash(text: str) -> str:
    """`text`, if it is a hash; UsageError when it isn't."""
    if not _HASH.fullmatch(text):
        raise UsageError(
            "--expect isn't a hash", hint="Give the 64 digits that `audit verify` said last time."
        )
    return text


def last_runs(store: StateStore, last: int) -> Answer:
    """The last runs of the log."""
    from reconciler.audit.chain import ChainVerifier
    from reconciler.audit.runs import runs
    from reconciler.report.audit_answers import audit_table

    verifier, total = ChainVerifier(store.audit_lines()), 0
    past: deque[PastRun] = deque(maxlen=last)
    for each in runs(verifier):
        total += 1
        past.append(each)
    return audit_table(tuple(past), total, verifier.verdict, store.url)


def one_run(store: StateStore, word: str) -> Answer:
    """The run that `word` means, with all its calls; ReconcilerError when it is none or several."""
    from reconciler.audit.chain import ChainVerifier, decode
    from reconciler.audit.runs import calls, runs
    from reconciler.report.audit_answers import audit_run

    verifier = ChainVerifier(store.audit_lines())
    found = _one([each for each in runs(verifier) if _meant(each, word)], word, store.url)
    # Read again instead of keeping all calls of the run in memory.
    again = filter(None, map(decode, store.audit_lines()))
    return audit_run(found, calls(again, found.number), verifier.verdict, store.url)


def verdict(store: StateStore, expect: str | None) -> tuple[Answer, bool]:
    """What a check of the whole log says, and whether it holds."""
    from reconciler.audit.chain import verify
    from reconciler.report.audit_answers import audit_verdict

    found = verify(store.audit_lines(), expect=expect)
    holds = found.broken is None and (expect is None or found.noted is not None)
    return audit_verdict(found, store.url, expect), holds


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
