"""Answers that went wrong: one honest answer, changed at random, the same for the same seed."""

# ruff: noqa: E501 - tables of odd values

import json
import random
from typing import Any, Final

from reconciler.providers.http.transport import Response

DEEP: Any = []
for _ in range(300):
    DEEP = [DEEP]

ODD: Final[tuple[Any, ...]] = (
    None, True, False, 0, -1, 1, 2**31, 2**63, 10**30, 1.5, -0.0, 1e308, float("nan"), float("inf"), "", " ", "\n",
    "0", "-1", "1e9", "9" * 40, "null", "true", "x" * 5000, "\ud800", "\u202e\u200b", "\x00\x1b[31m", "::error::x",
    "../..", ".", "..", "%2F", "<html>", "{}", [], {}, [[]], [None], [{}], [1, "a", None], {"": None}, {"id": None},
    {"id": {}}, {"id": []}, {"message": {"message": {"message": 7}}}, DEEP, {"error": DEEP}, {"errors": [DEEP]},
    "FAILED", "STARTED", "2027-13-45T99:99:99Z", "0000-00-00", "999999999999999", -(10**18), {"x": "y"}, list(range(50)),
)  # fmt: skip
KEYS: Final = (
    "id", "uuid", "campaignId", "gatewayId", "status", "error", "errors", "success", "message", "code", "page",
    "pageInfo", "pageResponse", "totalElements", "number", "content", "items", "gateways", "campaigns", "programs",
    "packages", "failed", "failedGatewayIds", "results", "data", "result", "state", "progress", "name", "closed", "",
)  # fmt: skip
STATUSES: Final = (
    100, 199, 200, 200, 200, 200, 200, 201, 202, 204, 206, 207, 299, 301, 302, 304, 307, 400, 401, 403, 404, 405,
    408, 409, 410, 412, 413, 414, 418, 420, 422, 425, 429, 431, 451, 499, 500, 501, 502, 503, 504, 511, 599, 600, 999,
)  # fmt: skip
HEADERS: Final = (
    {"retry-after": "99999999999999999999"}, {"retry-after": "-5"}, {"retry-after": "1e400"}, {"retry-after": "nan"},
    {"retry-after": "Fri, 31 Dec 9999 23:59:59 -9999"}, {"retry-after": "Mon, 01 Jan 0001 00:00:00 +1400"},
    {"retry-after": "\u0661"}, {"date": "never"}, {"date": "Fri, 99 Xyz 99999 99:99:99"}, {"date": ""},
    {"location": "http://["}, {"location": "\x00"}, {"location": "//user:secret@x/?token=y"}, {"content-type": "\xff"},
    {"content-length": "-1"}, {"x-ratelimit-reset": "9" * 30},
)  # fmt: skip
BODIES: Final = (
    b"", b" ", b"\x00", b"\xff\xfe", b"null", b"[]", b"{}", b"true", b"0", b'""', b"{", b"[" * 100_000, b'{"a":' * 5000,
    b"<!doctype html><title>x</title>", b"<html><title>" + b"y" * 99_999, b"9" * 5000, b"NaN", b'"\\ud800"',
    b'{"id": "c1", "id": "c2"}', b"\xef\xbb\xbf{}", b"error", b"FAILED: no", b"[1,2", b'{"message": "' + b"z" * 70_000,
)  # fmt: skip


def mutated(honest: Any, dice: random.Random) -> Response:
    """An answer made of an honest one."""
    status = dice.choice(STATUSES) if dice.random() < 0.3 else 200
    headers = dice.choice(HEADERS) if dice.random() < 0.2 else {}
    if dice.random() < 0.12:
        return Response(status, headers, dice.choice(BODIES))
    value = json.loads(json.dumps(honest))
    for _ in range(dice.randint(1, 4)):
        value = _changed(value, dice)
    body = json.dumps(value).encode("utf-8", "surrogatepass")
    if dice.random() < 0.1:
        body = body[: dice.randrange(len(body) + 1)]
    if dice.random() < 0.05 and body:
        at = dice.randrange(len(body))
        body = body[:at] + bytes([dice.randrange(256)]) + body[at + 1 :]
    return Response(status, headers, body)


def _changed(value: Any, dice: random.Random) -> Any:
    """One change somewhere in it."""
    if isinstance(value, dict) and value and dice.random() < 0.85:
        key = dice.choice(sorted(value, key=str))
        match dice.randrange(6):
            case 0:
                return {k: v for k, v in value.items() if k != key}
            case 1:
                return {(dice.choice(KEYS) if k == key else k): v for k, v in value.items()}
            case 2:
                return {**value, dice.choice(KEYS): dice.choice(ODD)}
            case _:
                return {**value, key: _changed(value[key], dice)}
    if isinstance(value, list) and value and dice.random() < 0.85:
        at = dice.randrange(len(value))
        match dice.randrange(4):
            case 0:
                return value[:at] + value[at + 1 :]
            case 1:
                return value * 2
            case _:
                return [*value[:at], _changed(value[at], dice), *value[at + 1 :]]
    match dice.randrange(4):
        case 0:
            return [value]
        case 1:
            return {dice.choice(KEYS): value}
        case _:
            return dice.choice(ODD)
