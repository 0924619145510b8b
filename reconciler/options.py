"""What the person at the command line asked of a plan."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Options:
    """The switches that change what a plan may contain."""

    adopt: bool = False
    """Take live campaigns of declared names, and packages by their mark, as ours."""
    prune: bool = False
    """Delete what we own and Git no longer declares."""
    resume: bool = False
    """Start campaigns again that somebody else stopped."""
    reassert: bool = False
    """Send again what can't be read: assumed values, and steps whose outcome is unknown."""
    refresh_recorded: bool = False
    """Trust the state for package overrides instead of reading them gateway by gateway."""
