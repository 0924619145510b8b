"""What each part of an answer is read as, of every kind of value: `tests/golden/shapes-*.txt`.

A codec's primitives are shown with all that they say of what they refuse, the answers with what is expected.
"""

# ruff: noqa: E501 - a table reads best with a row a line

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import pytest

from reconciler.providers.hawkbit import codec as hawkbit
from reconciler.providers.http import shape
from reconciler.providers.http.listing import ListShape, page
from reconciler.providers.pulse.codec import answers, members, progress
from tests.providers.told import told

Read = Callable[[Any], object]

SCALARS: list[Any] = [
    None, True, False, 0, 1, 2, -3, 1.0, 1.5, "", " ", "x", "1", " 7 ", "1.0", "1.50", "+5", "-2", "0x1",
    "12345678901234567890", "123456789012345678901", "true", " TRUE ", "False", "2", "0",
]  # fmt: skip
LISTS: list[Any] = [[], [1], ["a", ""], ["b", "a", "b"], [None], [True], [{}], [[]]]
OBJECTS: list[Any] = [
    {}, {"id": "a"}, {"uuid": "u", "id": "i"}, {"campaignId": 3}, {"id": ""}, {"uuid": None, "id": 0},
    {"id": True}, {"id": {"id": 1}}, {"x": 1},
]  # fmt: skip
PLAIN = [*SCALARS, *LISTS, *OBJECTS]
PRIMITIVES: dict[str, Read] = {
    "mapping": lambda value: shape.mapping(value, "it"),
    "sequence": lambda value: shape.sequence(value, "it"),
    "text": lambda value: shape.text(value, "it"),
    "whole": lambda value: shape.whole(value, "it"),
    "flag": lambda value: shape.flag(value, "it"),
    "identity": lambda value: shape.identity(value, "it"),
    "identity by key": lambda value: shape.identity(value, "it", ("id", "x")),
    "glimpse": shape.glimpse,
    "glimpse, hidden": lambda value: shape.glimpse(value, lambda text: text.replace("x", "***")),
}
BODIES = [
    b"", b" ", b"null", b"7", b'"x"', b"x", b"{", b"[1, 2]", b"{}", b"\xff", b"1" * 200, b'{"message": " "}',
    b'{"message": "no", "error": "why"}', b'{"errorMessage": "no"}', b'{"error_description": "no"}',
    b'{"detail": "no"}', b'{"error": "no"}', b'{"error": {"title": "no"}}', b'{"error": {}, "reason": "no"}',
    b'{"title": "no"}', b'{"reason": "no"}', b'{"code": 3}', b'["no"]', b"a\n\tb \x00 c",
    b"<html><title>No &amp; way</title>", b" <!DOCTYPE html><TITLE a=b> No\nway </TITLE>", b"<html>", b"<head>",
    b"<body>", b"<?xml version='1.0'?>", b"<htm>", b"x<html>", b'{"id": 12345678901234567890123}',
    b"[" * 100_000,
]  # fmt: skip

