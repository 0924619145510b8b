"""Fixtures of the reports: one plan that has something of everything."""

from report_samples import full_outcomes, full_plan

__all__ = ["full_outcomes", "full_plan"]
