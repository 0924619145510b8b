"""Requests to a code host: paged, patient with its limits, and clear about what went wrong."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from ssl import PROTOCOL_TLS_CLIENT, SSLContext
from typing import Any

import httpx

from reconciler.forge.notes import ForgeError
from reconciler.pacing import Backoff, Sleep, retried, retry_after
from reconciler.text import excerpt

_TIMEOUT = 30.0
_AGAIN = frozenset({429, 500, 502, 503, 504})
PAGE = 100


class Api:
    """The REST API below `base`. Closed with ``async with``."""

    def __init__(
        self,
        base: str,
        headers: Mapping[str, str],
        *,
        backoff: Backoff | None = None,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        # A context that is never used spares loading all certificates.
        tls = True if base.startswith("https:") else SSLContext(PROTOCOL_TLS_CLIENT)
        self._client = httpx.AsyncClient(base_url=base, headers=headers, timeout=_TIMEOUT, verify=tls)
        self._backoff = backoff or Backoff(base=1.0, budget=120.0)
        self._sleep = sleep

    async def __aenter__(self) -> Api:
        await self._client.__aenter__()
        return self

    async def __aexit__(self, *error: Any) -> None:
        await self._client.__aexit__(*error)

    async def call(self, method: str, path: str, *, body: Any = None, **query: str | int) -> Any:
        """The JSON of the answer. Sent again after what passes; a POST only if it surely did not arrive."""
        return (await self._send(method, path, body, query)).json()

    async def pages(self, path: str, **query: str | int) -> AsyncIterator[Mapping[str, Any]]:
        """Every item of a list, over all of its pages."""
        number = 1
        while True:
            answer = await self._send("GET", path, None, {**query, "per_page": PAGE, "page": number})
            rows = answer.json()
            for row in rows:
                yield row
            if len(rows) < PAGE:
                return
            number += 1

    async def _send(
        self, method: str, path: str, body: Any, query: Mapping[str, str | int]
    ) -> httpx.Response:
        async def attempt() -> httpx.Response:
            try:
                answer = await self._client.request(method, path, params=dict(query), json=body)
            except httpx.ConnectError as error:
                raise _Passing(f"{method} {path}: no connection: {error}") from error
            except httpx.HTTPError as error:
                # A POST may have been made: the next run finds it by its mark.
                failure = ForgeError if method == "POST" else _Passing
                said = f"{method} {path}: no answer: {type(error).__name__}"
                raise failure(said, hint=_AGAIN_HINT) from error
            if answer.is_success:
                return answer
            said = f"{method} {path}: {answer.status_code} {_message(answer)}"
            asked = retry_after(answer.headers.get("retry-after"))
            limited = answer.status_code == 403 and asked is not None
            if not limited and (answer.status_code not in _AGAIN or (method == "POST" and not asked)):
                raise ForgeError(said, hint=_hint(answer.status_code))
            raise _Passing(said, asked=asked)

        def wait(error: Exception, attempts: int, waited: float) -> float | None:
            return self._backoff(attempts, error.asked, waited) if isinstance(error, _Passing) else None

        return await retried(attempt, wait, sleep=self._sleep)


_AGAIN_HINT = "Run the job again."


class _Passing(ForgeError):
    """What a later attempt may not meet; ``asked``: seconds that the host asks to wait."""

    def __init__(self, message: str, *, hint: str = _AGAIN_HINT, asked: float | None = None) -> None:
        super().__init__(message, hint=hint)
        self.asked = asked


def _message(answer: httpx.Response) -> str:
    try:
        said = answer.json()
    except ValueError:
        return answer.reason_phrase
    message = said.get("message") if isinstance(said, dict) else None
    return excerpt(str(message or answer.reason_phrase), 200)


def _hint(status: int) -> str:
    if status in (401, 403, 404):
        return "Does the job's token have the permission to write comments and issues here?"
    return _AGAIN_HINT
