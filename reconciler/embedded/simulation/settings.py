"""`/_embedded/simulation`: how simulated gateways behave, as JSON and in the database."""

import json
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from reconciler.embedded.errors import CallRefused
from reconciler.embedded.simulation.machine import PHASES

_KEY: Final = "simulation"
_YEAR_SECONDS: Final = 366 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Rate:
    """How often something fails, 0 to 1: `whole` in any one of the phases, `phases` in that phase."""

    whole: float = 0.0
    phases: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Simulation:
    """`headless` is true for all packages, or holds the ids of those that are.

    So many gateways, 0 to 1, are offline at first: they poll only so many hours after they joined.
    """

    enabled: bool = False
    seed: int = 0
    poll_seconds: int = 300
    download_bytes_per_second: int = 1_000_000
    execution_seconds: int = 60
    activation_seconds: int = 30
    failure_rate: Rate = Rate()
    failures: Mapping[str, Rate] = field(default_factory=dict)
    headless: bool | frozenset[str] = False
    offline_rate: float = 0.0
    offline_hours: int = 24
    delivery_attempts: int = 5
    delivery_backoff_seconds: int = 10


def parse(before: Simulation, values: Mapping[str, object]) -> Simulation:
    """`before` with those values that are given; 400 for what is none."""
    unknown = sorted(values.keys() - _FIELDS)
    if unknown:
        raise CallRefused(400, f"There is no setting {unknown[0]!r}; there are {', '.join(_FIELDS)}.")
    changes = {_FIELDS[key][0]: _FIELDS[key][1](f"`{key}`", value) for key, value in values.items()}
    return replace(before, **changes)  # type: ignore[arg-type]


def show(simulation: Simulation) -> dict[str, object]:
    """As JSON has it; `parse` takes it back."""
    return {key: _plain(getattr(simulation, name)) for key, (name, _) in _FIELDS.items()}


def load(db: sqlite3.Connection) -> Simulation:
    row = db.execute("SELECT value FROM settings WHERE key = ?", (_KEY,)).fetchone()
    return parse(Simulation(), json.loads(row["value"])) if row else Simulation()


def save(db: sqlite3.Connection, simulation: Simulation) -> None:
    value = json.dumps(show(simulation))
    db.execute("INSERT OR REPLACE INTO settings (key, value) VALUES (?, ?)", (_KEY, value))


def _plain(value: object) -> object:
    match value:
        case Rate(whole=whole, phases=phases):
            return dict(phases) if phases else whole
        case frozenset():
            return sorted(value)
        case Mapping():
            return {key: _plain(one) for key, one in value.items()}
    return value


def _flag(what: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise CallRefused(400, f"{what} must be true or false.")
    return value


def _whole(least: int, most: int) -> Callable[[str, object], int]:
    def read(what: str, value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise CallRefused(400, f"{what} must be a whole number from {least} to {most}.")
        return value

    return read


def _chance(what: str, value: object) -> float:
    return _share(what, value, ", or such a number for each phase")


def _share(what: str, value: object, more: str = "") -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise CallRefused(400, f"{what} must be a number from 0 to 1{more}.")
    return float(value)


def _rate(what: str, value: object) -> Rate:
    if not isinstance(value, Mapping):
        return Rate(whole=_chance(what, value))
    unknown = sorted(value.keys() - set(PHASES))
    if unknown:
        raise CallRefused(400, f"{what}: there is no phase {unknown[0]!r}; there are {', '.join(PHASES)}.")
    return Rate(phases={phase: _chance(what, one) for phase, one in value.items()})


def _rates(what: str, value: object) -> dict[str, Rate]:
    if not isinstance(value, Mapping):
        raise CallRefused(400, f"{what} must map package ids to rates.")
    return {str(key): _rate(f"{what}, {key!r},", one) for key, one in value.items()}


def _packages(what: str, value: object) -> bool | frozenset[str]:
    if isinstance(value, bool):
        return value
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise CallRefused(400, f"{what} must be true, false or a list of package ids.")
    return frozenset(value)


_FIELDS: Final[Mapping[str, tuple[str, Callable[[str, object], object]]]] = {
    "enabled": ("enabled", _flag),
    "seed": ("seed", _whole(0, 1 << 53)),
    "pollSeconds": ("poll_seconds", _whole(1, _YEAR_SECONDS)),
    "downloadBytesPerSecond": ("download_bytes_per_second", _whole(1, 1 << 53)),
    "executionSeconds": ("execution_seconds", _whole(0, _YEAR_SECONDS)),
    "activationSeconds": ("activation_seconds", _whole(0, _YEAR_SECONDS)),
    "failureRate": ("failure_rate", _rate),
    "failures": ("failures", _rates),
    "headless": ("headless", _packages),
    "offlineRate": ("offline_rate", _share),
    "offlineHours": ("offline_hours", _whole(0, _YEAR_SECONDS // 3600)),
    "deliveryAttempts": ("delivery_attempts", _whole(1, 100)),
    "deliveryBackoffSeconds": ("delivery_backoff_seconds", _whole(0, _YEAR_SECONDS)),
}
