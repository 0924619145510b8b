"""One run's settings: a project file, the environment and flags, merged."""

from reconciler.project.loader import LoadedProject, load_project

__all__ = ["LoadedProject", "load_project"]
