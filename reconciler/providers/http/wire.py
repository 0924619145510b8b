"""Calls of operations: their paths and bodies, who we are, and answers read into values.

Tests: `tests/providers/test_wire_tables.py`, `tests/providers/test_pulse_wire.py`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, TypeVar
from urllib.parse import quote

from reconciler.errors import (
    NotExecuted,
    PartlyDone,
    Refusal,
    Refused,
    ServerError,
    Unauthorized,
    Unclear,
)
from reconciler.model import Json, Operation
from reconciler.providers.base import RequestOutcome
from reconciler.providers.http.auth import Access
from reconciler.providers.http.filebody import FileBody, FileChangedError
from reconciler.providers.http.sender import Sender
from reconciler.providers.http.shape import NotJson, Unexpected, clip, is_html, parse
from reconciler.providers.http.transport import Request, Response
from reconciler.providers.http.verdicts import Denial, Misdirected, of_read, of_write

Decoded = TypeVar("Decoded")
Decode = Callable[[Json], Decoded]
Query = tuple[tuple[str, str], ...]

_ENCODE = json.JSONEncoder(separators=(",", ":")).encode
_AS_IT_IS: Final = re.compile(r"[A-Za-z0-9_.~-]+").fullmatch
"""What needs no quotes in a URL: nearly all ids, and there are as many of them as calls."""
_NOTHING: Final = b"{}"
"""What servers answer to most writes, as many as there are: it is about no other object, and says no *no*."""
_WORDS: Final = 1_000
"""Bytes of an answer that isn't JSON in which a no is looked for."""
_SAID: Final = 300
"""Characters that are shown of what an answer says."""
_NAMED: Final = 5
MIXED_UP: Final = "Does a cache or a proxy before the server mix answers up?"
NOT_THE_API: Final = "Is this the API's address, and not that of a proxy or of another program?"


@dataclass(frozen=True, slots=True)
class Encoded:
    """JSON as it is sent: of what many calls carry alike."""

    body: bytes


def encoded(value: Json) -> Encoded:
    """`value` as it is sent."""
    return Encoded(_ENCODE(value).encode())


# Not frozen: one is made for each call, and a frozen one takes several times as long to make.
@dataclass(slots=True)
class Call:
    """One operation with its values. ``hidden``: secret texts that an answer may repeat.

    ``batch``: ids that its body carries many of, of which an answer may name some.
    ``private``: an answer that can't be read may hold secrets that nobody knows here: nothing of it is shown.
    """

    operation: Operation
    ids: Mapping[str, str] = field(default_factory=dict)
    query: Query = ()
    json: Json | Encoded = None
    file: FileBody | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    hidden: tuple[str, ...] = field(default=(), repr=False)
    batch: Sequence[str] = field(default=(), repr=False)
    private: bool = False

    def request(self) -> Request:
        """The request, without what every request carries. Refused when an id can't stand in a path."""
        path = self.operation.path
        for name, value in self.ids.items():
            if value in ("", ".", ".."):
                raise Refused(
                    f"{value!r} can't be the id of anything",
                    request=f"{self.operation.method} {path}",
                    meaning=frozenset({Refusal.NOT_AN_ID}),
                )
            path = path.replace(f"{{{name}}}", value if _AS_IT_IS(value) else quote(value, safe=""))
        headers = dict(self.headers)
        body: bytes | FileBody | None = self.file
        if self.json is not None:
            headers["Content-Type"] = "application/json"
            body = (self.json if isinstance(self.json, Encoded) else encoded(self.json)).body
        return Request(self.operation.method, path, self.query, headers, body)


Judge = Callable[[Call, Json], Denial | None]
"""What a 2xx answer to a call says all the same; Misdirected when it is about something else."""


def judged(call: Call, value: Json) -> Denial | None:
    """The `Judge` for servers of which nothing more is known: objects with an id tell their own status."""
    if call.operation.method == "GET":
        return of_read(value, envelope=False)
    return of_write(value, batch=call.batch, described=True)


