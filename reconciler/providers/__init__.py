"""Servers, each behind the seam of `base`."""
