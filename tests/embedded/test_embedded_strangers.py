"""What the browser of somebody on this machine can't be made to do by a page of another site."""

import httpx
import pytest

from reconciler.embedded import Running

CAMPAIGN = {"name": "c", "description": "", "packages": []}


@pytest.fixture
def server():
    with Running() as server:
        yield server


def status(server: Running, headers: dict[str, str], **request) -> int:
    return httpx.post(f"{server.url}/api/campaigns", headers=headers, **request).status_code


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "127.0.0.1.nip.io", "localhost.evil.example", "", "[", "a b"]
)
def test_another_name_is_refused(server: Running, host: str) -> None:
    assert httpx.get(f"{server.url}/api/campaigns", headers={"Host": host}).status_code in (400, 421)


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:1", "127.0.0.1", "[::1]:8080", "hall.localhost", "10.1.2.3"]
)
def test_an_address_and_a_name_of_this_machine_are_its_own(server: Running, host: str) -> None:
    assert httpx.get(f"{server.url}/api/campaigns", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "http://["},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_a_page_of_another_site_is_refused(server: Running, headers: dict[str, str]) -> None:
    assert status(server, headers, json=CAMPAIGN) == 403
    assert httpx.get(f"{server.url}/api/campaigns").json()["pageResponse"]["totalElements"] == "0"


def test_a_page_of_its_own_may_call(server: Running) -> None:
    assert status(server, {"Origin": server.url, "Sec-Fetch-Site": "same-origin"}, json=CAMPAIGN) == 200


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "", "json"]
)
def test_json_comes_with_its_type(server: Running, kind: str) -> None:
    """The others a page may send anywhere without asking first."""
    assert status(server, {"Content-Type": kind}, content=b'{"name": "c"}') == 415


@pytest.mark.parametrize("kind", ["application/json", "Application/JSON;charset=utf-8", "application/a+json"])
def test_json_of_any_spelling_is_taken(server: Running, kind: str) -> None:
    assert status(server, {"Content-Type": kind}, content=b'{"name": "c"}') == 200


@pytest.mark.parametrize(("token", "answered"), [(None, 403), ("t", 200)])
def test_where_callbacks_go_no_stranger_says(token: str | None, answered: int) -> None:
    with Running(host="0.0.0.0", token=token) as server:
        url = server.url.replace("0.0.0.0", "127.0.0.1")
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        body = {"url": "http://127.0.0.1:9/"}
        told = httpx.put(f"{url}/_embedded/destinations/d", json=body, headers=headers)
        assert told.status_code == answered
