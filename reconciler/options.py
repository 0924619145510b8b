"""What the person at the command line asked of a plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from reconciler.model import ResourceId


@dataclass(frozen=True, slots=True)
class Selector:
    """A condition on labels. ``value`` None: any value will do."""

    key: str
    """The key of the label."""
    value: str | None = None
    """The value of the label; none: any."""
    negated: bool = False
    """The label has another value, or is missing."""

    @classmethod
    def parse(cls, text: str) -> Selector:
        """``site=berlin``, ``site!=berlin`` or ``site``; ValueError when it is none of them."""
        key, equals, value = text.partition("=")
        negated = bool(equals) and key.endswith("!")
        key = key.removesuffix("!") if negated else key
        if not key.strip() or (not equals and "!" in key):
            raise ValueError(f"{text!r} is not KEY=VALUE, KEY!=VALUE or KEY")
        return cls(key, value if equals else None, negated)

    def __str__(self) -> str:
        return self.key if self.value is None else f"{self.key}{'!=' if self.negated else '='}{self.value}"

    def holds(self, labels: Mapping[str, str]) -> bool:
        if self.value is None:
            return self.key in labels
        return (labels.get(self.key) == self.value) is not self.negated


@dataclass(frozen=True, slots=True)
class Targets:
    """The campaigns that a run covers; without a condition all of them.

    One of ``resources``, if there are some, and every one of ``selectors`` holds.
    """

    resources: tuple[ResourceId, ...] = ()
    """The campaigns that were named."""
    selectors: tuple[Selector, ...] = ()
    """Conditions that each of them meets."""

    def __bool__(self) -> bool:
        return bool(self.resources or self.selectors)

    @property
    def asked(self) -> tuple[str, ...]:
        """As on the command line."""
        return (
            *(f"--target {resource}" for resource in self.resources),
            *(f"--selector {selector}" for selector in self.selectors),
        )


@dataclass(frozen=True, slots=True)
class Options:
    """The switches that change what a plan may contain."""

    adopt: bool = False
    """Take over live campaigns with declared names, and packages with our mark."""
    prune: bool = False
    """Delete what we own and Git no longer declares."""
    resume: bool = False
    """Start campaigns again that somebody else stopped."""
    reassert: bool = False
    """Send again what can't be read back: assumed values, and steps whose outcome is unknown."""
    refresh_recorded: bool = False
    """Trust the state for package overrides instead of reading them gateway by gateway."""
    targets: Targets = Targets()
    """The campaigns that the plan covers."""
    rollouts_only: bool = False
    """Only what holds rollouts up, and releases of campaigns that differ in nothing else."""
    imports: Mapping[ResourceId, str] = field(default_factory=dict)
    """Campaigns that ``import`` takes over by their id, whatever their names."""
