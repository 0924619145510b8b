"""Changes become steps in a safe order."""
