"""Every shape that an answer may have, and what is read from it."""

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.errors import ServerError, Unclear
from reconciler.model import CampaignSummary, DistributionList, LiveCampaign, LivePackage, Membership, Phase
from reconciler.providers.http.listing import page
from reconciler.providers.http.shape import EXCERPT, Unexpected, flag, glimpse, in_words, parse, whole
from reconciler.providers.pulse.codec import answers, members
from reconciler.providers.pulse.codec.marks import mark, mark_of, read_mark
from tests.providers.canned_server import Canned, answer, client, questions

LINE = {"uuid": "c1", "name": "winter", "status": "STARTED"}
SUMMARY = CampaignSummary("c1", "winter", "STARTED")

ONE_CAMPAIGN = {
    "page, as the reference shows it": {
        "page": {"number": 0, "size": 10, "totalElements": 1},
        "campaigns": [LINE],
    },
    "pageResponse, totals as strings": {
        "pageResponse": {"totalPages": "1", "totalElements": "1", "page": 0, "pageSize": 10},
        "campaigns": [LINE],
    },
    "pageInfo, totals as numbers": {"pageInfo": {"totalElements": 1, "number": 1}, "campaigns": [LINE]},
    "content": {"page": {"totalElements": 1}, "content": [LINE]},
    "items": {"page": {"totalElements": 1}, "items": [LINE]},
    "flat, as Spring has it": {"content": [LINE], "totalElements": 1, "number": 0, "size": 20},
    "id": {"page": {"totalElements": 1}, "campaigns": [{"id": "c1", "name": "winter", "status": "STARTED"}]},
    "campaignId": {
        "page": {"totalElements": "1"},
        "campaigns": [{"campaignId": "c1", "uuid": "", "name": "winter", "status": "STARTED"}],
    },
}


@pytest.mark.parametrize("shape", ONE_CAMPAIGN.values(), ids=ONE_CAMPAIGN.keys())
def test_a_list_of_one_takes_one_request_in_every_shape(shape: Any) -> None:
    canned = Canned(answer(shape))
    assert asyncio.run(client(canned).campaigns()) == (SUMMARY,)
    assert canned.lines == ["GET /api/campaigns"]
    assert canned.seen[0].query == (("page.size", "500"),)


EMPTY = {
    "zero left out": {"pageResponse": {}, "campaigns": []},
    "the list left out, too": {"pageResponse": {"totalElements": "0"}},
    "nothing but a page": {"page": {}},
    "nothing": {},
    "null": {"campaigns": None},
    "a bare array": [],
}


@pytest.mark.parametrize("shape", EMPTY.values(), ids=EMPTY.keys())
def test_an_empty_list_takes_one_request_in_every_shape(shape: Any) -> None:
    canned = Canned(answer(shape))
    assert asyncio.run(client(canned).campaigns()) == ()
    assert len(canned.seen) == 1


NOT_A_LIST: dict[str, tuple[Any, str, str]] = {
    "something else": ({"message": "maintenance"}, "a list of campaigns", "an object with message"),
    "null": (None, "a list of campaigns as an object", "null"),
    "a word": ("no", "a list of campaigns as an object", "the text 'no'"),
    "an object for the list": ({"campaigns": {"uuid": 1}}, "as a list", "an object with uuid"),
    "a number for a campaign": ([7], "a campaign as an object", "the number 7"),
    "no id": ([{"name": "x"}], "a campaign with an id (uuid, id, campaignId)", "an object with name"),
    "an object for an id": ([{"id": {}}], "the id of a campaign as a string", "an empty object"),
    "a list for a name": ([{"id": "1", "name": []}], "its name as a string", "a list of 0"),
    "a total that isn't one": (
        {"page": {"totalElements": "many"}},
        "totalElements as a whole number",
        "'many'",
    ),
    "true for a total": ({"page": {"totalElements": True}}, "totalElements as a whole number", "true"),
}


@pytest.mark.parametrize(("value", "expected", "came"), NOT_A_LIST.values(), ids=NOT_A_LIST.keys())
def test_what_is_no_list_is_an_error_and_never_an_empty_list(value: Any, expected: str, came: str) -> None:
    canned = Canned(answer(value))
    with pytest.raises(ServerError) as caught:
        asyncio.run(client(canned).campaigns())
    assert "GET /api/campaigns: the answer can't be read: expected" in str(caught.value)
    assert expected in str(caught.value)
    assert came in str(caught.value)
    assert caught.value.hint
    assert len(canned.seen) == 1, "another shape doesn't go away by asking again"


