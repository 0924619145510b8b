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

Stages about single gateways need only the step before that carries the same gateway, so that one refused
gateway stops nobody else. The start that closes a bracket needs its stop, and of all else only that it has
ended.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import IntEnum
from itertools import chain
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
    gateways_of,
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


class CampaignOrder:
    """The arrows among the groups of one campaign, which come in the order of their stages.

    Only the last step before it is needed of what is about the same gateway: that one needs those before.
    """

    def __init__(self) -> None:
        self._places: dict[str, int] = {}
        self._groups: list[StepGroup] = []
        self._stage = PlanStage.UPLOAD
        self._of_stage: list[StepGroup] = []
        self._barrier: tuple[Need, ...] = ()
        self._last: dict[str, tuple[str, ...]] = {}
        """Gateway → the groups of the last stage that is about it; without those in `_later`."""
        self._later: list[list[StepGroup]] = []
        self._alike: Mapping[tuple[str, ...], str] = {}

    def needs(self, action: Action) -> tuple[Need, ...]:
        """What `action` needs of the groups so far; ValueError when it belongs before one of them."""
        here = self._begin(stage(action))
        if isinstance(action, StartCampaign) and action.bracket:
            return tuple(_ended(group) for group in self._groups)
        if here >= PlanStage.APPROVE:
            return tuple(Need(group.key) for group in self._groups)
        keys = self._carrying(gateways_of(action))
        return (*self._barrier, *(Need(key, by_gateway=True) for key in keys))

    def add(self, group: StepGroup) -> None:
        """`group` is the next one."""
        self._begin(stage(group.action))
        self._of_stage.append(group)
        self._places[group.key] = len(self._places)

    def _carrying(self, gateways: tuple[str, ...]) -> Iterable[str]:
        """The groups with the last step before that is about any of `gateways`."""
        # Mostly a stage is about just whom the one before it was about: one window after the other.
        if same := self._alike.get(gateways):
            return (same,)
        for groups in self._later:
            self._last |= _by_gateway(groups)
        self._later = []
        found = {*map(self._last.get, gateways)} - {None} if self._last else ()
        return sorted({*chain.from_iterable(filter(None, found))}, key=self._places.__getitem__)

    def _begin(self, here: PlanStage) -> PlanStage:
        if here < self._stage:
            raise ValueError(f"{here.name} comes before {self._stage.name}")
        if here > self._stage and self._of_stage:
            if self._stage < PlanStage.ADD:
                self._barrier = tuple(Need(group.key) for group in self._of_stage)
            else:
                self._later.append(self._of_stage)
                self._alike = _disjoint(self._of_stage)
            self._groups += self._of_stage
            self._of_stage = []
        self._stage = here
        return here


def _ended(group: StepGroup) -> Need:
    """What the start that closes a bracket needs of `group`."""
    return Need(group.key, even_failed=not isinstance(group.action, StopCampaign))


def _disjoint(groups: Sequence[StepGroup]) -> Mapping[tuple[str, ...], str]:
    """Gateways → the group that is about just them; empty when a gateway is in two groups."""
    several = len(groups) > 1
    if several and len(set().union(*(g.gateways for g in groups))) < sum(len(g.gateways) for g in groups):
        return {}
    return {group.gateways: group.key for group in groups if group.gateways}


def _by_gateway(groups: Sequence[StepGroup]) -> dict[str, tuple[str, ...]]:
    """Gateway → the groups that are about it: nearly always one."""
    found: dict[str, tuple[str, ...]] = {}
    for group in groups:
        found |= dict.fromkeys(group.gateways, (group.key,))
    if len(found) < sum(len(group.gateways) for group in groups):
        several: dict[str, list[str]] = defaultdict(list)
        for group in groups:
            for gateway in group.gateways:
                several[gateway].append(group.key)
        found |= {gateway: tuple(keys) for gateway, keys in several.items()}
    return found


def in_order(groups: Iterable[StepGroup]) -> tuple[StepGroup, ...]:
    """`groups` with every need before what needs it, otherwise in the order given.

    ValueError names the groups of a cycle; none can arise from the stages above.
    """
    by_key = {group.key: group for group in groups}
    placed: dict[str, StepGroup] = {}
    for first in by_key.values():
        path: dict[str, Iterator[Need]] = {} if first.key in placed else {first.key: iter(first.needs)}
        while path:
            key, rest = next(reversed(path.items()))
            need = next((need for need in rest if need.group not in placed), None)
            if need is None:
                del path[key]
                placed[key] = by_key[key]
            elif need.group in path:
                raise ValueError(f"a cycle among {', '.join(path)}")
            else:
                path[need.group] = iter(by_key[need.group].needs)
    return tuple(placed.values())