STATE = {"state": "IDLE"}
AMOUNTS: list[Any] = [
    {"id": "p", "progress": 3, "total": 8}, {"uuid": "p"}, {"packageId": "p", "progress": "many"}, {"progress": 3},
]  # fmt: skip
GATEWAYS: list[Any] = [
    {"gatewayId": "a", "state": "S", "closed": False}, {"gatewayId": "b", "state": "T", "closed": True},
    {"gatewayId": "b", "state": "S", "closed": False}, {"gatewayId": "a", "state": "T", "closed": True},
    {"gatewayId": 3, "state": "S", "closed": False}, {"gatewayId": "", "uuid": "u", "state": "S", "closed": False},
    {"gatewayId": "b", "state": 3, "closed": False}, {"gatewayId": "b", "state": STATE, "closed": False},
    {"gatewayId": "b", "state": None, "closed": False}, {"gatewayId": "b", "state": "S", "closed": "true"},
    {"gatewayId": "b", "state": "S", "closed": 1}, {"gatewayId": "b", "state": "S"}, {"gatewayId": "b", "closed": True},
    {"uuid": "u", "id": "i"}, {"id": "i", "campaignId": "c"}, {"campaignId": "c"}, "b", "", 7, {"gatewayId": ["b"], "state": "S", "closed": False},
    {"gatewayId": "b", "state": ["S"], "closed": False},
]  # fmt: skip
OF_PULSE: dict[str, tuple[Read, list[Any]]] = {
    "package_ids": (answers.package_ids, [{"packages": ["a", 3, {"packageId": "b"}, {"uuid": "u"}]}, [{"id": 1}], [2]]),
    "distribution_list": (
        answers.distribution_list,
        [
            {"distributionListId": "l"}, {"distributionListId": 3, "reevaluationIntervalSeconds": " 60 "},
            {"distributionListId": "", "reevaluationIntervalSeconds": 3, "id": "c", "uuid": "", "campaignId": ""},
            {"distributionListId": "l", "reevaluationIntervalSeconds": "often"}, {"distributionListId": None, "x": 1},
        ],
    ),
    "unprocessed_things": (
        answers.unprocessed_things,
        [{"not_processed_thing_ids": ["b", "a", 1]}, [{"x": {"not_processed_thing_ids": ["a"]}}], {"not_processed_thing_ids": "a"}],
    ),
    "campaign_counts": (
        answers.campaign_counts,
        [
            {"approvedNotStartedCount": 7}, {"aprovedNotStartedCount": 0, "approvedNotStartedCount": 7},
            {"startedCount": "3", "stoppedCount": None}, {"waitingApprovalCount": "many"},
            {"noApprovalNeededReadyToStartCount": 1, "waitingApprovalCount": 2},
        ],
    ),
    "access_token": (
        answers.access_token,
        [{"accessToken": "t"}, {"access_token": "t"}, {"token": "t"}, {"accessToken": "", "token": "u"},
         {"accessToken": 7, "access_token": ["t"], "token": {"token": "t"}}],
    ),
    "current_version": (
        answers.current_version, [{"currentApiVersion": each} for each in SCALARS] + [{"currentApiVersion": []}]
    ),
    "new_id": (answers.new_id, []),
    "campaign": (answers.campaign, [{"id": 7, "name": 8, "status": "STARTED", "description": None, "packages": None},
                                    {"id": 7, "status": 3}, {"id": 7, "packages": {"x": 1}}, {"id": 7, "name": []}]),
    "package": (answers.package, [{"uuid": "p", "name": "n", "description": "d"}, {"uuid": "p", "name": {}}]),
    "campaign_progress": (progress.campaign_progress, [{"campaignId": "c", "id": "i", "totalNumberOfGateways": "7"}]),
    "gateway_status": (
        lambda value: progress.gateway_status(value, "gw"),
        [
            {"campaignState": "A", "state": "B"}, {"state": {"state": "B", "causedBy": "inner"}, "causedBy": "outer"},
            {"state": {"state": "B", "causedBy": "inner"}}, {"state": "A", "caused_by": {"reason": "r", "message": ""}},
            {"timestamp": "2026-01-01"}, {"state": 3, "download_progress": AMOUNTS[:1], "execution_progress": "l"},
            *({"causedBy": {key: "why"}} for key in ("message", "cause", "causedBy", "reason", "description", "x")),
        ],
    ),
    "download_progress": (
        progress.download_progress, [*([each] for each in AMOUNTS), *({key: AMOUNTS[:1]} for key in
        ("packagesProgress", "packages_progress", "packages", "y"))],
    ),
    "execution_progress": (progress.execution_progress, [{"progress": ["a", 3]}, {"progress": None}]),
    "gateway_state": (progress.gateway_state, [STATE, {"state": STATE}, {"state": None}]),
    "active_campaigns": (
        progress.active_campaigns,
        [{"campaignId": "c"}, {"campaignIds": ["c", 3, {"id": "d"}]}, {"campaigns": [{"campaignId": "c"}]}],
    ),
    "package_info": (
        progress.package_info,
        [{"uuid": "p", "createdBy": "ann", "createdOn": "5"}, {"uuid": "p", "createdBy": 3, "createdOn": "soon"}],
    ),
    "instant": (
        progress.instant,
        ["2026-01-01", "2026-01-01T00:00:00Z", "2026-01-01T00:00:00.0015+01:00", " 2026-01-01T00:00 ", "2026-13-01"],
    ),
    "state": (members.state, [STATE]),
    "gateways": (lambda value: page(value, members.GATEWAYS), [
        *([row] for row in GATEWAYS), *([GATEWAYS[0], row] for row in GATEWAYS), GATEWAYS[:2], [*GATEWAYS[:2], GATEWAYS[0]],
        *({key: GATEWAYS[:1]} for key in ("gateways", "devices", "content", "items", "rows")),
    ]),
    **{
        f"list of {what}": (lambda value, s=shape_of: page(value, s), [  # type: ignore[misc]
            *({key: [{"id": "i", "name": "n", "status": "S", "createdBy": "ann"}]} for key in
              ("campaigns", "programs", "packages", "content", "items", "rows")),
        ])
        for what, shape_of in (
            ("campaigns", answers.CAMPAIGNS), ("packages", answers.PACKAGES), ("package infos", progress.PACKAGE_INFOS))
    },
}  # fmt: skip
LINK = {"href": "http://h/rest/v1/targets/gw%2D1/actions/7?x=1"}
OF_HAWKBIT: dict[str, tuple[Read, list[Any]]] = {
    "page": (
        lambda value: hawkbit.page(value, hawkbit.target_row, 3, 0),
        [
            {"content": []}, {"content": [{"controllerId": "a"}]}, {"content": [{"controllerId": c} for c in "abc"]},
            {"content": [{"controllerId": "a"}], "total": 7}, [{"controllerId": "a"}], {"content": None},
            {"content": [{"controllerId": "a"}], "total": "x"},
        ],
    ),
    "a later page": (
        lambda value: hawkbit.page(value, hawkbit.target_row, 3, 1), [{"content": [{"controllerId": "a"}]}]
    ),
    "rollout": (
        hawkbit.rollout,
        [
            {"id": 1, "name": 2, "status": "RUNNING", "type": "SOFT", "deleted": "true", "totalTargets": None},
            {"id": 1, "totalTargetsPerStatus": {"a": 1, "b": None}}, {"id": 1, "totalTargetsPerStatus": 3},
            *({"id": 1, key: []} for key in ("name", "dynamic", "forcetime", "startAt", "createdAt", "type")),
        ],
    ),
    "action_row": (
        lambda value: hawkbit.action_row(shape.mapping(value, "it")),
        [
            {"id": 1, "status": "A", "detailStatus": "B", "_links": {"self": LINK}, "rollout": 5},
            {"id": 1, "status": "A", "detailStatus": "", "_links": {"target": LINK, "self": {"href": "x"}}},
            {"id": 1, "status": "canceled", "_links": {"self": LINK}, "active": True},
            *({"id": 1, "status": each, "_links": {"self": LINK}} for each in ("finished", "error", "Canceled", "x")),
            {"id": 1, "_links": {"self": {"href": "http://h/targets"}}}, {"id": 1, "_links": {"self": {"href": 3}}},
        ],
    ),
    "tag_row": (
        lambda value: hawkbit.tag_row(shape.mapping(value, "it")), [{"id": 1, "name": "t", "description": None}]
    ),
    "filter_row": (lambda value: hawkbit.filter_row(shape.mapping(value, "it")), [{"id": 1, "name": "f", "query": "q"}]),
    "group_row": (lambda value: hawkbit.group_row(shape.mapping(value, "it")), [{"id": 1, "status": "READY"}]),
    "module": (
        hawkbit.module,
        [{"id": 1, "name": "n", "description": "d", "version": 2, "type": "os", "deleted": 1, "createdBy": "a", "createdAt": "5"}],
    ),
    "artifacts": (
        hawkbit.artifacts,
        [
            {"content": [{"providedFilename": "f", "hashes": {"sha256": "AB"}}]}, [{"hashes": {}}], [{"hashes": None}],
            [{"providedFilename": "f", "hashes": {"sha256": 7}}],
        ],
    ),
    "bundle": (
        hawkbit.bundle,
        [
            {"id": 1, "modules": [{"id": 10}, {"id": 9}, {"id": "x"}], "valid": False, "description": "[reconciler] x"},
            {"id": 1, "valid": None, "type": "os"}, {"id": 1, "modules": [3]},
        ],
    ),
    "made": (partial(hawkbit.made, asked={"name": "fw"}), [[{"id": 1}], [{"id": 1}, {"id": 2}]]),
    "history": (
        hawkbit.history,
        [{"content": [{"type": "ERROR", "messages": ["a", "", 3], "reportedAt": "5"}, {"messages": None}]},
         {"content": [3]}, {"content": [{"messages": "x"}]}],
    ),
    "cause": (
        lambda value: hawkbit.cause(hawkbit.history(value)),
        [
            {"content": [{"type": "error", "messages": m}, {"type": "error", "messages": ["old"]}]}
            for m in ([], ["new"], ["Update Server: x"], ["Update Server: x", "new", "er"], ["x Update Server:"])
        ],
    ),
    "permissions": (hawkbit.permissions, [{"permissions": ["A", 3]}, {"permissions": None}, {"permissions": [[]]}]),
}  # fmt: skip
ITEMS: ListShape[str] = ListShape("things", ("things", "items2"), lambda row: (str(row), str(row)))
PAGES: list[Any] = [
    ["a", "b"], {"things": ["a"]}, {"items2": ["a"]}, {"content": ["a", "a"]}, {"items": ["a"]}, {"others": ["a"]}, {},
    {"things": None}, {"things": "a"},
    *({key: {"number": 3, "totalElements": "9"}, "things": []} for key in ("page", "pageResponse", "pageInfo", "paging")),
    *({"page": {key: 4}} for key in ("number", "page", "pageNumber", "x")), {"page": {}}, {"page": {"number": "x"}},
    *({key: 5} for key in ("totalElements", "totalPages", "number", "size", "page", "pageSize", "pageNumber", "x")),
]  # fmt: skip


