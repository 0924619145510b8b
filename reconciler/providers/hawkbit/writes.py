"""Steps on this server: what their calls are sent, and what became of them after an unclear answer.

A campaign is one dynamic rollout without groups of its own, on the query for one tag that nothing else uses.
Who gets the tag is taken in, at once where it runs, and at its start otherwise; the thresholds of the server
never stop it, because who is let in when is ours to decide.

Tests: `tests/providers/test_hawkbit_tape.py`, `tests/providers/test_hawkbit_steps.py`.
"""

from __future__ import annotations

from typing import Final

from reconciler.errors import ReconcilerError, Refused
from reconciler.model import (
    AddGateways,
    ApproveCampaign,
    CloseGateways,
    CreateCampaign,
    DeleteCampaign,
    DeletePackage,
    DeliveryTerms,
    EditCampaign,
    EndCampaign,
    Force,
    Json,
    Only,
    OutcomeStatus,
    Phase,
    RemoveGateways,
    Repeat,
    RetireCampaign,
    StartCampaign,
    Step,
    StopCampaign,
    UploadPackage,
)
from reconciler.providers.base.facts import phase_of
from reconciler.providers.base.writes import Bindings, Readback, Result
from reconciler.providers.hawkbit import codec
from reconciler.providers.hawkbit.client import HawkbitClient
from reconciler.providers.hawkbit.codec import Rollout
from reconciler.providers.hawkbit.ending import Ending, at_work
from reconciler.providers.hawkbit.entry import DONE_ALREADY, MISSING
from reconciler.providers.hawkbit.making import Making
from reconciler.providers.hawkbit.query import tag_of
from reconciler.providers.hawkbit.statuses import BUSY, PHASES
from reconciler.providers.http.steps import campaign_of, first, one_made, packages_of, request_of

_GROUP: Final = 10_000
"""Targets of a dynamic group: the server takes 500 groups a rollout, and 20,000 targets a group."""
_NAME: Final = 128
_WAVES: Final[dict[str, Json]] = {
    "dynamic": True,
    "amountGroups": 0,
    "dynamicGroupTemplate": {"nameSuffix": "-dynamic", "targetCount": _GROUP},
    "successCondition": {"condition": "THRESHOLD", "expression": "0"},
    "successAction": {"action": "NEXTGROUP", "expression": ""},
    "errorCondition": {"condition": "THRESHOLD", "expression": "100"},
    "errorAction": {"action": "PAUSE", "expression": ""},
}
_ALREADY_RUNNING: Final = ("running", "starting", "finished")


