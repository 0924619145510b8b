"""What every call to this server needs first: the API version, the organization, and an access token."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from reconciler.errors import Refusal, Refused, Unauthorized, Unclear
from reconciler.providers.http.auth import access, basic_header, header_value
from reconciler.providers.http.sender import Sender, Statuses
from reconciler.providers.http.shape import Unexpected, glimpse, is_html, parse
from reconciler.providers.http.transport import Request, Transport
from reconciler.providers.http.wire import NOT_THE_API, Wire
from reconciler.providers.pulse.codec import answers
from reconciler.providers.pulse.codec.verdicts import judge
from reconciler.settings import Basic, ServerSettings

SIGN_IN, VERSION = "sign-in", "get-version"
"""What these requests are counted as: they are not operations of the reference."""

_MAY_HAVE, _SOME = Refusal.MAY_HAVE_HAPPENED, Refusal.ABOUT_SOME_GATEWAYS
_NOTHING, _NO_ID = Refusal.NO_SUCH_OBJECT, Refusal.NOT_AN_ID

STATUSES: Final = Statuses(
    too_often=frozenset({420, 429}),
    refusals={
        400: frozenset({_SOME, _NO_ID}),
        403: frozenset({Refusal.NOT_PERMITTED}),
        404: frozenset({_MAY_HAVE, _SOME, _NOTHING, _NO_ID}),
        409: frozenset({_MAY_HAVE, _SOME}),
        410: frozenset({_MAY_HAVE, _NOTHING, _NO_ID}),
        412: frozenset({_MAY_HAVE}),
        422: frozenset({_SOME, _NO_ID}),
    },
)
"""What the server may mean when it refuses; 420 is how it says that requests come too fast."""


def wire_of(transport: Transport, settings: ServerSettings, **how: Any) -> Wire:
    """Calls over `transport`, signed in as `settings` say; `how`: see `Sender`."""
    sender = Sender(transport, STATUSES, rate=settings.max_requests_per_second, **how)
    entry = Entry(sender, settings)
    signed = access(settings.auth, entry.sign_in, sender.secrets)
    return Wire(sender, signed, entry.headers, judge=judge)


@dataclass(slots=True)
class _Version:
    """The API version: named, asked for, or not there. The first who needs it asks for all."""

    value: str | None
    known: bool = False
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


class Entry:
    """The headers of every call, and the sign-in."""

    def __init__(self, sender: Sender, settings: ServerSettings) -> None:
        self._sender = sender
        version = settings.api_version
        if version is not None:
            header_value(version, "the API version")
        self._version = _Version(version, known=version is not None)
        self._organization: dict[str, str] = {}
        self._headers: Mapping[str, str] | None = None
        if settings.organization is not None:
            name = header_value(settings.organization, "the organization")
            self._organization = {"x-current-org-id": name}

    async def headers(self) -> Mapping[str, str]:
        """What every call carries beside its token."""
        if self._headers is None:
            self._headers = {"Accept": await self._accept(), **self._organization}
        return self._headers

    async def sign_in(self, auth: Basic) -> str:
        """`GET /api/tokens` with a user name and a password."""
        headers = {"Accept": await self._accept(), "Authorization": basic_header(auth)}
        request = Request("GET", "/api/tokens", headers=headers)

        async def attempt() -> str:
            response = await self._sender.once(SIGN_IN, request)
            if response.status == 401:
                raise Unauthorized(
                    "the server does not accept the user name and password",
                    request=str(request),
                    status=401,
                    hint=f"Is the password in {auth.password.source} the one of this user?",
                )
            try:
                self._sender.check(request, response)
            except Refused as error:
                # It is about the sign-in: it says nothing about the object of the call, e.g. that it is gone.
                said = error.message.removeprefix(f"{error.request}: ")
                raise Refused(said, request=error.request, status=error.status, hint=error.hint) from None
            try:
                token = answers.access_token(parse(response.body))
            except Unexpected:
                token = None
            if token is None:
                # What came may hold a secret: it is not shown.
                raise Unclear("the answer holds no accessToken", request=str(request), status=response.status)
            return token

        return await self._sender.persistently(attempt)

    async def _accept(self) -> str:
        """The ``Accept`` header: the version that was named, or else the one that the server names."""
        if not self._version.known:
            async with self._version.turn:
                if not self._version.known:
                    self._version.value = await self._sender.before(self._ask_version)
                    self._version.known = True
        version = self._version.value
        return f"application/json;api-version={version}" if version else "application/json"

    async def _ask_version(self) -> str | None:
        request = Request("GET", "/api/versions", headers={"Accept": "application/json"})

        async def attempt() -> str | None:
            response = await self._sender.once(VERSION, request)
            if self._sender.passing(response):
                self._sender.check(request, response)
            if response.status == 200 and is_html(response.body):
                # A sign-in page or a portal: whatever is asked here next would be answered by it, too.
                page = glimpse(response.body, self._sender.secrets)
                message = f"the answer can't be read: expected JSON, but got {page}"
                raise Unclear(message, request=str(request), status=200, hint=NOT_THE_API)
            try:
                version = answers.current_version(parse(response.body)) if response.status == 200 else None
            except Unexpected:
                return None
            return version if version and all("!" <= c <= "~" for c in version) else None

        return await self._sender.persistently(attempt)
