"""Requests to a code host: paged, patient with its limits, and clear about what went wrong."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from ssl import PROTOCOL_TLS_CLIENT, SSLContext
from typing import Any

import httpx

from reconciler.errors import ReconcilerError
from reconciler.forge.notes import ForgeError
from reconciler.pacing import Backoff, Sleep, retried, retry_after
from reconciler.proxies import Proxy, proxy_for, socks_is_missing
from reconciler.text import duration, excerpt

_TIMEOUT = 30.0
_AGAIN = frozenset({429, 500, 502, 503, 504})
PAGE = 100
_MOST_PAGES = 1_000


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
        self._proxy = _proxy(base)
        self._client = _client(base, headers, self._proxy)
        self._backoff = backoff or Backoff(base=1.0, budget=120.0)
        self._sleep = sleep

    async def __aenter__(self) -> Api:
        await self._client.__aenter__()
        return self

    async def __aexit__(self, *error: Any) -> None:
        await self._client.__aexit__(*error)

    async def call(self, method: str, path: str, *, body: Any = None, **query: str | int) -> Any:
        """The JSON of the answer. Sent again after what passes; a POST only if it surely did not arrive."""
        return _json(await self._send(method, path, body, query), f"{method} {path}")

    async def pages(self, path: str, **query: str | int) -> AsyncIterator[Mapping[str, Any]]:
        """Every item of a list, over all of its pages."""
        for number in range(1, _MOST_PAGES + 1):
            answer = await self._send("GET", path, None, {**query, "per_page": PAGE, "page": number})
            rows = _json(answer, f"GET {path}")
            if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
                raise ForgeError(f"GET {path}: the answer isn't a list of objects", hint=_SETTINGS_HINT)
            for row in rows:
                yield row
            if len(rows) < PAGE:
                return
        raise ForgeError(f"GET {path}: the list has more than {_MOST_PAGES:,} pages", hint=_SETTINGS_HINT)

    def _unconnected(self, error: httpx.HTTPError, what: str) -> ForgeError:
        """No connection: of the proxy where there is one, because only it was called."""
        said = str(error) or "not in time"
        if self._proxy:
            return _Passing(f"{what}: no connection through {self._proxy}: {said}", hint=self._proxy.hint)
        return _Passing(f"{what}: no connection: {said}")

    async def _send(
        self, method: str, path: str, body: Any, query: Mapping[str, str | int]
    ) -> httpx.Response:
        async def attempt() -> httpx.Response:
            try:
                answer = await self._client.request(method, path, params=dict(query), json=body)
            except (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError) as error:
                raise self._unconnected(error, f"{method} {path}") from error
            except _NEVER_SENT as error:
                raise ForgeError(f"{method} {path}: {error}", hint=_SETTINGS_HINT) from error
            except httpx.HTTPError as error:
                # A POST may have been made: the next run finds it by its mark.
                failure = ForgeError if method == "POST" else _Passing
                said = f"{method} {path}: no answer: {type(error).__name__}"
                raise failure(said, hint=_AGAIN_HINT) from error
            if answer.is_success:
                return answer
            said = f"{method} {path}: {answer.status_code} {_message(answer)}"
            asked, limited = _asked(answer), _limited(answer)
            again = limited or answer.status_code in _AGAIN
            if not again or (method == "POST" and not limited and not asked):
                raise ForgeError(said, hint=_hint(answer))
            raise _Passing(said, hint=_hint(answer), asked=asked)

        def wait(error: Exception, attempts: int, waited: float) -> float | None:
            return self._backoff(attempts, error.asked, waited) if isinstance(error, _Passing) else None

        return await retried(attempt, wait, sleep=self._sleep)


_NEVER_SENT = (
    httpx.InvalidURL,
    httpx.UnsupportedProtocol,
    httpx.LocalProtocolError,
    ValueError,
    OverflowError,  # a port beyond all ports; of a name with several addresses, in a group
    ExceptionGroup,
)
_AGAIN_HINT = "Run the job again."
_SETTINGS_HINT = (
    "Look at the address of the code host, its token and the proxy in the environment of the job."
)


def _client(base: str, headers: Mapping[str, str], proxy: Proxy | None) -> httpx.AsyncClient:
    """The client for `base`; ForgeError when the settings of the job can't be used."""
    # An unused context avoids loading all certificates.
    tls = httpx.create_ssl_context() if base.startswith("https:") else SSLContext(PROTOCOL_TLS_CLIENT)
    try:
        return httpx.AsyncClient(
            base_url=base,
            headers=headers,
            timeout=_TIMEOUT,
            verify=tls,
            proxy=proxy.url if proxy else None,
            # httpx's own reading of the environment fails on an IPv6 network in NO_PROXY.
            trust_env=False,
        )
    except ImportError as error:
        assert proxy is not None
        missing = socks_is_missing(proxy)
        raise ForgeError(missing.message, hint=missing.hint) from error
    except (httpx.InvalidURL, ValueError) as error:
        raise ForgeError(f"the code host can't be called: {error}", hint=_SETTINGS_HINT) from error