GATEWAYS = {
    "as in the reference": {"gatewayId": "g1", "state": "FAILED", "closed": True},
    "strings": {"gatewayId": "g1", "state": "FAILED", "closed": "true"},
    "another id, a nested state": {"id": "g1", "state": {"state": "FAILED"}, "closed": 1},
}


@pytest.mark.parametrize("row", GATEWAYS.values(), ids=GATEWAYS.keys())
@pytest.mark.parametrize("key", ["gateways", "devices", "content", "items"])
def test_gateways_are_grouped_by_state(row: Any, key: str) -> None:
    rows = [row, {"gatewayId": "g2"}, {"gatewayId": 3, "closed": False, "state": None}]
    canned = Canned(answer({"pageResponse": {"totalElements": "3"}, key: rows}))
    found = asyncio.run(client(canned).gateways("c1"))
    assert found == Membership({"": frozenset({"g2", "3"}), "FAILED": frozenset({"g1"})}, frozenset({"g1"}))


def test_gateways_may_be_bare_ids() -> None:
    canned = Canned(answer(["g1", "g2"]), answer([]))
    assert set(asyncio.run(client(canned).gateways("c1"))) == {"g1", "g2"}


@pytest.mark.parametrize(
    "row", ["", None, {}, {"gatewayId": "g", "closed": "perhaps"}, {"gatewayId": "g", "state": 1.5}]
)
def test_a_gateway_that_cannot_be_read_is_an_error(row: Any) -> None:
    with pytest.raises(ServerError, match="can't be read"):
        asyncio.run(client(Canned(answer([row]))).gateways("c1"))


CAMPAIGN = {"id": "c1", "name": "winter", "status": "CREATED", "description": "d"}
PACKAGES = {
    "as in the reference": ({"packages": ["p1", "p2"]}, ("p1", "p2")),
    "a list": (["p1"], ("p1",)),
    "objects": ([{"id": "p1"}, {"uuid": "p2"}, {"packageId": "p3"}], ("p1", "p2", "p3")),
    "numbers": ([7], ("7",)),
    "an empty object": ({}, ()),
    "null": (None, ()),
    "a null inside": ({"packages": None}, ()),
}


@pytest.mark.parametrize(("packages", "ids"), PACKAGES.values(), ids=PACKAGES.keys())
def test_a_campaign_has_packages_in_every_shape(packages: Any, ids: tuple[str, ...]) -> None:
    found = asyncio.run(client(Canned(answer({**CAMPAIGN, "packages": packages}))).campaign("c1"))
    assert found == LiveCampaign("c1", "winter", "CREATED", Phase.READY, "d", ids)


def test_what_a_campaign_leaves_out_is_empty() -> None:
    found = asyncio.run(client(Canned(answer({"uuid": 5}))).campaign("5"))
    assert found == LiveCampaign("5", "", "", Phase.UNKNOWN)


@pytest.mark.parametrize(
    "value",
    [
        {},
        [],
        {"id": "c1", "packages": "p1"},
        {"id": "c1", "packages": [""]},
        {"id": "c1", "packages": {"x": 1}},
    ],
)
def test_a_campaign_that_cannot_be_read_is_an_error_and_never_absence(value: Any) -> None:
    with pytest.raises(ServerError, match="can't be read"):
        asyncio.run(client(Canned(answer(value))).campaign("c1"))


@pytest.mark.parametrize("body", [{"message": "no such campaign"}, b"Not found", b"<html>", b""])
def test_absence_is_a_404_whatever_its_body(body: Any) -> None:
    missing = client(Canned(answer(body, 404)))
    assert asyncio.run(missing.campaign("c1")) is None
    assert asyncio.run(missing.package("p1")) is None
    assert asyncio.run(missing.distribution_list("c1")) is None


