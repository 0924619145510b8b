"""Which answers with a good status say no, by every kind of key and value: `tests/golden/http-verdicts.txt`."""

# ruff: noqa: E501 - a table reads best with a row a line

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from reconciler.providers.http.verdicts import Denial, Misdirected, about, of_read, of_write
from tests.providers.told import grouped

SENT = ("gw-1", "gw-2", "gw-3")
SOME = {"gw-2": "no room"}
KEYS = [
    "success", "Accepted", "failed", "has_errors", "errors", "errorCode", "messages", "status", "result", "code",
    "failedIds", "notFound", "results", "data", "response", "state", "x", "s" * 100 + "uccess",
]  # fmt: skip
VALUES: list[Any] = [
    None, True, False, 0, 1, -5, 0.0, 503, 404, 399, 600, "", " ", "0", "1", "-1", "N", "Yes", "TRUE", " false ", "OK",
    "none", "no room", "FAILED", "Partial result", "No", " error", "503", "4040", "gw-2", [], [None], [3], ["gw-2"], ["GW-2", "gw-9"],
    ["gw-9"], {}, SOME, {"other": "x"}, {"x": ["gw-2"]}, {"x": ["gw-9"], "y": ["gw-2"]}, {"x": "gw-2"}, {"x": 3, "y": ["gw-2"]}, {"message": "no room", "code": 409},
    {"message": ""}, {"error": {"reason": "no room"}}, {"success": False}, {"failed": ["gw-2"]}, {"failed": ["gw-2"], "error": "all"},
    [{"id": "gw-2", "message": "no room"}], [{"id": "gw-9", "error": "no room"}], [{"device": "gw-2", "error": "no room"}, {"id": "gw-1"}],
    [{"severity": "info", "text": "x"}, {"level": " Error ", "message": "no room"}], [{"severity": "errors"}], [True], "no", "x" * 300, [["no room"]],
]  # fmt: skip
NESTED: list[Any] = [
    {"error": {"error": {"error": {"error": "deep"}}}},
    {"error": {"error": {"error": "deep"}}},
    {"error": [[["deep"]]]},
    {"error": [[[["deep"]]]]},
    {"errors": ["one", "two", "three"]},
    {"errors": {"a": {"b": {"c": {"d": "deep"}}}}},
    {"errors": {"a": {"b": {"c": {"d": {"e": ""}}}}}},
    {"errors": {"a": {"b": {"c": {"d": {"e": {}}}}}}},
    {"errors": {"a": {"b": {"c": {"d": {"e": {"f": ""}}}}}}},
    {"error": {"message": " ", "detail": "told"}},
    {"error": {"number": 7}},
    {"error": {"number": "x" * 600}},
    {"error": 7, "title": "told"},
    {"error": True, "cause": "told", "title": "more"},
    {"failedCount": 1, "x": "x" * 300},
    {"failedCount": "12", "message": "told"},
    {"failedCount": "x"},
    {"failedCount": "１"},
    {"failedCount": 1.5},
    {"failedCount": True},
    {"failedItems": [{"why": "x"}]},
    {"failedItems": {"why": ""}},
    {"failed": ["gw-2", "gw-1"], "errors": [{"id": "gw-3", "message": "no air"}], "message": "told"},
    {"failed": {"gw-2": "", "GW-1": ["no air"]}},
    {"response": {"failed": ["gw-2"], "status": 404, "message": "told"}},
    {"response": {"failed": ["gw-2"]}, "result": {"error": "told"}},
    {"response": {"error": "inner"}, "error": "outer"},
    {"response": {"failed": ["gw-2"]}, "error": "outer"},
    {"data": [{"id": "gw-2", "error": "row"}], "response": {"error": "inner"}},
    {
        "results": [
            {"id": "gw-2", "error": "row"},
            {"id": "gw-9", "error": "other"},
            {"id": "gw-1", "state": "FAILED"},
        ]
    },
    {"error": {"status": 404}, "status": 503},
    {"error": {"status": 404}, "status": "fine"},
    {"status": "Error", "code": 200},
    {"code": True, "status": 4.5},
    {"code": 404.0},
    {"code": [404]},
]
ROWS: list[Any] = [
    [{"error": "why"}],
    [{"error": "why"}, 3],
    [{"id": "gw-2", "error": "why"}],
    [{"id": "gw-2", "error": "why"}, {"id": "gw-1"}],
    [{"error": "why", "code": 404}, {"id": "gw-3", "code": 503}],
    [{"id": "gw-9", "error": "why"}, {"gateway": "GW-2", "success": False}],
    [{"id": {"x": 1}, "device": "gw-2", "error": "why"}],
    [{"id": "gw-2", "state": "FAILED"}],
    [{"id": "gw-2", "state": "FAILED", "success": False}],
    [{}],
    ["error"],
]
MODES: dict[str, Callable[[Any], Denial | None]] = {
    "write": of_write,
    "of many": lambda value: of_write(value, batch=SENT),
    "of one": lambda value: of_write(value, batch=SENT[1:2]),
    "of an object": lambda value: of_write(value, described=True),
    "read": lambda value: of_read(value, envelope=True),
    "read of an object": lambda value: of_read(value, envelope=False),
    "read of a status": lambda value: of_read(value, envelope=True, status=False),
}


