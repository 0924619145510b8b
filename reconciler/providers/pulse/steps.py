"""What an action becomes on this server: the call that does it, and what that call is sent.

`lower` is the table; `Runner` sends one step; `OutcomeVerifier` reads what became of one after an unclear
answer.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from reconciler.errors import NotExecuted, ReconcilerError, Refused, Unclear
from reconciler.model import (
    Action,
    BoundPackage,
    LiveCampaign,
    OutcomeStatus,
    PackageFile,
    PendingUpload,
    Phase,
    Repeat,
    Step,
    UploadMode,
    Verb,
)
from reconciler.providers.base import Bindings, Lowered, Readback, Result
from reconciler.providers.pulse.client import PulseClient
from reconciler.providers.pulse.codec.marks import DESCRIPTION_LIMIT, MARK_LENGTH, mark
from reconciler.providers.pulse.filebody import FileBody
from reconciler.providers.pulse.operations import CALLBACK_OPERATIONS, OPERATIONS, SCHEDULE_OPERATIONS

Value = TypeVar("Value")

_UPLOADS: Final = {UploadMode.MULTIPART: "upload-package", UploadMode.STREAMING: "stream-package"}
_SIMPLE: Final = {
    Verb.CREATE: "create-campaign",
    Verb.EDIT: "edit-campaign",
    Verb.DISTRIBUTE: "set-distribution-list",
    Verb.APPROVE: "approve-campaign",
    Verb.START: "start-campaign",
    Verb.STOP: "stop-campaign",
    Verb.DELETE: "delete-campaign",
    Verb.DELETE_PACKAGE: "delete-package",
}
_BATCHES: Final = {Verb.ADD: "add-gateways", Verb.REMOVE: "remove-gateways", Verb.THINGS: "run-on-things"}
_ONE_BY_ONE: Final = {Verb.OVERRIDE: "assign-gateway-packages", Verb.CLOSE: "close-gateway"}


def lower(action: Action, *, batch_size: int) -> Lowered:
    """The call that does `action`, and how many gateways one carries."""
    verb = action.verb
    if verb in _SIMPLE:
        return Lowered(OPERATIONS[_SIMPLE[verb]])
    if verb in _BATCHES:
        return Lowered(OPERATIONS[_BATCHES[verb]], batch_size)
    if verb in _ONE_BY_ONE:
        return Lowered(OPERATIONS[_ONE_BY_ONE[verb]], 1)
    if verb is Verb.UPLOAD:
        return Lowered(OPERATIONS[_UPLOADS[_given(action.file).mode]])
    if verb is Verb.CALLBACK:
        return Lowered(OPERATIONS[CALLBACK_OPERATIONS[_given(action.event)]])
    return Lowered(OPERATIONS[SCHEDULE_OPERATIONS[_given(action.phase)]], 1)


def campaign_of(action: Action, bindings: Bindings) -> str:
    """The id of the campaign (or package) that `action` is about."""
    found = action.target or bindings.campaigns.get(action.resource)
    if found is None:
        raise ReconcilerError(f"{action.resource} has no id on the server yet: what creates it was not done")
    return found


class Runner:
    """Sends steps, each once."""

    def __init__(self, client: PulseClient) -> None:
        self._client = client
        self._verbs: dict[Verb, Callable[[Step, Bindings], Awaitable[Result]]] = {
            Verb.UPLOAD: self._upload,
            Verb.CREATE: self._create,
            Verb.EDIT: self._edit,
            Verb.CALLBACK: self._callback,
            Verb.DISTRIBUTE: self._distribute,
            Verb.REMOVE: self._remove,
            Verb.ADD: self._add,
            Verb.OVERRIDE: self._override,
            Verb.SCHEDULE: self._schedule,
            Verb.THINGS: self._things,
            Verb.CLOSE: self._close,
            Verb.APPROVE: self._approve,
            Verb.START: self._start,
            Verb.STOP: self._stop,
            Verb.DELETE: self._delete,
            Verb.DELETE_PACKAGE: self._delete_package,
        }

    async def run(self, step: Step, bindings: Bindings) -> Result:
        """See `Provider.run`."""
        return await self._verbs[step.action.verb](step, bindings)

    async def _upload(self, step: Step, _: Bindings) -> Result:
        file = _given(step.action.file)
        description = _described(file, step)
        body = FileBody(file.path, file.size, file.sha256)
        streams = file.mode is UploadMode.STREAMING
        send = self._client.stream_package if streams else self._client.upload_package
        return Result(created=await send(body, name=file.name, description=description))

    async def _create(self, step: Step, bindings: Bindings) -> Result:
        fields = _given(step.action.fields)
        packages = _packages(fields.packages, bindings)
        # Names need not be unique on the server: between plan and now, somebody may have taken this one.
        for namesake in await _read_first(self._client.list_campaigns([fields.name]), step):
            raise Refused(
                f"the name {fields.name!r} has meanwhile been taken by campaign {namesake.id}",
                request=_request(step),
                hint="Plan again; `--adopt` takes that campaign as ours.",
            )
        created = await self._client.create_campaign(
            fields.name, description=fields.description, packages=packages, settings=fields.settings
        )
        return Result(created=created)

    async def _edit(self, step: Step, bindings: Bindings) -> Result:
        fields = _given(step.action.fields)
        campaign_id = campaign_of(step.action, bindings)
        description, packages = fields.description, _packages(fields.packages, bindings)
        if description is None or packages is None:
            # An edit may replace the whole campaign: what isn't managed is sent as it is right now.
            live = await self._live(campaign_id, step)
            description = live.description if description is None else description
            packages = live.packages if packages is None else packages
        await self._client.edit_campaign(
            campaign_id, fields.name, description=description, packages=packages, settings=fields.settings
        )
        return Result()

    async def _callback(self, step: Step, bindings: Bindings) -> Result:
        action = step.action
        campaign_id = campaign_of(action, bindings)
        await self._client.register_callback(campaign_id, _given(action.event), _given(action.callback))
        return Result()

    async def _distribute(self, step: Step, bindings: Bindings) -> Result:
        campaign_id = campaign_of(step.action, bindings)
        await self._client.set_distribution_list(campaign_id, _given(step.action.distribution))
        return Result()

    async def _add(self, step: Step, bindings: Bindings) -> Result:
        await self._client.add_gateways(campaign_of(step.action, bindings), step.gateways)
        return Result()

    async def _remove(self, step: Step, bindings: Bindings) -> Result:
        await self._client.remove_gateways(campaign_of(step.action, bindings), step.gateways)
        return Result()

    async def _override(self, step: Step, bindings: Bindings) -> Result:
        campaign_id, packages = campaign_of(step.action, bindings), _packages(step.action.packages, bindings)
        await self._client.assign_gateway_packages(campaign_id, step.gateways[0], _given(packages))
        return Result()

    async def _schedule(self, step: Step, bindings: Bindings) -> Result:
        action = step.action
        campaign_id = campaign_of(action, bindings)
        await self._client.schedule(
            campaign_id, step.gateways[0], _given(action.phase), _given(action.window)
        )
        return Result()

    async def _things(self, step: Step, bindings: Bindings) -> Result:
        wanted = _given(step.action.things)
        campaign_id = campaign_of(step.action, bindings)
        things = {gateway: wanted[gateway] for gateway in step.gateways}
        left = await self._client.run_on_things(campaign_id, things)
        if not left:
            return Result()
        more = f" and {len(left) - 5} more" if len(left) > 5 else ""
        return Result(message=f"the server did not process {', '.join(left[:5])}{more}")

    async def _close(self, step: Step, bindings: Bindings) -> Result:
        await self._client.close_gateway(campaign_of(step.action, bindings), step.gateways[0])
        return Result()

    async def _approve(self, step: Step, bindings: Bindings) -> Result:
        campaign_id = campaign_of(step.action, bindings)
        if step.action.only_if_waiting:
            live = await self._live(campaign_id, step)
            if live.phase is not Phase.WAITING:
                return Result(OutcomeStatus.NOT_NEEDED, message="the server asks for no approval")
        await self._client.approve_campaign(campaign_id)
        return Result()

    async def _start(self, step: Step, bindings: Bindings) -> Result:
        campaign_id = campaign_of(step.action, bindings)
        live = await self._live(campaign_id, step)
        message = ""
        if live.phase is Phase.RUNNING:
            return Result(OutcomeStatus.NOT_NEEDED, message="it is already started")
        if live.phase is Phase.WAITING:
            if not step.action.approve:
                return Result(OutcomeStatus.WAITING, message="waiting for approval")
            await self._approve_once(campaign_id, step)
            message = "approved first, for the server asked for it"
        await self._client.start_campaign(campaign_id)
        return Result(message=message)

    async def _approve_once(self, campaign_id: str, step: Step) -> None:
        """Approve; a refusal is fine when somebody else was faster."""
        try:
            await self._client.approve_campaign(campaign_id)
        except Refused:
            if (await self._live(campaign_id, step)).phase is Phase.WAITING:
                raise

    async def _stop(self, step: Step, bindings: Bindings) -> Result:
        campaign_id = campaign_of(step.action, bindings)
        # Not every server refuses to stop what is stopped, and who did decides whether it starts again.
        if (await self._live(campaign_id, step)).phase not in (Phase.RUNNING, Phase.UNKNOWN):
            raise Refused("it is not started", request=_request(step), status=409)
        await self._client.stop_campaign(campaign_id)
        return Result()

    async def _delete(self, step: Step, bindings: Bindings) -> Result:
        await self._client.delete_campaign(campaign_of(step.action, bindings))
        return Result()

    async def _delete_package(self, step: Step, _: Bindings) -> Result:
        await self._client.delete_package(_given(step.action.target))
        return Result()

    async def _live(self, campaign_id: str, step: Step) -> LiveCampaign:
        live = await _read_first(self._client.get_campaign(campaign_id), step)
        if live is None:
            raise Refused(
                f"campaign {campaign_id} is no longer there",
                request=_request(step),
                status=404,
                hint="Plan again.",
            )
        return live


class OutcomeVerifier:
    """Reads what became of steps."""

    def __init__(self, client: PulseClient) -> None:
        self._client = client

    async def verify(self, step: Step, bindings: Bindings) -> Readback:
        """See `Provider.verify`."""
        if step.operation.repeat is Repeat.IDEMPOTENT:
            return Readback(done=False)
        match step.action.verb:
            case Verb.CREATE:
                name = _given(step.action.fields).name
                lines = await self._client.list_campaigns([name])
                return _made(f"campaigns named {name!r}", [line.id for line in lines])
            case Verb.UPLOAD:
                digits = _given(step.action.file).sha256[:MARK_LENGTH]
                packages = await self._client.list_packages()
                marked = [package.id for package in packages if package.mark == digits]
                return _made(f"packages marked [sha256:{digits}]", marked)
            case Verb.DELETE_PACKAGE:
                return Readback(await self._client.get_package(_given(step.action.target)) is None)
            case Verb.ADD | Verb.REMOVE | Verb.CLOSE:
                return await self._gateways(step, campaign_of(step.action, bindings))
            case Verb.START | Verb.STOP | Verb.APPROVE | Verb.DELETE:
                return await self._status(step, campaign_of(step.action, bindings))
            case verb:
                raise ReconcilerError(f"nothing on the server tells whether {verb} was done")

    async def _gateways(self, step: Step, campaign_id: str) -> Readback:
        members = await self._client.list_gateways(campaign_id)
        here = frozenset(step.gateways)
        match step.action.verb:
            case Verb.ADD:
                left = members.lacking(here)
            case Verb.REMOVE:
                left = here - members.lacking(here)
            case _:
                left = here - members.closed
        return Readback(not left, remaining=tuple(sorted(left)))

    async def _status(self, step: Step, campaign_id: str) -> Readback:
        live = await self._client.get_campaign(campaign_id)
        if live is None or step.action.verb is Verb.DELETE:
            return Readback(step.action.verb is Verb.DELETE and live is None)
        match step.action.verb:
            case Verb.START:
                return Readback(live.phase is Phase.RUNNING)
            case Verb.STOP:
                return Readback(live.phase not in (Phase.RUNNING, Phase.UNKNOWN))
            case _:
                return Readback(live.phase not in (Phase.WAITING, Phase.UNKNOWN))


async def _read_first(read: Awaitable[Value], step: Step) -> Value:
    """What a step has to know before it is sent; while it can't be read, the step is surely not executed."""
    try:
        return await read
    except Unclear as error:
        raise NotExecuted(
            f"not sent, for a read that comes first failed: {error.message}",
            request=_request(step),
            retry_after=error.retry_after,
            hint=error.hint,
        ) from error