DISTRIBUTION = {
    "as in the reference": (
        {"distributionListId": "d1", "reevaluationIntervalSeconds": "300", "campaignId": "c1"},
        DistributionList("d1", 300),
    ),
    "a number": (
        {"distributionListId": "d1", "reevaluationIntervalSeconds": 300},
        DistributionList("d1", 300),
    ),
    "an integral float": (
        {"distributionListId": "d1", "reevaluationIntervalSeconds": 300.0},
        DistributionList("d1", 300),
    ),
    "its digits": (
        {"distributionListId": 9, "reevaluationIntervalSeconds": " 300.0 "},
        DistributionList("9", 300),
    ),
    "no interval": ({"distributionListId": "d1"}, DistributionList("d1")),
    "an empty interval": (
        {"distributionListId": "d1", "reevaluationIntervalSeconds": ""},
        DistributionList("d1"),
    ),
    "not set: {}": ({}, None),
    "not set: null": (None, None),
    "not set: no body": (b"", None),
    "not set: empty values": (
        {"distributionListId": "", "reevaluationIntervalSeconds": "0", "campaignId": "c1"},
        None,
    ),
    "not set: nulls": ({"distributionListId": None, "campaignId": "c1"}, None),
}


@pytest.mark.parametrize(("value", "wanted"), DISTRIBUTION.values(), ids=DISTRIBUTION.keys())
def test_a_distribution_list_is_read_in_every_shape(value: Any, wanted: DistributionList | None) -> None:
    canned = Canned(answer(value))
    assert asyncio.run(client(canned).distribution_list("c1")) == wanted
    assert canned.lines == ["GET /api/campaigns/c1/distribution-list"]


@pytest.mark.parametrize(
    "value", [[], {"x": "x"}, {"distributionListId": "d", "reevaluationIntervalSeconds": "5m"}]
)
def test_a_distribution_list_that_cannot_be_read_is_an_error(value: Any) -> None:
    with pytest.raises(ServerError, match="can't be read"):
        asyncio.run(client(Canned(answer(value))).distribution_list("c1"))


@pytest.mark.parametrize("key", ["programs", "packages", "content", "items"])
def test_packages_bear_their_mark(key: str) -> None:
    rows = [
        {"id": "p1", "name": "a.zip", "description": "x [sha256:0123456789ABCDEF] "},
        {"uuid": "p2", "name": "b.zip"},
    ]
    canned = Canned(answer({"page": {"totalElements": 2}, key: rows}))
    found = asyncio.run(client(canned).packages())
    assert found == (
        LivePackage("p1", "a.zip", "x [sha256:0123456789ABCDEF] "),
        LivePackage("p2", "b.zip"),
    )
    assert [mark_of(package) for package in found] == ["0123456789abcdef", None]


@pytest.mark.parametrize("key", ["uuid", "id", "campaignId"])
def test_a_new_id_goes_by_three_names(key: str) -> None:
    assert asyncio.run(client(Canned(answer({key: "new"}))).create_campaign("x")) == "new"


@pytest.mark.parametrize(
    "body", [{}, [], "new", b"", b'{"uuid": "ne', {"uuid": None}, b"<html><title>Sign in"]
)
def test_a_create_whose_id_cannot_be_read_is_unclear_and_not_sent_again(body: Any) -> None:
    canned = Canned(answer(body))
    with pytest.raises(Unclear, match="can't be read"):
        asyncio.run(client(canned).create_campaign("x"))
    assert len(canned.seen) == 1


COUNTS = {
    "strings, as in the reference": {
        "aprovedNotStartedCount": "1",
        "startedCount": "2",
        "stoppedCount": "3",
        "waitingApprovalCount": "4",
        "noApprovalNeededReadyToStartCount": "5",
    },
    "numbers, and the right spelling": {
        "approvedNotStartedCount": 1,
        "startedCount": 2,
        "stoppedCount": 3,
        "waitingApprovalCount": 4,
        "noApprovalNeededReadyToStartCount": 5,
    },
}


@pytest.mark.parametrize("value", COUNTS.values(), ids=COUNTS.keys())
def test_counts_are_strings_or_numbers_in_both_spellings(value: Any) -> None:
    canned = Canned(answer(value))
    counts = asyncio.run(questions(canned).counts())
    assert counts == answers.CampaignCounts(approved=1, started=2, stopped=3, waiting=4, ready=5)
    assert canned.lines == ["GET /api/campaign-status/campaigns"]


