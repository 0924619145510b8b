"""Campaigns of the embedded server: what is stored, what is answered, the status table."""

from collections.abc import Callable

import httpx
import pytest

from reconciler.embedded import Running, lifecycle

NewCampaign = Callable[..., str]
NewPackage = Callable[..., str]

UNDER_APPROVAL = ("APPROVAL_NEEDED", "APPROVED")


def settle(api: httpx.Client, new_campaign: NewCampaign, status: str) -> str:
    """A campaign that has come to `status` by the calls that lead there."""
    api.put("/_embedded/settings", json={"approvalNeeded": status in UNDER_APPROVAL})
    campaign_id = new_campaign(description="before")
    calls = {"APPROVED": ["approve"], "STARTED": ["start"], "STOPPED": ["start", "stop"]}.get(status, [])
    for call in calls:
        body = {"campaignId": campaign_id}
        assert api.put(f"/api/campaigns/{campaign_id}/{call}", json=body).json() == {}
    assert api.get(f"/api/campaigns/{campaign_id}").json()["status"] == status
    return campaign_id


def test_a_campaign_is_answered_in_the_shape_of_the_reference(
    api: httpx.Client, new_campaign: NewCampaign, new_package: NewPackage
) -> None:
    packages = [new_package("b.zip"), new_package("a.zip")]
    campaign_id = new_campaign(
        "winter", description="d", packages=packages, campaignSettings={"settings": {"k": "v"}}
    )
    answer = api.get(f"/api/campaigns/{campaign_id}").json()
    assert answer.pop("creationTime").isdecimal()
    assert answer == {
        "status": "CREATED",
        "name": "winter",
        "packages": {"packages": packages},
        "id": campaign_id,
        "description": "d",
    }
    assert api.get(f"/_embedded/campaigns/{campaign_id}").json()["settings"] == {"k": "v"}


def test_an_edit_replaces_all_that_it_does_not_name(
    api: httpx.Client, new_campaign: NewCampaign, new_package: NewPackage
) -> None:
    first, second = new_package(), new_package()
    campaign_id = new_campaign(
        description="d", packages=[first, second], campaignSettings={"settings": {"k": "v"}}
    )
    body = {"updateSpec": {"name": "summer", "packages": [second]}, "campaignId": campaign_id}
    assert api.put(f"/api/campaigns/{campaign_id}", json=body).json() == {"uuid": campaign_id}
    answer = api.get(f"/api/campaigns/{campaign_id}").json()
    assert (answer["name"], answer["description"], answer["packages"]) == (
        "summer",
        "",
        {"packages": [second]},
    )
    assert api.get(f"/_embedded/campaigns/{campaign_id}").json()["settings"] == {}


# The table once more, in the words of a caller: what becomes of a status; None is a 409.
AFTER = {
    "CREATED": {"approve": None, "start": "STARTED", "stop": None, "edit": "CREATED", "delete": "gone"},
    "APPROVAL_NEEDED": {
        "approve": "APPROVED",
        "start": None,
        "stop": None,
        "edit": "APPROVAL_NEEDED",
        "delete": "gone",
    },
    "APPROVED": {"approve": None, "start": "STARTED", "stop": None, "edit": "APPROVED", "delete": "gone"},
    "STARTED": {"approve": None, "start": None, "stop": "STOPPED", "edit": None, "delete": None},
    "STOPPED": {"approve": None, "start": "STARTED", "stop": None, "edit": "STOPPED", "delete": "gone"},
}
CASES = [(status, call, after) for status, calls in AFTER.items() for call, after in calls.items()]


def send(api: httpx.Client, campaign_id: str, call: str) -> httpx.Response:
    path = f"/api/campaigns/{campaign_id}"
    if call == "edit":
        return api.put(path, json={"updateSpec": {"name": "winter", "description": "after"}})
    return api.delete(path) if call == "delete" else api.put(f"{path}/{call}")


@pytest.mark.parametrize(("status", "call", "after"), CASES)
def test_each_call_in_each_status(
    api: httpx.Client, new_campaign: NewCampaign, status: str, call: str, after: str | None
) -> None:
    campaign_id = settle(api, new_campaign, status)
    answer = send(api, campaign_id, call)
    found = api.get(f"/api/campaigns/{campaign_id}")
    if after is None:
        assert answer.status_code == 409
        assert status in answer.json()["message"]
        assert (found.json()["status"], found.json()["description"]) == (status, "before")
    elif after == "gone":
        assert (answer.status_code, answer.json(), found.status_code) == (200, {}, 404)
    else:
        assert answer.status_code == 200
        assert found.json()["status"] == after


