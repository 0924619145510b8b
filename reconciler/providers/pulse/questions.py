"""What people ask of this server by hand, and what `doctor` wants to know.

Tests: `tests/providers/test_pulse_tape.py`, `tests/providers/test_pulse_progress.py`.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from reconciler.errors import Refusal, ServerError
from reconciler.model import Json
from reconciler.pool import concurrently
from reconciler.providers.base.questions import (
    CampaignCounts,
    CampaignProgress,
    GatewayStatus,
    Greeting,
    PackageInfo,
    PackageProgress,
    Probe,
)
from reconciler.providers.http.listing import ListShape, page
from reconciler.providers.http.shape import Unexpected
from reconciler.providers.http.watched import Watched
from reconciler.providers.http.wire import Call, Query, Wire
from reconciler.providers.pulse.calls import Calls, Item
from reconciler.providers.pulse.codec import answers, bodies, progress
from reconciler.providers.pulse.codec.members import GATEWAYS
from reconciler.providers.pulse.operations import OPERATIONS

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


class PulseQuestions(Calls):
    """`reconciler.providers.base.Questions` over the Campaign Management API."""

    def __init__(self, wire: Wire, watched: Watched, **how: int) -> None:
        super().__init__(wire, **how)
        self._watched = watched

    async def counts(self) -> CampaignCounts:
        """*Get Campaign Count by Status*."""
        return await self.wire.read(Call(OPERATIONS["get-campaign-counts"]), answers.campaign_counts)

    async def campaign_progress(self, campaign_id: str) -> CampaignProgress:
        """*Get Overall Campaign Status*."""
        call = Call(OPERATIONS["get-campaign-status"], {"campaign_id": campaign_id})
        return await self.wire.read(call, progress.campaign_progress)

    async def gateway_state(self, campaign_id: str, gateway_id: str) -> str:
        """*Get Campaign State*: the state of one gateway in the campaign."""
        return await self._read_gateway("get-gateway-state", campaign_id, gateway_id, progress.gateway_state)

    async def gateway_status(self, campaign_id: str, gateway_id: str) -> GatewayStatus:
        """*Get Campaign Status Per Gateway*: state, progress, and the cause when it failed."""

        def decode(value: Json) -> GatewayStatus:
            return progress.gateway_status(value, gateway_id)

        return await self._read_gateway("get-gateway-status", campaign_id, gateway_id, decode)

    async def download_progress(self, campaign_id: str, gateway_id: str) -> tuple[PackageProgress, ...]:
        """*Get Download Progress*: of each package, bytes."""
        read = progress.download_progress
        return await self._read_gateway("get-download-progress", campaign_id, gateway_id, read)

    async def execution_progress(self, campaign_id: str, gateway_id: str) -> tuple[str, ...]:
        """*Get Execution Progress*: lines in the server's words."""
        read = progress.execution_progress
        return await self._read_gateway("get-execution-progress", campaign_id, gateway_id, read)

    async def active_campaigns(self, gateway_id: str) -> tuple[str, ...]:
        """*Get Active Campaigns for a Gateway*: their ids, in the server's order."""
        call = Call(OPERATIONS["get-active-campaigns"], {"gateway_id": gateway_id})
        return await self.wire.read(call, progress.active_campaigns)

    async def notify(self, campaign_id: str, gateway_id: str) -> None:
        """*Notify Gateway*."""
        await self._of_gateway(
            "notify-gateway", campaign_id, gateway_id, bodies.of_gateway(campaign_id, gateway_id)
        )

    async def package_infos(self, names: Collection[str] | None = None) -> tuple[PackageInfo, ...]:
        """*List Packages*, with who brought each and when; else as `list_packages`."""
        return await self._by_name(
            "list-packages", progress.PACKAGE_INFOS, names, lambda info: info.package.name
        )

    async def package_info(self, package_id: str) -> PackageInfo | None:
        """*Get Package Information*, with who brought it and when; None when there is no such id."""
        call = Call(OPERATIONS["get-package"], {"package_id": package_id})
        return await self._found(call, progress.package_info)

    async def greet(self) -> Greeting:
        """See `Questions.greet`."""
        error: ServerError | None = None
        try:
            await self._raw("list-campaigns", {})
        except ServerError as failure:
            error = failure
        return Greeting(self._watched.version, self._watched.ahead, error)

    async def concerns(self) -> tuple[str, ...]:
        """See `Questions.concerns`: this server tells nothing of the kind."""
        return ()

    async def probe(self) -> tuple[Probe, ...]:
        """See `Questions.probe`. Without a campaign or a gateway to ask about, those reads are left out."""
        found: dict[str, Probe] = {}
        first: dict[str, str] = {}

        async def one(name: str) -> Probe:
            try:
                value = await self._raw(name, first)
            except ServerError as error:
                # An object that isn't there doesn't show that reading isn't permitted.
                absent = Refusal.NO_SUCH_OBJECT in error.meaning
                return Probe(OPERATIONS[name], None if absent else error)
            if name == "list-campaigns":
                _first(first, "campaign_id", value, answers.CAMPAIGNS)
            elif name == "list-gateways":
                _first(first, "gateway_id", value, GATEWAYS)
            return Probe(OPERATIONS[name])

        found |= await concurrently(_ALONE, one, limit=self.parallelism)
        if "campaign_id" in first:
            found |= await concurrently(_OF_CAMPAIGN, one, limit=self.parallelism)
        if "gateway_id" in first:
            found |= await concurrently(_OF_GATEWAY, one, limit=self.parallelism)
        return tuple(found.values())

    async def _raw(self, name: str, ids: dict[str, str]) -> Json:
        """What a read answers, of any shape; of a list no more than a row."""
        operation = OPERATIONS[name]
        wanted = {key: value for key, value in ids.items() if f"{{{key}}}" in operation.path}
        call = Call(operation, wanted, _SMALL if name in _LISTS else ())
        return await self.wire.read(call, lambda value: value, empty={})


def _first(into: dict[str, str], key: str, value: Json, shape: ListShape[Item]) -> None:
    """Keep the id of the first row of a list, when it can be read and there is one."""
    try:
        items = page(value, shape).items
    except Unexpected:
        return
    if items:
        into[key] = next(iter(items))
