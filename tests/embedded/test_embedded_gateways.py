"""Gateways of the embedded server: membership in pages, and what belongs to one gateway."""

import sqlite3
from collections.abc import Callable
from urllib.parse import quote

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.embedded.errors import CallRefused
from reconciler.embedded.store import Store
from reconciler.embedded.tables import campaigns, gateways
from reconciler.embedded.tables.campaigns import Spec
from reconciler.embedded.wire import PageRequest

NewCampaign = Callable[..., str]
NewPackage = Callable[..., str]


def members(api: httpx.Client, campaign_id: str, size: int = 1000) -> list[str]:
    found: list[str] = []
    number = 1
    while True:
        query = {"page.number": number, "page.size": size}
        answer = api.get(f"/api/campaigns/{campaign_id}/devices", params=query).json()
        found += [one["gatewayId"] for one in answer["gateways"]]
        if number >= int(answer["pageResponse"]["totalPages"]):
            assert len(found) == int(answer["pageResponse"]["totalElements"])
            return found
        number += 1


def test_a_new_gateway_is_known_and_waits(api: httpx.Client, campaign: str) -> None:
    assert api.get(f"/api/campaigns/{campaign}/devices").json() == {
        "pageResponse": {"totalPages": "1", "totalElements": "2", "page": 1, "pageSize": 10},
        "gateways": [
            {"gatewayId": "gw-1", "state": "INSTANTIATED", "closed": False},
            {"gatewayId": "gw-2", "state": "INSTANTIATED", "closed": False},
        ],
    }
    assert api.get(f"/api/campaigns/{campaign}/devices/gw-1/state").json() == {"state": "INSTANTIATED"}


def test_adding_is_all_or_nothing(api: httpx.Client, campaign: str) -> None:
    path = f"/api/campaigns/{campaign}/devices"
    answer = api.post(path, json={"gatewayIds": ["gw-0", "gw-1", "gw-2", "gw-3"]})
    assert answer.status_code == 409
    assert "'gw-1', 'gw-2'" in answer.json()["message"]
    assert "gw-0" not in answer.json()["message"]
    assert members(api, campaign) == ["gw-1", "gw-2"]


def test_removing_is_all_or_nothing(api: httpx.Client, campaign: str) -> None:
    path = f"/api/campaigns/{campaign}/devices"
    answer = api.put(path, json={"gatewayIds": ["gw-1", "gw-9"]})
    assert answer.status_code == 404
    assert "'gw-9'" in answer.json()["message"]
    assert members(api, campaign) == ["gw-1", "gw-2"]
    assert api.put(path, json={"gatewayIds": ["gw-1"], "campaignId": campaign}).json() == {}
    assert members(api, campaign) == ["gw-2"]


def test_a_gateway_may_come_back_and_is_then_the_last(api: httpx.Client, campaign: str) -> None:
    path = f"/api/campaigns/{campaign}/devices"
    api.put(path, json={"gatewayIds": ["gw-1", "gw-2"]})
    assert members(api, campaign) == []
    api.post(path, json={"gatewayIds": ["gw-2", "gw-1"]})
    assert members(api, campaign) == ["gw-2", "gw-1"]


def test_a_long_message_names_only_some(api: httpx.Client, new_campaign: NewCampaign) -> None:
    names = [f"gw-{number}" for number in range(100)]
    campaign_id = new_campaign(gateways=names)
    answer = api.post(f"/api/campaigns/{campaign_id}/devices", json={"gatewayIds": names})
    assert "and 95 more" in answer.json()["message"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"gatewayIds": None},
        {"gatewayIds": []},
        {"gatewayIds": "gw-3"},
        {"gatewayIds": [3]},
        {"gatewayIds": [""]},
        {"gatewayIds": ["gw-3", "gw-3"]},
    ],
)
@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_a_wrong_list_of_gateways_is_refused(
    api: httpx.Client, campaign: str, method: str, body: dict[str, object]
) -> None:
    answer = api.request(method, f"/api/campaigns/{campaign}/devices", json=body)
    assert answer.status_code == 400
    assert members(api, campaign) == ["gw-1", "gw-2"]


def test_the_name_of_a_path_is_no_gateway(api: httpx.Client, campaign: str) -> None:
    answer = api.post(f"/api/campaigns/{campaign}/devices", json={"gatewayIds": ["things"]})
    assert answer.status_code == 400


