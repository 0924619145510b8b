"""What comes before the first call of Pulse, and what answers to it mean: `tests/golden/pulse-entry.txt`."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from reconciler.errors import NotExecuted, Unclear
from reconciler.model import Secret
from reconciler.pacing import Backoff
from reconciler.providers.http.transport import Request, Response
from reconciler.settings import Basic, ServerSettings
from tests.providers.canned_server import SETTINGS, answer, provider
from tests.providers.told import grouped, outcome

AUTH = Basic("ann", Secret("environment variable PW", "hunter22"))
SIGNED = {"accessToken": "t0ken"}
PAGE = b"<html><title>Sign in, hunter22</title>"
CUT, LATE = Unclear("cut", request="r"), NotExecuted("no connection", request="r")
MEANT: dict[str, Any] = {
    "a page": PAGE,
    "a page, 404": answer(PAGE, 404),
    "nothing": b"",
    "nothing, 204": answer(b"", 204),
    "text": b"0.17",
    "null": None,
    "an object of nothing": {},
    **{
        f"{status}": answer({"message": "why"}, status, retry_after="7", location="http://h/x")
        for status in (201, 301, 302, 307, 400, 401, 403, 404, 408, 409, 413, 420, 422, 429, 500, 503)
    },
    "cut": CUT,
    "no connection": LATE,
}
VERSIONS: dict[str, Any] = {
    **MEANT,
    **{
        f"version {each!r}": {"currentApiVersion": each}
        for each in ("0.17", " 1 ", "", "a b", "ü", 2, 1.5, True, [])
    },
    "201 and a version": answer({"currentApiVersion": "1"}, 201),
}
TOKENS: dict[str, Any] = {
    **MEANT,
    "a token, 201": answer(SIGNED, 201),
    **{f"token {each!r}": {"accessToken": each} for each in ("", "a b", "ü", 7)},
}


class Server:
    """A server that answers by a table, and keeps each request with its headers."""

    def __init__(self, replies: Mapping[str, Any]) -> None:
        self._replies = replies
        self.lines: list[str] = []

    async def send(self, request: Request) -> Response:
        headers = " ".join(f"{name}={text}" for name, text in sorted(request.headers.items()))
        self.lines.append(f"{request} {headers}")
        reply = self._replies.get(request.path, {"id": "c1", "name": "line", "status": "STARTED"})
        await asyncio.sleep(0)
        if isinstance(reply, Exception):
            raise reply
        return reply if isinstance(reply, Response) else answer(reply)


def _asked(settings: ServerSettings, replies: Mapping[str, Any], *, write: bool) -> list[str]:
    """Each request with its headers, and what a call ends with."""
    server = Server(replies)

    async def main() -> list[str]:
        on: Any = provider(server, settings, backoff=Backoff(attempts=2))
        return await outcome(on.reads.stop_campaign("c1") if write else on.reads.campaign("c1"))

    said = asyncio.run(main())
    return [*server.lines, *said]


def _cases() -> Iterator[tuple[str, list[str]]]:
    plain = replace(SETTINGS, auth=AUTH, api_version=None)
    for write in (False, True):
        what = "a write" if write else "a read"
        for name, reply in VERSIONS.items():
            replies = {"/api/versions": reply, "/api/tokens": SIGNED}
            yield f"{what}, versions: {name}", _asked(plain, replies, write=write)
        for name, reply in TOKENS.items():
            named = replace(plain, api_version="9", organization="hall")
            yield f"{what}, tokens: {name}", _asked(named, {"/api/tokens": reply}, write=write)
    yield "without credentials", _asked(replace(plain, auth=None), {"/api/versions": {}}, write=False)


def test_what_comes_first(golden: Callable[[str, str], Any]) -> None:
    golden("pulse-entry.txt", "".join(f"{line}\n" for line in grouped(_cases())))