def _proxy(base: str) -> Proxy | None:
    """The proxy of the job for `base`."""
    try:
        return proxy_for(base)
    except ValueError as error:
        raise ForgeError(f"the code host can't be called: {error}", hint=_SETTINGS_HINT) from error
    except ReconcilerError as error:
        raise ForgeError(error.message, hint=error.hint) from error


def _json(answer: httpx.Response, what: str) -> Any:
    """The JSON of an answer; ForgeError when it is something else."""
    try:
        return answer.json()
    except (ValueError, RecursionError) as error:
        kind = excerpt(answer.headers.get("content-type", ""), 60) or "of no type"
        raise ForgeError(
            f"{what}: the answer isn't JSON ({kind}), but begins with {excerpt(answer.text[:200], 60)!r}",
            hint="Is this the API of the code host, and is it up? A proxy or a sign-in may be in its place.",
        ) from error


def _limited(answer: httpx.Response) -> bool:
    """Whether the answer says that there were too many requests; GitHub says so with 403, too."""
    if answer.status_code == 429:
        return True
    if answer.status_code != 403:
        return False
    headers = answer.headers
    if "retry-after" in headers or headers.get("x-ratelimit-remaining", "").strip() == "0":
        return True
    return "rate limit" in _message(answer).lower()


def _asked(answer: httpx.Response) -> float | None:
    """Seconds that the code host asks to wait."""
    asked = retry_after(answer.headers.get("retry-after"))
    if asked is None and _limited(answer):
        reset = answer.headers.get("x-ratelimit-reset") or answer.headers.get("ratelimit-reset") or ""
        if reset.strip().isascii() and reset.strip().isdigit():
            asked = max(0.0, min(float(reset), 1e12) - time.time())
    return asked


class _Passing(ForgeError):
    """What a later attempt may not meet; ``asked``: seconds that the host asks to wait."""

    def __init__(self, message: str, *, hint: str = _AGAIN_HINT, asked: float | None = None) -> None:
        super().__init__(message, hint=hint)
        self.asked = asked


def _message(answer: httpx.Response) -> str:
    try:
        said = answer.json()
    except (ValueError, RecursionError):
        return excerpt(answer.reason_phrase, 200)
    message = said.get("message") if isinstance(said, dict) else None
    return excerpt(str(message or answer.reason_phrase), 200)


def _hint(answer: httpx.Response) -> str:
    if _limited(answer):
        asked = _asked(answer)
        after = f" in {duration(max(1, round(min(asked, 1e9))))}" if asked else " later"
        return f"The code host's rate limit is used up: run the job again{after}."
    if answer.status_code in (401, 403, 404):
        return "Does the job's token have the permission to write comments and issues here?"
    return _AGAIN_HINT
