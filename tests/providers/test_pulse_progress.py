"""The console's answers in every shape that servers give them, and what is asked for them."""

import asyncio
from typing import Any

import pytest
from canned_server import Canned, answer, questions, wire
from hypothesis import given
from hypothesis import strategies as st

from reconciler.errors import Refused, ServerError
from reconciler.model import Json
from reconciler.providers.base import Stage
from reconciler.providers.base.questions import CampaignProgress, GatewayStatus, PackageProgress
from reconciler.providers.http.shape import Unexpected
from reconciler.providers.http.watched import Watched
from reconciler.providers.pulse.codec import progress
from reconciler.providers.pulse.facts import facts_of
from reconciler.providers.pulse.questions import PulseQuestions
from reconciler.settings import ServerSettings


def counted(*numbers: int) -> dict[str, int]:
    return dict(zip(("DOWNLOAD_COMPLETE", "EXECUTION_COMPLETE", "ACTIVATION_COMPLETE"), numbers, strict=True))


STATUS = {
    "status": "STARTED",
    "name": "n",
    "campaignId": "c1",
    "numberOfGatewaysInActivationCompleteState": "3",
    "numberOfGatewaysInExecutionCompleteState": "2",
    "creationTime": "1700000000000",
    "modificationTime": "1700000000001",
    "totalNumberOfGateways": "9",
    "totalNumberOfPackages": "2",
    "numberOfGatewaysInDownloadCompleteState": "1",
    "description": "d",
}
READ = CampaignProgress(
    "c1", "n", "STARTED", "d", 9, 2, counted(1, 2, 3), 1_700_000_000_000, 1_700_000_000_001
)


@pytest.mark.parametrize(
    ("body", "read"),
    [
        (STATUS, READ),
        ({k: int(v) if v.isdigit() else v for k, v in STATUS.items()}, READ),
        ({"uuid": "c1"}, CampaignProgress("c1", "", "", "", 0, 0, counted(0, 0, 0))),
        ({"id": "c1", "creationTime": "soon"}, CampaignProgress("c1", "", "", "", 0, 0, counted(0, 0, 0))),
    ],
)
def test_the_status_of_a_campaign(body: Any, read: CampaignProgress) -> None:
    canned = Canned(answer(body))
    assert asyncio.run(questions(canned).campaign_progress("c1")) == read
    assert canned.lines == ["GET /api/campaigns/c1/status"]


GATEWAY = GatewayStatus("g1", "FAILED", 5, (PackageProgress("p", 1, 2),), ("one", "two"), "checksum mismatch")
PACKAGES = {"packagesProgress": [{"progress": "1", "total": "2", "id": "p"}]}


@pytest.mark.parametrize(
    ("body", "read"),
    [
        (
            {
                "campaignId": "c1",
                "campaignState": {"state": "FAILED"},
                "timestamp": "5",
                "downloadProgress": PACKAGES,
                "executionProgress": ["one", "two"],
                "gatewayId": "g1",
                "causedBy": "checksum mismatch",
            },
            GATEWAY,
        ),
        (
            {
                "campaignState": {"state": "FAILED", "causedBy": {"message": "checksum mismatch"}},
                "timestamp": 5,
                "download_progress": [{"progress": 1, "total": 2, "uuid": "p"}],
                "execution_progress": {"progress": ["one", "two"]},
            },
            GATEWAY,
        ),
        ({"state": "INSTANTIATED"}, GatewayStatus("g1", "INSTANTIATED")),
        ({"campaignState": "X", "caused_by": 7}, GatewayStatus("g1", "X")),
        (
            {"campaignState": None, "causedBy": {}, "executionProgress": "run"},
            GatewayStatus("g1", "", execution=("run",)),
        ),
    ],
)
def test_the_status_of_a_gateway(body: Any, read: GatewayStatus) -> None:
    canned = Canned(answer(body))
    assert asyncio.run(questions(canned).gateway_status("c1", "g1")) == read
    assert canned.lines == ["GET /api/campaigns/c1/devices/g1/status"]


