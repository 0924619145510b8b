"""Steps on this server: what their calls are sent, and what became of them after an unclear answer.

Tests: `tests/providers/test_pulse_tape.py`, `tests/providers/test_pulse_steps.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import Final, assert_never

from reconciler.errors import PartlyDone, ReconcilerError, Refused
from reconciler.model import (
    AddGateways,
    ApproveCampaign,
    AssignPackages,
    CloseGateways,
    CreateCampaign,
    DeleteCampaign,
    DeletePackage,
    EditCampaign,
    EndCampaign,
    LiveCampaign,
    OutcomeStatus,
    PackageFile,
    Phase,
    RegisterCallback,
    RemoveGateways,
    Repeat,
    RetireCampaign,
    RunOnThings,
    ScheduleWindow,
    SetDistributionList,
    StartCampaign,
    Step,
    StopCampaign,
    UploadMode,
    UploadPackage,
)
from reconciler.providers.base.writes import Bindings, Readback, Result
from reconciler.providers.http.filebody import FileBody
from reconciler.providers.http.names import FreshNames
from reconciler.providers.http.sender import Overtaken
from reconciler.providers.http.steps import campaign_of, first, one_made, packages_of, request_of
from reconciler.providers.pulse.client import PulseClient
from reconciler.providers.pulse.codec.marks import DESCRIPTION_LIMIT, MARK_LENGTH, mark, mark_of
from reconciler.providers.pulse.entry import STATUSES

_TURNS: Final = 4
"""How often a create waits for its turn with a list that is fresh as it begins to."""


_TAKEN: Final = Result()


class PulseWrites:
    """`reconciler.providers.base.Writes` over the Campaign Management API."""

    def __init__(self, client: PulseClient) -> None:
        self._client = client
        self._names = FreshNames(client.campaigns, page_size=client.page_size)

    async def run(self, step: Step, bindings: Bindings) -> Result:  # noqa: PLR0912, C901
        """See `Writes.run`."""
        client, gateways = self._client, step.gateways
        match action := step.action:
            case UploadPackage():
                return await self._upload(action, step)
            case CreateCampaign():
                return await self._create(action, step, bindings)
            case DeletePackage():
                await client.delete_package(action.target)
                return Result()
        campaign_id = campaign_of(action, bindings)
        match action:
            case EditCampaign():
                await self._edit(action, campaign_id, step, bindings)
            case RegisterCallback():
                if action.callback is None:
                    raise Refused("a callback can't be taken back", request=request_of(step))
                await client.register_callback(campaign_id, action.event, action.callback)
            case SetDistributionList():
                await client.set_distribution_list(campaign_id, action.distribution)
            case RemoveGateways():
                await client.remove_gateways(campaign_id, gateways)
            case AddGateways():
                await client.add_gateways(campaign_id, gateways)
            case AssignPackages():
                packages = packages_of(action.packages, bindings)
                await client.assign_gateway_packages(campaign_id, gateways[0], packages)
            case ScheduleWindow():
                await client.schedule(campaign_id, gateways[0], action.phase, action.window)
            case RunOnThings():
                return await self._things(action, campaign_id, step)
            case CloseGateways():
                await client.close_gateway(campaign_id, gateways[0])
            case ApproveCampaign():
                return await self._approve(action, campaign_id, step)
            case StartCampaign():
                return await self._start(action, campaign_id, step)
            case StopCampaign():
                await self._stop(campaign_id, step)
            case DeleteCampaign():
                await client.delete_campaign(campaign_id)
            case RetireCampaign() | EndCampaign():
                raise ValueError("a campaign of this server is edited, and has no successor")
            case _:
                assert_never(action)
        return _TAKEN

    async def _upload(self, action: UploadPackage, step: Step) -> Result:
        file = action.file
        description = _described(file, step)
        body = FileBody(file.path, file.size, file.sha256)
        streams = file.mode is UploadMode.STREAMING
        send = self._client.stream_package if streams else self._client.upload_package
        return Result(created=await send(body, name=file.name, description=description))

    async def _create(self, action: CreateCampaign, step: Step, bindings: Bindings) -> Result:
        fields = action.fields
        packages = None if fields.packages is None else packages_of(fields.packages, bindings)
        # Names need not be unique on the server: between plan and now, somebody may have taken this one.
        for tries in range(_TURNS):
            namesakes = await first(self._names.having(fields.name), step)
            for namesake in namesakes.found:
                raise Refused(
                    f"the name {fields.name!r} has meanwhile been taken by campaign {namesake.id}",
                    request=request_of(step),
                    hint="Plan again; `--adopt` takes that campaign as ours.",
                )
            # Where calls have to wait for their turn, the list may grow old; at a very slow pace it must.
            last = tries == _TURNS - 1
            with suppress(Overtaken):
                created = await self._client.create_campaign(
                    fields.name,
                    description=fields.description,
                    packages=packages,
                    settings=fields.settings,
                    still=None if last else partial(self._names.fresh, namesakes),
                )
                return Result(created=created)
        raise AssertionError("the last one isn't overtaken")

    async def _edit(self, action: EditCampaign, campaign_id: str, step: Step, bindings: Bindings) -> None:
        fields = action.fields
        description = fields.description
        packages = None if fields.packages is None else packages_of(fields.packages, bindings)
        if description is None or packages is None:
            # An edit may replace the whole campaign: what isn't managed is sent as it is right now.
            live = await self._live(campaign_id, step)
            description = live.description if description is None else description
            packages = live.packages if packages is None else packages
        await self._client.edit_campaign(
            campaign_id, fields.name, description=description, packages=packages, settings=fields.settings
        )

    async def _things(self, action: RunOnThings, campaign_id: str, step: Step) -> Result:
        things = {gateway: action.things[gateway] for gateway in step.gateways}
        left = await self._client.run_on_things(campaign_id, things)
        if not left:
            return Result()
        named = {gateway: [thing for thing in ids if thing in left] for gateway, ids in things.items()}
        failed = {gateway: _unprocessed(those) for gateway, those in named.items() if those}
        raise PartlyDone(_unprocessed(left), request=request_of(step), failed=failed)

    async def _approve(self, action: ApproveCampaign, campaign_id: str, step: Step) -> Result:
        if action.only_if_waiting:
            live = await self._live(campaign_id, step)
            if live.phase is not Phase.WAITING:
                return Result(OutcomeStatus.NOT_NEEDED, message="the server asks for no approval")
        await self._client.approve_campaign(campaign_id)
        return Result()

    async def _start(self, action: StartCampaign, campaign_id: str, step: Step) -> Result:
        live = await self._live(campaign_id, step)
        message = ""
        if live.phase is Phase.RUNNING:
            return Result(OutcomeStatus.NOT_NEEDED, message="it is already started")
        if live.phase is Phase.WAITING:
            if not action.approve:
                return Result(OutcomeStatus.WAITING, message="waiting for approval")
            await self._approve_once(campaign_id, step)
            message = "approved first, because the server asked for it"
        await self._client.start_campaign(campaign_id)
        return Result(message=message)

    async def _approve_once(self, campaign_id: str, step: Step) -> None:
        """Approve; a refusal is fine when somebody else was faster."""
        try:
            await self._client.approve_campaign(campaign_id)
        except Refused:
            if (await self._live(campaign_id, step)).phase is Phase.WAITING:
                raise

    async def _stop(self, campaign_id: str, step: Step) -> None:
        # Not every server refuses to stop what is stopped, and who did decides whether it starts again.
        if (await self._live(campaign_id, step)).phase not in (Phase.RUNNING, Phase.UNKNOWN):
            raise Refused("it is not started", request=request_of(step), meaning=STATUSES.refusals[409])
        await self._client.stop_campaign(campaign_id)

    async def _live(self, campaign_id: str, step: Step) -> LiveCampaign:
        live = await first(self._client.campaign(campaign_id), step)
        if live is None:
            raise Refused(
                f"campaign {campaign_id} is no longer there",
                request=request_of(step),
                meaning=STATUSES.refusals[404],
                hint="Plan again.",
            )
        return live

    # --- what became of it --------------------------------------------------------------------------

    async def verify(self, step: Step, bindings: Bindings) -> Readback:
        """See `Writes.verify`."""
        if step.operation.repeat is Repeat.IDEMPOTENT:
            return Readback(done=False)
        match action := step.action:
            case CreateCampaign():
                name = action.fields.name
                lines = await self._client.campaigns([name])
                made = [line.id for line in lines if bindings.may_be(action, line.id)]
                return one_made(f"campaigns named {name!r}", made)
            case UploadPackage():
                digits = action.file.sha256[:MARK_LENGTH]
                packages = await self._client.packages()
                marked = [package.id for package in packages if mark_of(package) == digits]
                made = [each for each in marked if bindings.may_be(action, each)]
                return one_made(f"packages marked [sha256:{digits}]", made)
            case DeletePackage():
                return Readback(await self._client.package(action.target) is None)
            case AddGateways() | RemoveGateways() | CloseGateways():
                return await self._left(action, step.gateways, campaign_of(action, bindings))
            case StartCampaign() | StopCampaign() | ApproveCampaign() | DeleteCampaign():
                return await self._status(action, campaign_of(action, bindings))
            case (
                EditCampaign()
                | RegisterCallback()
                | SetDistributionList()
                | AssignPackages()
                | ScheduleWindow()
                | RunOnThings()
                | RetireCampaign()
                | EndCampaign()
            ):
                raise ReconcilerError(f"nothing on the server tells whether {action.verb} was done")
            case _:
                assert_never(action)

    async def _left(
        self,
        action: AddGateways | RemoveGateways | CloseGateways,
        gateways: tuple[str, ...],
        campaign_id: str,
    ) -> Readback:
        members = await self._client.gateways(campaign_id)
        here = frozenset(gateways)
        match action:
            case AddGateways():
                left = members.lacking(here)
            case RemoveGateways():
                left = here - members.lacking(here)
            case CloseGateways():
                left = here - members.closed
        return Readback(not left, remaining=tuple(sorted(left)))

    async def _status(
        self, action: StartCampaign | StopCampaign | ApproveCampaign | DeleteCampaign, campaign_id: str
    ) -> Readback:
        live = await self._client.campaign(campaign_id)
        match action:
            case DeleteCampaign():
                return Readback(live is None)
            case _ if live is None:
                return Readback(done=False)
            case StartCampaign():
                return Readback(live.phase is Phase.RUNNING)
            case StopCampaign():
                return Readback(live.phase not in (Phase.RUNNING, Phase.UNKNOWN))
            case ApproveCampaign():
                return Readback(live.phase not in (Phase.WAITING, Phase.UNKNOWN))


def _unprocessed(things: Sequence[str]) -> str:
    more = f" and {len(things) - 5} more" if len(things) > 5 else ""
    return f"the server did not process {', '.join(things[:5])}{more}"


def _described(file: PackageFile, step: Step) -> str:
    description = mark(file.description, file.sha256)
    if len(description) > DESCRIPTION_LIMIT:
        room = DESCRIPTION_LIMIT - len(mark("", file.sha256))
        raise Refused(
            f"the description of {file.name} has {len(file.description)} characters",
            request=request_of(step),
            hint=f"At most {room}: the mark of its content follows.",
        )
    return description
