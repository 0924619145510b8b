"""The provider against the embedded server, over TCP and in process: nothing between them is a fake."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.embedded import Running, create_app
from reconciler.errors import Refused, Unauthorized
from reconciler.model import Phase, Secret
from reconciler.providers.base import Provider
from reconciler.providers.http.filebody import FileBody
from reconciler.providers.pulse.codec.marks import mark, mark_of
from reconciler.providers.pulse.kind import connect
from reconciler.settings import Basic, ServerSettings, Token

TOKEN = Token(Secret("environment variable THE_TOKEN", "a-long-token"))
SETTINGS = ServerSettings(auth=TOKEN, page_size=7)

Body = Callable[[Provider], Awaitable[None]]


def over_tcp(body: Body) -> None:
    async def main(url: str) -> None:
        async with connect(replace(SETTINGS, url=url)) as provider:
            await body(provider)

    with Running(database=":memory:", token="a-long-token") as server:
        asyncio.run(main(server.url))


def in_process(body: Body) -> None:
    async def main() -> None:
        app = create_app(":memory:", token="a-long-token")
        try:
            async with connect(SETTINGS, app=app) as provider:
                await body(provider)
        finally:
            app.state.context.store.close()

    asyncio.run(main())


@pytest.mark.parametrize("way", [over_tcp, in_process])
def test_a_campaign_lives(way: Callable[[Body], None]) -> None:
    gateways = [f"g{n:03}" for n in range(100)]

    async def body(provider: Provider) -> None:
        client = provider.reads
        campaign_id = await client.create_campaign("winter", description="d", settings={"a": "b"})
        assert [line.id for line in await provider.reads.campaigns(["winter", "other"])] == [campaign_id]
        await client.add_gateways(campaign_id, gateways)
        await client.remove_gateways(campaign_id, gateways[:30])
        assert set(await provider.reads.gateways(campaign_id)) == set(gateways[30:])
        assert provider.reads.requests["list-gateways"] == 10
        assert await provider.reads.distribution_list(campaign_id) is None
        await client.start_campaign(campaign_id)
        live = await provider.reads.campaign(campaign_id)
        assert live is not None
        assert (live.phase, live.description, live.packages) == (Phase.RUNNING, "d", ())
        with pytest.raises(Refused) as caught:
            await client.delete_campaign(campaign_id)
        assert caught.value.status == 409
        await client.stop_campaign(campaign_id)
        await client.edit_campaign(campaign_id, "spring", description="", packages=())
        await client.delete_campaign(campaign_id)
        assert await provider.reads.campaign(campaign_id) is None
        assert provider.reads.requests["get-version"] == 1

    way(body)


@pytest.mark.parametrize("way", [over_tcp, in_process])
def test_both_uploads_arrive_and_are_known_by_their_mark(tmp_path: Path, way: Callable[[Body], None]) -> None:
    path, content = tmp_path / "fw.bin", b"firmware" * 400_000
    path.write_bytes(content)
    sha256 = hashlib.sha256(content).hexdigest()
    file = FileBody(path, len(content), sha256)

    async def body(provider: Provider) -> None:
        client = provider.reads
        first = await client.upload_package(file, name="fw ä.bin", description=mark("", sha256))
        second = await client.stream_package(file, name="fw.bin", description=mark("x" * 102, sha256))
        packages = {package.id: package for package in await provider.reads.packages()}
        assert packages.keys() == {first, second}
        assert {mark_of(package) for package in packages.values()} == {sha256[:16]}
        assert packages[first].name == "fw ä.bin"
        assert await provider.reads.package(second) == packages[second]
        await client.delete_package(second)
        assert await provider.reads.package(second) is None

    way(body)


def test_who_we_are() -> None:
    password = Secret("environment variable THE_PASSWORD", "hunter22")

    async def main(url: str) -> None:
        async with connect(ServerSettings(url=url, auth=Basic("robot", password))) as provider:
            assert await provider.reads.campaigns() == ()
            assert provider.reads.requests == {"get-version": 1, "sign-in": 1, "list-campaigns": 1}
        for auth in (None, TOKEN, Basic("robot", Secret("x", "wrong-password"))):
            async with connect(ServerSettings(url=url, auth=auth)) as provider:
                with pytest.raises(Unauthorized) as caught:
                    await provider.reads.campaigns()
                assert caught.value.hint

    with Running(database=":memory:", username="robot", password="hunter22") as server:
        asyncio.run(main(server.url))
