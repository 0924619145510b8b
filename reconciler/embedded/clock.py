"""The clock of a server: real, or moved, sped up, stopped and stepped."""

import json
import sqlite3
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Final

_KEY: Final = "clock"


def real_ms() -> int:
    """Epoch milliseconds of this machine."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True)
class Setting:
    """At real time `real_ms` it was `now_ms`; from there time runs `factor` times as fast, or not at all.

    It runs on while no server does. The default is the real clock.
    """

    real_ms: int = 0
    now_ms: int = 0
    factor: float = 1.0
    paused: bool = False

    def at(self, real: int) -> int:
        if self.paused:
            return self.now_ms
        return self.now_ms + int((real - self.real_ms) * self.factor)


class Clock:
    """All times of one server, in epoch milliseconds. `real` is the clock of the machine, or a test's."""

    def __init__(self, setting: Setting, real: Callable[[], int] = real_ms) -> None:
        self._setting = setting
        self._real = real
        self._held: int | None = None

    @classmethod
    def load(cls, db: sqlite3.Connection, real: Callable[[], int] = real_ms) -> "Clock":
        row = db.execute("SELECT value FROM settings WHERE key = ?", (_KEY,)).fetchone()
        return cls(Setting(**json.loads(row["value"])) if row else Setting(), real)

    def save(self, db: sqlite3.Connection) -> None:
        """Keep it, as it is now, over a restart."""
        value = json.dumps(asdict(self.setting))
        db.execute("INSERT OR REPLACE INTO settings (key, value) VALUES (?, ?)", (_KEY, value))

    @property
    def setting(self) -> Setting:
        """Measured from this moment."""
        real = self._real()
        now = self._setting.at(real) if self._held is None else self._held
        return replace(self._setting, real_ms=real, now_ms=now)

    @property
    def stands(self) -> bool:
        """Paused, or held while it is stepped."""
        return self._setting.paused or self._held is not None

    def now_ms(self) -> int:
        return self._setting.at(self._real()) if self._held is None else self._held

    def change(
        self, *, now_ms: int | None = None, factor: float | None = None, paused: bool | None = None
    ) -> None:
        """Set what is given, keep the rest."""
        before = self.setting
        self._setting = replace(
            before,
            now_ms=before.now_ms if now_ms is None else now_ms,
            factor=before.factor if factor is None else factor,
            paused=before.paused if paused is None else paused,
        )

    def hold(self, now_ms: int) -> None:
        """Stand at `now_ms` until released: while time is stepped."""
        self._held = now_ms

    def release(self) -> None:
        """Run on from where it was held."""
        self._setting = self.setting
        self._held = None