@pytest.mark.parametrize("gateway_id", ["a/b", "a%2Fb", "Käse 🧀", "a?b#c", "a b", "%", "..."])
def test_an_id_may_be_any_text(api: httpx.Client, campaign: str, gateway_id: str) -> None:
    api.post(f"/api/campaigns/{campaign}/devices", json={"gatewayIds": [gateway_id]})
    path = f"/api/campaigns/{campaign}/devices/{quote(gateway_id, safe='')}"
    assert api.put(f"{path}/notify", json={"gatewayId": gateway_id, "campaignId": campaign}).json() == {}
    assert api.get(f"{path}/status").json()["gatewayId"] == gateway_id


def test_one_hundred_thousand_gateways_in_pages(api: httpx.Client, new_campaign: NewCampaign) -> None:
    campaign_id = new_campaign()
    names = [f"gw-{number:06}" for number in range(100_000)]
    path = f"/api/campaigns/{campaign_id}/devices"
    for start in range(0, len(names), 1000):
        assert api.post(path, json={"gatewayIds": names[start : start + 1000]}).status_code == 200
    assert members(api, campaign_id) == names
    gone = names[1::100]
    assert api.put(path, json={"gatewayIds": gone}).status_code == 200
    assert members(api, campaign_id) == sorted(set(names) - set(gone))


def _campaign(db: sqlite3.Connection, name: str) -> int:
    campaigns.insert(db, name, Spec(name, "", (), {}), status="CREATED", made_under_approval=False, now_ms=0)
    return campaigns.find(db, name).seq


def _page(db: sqlite3.Connection, campaign: int, number: int, size: int) -> tuple[int, list[str]]:
    total, rows = gateways.listing(db, campaign, PageRequest(number, size))
    return total, [gateway_id for gateway_id, _, _ in rows]


@given(
    moves=st.lists(st.sets(st.integers(0, 30), min_size=1, max_size=12), max_size=12),
    number=st.integers(1, 8),
    size=st.integers(1, 9),
)
def test_any_page_after_any_moves_is_that_part_of_the_list(
    moves: list[set[int]], number: int, size: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gateways, "BUCKET", 4)
        store = Store(":memory:")
        with store.transaction(write=True) as db:
            campaign, neighbour = _campaign(db, "c"), _campaign(db, "neighbour")
            gateways.add(db, neighbour, [str(one) for one in range(31)], 0)
            expected: list[str] = []
            for move in moves:
                ids = [str(one) for one in sorted(move)]
                gone = [one for one in ids if one in expected]
                new = [one for one in ids if one not in expected]
                gateways.remove(db, campaign, gone)
                gateways.add(db, campaign, new, 0)
                expected = [one for one in expected if one not in gone] + new
            start = (number - 1) * size
            assert _page(db, campaign, number, size) == (len(expected), expected[start : start + size])
            assert _page(db, neighbour, 1, 100)[0] == 31
        store.close()


def test_a_refused_call_leaves_no_trace_in_the_counts() -> None:
    store = Store(":memory:")
    with store.transaction(write=True) as db:
        campaign = _campaign(db, "c")
        gateways.add(db, campaign, ["a"], 0)
    with pytest.raises(CallRefused), store.transaction(write=True) as db:
        gateways.add(db, campaign, ["b", "a"], 0)
    with store.transaction(write=False) as db:
        assert _page(db, campaign, 1, 10) == (1, ["a"])
    store.close()


def test_an_override_and_its_way_back(
    api: httpx.Client, new_campaign: NewCampaign, new_package: NewPackage
) -> None:
    common, special = new_package("common.zip"), new_package("special.zip")
    campaign_id = new_campaign(packages=[common], gateways=["gw-1", "gw-2"])
    path = f"/api/campaigns/{campaign_id}/devices/gw-1/packages"
    assert api.get(path).json() == {"packages": [common]}
    for packages in ([special, common], []):
        body = {"gatewayId": "gw-1", "packages": packages, "campaignId": campaign_id}
        assert api.put(path, json=body).json() == {}
        assert api.get(path).json() == {"packages": packages}
    assert api.get(f"/api/campaigns/{campaign_id}/devices/gw-2/packages").json() == {"packages": [common]}
    assert api.put(path, json={"packages": ["nobody-has-this-id"]}).status_code == 400
    assert api.put(path, json={}).status_code == 400
    assert api.get(path).json() == {"packages": []}