def _shown(read: Read, values: list[Any], *, words: bool = False) -> list[str]:
    lines: list[str] = []
    refused: dict[str, list[str]] = {}
    for value in values:
        try:
            found = told(read(value))
        except shape.Unexpected as error:
            if words:
                lines.append(f"  {value!r} ! {error}")
            else:
                refused.setdefault(str(error).partition(", but got")[0], []).append(repr(value))
        else:
            lines.append(f"  {value!r} = {found}")
    return [*lines, *(f"  {why}: {', '.join(those)}" for why, those in refused.items())]


def test_primitives(golden: Any) -> None:
    text = []
    for name, read in PRIMITIVES.items():
        text += [f"{name}:", *_shown(read, PLAIN, words=True)]
    golden("shapes-primitives.txt", "".join(f"{line}\n" for line in text))


def test_bodies(golden: Any) -> None:
    text = []
    for body in BODIES:
        text.append(f"{body[:60]!r}: html {shape.is_html(body)}, in words {shape.in_words(body)!r}")
        for exact in (True, False):
            # Without orjson a long number stays exact.
            if exact or (len(body) < 100 and b"12345678901234567890123" not in body):
                how = "exactly" if exact else "quickly"
                [line] = _shown(lambda it, e=exact: shape.parse(it, exact=e), [body], words=True)  # type: ignore[misc]
                text.append(f"  {how} {line[-120:].partition(' = ' if ' = ' in line[-120:] else ' ! ')[2]}")
    golden("shapes-bodies.txt", "".join(f"{line}\n" for line in text))


