"""Callbacks on their way out: each is sent by HTTP POST, and again later when that didn't work.

Tests: `tests/embedded/test_embedded_callbacks.py`.
"""

import asyncio
import ipaddress
import time
from collections.abc import Sequence
from itertools import chain
from ssl import PROTOCOL_TLS_CLIENT, SSLContext
from typing import TYPE_CHECKING, Final, Self
from urllib.parse import urlsplit

from reconciler.embedded.errors import CallRefused
from reconciler.embedded.simulation.settings import Simulation
from reconciler.embedded.store import Store
from reconciler.embedded.tables import deliveries
from reconciler.embedded.tables.deliveries import Delivery
from reconciler.embedded.wire import Json
from reconciler.pool import all_of

if TYPE_CHECKING:
    import httpx

# Real seconds; a later answer counts as none.
_TIMEOUT: Final = 3.0
_BATCH: Final = 200
_LONGEST_BACKOFF_SECONDS: Final = 24 * 3600


def check_url(url: str) -> str:
    """A URL that callbacks may go to: http on this machine; 400 for any other."""
    try:
        parts = urlsplit(url)
        port, host = parts.port, parts.hostname or ""
    except ValueError:
        port, host, parts = 0, "", urlsplit("")
    if parts.scheme != "http" or port == 0 or not (host == "localhost" or _is_loopback(host)):
        raise CallRefused(400, "`url` must be an http URL on this machine: http://127.0.0.1:<port>/…")
    return url


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def backoff_ms(attempts: int, simulation: Simulation) -> int | None:
    """How long to wait after so many attempts that failed: each time twice as long; None to give up."""
    if attempts >= simulation.delivery_attempts:
        return None
    seconds = simulation.delivery_backoff_seconds << (attempts - 1)
    return min(seconds, _LONGEST_BACKOFF_SECONDS) * 1000


class Courier:
    """Attempts what is due, one batch at a time; its connections last as long as the `with` block."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._client: httpx.Client | None = None
        self._ended = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._ended = True
        if self._client is not None:
            self._client.close()

    async def attempt(self, now_ms: int, simulation: Simulation) -> int:
        """Attempt the first of those that are due by then, each once; answers how many.

        The callbacks of a campaign go out one after the other, those of several campaigns side by side.
        """
        with self._store.transaction(write=False) as db:
            found = deliveries.due(db, now_ms, _BATCH)
        by_campaign: dict[str, list[Delivery]] = {}
        for delivery in found:
            by_campaign.setdefault(delivery.campaign_id, []).append(delivery)
        if any(delivery.url for delivery in found):
            self._connect()
        # In threads: there httpx takes a third of the time, and the answer may come from this very loop.
        groups = await all_of(asyncio.to_thread(self._send_all, mine) for mine in by_campaign.values())
        with self._store.transaction(write=True) as db:
            for delivery, status, error in chain.from_iterable(groups):
                attempt: Json = {"timestamp": str(delivery.due_ms), "status": status, "error": error}
                outcome, due_ms = _verdict(delivery, error, simulation)
                deliveries.attempted(db, delivery, attempt, outcome=outcome, due_ms=due_ms)
            deliveries.forget_old(db)
        return sum(map(len, groups))

    def _send_all(self, mine: Sequence[Delivery]) -> list[tuple[Delivery, int | None, str | None]]:
        """Each with the status of the answer, if one came, and what went wrong, if anything did.

        Those are left out that there was no time for.
        """
        sent: list[tuple[Delivery, int | None, str | None]] = []
        end = time.monotonic() + _TIMEOUT
        for delivery in mine:
            if self._ended or (sent and time.monotonic() > end):
                break
            sent.append((delivery, *self._send(delivery)))
        return sent

    def _send(self, delivery: Delivery) -> tuple[int | None, str | None]:
        if delivery.url is None or self._client is None:
            return None, f"There is no destination {delivery.destination!r}."
        import httpx

        body = {"deliveryId": str(delivery.seq), **delivery.payload}
        try:
            answer = self._client.post(delivery.url, json=body)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return None, f"{type(error).__name__}: {error}".removesuffix(": ")
        if not answer.is_success:
            return answer.status_code, f"The answer was {answer.status_code}."
        return answer.status_code, None

    def _connect(self) -> None:
        import httpx

        if self._client is None:
            # On this machine, without TLS: no proxy, and a context that trusts nobody, which is quickly made.
            nobody = SSLContext(PROTOCOL_TLS_CLIENT)
            self._client = httpx.Client(timeout=_TIMEOUT, trust_env=False, verify=nobody)


def _verdict(delivery: Delivery, error: str | None, simulation: Simulation) -> tuple[str, int | None]:
    """What has become of a delivery by its last attempt, and when the next one is."""
    if error is None:
        return deliveries.DELIVERED, None
    wait = backoff_ms(len(delivery.attempts) + 1, simulation)
    return (deliveries.FAILED, None) if wait is None else (deliveries.PENDING, delivery.due_ms + wait)
