"""Fixtures of the command line."""

from cli_runs import folder, process, run

__all__ = ["folder", "process", "run"]
