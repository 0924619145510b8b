"""What a real server does to its callers, on request: late, wrong, half or no answers.

rules     a fault as it is asked for, and how often it struck
inject    the middleware that lets it strike
"""

from reconciler.embedded.faults.inject import CONNECTION, LAG, Inject
from reconciler.embedded.faults.rules import Effect, Faults, Rule, parse_rules

__all__ = ["CONNECTION", "LAG", "Effect", "Faults", "Inject", "Rule", "parse_rules"]