def test_counts_of_zero_may_be_left_out() -> None:
    counts = asyncio.run(questions(Canned(answer({"startedCount": "7"}))).counts())
    assert counts == answers.CampaignCounts(0, 0, 0, 7, 0)


# --- primitives ----------------------------------------------------------------------------------


@given(description=st.text(max_size=40), digits=st.text("0123456789abcdef", min_size=64, max_size=64))
def test_a_mark_is_read_back(description: str, digits: str) -> None:
    assert read_mark(mark(description, digits)) == digits[:16]
    assert mark(description, digits).endswith(f" [sha256:{digits[:16]}]")
    assert read_mark(mark(description, digits).strip()) == digits[:16], "servers may strip"


@pytest.mark.parametrize(
    "text", ["", "x", "[sha256:0123456789abcde]", "x[sha256:0123456789abcdef]", "[sha256:0123456789abcdef] x"]
)
def test_what_is_no_mark_is_none(text: str) -> None:
    assert read_mark(text) is None


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"Unknown internal server error", "Unknown internal server error"),
        (b"", ""),
        (b'{"message": "no\\nway"}', "no way"),
        (b'{"error": {"message": "deep"}}', "deep"),
        (b'{"error": {}, "title": "Bad"}', "Bad"),
        (b'{"status": 400}', '{"status": 400}'),
        (b"{}", ""),
        (b'"a word"', "a word"),
        (b"[1]", "[1]"),
        (
            b"<!DOCTYPE html><html><head><title>502 Bad &amp; Gateway</title>",
            "an HTML page titled '502 Bad & Gateway'",
        ),
        (b"  <html><body>no title", "an HTML page"),
        (b"\xff\x00\x1b[31mred", "\ufffd [31mred"),
    ],
)
def test_an_error_body_says_it_in_words(body: bytes, said: str) -> None:
    assert in_words(body) == said


@given(st.binary(max_size=400))
def test_words_are_short_and_printable(body: bytes) -> None:
    said = in_words(body)
    assert said.isprintable()
    assert len(said) <= EXCERPT + 30


_JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["id", "page", "campaigns", "name", "packages", "totalElements", "number", "x"]),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)


@given(_JSON)
def test_any_json_is_read_or_unexpected(value: Any) -> None:
    for read in (
        lambda v: page(v, answers.CAMPAIGNS),
        lambda v: page(v, members.GATEWAYS),
        lambda v: page(v, answers.PACKAGES),
        answers.campaign,
        answers.package,
        answers.package_ids,
        answers.distribution_list,
        answers.new_id,
    ):
        said = "expected "
        try:
            read(value)
        except Unexpected as error:
            said = str(error)
        assert said.startswith("expected ")
        assert len(said) < 300
    answers.access_token(value)
    answers.current_version(value)
    answers.unprocessed_things(value)


def test_numbers_and_flags() -> None:
    assert [whole(v, "n") for v in (None, "", " ", 5, 5.0, "5", "-1", "5.00")] == [
        None,
        None,
        None,
        5,
        5,
        5,
        -1,
        5,
    ]
    assert [flag(v, "f") for v in (None, "", True, False, 1, 0, "TRUE", "0")] == [
        False, False, True, False, True, False, True, False,
    ]  # fmt: skip
    bad: list[object] = [1.5, "٣", "1" * 30, [], True]
    for value in bad:
        with pytest.raises(Unexpected):
            whole(value, "n")


def test_a_glimpse_shows_keys_and_never_values() -> None:
    assert glimpse({"accessToken": "s3cr3t"}) == "an object with accessToken"
    assert glimpse(["s3cr3t"]) == "a list of 1"
    assert glimpse("") == "an empty text"
    assert glimpse(object()) == "object"
    assert len(glimpse({f"key{n}": 0 for n in range(100)})) <= EXCERPT
    assert json.dumps(glimpse({"\x1b": 0})).isascii()


@pytest.mark.parametrize("number", [2**63, 2**64 + 1, -(2**70) + 3])
def test_numbers_are_exact_unless_it_is_said(number: int) -> None:
    assert parse(b'{"id": %d}' % number) == {"id": number}
