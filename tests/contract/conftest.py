"""Puts this folder on the path: the tests of `wire/` and those beside it share the `wire_…` modules."""
