"""The command line: the only place that knows click, asks, writes for people and exits."""

from reconciler.cli.entry import main

__all__ = ["main"]