@pytest.mark.parametrize(("name", "reads"), [("pulse", OF_PULSE), ("hawkbit", OF_HAWKBIT)])
def test_answers(name: str, reads: Mapping[str, tuple[Read, list[Any]]], golden: Any) -> None:
    text = []
    for what, (read, values) in reads.items():
        text += [f"{what}:", *_shown(read, [*PLAIN, *values])]
    golden(f"shapes-{name}.txt", "".join(f"{line}\n" for line in text))


def test_pages(golden: Any) -> None:
    lines = _shown(lambda value: page(value, ITEMS), PAGES, words=True)
    golden("shapes-pages.txt", "".join(f"{line}\n" for line in lines))


def test_a_text_is_cut_only_where_it_is_longer() -> None:
    assert shape.clip("x" * 10, 10) == "x" * 10
    assert shape.clip("x" * 11, 10) == "x" * 9 + "…"
    assert shape.clip(" a\n\tb ", 3) == "a b"


@pytest.mark.parametrize(
    ("body", "said"),
    [(b"9" * 5_000, "at most 4,300 digits"), (b"[" * 100_000, "nested so deep"), (b"x", "JSON")],
)
@pytest.mark.parametrize("exact", [True, False])
def test_a_limit_is_called_one(body: bytes, said: str, exact: bool) -> None:
    with pytest.raises(shape.NotJson, match=said):
        shape.parse(body, exact=exact)
