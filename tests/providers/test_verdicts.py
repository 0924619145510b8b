"""What an answer with a good status says: tables of bodies."""

from typing import Any

import pytest

from reconciler.providers.http.verdicts import Denial, Misdirected, about, of_read, of_write

SENT = ("gw-1", "gw-2", "gw-3")

YES: list[Any] = [
    None, True, "", "OK", "created", 7, [], {}, {"success": True}, {"success": None}, {"success": "yes"},
    {"errors": []}, {"errors": None}, {"errors": {}}, {"error": ""}, {"error": 0}, {"error": False},
    {"error": "none"}, {"error": {"message": "", "code": 0}}, {"errorCode": 0}, {"errorCode": "0"},
    {"status": "STARTED"}, {"status": "OK"}, {"status": 200}, {"status": "202"}, {"code": 0}, {"code": 201},
    {"status": None}, {"message": "it failed before, and works now"}, {"warnings": ["old"]},
    {"failed": []}, {"failed": 0}, {"failedCount": "0"}, {"failures": {}}, {"notFound": None},
    {"result": {}}, {"result": "done"}, {"data": [{"status": "CREATED"}]}, [{"status": 200}], ["gw-1"],
    {"name": "error handling", "description": "fails"}, {"state": "FAILED"}, {"code": 4000}, {"status": True},
    {"failedOver": True}, {"errorsAreFine": "x"}, {"failed": False}, {"hasErrors": "false"}, {"accepted": 0},
    {"succeeded": "0", "failed": 0}, {"errorId": None}, {"errorCode": "none"}, {"problems": []},
    {"messages": ["error-free"]}, {"messages": [{"severity": "WARNING", "text": "old"}]},
    {"result": "Nothing to do"}, {"result": "NO_ERROR"},
    {"result": "notified"}, {"result": "nominal"},
    "Nothing changed", "now", "No Content", "no error", "cancelled", {"result": True}, {"ok": 1},
]  # fmt: skip
NO: list[tuple[Any, str, int | None]] = [
    (False, "false", None),
    ("ERROR", "ERROR", None),
    ("failed: no room", "no room", None),
    ({"success": False}, "did not succeed", None),
    ({"ok": "False", "reason": "no room"}, "no room", None),
    ({"is_success": False, "error": {"detail": "no room"}}, "no room", None),
    ({"error": True, "message": "no room"}, "no room", None),
    ({"error": {"code": "E1", "message": "no room"}}, "no room", None),
    ({"errors": ["no room", "no air"]}, "no room (and 1 more)", None),
    ({"errors": [{"detail": "no room"}]}, "no room", None),
    ({"Errors": {"name": "is taken"}}, "is taken", None),
    ({"errorMessage": "no room"}, "no room", None),
    ({"exception": "NullPointerException"}, "NullPointerException", None),
    ({"status": "error", "message": "no room"}, "no room", None),
    ({"status": "Failure"}, "status: Failure", None),
    ({"result": "REJECTED"}, "result: REJECTED", None),
    ({"status": 409, "message": "no room"}, "no room", 409),
    ({"statusCode": "503"}, "503", 503),
    ({"error": {"status": 429, "message": "slowly"}}, "slowly", 429),
    ({"response": {"success": False, "message": "no room"}}, "no room", None),
    ({"status": {"code": 500, "message": "no room"}}, "no room", 500),
    ([{"code": 404, "message": "no room"}], "no room", 404),
    ("KO", "KO", None),
    (" NOK: no room", "no room", None),
    ("not found", "not found", None),
    ({"success": 0, "message": "no room"}, "no room", None),
    ({"ok": "0", "message": "no room"}, "no room", None),
    ({"Success": "N", "message": "no room"}, "no room", None),
    ({"failed": True, "message": "no room"}, "no room", None),
    ({"hasErrors": "true", "message": "no room"}, "no room", None),
    ({"isError": True}, "did not succeed", None),
    ({"errorCode": 17, "message": "no room"}, "no room", None),
    ({"error_code": "E-17"}, "the error E-17", None),
    ({"errno": -5}, "the error -5", None),
    ({"result": False, "message": "no room"}, "no room", None),
    ({"status": False}, "status: false", None),
    ({"status": "ERR"}, "status: ERR", None),
    ({"result": "Timeout"}, "result: Timeout", None),
    ({"result": "declined"}, "result: declined", None),
    ({"outcome": "no"}, "outcome: no", None),
    ({"violations": [{"field": "name", "message": "is taken"}]}, "is taken", None),
    ({"messages": [{"severity": "INFO"}, {"severity": "Error", "message": "no room"}]}, "no room", None),
    ({"notifications": [{"level": "FATAL", "detail": "no room"}]}, "no room", None),
    ({"data": {"failed": True, "message": "no room"}}, "no room", None),
]  # fmt: skip


KEYS: dict[str, tuple[Any, ...]] = {
    # keys that say no, however they are spelled → what stands there; the status that it names
    "success succeeded isSuccess successful ok accepted": (False, None),
    "error errors errorMessage error_messages errorDescription exception fault faults": ("no room", None),
    "status statusCode code errorCode error_code httpStatus http_code httpStatusCode": ("503", 503),
    "result outcome resultStatus Status": ("FAILED", None),
}


@pytest.mark.parametrize(
    ("key", "value", "status"), [(k, *no) for keys, no in KEYS.items() for k in keys.split()]
)
def test_keys_that_say_no(key: str, value: Any, status: int | None) -> None:
    for batch in ((), SENT):
        assert of_write({"id": 5, key: value, "message": "no room"}, batch=batch) == Denial("no room", status)