@pytest.mark.parametrize(
    ("body", "read"),
    [
        (PACKAGES, (PackageProgress("p", 1, 2),)),
        ({"packages": [{"packageId": "p", "total": "12"}]}, (PackageProgress("p", 0, 12),)),
        ([{"id": "p", "progress": "40 %", "total": 3.5}], (PackageProgress("p", None, None),)),
        ({"packagesProgress": None}, ()),
        ({}, ()),
        (None, ()),
    ],
)
def test_download_progress(body: Any, read: Any) -> None:
    canned = Canned(answer(body))
    assert asyncio.run(questions(canned).download_progress("c1", "g1")) == read
    assert canned.lines == ["GET /api/campaigns/c1/devices/g1/progress/download"]


@pytest.mark.parametrize(
    ("body", "read"),
    [
        ({"progress": ["a", 5]}, ("a", "5")),
        ({"progress": "a"}, ("a",)),
        ({"progress": 40}, ("40",)),
        (["a"], ("a",)),
        ({"progress": ""}, ()),
        ({}, ()),
    ],
)
def test_execution_progress(body: Any, read: Any) -> None:
    canned = Canned(answer(body))
    assert asyncio.run(questions(canned).execution_progress("c1", "g1")) == read
    assert canned.lines == ["GET /api/campaigns/c1/devices/g1/progress/execution"]


@pytest.mark.parametrize(
    ("body", "read"),
    [
        ({"campaignId": ["a", "b"]}, ("a", "b")),
        ({"campaignIds": [7]}, ("7",)),
        ({"campaigns": [{"id": "a"}]}, ("a",)),
        (["a"], ("a",)),
        ({"campaignId": "a"}, ("a",)),
        ({"campaignId": ""}, ()),
        ({}, ()),
    ],
)
def test_active_campaigns(body: Any, read: Any) -> None:
    canned = Canned(answer(body))
    assert asyncio.run(questions(canned).active_campaigns("g/1")) == read
    assert canned.lines == ["GET /api/devices/g%2F1/active-campaigns"]


@pytest.mark.parametrize(("body", "state"), [({"state": "FAILED"}, "FAILED"), ("FAILED", "FAILED"), ({}, "")])
def test_the_state_of_a_gateway(body: Any, state: str) -> None:
    canned = Canned(answer(body))
    assert asyncio.run(questions(canned).gateway_state("c1", "g1")) == state
    assert canned.lines == ["GET /api/campaigns/c1/devices/g1/state"]


@pytest.mark.parametrize(
    "name", ["gateway_state", "gateway_status", "download_progress", "execution_progress"]
)
@pytest.mark.parametrize("body", [{"odd": 1}, 1.5])
def test_what_is_quite_different_is_an_error(name: str, body: Any) -> None:
    call = getattr(questions(Canned(answer(body))), name)
    if (name, body) == ("gateway_status", {"odd": 1}):
        assert asyncio.run(call("c1", "g1")) == GatewayStatus("g1", "")
        return
    with pytest.raises(ServerError, match="the answer can't be read: expected "):
        asyncio.run(call("c1", "g1"))


def test_an_empty_status_is_an_error() -> None:
    with pytest.raises(ServerError, match="expected a gateway's status"):
        asyncio.run(questions(Canned(answer({}))).gateway_status("c1", "g1"))


def test_a_refusal_is_raised() -> None:
    with pytest.raises(Refused, match="404 no gateway"):
        asyncio.run(questions(Canned(answer(b"no gateway", 404))).gateway_state("c1", "g1"))


