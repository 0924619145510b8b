"""The order within a campaign: each action comes after all before it in the server's order of verbs.

Actions about single gateways need only the step before that carries the same gateway, so that one refused
gateway stops nobody else; but all wait for gateways that leave. An action about the whole campaign needs all
that comes before. The start that closes a bracket needs its stop, and of all else only that it has ended;
that of a successor needs the end of the one that it replaces, or that those left it who move. Who moves to
one that runs leaves first, each for itself. Where gateways gather before their campaign is created, that
waits for them, and is created also without those that the server refused.

    upload
      └─ stop
           └─ create | edit
                └─ callbacks, distribution list
                     └─ remove gateways
                          └─ add gateways
                               └─ override ─ download ─ execution ─ activation ─ things ─ close (per gateway)
                                    └─ approve
                                         └─ start

That is one order; a server may have another, such as

    upload
      └─ add gateways
           └─ retire the one that is replaced
                └─ create
                     └─ approve
                          └─ end the one that is replaced
                               └─ start
                                    └─ delete the one that is replaced
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Final

from reconciler.model import (
    Action,
    AddGateways,
    EndCampaign,
    Need,
    RemoveGateways,
    SchedulePhase,
    ScheduleWindow,
    StartCampaign,
    StepGroup,
    StopCampaign,
    Verb,
    gateways_of,
)
from reconciler.providers.base import Facts

Stage = tuple[int, int]
"""The rank of a verb, and among windows the phase."""

_BY_GATEWAY: Final = frozenset({Verb.ADD, Verb.OVERRIDE, Verb.SCHEDULE, Verb.THINGS, Verb.CLOSE})
_LAST: Final = frozenset({Verb.APPROVE, Verb.END, Verb.START, Verb.DELETE})
"""What needs all that comes before, not only what came just before."""
_MAKING: Final = frozenset({Verb.RETIRE, Verb.CREATE})
"""What makes a campaign of the gateways that have gathered."""
_PHASES: Final = {phase: at for at, phase in enumerate(SchedulePhase)}


def stage(action: Action, facts: Facts) -> Stage:
    """Where `action` stands in the server's order."""
    within = _PHASES[action.phase] if isinstance(action, ScheduleWindow) else 0
    if isinstance(action, RemoveGateways) and moves(action):
        # Right before the start where there is one, else before they join what runs.
        return (facts.place(Verb.END), -1) if action.before_start else (-1, 0)
    return facts.place(action.verb), within


def moves(action: Action) -> bool:
    """Whether gateways leave a campaign by it that others stay in, for its successor."""
    return isinstance(action, RemoveGateways) and action.moving


def _one_by_one(action: Action) -> bool:
    """Whether what is about the same gateway needs it, and nothing else does."""
    return action.verb in _BY_GATEWAY or moves(action)


class CampaignOrder:
    """The arrows among the groups of one campaign, which come in the order of their stages.

    Only the last step before it is needed of what is about the same gateway: that one needs those before.
    """

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._places: dict[str, int] = {}
        self._groups: list[StepGroup] = []
        self._stage: Stage = (-1, 0)
        self._of_stage: list[StepGroup] = []
        self._barrier: tuple[Need, ...] = ()
        self._last: dict[str, tuple[str, ...]] = {}
        """Gateway → the groups of the last stage that is about it."""

    def needs(self, action: Action) -> tuple[Need, ...]:
        """What `action` needs of the groups so far; ValueError when it belongs before one of them."""
        self._begin(stage(action, self._facts))
        if isinstance(action, StartCampaign) and action.bracket:
            return tuple(_ended(group) for group in self._groups)
        if isinstance(action, StartCampaign) and action.predecessor:
            # It goes on as before, whatever becomes of the rest.
            return tuple(Need(group.key, even_failed=True) for group in self._groups)
        if action.verb in _MAKING:
            return tuple(_gathered(group) for group in self._groups)
        last = action.verb in _LAST or (isinstance(action, RemoveGateways) and action.before_start)
        if last or (self._last and not _one_by_one(action)):
            return tuple(Need(group.key) for group in self._groups)
        before = {*map(self._last.get, gateways_of(action))} - {None} if self._last else ()
        keys = sorted({*chain.from_iterable(filter(None, before))}, key=self._places.__getitem__)
        return (*self._barrier, *(Need(key, by_gateway=True) for key in keys))

    def add(self, group: StepGroup) -> None:
        """`group` is the next one."""
        self._begin(stage(group.action, self._facts))
        self._of_stage.append(group)
        self._places[group.key] = len(self._places)

    def _begin(self, here: Stage) -> None:
        if here < self._stage:
            raise ValueError(f"what is ranked {here} comes before what is ranked {self._stage}")
        if here > self._stage and self._of_stage:
            one_by_one = [group for group in self._of_stage if _one_by_one(group.action)]
            if len(one_by_one) < len(self._of_stage):
                # Needs are transitive.
                self._barrier = tuple(Need(group.key) for group in self._of_stage)
                self._last = {}
            else:
                self._last |= _by_gateway(one_by_one)
            self._groups += self._of_stage
            self._of_stage = []
        self._stage = here


def _ended(group: StepGroup) -> Need:
    """What the start that closes a bracket needs of `group`."""
    strict = moves(group.action) or isinstance(group.action, StopCampaign | EndCampaign)
    return Need(group.key, even_failed=not strict)


def _gathered(group: StepGroup) -> Need:
    """What a create needs of `group`: gateways that the server refuses don't hold it up."""
    return Need(group.key, even_failed=isinstance(group.action, AddGateways))


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
