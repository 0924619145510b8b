"""Dialects: what each field of one changes in the answers, as tables; and how they are switched."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, replace
from typing import Any

import httpx
import pytest
from starlette.datastructures import QueryParams

from reconciler.embedded import Running, create_app
from reconciler.embedded.dialects import (
    PRESETS,
    REFERENCE,
    Dialect,
    answer,
    offers,
    parse_dialect,
    refused,
    shown,
)
from reconciler.embedded.dialects.model import (
    Filters,
    IdKey,
    ItemsShape,
    PackagesShape,
    PageObject,
    PastEnd,
    Refusals,
    Repeated,
    Spelled,
    Unset,
    Written,
)
from reconciler.embedded.dialects.translate import query
from reconciler.embedded.errors import Already, CallRefused

NewCampaign = Callable[..., str]


@pytest.fixture(autouse=True)
def _the_reference_is_spoken_afterwards(server: Running) -> Iterator[None]:
    yield
    server.app.state.context.speech.dialect = REFERENCE


def speak(api: httpx.Client, **changes: object) -> None:
    answer = api.put("/_embedded/dialect", json={"preset": "reference", **changes})
    assert answer.status_code == 200, answer.text


# --- translations ----------------------------------------------------------------------------------

CAMPAIGN = {
    "status": "CREATED",
    "name": "n",
    "creationTime": "1700000000000",
    "packages": {"packages": ["p"]},
    "id": "1",
    "description": "",
}
PAGE = {"totalPages": "2", "totalElements": "3", "page": 1, "pageSize": 2}
CAMPAIGNS = {"pageResponse": PAGE, "campaigns": [CAMPAIGN]}
NO_CAMPAIGNS = {
    "pageResponse": {"totalPages": "0", "totalElements": "0", "page": 1, "pageSize": 2},
    "campaigns": [],
}
GATEWAYS = {"pageResponse": PAGE, "gateways": [{"gatewayId": "g", "state": "FAILED", "closed": False}]}
COUNTS = {"aprovedNotStartedCount": "0", "startedCount": "2"}
PROGRESS = {"packagesProgress": [{"progress": "0", "total": "7", "id": "p"}]}
STATUS = {
    "campaignId": "c",
    "campaignState": {"state": "FAILED"},
    "timestamp": "5",
    "downloadProgress": PROGRESS,
    "executionProgress": ["0", ""],
    "gatewayId": "g",
}

FROM_ZERO = {"totalPages": "2", "totalElements": "3", "page": 0, "pageSize": 2}

TABLE: list[tuple[str, Dialect, str, Mapping[str, Any], object]] = [
    ("the reference", REFERENCE, "list-campaigns", CAMPAIGNS, CAMPAIGNS),
    ("the reference's empty list", REFERENCE, "list-campaigns", NO_CAMPAIGNS, NO_CAMPAIGNS),
    (
        "page",
        Dialect(page_object=PageObject.PAGE),
        "list-campaigns",
        CAMPAIGNS,
        {
            "page": {"totalPages": "2", "totalElements": "3", "number": 1, "size": 2},
            "campaigns": [CAMPAIGN],
        },
    ),
    (
        "pageInfo, from 0",
        Dialect(page_object=PageObject.PAGE_INFO, counts_from_zero=True),
        "list-gateways",
        GATEWAYS,
        {
            "pageInfo": {"totalPages": "2", "totalElements": "3", "number": 0, "size": 2},
            "gateways": GATEWAYS["gateways"],
        },
    ),
    (
        "beside the items, numbers",
        Dialect(page_object=PageObject.FLAT, items=ItemsShape.CONTENT, totals=Written.NUMBER),
        "list-campaigns",
        CAMPAIGNS,
        {"totalPages": 2, "totalElements": 3, "number": 1, "size": 2, "content": [CAMPAIGN]},
    ),
    (
        "no page object",
        Dialect(page_object=PageObject.NONE, items=ItemsShape.ITEMS),
        "list-gateways",
        GATEWAYS,
        {"items": GATEWAYS["gateways"]},
    ),
    ("a bare array", Dialect(items=ItemsShape.BARE), "list-gateways", GATEWAYS, GATEWAYS["gateways"]),
    (
        "totals absent, strings",
        Dialect(totals=Written.ABSENT, page_number=Written.STRING),
        "list-gateways",
        GATEWAYS,
        {"pageResponse": {"page": "1", "pageSize": "2"}, "gateways": GATEWAYS["gateways"]},
    ),
    (
        "number absent",
        Dialect(page_number=Written.ABSENT),
        "list-gateways",
        GATEWAYS,
        {"pageResponse": {"totalPages": "2", "totalElements": "3"}, "gateways": GATEWAYS["gateways"]},
    ),
    (
        "nothing of zero value in a list from 0",
        Dialect(omits_zero=True, counts_from_zero=True),
        "list-gateways",
        GATEWAYS,
        {
            "pageResponse": {"totalPages": "2", "totalElements": "3", "pageSize": 2},
            "gateways": [{"gatewayId": "g", "state": "FAILED"}],
        },
    ),
    (
        "an empty list without its zeros",
        Dialect(omits_zero=True, counts_from_zero=True),
        "list-campaigns",
        NO_CAMPAIGNS,
        {"pageResponse": {"pageSize": 2}},
    ),
    (
        "ids and packages of a line",
        Dialect(ids=IdKey.CAMPAIGN_ID, packages=PackagesShape.LIST, page_object=PageObject.NONE),
        "list-campaigns",
        CAMPAIGNS,
        {
            "campaigns": [
                {
                    "status": "CREATED",
                    "name": "n",
                    "creationTime": "1700000000000",
                    "packages": ["p"],
                    "campaignId": "1",
                    "description": "",
                }
            ]
        },
    ),
    (
        "a campaign",
        Dialect(ids=IdKey.UUID, times=Spelled.NUMBER, omits_zero=True),
        "get-campaign",
        CAMPAIGN,
        {
            "status": "CREATED",
            "name": "n",
            "creationTime": 1700000000000,
            "packages": {"packages": ["p"]},
            "uuid": "1",
        },
    ),
    ("a package has no campaignId", Dialect(ids=IdKey.CAMPAIGN_ID), "get-package", {"id": "p"}, {"id": "p"}),
    ("a package by uuid", Dialect(ids=IdKey.UUID), "get-package", {"id": "p"}, {"uuid": "p"}),
    ("created", Dialect(created_id=IdKey.CAMPAIGN_ID), "create-campaign", {"uuid": "1"}, {"campaignId": "1"}),
    ("edited", Dialect(created_id=IdKey.ID), "edit-campaign", {"uuid": "1"}, {"id": "1"}),
    ("uploaded", Dialect(created_id=IdKey.CAMPAIGN_ID), "upload-package", {"uuid": "1"}, {"id": "1"}),
    ("counts", REFERENCE, "get-campaign-counts", COUNTS, COUNTS),
    (
        "counts as numbers, spelled right",
        Dialect(counts=Spelled.NUMBER, spells_approved=True),
        "get-campaign-counts",
        COUNTS,
        {"approvedNotStartedCount": 0, "startedCount": 2},
    ),
    ("counts but zeros", Dialect(omits_zero=True), "get-campaign-counts", COUNTS, {"startedCount": "2"}),
    (
        "numbers at any depth",
        Dialect(counts=Spelled.NUMBER, times=Spelled.NUMBER),
        "get-gateway-status",
        STATUS,
        STATUS
        | {
            "timestamp": 5,
            "downloadProgress": {"packagesProgress": [{"progress": 0, "total": 7, "id": "p"}]},
        },
    ),
    (
        "zeros at any depth, but not in lists of words",
        Dialect(omits_zero=True),
        "get-gateway-status",
        STATUS,
        STATUS | {"downloadProgress": {"packagesProgress": [{"total": "7", "id": "p"}]}},
    ),
    (
        "a gateway's packages are a list anyhow",
        Dialect(packages=PackagesShape.LIST),
        "get-gateway-packages",
        {"packages": ["p"]},
        {"packages": ["p"]},
    ),
]


@pytest.mark.parametrize(
    ("dialect", "operation", "value", "expected"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE]
)
def test_answers(dialect: Dialect, operation: str, value: dict[str, Any], expected: object) -> None:
    before = repr(value)
    assert answer(dialect, operation, value) == expected
    assert repr(value) == before


@pytest.mark.parametrize(
    ("dialect", "asked", "expected"),
    [
        (REFERENCE, {"page.number": "0", "name": "n"}, {"page.number": "0", "name": "n"}),
        (Dialect(counts_from_zero=True), {"page.number": "0"}, {"page.number": "1"}),
        (
            Dialect(counts_from_zero=True),
            {"page.number": "9", "page.size": "2"},
            {"page.number": "10", "page.size": "2"},
        ),
        (Dialect(counts_from_zero=True), {"page.number": "-1"}, {"page.number": "-1"}),
        (Dialect(counts_from_zero=True), {"page.number": "²"}, {"page.number": "²"}),
        (Dialect(counts_from_zero=True), {}, {}),
        (Dialect(max_page_size=3), {"page.size": "500"}, {"page.size": "3"}),
        (Dialect(max_page_size=3), {"page.size": "2"}, {"page.size": "2"}),
        (Dialect(max_page_size=3), {}, {"page.size": "3"}),
        (Dialect(max_page_size=3), {"page.size": "x"}, {"page.size": "x"}),
        (Dialect(filters=Filters.IGNORED), {"name": "n", "page.size": "2"}, {"page.size": "2"}),
        (Dialect(filters=Filters.EXACT), {"name": "n"}, {"name": "n"}),
    ],
)
def test_queries(dialect: Dialect, asked: dict[str, str], expected: dict[str, str]) -> None:
    assert dict(query(dialect, "list-campaigns", QueryParams(asked))) == expected
    assert dict(query(dialect, "stream-package", QueryParams(asked))) == asked


@pytest.mark.parametrize(
    ("dialect", "refusal", "expected"),
    [
        (REFERENCE, CallRefused(400, "no"), (400, {"message": "no"})),
        (REFERENCE, Already(404, "no"), (404, {"message": "no"})),
        (Dialect(repeated=Repeated.CONFLICT), Already(404, "no"), (409, {"message": "no"})),
        (Dialect(repeated=Repeated.MISSING), Already(409, "no"), (404, {"message": "no"})),
        (Dialect(repeated=Repeated.MISSING), CallRefused(409, "no"), (409, {"message": "no"})),
        (Dialect(refusals=Refusals.TEXT), CallRefused(400, "no"), (400, "no")),
    ],
)
def test_refusals(dialect: Dialect, refusal: CallRefused, expected: tuple[int, object]) -> None:
    assert refused(dialect, refusal) == expected


def test_a_server_may_have_no_versions() -> None:
    assert offers(REFERENCE, "get-versions")
    assert not offers(Dialect(versions=False), "get-versions")
    assert offers(Dialect(versions=False), "get-tokens")


# --- manners, over TCP -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("unset", "status", "body"),
    [
        (Unset.MISSING, 404, None),
        (Unset.OBJECT, 200, {}),
        (Unset.EMPTY, 200, {"distributionListId": "", "reevaluationIntervalSeconds": "", "campaignId": ...}),
    ],
)
def test_a_distribution_list_that_is_not_set(
    api: httpx.Client, campaign: str, unset: Unset, status: int, body: dict[str, object] | None
) -> None:
    speak(api, unsetList=unset)
    answer = api.get(f"/api/campaigns/{campaign}/distribution-list")
    assert answer.status_code == status
    if body is not None:
        assert answer.json() == {key: campaign if value is ... else value for key, value in body.items()}
    assert api.get("/api/campaigns/nobody/distribution-list").status_code == 404


def already(api: httpx.Client, campaign: str) -> list[int]:
    """The answers to what has already happened."""
    path = f"/api/campaigns/{campaign}"
    api.put(f"{path}/start")
    again = [api.put(f"{path}/start").status_code]
    api.put(f"{path}/stop")
    again.append(api.put(f"{path}/stop").status_code)
    api.put(f"{path}/devices/gw-1/close")
    again.append(api.put(f"{path}/devices/gw-1/close").status_code)
    again.append(api.post(f"{path}/devices", json={"gatewayIds": ["gw-1", "gw-9"]}).status_code)
    again.append(api.put(f"{path}/devices", json={"gatewayIds": ["gw-2", "gw-0"]}).status_code)
    again.append(api.put(f"{path}/devices", json={"gatewayIds": ["gw-0"]}).status_code)
    return again


@pytest.mark.parametrize(
    ("repeated", "statuses", "members"),
    [
        (Repeated.REFERENCE, [409, 409, 409, 409, 404, 404], ["gw-1", "gw-2"]),
        (Repeated.CONFLICT, [409] * 6, ["gw-1", "gw-2"]),
        (Repeated.MISSING, [404] * 6, ["gw-1", "gw-2"]),
        (Repeated.SILENT, [200] * 6, ["gw-1", "gw-9"]),
    ],
)
def test_what_has_already_happened(
    api: httpx.Client, campaign: str, repeated: Repeated, statuses: list[int], members: list[str]
) -> None:
    speak(api, repeated=repeated)
    assert already(api, campaign) == statuses
    listed = api.get(f"/api/campaigns/{campaign}/devices").json()["gateways"]
    assert [one["gatewayId"] for one in listed] == members
    # What was never possible is refused in every dialect.
    assert api.put(f"/api/campaigns/{campaign}/approve").status_code == 409


def test_an_approval_that_was_given(api: httpx.Client, new_campaign: NewCampaign) -> None:
    api.put("/_embedded/settings", json={"approvalNeeded": True})
    campaign = new_campaign()
    approve = f"/api/campaigns/{campaign}/approve"
    assert api.put(approve).status_code == 200
    assert api.put(approve).status_code == 409
    speak(api, repeated="silent")
    assert api.put(approve).json() == {}


@pytest.mark.parametrize(
    ("from_zero", "past_end", "asked", "names"),
    [
        (False, PastEnd.EMPTY, 3, []),
        (False, PastEnd.REPEAT, 3, ["c"]),
        (False, PastEnd.REPEAT, 9, ["c"]),
        (False, PastEnd.REPEAT, 1, ["a", "b"]),
        (True, PastEnd.EMPTY, 2, []),
        (True, PastEnd.REPEAT, 2, ["c"]),
        (True, PastEnd.REPEAT, 1, ["c"]),
        (True, PastEnd.REPEAT, 0, ["a", "b"]),
    ],
)
def test_past_the_last_page(
    api: httpx.Client,
    new_campaign: NewCampaign,
    from_zero: bool,
    past_end: PastEnd,
    asked: int,
    names: list[str],
) -> None:
    for name in "abc":
        new_campaign(name)
    speak(api, countsFromZero=from_zero, pastEnd=past_end)
    found = api.get("/api/campaigns", params={"page.size": 2, "page.number": asked}).json()
    assert [one["name"] for one in found["campaigns"]] == names
    if past_end is PastEnd.REPEAT and names == ["c"]:
        assert found["pageResponse"]["page"] == (1 if from_zero else 2)


def test_an_empty_list_has_no_last_page(api: httpx.Client) -> None:
    speak(api, pastEnd="repeat")
    assert api.get("/api/campaigns", params={"page.number": 5}).json()["campaigns"] == []


@pytest.mark.parametrize(
    ("filters", "found"), [("substring", ["c", "cc"]), ("exact", ["c"]), ("ignored", ["b", "c", "cc"])]
)
def test_filters(
    api: httpx.Client, new_campaign: NewCampaign, new_package: Any, filters: str, found: list[str]
) -> None:
    for name in ("b", "c", "cc"):
        new_campaign(name, description=name)
        new_package(name)
    speak(api, filters=filters)
    for path, key, asked in (
        ("/api/campaigns", "campaigns", "name"),
        ("/api/campaigns", "campaigns", "description"),
        ("/api/programs", "programs", "name"),
    ):
        listed = api.get(path, params={asked: "c"}).json()
        assert [one["name"] for one in listed[key]] == found


def test_refusals_in_plain_text(api: httpx.Client) -> None:
    speak(api, refusals="text", versions=False)
    for path, status in (("/api/campaigns/x", 404), ("/api/nowhere", 404), ("/api/versions", 404)):
        answer = api.get(path)
        assert answer.status_code == status
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"
        assert answer.text.startswith("There is no")
    answer = api.delete("/api/campaigns")
    assert answer.status_code == 405
    assert sorted(answer.headers["allow"].split(", ")) == ["GET", "HEAD", "POST"]
    # The controls speak as ever.
    assert api.get("/_embedded/nowhere").json() == {"message": "There is nothing at /_embedded/nowhere."}
    assert "message" in api.put("/_embedded/dialect", json={}).json()


def test_uploads_answer_in_the_dialect_too(api: httpx.Client) -> None:
    speak(api, createdId="id")
    assert list(api.post("/api/programs/", files={"file": ("x", b"x")}).json()) == ["id"]


# --- switching ---------------------------------------------------------------------------------------


def test_every_preset_can_be_switched_to(api: httpx.Client) -> None:
    assert api.get("/_embedded/dialect").json() == {**shown(REFERENCE), "preset": "reference"}
    for name, preset in PRESETS.items():
        answer = api.put("/_embedded/dialect", json={"preset": name})
        assert answer.json() == api.get("/_embedded/dialect").json() == {**shown(preset), "preset": name}
    assert len(set(PRESETS.values())) == len(PRESETS)


def test_single_fields_are_changed_on_top(api: httpx.Client) -> None:
    api.put("/_embedded/dialect", json={"preset": "spring"})
    answer = api.put(
        "/_embedded/dialect", json={"countsFromZero": False, "maxPageSize": 7, "totals": "absent"}
    )
    expected = replace(PRESETS["spring"], counts_from_zero=False, max_page_size=7, totals=Written.ABSENT)
    assert answer.json() == {**shown(expected), "preset": None}
    # What is shown can be put back.
    api.put("/_embedded/dialect", json={"preset": "bare"})
    assert api.put("/_embedded/dialect", json=answer.json()).json() == answer.json()


def test_what_is_shown_is_all_of_a_dialect() -> None:
    for preset in PRESETS.values():
        values = shown(preset)
        assert len(values) == len(fields(Dialect))
        assert parse_dialect(values, REFERENCE) == preset


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "Name a `preset`"),
        ({"preset": "nobody"}, "There is no preset 'nobody'; there are reference, "),
        ({"preset": ["bare"]}, "There is no preset"),
        ({"accent": "thick"}, "A dialect has no 'accent'"),
        ({"totals": "roman"}, "`totals` must be string, number, absent."),
        ({"totals": ["string"]}, "`totals` must be"),
        ({"versions": "yes"}, "`versions` must be true or false."),
        ({"maxPageSize": 0}, "`maxPageSize` must be a whole number above 0."),
        ({"maxPageSize": True}, "`maxPageSize` must be a whole number above 0."),
    ],
)
def test_a_wrong_dialect_changes_nothing(api: httpx.Client, body: dict[str, object], message: str) -> None:
    answer = api.put("/_embedded/dialect", json=body)
    assert answer.status_code == 400
    assert message in answer.json()["message"]
    assert api.get("/_embedded/dialect").json()["preset"] == "reference"


def test_an_app_can_be_made_to_speak_a_dialect() -> None:
    app = create_app(":memory:", dialect=PRESETS["bare"])
    assert app.state.context.speech.dialect == PRESETS["bare"]
    app.state.context.store.close()
