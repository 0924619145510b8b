"""The operations of the API, one method each, named after their sections in the reference.

Reads are sent again while that can help. Writes are sent once: who calls decides by the class of the
operation what to do after an unclear answer. Every method may raise ServerError.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from reconciler.errors import Refused, ServerError
from reconciler.model import (
    Callback,
    CallbackEvent,
    CampaignSummary,
    DistributionList,
    Json,
    LiveCampaign,
    LivePackage,
    Membership,
    SchedulePhase,
    SettingValue,
    Window,
)
from reconciler.pool import concurrently
from reconciler.providers.console import (
    CampaignCounts,
    CampaignProgress,
    GatewayStatus,
    PackageInfo,
    PackageProgress,
)
from reconciler.providers.pulse.codec import answers, bodies, progress
from reconciler.providers.pulse.codec.answers import Item, ListShape, Page
from reconciler.providers.pulse.filebody import FileBody, disposition, multipart
from reconciler.providers.pulse.operations import (
    CALLBACK_OPERATIONS,
    OPERATIONS,
    SCHEDULE_OPERATIONS,
)
from reconciler.providers.pulse.paging import Fold, Incomplete, Items, Members, pages_after, read_all
from reconciler.providers.pulse.wire import Call, Query, Wire

Settings = Mapping[str, SettingValue]


SEARCHES = 10
"""From so many names on, a list whose length isn't told is read as a whole."""


