"""Every read of the client gives the same values, in whatever shapes a server answers."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from reconciler.embedded.dialects import PRESETS, Dialect
from reconciler.errors import Refused
from reconciler.model import DistributionList
from reconciler.providers.http.filebody import FileBody
from reconciler.providers.pulse.client import PulseClient
from tests.dialects.test_dialects_converge import DIALECTS
from tests.providers.all_calls import AllCalls
from tests.world import World, run

GATEWAYS = [f"gw-{number}" for number in range(7)]
NAMES = ["c", "cc", "ccc", "d", "e"]


async def everything_read(client: PulseClient, ids: dict[str, str]) -> dict[str, Any]:
    """What each read of the client answers."""
    full, empty, package = ids["full"], ids["empty"], ids["package"]
    members = await client.gateways(full)
    return {
        "campaigns": await client.campaigns(),
        "one name": await client.campaigns(["c"]),
        "two names": await client.campaigns(["c", "e"]),
        "no such name": await client.campaigns(["nobody"]),
        "campaign": await client.campaign(full),
        "empty campaign": await client.campaign(empty),
        "no campaign": await client.campaign("nobody"),
        "counts": await client.counts(),
        "status": await client.campaign_progress(full),
        "empty status": await client.campaign_progress(empty),
        "gateways": (dict(members.states), members.closed),
        "no gateways": len(await client.gateways(empty)),
        "distribution list": await client.distribution_list(full),
        "no distribution list": await client.distribution_list(empty),
        "gateway packages": await client.gateway_packages(full, "gw-1"),
        "no gateway packages": await client.gateway_packages(full, "gw-2"),
        "gateway state": await client.gateway_state(full, "gw-3"),
        "gateway status": await client.gateway_status(full, "gw-3"),
        "download": await client.download_progress(full, "gw-3"),
        "no download": await client.download_progress(full, "gw-2"),
        "execution": await client.execution_progress(full, "gw-3"),
        "no execution": await client.execution_progress(full, "gw-1"),
        "active": await client.active_campaigns("gw-1"),
        "not active": await client.active_campaigns("nobody"),
        "package": await client.package_info(package),
        "no package": await client.package_info("nobody"),
        "packages": await client.package_infos(),
        "packages of a name": await client.packages(["p"]),
    }


async def fill(world: World) -> dict[str, str]:
    """A server with a little of everything; the ids by what they are of."""
    client = AllCalls(world.provider)
    file = world.folder / "p"
    file.write_bytes(b"content")
    digest = "ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73"
    body = FileBody(file, 7, digest)
    package = await client.upload_package(body, name="p", description="")
    await client.stream_package(body, name="pp", description="d")
    made = {name: await client.create_campaign(name, description="", packages=[package]) for name in NAMES}
    full, empty = made["c"], await client.create_campaign("empty")
    await client.edit_campaign(empty, "empty", description="", packages=[], settings={})
    await client.add_gateways(full, GATEWAYS)
    await client.close_gateway(full, "gw-4")
    await client.assign_gateway_packages(full, "gw-2", [])
    await client.set_distribution_list(full, DistributionList("dl", 60))
    await client.start_campaign(full)
    await world.control(
        f"campaigns/{full}/devices/gw-3",
        {"state": "FAILED", "causedBy": "flash", "downloaded": {package: 0}, "executed": ["0", "p"]},
    )
    return {"full": full, "empty": empty, "package": package}


async def same_in(dialect: Dialect, folder: Path) -> None:
    async with World.open(folder, page_size=2) as world:
        ids = await fill(world)
        client, speech = AllCalls(world.provider), world.app.state.context.speech
        expected = await everything_read(client, ids)
        speech.dialect = dialect
        found = await everything_read(client, ids)
        for what, value in expected.items():
            assert found[what] == value, what
        with pytest.raises(Refused, match="There is no campaign 'nobody'") as refusal:
            await client.start_campaign("nobody")
        assert refusal.value.status == 404


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_is_read_the_same(preset: str, tmp_path: Path) -> None:
    run(same_in(PRESETS[preset], tmp_path))


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(dialect=DIALECTS)
def test_any_dialect_is_read_the_same(dialect: Dialect, tmp_path: Path) -> None:
    run(same_in(dialect, tmp_path))


def test_the_reading_is_of_something(tmp_path: Path) -> None:
    async def body() -> None:
        async with World.open(tmp_path, page_size=2) as world:
            found = await everything_read(AllCalls(world.provider), await fill(world))
            assert [line.name for line in found["one name"]] == ["c"]
            assert len(found["campaigns"]) == 6
            assert found["no distribution list"] is None
            assert found["gateways"][1] == {"gw-4"}
            assert found["counts"].started == 1

    run(body())
