"""reconciler: over-the-air update campaigns, kept in Git."""

__version__ = "0.1.0"