class HawkbitWrites:
    """`reconciler.providers.base.Writes` over the Management API."""

    def __init__(self, client: HawkbitClient) -> None:
        self._client = client
        self._making = Making(client)
        self._ending = Ending(client)

    async def run(self, step: Step, bindings: Bindings) -> Result:
        """See `Writes.run`."""
        match action := step.action:
            case UploadPackage():
                return Result(created=await self._making.package(action.file, step))
            case CreateCampaign():
                return await self._create(action, step, bindings)
            case DeletePackage():
                return await self._delete_package(action.target, step)
            case _:
                live = await self._live(campaign_of(action, bindings), step)
                return await self._on_rollout(live, step, bindings)

    async def _on_rollout(self, live: Rollout, step: Step, bindings: Bindings) -> Result:
        match action := step.action:
            case EditCampaign():
                return await self._edit(action, live)
            case AddGateways():
                await self._client.do("tag-targets", list(step.gateways), tag=await self._tag(live, step))
            case RemoveGateways() | CloseGateways():
                ending, tag = self._ending, await self._own_tag(live, step)
                moving = isinstance(action, RemoveGateways) and action.moving
                return await (
                    ending.move(live, step, tag, bindings) if moving else ending.leave(live, step, tag)
                )
            case ApproveCampaign():
                return await self._approve(action, live, step)
            case StartCampaign():
                return await self._start(action, live, step)
            case StopCampaign():
                return await self._stop(live, step)
            case RetireCampaign():
                await self._client.do("edit-rollout", {"name": action.name}, rollout=live.id)
            case EndCampaign():
                return await self._ending.end(action, live, step, bindings)
            case DeleteCampaign():
                return await self._delete(live)
            case _:
                raise ValueError(f"a rollout knows no {action.verb}")
        return Result()

    async def _live(self, campaign_id: str, step: Step) -> Rollout:
        live = await first(self._client.rollout(campaign_id), step)
        if live is None:
            raise Refused(
                f"the rollout {campaign_id} is no longer there",
                request=request_of(step),
                meaning=MISSING,
                hint="Plan again.",
            )
        return live

    # --- rollouts -----------------------------------------------------------------------------------

    async def _create(self, action: CreateCampaign, step: Step, bindings: Bindings) -> Result:
        fields = action.fields
        packages = packages_of(fields.packages or (), bindings)
        if not packages:
            raise Refused("a rollout needs packages", request=request_of(step), hint="Declare a packageSet.")
        for namesake in await first(self._client.rollouts_named([fields.name]), step):
            raise Refused(
                f"the name {fields.name!r} has meanwhile been taken by rollout {namesake.id}",
                request=request_of(step),
                hint="Plan again; `--adopt` takes that rollout as ours.",
            )
        bundle = await self._making.bundle(fields, packages, step)
        query = await self._making.query(fields, step)
        body: dict[str, Json] = {
            "name": fields.name,
            "distributionSetId": int(bundle),
            "targetFilterQuery": query,
            **_WAVES,
            **delivered(fields.delivery),
        }
        if fields.description is not None:
            body["description"] = fields.description
        try:
            return Result(created=await self._client.make("create-rollout", body))
        except Refused as error:
            if error.meaning == DONE_ALREADY:
                raise Refused(
                    f"the name {fields.name!r} is taken, and no rollout of that name is listed: a deleted"
                    " one may hold it for good",
                    request=request_of(step),
                    hint="Choose another name in spec.name.",
                    meaning=error.meaning,
                ) from error
            raise

    async def _edit(self, action: EditCampaign, live: Rollout) -> Result:
        """Name and description; the rest of a rollout can't be changed, and a successor brings it."""
        fields = action.fields
        body: dict[str, Json] = {"name": fields.name}
        if fields.description is not None:
            body["description"] = fields.description
        await self._client.do("edit-rollout", body, rollout=live.id)
        return Result()

    async def _approve(self, action: ApproveCampaign, live: Rollout, step: Step) -> Result:
        if live.status == "creating":
            raise at_work(live, step)
        if action.only_if_waiting and live.status != "waiting_for_approval":
            return Result(OutcomeStatus.NOT_NEEDED, message="the server asks for no approval")
        await self._client.do("approve-rollout", rollout=live.id)
        return Result()

    async def _start(self, action: StartCampaign, live: Rollout, step: Step) -> Result:
        message = ""
        if live.status in _ALREADY_RUNNING:
            return Result(OutcomeStatus.NOT_NEEDED, message="it is already started")
        if live.status in BUSY:
            raise at_work(live, step)
        if live.status == "waiting_for_approval":
            if not action.approve:
                return Result(OutcomeStatus.WAITING, message="waiting for approval")
            await self._approve_once(live, step)
            message = "approved first, because the server asked for it"
        if live.status == "paused":
            # The operation is the one of the plan; which of the two it is tells the status right now.
            await self._client.do("resume-rollout", rollout=live.id)
        else:
            await self._client.do("start-rollout", rollout=live.id)
        return Result(message=message)

    async def _approve_once(self, live: Rollout, step: Step) -> None:
        """Approve; a refusal is fine when somebody else was faster."""
        try:
            await self._client.do("approve-rollout", rollout=live.id)
        except Refused:
            if (await self._live(live.id, step)).status != "ready":
                raise

    async def _stop(self, live: Rollout, step: Step) -> Result:
        if live.status in BUSY:
            raise at_work(live, step)
        if live.status != "running":
            raise Refused("it is not started", request=request_of(step), meaning=DONE_ALREADY)
        await self._client.do("pause-rollout", rollout=live.id)
        return Result()

    async def _delete(self, live: Rollout) -> Result:
        """Under another name, so that its own is free again; then its tag, which nothing else uses."""
        await self._client.do("edit-rollout", {"name": retired(live.name, live.id)}, rollout=live.id)
        await self._client.do("delete-rollout", rollout=live.id)
        return Result(message=await self._drop_tag(live))

    async def _drop_tag(self, live: Rollout) -> str:
        name = tag_of(live.query)
        if name is None:
            return ""
        try:
            if key := await self._client.tag_id(name, ours=True):
                await self._client.do("delete-tag", tag=key)
        except ReconcilerError as error:
            return f"its tag {name} stays: {error.message}"
        return ""

    # --- members ------------------------------------------------------------------------------------

    async def _tag(self, live: Rollout, step: Step) -> str:
        """The id of the tag that a rollout grows by."""
        name = tag_of(live.query)
        if name is None or not live.dynamic:
            why = (
                "is static: who is in it was fixed when it was made"
                if not live.dynamic
                else (f"takes in who matches {live.query!r}, and not who has a tag of its own")
            )
            raise Refused(
                f"the rollout {live.name!r} {why}",
                request=request_of(step),
                hint="Let a campaign of another name take over, and end this one on the server.",
            )
        found = await first(self._client.tag_id(name), step)
        if found is None:
            raise Refused(
                f"the tag {name!r} that the rollout {live.name!r} grows by is gone",
                request=request_of(step),
                hint="Make it again on the server, under exactly that name.",
            )
        return found

    async def _own_tag(self, live: Rollout, step: Step) -> str | None:
        """The id of the tag that a rollout grows by; None where it grows by none."""
        if tag_of(live.query) is None or not live.dynamic:
            return None
        return await self._tag(live, step)

    # --- packages -----------------------------------------------------------------------------------

    async def _delete_package(self, module_id: str, step: Step) -> Result:
        if await first(self._client.package(module_id), step) is None:
            raise Refused("there is no such module", request=request_of(step), meaning=MISSING)
        # A set that has been used locks its modules, also when nobody uses it any more.
        listed = self._client.listed("list-sets", codec.bundle_row, [f"module.id=={module_id}"])
        for key, bundle in (await first(listed, step)).items():
            using = self._client.listed("list-rollouts", codec.rollout_row, [f"distributionset.id=={key}"])
            for rollout in (await first(using, step)).values():
                if rollout.gone:
                    raise at_work(rollout, step)
                raise Refused(
                    f"the rollout {rollout.name!r} uses it, by the distribution set {bundle.name!r}"
                    f" {bundle.version}",
                    request=request_of(step),
                    hint="Delete that first.",
                )
            if bundle.ours:
                # A set that was used keeps its name for good, though nobody sees it any more.
                name = retired(bundle.name, key)
                await first(self._client.do("edit-set", {"name": name}, set=key), step)
                await first(self._client.do("delete-set", set=key), step)
        await self._client.do("delete-module", module=module_id)
        return Result()

    # --- what became of it --------------------------------------------------------------------------

    async def verify(self, step: Step, bindings: Bindings) -> Readback:
        """See `Writes.verify`."""
        if step.operation.repeat is Repeat.IDEMPOTENT:
            return Readback(done=False)
        match action := step.action:
            case CreateCampaign():
                return await self._made(action, bindings)
            case UploadPackage():
                found = await self._making.module(action.file)
                held = await self._client.held(found.package.id) if found else {}
                done = action.file.sha256 in held.values()
                return Readback(done, created=found.package.id if found and done else None)
            case DeletePackage():
                return Readback(await self._client.package(action.target) is None)
            case _:
                live = await self._client.rollout(campaign_of(action, bindings))
                if live is None or isinstance(action, DeleteCampaign):
                    return Readback(live is None and isinstance(action, DeleteCampaign))
                return await self._look(live, step, bindings)

    async def _look(self, live: Rollout, step: Step, bindings: Bindings) -> Readback:
        """What became of a step on a rollout that is there."""
        phase = phase_of(live.status, PHASES)
        match action := step.action:
            case StartCampaign():
                return Readback(live.status in _ALREADY_RUNNING)
            case EndCampaign():
                return Readback(await self._ending.over(action, live, bindings))
            case StopCampaign():
                return Readback(phase is not Phase.RUNNING and live.status not in BUSY)
            case ApproveCampaign():
                return Readback(live.status not in ("creating", "waiting_for_approval"))
            case AddGateways() | RemoveGateways() | CloseGateways():
                members, here = await self._client.members(live), frozenset(step.gateways)
                out = members.lacking(here)
                left = out if isinstance(action, AddGateways) else here - out
                if isinstance(action, RemoveGateways) and action.moving and not left:
                    return Readback(await self._ending.moved(action, live, step, bindings))
                return Readback(not left, remaining=tuple(sorted(left)))
            case _:
                raise ReconcilerError(f"nothing on the server tells whether {action.verb} was done")

    async def _made(self, action: CreateCampaign, bindings: Bindings) -> Readback:
        """The rollout of exactly this name, if it is for whom we would make it."""
        name, wanted = action.fields.name, await self._making.query_of(action.fields)
        listed = action.fields.distribution is not None
        named = await self._client.rollouts_named([name])
        found = [each for each in named if bindings.may_be(action, each.id)]
        for each in found:
            tag = tag_of(each.query)
            ours = each.query == wanted if listed else bool(tag and await self._client.tag_id(tag, ours=True))
            if not ours:
                raise ReconcilerError(
                    f"the rollout {each.id} has the name {name!r}, and was made by somebody else",
                    hint="`--adopt` takes it as ours; or choose another name.",
                )
        return one_made(f"rollouts named {name!r}", [each.id for each in found])


def retired(name: str, key: str) -> str:
    """What a thing is called before it is deleted, because the server keeps the name of one that was used."""
    mark = f" ~{key}"
    return name if name.endswith(mark) else f"{name[: _NAME - len(mark)]}{mark}"


def delivered(wanted: DeliveryTerms | None) -> dict[str, Json]:
    """What a rollout is made with to be delivered so; what isn't said is left to the server."""
    if wanted is None:
        return {}
    body: dict[str, Json] = {}
    if wanted.only is Only.DOWNLOAD:
        body["type"] = "downloadonly"
    elif wanted.force is not None:
        body["type"] = {Force.NEVER: "soft", Force.ALWAYS: "forced", Force.AFTER: "timeforced"}[wanted.force]
    if wanted.force_after is not None:
        body["forcetime"] = wanted.force_after
    if wanted.confirm is not None:
        body["confirmationRequired"] = wanted.confirm
    if wanted.start_at:
        body["startAt"] = wanted.start_at
    return body
