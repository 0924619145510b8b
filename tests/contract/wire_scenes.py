"""One scene an operation: what the server has before, the call with fixed values, and what it gives back."""

import asyncio
import hashlib
import json
import urllib.request
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from reconciler.model import (
    Callback,
    CallbackEvent,
    CampaignSummary,
    DistributionList,
    LiveCampaign,
    LivePackage,
    Membership,
    Phase,
    SchedulePhase,
    Secret,
    Window,
)
from reconciler.providers.base.questions import (
    CampaignCounts,
    CampaignProgress,
    GatewayStatus,
    PackageProgress,
)
from reconciler.providers.http.filebody import FileBody
from reconciler.providers.pulse.client import PulseClient

TOKEN: Final = "canary-token-4f6a1c"
USERNAME: Final = "canary-user-77b0"
PASSWORD: Final = "canary-password-9d2e"
SETTING: Final = "canary-setting-e81b"
CANARIES: Final = (TOKEN, USERNAME, PASSWORD, SETTING)
"""Whatever of these turns up in a cassette has leaked."""

CONTENT: Final = b"firmware 1.0\r\n--not a boundary\r\n"
SHA256: Final = hashlib.sha256(CONTENT).hexdigest()
MOMENT: Final = 1_767_225_600_000
"""The time that every time of an answer becomes."""
WINDOW: Final = Window(1_800_000_000_000, 1_800_003_600_000)


@dataclass(frozen=True, slots=True)
class Ids:
    """The server's ids: real ones while a cassette is made, the fixed ones that stand in it after."""

    campaign: str = "c0000000-0000-4000-8000-000000000001"
    other: str = "c0000000-0000-4000-8000-000000000002"
    package: str = "a0000000-0000-4000-8000-000000000001"
    second: str = "a0000000-0000-4000-8000-000000000002"
    unused: str = "a0000000-0000-4000-8000-000000000003"
    made: str = "d0000000-0000-4000-8000-000000000001"
    """What the call itself makes."""


IDS: Final = Ids()


