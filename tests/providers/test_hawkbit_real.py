"""A real hawkBit, where there is one: HAWKBIT_URL names it, or HAWKBIT_JAR is one that can be run."""

import asyncio
import secrets
import time
from pathlib import Path

import httpx

from reconciler.providers.hawkbit import settled
from reconciler.providers.hawkbit.kind import connect
from reconciler.settings import ServerSettings
from tests.hawkbit_standin import devices
from tests.hawkbit_standin.contract import failures
from tests.providers.hawkbit_revisions import run_revisions
from tests.providers.hawkbit_way import run_whole_way
from tests.providers.hawkbit_world import ADMIN

PAGE = 2


def test_it_answers_what_the_provider_relies_on(hawkbit_url: str) -> None:
    assert failures(hawkbit_url, time.sleep) == []


def test_a_project_goes_its_whole_way(hawkbit_url: str, tmp_path: Path) -> None:
    run_whole_way(hawkbit_url, tmp_path, time.sleep)


def test_revisions_go_wave_by_wave(hawkbit_url: str, tmp_path: Path) -> None:
    run_revisions(hawkbit_url, tmp_path, time.sleep)


def test_a_fleet_at_rest_is_read_from_its_tag(hawkbit_url: str) -> None:
    word = secrets.token_hex(3)
    gateways = [f"gw-{word}-{number:02}" for number in range(PAGE * settled.WORTH + 3)]
    done, failed = gateways[:-1], gateways[-1]
    auth = ("admin", "admin")
    with (
        httpx.Client(base_url=f"{hawkbit_url}/rest/v1", auth=auth, timeout=30) as api,
        httpx.Client(
            base_url=f"{hawkbit_url}/DEFAULT/controller/v1", headers={"Authorization": "GatewayToken key"}
        ) as as_device,
    ):

        def make(path: str, body: object) -> int:
            made = api.post(path, json=body).raise_for_status().json()
            return int((made[0] if isinstance(made, list) else made)["id"])

        for key, value in (("enabled", True), ("key", "key")):
            api.put(f"/system/configs/authentication.gatewaytoken.{key}", json={"value": value})
        api.post("/targets", json=[{"controllerId": each} for each in gateways]).raise_for_status()
        tag = make("/targettags", [{"name": f"reconciler-{word}-1"}])
        api.post(f"/targettags/{tag}/assigned", json=gateways).raise_for_status()
        module = {"name": f"fw-{word}", "version": "1", "type": "os"}
        key = make("/softwaremodules", [module])
        api.post(f"/softwaremodules/{key}/artifacts", files={"file": ("fw.bin", b"fw")}).raise_for_status()
        bundle = make("/distributionsets", [{**module, "modules": [{"id": key}]}])
        rollout = make(
            "/rollouts",
            {
                "name": f"line-{word}",
                "distributionSetId": bundle,
                "targetFilterQuery": f"tag=='reconciler-{word}-1'",
                "dynamic": True,
                "amountGroups": 0,
                "dynamicGroupTemplate": {"nameSuffix": "-more", "targetCount": 1000},
            },
        )

        def reaches(what: str, wanted: object) -> None:
            ends = time.monotonic() + 60
            while (found := api.get(f"/rollouts/{rollout}").json())[what] != wanted:
                assert time.monotonic() < ends, found
                time.sleep(0.1)

        reaches("status", "ready")
        api.post(f"/rollouts/{rollout}/start").raise_for_status()
        reaches("totalTargets", len(gateways))
        left = set(gateways)
        while left:
            said = devices.step(as_device, sorted(left), lambda d: "failure" if d == failed else "success")
            left -= {each for each, what in said.items() if what in ("success", "failure")}

    async def main() -> None:
        named = ServerSettings(url=hawkbit_url, provider="hawkbit", auth=ADMIN, page_size=PAGE)
        async with connect(named) as provider:
            found = await provider.reads.gateways(str(rollout))
            assert found.states == {"finished": frozenset(done), "error": frozenset([failed])}
            assert provider.reads.requests["list-actions"] == 3
            assert provider.reads.requests["list-installed"] == 2

    asyncio.run(main())
