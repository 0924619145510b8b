"""Plans in files: what was reviewed is what is applied."""

from reconciler.plan.file.disk import (
    FORMAT_VERSION,
    Head,
    MadeIn,
    MadeOn,
    PlanFile,
    SavedPlan,
    open_plan,
    refused,
    write_plan,
)
from reconciler.plan.file.lines import Sealed, plan_digest, salted

__all__ = [
    "FORMAT_VERSION",
    "Head",
    "MadeIn",
    "MadeOn",
    "PlanFile",
    "SavedPlan",
    "Sealed",
    "open_plan",
    "plan_digest",
    "refused",
    "salted",
    "write_plan",
]