@dataclass(frozen=True, slots=True)
class Stage:
    """A server to prepare: its client, and its controls."""

    client: PulseClient
    url: str
    ids: Ids

    async def control(self, path: str, body: Mapping[str, object]) -> None:
        """`PUT /_embedded/…`"""
        request = urllib.request.Request(
            f"{self.url}/_embedded/{path}",
            json.dumps(body).encode(),
            {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"},
            method="PUT",
        )
        await asyncio.to_thread(lambda: urllib.request.urlopen(request, timeout=10).close())


@dataclass(frozen=True, slots=True)
class Play:
    """What a call may use."""

    client: PulseClient
    ids: Ids
    file: FileBody


@dataclass(frozen=True, slots=True)
class Scene:
    """A call, and what it gives back. `before` comes after `build`, and isn't recorded."""

    call: Callable[[Play], Awaitable[Any]]
    gives: Any = None
    before: Callable[[Stage], Awaitable[None]] | None = None
    requests: int = 1
    approval: bool = False
    basic: bool = False
    """Sign in with user name and password, instead of a token."""
    api_version: str | None = "0.17"
    also: Mapping[str, int] = field(default_factory=dict)
    """Requests beside those of the operation."""


def firmware(folder: Path) -> FileBody:
    """The file that is uploaded."""
    path = folder / "firmware.bin"
    path.write_bytes(CONTENT)
    return FileBody(path, len(CONTENT), SHA256)


async def build(client: PulseClient, file: FileBody) -> Ids:
    """Three packages, a campaign of two of them with three gateways, and another campaign."""
    package, second, unused = [
        await client.upload_package(file, name=f"firmware-{n}.bin", description=f"number {n}")
        for n in (1, 2, 3)
    ]
    campaign = await client.create_campaign(
        "winter", description="before the frost", packages=[package, second], settings={"retries": "3"}
    )
    other = await client.create_campaign("winter-tyres", packages=[second])
    await client.add_gateways(campaign, ["gw-1", "gw-2", "gw-3"])
    return Ids(campaign, other, package, second, unused)


# --- what a scene needs beyond that -----------------------------------------------------------------


async def _started(stage: Stage) -> None:
    await stage.client.start_campaign(stage.ids.campaign)


async def _listed(stage: Stage) -> None:
    await stage.client.set_distribution_list(stage.ids.campaign, DistributionList("north", 300))


async def _closed(stage: Stage) -> None:
    await stage.client.close_gateway(stage.ids.campaign, "gw-2")


async def _advanced(stage: Stage) -> None:
    ids = stage.ids
    downloaded = {ids.package: len(CONTENT), ids.second: 7}
    body = {"state": "EXECUTION_COMPLETE", "downloaded": downloaded, "executed": [ids.package]}
    await stage.control(f"campaigns/{ids.campaign}/devices/gw-1", body)


_DOWNLOADS: Final = (
    PackageProgress(IDS.package, len(CONTENT), len(CONTENT)),
    PackageProgress(IDS.second, 7, len(CONTENT)),
)

# --- the calls --------------------------------------------------------------------------------------


def _callback(event: CallbackEvent, *states: str) -> Scene:
    callback = Callback("ops-webhook", frozenset(states) if states else None)
    return Scene(lambda play: play.client.register_callback(play.ids.campaign, event, callback))


def _schedule(phase: SchedulePhase) -> Scene:
    return Scene(lambda play: play.client.schedule(play.ids.campaign, "gw-1", phase, WINDOW))


SCENES: Final[Mapping[str, Scene]] = {
    "create-campaign": Scene(
        lambda play: play.client.create_campaign(
            "spring",
            description="after the frost",
            packages=[play.ids.package, play.ids.second],
            settings={"retries": "5", "key": Secret("environment variable KEY", SETTING)},
        ),
        IDS.made,
    ),
    "edit-campaign": Scene(
        lambda play: play.client.edit_campaign(
            play.ids.campaign,
            "winter",
            description="late frost",
            packages=[play.ids.second],
            settings={"retries": "5", "key": Secret("environment variable KEY", SETTING)},
        )
    ),
    "delete-campaign": Scene(lambda play: play.client.delete_campaign(play.ids.campaign)),
    "get-campaign": Scene(
        lambda play: play.client.campaign(play.ids.campaign),
        LiveCampaign(
            id=IDS.campaign,
            name="winter",
            status="CREATED",
            phase=Phase.READY,
            description="before the frost",
            packages=(IDS.package, IDS.second),
        ),
    ),
    "start-campaign": Scene(lambda play: play.client.start_campaign(play.ids.campaign)),
    "stop-campaign": Scene(lambda play: play.client.stop_campaign(play.ids.campaign), before=_started),
    "approve-campaign": Scene(lambda play: play.client.approve_campaign(play.ids.campaign), approval=True),
    "register-completed-callback": _callback(CallbackEvent.COMPLETED),
    "register-wake-up-callback": _callback(CallbackEvent.WAKE_UP),
    "notify-gateway": Scene(lambda play: play.client.notify(play.ids.campaign, "gw-1")),
    "assign-gateway-packages": Scene(
        lambda play: play.client.assign_gateway_packages(play.ids.campaign, "gw-1", [play.ids.second])
    ),
    "get-gateway-packages": Scene(
        lambda play: play.client.gateway_packages(play.ids.campaign, "gw-1"), (IDS.package, IDS.second)
    ),
    "list-gateways": Scene(
        lambda play: play.client.gateways(play.ids.campaign),
        Membership({"INSTANTIATED": frozenset({"gw-1", "gw-2", "gw-3"})}, frozenset({"gw-2"})),
        before=_closed,
        requests=2,
    ),
    "list-campaigns": Scene(
        lambda play: play.client.campaigns(["winter"]),
        (CampaignSummary(IDS.campaign, "winter", "CREATED"),),
    ),
    "add-gateways": Scene(lambda play: play.client.add_gateways(play.ids.campaign, ["gw-4", "gw-5"])),
    "remove-gateways": Scene(lambda play: play.client.remove_gateways(play.ids.campaign, ["gw-1", "gw-3"])),
    "set-distribution-list": Scene(
        lambda play: play.client.set_distribution_list(play.ids.campaign, DistributionList("north", 300))
    ),
    "get-distribution-list": Scene(
        lambda play: play.client.distribution_list(play.ids.campaign),
        DistributionList("north", 300),
        before=_listed,
    ),
    "schedule-download": _schedule(SchedulePhase.DOWNLOAD),
    "schedule-activation": _schedule(SchedulePhase.ACTIVATION),
    "schedule-execution": _schedule(SchedulePhase.EXECUTION),
    "close-gateway": Scene(lambda play: play.client.close_gateway(play.ids.campaign, "gw-1")),
    "get-gateway-state": Scene(
        lambda play: play.client.gateway_state(play.ids.campaign, "gw-1"),
        "EXECUTION_COMPLETE",
        before=_advanced,
    ),
    "register-state-change-callback": _callback(CallbackEvent.STATE_CHANGE, "FAILED", "ACTIVATION_COMPLETE"),
    "register-execution-progress-callback": _callback(CallbackEvent.EXECUTION_PROGRESS),
    "register-download-progress-callback": _callback(CallbackEvent.DOWNLOAD_PROGRESS),
    "get-execution-progress": Scene(
        lambda play: play.client.execution_progress(play.ids.campaign, "gw-1"),
        (IDS.package,),
        before=_advanced,
    ),
    "get-download-progress": Scene(
        lambda play: play.client.download_progress(play.ids.campaign, "gw-1"),
        _DOWNLOADS,
        before=_advanced,
    ),
    "get-active-campaigns": Scene(
        lambda play: play.client.active_campaigns("gw-1"), (IDS.campaign,), before=_started
    ),
    "get-campaign-status": Scene(
        lambda play: play.client.campaign_progress(play.ids.campaign),
        CampaignProgress(
            id=IDS.campaign,
            name="winter",
            status="CREATED",
            description="before the frost",
            gateways=3,
            packages=2,
            states={"DOWNLOAD_COMPLETE": 0, "EXECUTION_COMPLETE": 1, "ACTIVATION_COMPLETE": 0},
            created=MOMENT,
            modified=MOMENT,
        ),
        before=_advanced,
    ),
    "get-gateway-status": Scene(
        lambda play: play.client.gateway_status(play.ids.campaign, "gw-1"),
        GatewayStatus("gw-1", "EXECUTION_COMPLETE", MOMENT, _DOWNLOADS, (IDS.package,)),
        before=_advanced,
    ),
    "get-campaign-counts": Scene(
        lambda play: play.client.counts(),
        CampaignCounts(ready=1, waiting=0, approved=0, started=1, stopped=0),
        before=_started,
    ),
    "get-package": Scene(
        lambda play: play.client.package(play.ids.package),
        LivePackage(IDS.package, "firmware-1.bin", "number 1"),
    ),
    "list-packages": Scene(
        lambda play: play.client.packages(),
        (
            LivePackage(IDS.package, "firmware-1.bin", "number 1"),
            LivePackage(IDS.second, "firmware-2.bin", "number 2"),
            LivePackage(IDS.unused, "firmware-3.bin", "number 3"),
        ),
        requests=2,
    ),
    "delete-package": Scene(lambda play: play.client.delete_package(play.ids.unused)),
    "upload-package": Scene(
        lambda play: play.client.upload_package(
            play.file, name='gr\u00fcn "1".bin', description="number 4, gr\u00fcn"
        ),
        IDS.made,
    ),
    "stream-package": Scene(
        lambda play: play.client.stream_package(
            play.file, name='gr\u00fcn "1".bin', description="number 4, gr\u00fcn"
        ),
        IDS.made,
    ),
    "run-on-things": Scene(
        lambda play: play.client.run_on_things(
            play.ids.campaign, {"gw-1": ["thing-1", "thing-2"], "gw-2": ["thing-3"]}
        ),
        (),
    ),
}

ACCESS: Final[Mapping[str, Scene]] = {
    "sign-in": Scene(
        lambda play: play.client.package(play.ids.package),
        LivePackage(IDS.package, "firmware-1.bin", "number 1"),
        basic=True,
        also={"get-package": 1},
    ),
    "get-version": Scene(
        lambda play: play.client.package(play.ids.package),
        LivePackage(IDS.package, "firmware-1.bin", "number 1"),
        api_version=None,
        also={"get-package": 1},
    ),
}
"""What comes before a call: beyond the reference, but on the wire all the same."""
