"""What CI does beyond calling a command: one comment that is kept up to date, one issue about drift,
and one for each rollout that waits for a person.

`reconciler-forge plan|apply|drift|rollout`, on GitHub Actions and GitLab CI alike.
"""
