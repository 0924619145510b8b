"""Which rollouts come before which, and where each stands. Pure.

Tests: `tests/rollout/test_rollout_order.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from reconciler.model import Desired, DesiredCampaign, DesiredRollout, ResourceId, RolloutStatus
from reconciler.rollout.views import RolloutView
from reconciler.state.base import State
from reconciler.text import first

_FEW: Final = 3


class Standing:
    """Where the rollouts of all campaigns stand, for those that come after them.

    Who comes first is said by policies, so that all campaigns of one wait for the same.
    """

    def __init__(self, desired: Desired, state: State) -> None:
        self._campaigns = desired.campaigns
        self._status: dict[ResourceId, str] = {
            resource: owned.rollout.status.value
            for resource, owned in state.campaigns.items()
            if owned.rollout is not None
        }
        self._before: dict[str, str] = {}

    def ordered(self) -> Iterator[DesiredCampaign]:
        """Every campaign, each behind those that come before it."""
        after = {wish.policy: wish.after for each in self._campaigns if (wish := each.rollout) and wish.after}
        if not after:
            yield from self._campaigns
            return
        from graphlib import TopologicalSorter

        of_policy: dict[str, list[DesiredCampaign]] = {}
        policy_of: dict[ResourceId, str] = {}
        for each in self._campaigns:
            policy = each.rollout.policy if each.rollout else ""
            of_policy.setdefault(policy, []).append(each)
            policy_of[each.resource] = policy
        order = TopologicalSorter[str]()
        for policy in of_policy:
            order.add(policy, *{policy_of[name] for name in after.get(policy, ()) if name in policy_of})
        for policy in order.static_order():
            yield from of_policy[policy]

    def learn(self, view: RolloutView) -> None:
        """What this look found out about one."""
        begun = view.wave or view.entered or view.status is not RolloutStatus.PROGRESSING
        self._status[view.resource] = (
            "changed" if view.changed else view.status.value if begun else "not begun"
        )

    def before(self, wish: DesiredRollout) -> str:
        """Which of the campaigns that come before it aren't complete, and how they stand."""
        if wish.policy not in self._before:
            complete = RolloutStatus.COMPLETE.value
            left = [each for each in wish.after if self._status.get(each) != complete]
            said = [f"{each.name} ({self._status.get(each, 'not begun')})" for each in left]
            self._before[wish.policy] = first(said, _FEW)
        return self._before[wish.policy]
