"""Fixtures of the command line."""

from cli_runs import folder, on_a_terminal, process, run
from cli_servers import world

__all__ = ["folder", "on_a_terminal", "process", "run", "world"]