def test_packages_with_who_brought_them() -> None:
    row = {
        "id": "p",
        "name": "fw",
        "description": "d",
        "createdBy": "ota",
        "createdOn": "2026-01-02T03:04:05Z",
    }
    canned = Canned(answer({"programs": [row], "page": {"totalElements": 1}}))
    (info,) = asyncio.run(questions(canned).package_infos())
    assert (info.package.id, info.created_by, info.created) == ("p", "ota", 1_767_323_045_000)
    assert canned.lines == ["GET /api/programs"]
    bare = Canned(answer({"uuid": "p", "createdBy": 5, "createdOn": [1]}))
    found = asyncio.run(questions(bare).package_info("p"))
    assert found is not None
    assert (found.created_by, found.created) == ("", None)
    assert bare.lines == ["GET /api/programs/p/file-info"]
    assert asyncio.run(questions(Canned(answer(b"", 404))).package_info("p")) is None


@pytest.mark.parametrize(
    ("value", "read"),
    [
        (5, 5), ("5", 5), ("", None), (None, None), ("1970-01-01T00:00:01", 1000),
        ("1970-01-01T01:00:01+01:00", 1000), ("x", None), (True, None),
    ],
)  # fmt: skip
def test_a_time_in_any_form(value: object, read: int | None) -> None:
    assert progress.instant(value) == read


_JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "id",
                    "campaignId",
                    "campaignState",
                    "progress",
                    "packagesProgress",
                    "timestamp",
                    "causedBy",
                    "x",
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=10,
)


@given(_JSON)
def test_any_json_is_read_or_unexpected(value: Json) -> None:
    for read in (
        progress.campaign_progress,
        lambda v: progress.gateway_status(v, "g"),
        progress.gateway_state,
        progress.download_progress,
        progress.execution_progress,
        progress.active_campaigns,
        progress.package_info,
    ):
        said = "expected "
        try:
            read(value)
        except Unexpected as error:
            said = str(error)
        assert said.startswith("expected ")


# --- questions -----------------------------------------------------------------------------------


def asked(*replies: Any) -> tuple[PulseQuestions, Canned]:
    canned = Canned(*replies)
    watched = Watched(canned, clock=lambda: 100.0)
    return PulseQuestions(wire(watched), watched), canned


def test_what_a_state_means() -> None:
    found = facts_of(ServerSettings())
    stages = {state: found.stage(state) for state in ("INSTANTIATED", "WAITING_FOR_DOWNLOAD_APPROVAL")}
    assert set(stages.values()) == {Stage.IDLE}
    assert {found.stage(state) for state in ("", "PONDERING")} == {Stage.UNKNOWN}
    assert found.stage("SCHEDULED_DOWNLOAD") is found.stage("WAITING_FOR_ACTIVATION") is Stage.UNDER_WAY
    assert (found.stage("ACTIVATION_COMPLETE"), found.stage("FAILED")) == (Stage.DONE, Stage.FAILED)
    assert [stage.final for stage in Stage] == [False, False, True, True, False]
    order = ["ACTIVATION_COMPLETE", "FAILED", "INSTANTIATED", "PONDERING", "SCHEDULED_DOWNLOAD"]
    assert sorted(order, key=found.rank) == [
        "INSTANTIATED", "SCHEDULED_DOWNLOAD", "ACTIVATION_COMPLETE", "PONDERING", "FAILED",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("headers", "ahead"),
    [({"date": "Thu, 01 Jan 1970 00:01:50 GMT"}, 10.5), ({"date": "x"}, None), ({}, None)],
)
def test_the_first_call_tells_version_and_clock(headers: dict[str, str], ahead: float | None) -> None:
    found, canned = asked(answer({"campaigns": []}, **headers))
    greeting = asyncio.run(found.greet())
    assert (greeting.version, greeting.ahead, greeting.error) == ("0.17", ahead, None)
    assert canned.seen[0].query == (("page.size", "1"),)


def test_the_first_call_tells_why_it_failed() -> None:
    found, _ = asked(answer(b"no", 403))
    greeting = asyncio.run(found.greet())
    assert isinstance(greeting.error, Refused)
