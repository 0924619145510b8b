"""What every request of one server shares: the store, the clock, who may call, what is recorded.

Tests: `tests/embedded/test_embedded_control.py`.
"""

import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

from reconciler.embedded.clock import Clock
from reconciler.embedded.dialects.model import Speech
from reconciler.embedded.faults.rules import Faults
from reconciler.embedded.middleware import RequestLog
from reconciler.embedded.simulation.driver import Driver
from reconciler.embedded.store import Store


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who may call. Nothing set: everybody."""

    token: str | None = None
    username: str | None = None
    password: str | None = None

    @property
    def open(self) -> bool:
        return self.token is None and self.username is None

    def is_token(self, given: str) -> bool:
        return self.token is not None and hmac.compare_digest(self.token.encode(), given.encode())

    def is_user(self, username: str, password: str) -> bool:
        """Both are compared in full, so that the time taken tells nothing."""
        if self.username is None:
            return self.open
        user = hmac.compare_digest(self.username.encode(), username.encode())
        return hmac.compare_digest((self.password or "").encode(), password.encode()) and user


@dataclass(frozen=True, slots=True)
class Context:
    """The seams of a running server."""

    store: Store
    recorder: RequestLog
    credentials: Credentials
    clock: Clock
    driver: Driver
    new_id: Callable[[], str]
    speech: Speech = field(default_factory=Speech)
    faults: Faults = field(default_factory=Faults)
    callbacks_allowed: bool = True
    """Whether callers may say where callbacks go: else strangers could make this machine call itself."""

    def now_ms(self) -> int:
        """Epoch milliseconds by the clock of the server."""
        return self.clock.now_ms()

    @property
    def user(self) -> str:
        """Who made a package, as *Get Package Information* tells it."""
        return self.credentials.username or "embedded"


def new_token() -> str:
    return secrets.token_urlsafe(32)