@pytest.mark.parametrize("phase", ["download", "execution", "activation"])
def test_schedules_are_kept_as_milliseconds(api: httpx.Client, campaign: str, phase: str) -> None:
    path = f"/api/campaigns/{campaign}/devices/gw-1/scheduled-{phase}"
    assert api.put(path, json={"begin": "1", "end": "2"}).json() == {}
    assert api.put(path, json={"begin": 1767225600000, "end": "1767229200000"}).json() == {}
    assert api.get(f"/_embedded/campaigns/{campaign}").json()["schedules"] == [
        {"gatewayId": "gw-1", "phase": phase, "begin": "1767225600000", "end": "1767229200000"}
    ]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"begin": "1"},
        {"begin": "2", "end": "2"},
        {"begin": "-1", "end": "2"},
        {"begin": "1", "end": "2026-01-01"},
        {"begin": 1.5, "end": "2"},
        {"begin": True, "end": "2"},
        {"begin": "1", "end": "9" * 19},
    ],
)
def test_a_wrong_window_is_refused(api: httpx.Client, campaign: str, body: dict[str, object]) -> None:
    answer = api.put(f"/api/campaigns/{campaign}/devices/gw-1/scheduled-download", json=body)
    assert answer.status_code == 400
    assert api.get(f"/_embedded/campaigns/{campaign}").json()["schedules"] == []


def test_closing_is_for_good(api: httpx.Client, campaign: str) -> None:
    path = f"/api/campaigns/{campaign}/devices"
    body = {"gatewayId": "gw-1", "campaignId": campaign}
    assert api.put(f"{path}/gw-1/close", json=body).json() == {}
    assert api.put(f"{path}/gw-1/close", json=body).status_code == 409
    found = api.get(path).json()["gateways"]
    assert [(one["gatewayId"], one["closed"]) for one in found] == [("gw-1", True), ("gw-2", False)]


def test_notifications_are_counted(api: httpx.Client, campaign: str) -> None:
    for _ in range(2):
        body = {"gatewayId": "gw-1", "campaignId": campaign}
        assert api.put(f"/api/campaigns/{campaign}/devices/gw-1/notify", json=body).json() == {}
    assert api.get(f"/_embedded/campaigns/{campaign}/devices/gw-1").json()["notified"] == 2


def test_things_run_once_more_with_each_call(api: httpx.Client, campaign: str) -> None:
    path = f"/api/campaigns/{campaign}/devices/things"
    for things in (["t1", "t2"], ["t2"]):
        body = {"gateway_things": [{"gateway_id": "gw-1", "thing_ids": things}]}
        assert api.post(path, json=body).json() == {}
    assert api.get(f"/_embedded/campaigns/{campaign}").json()["things"] == {"gw-1": {"t1": 1, "t2": 2}}


@pytest.mark.parametrize(
    ("entries", "status"),
    [
        (None, 400),
        ([], 400),
        ("x", 400),
        (["x"], 400),
        ([{"gateway_id": "gw-1"}], 400),
        ([{"thing_ids": ["t"]}], 400),
        ([{"gateway_id": "gw-1", "thing_ids": ["t"]}, {"gateway_id": "gw-9", "thing_ids": ["t"]}], 404),
    ],
)
def test_wrong_things_are_refused_as_a_whole(
    api: httpx.Client, campaign: str, entries: object, status: int
) -> None:
    answer = api.post(f"/api/campaigns/{campaign}/devices/things", json={"gateway_things": entries})
    assert answer.status_code == status
    assert api.get(f"/_embedded/campaigns/{campaign}").json()["things"] == {}


