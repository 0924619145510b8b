"""The Pulse server behind the console's seam: what people ask by hand, and what `doctor` wants to know."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from email.utils import parsedate_to_datetime
from typing import Final

from reconciler.errors import ServerError
from reconciler.model import GATEWAY_STATES, Json
from reconciler.pool import concurrently
from reconciler.providers.console import (
    CampaignCounts,
    CampaignProgress,
    GatewayStatus,
    Greeting,
    PackageInfo,
    PackageProgress,
    Probe,
    Stage,
)
from reconciler.providers.pulse import gatewaystates
from reconciler.providers.pulse.client import PulseClient
from reconciler.providers.pulse.codec import answers
from reconciler.providers.pulse.codec.shape import Unexpected
from reconciler.providers.pulse.operations import OPERATIONS
from reconciler.providers.pulse.transport import Request, Response, Transport
from reconciler.providers.pulse.wire import Call, Query

_ORDER: Final = tuple(state for state in GATEWAY_STATES if state != gatewaystates.FAILED)
_VERSION = "api-version="
_SMALL: Final[Query] = (("page.size", "1"),)
_ALONE: Final = ("list-campaigns", "get-campaign-counts", "list-packages")
_OF_CAMPAIGN: Final = ("get-campaign", "get-campaign-status", "list-gateways", "get-distribution-list")
_OF_GATEWAY: Final = (
    "get-gateway-state",
    "get-gateway-status",
    "get-gateway-packages",
    "get-download-progress",
    "get-execution-progress",
    "get-active-campaigns",
)
_LISTS: Final = ("list-campaigns", "list-packages", "list-gateways")


class Watched:
    """A transport that keeps the time that answers tell, and the version that requests ask for."""

    def __init__(self, inner: Transport, *, clock: Callable[[], float] = time.time) -> None:
        self._inner = inner
        self._clock = clock
        self.ahead: float | None = None
        """Seconds that the server's clock is ahead of ours, by its last answer with a Date."""
        self.version: str | None = None

    async def send(self, request: Request) -> Response:
        """See `Transport.send`."""
        accept = request.headers.get("Accept", "")
        if _VERSION in accept:
            self.version = accept.partition(_VERSION)[2]
        before = self._clock()
        response = await self._inner.send(request)
        # A Date has whole seconds: on average half a second has passed since.
        try:
            date = parsedate_to_datetime(response.headers.get("date", ""))
        except ValueError:
            return response
        self.ahead = date.timestamp() + 0.5 - (before + self._clock()) / 2
        return response


class PulseConsole:
    """`reconciler.providers.console.Console` over the Campaign Management API."""

    def __init__(self, client: PulseClient, watched: Watched) -> None:
        self._client = client
        self._watched = watched

    def stage(self, state: str) -> Stage:
        """See `Console.stage`."""
        if state == gatewaystates.FAILED:
            return Stage.FAILED
        at = self.rank(state)
        if at == len(_ORDER) - 1:
            return Stage.DONE
        return Stage.MOVING if gatewaystates.BEGUN <= at < len(_ORDER) else Stage.IDLE

    def rank(self, state: str) -> int:
        """See `Console.rank`."""
        return _ORDER.index(state) if state in _ORDER else len(_ORDER) + (state == gatewaystates.FAILED)

    async def counts(self) -> CampaignCounts:
        """See `Console.counts`."""
        return await self._client.get_campaign_counts()

    async def campaign_progress(self, campaign_id: str) -> CampaignProgress:
        """See `Console.campaign_progress`."""
        return await self._client.get_campaign_status(campaign_id)

    async def gateway_state(self, campaign_id: str, gateway_id: str) -> str:
        """See `Console.gateway_state`."""
        return await self._client.get_gateway_state(campaign_id, gateway_id)

    async def gateway_status(self, campaign_id: str, gateway_id: str) -> GatewayStatus:
        """See `Console.gateway_status`."""
        return await self._client.get_gateway_status(campaign_id, gateway_id)

    async def gateway_packages(self, campaign_id: str, gateway_id: str) -> tuple[str, ...]:
        """See `Console.gateway_packages`."""
        return await self._client.get_gateway_packages(campaign_id, gateway_id)

    async def download_progress(self, campaign_id: str, gateway_id: str) -> tuple[PackageProgress, ...]:
        """See `Console.download_progress`."""
        return await self._client.get_download_progress(campaign_id, gateway_id)

    async def execution_progress(self, campaign_id: str, gateway_id: str) -> tuple[str, ...]:
        """See `Console.execution_progress`."""
        return await self._client.get_execution_progress(campaign_id, gateway_id)

    async def active_campaigns(self, gateway_id: str) -> tuple[str, ...]:
        """See `Console.active_campaigns`."""
        return await self._client.get_active_campaigns(gateway_id)

    async def notify(self, campaign_id: str, gateway_id: str) -> None:
        """See `Console.notify`."""
        await self._client.notify_gateway(campaign_id, gateway_id)

    async def package_infos(self, names: Collection[str] | None = None) -> tuple[PackageInfo, ...]:
        """See `Console.package_infos`."""
        return await self._client.list_package_infos(names)

    async def package_info(self, package_id: str) -> PackageInfo | None:
        """See `Console.package_info`."""
        return await self._client.get_package_info(package_id)

    # --- doctor ------------------------------------------------------------------------------------

    async def greet(self) -> Greeting:
        """See `Console.greet`."""
        error: ServerError | None = None
        try:
            await self._raw("list-campaigns", {})
        except ServerError as failure:
            error = failure
        return Greeting(self._watched.version, self._watched.ahead, error)

    async def probe(self) -> tuple[Probe, ...]:
        """See `Console.probe`. Without a campaign or a gateway to ask about, those reads are left out."""
        found: dict[str, Probe] = {}
        first: dict[str, str] = {}

        async def one(name: str) -> Probe:
            try:
                value = await self._raw(name, first)
            except ServerError as error:
                # 404 says that there is no such thing, not that it may not be read.
                return Probe(OPERATIONS[name], None if error.status == 404 else error)
            if name == "list-campaigns":
                _first(first, "campaign_id", value, answers.CAMPAIGNS)
            elif name == "list-gateways":
                _first(first, "gateway_id", value, answers.GATEWAYS)
            return Probe(OPERATIONS[name])

        found |= await concurrently(_ALONE, one)
        if "campaign_id" in first:
            found |= await concurrently(_OF_CAMPAIGN, one)
        if "gateway_id" in first:
            found |= await concurrently(_OF_GATEWAY, one)
        return tuple(found.values())

    async def _raw(self, name: str, ids: dict[str, str]) -> Json:
        """What a read answers, of any shape; of a list no more than a row."""
        operation = OPERATIONS[name]
        wanted = {key: value for key, value in ids.items() if f"{{{key}}}" in operation.path}
        call = Call(operation, wanted, _SMALL if name in _LISTS else ())
        return await self._client.wire.read(call, lambda value: value, empty={})


def _first(into: dict[str, str], key: str, value: Json, shape: answers.ListShape[answers.Item]) -> None:
    """Keep the id of the first row of a list, when it can be read and there is one."""
    try:
        items = answers.page(value, shape).items
    except Unexpected:
        return
    if items:
        into[key] = next(iter(items))
