"""Requests and what their answers mean: headers, sign-in, pace, retries, the classes of error.

| answer                    | means        | a read                  | a write |
|---------------------------|--------------|-------------------------|---------|
| 2xx                       | done         | is decoded              | is decoded |
| not sent; 429, 420        | NotExecuted  | goes out again          | is raised |
| cut, 5xx, 408, unreadable | Unclear      | goes out again          | is raised |
| 401                       | not executed | one new sign-in, then Unauthorized | the same |
| other 4xx                 | Refused      | is raised               | is raised |
| 301, 307, 308             | Refused      | is raised, says where to | the same |
| other 3xx                 | Refused, of a write Unclear | is raised | is raised |
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from html import escape
from typing import TypeVar
from urllib.parse import quote, quote_plus, urlsplit

from reconciler.errors import NotExecuted, Refused, ServerError, Unauthorized, Unclear
from reconciler.model import Json, Operation, Repeat
from reconciler.pacing import Backoff, Clock, RateLimiter, Sleep, retry_after
from reconciler.providers.pulse.auth import Access, access, basic_header, header_value
from reconciler.providers.pulse.codec import answers
from reconciler.providers.pulse.codec.shape import (
    NotJson,
    Unexpected,
    clip,
    glimpse,
    in_words,
    is_html,
    parse,
)
from reconciler.providers.pulse.filebody import FileBody, FileChangedError
from reconciler.providers.pulse.transport import CannotConnect, Request, Response, Transport
from reconciler.settings import Basic, ServerSettings

Decoded = TypeVar("Decoded")
Decode = Callable[[Json], Decoded]
Query = tuple[tuple[str, str], ...]

_LOG = logging.getLogger("reconciler.http")
_ENCODE = json.JSONEncoder(separators=(",", ":")).encode
SIGN_IN, VERSION = "sign-in", "get-version"
_UNREADABLE_TRIES = 3
_NOT_THE_API = "Is this the API's address, and not that of a proxy or of another program?"
_SECRET_LENGTH = 4
"""Shorter ones can't be told from ordinary words."""


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
                    f"{value!r} can't be the id of anything", request=f"{self.operation.method} {path}"
                )
            path = path.replace(f"{{{name}}}", quote(value, safe=""))
        headers = dict(self.headers)
        body: bytes | FileBody | None = self.file
        if self.json is not None:
            headers["Content-Type"] = "application/json"
            body = _ENCODE(self.json).encode()
        return Request(self.operation.method, path, self.query, headers, body)


_UNNAMED = Call(Operation("", "GET", "", "", None, Repeat.IDEMPOTENT))
"""Sign-in and version are not operations of the reference."""


class _NotPrepared(NotExecuted):
    """What must come before a call failed for good; the call was never sent."""

    def __init__(self, error: ServerError) -> None:
        super().__init__(
            error.message.removeprefix(f"{error.request}: "),
            request=error.request,
            status=error.status,
            retry_after=error.retry_after,
            hint=error.hint,
        )


@dataclass(slots=True)
class _Version:
    """The API version: named, asked for, or not there. The first who needs it asks for all."""

    value: str | None
    known: bool = False
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


