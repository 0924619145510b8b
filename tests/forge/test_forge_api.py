"""Requests to a code host: sent again when that helps and can't do harm."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from reconciler.forge.api import Api
from reconciler.forge.gitlab import GitLab
from reconciler.forge.notes import ForgeError, mark
from reconciler.pacing import Backoff
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


def call(host: Host, *, method: str = "GET") -> Any:
    async def no_sleep(seconds: float) -> None: ...

    async def main() -> Any:
        async with Api(host.url, {"PRIVATE-TOKEN": TOKEN}, sleep=no_sleep) as api:
            return await api.call(method, "/user", body=None if method == "GET" else {})

    return asyncio.run(main())


@pytest.mark.parametrize(
    ("status", "headers", "body"),
    [
        (403, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "99999999999"}, b"{}"),
        (403, {"X-RateLimit-Remaining": "0"}, b"{}"),
        (403, {}, b'{"message": "You have exceeded a secondary rate limit"}'),
        (429, {"Retry-After": "86400"}, b"slow down"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_rate_limit_is_told_from_a_missing_right(
    host: Host, method: str, status: int, headers: dict[str, str], body: bytes
) -> None:
    host.faults = [(status, headers, body)] * 20
    with pytest.raises(ForgeError, match=str(status)) as caught:
        call(host, method=method)
    assert "rate limit is used up" in (caught.value.hint or "")
    assert "permission" not in (caught.value.hint or "")


@pytest.mark.parametrize("body", [b"<html>maintenance</html>", b"", b"\xff\xfe", b"[" * 100_000, b'{"a": '])
def test_an_answer_that_is_no_json_is_one_line(host: Host, body: bytes) -> None:
    host.faults = [(200, {"Content-Type": "text/html"}, body)]
    with pytest.raises(ForgeError, match="GET /user: the answer isn't JSON") as caught:
        call(host)
    assert "\n" not in caught.value.message
    assert len(caught.value.message) < 300
    assert caught.value.hint


@pytest.mark.parametrize(
    "body", [b"{}", b"null", b"7", b'"x"', b"[1]", b"[null]", b'[{"body": 1}]', b'[{"id": "x"}]']
)
def test_json_of_another_shape_is_one_line(forge: Callable[[], Any], host: Host, body: bytes) -> None:
    host.faults = [(200, {}, body)]
    if isinstance(forge(), GitLab):
        host.faults.insert(0, (200, {}, b'{"id": 42}'))
    with pytest.raises(ForgeError) as caught:
        keep(forge, "x")
    assert "\n" not in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize("base", ["http://[", "ftp://x", "http://127.0.0.1:99999", "", "http://a b"])
def test_an_address_that_cant_be_used_is_one_line(base: str) -> None:
    async def main() -> None:
        async with Api(base, {}, backoff=Backoff(attempts=1)) as api:
            await api.call("GET", "/user")

    with pytest.raises(ForgeError) as caught:
        asyncio.run(main())
    assert caught.value.hint


@pytest.mark.parametrize("listed", ["fd00::/8", "[fd00::]/8,127.0.0.0/8", "127.0.0.0/8", "127.0.0.1", "*"])
def test_networks_in_no_proxy_are_no_obstacle(
    host: Host, monkeypatch: pytest.MonkeyPatch, listed: str
) -> None:
    monkeypatch.setenv("NO_PROXY", listed)
    monkeypatch.setenv("no_proxy", listed)
    if listed != "fd00::/8":
        monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:1")
    assert call(host) == {"id": 42}


def test_a_socks_proxy_is_named(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:1")
    with pytest.raises(ForgeError):
        call(host)
