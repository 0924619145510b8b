"""Validated resources → what they ask for: references, files, times, secrets and defaults."""

from reconciler.resolve.resolver import Resolved, resolve

__all__ = ["Resolved", "resolve"]
