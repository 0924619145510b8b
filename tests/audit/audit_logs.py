"""Logs in memory, and runs in them."""

from dataclasses import dataclass, field
from itertools import count
from typing import Any

from reconciler.audit.chain import ChainLink, encode
from reconciler.audit.recorder import AuditedRun, Who
from reconciler.errors import StateError
from reconciler.model import Server

SERVER = Server("pulse", "https://pulse.example.com", "blue")
RUN = AuditedRun("apply", "1.2.3", Who("ada", "laptop"), SERVER)
MOMENT = 1_800_000_000.25


def chained(*data: dict[str, Any], run: int = 1) -> list[str]:
    """The lines of a log that holds `data`."""
    link, lines = ChainLink(), []
    for each in data:
        line, link = encode(each, link, run=run)
        lines.append(line)
    return lines


def log_of(size: int) -> list[str]:
    return chained(*({"type": "call", "outcome": f"{index}"} for index in range(size)))


@dataclass
class MemoryLog:
    """A `Log`; ``full``: how many writes still succeed. What can't be written is held for the next."""

    lines: list[str] = field(default_factory=list)
    held: list[str] = field(default_factory=list)
    writes: list[tuple[int, bool]] = field(default_factory=list)
    full: int | None = None

    @property
    def audit_tail(self) -> str | None:
        return [*self.lines, *self.held][-1] if self.lines or self.held else None

    def audit(self, *lines: str, sync: bool = True) -> None:
        self.held += lines
        if self.full is not None:
            if not self.full:
                raise StateError("no space", hint="Make room.")
            self.full -= 1
        self.writes.append((len(self.held), sync))
        self.lines += self.held
        self.held.clear()


def ticking() -> Any:
    """A clock that goes on by a second each time it is asked."""
    seconds = count()
    return lambda: MOMENT + next(seconds)