def _made(what: str, ids: list[str]) -> Readback:
    """One: it was made; none: it was not; several: nobody can tell which is ours."""
    if len(ids) > 1:
        raise ReconcilerError(
            f"there are {len(ids)} {what}: {' and '.join(ids)}",
            hint="One of them may be ours, sent just now. Delete the wrong one, then apply again.",
        )
    return Readback(bool(ids), created=ids[0] if ids else None)


def _packages(packages: tuple[BoundPackage, ...] | None, bindings: Bindings) -> tuple[str, ...] | None:
    """Packages by their ids; those that this run uploads by the id that they got."""
    return None if packages is None else tuple(_package(package, bindings) for package in packages)


def _package(package: BoundPackage, bindings: Bindings) -> str:
    if not isinstance(package, PendingUpload):
        return package
    found = bindings.packages.get(package.sha256)
    if found is None:
        raise ReconcilerError(f"the package with sha256 {package.sha256[:MARK_LENGTH]}… was not uploaded")
    return found


def _described(file: PackageFile, step: Step) -> str:
    description = mark(file.description, file.sha256)
    if len(description) > DESCRIPTION_LIMIT:
        room = DESCRIPTION_LIMIT - len(mark("", file.sha256))
        raise Refused(
            f"the description of {file.name} has {len(file.description)} characters",
            request=_request(step),
            hint=f"At most {room}: the mark of its content follows.",
        )
    return description


def _request(step: Step) -> str:
    return f"{step.operation.method} {step.operation.path}"


def _given(value: Value | None) -> Value:
    """A value that belongs to the verb."""
    if value is None:
        raise ValueError("an action lacks a value of its verb")
    return value
