"""What each kind of call makes of each body that has a good status: `tests/golden/wire-answers.txt`."""

# ruff: noqa: E501 - a table reads best with a row a line

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest

from reconciler.model import Json, Operation, Repeat, Secret
from reconciler.pacing import Backoff
from reconciler.providers.hawkbit.operations import OPERATIONS as HAWKBIT
from reconciler.providers.hawkbit.verdicts import judge as of_hawkbit
from reconciler.providers.http.auth import access
from reconciler.providers.http.sender import Sender
from reconciler.providers.http.shape import identity, mapping
from reconciler.providers.http.wire import Call, Judge, Wire, encoded, judged
from reconciler.providers.pulse.codec.verdicts import judge as of_pulse
from reconciler.providers.pulse.entry import STATUSES
from reconciler.providers.pulse.operations import OPERATIONS as PULSE
from reconciler.settings import Token
from tests.providers.canned_server import Canned, Waits, answer
from tests.providers.told import grouped, outcome

SENT = tuple(f"gw-{n}" for n in range(8))
BODIES: list[Any] = [
    b"", b" ", b"OK", b"ERROR: no room", b"failed", b"<html><title>Sign in</title>", b"{", b"null", b"false",
    b"true", b"7", b'"x"', b'"failed: s3cr3t"', b"[]", b"{}", {"id": "c1"}, {"uuid": "u"}, {"id": "c1", "status": "error"},
    {"id": "c1", "success": False, "message": "no room"}, {"success": False}, {"error": "s3cr3t is wrong"},
    {"error": "x" * 400}, {"status": 429, "message": "slowly"}, {"status": 503, "message": "later"}, {"status": 408}, {"status": 500}, {"status": 499}, {"s3cr3t": 1},
    {"status": 404, "message": "none"}, {"statusCode": 500, "id": "c1"}, {"failed": ["gw-1", "gw-9"], "message": "no"},
    {"failed": list(SENT)}, {"failed": 3}, {"notFound": ["gw-2"]}, [{"id": "gw-1", "success": False, "message": "s3cr3t"}],
    [{"gatewayId": "gw-1", "status": "failed", "reason": "why"}, {"gatewayId": "gw-2", "status": "ok"}],
    [{"code": 404, "message": "no room"}], {"results": [{"id": "gw-3", "error": "why"}]}, {"items": [{"error": "why"}]},
]  # fmt: skip
GET = Operation("get-it", "GET", "/it", "It", (), Repeat.IDEMPOTENT)
PUT = Operation("put-it", "PUT", "/it", "It", (), Repeat.IDEMPOTENT)
POST = Operation("make-it", "POST", "/it", "It", (), Repeat.NEVER)


def read(value: Any) -> str:
    return identity(mapping(value, "it"), "it")


CALLS: dict[str, Callable[[Wire], Awaitable[object]]] = {
    "read": lambda wire: wire.read(Call(GET), read),
    "read of anything": lambda wire: wire.read(Call(GET), lambda value: ["read", value]),
    "read of what may be empty": lambda wire: wire.read(Call(GET), read, empty={"id": "empty"}),
    "read of what is private": lambda wire: wire.read(Call(GET, private=True), read),
    "do": lambda wire: wire.do(Call(PUT, hidden=("s3cr3t",))),
    "do of many": lambda wire: wire.do(Call(PUT, hidden=("s3cr3t",), batch=SENT)),
    "do of what is private": lambda wire: wire.do(Call(PUT, private=True, batch=SENT)),
    "make": lambda wire: wire.write(Call(POST, hidden=("s3cr3t",)), read),
}


def wire(canned: Canned) -> Wire:
    """One that is signed in, and never waits."""
    waits = Waits()
    backoff = Backoff(random=lambda: 1.0, attempts=2)
    sender = Sender(canned, STATUSES, backoff=backoff, clock=waits.clock, sleep=waits.sleep)

    async def headers() -> dict[str, str]:
        return {}

    async def sign_in(_: object) -> str:
        raise AssertionError("a token needs none")

    signed = access(Token(Secret("X", "t0ken")), sign_in, sender.secrets)
    return Wire(sender, signed, headers)


async def _told(name: str, body: Any, status: int) -> list[str]:
    canned = Canned(answer(body, status))
    found = await outcome(CALLS[name](wire(canned)))
    return [*found, f"sent {len(canned.seen)}"] if len(canned.seen) != 1 else found


def test_each_body_of_each_call(golden: Any) -> None:
    async def main() -> list[str]:
        text = []
        for name in CALLS:
            found = [(f"{body!r}"[:90], await _told(name, body, 200)) for body in BODIES]
            found += [(f"{body!r}, 204", await _told(name, body, 204)) for body in (b"", b"{}")]
            text += [f"{name}:", *(f"  {line}" for line in grouped(found))]
        return text

    golden("wire-answers.txt", "".join(f"{line}\n" for line in asyncio.run(main())))


def test_what_says_that_there_is_nothing_is_read_as_is_said() -> None:
    sizes: list[int] = []

    async def main(status: int) -> object:
        canned = Canned(answer(b" ", status))
        return await wire(canned).read(
            Call(GET), lambda value: value, empty=["empty"], no_content=["none"], measured=sizes.append
        )

    assert asyncio.run(main(200)) == ["empty"]
    assert asyncio.run(main(204)) == ["none"]
    assert sizes == [1, 1]


@pytest.mark.parametrize(
    ("judge", "operations"),
    [(judged, {"put": PUT, "post": POST}), (of_pulse, PULSE), (of_hawkbit, HAWKBIT)],
    ids=["any", "pulse", "hawkbit"],
)
def test_an_empty_object_never_says_no(judge: Judge, operations: Mapping[str, Operation]) -> None:
    """So nobody is asked about it: it is what most writes are answered."""
    writes = [operation for operation in operations.values() if operation.method != "GET"]
    assert writes
    for operation in writes:
        ids = dict.fromkeys(re.findall(r"{(.*?)}", operation.path), "x")
        for batch in ((), SENT):
            assert judge(Call(operation, ids, batch=batch), {}) is None


def test_what_many_calls_carry_alike_is_sent_as_if_each_did() -> None:
    value: Json = {"begin": "1", "end": "2"}
    assert Call(PUT, json=encoded(value)).request() == Call(PUT, json=value).request()
