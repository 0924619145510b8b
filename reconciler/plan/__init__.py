"""Changes become steps in a safe order."""

from reconciler.plan.build import make_plan
from reconciler.plan.model import CampaignImpact, Impact, Plan

__all__ = ["CampaignImpact", "Impact", "Plan", "make_plan"]
