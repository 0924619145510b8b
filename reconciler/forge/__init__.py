"""What CI does beyond calling a command: one comment that is kept up to date, one issue about drift.

`reconciler-forge plan|apply|drift`, on GitHub Actions and GitLab CI alike.
"""
