"""Single requests and what their answers mean: pace, retries, the classes of error, and what never shows.

| answer                    | means        | a read                  | a write |
|---------------------------|--------------|-------------------------|---------|
| 2xx                       | done         | is decoded              | is decoded |
| not sent; too often       | NotExecuted  | goes out again          | is raised |
| cut, 5xx, 408, unreadable | Unclear      | goes out again          | is raised |
| 401                       | not executed | one new sign-in, then Unauthorized | the same |
| 413                       | Refused, too large | is raised         | is raised; a batch goes out in parts |
| other 4xx                 | Refused      | is raised               | is raised |
| 301, 307, 308             | Refused, of a POST Unclear  | is raised, says where to | the same |
| other 3xx                 | Refused, of a write Unclear | is raised | is raised |

Tests: `tests/providers/test_http_patience.py`, `tests/providers/test_http_tables.py`.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeVar
from urllib.parse import urlsplit

from reconciler.errors import NotExecuted, Refusal, Refused, ServerError, Unclear
from reconciler.hiding import Hiding
from reconciler.pacing import Backoff, Clock, RateLimiter, Sleep, retried, retry_after
from reconciler.providers.base import RequestOutcome
from reconciler.providers.http.connecting import USE_HTTPS, wants_tls
from reconciler.providers.http.filebody import FileBody
from reconciler.providers.http.shape import clip, in_words
from reconciler.providers.http.transport import CannotConnect, Request, Response, TooMuch, Transport

Value = TypeVar("Value")

_LOG = logging.getLogger("reconciler.http")
_UNREADABLE_TRIES: Final = 3
_SENDING_SECONDS: Final = 30.0
"""Seconds that attempts at one read may take beside the waits, after the second of them."""


@dataclass(frozen=True, slots=True)
class AnswerMeaning:
    """What an answer that isn't a success means by its words, whatever its status would mean.

    ``again``: nothing was done, and the same may be answered otherwise later. Else it is a clear no.
    """

    meaning: frozenset[Refusal] = frozenset()
    gateways: tuple[str, ...] = ()
    """Whom of a call it is about, where it names them."""
    again: bool = False
    hint: str | None = None


@dataclass(frozen=True, slots=True)
class Statuses:
    """What one kind of server says with a status, beyond what HTTP does. ``too_often``: ask later."""

    too_often: frozenset[int]
    refusals: Mapping[int, frozenset[Refusal]]
    verdict: Callable[[Response], AnswerMeaning | None] = lambda _: None
    """What an answer says itself; None: its status decides."""


class NotPrepared(NotExecuted):
    """What must come before a call failed for good; the call was never sent."""

    def __init__(self, error: ServerError) -> None:
        super().__init__(
            error.message.removeprefix(f"{error.request}: "),
            request=error.request,
            status=error.status,
            retry_after=error.retry_after,
            hint=error.hint,
        )


class Overtaken(NotExecuted):
    """What a request rests on was no longer so when its turn came; it was not sent."""


class Sender:
    """Sends requests, at most `concurrency` at a time and as fast as the server likes it, and counts them."""

    def __init__(
        self,
        transport: Transport,
        statuses: Statuses,
        *,
        concurrency: int = 16,
        rate: float | None = None,
        backoff: Backoff | None = None,
        limiter: RateLimiter | None = None,
        clock: Clock = time.monotonic,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._transport = transport
        self._statuses = statuses
        self._backoff = backoff or Backoff()
        self._clock = clock
        self._sleep = sleep
        self._limiter = limiter or RateLimiter(rate, clock=clock, sleep=sleep)
        self._slots = asyncio.Semaphore(concurrency)
        self._reached = False
        self.requests: Counter[str] = Counter()
        self.answers: Counter[tuple[str, RequestOutcome]] = Counter()
        """What came of them."""
        self.secrets = Hiding()
        """What must not show in a message."""

    async def once(self, name: str, request: Request, *, still: Callable[[], bool] | None = None) -> Response:
        """The answer to one request, when it is its turn; counted as `name`. Overtaken unless `still`."""
        async with self._slots:
            await self._limiter.acquire()
            if still is not None and not still():
                raise Overtaken("what it rests on has become too old", request=str(request))
            self.requests[name] += 1
            began = self._clock()
            try:
                response = await self._transport.send(request)
            except ServerError as error:
                unclear = isinstance(error, Unclear)
                self.answers[name, RequestOutcome.UNCLEAR if unclear else RequestOutcome.ERROR] += 1
                _LOG.debug(
                    "%s %s after %.0f ms", request, type(error).__name__, (self._clock() - began) * 1000
                )
                raise
        if _LOG.isEnabledFor(logging.DEBUG):
            _LOG.debug("%s %d in %.0f ms", request, response.status, (self._clock() - began) * 1000)
        self._reached = True
        self.answers[name, self._outcome(response)] += 1
        if response.status in self._statuses.too_often and self._statuses.verdict(response) is None:
            self._limiter.too_much()
        return response

    def _outcome(self, response: Response) -> RequestOutcome:
        status = response.status
        if 200 <= status < 300:
            return RequestOutcome.OK
        if verdict := self._statuses.verdict(response):
            return RequestOutcome.LIMITED if verdict.again else RequestOutcome.REFUSED
        if status in self._statuses.too_often:
            return RequestOutcome.LIMITED
        return RequestOutcome.UNCLEAR if self.passing(response) else RequestOutcome.REFUSED

    def check(self, request: Request, response: Response, *, hint: str | None = None) -> None:
        """Raise what a status other than 2xx means; `hint` is for one that the server refuses with."""
        status, where = response.status, str(request)
        if 200 <= status < 300:
            return
        message = self.words(response)
        if verdict := self._statuses.verdict(response):
            if verdict.again:
                raise NotExecuted(message, request=where, status=status, hint=verdict.hint)
            said = verdict.hint or hint
            raise Refused(
                message,
                request=where,
                status=status,
                hint=said,
                meaning=verdict.meaning,
                gateways=verdict.gateways,
            )
        wait = retry_after(response.headers.get("retry-after"))
        if wait:
            # In the message, too, because a run gives up where the wait is longer than its patience.
            message = f"{message} (the server asks to wait {math.ceil(wait):,} s)"
        if status in self._statuses.too_often:
            raise NotExecuted(message, request=where, status=status, retry_after=wait)
        if _unclear(status):
            raise Unclear(message, request=where, status=status, retry_after=wait)
        if status < 400:
            # A redirect of a POST may lead to what it made.
            moved = status in (301, 307, 308) and request.method != "POST"
            kind = Refused if moved or request.method == "GET" else Unclear
            raise kind(
                f"{status} redirects to {self.secrets(_target(response))}",
                request=where,
                status=status,
                hint="Redirects are not followed: set the server's URL to where the API really is.",
            )
        meaning = self._statuses.refusals.get(status, frozenset())
        if status == 413:
            meaning, hint = meaning | {Refusal.TOO_LARGE}, hint or _too_large(request)
        elif wants_tls(message):
            hint = USE_HTTPS
        raise Refused(self.words(response), request=where, status=status, hint=hint, meaning=meaning)

    def too_often(self, status: int) -> bool:
        """Whether a status says to ask later."""
        return status in self._statuses.too_often

    def words(self, response: Response) -> str:
        """An answer that isn't a success, in a few words."""
        said = in_words(response.body, self.secrets)
        if said.startswith(str(response.status)):
            return said
        return f"{response.status} {said}" if said else f"the server answered {response.status}"

    def passing(self, response: Response) -> bool:
        """Whether an answer says that the same may be answered otherwise a moment later."""
        if verdict := self._statuses.verdict(response):
            return verdict.again
        return response.status in self._statuses.too_often or _unclear(response.status)

    async def persistently(self, attempt: Callable[[], Awaitable[Value]]) -> Value:
        """The result of `attempt`, made again after NotExecuted and Unclear while that can help."""
        began, fresh = self._clock(), True

        async def once() -> Value:
            nonlocal fresh
            fresh = not self._reached
            return await attempt()

        def wait(error: Exception, attempts: int, waited: float) -> float | None:
            if isinstance(error, NotPrepared | TooMuch) or not isinstance(error, NotExecuted | Unclear):
                return None  # what came before has been tried persistently
            limit = self._backoff.attempts
            if isinstance(error, CannotConnect) and (fresh or error.tries == 1):
                limit = error.tries
            elif error.status is not None and 200 <= error.status < 300:
                limit = _UNREADABLE_TRIES
            sending = self._clock() - began - waited
            if attempts >= limit or (attempts > 1 and sending > min(_SENDING_SECONDS, self._backoff.budget)):
                return None
            return self._backoff(attempts, error.retry_after, waited)

        return await retried(once, wait, sleep=self._sleep)

    async def before(self, what: Callable[[], Awaitable[Value]]) -> Value:
        """Something that comes before a call: when it fails, the call itself was surely not executed."""
        try:
            return await what()
        except (NotExecuted, Unclear) as error:
            raise NotPrepared(error) from error


def _unclear(status: int) -> bool:
    """Whether a status leaves open what was done."""
    return status >= 500 or status == 408 or status < 200


def _too_large(request: Request) -> str:
    """What helps where a body is more than the server, or a proxy before it, takes."""
    if isinstance(request.body, FileBody):
        return "The server, or a proxy before it, takes no body of that size: raise its limit."
    return "A smaller server.batchSize makes smaller requests; the limit may be that of a proxy."


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
