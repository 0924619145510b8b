"""The command line: the only place that knows click, exits, and chooses what stands behind the seams."""

from reconciler.cli.entry import main

__all__ = ["main"]
