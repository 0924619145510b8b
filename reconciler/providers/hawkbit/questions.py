"""What people ask of this server by hand, and what `doctor` wants to know.

Tests: `tests/providers/test_hawkbit_tape.py`, `tests/providers/test_hawkbit_questions.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Final

from reconciler.errors import Refusal, Refused, ServerError
from reconciler.model import Phase
from reconciler.providers.base.facts import phase_of
from reconciler.providers.base.questions import (
    CampaignCounts,
    CampaignProgress,
    GatewayStatus,
    Greeting,
    PackageInfo,
    PackageProgress,
    Probe,
)
from reconciler.providers.hawkbit import codec
from reconciler.providers.hawkbit.client import HawkbitClient
from reconciler.providers.hawkbit.codec import ActionRow, HistoryEntry, Module
from reconciler.providers.hawkbit.entry import MISSING
from reconciler.providers.hawkbit.members import IDLE
from reconciler.providers.hawkbit.operations import OPERATIONS
from reconciler.providers.hawkbit.query import any_of, tag_of
from reconciler.providers.hawkbit.statuses import BUSY, PHASES
from reconciler.providers.http.watched import Watched
from reconciler.providers.http.wire import Wire
from reconciler.text import plural

STUCK_MINUTES: Final = 5
VERSION: Final = "v1"
"""Of the Management API: a part of every address."""
_WORDS: Final[Mapping[str, str]] = {"cancelled": "canceled"}
"""Words of counts that differ from those of actions."""
_ROLES: Final[Mapping[str, frozenset[str]]] = {
    "ROLE_TARGET_ADMIN": frozenset({"TARGET"}),
    "ROLE_REPOSITORY_ADMIN": frozenset({"DISTRIBUTION_SET", "SOFTWARE_MODULE"}),
    "ROLE_ROLLOUT_ADMIN": frozenset({"ROLLOUT"}),
    "ROLE_TENANT_ADMIN": frozenset({"TARGET", "DISTRIBUTION_SET", "SOFTWARE_MODULE", "ROLLOUT"}),
}
"""Role → what it may do everything with."""


class HawkbitQuestions(HawkbitClient):
    """`reconciler.providers.base.Questions` over the Management API."""

    def __init__(self, wire: Wire, watched: Watched, *, clock: Callable[[], float], **how: int) -> None:
        super().__init__(wire, **how)
        self._watched = watched
        self._clock = clock

    async def counts(self) -> CampaignCounts:
        """See `Questions.counts`: what was approved of is just ready here."""
        listed = await self.listed("list-rollouts", codec.rollout_row)
        found = Counter(phase_of(each.status, PHASES) for each in listed.values() if not each.gone)
        return CampaignCounts(
            ready=found[Phase.READY],
            waiting=found[Phase.WAITING],
            approved=0,
            started=found[Phase.RUNNING],
            stopped=found[Phase.PAUSED],
        )

    async def campaign_progress(self, campaign_id: str) -> CampaignProgress:
        """See `Questions.campaign_progress`."""
        found = await self.there(campaign_id)
        bundle = await self.one("get-set", codec.bundle, set=found.bundle)
        counts = {_WORDS.get(word, word): n for word, n in (found.counts or {}).items()}
        return CampaignProgress(
            id=found.id,
            name=found.name,
            status=found.status,
            description=found.description,
            gateways=found.total,
            packages=len(bundle.modules) if bundle else 0,
            states=counts,
            created=found.created,
            modified=found.modified,
        )

    async def gateway_state(self, campaign_id: str, gateway_id: str) -> str:
        """See `Questions.gateway_state`."""
        _, row = await self._action(campaign_id, gateway_id)
        return row.status

    async def gateway_status(self, campaign_id: str, gateway_id: str) -> GatewayStatus:
        """See `Questions.gateway_status`: what the device said last is why it failed."""
        key, row = await self._action(campaign_id, gateway_id)
        said = await self._history(gateway_id, key)
        cause = codec.cause(said) if row.status == "error" else ""
        changed = said[-1].at if said else None
        return GatewayStatus(gateway_id, row.status, changed, execution=_lines(said), cause=cause)

    async def gateway_packages(self, campaign_id: str, gateway_id: str) -> tuple[str, ...]:
        """See `Questions.gateway_packages`."""
        return (await self.overrides(campaign_id, [gateway_id]))[gateway_id]

    async def download_progress(self, campaign_id: str, gateway_id: str) -> tuple[PackageProgress, ...]:
        """See `Questions.download_progress`: the server tells none."""
        await self._action(campaign_id, gateway_id)
        return ()

    async def execution_progress(self, campaign_id: str, gateway_id: str) -> tuple[str, ...]:
        """See `Questions.execution_progress`: what the device and the server said, oldest first."""
        key, _ = await self._action(campaign_id, gateway_id)
        return _lines(await self._history(gateway_id, key))

    async def active_campaigns(self, gateway_id: str) -> tuple[str, ...]:
        """See `Questions.active_campaigns`: rollouts with an action that is open for it."""
        queries = any_of("target.controllerid", [gateway_id], "active==true")
        found = await self.listed("list-actions", codec.action_row, queries, (("representation", "full"),))
        rollouts = (row.rollout for row in found.values() if row.target == gateway_id)
        return tuple(sorted({rollout for rollout in rollouts if rollout}))

    async def notify(self, campaign_id: str, gateway_id: str) -> None:
        """See `Questions.notify`: devices ask by themselves."""
        raise Refused(
            f"{gateway_id} can't be told to ask: devices of this server poll by themselves",
            request=f"notify {campaign_id}",
            hint="The interval is the server's setting pollingTime.",
        )

    async def package_infos(self, names: Collection[str] | None = None) -> tuple[PackageInfo, ...]:
        """See `Questions.package_infos`."""
        found = await self.modules(None if names is None else any_of("name", sorted(names)))
        return await self._infos([each for each in found if names is None or each.package.name in names])

    async def package_info(self, package_id: str) -> PackageInfo | None:
        """See `Questions.package_info`."""
        found = await self.one("get-module", codec.module, module=package_id)
        return None if found is None or found.deleted else (await self._infos([found]))[0]

    async def greet(self) -> Greeting:
        """See `Questions.greet`: who we are."""
        error: ServerError | None = None
        try:
            await self.one("get-userinfo", codec.permissions)
        except ServerError as failure:
            error = failure
        return Greeting(VERSION, self._watched.ahead, error)

    async def concerns(self) -> tuple[str, ...]:
        """See `Questions.concerns`: rollouts that the server has been at work on for too long."""
        now = (self._clock() + (self._watched.ahead or 0.0)) * 1000
        listed = await self.listed("list-rollouts", codec.rollout_row)
        return tuple(
            f"the rollout {each.name!r} ({each.id}) has been {each.status} for {plural(minutes, 'minute')}:"
            " it hangs. The server's log says why; often a target is at its quota of actions"
            for each in listed.values()
            if each.status in (*BUSY, "deleting") and each.modified is not None
            if (minutes := int(now - each.modified) // 60_000) >= STUCK_MINUTES
        )

    async def probe(self) -> tuple[Probe, ...]:
        """See `Questions.probe`: one call tells every permission."""
        held = await self.one("get-userinfo", codec.permissions) or frozenset()
        return tuple(self._probe(name, held) for name in OPERATIONS)

    def _probe(self, name: str, held: frozenset[str]) -> Probe:
        operation = OPERATIONS[name]
        lacking = [each for each in operation.permissions if not _may(each, held)]
        if not lacking:
            return Probe(operation, tried=operation.method == "GET")
        error = ServerError(
            f"lacks the permission {' and '.join(lacking)}",
            request=f"{operation.method} {operation.path}",
            status=403,
            hint=f"Give the user {' and '.join(lacking)}.",
            meaning=frozenset({Refusal.NOT_PERMITTED}),
        )
        return Probe(operation, error, tried=operation.method == "GET")

    # --- parts --------------------------------------------------------------------------------------

    async def _action(self, campaign_id: str, gateway_id: str) -> tuple[str, ActionRow]:
        """The action of a gateway in a rollout; one that nothing was done for yet has none."""
        rollout = await self.there(campaign_id)
        found = (await self.actions_of(rollout.id, [gateway_id])).get(gateway_id)
        if found is not None:
            return found
        if tag_of(rollout.query) is None or gateway_id not in await self.members(rollout):
            raise Refused(
                f"{gateway_id} isn't in the rollout {rollout.name!r}",
                request=f"GET /rest/v1/rollouts/{campaign_id}",
                meaning=MISSING,
            )
        return "", ActionRow(gateway_id, IDLE, active=False)

    async def _history(self, gateway_id: str, action_id: str) -> tuple[HistoryEntry, ...]:
        if not action_id:
            return ()
        more = (("limit", "20"),)
        ids = {"target": gateway_id, "action": action_id}
        return await self.one("get-action-history", codec.history, more, **ids) or ()

    async def _infos(self, modules: list[Module]) -> tuple[PackageInfo, ...]:
        packages = await self.told(modules)
        return tuple(
            PackageInfo(package, module.created_by, module.created, package.sha256)
            for package, module in zip(packages, modules, strict=True)
        )


def _lines(entries: Iterable[HistoryEntry]) -> tuple[str, ...]:
    return tuple(line for entry in entries for line in entry.messages)


def _may(permission: str, held: frozenset[str]) -> bool:
    """Whether who holds these permissions and roles has this one."""
    if permission in held:
        return True
    about = permission.partition("_")[2]
    return any(about in things for role, things in _ROLES.items() if role in held)
