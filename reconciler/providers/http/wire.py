"""Calls of operations: their paths and bodies, who we are, and answers read into values."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Final, TypeVar
from urllib.parse import quote

from reconciler.errors import Refusal, Refused, ServerError, Unauthorized, Unclear
from reconciler.model import Json, Operation
from reconciler.providers.http.auth import Access
from reconciler.providers.http.filebody import FileBody, FileChangedError
from reconciler.providers.http.sender import Sender
from reconciler.providers.http.shape import NotJson, Unexpected, is_html, parse
from reconciler.providers.http.transport import Request, Response

Decoded = TypeVar("Decoded")
Decode = Callable[[Json], Decoded]
Query = tuple[tuple[str, str], ...]

_ENCODE = json.JSONEncoder(separators=(",", ":")).encode
NOT_THE_API: Final = "Is this the API's address, and not that of a proxy or of another program?"


@dataclass(frozen=True, slots=True)
class Call:
    """One operation with its values. ``hidden``: secret texts that an answer may repeat."""

    operation: Operation
    ids: Mapping[str, str] = field(default_factory=dict)
    query: Query = ()
    json: Json = None
    file: FileBody | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    hidden: tuple[str, ...] = field(default=(), repr=False)

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
            path = path.replace(f"{{{name}}}", quote(value, safe=""))
        headers = dict(self.headers)
        body: bytes | FileBody | None = self.file
        if self.json is not None:
            headers["Content-Type"] = "application/json"
            body = _ENCODE(self.json).encode()
        return Request(self.operation.method, path, self.query, headers, body)


class Wire:
    """Sends calls through a `sender`, signed in by `access`; ``headers``: what every call carries."""

    def __init__(
        self, sender: Sender, access: Access, headers: Callable[[], Awaitable[Mapping[str, str]]]
    ) -> None:
        self._sender = sender
        self._access = access
        self._headers = headers

    @property
    def requests(self) -> Mapping[str, int]:
        """How many requests were sent so far, by operation name, and what comes before calls by its own."""
        return self._sender.requests

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

    async def write(self, call: Call, decode: Decode[Decoded]) -> Decoded:
        """The decoded answer of a call that is sent once; Unclear when it can't be decoded."""
        return self._decode(call, await self._send(call), decode)

    async def do(self, call: Call) -> Json:
        """What a call that is sent once answers; None for a word, or nothing, for nothing depends on it."""
        response = await self._send(call)
        try:
            return parse(response.body)
        except NotJson:
            if is_html(response.body):
                # A sign-in page or a portal answered in the server's place.
                return self._decode(call, response, lambda value: value)
            return None

    async def _send(self, call: Call) -> Response:
        """A 2xx answer to `call`, with a new sign-in should the server ask for one."""
        request = call.request()
        if isinstance(request.body, FileBody):
            try:
                await request.body.check()
            except FileChangedError as error:
                raise Refused(str(error), request=str(request), hint="Plan again.") from error
        headers = await self._headers()
        token = await self._sender.before(self._access.token)
        response = await self._sender.once(call.operation.name, _with(request, headers, token))
        if response.status == 401 and token is not None:
            renewed = await self._sender.before(lambda: self._access.renew(token))
            if renewed is not None:
                response = await self._sender.once(call.operation.name, _with(request, headers, renewed))
                if response.status == 401:
                    self._access.give_up(renewed)
        self._check(call, request, response)
        return response

    def _check(self, call: Call, request: Request, response: Response) -> None:
        """Raise what a status other than 2xx means."""
        if response.status == 401:
            raise Unauthorized(
                f"the server does not accept our credentials ({self._sender.words(response, call.hidden)})",
                request=str(request),
                status=401,
                hint=self._access.hint,
            )
        names = call.operation.permissions
        hint = None
        if response.status == 403 and names:
            hint = f"The operation needs the permission{'s' * (len(names) > 1)} {' and '.join(names)}."
        self._sender.check(request, response, hide=call.hidden, hint=hint)

    def _decode(self, call: Call, response: Response, decode: Decode[Decoded], empty: Json = None) -> Decoded:
        if empty is not None and not response.body.strip():
            return decode(empty)
        with suppress(Unexpected):
            return decode(parse(response.body, exact=False))
        try:
            return decode(parse(response.body))
        except Unexpected as error:
            message = error.without(partial(self._sender.hide, more=call.hidden))
            # What isn't JSON may be a passing fault; JSON of another shape stays what it is.
            unclear = isinstance(error, NotJson) or call.operation.method != "GET"
            kind = Unclear if unclear else ServerError
            raise kind(
                f"the answer can't be read: {message}",
                request=str(call.request()),
                status=response.status,
                hint=NOT_THE_API,
            ) from None


def _with(request: Request, headers: Mapping[str, str], token: str | None) -> Request:
    sent = {**headers, **request.headers}
    if token is not None:
        sent["Authorization"] = f"Bearer {token}"
    return Request(request.method, request.path, request.query, sent, request.body)
