"""Fixtures of the command line."""

from cli_runs import folder, process, run
from cli_servers import world

__all__ = ["folder", "process", "run", "world"]
