"""Where commands by hand are done: an open server, the names that a person uses there, and single writes.

A write goes the way of a step of a plan, so that it is repeated exactly as its operation may be.

Tests: `tests/cli/test_cli_campaign.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, TypeVar

from reconciler.app.auditlog import audited
from reconciler.app.caller import Caller, Question
from reconciler.app.workspace import declared_name, state_of, store_of
from reconciler.apply.containment import ContainedWrites, contained
from reconciler.apply.earlier import EarlierPackages
from reconciler.apply.retrier import Retrier
from reconciler.audit.calls import AuditedCall
from reconciler.audit.recorder import AuditRecorder
from reconciler.errors import NotExecuted, ReconcilerError, Refusal, Refused, Unclear, UsageError
from reconciler.model import (
    Action,
    CampaignSummary,
    Kind,
    LiveCampaign,
    Outcome,
    OutcomeStatus,
    ResourceId,
    Step,
    StepGroup,
    UploadPackage,
    target_of,
)
from reconciler.pacing import Backoff, Settling, retried
from reconciler.pool import both, concurrently
from reconciler.providers.base import Bindings, Provider
from reconciler.providers.base.questions import PackageInfo
from reconciler.settings import Project
from reconciler.state.base import State, StateStore
from reconciler.text import clean

Value = TypeVar("Value")


@dataclass(frozen=True)
class ServerSession:
    """One command's server and project. ``approved``: nobody has to be asked."""

    project: Project
    provider: Provider
    caller: Caller
    approved: bool = False
    command: str = ""
    """As the audit log calls it: ``campaign stop``."""
    lock_timeout: float = 0.0
    backoff: Backoff = field(default_factory=Backoff)

    @cached_property
    def state(self) -> State:
        """The project's state, which must belong to this server."""
        return state_of(self.project, self._store)

    @cached_property
    def _store(self) -> StateStore:
        return store_of(self.project)

    @property
    def owners(self) -> Mapping[str, ResourceId]:
        """Campaign id → the resource that owns it."""
        return {owned.id: resource for resource, owned in self.state.campaigns.items()}

    # --- names -------------------------------------------------------------------------------------

    async def campaign(self, word: str) -> LiveCampaign:
        """The campaign that `word` means: a resource, a name on the server, or an id.

        An id means that campaign and no other. ReconcilerError when there is none, or when `word` could
        mean several: it names their ids.
        """
        resource, explicit = _resource(word)
        owned = self.state.campaigns.get(resource)
        if explicit:
            return await self._of_resource(resource, owned.id if owned else None)
        ids = [word, *([owned.id] if owned else ())]
        by_id, named = await both(
            concurrently(ids, self._campaign_or_none, limit=len(ids)),
            self.provider.reads.campaigns([word]),
        )
        if exact := by_id[word]:
            return exact
        meant: dict[str, str] = {}
        if owned and by_id[owned.id]:
            meant[owned.id] = f"owned by this project as {resource}"
        for line in named:
            meant.setdefault(line.id, f"called {line.name!r} on the server")
        if not meant and not owned:
            meant = {line.id: f"declared as {resource}" for line in await self._declared(resource)}
        return await self._one(word, meant)

    async def _of_resource(self, resource: ResourceId, owned_id: str | None) -> LiveCampaign:
        if owned_id is None:
            found = await self._declared(resource)
            return await self._one(str(resource), {line.id: f"called {line.name!r}" for line in found})
        live = await self.provider.reads.campaign(owned_id)
        if live is None:
            raise ReconcilerError(
                f"{resource} is campaign {owned_id}, which is no longer on the server",
                hint="`reconciler plan` shows what apply would make of that.",
            )
        return live

    async def _declared(self, resource: ResourceId) -> tuple[CampaignSummary, ...]:
        """Live campaigns of the name that `resource` declares, when it is declared and nobody owns it."""
        name = await asyncio.to_thread(declared_name, self.project, resource)
        return await self.provider.reads.campaigns([name]) if name else ()

    async def _one(self, word: str, meant: Mapping[str, str]) -> LiveCampaign:
        if len(meant) > 1:
            each = "; ".join(f"{campaign_id} ({why})" for campaign_id, why in sorted(meant.items()))
            raise ReconcilerError(
                f"{word!r} could mean {len(meant)} campaigns: {each}",
                hint="Name the one by its id, or by its resource as Campaign/NAME.",
            )
        live = await self.provider.reads.campaign(next(iter(meant))) if meant else None
        if live is None:
            raise ReconcilerError(
                f"there is no campaign {word!r} on {self.provider.server}",
                hint="`reconciler campaign list` shows what there is. A campaign is named by its resource"
                " (Campaign/line-3 or line-3), its name on the server, or its id.",
            )
        return live

    async def _campaign_or_none(self, campaign_id: str) -> LiveCampaign | None:
        return await unless_no_id(self.provider.reads.campaign(campaign_id))

    async def package(self, word: str) -> PackageInfo:
        """The package that `word` means, an id or a name; ReconcilerError when it is none or several."""
        info = await unless_no_id(self.provider.questions.package_info(word))
        if info:
            return info
        match await self.provider.questions.package_infos([word]):
            case [info]:
                return info
            case []:
                raise ReconcilerError(
                    f"there is no package {word!r} on {self.provider.server}",
                    hint="`reconciler package list` shows what there is.",
                )
            case several:
                ids = " and ".join(sorted(info.package.id for info in several))
                raise ReconcilerError(
                    f"{word!r} could mean {len(several)} packages: {ids}", hint="Name the one by its id."
                )

    # --- writes ------------------------------------------------------------------------------------

    def sure(self, what: str) -> bool:
        """Whether a person, or ``--auto-approve``, agrees to `what`."""
        question = Question(
            f"{what} on {clean(str(self.provider.server))}? Type 'yes': ",
            refusal="there is no terminal to ask on, so nothing was done",
            hint="--auto-approve does it without asking.",
        )
        return self.approved or self.caller.ask(question)

    def called(self, action: Action) -> str:
        """What the server calls the operation that does `action`."""
        return self.provider.facts.lower(action).operation.name

    async def act(self, action: Action) -> Outcome:
        """Do one thing; ReconcilerError when it failed."""
        lowered = self.provider.facts.lower(action)
        step = Step(StepGroup(action.verb, action, lowered.operation, lowered.per_call), 0)
        owner = self.owners.get(target) if (target := target_of(action)) else None
        with self._audited() as recorder:
            settling = Settling(self.project.server.settle)
            retrier = Retrier(ContainedWrites(self.provider.writes), self.backoff, settling)
            bindings = Bindings(others=await self._others(step))
            outcome = await retrier.settle(step, bindings, asyncio.Event())
            recorder.outcome(outcome, owner=owner)
            if outcome.status in (OutcomeStatus.FAILED, OutcomeStatus.UNKNOWN):
                raise ReconcilerError(outcome.message, hint=_after(outcome))
        return outcome

    async def _others(self, step: Step) -> Mapping[str, Sequence[str]]:
        """What an upload isn't, though it holds the same; ReconcilerError when that can't be read."""
        if not isinstance(action := step.action, UploadPackage):
            return {}
        sha256 = action.file.sha256
        found = await EarlierPackages(self.provider.reads, [sha256]).before(step, action, None)
        if isinstance(found, Outcome):
            raise ReconcilerError(found.message)
        return {sha256: found}

    async def once(self, call: AuditedCall, send: Callable[[], Awaitable[None]], *, look: str) -> None:
        """Send what must never be sent twice: again only while it was surely not executed.

        ``call`` says what it is.
        """
        attempts = 0

        async def sent() -> None:
            nonlocal attempts
            attempts += 1
            await contained(call.operation, call.operation, send)

        def wait(error: Exception, attempts: int, waited: float) -> float | None:
            if isinstance(error, NotExecuted):
                return self.backoff(attempts, error.retry_after, waited)
            return None

        with self._audited() as recorder:
            try:
                await retried(sent, wait)
            except ReconcilerError as error:
                unclear = isinstance(error, Unclear)
                status = OutcomeStatus.UNKNOWN if unclear else OutcomeStatus.FAILED
                recorder.call(replace(call, status=status, attempts=attempts, message=error.message))
                raise (_unknown(error, look) if unclear else error) from error
            recorder.call(replace(call, attempts=attempts))

    @contextmanager
    def _audited(self) -> Iterator[AuditRecorder]:
        timeout = self.lock_timeout
        with audited(self.project, self._store, self.command, self.caller, timeout=timeout) as (_, recorder):
            yield recorder


async def unless_no_id(read: Coroutine[Any, Any, Value | None]) -> Value | None:
    """What a read by id finds; None also where the server says that this can't be an id."""
    try:
        return await read
    except Refused as error:
        if Refusal.NOT_AN_ID in error.meaning:
            return None
        raise


def _resource(word: str) -> tuple[ResourceId, bool]:
    """The resource that `word` may mean, and whether it can mean nothing else."""
    try:
        resource = ResourceId.parse(word)
    except ValueError:
        return ResourceId(Kind.CAMPAIGN, word), False
    if resource.kind is not Kind.CAMPAIGN:
        raise UsageError(f"{word} isn't a campaign", hint=f"Did you mean Campaign/{resource.name}?")
    return resource, True


def _unknown(error: ReconcilerError, look: str) -> ReconcilerError:
    return ReconcilerError(
        f"{error.message}; whether it was done is unknown, and it is not sent again", hint=look
    )


def _after(outcome: Outcome) -> str | None:
    return "It may have been done all the same: look before you repeat it." if outcome.unclear else None