class Wire:
    """Sends calls through a `sender`, signed in by `access`; ``headers``: what every call carries.

    `judge` looks at every answer with a good status before it is used.
    ``scheme``: how the token is presented.
    """

    def __init__(
        self,
        sender: Sender,
        access: Access,
        headers: Callable[[], Awaitable[Mapping[str, str]]],
        scheme: str = "Bearer",
        judge: Judge = judged,
    ) -> None:
        self._scheme = scheme
        self._judge = judge
        self._sender = sender
        self._access = access
        self._headers = headers

    @property
    def requests(self) -> Mapping[str, int]:
        """How many requests were sent so far, by operation name, and what comes before calls by its own."""
        return self._sender.requests

    @property
    def answers(self) -> Mapping[tuple[str, RequestOutcome], int]:
        """What came of them."""
        return self._sender.answers

    async def read(
        self,
        call: Call,
        decode: Decode[Decoded],
        *,
        empty: Json = None,
        no_content: Json = None,
        measured: Callable[[int], None] = lambda _: None,
    ) -> Decoded:
        """The decoded answer of a call without side effects, sent again while that can help.

        `empty` stands for an answer without a body, where one is to be expected; `no_content` for one that
        says so by its status (204). `measured` is told how many bytes it has.
        """

        async def attempt() -> Decoded:
            response = await self._send(call)
            measured(len(response.body))
            return self._decode(call, response, decode, no_content if response.status == 204 else empty)

        return await self._sender.persistently(attempt)

    async def write(
        self, call: Call, decode: Decode[Decoded], *, still: Callable[[], bool] | None = None
    ) -> Decoded:
        """The decoded answer of a call that is sent once; Unclear when it can't be decoded.

        `still`: whether it may be sent, once it is its turn; else Overtaken.
        """
        return self._decode(call, await self._send(call, still), decode)

    async def do(self, call: Call) -> Json:
        """What a call that is sent once answers; None for a word, or nothing: nothing depends on it."""
        response = await self._send(call)
        if response.body == _NOTHING:
            return {}
        try:
            value = parse(response.body)
        except NotJson:
            if is_html(response.body):
                # A sign-in page or a portal answered in the server's place.
                return self._decode(call, response, lambda value: value)
            self._heed(call, response, response.body[:_WORDS].decode("utf-8", "replace"))
            return None
        self._heed(call, response, value)
        return value

    async def _send(self, call: Call, still: Callable[[], bool] | None = None) -> Response:
        """A 2xx answer to `call`, with a new sign-in should the server ask for one."""
        if call.hidden:
            # Whatever is answered from now on may repeat them.
            self._sender.secrets.update(call.hidden)
        request = call.request()
        if isinstance(request.body, FileBody):
            try:
                await request.body.check()
            except FileChangedError as error:
                raise Refused(str(error), request=str(request), hint="Plan again.") from error
        headers = await self._headers()
        token = self._access.known or await self._sender.before(self._access.token)
        sent = self._with(request, headers, token)
        response = await self._sender.once(call.operation.name, sent, still=still)
        if response.status == 401 and token is not None:
            renewed = await self._sender.before(lambda: self._access.renew(token))
            if renewed is not None:
                response = await self._sender.once(call.operation.name, self._with(request, headers, renewed))
                if response.status == 401:
                    self._access.give_up(renewed)
        self._check(call, request, response)
        return response

    def _check(self, call: Call, request: Request, response: Response) -> None:
        """Raise what a status other than 2xx means."""
        if response.status == 401:
            raise Unauthorized(
                f"the server does not accept our credentials ({self._sender.words(response)})",
                request=str(request),
                status=401,
                hint=self._access.hint,
            )
        names = call.operation.permissions
        hint = None
        if response.status == 403 and names:
            hint = f"The operation needs the permission{'s' * (len(names) > 1)} {' and '.join(names)}."
        self._sender.check(request, response, hint=hint)

    def _with(self, request: Request, headers: Mapping[str, str], token: str | None) -> Request:
        sent = {**headers, **request.headers}
        if token is not None:
            sent["Authorization"] = f"{self._scheme} {token}"
        return Request(request.method, request.path, request.query, sent, request.body)

    def _decode(self, call: Call, response: Response, decode: Decode[Decoded], empty: Json = None) -> Decoded:
        if empty is not None and not response.body.strip():
            return decode(empty)
        try:
            value = parse(response.body, exact=False)
            self._heed(call, response, value, decode)
            return decode(value)
        except Unexpected:
            pass  # it may be that only the quick way can't read it
        try:
            value = parse(response.body)
            self._heed(call, response, value, decode)
            return decode(value)
        except Unexpected as error:
            if not isinstance(error, NotJson) and (no := of_read(value, envelope=True)):
                raise self._no(call, response, no) from None
            message = error.in_private if call.private else error.without(self._sender.secrets)
            # What isn't JSON may be a passing fault; JSON of another shape stays what it is.
            unclear = isinstance(error, NotJson) or call.operation.method != "GET"
            kind = Unclear if unclear else ServerError
            raise kind(
                f"the answer can't be read: {message}",
                request=str(call.request()),
                status=response.status,
                hint=NOT_THE_API,
            ) from None

    def _heed(
        self, call: Call, response: Response, value: Json, decode: Decode[object] | None = None
    ) -> None:
        """Raise what an answer with a good status says all the same; `decode`: how it would be read."""
        try:
            no = self._judge(call, value)
        except Misdirected as error:
            words = self._words(call, str(error))
            raise Unclear(
                f"the answer can't be used: {words}",
                request=str(call.request()),
                status=response.status,
                hint=MIXED_UP,
            ) from None
        if no is None:
            return
        if decode and call.operation.method != "GET":
            # It says no, and yet names what was made.
            with suppress(Unexpected):
                decode(value)
                raise self._no(call, response, no, contradicts=True)
        raise self._no(call, response, no)

    def _words(self, call: Call, said: str) -> str:
        """What an answer says, as far as it may be shown."""
        return "what it says may be secret" if call.private else clip(self._sender.secrets(said), _SAID)

    def _no(self, call: Call, response: Response, no: Denial, *, contradicts: bool = False) -> ServerError:
        """The error that a no in an answer is."""
        words = self._words(call, no.words)
        message, where = f"{response.status}, but the answer says no: {words}", str(call.request())
        if call.operation.method == "GET":
            # It may be answered otherwise a moment later. Whatever the words, they never say: there is none.
            return Unclear(message, request=where, status=response.status)
        if no.some and call.batch:
            failed = {each: self._words(call, why) for each, why in no.failed.items()}
            if failed:
                message = f"{message} (of {', '.join(list(failed)[:_NAMED])}{_more(failed)})"
            return PartlyDone(message, request=where, failed=failed, status=response.status)
        if no.status is not None and self._sender.too_often(no.status):
            return NotExecuted(message, request=where, status=no.status)
        if contradicts or no.some or (no.status is not None and (no.status >= 500 or no.status == 408)):
            return Unclear(message, request=where, status=response.status)
        # Whether it did nothing is for the server to show, where that can be looked at.
        meaning = frozenset({Refusal.MAY_HAVE_HAPPENED, Refusal.ABOUT_SOME_GATEWAYS})
        return Refused(message, request=where, status=response.status, meaning=meaning)


def _more(failed: Mapping[str, str]) -> str:
    return f" and {len(failed) - _NAMED:,} more" if len(failed) > _NAMED else ""
