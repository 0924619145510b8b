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
from typing import assert_never

from reconciler.model import (
    Action,
    AddGateways,
    ApproveCampaign,
    AssignPackages,
    CloseGateways,
    CreateCampaign,
    DeleteCampaign,
    DeletePackage,
    EditCampaign,
    Need,
    RegisterCallback,
    RemoveGateways,
    RunOnThings,
    SchedulePhase,
    ScheduleWindow,
    SetDistributionList,
    StartCampaign,
    StepGroup,
    StopCampaign,
    UploadPackage,
)


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


_PHASES = {
    SchedulePhase.DOWNLOAD: PlanStage.DOWNLOAD,
    SchedulePhase.EXECUTION: PlanStage.EXECUTION,
    SchedulePhase.ACTIVATION: PlanStage.ACTIVATION,
}


def stage(action: Action) -> PlanStage:  # noqa: C901, PLR0911, PLR0912
    """Where `action` stands in the order."""
    match action:
        case UploadPackage():
            return PlanStage.UPLOAD
        case StopCampaign():
            return PlanStage.STOP
        case CreateCampaign() | EditCampaign():
            return PlanStage.WRITE
        case RegisterCallback() | SetDistributionList():
            return PlanStage.ATTACH
        case RemoveGateways():
            return PlanStage.REMOVE
        case AddGateways():
            return PlanStage.ADD
        case AssignPackages():
            return PlanStage.OVERRIDE
        case ScheduleWindow():
            return _PHASES[action.phase]
        case RunOnThings():
            return PlanStage.THINGS
        case CloseGateways():
            return PlanStage.CLOSE
        case ApproveCampaign():
            return PlanStage.APPROVE
        case StartCampaign():
            return PlanStage.START
        case DeleteCampaign():
            return PlanStage.DELETE
        case DeletePackage():
            return PlanStage.DELETE_PACKAGE
        case _:
            assert_never(action)


def needs(action: Action, earlier: Sequence[StepGroup]) -> tuple[Need, ...]:
    """The arrows from `action` to the `earlier` groups of the same campaign (in order)."""
    here = stage(action)
    before = [group for group in earlier if stage(group.action) < here]
    if isinstance(action, StartCampaign) and action.bracket:
        return tuple(
            Need(group.key, even_failed=not isinstance(group.action, StopCampaign)) for group in before
        )
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