class PulseClient:
    """Typed calls over a `Wire`. ``page_size``: how many rows a page of a list is asked to have."""

    def __init__(self, wire: Wire, *, page_size: int = 500, concurrency: int = 16) -> None:
        self.wire = wire
        self._page_size = page_size
        self._width = concurrency

    # --- campaigns ---------------------------------------------------------------------------------

    async def create_campaign(
        self,
        name: str,
        *,
        description: str | None = None,
        packages: Sequence[str] | None = None,
        settings: Settings | None = None,
    ) -> str:
        """*Create Campaign*: the new id. What is None is left out."""
        call = Call(
            OPERATIONS["create-campaign"],
            json=bodies.campaign_spec(name, description, packages, settings),
            hidden=bodies.secrets_in(settings),
        )
        return await self.wire.write(call, answers.new_id)

    async def edit_campaign(
        self,
        campaign_id: str,
        name: str,
        *,
        description: str,
        packages: Sequence[str],
        settings: Settings | None = None,
    ) -> None:
        """*Edit Campaign*: it may replace the whole campaign, so every field is needed; None leaves out."""
        spec = bodies.campaign_spec(name, description, packages, settings)
        call = Call(
            OPERATIONS["edit-campaign"],
            {"campaign_id": campaign_id},
            json=bodies.campaign_update(campaign_id, spec),
            hidden=bodies.secrets_in(settings),
        )
        await self.wire.do(call)

    async def delete_campaign(self, campaign_id: str) -> None:
        """*Delete Campaign*."""
        await self.wire.do(Call(OPERATIONS["delete-campaign"], {"campaign_id": campaign_id}))

    async def get_campaign(self, campaign_id: str) -> LiveCampaign | None:
        """*Get Campaign*, None when there is no such id."""
        call = Call(OPERATIONS["get-campaign"], {"campaign_id": campaign_id})
        return await self._found(call, answers.campaign)

    async def list_campaigns(self, names: Collection[str] | None = None) -> tuple[CampaignSummary, ...]:
        """*List Campaigns*: all, or those of exactly these names, sorted by id, in the fewest requests."""
        return await self._by_name("list-campaigns", answers.CAMPAIGNS, names, lambda line: line.name)

    async def start_campaign(self, campaign_id: str) -> None:
        """*Start Campaign by ID*."""
        await self._of_campaign("start-campaign", campaign_id)

    async def stop_campaign(self, campaign_id: str) -> None:
        """*Stop Campaign by ID*."""
        await self._of_campaign("stop-campaign", campaign_id)

    async def approve_campaign(self, campaign_id: str) -> None:
        """*Approve Campaign by ID*."""
        await self._of_campaign("approve-campaign", campaign_id)

    async def register_callback(self, campaign_id: str, event: CallbackEvent, callback: Callback) -> None:
        """*Register Completed*, *Wake Up*, *State Change*, *Execution* or *Download Progress Callback*."""
        operation = OPERATIONS[CALLBACK_OPERATIONS[event]]
        body = bodies.callback(campaign_id, callback)
        await self.wire.do(Call(operation, {"campaign_id": campaign_id}, json=body))

    async def get_campaign_counts(self) -> CampaignCounts:
        """*Get Campaign Count by Status*."""
        return await self.wire.read(Call(OPERATIONS["get-campaign-counts"]), answers.campaign_counts)

    async def get_campaign_status(self, campaign_id: str) -> CampaignProgress:
        """*Get Overall Campaign Status*."""
        call = Call(OPERATIONS["get-campaign-status"], {"campaign_id": campaign_id})
        return await self.wire.read(call, progress.campaign_progress)

    # --- gateways ----------------------------------------------------------------------------------

    async def list_gateways(self, campaign_id: str) -> Membership:
        """*Get Gateways Added to the Campaign*: all of them."""
        members = Members()
        await self._list("list-gateways", answers.GATEWAYS, members, ids={"campaign_id": campaign_id})
        return Membership(members.states(), members.closed())

    async def add_gateways(self, campaign_id: str, gateways: Sequence[str]) -> None:
        """*Add Gateways to a Campaign*."""
        await self._of_campaign("add-gateways", campaign_id, bodies.of_gateways(campaign_id, gateways))

    async def remove_gateways(self, campaign_id: str, gateways: Sequence[str]) -> None:
        """*Remove Gateways in a Campaign*: the PUT removes those that it names, and keeps the rest."""
        await self._of_campaign("remove-gateways", campaign_id, bodies.of_gateways(campaign_id, gateways))

    async def get_distribution_list(self, campaign_id: str) -> DistributionList | None:
        """*Get Campaign Distribution List*, None when it isn't set."""
        call = Call(OPERATIONS["get-distribution-list"], {"campaign_id": campaign_id})
        return await self._found(call, answers.distribution_list, empty={})

    async def set_distribution_list(self, campaign_id: str, wanted: DistributionList) -> None:
        """*Set Campaign Distribution List*."""
        body = bodies.distribution_list(campaign_id, wanted)
        await self._of_campaign("set-distribution-list", campaign_id, body)

    async def run_on_things(self, campaign_id: str, things: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
        """*Run a Campaign on Thing Devices*: the things that the server says it did not process."""
        ids, body = {"campaign_id": campaign_id}, bodies.things(things)
        return answers.unprocessed_things(
            await self.wire.do(Call(OPERATIONS["run-on-things"], ids, json=body))
        )

    # --- one gateway -------------------------------------------------------------------------------

    async def notify_gateway(self, campaign_id: str, gateway_id: str) -> None:
        """*Notify Gateway*."""
        await self._of_gateway(
            "notify-gateway", campaign_id, gateway_id, bodies.of_gateway(campaign_id, gateway_id)
        )

    async def close_gateway(self, campaign_id: str, gateway_id: str) -> None:
        """*Close Campaign for a Gateway*."""
        await self._of_gateway(
            "close-gateway", campaign_id, gateway_id, bodies.of_gateway(campaign_id, gateway_id)
        )

    async def assign_gateway_packages(
        self, campaign_id: str, gateway_id: str, packages: Sequence[str]
    ) -> None:
        """*Assign Update Packages for the Target Gateway*."""
        body = bodies.gateway_packages(campaign_id, gateway_id, packages)
        await self._of_gateway("assign-gateway-packages", campaign_id, gateway_id, body)

    async def get_gateway_packages(self, campaign_id: str, gateway_id: str) -> tuple[str, ...]:
        """*Get Updated Package Information for the Gateway in the Campaign*: the effective list."""
        read = answers.package_ids
        return await self._read_gateway("get-gateway-packages", campaign_id, gateway_id, read)

    async def schedule(self, campaign_id: str, gateway_id: str, phase: SchedulePhase, window: Window) -> None:
        """*Schedule Download*, *Schedule Execution* or *Schedule Activation*."""
        await self._of_gateway(SCHEDULE_OPERATIONS[phase], campaign_id, gateway_id, bodies.window(window))

    async def get_gateway_state(self, campaign_id: str, gateway_id: str) -> str:
        """*Get Campaign State*: the state of one gateway in the campaign."""
        return await self._read_gateway("get-gateway-state", campaign_id, gateway_id, progress.gateway_state)

    async def get_gateway_status(self, campaign_id: str, gateway_id: str) -> GatewayStatus:
        """*Get Campaign Status Per Gateway*: state, progress, and the cause when it failed."""

        def decode(value: Json) -> GatewayStatus:
            return progress.gateway_status(value, gateway_id)

        return await self._read_gateway("get-gateway-status", campaign_id, gateway_id, decode)

    async def get_download_progress(self, campaign_id: str, gateway_id: str) -> tuple[PackageProgress, ...]:
        """*Get Download Progress*: of each package, bytes."""
        read = progress.download_progress
        return await self._read_gateway("get-download-progress", campaign_id, gateway_id, read)

    async def get_execution_progress(self, campaign_id: str, gateway_id: str) -> tuple[str, ...]:
        """*Get Execution Progress*: lines in the server's words."""
        read = progress.execution_progress
        return await self._read_gateway("get-execution-progress", campaign_id, gateway_id, read)

    async def get_active_campaigns(self, gateway_id: str) -> tuple[str, ...]:
        """*Get Active Campaigns for a Gateway*: their ids, in the server's order."""
        call = Call(OPERATIONS["get-active-campaigns"], {"gateway_id": gateway_id})
        return await self.wire.read(call, progress.active_campaigns)

    # --- packages ----------------------------------------------------------------------------------

    async def list_packages(self, names: Collection[str] | None = None) -> tuple[LivePackage, ...]:
        """*List Packages*: all, or those of exactly these names, sorted by id, in the fewest requests."""
        return await self._by_name("list-packages", answers.PACKAGES, names, lambda package: package.name)

    async def get_package(self, package_id: str) -> LivePackage | None:
        """*Get Package Information*, None when there is no such id."""
        return await self._found(Call(OPERATIONS["get-package"], {"package_id": package_id}), answers.package)

    async def list_package_infos(self, names: Collection[str] | None = None) -> tuple[PackageInfo, ...]:
        """*List Packages*, with who brought each and when; else as `list_packages`."""
        return await self._by_name(
            "list-packages", progress.PACKAGE_INFOS, names, lambda info: info.package.name
        )

    async def get_package_info(self, package_id: str) -> PackageInfo | None:
        """*Get Package Information*, with who brought it and when; None when there is no such id."""
        call = Call(OPERATIONS["get-package"], {"package_id": package_id})
        return await self._found(call, progress.package_info)

    async def delete_package(self, package_id: str) -> None:
        """*Delete a Package*."""
        await self.wire.do(Call(OPERATIONS["delete-package"], {"package_id": package_id}))

    async def upload_package(self, file: FileBody, *, name: str, description: str) -> str:
        """*Upload Package Multipart*: the new id. Up to 1 GB."""
        content_type, body = multipart(file, filename=name, description=description)
        call = Call(OPERATIONS["upload-package"], file=body, headers={"Content-Type": content_type})
        return await self.wire.write(call, answers.new_id)

    async def stream_package(self, file: FileBody, *, name: str, description: str) -> str:
        """*Upload Package Streaming*: the new id. The body is the file."""
        headers = {"Content-Type": "application/octet-stream", "Content-Disposition": disposition(name)}
        call = Call(
            OPERATIONS["stream-package"], query=(("description", description),), file=file, headers=headers
        )
        return await self.wire.write(call, answers.new_id)

    # --- how ---------------------------------------------------------------------------------------

    async def _of_campaign(self, operation: str, campaign_id: str, body: Json = None) -> None:
        json = bodies.of_campaign(campaign_id) if body is None else body
        await self.wire.do(Call(OPERATIONS[operation], {"campaign_id": campaign_id}, json=json))

    async def _of_gateway(self, operation: str, campaign_id: str, gateway_id: str, body: Json) -> None:
        ids = {"campaign_id": campaign_id, "gateway_id": gateway_id}
        await self.wire.do(Call(OPERATIONS[operation], ids, json=body))

    async def _read_gateway(
        self, operation: str, campaign_id: str, gateway_id: str, decode: Callable[[Json], Item]
    ) -> Item:
        ids = {"campaign_id": campaign_id, "gateway_id": gateway_id}
        return await self.wire.read(Call(OPERATIONS[operation], ids), decode)

    async def _found(
        self, call: Call, decode: Callable[[Json], Item | None], *, empty: Json = None
    ) -> Item | None:
        """What a read finds; None when the server has no such thing (404)."""
        try:
            return await self.wire.read(call, decode, empty=empty)
        except Refused as error:
            if error.status == 404:
                return None
            raise

    async def _by_name(
        self,
        operation: str,
        shape: ListShape[Item],
        names: Collection[str] | None,
        name_of: Callable[[Item], str],
    ) -> tuple[Item, ...]:
        """A list, or its items of exactly these names: one by one, or all of it where that takes less."""
        if names is None:
            everything: Items[Item] = Items()
            await self._list(operation, shape, everything)
            return everything.result()
        wanted = frozenset(names)
        if not wanted:
            return ()
        found: Items[Item] = Items(lambda item: name_of(item) in wanted)
        if len(wanted) > 1:
            first = await self._page(operation, shape, None)
            further = pages_after(first)
            if len(wanted) >= (SEARCHES if further is None else further):
                await self._list(operation, shape, found, first=first)
                return found.result()

        async def named(name: str) -> Mapping[str, Item]:
            # The server may match a part of the name, or not look at it at all.
            same: Items[Item] = Items(lambda item: name_of(item) == name)
            await self._list(operation, shape, same, query=(("name", name),))
            return same.kept

        for items in (await concurrently(sorted(wanted), named, limit=self._width)).values():
            found.add(items)
        return found.result()

    async def _list(
        self,
        operation: str,
        shape: ListShape[Item],
        fold: Fold[Item],
        *,
        ids: Mapping[str, str] | None = None,
        query: Query = (),
        first: Page[Item] | None = None,
    ) -> None:
        async def fetch(number: int | None) -> Page[Item]:
            return await self._page(operation, shape, number, ids or {}, query)

        try:
            await read_all(fetch, fold, width=self._width, first=first)
        except Incomplete as error:
            request = str(Call(OPERATIONS[operation], ids or {}).request())
            raise ServerError(
                f"the list can't be read as a whole: {error}",
                request=request,
                hint="Nothing is concluded from a part of a list. Try again when the server is at rest.",
            ) from None

    async def _page(
        self,
        operation: str,
        shape: ListShape[Item],
        number: int | None,
        ids: Mapping[str, str] | None = None,
        query: Query = (),
    ) -> Page[Item]:
        paging: Query = (("page.size", str(self._page_size)),)
        if number is not None:
            paging = (("page.number", str(number)), *paging)
        call = Call(OPERATIONS[operation], ids or {}, (*query, *paging))
        return await self.wire.read(call, lambda value: answers.page(value, shape))
