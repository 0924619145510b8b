"""A server in memory whose clock stands unless it is stepped."""

import asyncio

import httpx

from reconciler.embedded import SteppedServer

BEGIN = 1_800_000_000_000
HOUR = 3_600_000


def test_its_clock_stands_until_it_is_stepped() -> None:
    async def body() -> None:
        server = SteppedServer(BEGIN, {"failureRate": 0.5})
        assert (server.now_ms, server.next_event_ms()) == (BEGIN, None)
        await server.step_to(BEGIN + HOUR)
        await server.step_to(BEGIN)
        assert server.now_ms == BEGIN + HOUR
        transport = httpx.ASGITransport(server.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://embedded") as api:
            clock = (await api.get("/_embedded/clock")).json()
            assert (clock["now"], clock["paused"]) == (str(BEGIN + HOUR), True)
            assert (await api.get("/_embedded/simulation")).json()["failureRate"] == 0.5
        await server.close()

    asyncio.run(body())


def test_it_tells_when_a_gateway_does_something_next() -> None:
    async def body() -> None:
        server = SteppedServer(BEGIN, {"pollSeconds": 60})
        transport = httpx.ASGITransport(server.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://embedded") as api:
            made = await api.post("/api/campaigns", json={"name": "winter", "packages": []})
            path = f"/api/campaigns/{made.json()['uuid']}"
            await api.post(f"{path}/devices", json={"gatewayIds": ["gw-1"]})
            assert server.next_event_ms() is None
            await api.put(f"{path}/start", json={})
            following = server.next_event_ms()
            assert following is not None
            assert BEGIN < following <= BEGIN + 60_000
            await server.step_to(BEGIN + HOUR)
            assert server.next_event_ms() is None
            assert (await api.get(f"{path}/devices/gw-1/state")).json()["state"] == "ACTIVATION_COMPLETE"
        await server.close()

    asyncio.run(body())