class Wire:
    """Sends calls, at most `concurrency` at a time, and counts them."""

    def __init__(
        self,
        transport: Transport,
        settings: ServerSettings,
        *,
        concurrency: int = 16,
        backoff: Backoff | None = None,
        limiter: RateLimiter | None = None,
        clock: Clock = time.monotonic,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._transport = transport
        self._backoff = backoff or Backoff()
        self._clock = clock
        self._sleep = sleep
        self._limiter = limiter or RateLimiter(settings.max_requests_per_second, clock=clock, sleep=sleep)
        self._slots = asyncio.Semaphore(concurrency)
        self._access: Access = access(settings.auth, self._sign_in)
        self._reached = False
        version = settings.api_version
        if version is not None:
            header_value(version, "the API version")
        self._version = _Version(version, known=version is not None)
        self._organization: dict[str, str] = {}
        if settings.organization is not None:
            name = header_value(settings.organization, "the organization")
            self._organization = {"x-current-org-id": name}
        self.requests: Counter[str] = Counter()

    async def read(self, call: Call, decode: Decode[Decoded], *, empty: Json = None) -> Decoded:
        """The decoded answer of a call without side effects, sent again while that can help.

        `empty` stands for an answer without a body, where one is to be expected.
        """

        async def attempt() -> Decoded:
            response = await self._send(call)
            return self._decode(call, response, decode, empty)

        return await self._persistently(attempt)

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

    # --- one call ---------------------------------------------------------------------------------

    async def _send(self, call: Call) -> Response:
        """A 2xx answer to `call`, with a new sign-in should the server ask for one."""
        request = call.request()
        if isinstance(request.body, FileBody):
            try:
                await request.body.check()
            except FileChangedError as error:
                raise Refused(str(error), request=str(request), hint="Plan again.") from error
        accept = await self._accept()
        token = await self._before(self._access.token)
        response = await self._once(call.operation.name, self._with(request, accept, token))
        if response.status == 401 and token is not None:
            renewed = await self._before(lambda: self._access.renew(token))
            if renewed is not None:
                response = await self._once(call.operation.name, self._with(request, accept, renewed))
                if response.status == 401:
                    self._access.give_up(renewed)
        self._check(call, request, response)
        return response

    def _with(self, request: Request, accept: str, token: str | None) -> Request:
        headers = {"Accept": accept, **self._organization, **request.headers}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        return Request(request.method, request.path, request.query, headers, request.body)

    async def _once(self, name: str, request: Request) -> Response:
        """One request on the wire, when it is its turn."""
        async with self._slots:
            await self._limiter.acquire()
            self.requests[name] += 1
            began = self._clock()
            try:
                response = await self._transport.send(request)
            except ServerError as error:
                took = (self._clock() - began) * 1000
                _LOG.debug("%s %s after %.0f ms", request, type(error).__name__, took)
                raise
        _LOG.debug("%s %d in %.0f ms", request, response.status, (self._clock() - began) * 1000)
        self._reached = True
        if response.status in (429, 420):
            self._limiter.too_much()
        return response

    def _decode(self, call: Call, response: Response, decode: Decode[Decoded], empty: Json = None) -> Decoded:
        if empty is not None and not response.body.strip():
            return decode(empty)
        with suppress(Unexpected):
            return decode(parse(response.body, exact=False))
        try:
            return decode(parse(response.body))
        except Unexpected as error:
            message = error.without(partial(self._hide, more=call.hidden))
            # What isn't JSON may be a passing fault; JSON of another shape stays what it is.
            unclear = isinstance(error, NotJson) or call.operation.method != "GET"
            kind = Unclear if unclear else ServerError
            raise kind(
                f"the answer can't be read: {message}",
                request=str(call.request()),
                status=response.status,
                hint=_NOT_THE_API,
            ) from None

    def _check(self, call: Call, request: Request, response: Response) -> None:
        """Raise what a status other than 2xx means."""
        status, where = response.status, str(request)
        if 200 <= status < 300:
            return
        said = in_words(response.body, partial(self._hide, more=call.hidden))
        again = said.startswith(str(status))
        message = said if again else f"{status} {said}" if said else f"the server answered {status}"
        wait = retry_after(response.headers.get("retry-after"))
        if status == 401:
            raise Unauthorized(
                f"the server does not accept our credentials ({message})",
                request=where,
                status=status,
                hint=self._access.hint,
            )
        if status in (429, 420):
            raise NotExecuted(message, request=where, status=status, retry_after=wait)
        if status >= 500 or status == 408 or status < 200:
            raise Unclear(message, request=where, status=status, retry_after=wait)
        if status < 400:
            moved = status in (301, 307, 308) or call.operation.method == "GET"
            kind = Refused if moved else Unclear
            raise kind(
                f"{status} redirects to {_target(response)}",
                request=where,
                status=status,
                hint="Redirects are not followed: set the server's URL to where the API really is.",
            )
        permission = call.operation.permission
        hint = f"The operation needs the permission {permission}." if status == 403 and permission else None
        raise Refused(message, request=where, status=status, hint=hint)

    def _hide(self, text: str, more: Iterable[str] = ()) -> str:
        """`text` without any secret that is known here."""
        for secret in sorted({*self._access.secrets, *more}, key=len, reverse=True):
            if len(secret) >= _SECRET_LENGTH:
                for spelling in _spellings(secret):
                    text = text.replace(spelling, "***")
        return text

    # --- again ------------------------------------------------------------------------------------

    async def _persistently(self, attempt: Callable[[], Awaitable[Decoded]]) -> Decoded:
        """The result of `attempt`, made again after NotExecuted and Unclear while that can help."""
        began, attempts, waited = self._clock(), 0, 0.0
        while True:
            attempts += 1
            fresh = not self._reached
            try:
                return await attempt()
            except _NotPrepared:
                raise  # it has been tried persistently
            except (NotExecuted, Unclear) as error:
                limit = self._backoff.attempts
                if isinstance(error, CannotConnect) and (fresh or error.tries == 1):
                    limit = error.tries
                elif error.status is not None and 200 <= error.status < 300:
                    limit = _UNREADABLE_TRIES
                delay = self._backoff(attempts, error.retry_after, waited)
                spent = self._clock() - began
                if delay is None or attempts >= limit or (attempts > 1 and spent > self._backoff.budget):
                    raise
            await self._sleep(delay)
            waited += delay

    async def _before(self, what: Callable[[], Awaitable[Decoded]]) -> Decoded:
        """Something that comes before a call: when it fails, the call itself was surely not executed."""
        try:
            return await what()
        except (NotExecuted, Unclear) as error:
            raise _NotPrepared(error) from error

    # --- access -----------------------------------------------------------------------------------

    async def _accept(self) -> str:
        """The ``Accept`` header: the version that was named, or else the one that the server names."""
        if not self._version.known:
            async with self._version.turn:
                if not self._version.known:
                    self._version.value = await self._before(self._ask_version)
                    self._version.known = True
        version = self._version.value
        return f"application/json;api-version={version}" if version else "application/json"

    async def _ask_version(self) -> str | None:
        request = Request("GET", "/api/versions", headers={"Accept": "application/json"})

        async def attempt() -> str | None:
            response = await self._once(VERSION, request)
            if response.status in (408, 420, 429) or response.status >= 500:
                self._check(_UNNAMED, request, response)
            if response.status == 200 and is_html(response.body):
                # A sign-in page or a portal: whatever is asked here next would be answered by it, too.
                page = glimpse(response.body, self._hide)
                message = f"the answer can't be read: expected JSON, but got {page}"
                raise Unclear(message, request=str(request), status=200, hint=_NOT_THE_API)
            try:
                version = answers.current_version(parse(response.body)) if response.status == 200 else None
            except Unexpected:
                return None
            return version if version and all("!" <= c <= "~" for c in version) else None

        return await self._persistently(attempt)

    async def _sign_in(self, auth: Basic) -> str:
        """`GET /api/tokens` with a user name and a password."""
        headers = {"Accept": await self._accept(), "Authorization": basic_header(auth)}
        request = Request("GET", "/api/tokens", headers=headers)

        async def attempt() -> str:
            response = await self._once(SIGN_IN, request)
            if response.status == 401:
                raise Unauthorized(
                    "the server does not accept the user name and password",
                    request=str(request),
                    status=401,
                    hint=f"Is the password in {auth.password.source} the one of this user?",
                )
            self._check(_UNNAMED, request, response)
            try:
                token = answers.access_token(parse(response.body))
            except Unexpected:
                token = None
            if token is None:
                # What came may hold a secret: it is not shown.
                raise Unclear("the answer holds no accessToken", request=str(request), status=response.status)
            return token

        return await self._persistently(attempt)


def _spellings(secret: str) -> Sequence[str]:
    """How an answer may repeat `secret`, the longest first."""
    spelled = {
        secret,
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        repr(secret)[1:-1],
        escape(secret),
        quote(secret),
        quote(secret, safe=""),
        quote_plus(secret),
    }
    return sorted(spelled, key=len, reverse=True)


def _target(response: Response) -> str:
    """Where a redirect leads, without its query, which may hold secrets."""
    location = response.headers.get("location", "")
    try:
        parts = urlsplit(location)
        host = parts.netloc.rpartition("@")[2]
    except ValueError:
        return "an address that can't be read"
    shown = f"{parts.scheme}://{host}{parts.path}" if host else parts.path
    return clip(shown) or "nowhere"