def _bodies() -> Iterator[Any]:
    yield from VALUES
    yield from NESTED
    yield from ROWS
    yield from ([*row, {"id": "x", "message": "told"}] for row in ROWS)
    for key in KEYS:
        yield from ({key: value} for value in VALUES)
    for more in ({"message": "told"}, {"id": "gw-2"}):
        yield from (
            {key: value, **more}
            for key in KEYS
            for value in (False, True, 3, "503", "FAILED", ["gw-2"], SOME)
        )


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 100 else f"{text[:40]}…{len(text)}"


def _said(no: Denial | None) -> str:
    if no is None:
        return "nothing"
    words = no.words if len(no.words) < 100 else f"{no.words[:20]}…{len(no.words)}"
    parts = {"status": no.status, "failed": dict(no.failed), "some": no.some}
    return ", ".join([repr(words), *(f"{name} {each}" for name, each in parts.items() if each)])


def _lines(body: Any) -> list[str]:
    """What the answer says, and as what."""
    found: dict[str, list[str]] = {}
    for name, judge in MODES.items():
        found.setdefault(_said(judge(body)), []).append(name)
    return [f"{', '.join(names)}: {said}" for said, names in found.items()]


def test_what_each_answer_says(golden: Any) -> None:
    found = ((_short(body), _lines(body)) for body in _bodies())
    golden("http-verdicts.txt", "".join(f"{line}\n" for line in grouped(found)))


def test_nobody_is_named_none() -> None:
    rows = [{"gatewayId": None, "error": "why"}, {"gatewayId": ["b"], "error": "why"}]
    assert of_write(rows, batch=["None", "['b']"]) == Denial("why", some=True)


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ({"x": "b"}, "it is about thing 'b', and not about 'a'"),
        ({"x": "a", "y": "b"}, "it is about thing 'b', and not about 'a'"),
        ({"x": "", "y": "b"}, "it is about thing 'b', and not about 'a'"),
        ({"x": "b" * 101}, f"it is about thing '{'b' * 100}', and not about 'a'"),
        ({"x": "a", "z": "c"}, "it is about other 'c', and not about 'b'"),
        ({"x": 1}, "it is about thing '1', and not about 'a'"),
        ({"x": 1.0, "y": ["b"], "z": True}, ""),
        ({}, ""),
        ("b", ""),
    ],
)  # fmt: skip
def test_what_is_said_of_an_answer_about_another(found: Mapping[str, Any], said: str) -> None:
    wanted = {"thing": ("a", ("x", "y")), "other": ("b", ("z",))}
    if said:
        with pytest.raises(Misdirected) as caught:
            about(found, wanted)
        assert str(caught.value) == said
    else:
        about(found, wanted)
