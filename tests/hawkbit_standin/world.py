"""What the stand-in does by itself: rollouts that go on, actions that begin and end, and their counts."""

import itertools
from collections.abc import Callable, Iterable
from typing import Any

from tests.hawkbit_standin.model import (
    Action,
    Bundle,
    Group,
    Module,
    Rollout,
    Tag,
    Target,
    TargetFilter,
)
from tests.hawkbit_standin.rsql import matcher

OPEN = ("running", "downloaded", "canceling", "wait_for_confirmation")
"""Of an action that is active."""
BUSY = ("creating", "starting", "stopping", "deleting")
DEFAULTS = {
    "successCondition": {"condition": "THRESHOLD", "expression": "50"},
    "successAction": {"action": "NEXTGROUP", "expression": ""},
    "errorCondition": {"condition": "THRESHOLD", "expression": "50"},
    "errorAction": {"action": "PAUSE", "expression": ""},
}


class World:
    """Everything there is; `pass_time` is what the schedulers do."""

    def __init__(self, now: Callable[[], int]) -> None:
        self.now = now
        self._ids = itertools.count(1)
        self.targets: dict[str, Target] = {}
        self.tags: dict[int, Tag] = {}
        self.filters: dict[int, TargetFilter] = {}
        self.modules: dict[int, Module] = {}
        self.bundles: dict[int, Bundle] = {}
        self.rollouts: dict[int, Rollout] = {}
        self.actions: dict[int, Action] = {}
        self.config: dict[str, Any] = {
            "rollout.approval.enabled": False,
            "user.confirmation.flow.enabled": False,
            "authentication.gatewaytoken.enabled": False,
            "authentication.gatewaytoken.key": "",
            "authentication.targettoken.enabled": False,
            "pollingTime": "00:05:00",
        }
        self.actions_per_target = 2000
        self.targets_per_group = 20_000
        self.slow_ms = 0
        """How long a rollout is busy before the schedulers look at it."""
        self.version = 0
        """Goes up with each change, so that answers to the same query can be kept."""

    def new(self, kind: type[Any], **values: Any) -> Any:
        made = kind(next(self._ids), self.now(), modified_at=self.now(), **values)
        self.version += 1
        return made

    # --- queries ------------------------------------------------------------------------------------

    def target_values(self, target: Target, field: str) -> Iterable[Any]:
        field = field.lower()
        match field.partition("."):
            case ("id" | "controllerid", "", _):
                return (target.controller,)
            case ("tag", "", _):
                return [self.tags[tag].name for tag in target.tags if tag in self.tags]
            case ("attribute", ".", key):
                return [v for k, v in target.attributes.items() if k.lower() == key]
            case ("assignedds" | "installedds" as which, ".", part):
                bundle = self.bundles.get(
                    (target.assigned if which == "assignedds" else target.installed) or 0
                )
                return [] if bundle is None else [getattr(bundle, part)]
        values = {"name": target.name, "description": target.description, "updatestatus": target.status}
        return (values[field],)

    @staticmethod
    def knows_target_field(field: str) -> bool:
        field = field.lower()
        return field in {"id", "controllerid", "tag", "name", "description", "updatestatus"} or (
            field.partition(".")[0] in {"attribute", "assignedds", "installedds", "metadata"} and "." in field
        )

    def targets_of(self, query: str) -> list[Target]:
        """Targets that `query` means, in the order of their ids."""
        matches = matcher(query, self.target_values, self.knows_target_field)
        return [target for target in self.targets.values() if matches(target)]

    # --- the schedulers -----------------------------------------------------------------------------

    def pass_time(self) -> None:
        """What the schedulers do in one round."""
        for rollout in list(self.rollouts.values()):
            if rollout.status in BUSY and self.now() < rollout.modified_at + self.slow_ms:
                continue
            self._look_at(rollout)

    def _look_at(self, rollout: Rollout) -> None:
        match rollout.status:
            case "creating":
                self._fill(rollout)
                waits = self.config["rollout.approval.enabled"]
                self._becomes(rollout, "waiting_for_approval" if waits else "ready")
            case "ready" if rollout.start_at is not None and rollout.start_at <= self.now():
                self._becomes(rollout, "starting")
            case "starting":
                self._begin(rollout)
            case "running":
                self._go_on(rollout)
            case "stopping":
                self._end(rollout, "canceling")
                for group in rollout.groups:
                    group.status = "finished"
                self._becomes(rollout, "stopped")
            case "deleting":
                self._drop(rollout)

    def _becomes(self, rollout: Rollout, status: str) -> None:
        rollout.status, rollout.modified_at = status, self.now()
        self.version += 1

    def _fill(self, rollout: Rollout) -> None:
        left = {t.controller: None for t in self.targets_of(rollout.query)}
        for group in rollout.groups:
            group.status = "ready"
            if group.dynamic:
                continue
            mine = [t.controller for t in self.targets_of(group.query)] if group.query else left
            mine = [gateway for gateway in mine if gateway in left]
            group.targets = mine[: round(len(mine) * group.percentage / 100)]
            for gateway in group.targets:
                del left[gateway]

    def _begin(self, rollout: Rollout) -> None:
        gateways = [gateway for group in rollout.groups for gateway in group.targets]
        if any(self._full(gateway) for gateway in gateways):
            return  # for ever: the real one says so in its log only
        rollout.ran = True
        for group in rollout.groups:
            group.status = "scheduled"
            for gateway in group.targets:
                self._schedule(rollout, group, gateway)
        self._becomes(rollout, "running")
        if rollout.groups:
            self._start_group(rollout, rollout.groups[0])

    def _full(self, gateway: str) -> bool:
        target = self.targets.get(gateway)
        return target is not None and len(target.actions) >= self.actions_per_target

    def _schedule(self, rollout: Rollout, group: Group, gateway: str) -> Action | None:
        target = self.targets.get(gateway)
        if target is None:
            return None
        made: Action = self.new(
            Action,
            target=gateway,
            bundle=rollout.bundle,
            rollout=rollout.id,
            group=group.id,
            status="scheduled",
            active=False,
            force=rollout.type,
            force_time=rollout.force_time,
            weight=rollout.weight,
        )
        self._keep(made)
        rollout.actions[gateway] = made
        return made

    def _keep(self, action: Action) -> None:
        self.actions[action.id] = action
        self.targets[action.target].actions.append(action)
        self.note(action, f"became {action.status}")

    def note(self, action: Action, *messages: str, code: int | None = None) -> None:
        said = {"id": next(self._ids), "type": action.status, "reportedAt": self.now()}
        said["messages"] = list(messages)
        action.history.insert(0, said if code is None else {**said, "code": code})
        self.version += 1

    def _start_group(self, rollout: Rollout, group: Group) -> None:
        group.status = "running"
        for action in [a for a in rollout.actions.values() if a.group == group.id]:
            if action.status == "scheduled":
                self.start(action, confirm=group.confirm or rollout.confirm)

    def start(self, action: Action, *, confirm: bool = False) -> None:
        """An action begins; of what is assigned already it ends at once, and well."""
        target = self.targets[action.target]
        if target.assigned == action.bundle:
            action.status, action.active = "finished", False
            self.note(action, "the set is assigned already")
            return
        for other in target.actions:
            if other.active and other is not action:
                other.status = "canceling"
                self.note(other, "overridden by a newer update")
        target.assigned, target.status = action.bundle, "pending"
        asks = self.config["user.confirmation.flow.enabled"] and confirm
        action.status, action.active = ("wait_for_confirmation" if asks else "running"), True
        self.note(action, "sent to the device")

    def assign(self, target: Target, bundle: int, **more: Any) -> Action | None:
        """A direct assignment; None when the target has the set already."""
        if target.assigned == bundle:
            return None
        action: Action = self.new(Action, target=target.controller, bundle=bundle, **more)
        self._keep(action)
        self.start(action)
        return action

    def _go_on(self, rollout: Rollout) -> None:
        if rollout.dynamic:
            self._take_in(rollout)
        running = [group for group in rollout.groups if group.status == "running"]
        for group in running:
            self._judge(rollout, group)
            if rollout.status != "running":
                return
        if not running:
            self._next(rollout)
        if not any(group.status in ("running", "scheduled") for group in rollout.groups):
            self._becomes(rollout, "finished")

    def _judge(self, rollout: Rollout, group: Group) -> None:
        mine = [a for a in rollout.actions.values() if a.group == group.id]
        total = max(len(mine), int(group.percentage)) if group.dynamic else max(len(group.targets), 1)
        failed = sum(a.status == "error" for a in mine)
        done = sum(self.ended_well(a) for a in mine)
        last = group is rollout.groups[-1]
        if (
            limit := _percent(group.conditions["errorCondition"])
        ) is not None and failed * 100 > limit * total:
            group.status = "error"
            open_groups = [g for g in rollout.groups if g.status in ("running", "scheduled")]
            self._becomes(rollout, "paused" if open_groups else "finished")
            return
        wanted = _percent(group.conditions["successCondition"])
        if wanted is not None and done * 100 >= wanted * total:
            if group.conditions["successAction"]["action"] == "PAUSE":
                if not last:
                    self._becomes(rollout, "paused")
            else:
                self._next(rollout)
        if not (last and group.dynamic) and not any(a.active or a.status == "scheduled" for a in mine):
            group.status = "finished"
            self.version += 1

    def _next(self, rollout: Rollout) -> None:
        if waiting := next((group for group in rollout.groups if group.status == "scheduled"), None):
            self._start_group(rollout, waiting)
            self.version += 1

    def _take_in(self, rollout: Rollout) -> None:
        room = int(rollout.groups[-1].percentage)
        coming = [
            t
            for t in self.targets_of(rollout.query)
            if t.controller not in rollout.actions and not self._full(t.controller)
        ]
        for target in coming:
            group = rollout.groups[-1]
            if not group.dynamic or len(group.targets) >= room:
                group = self.dynamic_group(rollout, room, group)
            group.targets.append(target.controller)
            action = self._schedule(rollout, group, target.controller)
            if action is not None and group.status == "running":
                self.start(action, confirm=group.confirm or rollout.confirm)

    def dynamic_group(self, rollout: Rollout, size: int, like: Group | None) -> Group:
        """A further group at the end that takes in who begins to match."""
        made: Group = self.new(
            Group,
            name=f"group-{len(rollout.groups) + 1}{rollout.suffix}",
            status="creating" if rollout.status == "creating" else "scheduled",
            percentage=size,
            dynamic=True,
            conditions=DEFAULTS if like is None else like.conditions,
            confirm=like.confirm if like is not None else False,
        )
        rollout.groups.append(made)
        return made

    def _end(self, rollout: Rollout, status: str) -> None:
        for gateway, action in list(rollout.actions.items()):
            if action.status == "scheduled":
                self.purge(action)
                del rollout.actions[gateway]
            elif action.active:
                action.status = status
                if status == "canceled":
                    self.settle(action, "canceled")
                    if not any(other.active for other in self.targets[gateway].actions):
                        self.targets[gateway].assigned = None
                self.note(action, "the rollout ended")

    def _drop(self, rollout: Rollout) -> None:
        if not rollout.ran:
            del self.rollouts[rollout.id]
            self.version += 1
            return
        self._end(rollout, "canceled")
        rollout.deleted = True
        self._becomes(rollout, "deleted")

    # --- the ends of actions ------------------------------------------------------------------------

    def ended_well(self, action: Action) -> bool:
        return action.status == "finished" or (
            action.status == "downloaded" and action.force == "downloadonly"
        )

    def settle(self, action: Action, status: str, *said: str) -> None:
        """An action is over."""
        target = self.targets[action.target]
        action.status, action.active = status, False
        others = [a for a in target.actions if a.active]
        if status == "finished":
            target.installed = action.bundle
        elif status == "error":
            target.assigned = None
        elif status == "canceled":
            target.assigned = others[0].bundle if others else target.installed
        target.status = "pending" if others else ("error" if status == "error" else "in_sync")
        self.note(action, *said, f"Update Server: the action ended as {status}")

    def purge(self, action: Action) -> None:
        """An action that is no more."""
        self.actions.pop(action.id, None)
        if target := self.targets.get(action.target):
            target.actions.remove(action)
        self.version += 1

    # --- counts -------------------------------------------------------------------------------------

    def members(self, rollout: Rollout) -> int:
        return sum(len(group.targets) for group in rollout.groups)

    def counts(self, rollout: Rollout, group: Group | None = None) -> dict[str, int]:
        found = dict.fromkeys(("running", "notstarted", "scheduled", "cancelled", "finished", "error"), 0)
        for action in rollout.actions.values():
            if group is not None and action.group != group.id:
                continue
            if self.ended_well(action):
                found["finished"] += 1
            elif action.status in OPEN:
                found["running"] += 1
            else:
                found[{"canceled": "cancelled"}.get(action.status, action.status)] += 1
        total = self.members(rollout) if group is None else len(group.targets)
        found["notstarted"] = total - sum(found.values())
        return found


def _percent(condition: dict[str, str]) -> int | None:
    """The threshold; None for one that is never met, for nobody checks what it says."""
    said = condition.get("expression", "")
    return int(said) if said.isdigit() and int(said) <= 100 else None
