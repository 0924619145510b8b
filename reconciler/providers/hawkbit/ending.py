"""How targets leave a rollout, and how a rollout ends for good.

Tests: `tests/providers/test_hawkbit_tape.py`, `tests/providers/test_hawkbit_lies.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Final

from reconciler.errors import NotExecuted, Refusal, Refused
from reconciler.model import EndCampaign, OutcomeStatus, RemoveGateways, Step
from reconciler.pool import concurrently
from reconciler.providers.base.writes import Bindings, Result
from reconciler.providers.hawkbit.client import HawkbitClient
from reconciler.providers.hawkbit.codec import ActionRow, Rollout
from reconciler.providers.hawkbit.statuses import BUSY
from reconciler.providers.http.steps import first, request_of
from reconciler.providers.http.wire import Query

AT_WORK_SECONDS: Final = 1.0
"""When to ask again while the server is at work on a rollout."""
ENDED: Final = ("stopped", "finished", "approval_denied")


class Ending:
    """Ends what targets do for a rollout."""

    def __init__(self, client: HawkbitClient) -> None:
        self._client = client

    async def leave(self, live: Rollout, step: Step, tag: str | None) -> Result:
        """Out of its `tag`, so that it isn't taken in; then its action, if it was."""
        gateways = step.gateways
        if tag is not None:
            await self._client.do("untag-targets", list(gateways), tag=tag)
        elif not live.begun:
            raise Refused(
                f"the rollout {live.name!r} fixed who is in it when it was made, and hasn't begun",
                request=request_of(step),
                hint="Delete it on the server, or start it first.",
            )
        if live.begun:
            await self._cancel(live, gateways, step)
        return Result()

    async def move(self, live: Rollout, step: Step, tag: str | None, bindings: Bindings) -> Result:
        """Out of a rollout in which others stay, for its successor.

        Where that has the same set even what is only cancelled is quit, first while they have the tag: so a
        run that is cut leaves nobody whom the next one wouldn't find.
        """
        action = step.action
        assert isinstance(action, RemoveGateways)
        successor = await self._successor(action, bindings, step)
        if action.before_start and successor is not None and (waits := _not_yet(successor, step)):
            return waits
        same = quits(live, successor)
        if same and live.begun:
            await self._cancel(live, step.gateways, step)
            await self._quit(await self._open(live, step))
        await self.leave(live, step, tag)
        if same and live.begun:
            await self._quit(await self._open(live, step))
        return Result()

    async def moved(self, action: RemoveGateways, live: Rollout, step: Step, bindings: Bindings) -> bool:
        """Whether nothing of them is in the way of the successor."""
        successor = await self._client.rollout(self._successor_id(action, bindings) or "-")
        return not (quits(live, successor) and live.begun and await self._open(live, step))

    async def _open(self, live: Rollout, step: Step) -> Mapping[str, tuple[str, ActionRow]]:
        """What is still open of the targets of `step`, cancelled or not."""
        found = await first(self._client.actions_of(live.id, step.gateways), step)
        return {target: (key, row) for target, (key, row) in found.items() if row.active}

    async def _cancel(self, live: Rollout, gateways: Collection[str], step: Step) -> None:
        """Ask the devices to give up what they do for the rollout; what hasn't begun is taken back."""
        found = await first(self._client.actions_of(live.id, gateways), step)
        doubtful = await self._given_up(found)
        if doubtful:
            again = await first(self._client.actions_of(live.id, doubtful), step)
            left = sorted(target for target, (_, row) in again.items() if goes_on(row))
            if left:
                raise Refused(f"the action of {left[0]} can't be cancelled", request=request_of(step))

    async def _given_up(self, found: Mapping[str, tuple[str, ActionRow]]) -> list[str]:
        """Cancel or take back each action that goes on; those that the server says may be over."""

        async def end(target: str) -> bool:
            key, row = found[target]
            if row.status == "scheduled":
                return await self._sent("purge-action", action=key)
            return await self._sent("cancel-action", target=target, action=key)

        todo = [target for target, (_, row) in found.items() if goes_on(row)]
        ended = await concurrently(todo, end, limit=self._client.parallelism)
        return [target for target, sure in ended.items() if not sure]

    async def _quit(self, found: Mapping[str, tuple[str, ActionRow]]) -> None:
        """End actions that were cancelled, whatever their devices say."""

        async def end(target: str) -> bool:
            query = (("force", "true"),)
            return await self._sent("cancel-action", query, target=target, action=found[target][0])

        await concurrently(list(found), end, limit=self._client.parallelism)

    async def _sent(self, name: str, query: Query = (), **ids: str) -> bool:
        """Send a call; False where the server says that it may be done already."""
        try:
            await self._client.do(name, query=query, **ids)
        except Refused as error:
            if Refusal.MAY_HAVE_HAPPENED not in error.meaning:
                raise
            return False
        return True

    # --- the end of a whole rollout -----------------------------------------------------------------

    async def end(self, action: EndCampaign, live: Rollout, step: Step, bindings: Bindings) -> Result:
        """Stop it for good, and take away what it set going.

        A successor of the same set would count whoever has that assigned as done, though nobody installs it:
        so then the actions are quit. With another set the server puts the new action behind the cancellation,
        and no device is left between two.
        """
        successor = await self._successor(action, bindings, step)
        if action.before_start and successor is not None and (waits := _not_yet(successor, step)):
            return waits
        if live.status not in ENDED:
            await self._sent("stop-rollout", rollout=live.id)
            now = await first(self._client.rollout(live.id), step)
            live = live if now is None else now
        if live.status not in ENDED:
            raise at_work(live, step)
        for query in self._still(live):
            found = await first(self._client.actions([query]), step)
            await self._given_up(found)
            if quits(live, successor):
                await self._quit(found)
        if not await self.over(action, live, bindings):
            raise NotExecuted(
                f"actions of the rollout {live.name!r} are still open",
                request=request_of(step),
                retry_after=AT_WORK_SECONDS,
            )
        return Result()

    async def over(self, action: EndCampaign, live: Rollout, bindings: Bindings) -> bool:
        """Whether it is stopped for good, and nothing of it goes on."""
        if live.status not in ENDED:
            return False
        successor = await self._client.rollout(self._successor_id(action, bindings) or "-")
        for query in self._still(live):
            found = await self._client.actions([query])
            if any(quits(live, successor) or goes_on(row) for _, row in found.values()):
                return False
        return True

    @staticmethod
    def _still(live: Rollout) -> Iterable[str]:
        """Queries for what of a rollout is still open."""
        return (f"rollout.id=={live.id};active==true", f"rollout.id=={live.id};status==scheduled")

    def _successor_id(self, action: EndCampaign | RemoveGateways, bindings: Bindings) -> str | None:
        return action.successor or bindings.campaigns.get(action.resource)

    async def _successor(
        self, action: EndCampaign | RemoveGateways, bindings: Bindings, step: Step
    ) -> Rollout | None:
        key = self._successor_id(action, bindings)
        return await first(self._client.rollout(key), step) if key else None


def _not_yet(successor: Rollout, step: Step) -> Result | None:
    """That a successor waits for a person, and the old one goes on; NotExecuted while it is being made."""
    if successor.status == "waiting_for_approval":
        return Result(OutcomeStatus.WAITING, message="its successor waits for approval")
    if successor.status in BUSY:
        raise at_work(successor, step)
    return None


def goes_on(row: ActionRow) -> bool:
    """Whether an action is still to be ended."""
    return (row.active or row.status == "scheduled") and row.status not in ("canceling", "canceled")


def quits(live: Rollout, successor: Rollout | None) -> bool:
    """Whether even a cancellation that a device hasn't agreed to is in the way of the successor."""
    return successor is None or successor.bundle == live.bundle


def at_work(live: Rollout, step: Step) -> NotExecuted:
    """That a step has to wait."""
    return NotExecuted(
        f"the server is still at work on the rollout {live.name!r}: it is {live.status}",
        request=request_of(step),
        retry_after=AT_WORK_SECONDS,
        hint="Where it stays so, see the server's log: a target may be at its quota of actions.",
    )