@pytest.mark.parametrize("at", range(len(YES)))
@pytest.mark.parametrize("batch", [(), SENT])
def test_a_yes(at: int, batch: tuple[str, ...]) -> None:
    assert of_write(YES[at], batch=batch) is None
    assert of_read(YES[at], envelope=True) is None


@pytest.mark.parametrize(("value", "words", "status"), NO)
def test_a_no(value: Any, words: str, status: int | None) -> None:
    for batch in ((), SENT):
        found = of_write(value, batch=batch)
        assert found is not None
        assert words in found.words
        assert found.status == status


SOME: list[tuple[Any, dict[str, str]]] = [
    ({"failedGatewayIds": ["gw-2"]}, {"gw-2": "it names those that failed"}),
    ({"failed_gateways": ["gw-2"], "message": "no room"}, {"gw-2": "no room"}),
    ({"failed": [{"gatewayId": "gw-2", "error": {"message": "no room"}}]}, {"gw-2": "no room"}),
    ({"errors": {"gw-2": ["no room"], "other": "x"}}, {"gw-2": "no room"}),
    ({"errors": [{"id": "gw-2", "message": "no room"}]}, {"gw-2": "no room"}),
    (
        {"failures": {"gateways": ["gw-2", "gw-3"]}},
        {"gw-2": "it names those that failed", "gw-3": "it names those that failed"},
    ),
    ({"notFound": "gw-2"}, {"gw-2": "it names those that failed"}),
    (
        {"results": [{"device": "gw-2", "status": 404}, {"device": "gw-1", "status": 200}]},
        {"gw-2": "it names the status 404"},
    ),
    ([{"gatewayId": "gw-2", "success": False, "message": "no room"}], {"gw-2": "no room"}),
    ({"data": {"rejected": ["gw-2"]}}, {"gw-2": "it names those that failed"}),
    ({"failed": ["GW-2"]}, {"gw-2": "it names those that failed"}),
    ({"success": False, "failed": ["gw-2"], "message": "no room"}, {"gw-2": "no room"}),
]


@pytest.mark.parametrize(("value", "failed"), SOME)
def test_a_no_for_some(value: Any, failed: dict[str, str]) -> None:
    found = of_write(value, batch=SENT)
    assert found is not None
    assert found.some
    assert found.failed == failed


@pytest.mark.parametrize(
    "value", [{"failedCount": 1}, {"failed": ["gw-9"]}, {"status": "PARTIAL"}, {"errors": 3}]
)
def test_a_no_for_some_that_aren_t_named(value: Any) -> None:
    found = of_write(value, batch=SENT)
    assert found is not None
    assert not found.failed


@pytest.mark.parametrize(
    ("value", "words"),
    [({"failedCount": 1}, '{"failedCount": 1}'), ({"failedCount": 1, "message": "no room"}, "no room")],
)
def test_what_is_said_of_those_that_are_only_counted(value: Any, words: str) -> None:
    assert of_write(value, batch=SENT) == Denial(words, some=True)


def test_the_one_row_for_the_one_that_was_sent_is_a_no_for_all() -> None:
    rows = [{"id": "gw-1", "code": 404, "message": "no room"}]
    assert of_write(rows, batch=["gw-1"]) == of_write(rows) == Denial("no room", 404)
    assert of_write(rows, batch=["gw-1", "gw-2"]) == Denial("no room", 404, {"gw-1": "no room"}, some=True)


def test_what_an_object_says_of_itself() -> None:
    gateway = {"gatewayId": "gw-1", "status": "FAILED", "errors": ["disk"], "error": "disk"}
    assert of_write(gateway, described=True) is None
    assert of_write([gateway], described=True) is None
    assert of_write({"id": 5, "status": "error"}, described=True) is None
    assert of_write({"status": "error"}, described=True) is not None
    assert of_write({**gateway, "success": False}, described=True) is not None
    assert of_read(gateway, envelope=False) is None
    assert of_read({"status": "FAILED"}, envelope=True, status=False) is None
    assert of_read({"status": "FAILED", "error": "x"}, envelope=True, status=False) == Denial("x")


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        ("c1", "c1"),
        ("C1", "c1"),
        (5, "5"),
        ("{0B7E4C6E-0000-4000-8000-00000000000A}", "0b7e4c6e-0000-4000-8000-00000000000a"),
        ("0b7e4c6e00004000800000000000000a", "urn:uuid:0b7e4c6e-0000-4000-8000-00000000000a"),
        ("", "c1"), (None, "c1"), ({"x": 1}, "c1"), (["c2"], "c1"), (True, "c1"),
    ],
)  # fmt: skip
def test_about_the_same(found: Any, wanted: str) -> None:
    about({"campaignId": found}, {"campaign": (wanted, ("campaignId",))})
    about([found], {"campaign": (wanted, ("campaignId",))})


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        ("c2", "c1"), ("c", "c1"), ("c1 x", "c1"), (1, "01"), ("c-1", "c1"),
        ("0b7e4c6e-0000-4000-8000-00000000000b", "0b7e4c6e-0000-4000-8000-00000000000a"),
    ],
)  # fmt: skip
def test_about_another(found: Any, wanted: str) -> None:
    with pytest.raises(Misdirected, match="it is about campaign"):
        about({"campaignId": found}, {"campaign": (wanted, ("id", "campaignId"))})
