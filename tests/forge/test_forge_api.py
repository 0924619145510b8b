"""Requests to a code host: sent again when that helps and can't do harm."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from reconciler.forge.api import Api
from reconciler.forge.notes import ForgeError, mark
from tests.forge.forge_server import TOKEN, Host, keep


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_read_and_an_update_are_sent_again(forge: Callable[[], Any], host: Host, status: int) -> None:
    keep(forge, "first")
    host.faults = [(status, {"Retry-After": "0"}, b"later")]
    keep(forge, "second")
    assert host.said() == [f"{mark('plan')}\nsecond"]


def test_a_secondary_limit_is_waited_for(host: Host) -> None:
    async def main() -> Any:
        async with Api(host.url, {"PRIVATE-TOKEN": TOKEN}) as api:
            return await api.call("GET", "/user")

    host.faults = [(403, {"Retry-After": "0"}, b'{"message": "secondary rate limit"}')]
    assert asyncio.run(main()) == {"id": 42}


def test_a_post_that_may_have_arrived_is_not_sent_again(host: Host) -> None:
    async def main() -> Any:
        async with Api(host.url, {"PRIVATE-TOKEN": TOKEN}) as api:
            return await api.call("POST", "/projects/acme%2Ffleet/issues", body={"title": "x"})

    host.faults = [(502, {}, b"<html>")]
    with pytest.raises(ForgeError, match=r"POST .*: 502 Bad Gateway"):
        asyncio.run(main())
    assert len(host.calls) == 1


def test_no_permission_says_which(forge: Callable[[], Any], host: Host) -> None:
    host.faults = [(403, {}, b'{"message": "Resource not accessible by integration"}')]
    with pytest.raises(ForgeError, match="403 Resource not accessible") as caught:
        keep(forge, "x")
    assert "permission to write comments" in (caught.value.hint or "")
    assert TOKEN not in str(caught.value)


def test_nobody_there_is_an_error_after_some_tries(host: Host) -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    async def main() -> None:
        async with Api("http://127.0.0.1:1", {}, sleep=sleep) as api:
            await api.call("GET", "/user")

    with pytest.raises(ForgeError, match="GET /user: no connection"):
        asyncio.run(main())
    assert waits