def test_the_table_has_every_status() -> None:
    assert set(AFTER) == set(lifecycle.STATUSES)


@pytest.mark.parametrize(
    ("under_approval", "reapprove", "after"),
    [(True, True, "APPROVAL_NEEDED"), (True, False, "STOPPED"), (False, True, "STOPPED")],
)
def test_an_edit_may_ask_for_approval_again(
    api: httpx.Client, new_campaign: NewCampaign, under_approval: bool, reapprove: bool, after: str
) -> None:
    api.put("/_embedded/settings", json={"approvalNeeded": under_approval, "reapproveAfterEdit": reapprove})
    campaign_id = new_campaign()
    for call in [*(["approve"] if under_approval else []), "start", "stop", "edit"]:
        assert send(api, campaign_id, call).status_code == 200
    assert api.get(f"/api/campaigns/{campaign_id}").json()["status"] == after


def test_an_approved_campaign_may_need_approval_after_an_edit(
    api: httpx.Client, new_campaign: NewCampaign
) -> None:
    campaign_id = settle(api, new_campaign, "APPROVED")
    api.put("/_embedded/settings", json={"reapproveAfterEdit": True})
    assert send(api, campaign_id, "edit").status_code == 200
    assert api.get(f"/api/campaigns/{campaign_id}").json()["status"] == "APPROVAL_NEEDED"


def test_a_campaign_keeps_the_approval_it_was_made_with(api: httpx.Client, new_campaign: NewCampaign) -> None:
    before = settle(api, new_campaign, "APPROVAL_NEEDED")
    api.put("/_embedded/settings", json={"approvalNeeded": False})
    after = new_campaign()
    assert api.get(f"/api/campaigns/{before}").json()["status"] == "APPROVAL_NEEDED"
    assert api.get(f"/api/campaigns/{after}").json()["status"] == "CREATED"
    assert api.get(f"/_embedded/campaigns/{before}").json()["madeUnderApproval"] is True


def test_approval_can_be_switched_on_from_the_start() -> None:
    with Running(approval_needed=True) as running, httpx.Client(base_url=running.url) as api:
        campaign_id = api.post("/api/campaigns", json={"name": "n"}).json()["uuid"]
        assert api.get(f"/api/campaigns/{campaign_id}").json()["status"] == "APPROVAL_NEEDED"


def test_names_need_not_be_unique(api: httpx.Client, new_campaign: NewCampaign) -> None:
    ids = [new_campaign("twin"), new_campaign("twin")]
    found = api.get("/api/campaigns", params={"name": "twin"}).json()["campaigns"]
    assert [one["id"] for one in found] == ids


def test_counts_by_status(api: httpx.Client, new_campaign: NewCampaign) -> None:
    for status, times in {
        "CREATED": 1,
        "APPROVAL_NEEDED": 2,
        "APPROVED": 3,
        "STARTED": 4,
        "STOPPED": 5,
    }.items():
        for _ in range(times):
            settle(api, new_campaign, status)
    assert api.get("/api/campaign-status/campaigns").json() == {
        "aprovedNotStartedCount": "3",
        "startedCount": "4",
        "stoppedCount": "5",
        "waitingApprovalCount": "2",
        "noApprovalNeededReadyToStartCount": "1",
    }


def test_the_overall_status_counts_gateways_and_packages(
    api: httpx.Client, new_campaign: NewCampaign, new_package: NewPackage
) -> None:
    campaign_id = new_campaign(
        "winter", description="d", packages=[new_package()], gateways=["a", "b", "c", "d", "e"]
    )
    for gateway_id, state in {
        "a": "DOWNLOAD_COMPLETE",
        "b": "EXECUTION_COMPLETE",
        "c": "ACTIVATION_COMPLETE",
        "d": "ACTIVATION_COMPLETE",
    }.items():
        path = f"/_embedded/campaigns/{campaign_id}/devices/{gateway_id}"
        assert api.put(path, json={"state": state}).status_code == 200
    answer = api.get(f"/api/campaigns/{campaign_id}/status").json()
    assert int(answer.pop("creationTime")) <= int(answer.pop("modificationTime"))
    assert answer == {
        "status": "CREATED",
        "name": "winter",
        "campaignId": campaign_id,
        "numberOfGatewaysInActivationCompleteState": "2",
        "numberOfGatewaysInExecutionCompleteState": "1",
        "numberOfGatewaysInDownloadCompleteState": "1",
        "totalNumberOfGateways": "5",
        "totalNumberOfPackages": "1",
        "description": "d",
    }