def test_progress_and_status_of_a_gateway(
    api: httpx.Client, new_campaign: NewCampaign, new_package: NewPackage
) -> None:
    package = new_package(content=b"12345")
    campaign_id = new_campaign(packages=[package], gateways=["gw-1"])
    path = f"/api/campaigns/{campaign_id}/devices/gw-1"
    assert api.get(f"{path}/progress/execution").json() == {"progress": []}
    downloads = {"packagesProgress": [{"progress": "0", "total": "5", "id": package}]}
    assert api.get(f"{path}/progress/download").json() == downloads

    report = {"state": "FAILED", "causedBy": "flash", "downloaded": {package: 3}, "executed": ["step 1"]}
    assert api.put(f"/_embedded/campaigns/{campaign_id}/devices/gw-1", json=report).json() == {}
    downloads = {"packagesProgress": [{"progress": "3", "total": "5", "id": package}]}
    assert api.get(f"{path}/progress/download").json() == downloads
    assert api.get(f"{path}/progress/execution").json() == {"progress": ["step 1"]}
    answer = api.get(f"{path}/status").json()
    assert answer.pop("timestamp").isdecimal()
    assert answer == {
        "campaignId": campaign_id,
        "campaignState": {"state": "FAILED"},
        "downloadProgress": downloads,
        "executionProgress": ["step 1"],
        "gatewayId": "gw-1",
        "causedBy": "flash",
    }
    # A report without progress or state keeps what is there; the cause is that of the last report.
    assert api.put(f"/_embedded/campaigns/{campaign_id}/devices/gw-1", json={}).json() == {}
    assert api.get(f"/_embedded/campaigns/{campaign_id}/devices/gw-1").json() == {
        "gatewayId": "gw-1",
        "state": "FAILED",
        "closed": False,
        "overridden": False,
        "notified": 0,
        "causedBy": None,
        "downloaded": {package: 3},
        "executed": ["step 1"],
    }
    for wrong in ({"state": "SLEEPING"}, {"downloaded": {package: "3"}}):
        assert api.put(f"/_embedded/campaigns/{campaign_id}/devices/gw-1", json=wrong).status_code == 400


def test_active_campaigns_are_the_started_ones(api: httpx.Client, new_campaign: NewCampaign) -> None:
    started, closed, waiting = (new_campaign(name, gateways=["gw-1"]) for name in ("s", "c", "w"))
    for campaign_id in (started, closed):
        api.put(f"/api/campaigns/{campaign_id}/start")
    api.put(f"/api/campaigns/{closed}/devices/gw-1/close")
    assert api.get("/api/devices/gw-1/active-campaigns").json() == {"campaignId": [started]}
    api.put(f"/api/campaigns/{waiting}/start")
    assert api.get("/api/devices/gw-1/active-campaigns").json() == {"campaignId": [started, waiting]}
    assert api.get("/api/devices/unknown/active-campaigns").json() == {"campaignId": []}


@pytest.mark.parametrize(
    ("method", "tail", "body"),
    [
        ("PUT", "notify", {}),
        ("PUT", "packages", {"packages": []}),
        ("GET", "packages", None),
        ("PUT", "scheduled-download", {"begin": "1", "end": "2"}),
        ("PUT", "scheduled-execution", {"begin": "1", "end": "2"}),
        ("PUT", "scheduled-activation", {"begin": "1", "end": "2"}),
        ("PUT", "close", {}),
        ("GET", "state", None),
        ("GET", "status", None),
        ("GET", "progress/execution", None),
        ("GET", "progress/download", None),
    ],
)
def test_what_is_not_there_is_said_by_name(
    api: httpx.Client, campaign: str, method: str, tail: str, body: dict[str, object] | None
) -> None:
    answer = api.request(method, f"/api/campaigns/{campaign}/devices/gw-9/{tail}", json=body)
    assert (answer.status_code, "'gw-9'" in answer.json()["message"]) == (404, True)
    answer = api.request(method, f"/api/campaigns/nobody/devices/gw-1/{tail}", json=body)
    assert (answer.status_code, "'nobody'" in answer.json()["message"]) == (404, True)
    if body is not None:
        wrong = body | {"gatewayId": "gw-2"}
        assert (
            api.request(method, f"/api/campaigns/{campaign}/devices/gw-1/{tail}", json=wrong).status_code
            == 400
        )


def test_leaving_takes_what_was_its_own(api: httpx.Client, campaign: str, new_package: NewPackage) -> None:
    path = f"/api/campaigns/{campaign}/devices"
    api.put(f"{path}/gw-1/packages", json={"packages": [new_package()]})
    api.put(f"{path}/gw-1/scheduled-download", json={"begin": "1", "end": "2"})
    api.post(f"{path}/things", json={"gateway_things": [{"gateway_id": "gw-1", "thing_ids": ["t"]}]})
    api.put(path, json={"gatewayIds": ["gw-1"]})
    api.post(path, json={"gatewayIds": ["gw-1"]})
    kept = api.get(f"/_embedded/campaigns/{campaign}").json()
    assert (kept["schedules"], kept["things"]) == ([], {})
    assert api.get(f"{path}/gw-1/packages").json() == {"packages": []}
    assert api.get(f"/_embedded/campaigns/{campaign}/devices/gw-1").json()["overridden"] is False
