"""Which step of a plan is next, and what stands against it; nothing is sent here.

A group begins when every group that it needs as a whole has ended. What it needs by gateway doesn't have
to end before that: each of its steps comes once the steps with its gateways have, in the order in which
they do, and before whatever hasn't begun. So the override and the windows of a gateway follow its own *add*
by a batch, however many join; one whose add isn't done holds up nobody but itself. Memory is a byte or two
a step.

Tests: `tests/apply/test_apply_turns.py`, `tests/apply/test_apply_following.py`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from reconciler.model import Outcome, StartCampaign, Step, StepGroup, StopCampaign


@dataclass(frozen=True, slots=True)
class Against:
    """What a step has to wait for: all of it, or some of its gateways."""

    whole: Outcome | None = None
    gateways: Mapping[str, Outcome] = field(default_factory=dict)


NOTHING = Against()


class Turns:
    """The steps of `groups`, one by one: each is taken once, and then told to have `ended`.

    `elsewhere` is asked of steps that may go now whether somebody else takes them.
    """

    def __init__(
        self,
        groups: Sequence[StepGroup],
        elsewhere: Callable[[StepGroup, Iterator[Step]], bool] = lambda _group, _steps: False,
    ) -> None:
        self._elsewhere = elsewhere
        self._by_key = {group.key: group for group in groups}
        self.unsettled: dict[str, dict[int, Outcome]] = {group.key: {} for group in groups}
        """Group → its steps that have ended and are not settled."""
        self.groups_left = len(groups)
        self._first: dict[str, Outcome] = {}
        """Of each group that has ended and isn't settled: the outcome of the first such step."""
        self._steps_left = {group.key: len(group) for group in groups}
        self._needs_left: dict[str, int] = {}
        self._whole_left: dict[str, int] = {}
        """Group → how many of those that it needs as a whole have not ended."""
        self._needed_by: dict[str, list[StepGroup]] = {group.key: [] for group in groups}
        self._needed_whole: dict[str, list[StepGroup]] = {group.key: [] for group in groups}
        self._followers: dict[str, list[StepGroup]] = {}
        """Group → those that need it by gateway."""
        self._passed: dict[str, bytearray] = {}
        """Of a group that others follow: which of its steps have ended."""
        self._taken: dict[str, bytearray] = {}
        """Of a group that follows others: which of its steps were taken."""
        self._simple: set[str] = set()
        """Groups of which each step needs no other step than the one that it follows."""
        self._against: dict[str, Outcome] = {}
        """Group → what all of it has to wait for."""
        self._ready: deque[Iterator[Step]] = deque()
        self._following: deque[Iterator[Step]] = deque()
        for group in groups:
            self._enter(group)

    def begin(self) -> list[StepGroup]:
        """Before anything else; the groups that have ended, because they have no steps."""
        ended: list[StepGroup] = []
        for group in self._by_key.values():
            if not group.needs and not self._begin(group):
                ended += self._end(group)
        return ended

    @property
    def some(self) -> bool:
        """Whether there may be a step to take."""
        return bool(self._following or self._ready)

    def take(self) -> Step | None:
        """The next step; None: there is none before another one has ended."""
        for steps in (self._following, self._ready):
            while steps:
                step = next(steps[0], None)
                if step is not None:
                    return step
                steps.popleft()
        return None

    def against(self, step: Step) -> Against:
        """What stands against a step that was taken."""
        if whole := self._against.get(step.group.key):
            return Against(whole)
        held: dict[str, Outcome] = {}
        for need in step.group.needs:
            unsettled = self.unsettled[need.group]
            if not unsettled or not need.by_gateway or need.even_failed:
                continue
            needed = self._by_key[need.group]
            for gateway in step.gateways:
                index = needed.index_of(gateway)
                outcome = None if index is None else unsettled.get(index)
                if outcome and (not outcome.left or _among(outcome.left, gateway)):
                    held.setdefault(gateway, outcome)
        return Against(gateways=held) if held else NOTHING

    def perhaps_stopped(self, group: StepGroup, needed: str) -> bool:
        """Whether `group` closes a bracket whose stop, the group `needed`, may have happened."""
        stop = self._first.get(needed)
        return closes(group) and stop is not None and stop.unclear and _stops(stop.step.group)

    def ended(self, outcome: Outcome) -> list[StepGroup]:
        """A step has ended; the groups that have ended with it."""
        group, index = outcome.step.group, outcome.step.index
        if not outcome.settled:
            self.unsettled[group.key][index] = outcome
        self._steps_left[group.key] -= 1
        if followers := self._followers.get(group.key):
            self._passed[group.key][index] = 1
            for follower in followers:
                if not self._whole_left[follower.key]:
                    self._follow(follower, Step(group, index))
        return [] if self._steps_left[group.key] else self._end(group)

    # --- groups ------------------------------------------------------------------------------------

    def _enter(self, group: StepGroup) -> None:
        needed = {need.group for need in group.needs}
        whole = {need.group for need in group.needs if not need.by_gateway}
        self._needs_left[group.key], self._whole_left[group.key] = len(needed), len(whole)
        for key in needed:
            self._needed_by[key].append(group)
            if key in whole:
                self._needed_whole[key].append(group)
            else:
                self._followers.setdefault(key, []).append(group)
                self._passed.setdefault(key, bytearray(len(self._by_key[key])))
                self._taken.setdefault(group.key, bytearray(len(group)))
        if group.per_call == 1 and len(needed - whole) == 1:
            self._simple.add(group.key)

    def _begin(self, group: StepGroup) -> bool:
        """All that it needs has ended. Whether it has steps: a group of none has ended as it begins."""
        if not len(group):
            return False
        steps = self._rest(group) if group.key in self._taken else iter(group)
        if not self._elsewhere(group, steps):
            self._ready.append(steps)
        return True

    def _end(self, group: StepGroup) -> list[StepGroup]:
        over: list[StepGroup] = []
        ended = deque([group])
        while ended:
            group = ended.popleft()
            over.append(group)
            self.groups_left -= 1
            if unsettled := self.unsettled[group.key]:
                self._first[group.key] = unsettled[min(unsettled)]
            for other in self._needed_whole[group.key]:
                self._whole_left[other.key] -= 1
                if not self._whole_left[other.key] and (why := self._whole(other)):
                    self._against[other.key] = why
            for other in self._needed_by[group.key]:
                self._needs_left[other.key] -= 1
                if not self._needs_left[other.key] and not self._begin(other):
                    ended.append(other)
        return over

    def _whole(self, group: StepGroup) -> Outcome | None:
        """What stands against all of `group`, what it needs as a whole having ended."""
        for need in group.needs:
            if need.by_gateway or need.even_failed or self.perhaps_stopped(group, need.group):
                continue
            if why := self._first.get(need.group):
                return why
        return None

    # --- steps that follow -------------------------------------------------------------------------

    def _follow(self, group: StepGroup, step: Step) -> None:
        """`step` has ended: those of `group` with its gateways are next."""
        steps = self._after(group, step)
        if self._elsewhere(group, steps):
            return
        if step.group.key in self._taken:
            # Finish what has begun for one gateway before beginning with the next.
            self._following.appendleft(steps)
        else:
            self._following.append(steps)

    def _after(self, group: StepGroup, step: Step) -> Iterator[Step]:
        taken, simple = self._taken[group.key], group.key in self._simple
        for index in group.steps_with(step.gateways):
            following = Step(group, index)
            if not taken[index] and (simple or self._may(following)):
                taken[index] = 1
                yield following

    def _may(self, step: Step) -> bool:
        """Whether all steps that it needs by gateway have ended."""
        for need in step.group.needs:
            if need.by_gateway and need.group in self._passed:
                passed = self._passed[need.group]
                if not all(passed[index] for index in self._by_key[need.group].steps_with(step.gateways)):
                    return False
        return True

    def _rest(self, group: StepGroup) -> Iterator[Step]:
        """The steps of `group` that followed nobody."""
        taken, index = self._taken[group.key], 0
        while (index := taken.find(0, index)) >= 0:
            taken[index] = 1
            yield Step(group, index)


def closes(group: StepGroup) -> bool:
    """Whether it starts what this run stopped for an edit."""
    return isinstance(group.action, StartCampaign) and group.action.bracket


def _stops(group: StepGroup) -> bool:
    return isinstance(group.action, StopCampaign)


def _among(sorted_names: Sequence[str], name: str) -> bool:
    at = bisect_left(sorted_names, name)
    return at < len(sorted_names) and sorted_names[at] == name