def test_filters_of_the_list(api: httpx.Client, new_campaign: NewCampaign, new_package: NewPackage) -> None:
    package = new_package()
    north = new_campaign("north-winter", description="snow", packages=[package])
    south = new_campaign("south-winter", description="rain")
    api.put(f"/api/campaigns/{south}/start")
    created = api.get(f"/api/campaigns/{north}").json()["creationTime"]

    def ids(**query: str) -> list[str]:
        return [one["id"] for one in api.get("/api/campaigns", params=query).json()["campaigns"]]

    assert ids() == [north, south]
    assert ids(name="winter") == [north, south]
    assert ids(name="north") == [north]
    assert ids(name="") == [north, south]
    assert ids(id=south) == [south]
    assert ids(status="STARTED") == [south]
    assert ids(status="CREATED", name="south") == []
    assert ids(description="now") == [north]
    assert ids(packages=package) == [north]
    assert north in ids(creationTime=created)
    assert ids(creationTime="1") == []


def test_the_list_comes_in_pages_by_age(api: httpx.Client, new_campaign: NewCampaign) -> None:
    ids = [new_campaign(f"c-{number:02}") for number in range(12)]
    first = api.get("/api/campaigns").json()
    assert first["pageResponse"] == {"totalPages": "2", "totalElements": "12", "page": 1, "pageSize": 10}
    assert [one["id"] for one in first["campaigns"]] == ids[:10]
    second = api.get("/api/campaigns", params={"page.number": 2}).json()
    assert [one["id"] for one in second["campaigns"]] == ids[10:]
    beyond = api.get("/api/campaigns", params={"page.number": 999999999, "page.size": 5}).json()
    assert beyond["campaigns"] == []
    assert beyond["pageResponse"] == {
        "totalPages": "3",
        "totalElements": "12",
        "page": 999999999,
        "pageSize": 5,
    }


def test_an_empty_list_has_no_pages(api: httpx.Client) -> None:
    assert api.get("/api/campaigns").json() == {
        "pageResponse": {"totalPages": "0", "totalElements": "0", "page": 1, "pageSize": 10},
        "campaigns": [],
    }


def test_the_size_of_a_page_is_capped(api: httpx.Client, new_campaign: NewCampaign) -> None:
    for _ in range(3):
        new_campaign()
    assert api.get("/api/campaigns", params={"page.size": 5000}).json()["pageResponse"]["pageSize"] == 1000
    api.put("/_embedded/settings", json={"maxPageSize": 2})
    answer = api.get("/api/campaigns", params={"page.size": 5000}).json()
    assert (answer["pageResponse"]["pageSize"], len(answer["campaigns"])) == (2, 2)


@pytest.mark.parametrize("key", ["page.number", "page.size"])
@pytest.mark.parametrize("value", ["0", "-1", "x", "1.5", "", "9" * 30, "٣"])
def test_a_page_that_is_no_number_is_refused(api: httpx.Client, key: str, value: str) -> None:
    answer = api.get("/api/campaigns", params={key: value})
    assert answer.status_code == 400
    assert key in answer.json()["message"]


@pytest.mark.parametrize(
    "kind", ["completed", "wake-up", "state-change", "execution-progress", "download-progress"]
)
def test_callbacks_are_kept_and_replaced(api: httpx.Client, campaign: str, kind: str) -> None:
    path = f"/api/campaigns/{campaign}/callbacks/{kind}"
    for destination in ("before", "after"):
        body = {
            "notificationDestinationId": destination,
            "trackedStates": ["FAILED"],
            "campaignId": campaign,
        }
        assert api.put(path, json=body).json() == {}
    kept = api.get(f"/_embedded/campaigns/{campaign}").json()["callbacks"]
    tracked = {"trackedStates": ["FAILED"]} if kind == "state-change" else {}
    assert kept == {kind: {"notificationDestinationId": "after"} | tracked}


def test_the_distribution_list(api: httpx.Client, campaign: str) -> None:
    path = f"/api/campaigns/{campaign}/distribution-list"
    assert api.get(path).status_code == 404
    for seconds in ("60", 61):
        body = {
            "distributionListId": "dl",
            "reevaluationIntervalSeconds": seconds,
            "campaignId": campaign,
        }
        assert api.put(path, json=body).json() == {}
    assert api.get(path).json() == {
        "distributionListId": "dl",
        "reevaluationIntervalSeconds": "61",
        "campaignId": campaign,
    }
    for wrong in ({"distributionListId": ""}, {"reevaluationIntervalSeconds": "0"}):
        body = {"distributionListId": "dl", "reevaluationIntervalSeconds": "60"} | wrong
        assert api.put(path, json=body).status_code == 400


