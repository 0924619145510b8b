"""The order within a campaign: each stage comes after every stage before it.

    upload
      └─ stop
           └─ create | edit
                └─ callbacks, distribution list
                     └─ remove gateways
                          └─ add gateways
                               └─ override ─ download ─ execution ─ activation ─ things ─ close (per gateway)
                                    └─ approve
                                         └─ start

    stop ─ delete campaign ─ delete package

Stages about single gateways need only the steps that carry the same gateway, so that one refused gateway
stops nobody else. The start that closes a bracket needs its stop, and of all else only that it has ended.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import IntEnum

from reconciler.model import Action, Need, SchedulePhase, StepGroup, Verb


class PlanStage(IntEnum):
    """The place of an action in the order."""

    UPLOAD = 0
    STOP = 1
    WRITE = 2
    ATTACH = 3
    REMOVE = 4
    ADD = 5
    OVERRIDE = 6
    DOWNLOAD = 7
    EXECUTION = 8
    ACTIVATION = 9
    THINGS = 10
    CLOSE = 11
    APPROVE = 12
    START = 13
    DELETE = 14
    DELETE_PACKAGE = 15


_STAGES = {
    Verb.UPLOAD: PlanStage.UPLOAD,
    Verb.STOP: PlanStage.STOP,
    Verb.CREATE: PlanStage.WRITE,
    Verb.EDIT: PlanStage.WRITE,
    Verb.CALLBACK: PlanStage.ATTACH,
    Verb.DISTRIBUTE: PlanStage.ATTACH,
    Verb.REMOVE: PlanStage.REMOVE,
    Verb.ADD: PlanStage.ADD,
    Verb.OVERRIDE: PlanStage.OVERRIDE,
    Verb.THINGS: PlanStage.THINGS,
    Verb.CLOSE: PlanStage.CLOSE,
    Verb.APPROVE: PlanStage.APPROVE,
    Verb.START: PlanStage.START,
    Verb.DELETE: PlanStage.DELETE,
    Verb.DELETE_PACKAGE: PlanStage.DELETE_PACKAGE,
}
_PHASES = {
    SchedulePhase.DOWNLOAD: PlanStage.DOWNLOAD,
    SchedulePhase.EXECUTION: PlanStage.EXECUTION,
    SchedulePhase.ACTIVATION: PlanStage.ACTIVATION,
}


def stage(action: Action) -> PlanStage:
    """Where `action` stands in the order."""
    if action.verb is Verb.SCHEDULE and action.phase is not None:
        return _PHASES[action.phase]
    return _STAGES[action.verb]


def needs(action: Action, earlier: Sequence[StepGroup]) -> tuple[Need, ...]:
    """The arrows from `action` to the `earlier` groups of the same campaign (in order)."""
    here = stage(action)
    before = [group for group in earlier if stage(group.action) < here]
    if action.verb is Verb.START and action.bracket:
        return tuple(Need(group.key, even_failed=group.action.verb is not Verb.STOP) for group in before)
    if here >= PlanStage.APPROVE:
        return tuple(Need(group.key) for group in before)
    whole = [group for group in before if stage(group.action) < PlanStage.ADD]
    last = max((stage(group.action) for group in whole), default=None)
    barrier = tuple(Need(group.key) for group in whole if stage(group.action) is last)
    members = tuple(Need(g.key, by_gateway=True) for g in before if stage(g.action) >= PlanStage.ADD)
    return (*barrier, *members)


def in_order(groups: Iterable[StepGroup]) -> tuple[StepGroup, ...]:
    """`groups` with every need before what needs it, otherwise in the order given.

    ValueError names the groups of a cycle; none can arise from the stages above.
    """
    by_key = {group.key: group for group in groups}
    placed: dict[str, StepGroup] = {}
    path: list[str] = []

    def place(group: StepGroup) -> None:
        if group.key in placed:
            return
        if group.key in path:
            raise ValueError(f"a cycle among {', '.join(path)}")
        path.append(group.key)
        for need in group.needs:
            place(by_key[need.group])
        placed[path.pop()] = group

    for group in by_key.values():
        place(group)
    return tuple(placed.values())
