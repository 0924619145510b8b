"""The operations of the API that plans need, the reads under the names of the seam.

Each names its section of the reference. Reads are sent again while that can help. Writes are sent once: who
calls decides by the class of the operation what to do after an unclear answer. Every method may raise
ServerError.

Tests: `tests/providers/test_pulse_tape.py`, `tests/providers/test_pulse_embedded.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache

from reconciler.errors import Unclear
from reconciler.model import (
    Callback,
    CallbackEvent,
    CampaignSummary,
    DistributionList,
    LiveCampaign,
    LivePackage,
    Membership,
    SchedulePhase,
    SettingValue,
    Window,
)
from reconciler.pool import concurrently
from reconciler.providers.base.contents import holding
from reconciler.providers.http.filebody import FileBody, disposition, multipart
from reconciler.providers.http.wire import MIXED_UP, Call, Encoded, Wire, encoded
from reconciler.providers.pulse.calls import Calls
from reconciler.providers.pulse.codec import answers, bodies
from reconciler.providers.pulse.codec.marks import mark_of, read_mark
from reconciler.providers.pulse.codec.members import GATEWAYS, Members
from reconciler.providers.pulse.operations import (
    CALLBACK_OPERATIONS,
    OPERATIONS,
    SCHEDULE_OPERATIONS,
)
from reconciler.text import id_form

Settings = Mapping[str, SettingValue]


@lru_cache(maxsize=16)
def _window(window: Window) -> Encoded:
    """The same for all gateways that have it."""
    return encoded(bodies.window(window))


class PulseClient(Calls):
    """Typed calls; `reconciler.providers.base.Reads` are among them."""

    def __init__(self, wire: Wire, **how: int) -> None:
        super().__init__(wire, **how)
        self._seen: set[str] = set()
        """Forms of the ids of campaigns that the server told of: none of them is made now."""
        self._held: dict[str, str | None] = {}
        """The same of packages → the mark of their content: none of another content is made now."""

    @property
    def requests(self) -> Mapping[str, int]:
        """See `Reads.requests`; ``sign-in`` and ``get-version`` beside the operations."""
        return self.wire.requests

    async def overrides(self, campaign_id: str, gateways: Collection[str]) -> Mapping[str, tuple[str, ...]]:
        """See `Reads.overrides`."""

        async def effective(gateway_id: str) -> tuple[str, ...]:
            return await self.gateway_packages(campaign_id, gateway_id)

        return await concurrently(sorted(gateways), effective, limit=self.parallelism)

    async def packages_of(self, contents: Collection[str]) -> Mapping[str, tuple[LivePackage, ...]]:
        """See `Reads.packages_of`: by the mark in the description, of the whole list."""
        return holding(contents, await self.packages() if contents else (), mark_of)

    async def create_campaign(
        self,
        name: str,
        *,
        description: str | None = None,
        packages: Sequence[str] | None = None,
        settings: Settings | None = None,
        still: Callable[[], bool] | None = None,
    ) -> str:
        """*Create Campaign*: the new id. What is None is left out; `still`: see `Wire.write`."""
        call = Call(
            OPERATIONS["create-campaign"],
            json=bodies.campaign_spec(name, description, packages, settings),
            hidden=bodies.secrets_in(settings),
        )
        made = await self.wire.write(call, answers.new_id, still=still)
        if id_form(made) in self._seen:
            raise Unclear(
                f"the answer names campaign {made!r} as the new one, and that was there before",
                request=str(call.request()),
                hint=MIXED_UP,
            )
        self._seen.add(id_form(made))
        return made

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

    async def campaign(self, campaign_id: str) -> LiveCampaign | None:
        """*Get Campaign*, None when there is no such id."""
        call = Call(OPERATIONS["get-campaign"], {"campaign_id": campaign_id})
        found = await self._found(call, answers.campaign)
        if found is None:
            return None
        form = id_form(campaign_id)
        self._seen.add(form)
        if found.id != campaign_id and id_form(found.id) != form:
            return replace(found, id=campaign_id)  # it has two ids, and is asked for by this one
        return found

    async def campaigns(self, names: Collection[str] | None = None) -> tuple[CampaignSummary, ...]:
        """*List Campaigns*: all, or those of exactly these names, sorted by id, in the fewest requests."""
        found = await self._by_name("list-campaigns", answers.CAMPAIGNS, names, lambda line: line.name)
        self._seen.update(id_form(line.id) for line in found)
        return found

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

    async def gateways(self, campaign_id: str) -> Membership:
        """*Get Gateways Added to the Campaign*: all of them."""
        members = Members()
        await self._list("list-gateways", GATEWAYS, members, ids={"campaign_id": campaign_id})
        return Membership(members.states(), members.closed())

    async def add_gateways(self, campaign_id: str, gateways: Sequence[str]) -> None:
        """*Add Gateways to a Campaign*."""
        body = bodies.of_gateways(campaign_id, gateways)
        await self._of_campaign("add-gateways", campaign_id, body, gateways)

    async def remove_gateways(self, campaign_id: str, gateways: Sequence[str]) -> None:
        """*Remove Gateways in a Campaign*: the PUT removes those that it names, and keeps the rest."""
        body = bodies.of_gateways(campaign_id, gateways)
        await self._of_campaign("remove-gateways", campaign_id, body, gateways)

    async def distribution_list(self, campaign_id: str) -> DistributionList | None:
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
        call = Call(OPERATIONS["run-on-things"], ids, json=body, batch=tuple(things))
        return answers.unprocessed_things(await self.wire.do(call))

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

    async def schedule(self, campaign_id: str, gateway_id: str, phase: SchedulePhase, window: Window) -> None:
        """*Schedule Download*, *Schedule Execution* or *Schedule Activation*."""
        await self._of_gateway(SCHEDULE_OPERATIONS[phase], campaign_id, gateway_id, _window(window))

    async def packages(self, names: Collection[str] | None = None) -> tuple[LivePackage, ...]:
        """*List Packages*: all, or those of exactly these names, sorted by id, in the fewest requests."""
        found = await self._by_name("list-packages", answers.PACKAGES, names, lambda package: package.name)
        self._held.update((id_form(package.id), mark_of(package)) for package in found)
        return found

    async def package(self, package_id: str) -> LivePackage | None:
        """*Get Package Information*, None when there is no such id."""
        call = Call(OPERATIONS["get-package"], {"package_id": package_id})
        found = await self._found(call, answers.package)
        if found and id_form(found.id) != id_form(package_id):
            found = replace(found, id=package_id)
        if found:
            self._held[id_form(found.id)] = mark_of(found)
        return found

    async def delete_package(self, package_id: str) -> None:
        """*Delete a Package*."""
        await self.wire.do(Call(OPERATIONS["delete-package"], {"package_id": package_id}))

    async def upload_package(self, file: FileBody, *, name: str, description: str) -> str:
        """*Upload Package Multipart*: the new id. Up to 1 GB."""
        content_type, body = multipart(file, filename=name, fields={"description": description})
        call = Call(OPERATIONS["upload-package"], file=body, headers={"Content-Type": content_type})
        return await self._uploaded(call, description)

    async def stream_package(self, file: FileBody, *, name: str, description: str) -> str:
        """*Upload Package Streaming*: the new id. The body is the file."""
        headers = {"Content-Type": "application/octet-stream", "Content-Disposition": disposition(name)}
        call = Call(
            OPERATIONS["stream-package"], query=(("description", description),), file=file, headers=headers
        )
        return await self._uploaded(call, description)

    async def _uploaded(self, call: Call, description: str) -> str:
        """The id of what `call` uploads. Unclear when that is one of another content, or of a campaign.

        A server that keeps a content once may well answer a package that was there.
        """
        made = await self.wire.write(call, answers.new_id)
        form, content = id_form(made), read_mark(description)
        if form in self._seen or self._held.get(form, content) != content:
            raise Unclear(
                f"the answer names {made!r} as the new package, and that was there before, and is another",
                request=str(call.request()),
                hint=MIXED_UP,
            )
        self._held[form] = content
        return made