SPECS = [
    {},
    {"name": ""},
    {"name": " "},
    {"name": None},
    {"name": 5},
    {"name": "n\0"},
    {"name": "n", "description": 1},
    {"name": "n", "packages": "p"},
    {"name": "n", "packages": [1]},
    {"name": "n", "packages": [""]},
    {"name": "n", "packages": ["nobody-has-this-id"]},
    {"name": "n", "campaignSettings": []},
    {"name": "n", "campaignSettings": {"settings": [1]}},
    {"name": "n", "campaignSettings": {"settings": {"k": 1}}},
]


@pytest.mark.parametrize("spec", SPECS)
def test_a_wrong_campaign_is_neither_made_nor_edited(
    api: httpx.Client, campaign: str, spec: dict[str, object]
) -> None:
    for answer in (
        api.post("/api/campaigns", json=spec),
        api.put(f"/api/campaigns/{campaign}", json={"updateSpec": spec}),
    ):
        assert answer.status_code == 400
        assert answer.json()["message"]
    found = api.get("/api/campaigns").json()["campaigns"]
    assert [one["name"] for one in found] == ["winter"]


@pytest.mark.parametrize(
    "raw",
    [
        b"{",
        b"[]",
        b'"x"',
        b"\xff",
        b'{"name": NaN}',
        b'{"name": "\\ud800"}',
        b'{"name": ' + b"1" * 5000 + b"}",
        b'{"name": ' * 100_000,
    ],
)
def test_a_body_that_is_no_json_object_is_refused(api: httpx.Client, raw: bytes) -> None:
    answer = api.post("/api/campaigns", content=raw)
    assert answer.status_code == 400
    assert "message" in answer.json()


def test_null_is_the_same_as_absent(api: httpx.Client, new_campaign: NewCampaign) -> None:
    campaign_id = new_campaign(description=None, packages=None, campaignSettings=None)
    assert api.get(f"/api/campaigns/{campaign_id}").json()["description"] == ""
    assert api.put(f"/api/campaigns/{campaign_id}", json={"name": "no updateSpec"}).status_code == 400
    assert api.put(f"/api/campaigns/{campaign_id}/start", json={"campaignId": None}).status_code == 200


def test_a_body_for_another_campaign_is_refused(api: httpx.Client, campaign: str) -> None:
    assert api.put(f"/api/campaigns/{campaign}/start", json={"campaignId": "other"}).status_code == 400
    assert api.get(f"/api/campaigns/{campaign}").json()["status"] == "CREATED"


def test_a_deleted_campaign_takes_all_that_is_its_own(
    api: httpx.Client, campaign: str, new_package: NewPackage
) -> None:
    package = new_package()
    api.put(f"/api/campaigns/{campaign}/devices/gw-1/packages", json={"packages": [package]})
    assert api.delete(f"/api/programs/{package}").status_code == 409
    assert api.delete(f"/api/campaigns/{campaign}").json() == {}
    assert api.delete(f"/api/programs/{package}").json() == {}
    assert api.get("/api/campaigns").json()["campaigns"] == []


@pytest.mark.parametrize("rerun", [True, False])
def test_an_edit_of_packages_may_let_gateways_run_again(
    api: httpx.Client, new_campaign: NewCampaign, new_package: NewPackage, rerun: bool
) -> None:
    api.put("/_embedded/settings", json={"rerunAfterEdit": rerun})
    first, second = new_package(), new_package()
    campaign_id = new_campaign(packages=[first], gateways=["a", "b", "c", "d"])
    path = f"/_embedded/campaigns/{campaign_id}/devices"
    states = {"a": "ACTIVATION_COMPLETE", "b": "FAILED", "c": "DOWNLOAD_COMPLETE", "d": "ACTIVATION_COMPLETE"}
    for gateway, state in states.items():
        assert api.put(f"{path}/{gateway}", json={"state": state}).status_code == 200
    assert api.put(f"/api/campaigns/{campaign_id}/devices/d/close").status_code == 200

    def after(*packages: str) -> dict[str, str]:
        body = {"updateSpec": {"name": "n", "packages": packages}, "campaignId": campaign_id}
        assert api.put(f"/api/campaigns/{campaign_id}", json=body).status_code == 200
        return {
            each: api.get(f"/api/campaigns/{campaign_id}/devices/{each}/state").json()["state"]
            for each in states
        }

    assert after(first) == states, "the packages are the same"
    assert after(second) == {**states, **(dict.fromkeys("ab", "INSTANTIATED") if rerun else {})}
