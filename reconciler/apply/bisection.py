"""A refused batch of gateways in halves, so that those who are in order don't wait for those who aren't.

    8 refused ┬ 4 done
              └ 4 (one of them it must be) ┬ 2 refused ┬ 1 done
                                           │           └ 1 refused: that's the one
                                           └ 2 done

Of n gateways with k that the server doesn't take, at most 2·k·log2(n) + 1 requests are sent. Only a clear no
to an add or a remove is divided: it did nothing. Where no gateway of a whole batch is taken, and none of its
group was before, the no is about the campaign: its other batches are not divided. But a few that are all that
was to be added to a campaign with others are taken at that word, each was asked for alone: a rollout that has
slots, or gateways, for such ones only would try them for ever.

Where the server names those that it doesn't take, the others go out again at once, without any halves.

A batch that is too large for the server, or for a proxy before it, is no question of who: it goes out in
equal parts, and later batches of the same operation are no larger, for the rest of the run.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import Final

from reconciler.errors import Refusal, Refused
from reconciler.model import AddGateways, Outcome, OutcomeStatus, RemoveGateways, ResourceId, Step

FEW: Final = 20
"""So many may all be refused, and it is about them: a no to more is about the campaign."""
NOT_AGAIN = "not sent again: the run was interrupted"


# Not frozen: one is made for each call, and a frozen one takes several times as long to make.
@dataclass(slots=True)
class Tried:
    """How the attempts at a step ended, what is left of it, and the clear no that ended them, if any."""

    outcome: Outcome
    left: Step
    refusal: Refused | None = None
    reasons: Mapping[str, str] = field(default_factory=dict)
    """Gateway → why it isn't done, where that isn't what the outcome says."""

    @property
    def divisible(self) -> bool:
        """Whether the server may take some of the gateways, and surely took none so far."""
        if self.refusal is None or self.outcome.unclear or self.named:
            return False
        return divides(self.left, self.refusal)

    @property
    def named(self) -> frozenset[str]:
        """Whom of what is left the clear no is about, where the server says so."""
        if self.refusal is None or self.outcome.unclear or not self.refusal.gateways:
            return frozenset()
        return frozenset(self.refusal.gateways) & frozenset(self.left.gateways)


Attempt = Callable[[Step], Awaitable[Tried]]


def divides(step: Step, refusal: Refused) -> bool:
    """Whether `refusal` may be about some of the gateways of `step`, or about how many they are."""
    if len(step.gateways) < 2:
        return False
    if Refusal.TOO_LARGE in refusal.meaning:
        return True
    return isinstance(step.action, AddGateways | RemoveGateways) and (
        Refusal.ABOUT_SOME_GATEWAYS in refusal.meaning
    )


class Bisection:
    """Divides the batches of one run, and remembers of which groups the server took anything."""

    def __init__(self, peopled: Collection[ResourceId] = ()) -> None:
        self._peopled = peopled
        """Campaigns that took gateways in earlier runs."""
        self._taken: set[str] = set()
        self._hopeless: set[str] = set()
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._most: dict[str, int] = {}
        """Operation → the most gateways of one call, where more were too large."""

    def most(self, step: Step) -> int:
        """How many gateways a call of the operation of `step` may carry, as far as this run knows."""
        return self._most.get(step.operation.name, len(step.gateways))

    def too_large(self, step: Step) -> bool:
        """Whether a call of the operation of `step` may carry fewer gateways, as far as this run knows."""
        return bool(self._most) and self.most(step) < len(step.gateways)

    def learn(self, tried: Tried) -> None:
        """A call that was too large: later ones carry half as many."""
        if tried.refusal and Refusal.TOO_LARGE in tried.refusal.meaning:
            half = max(1, -(-len(tried.left.gateways) // 2))
            name = tried.left.operation.name
            self._most[name] = min(half, self._most.get(name, half))

    def hopeless(self, step: Step) -> bool:
        """Whether each gateway of a batch of its group was refused, and none of the group was ever taken."""
        return step.group.key in self._hopeless - self._taken

    def took(self, step: Step) -> None:
        """The server took a batch, or a part of one."""
        self._taken.add(step.group.key)

    async def run(self, step: Step, tried: Tried, attempt: Attempt, stop: asyncio.Event) -> Outcome:
        """What becomes of a `step` that was `tried` and refused; `attempt` sends a part of it.

        One that was not sent, because it is known to be too large, is sent in parts.
        """
        # Until it is known whether the refusal is about the campaign, one batch tries for all.
        known = step.group.key in self._taken
        async with nullcontext() if known else self._turns[step.group.key]:
            if stop.is_set() or self.hopeless(step):
                return undone(tried)
            division = _Division(self, attempt, stop)
            await division.of(tried)
            if len(division.left) < len(step.gateways):
                self.took(step)
            elif not stop.is_set():
                self._hopeless.add(step.group.key)
        outcome = replace(tried.outcome, attempts=tried.outcome.attempts + division.sent)
        if not division.left:
            return replace(outcome, status=OutcomeStatus.DONE, message="")
        about_them = step.group.key in self._taken or self._few(step)
        refused = tuple(sorted(division.refused)) if about_them else ()
        return _partly(replace(outcome, unclear=division.unclear, refused=refused), division.left)

    def _few(self, step: Step) -> bool:
        """Whether a no to all of its group may be about them, though none was taken."""
        action = step.group.action
        return (
            isinstance(action, AddGateways)
            and action.resource in self._peopled
            and len(action.gateways) <= FEW
        )


async def without_named(
    tried: Tried, attempt: Attempt, stop: asyncio.Event
) -> tuple[Tried, Mapping[str, str]]:
    """What becomes of a refused step without those that the server names, and why of each of these."""
    named: dict[str, str] = {}
    sent = 0
    while len(refused := tried.named) < len(tried.left.gateways) and refused and not stop.is_set():
        named |= dict.fromkeys(sorted(refused), _why(tried))
        sent += tried.outcome.attempts
        tried = await attempt(tried.left.only(g for g in tried.left.gateways if g not in refused))
    outcome = replace(tried.outcome, attempts=tried.outcome.attempts + sent)
    return replace(tried, outcome=outcome), named


def beside(outcome: Outcome, step: Step, named: Mapping[str, str]) -> Outcome:
    """`outcome` of a part of `step`, with those of it that the server named and doesn't take."""
    if not named:
        return outcome
    left = dict(named)
    if not outcome.settled:
        left |= dict.fromkeys(outcome.left or outcome.step.gateways, outcome.message)
    refused = tuple(sorted({*outcome.refused, *named}))
    return _partly(replace(outcome, step=step, status=OutcomeStatus.FAILED, refused=refused), left)


def undone(tried: Tried) -> Outcome:
    """The outcome of a step that is not settled; of a batch that is in part, which gateways are left."""
    outcome = replace(tried.outcome, refused=tuple(sorted(_refused(tried))))
    return _partly(outcome, _reasons(tried))


def _refused(tried: Tried) -> frozenset[str]:
    """Whom the clear no is about: those that the server names, or the only one."""
    if tried.outcome.settled or tried.outcome.unclear:
        return frozenset()
    left = frozenset(tried.left.gateways)
    if tried.reasons:
        return left & tried.reasons.keys()
    if tried.named:
        return tried.named
    meaning = tried.refusal.meaning if tried.refusal else ()
    return left if len(left) == 1 and Refusal.ABOUT_SOME_GATEWAYS in meaning else frozenset()


def _partly(outcome: Outcome, left: Mapping[str, str]) -> Outcome:
    """`outcome` of a batch that is done except for the gateways in `left`, each with the reason why."""
    every = len(outcome.step.gateways)
    if len(left) == every:
        return outcome
    reasons: dict[str, list[str]] = {}
    for gateway, why in sorted(left.items()):
        reasons.setdefault(why, []).append(gateway)
    each = "; ".join(f"{', '.join(gateways)}: {why}" for why, gateways in reasons.items())
    message = f"not done for {len(left):,} of {every:,} gateways: {each}"
    return replace(outcome, message=message, left=tuple(sorted(left)))


class _Division:
    """One batch as it goes out in pieces. ``left``: gateway → why it isn't done.

    ``refused``: those of them that a clear no was about.
    """

    def __init__(self, bisection: Bisection, attempt: Attempt, stop: asyncio.Event) -> None:
        self._bisection = bisection
        self._attempt = attempt
        self._stop = stop
        self.left: dict[str, str] = {}
        self.refused: set[str] = set()
        self.sent = 0
        self.unclear = False
        self._took = False

    async def of(self, tried: Tried) -> bool:
        """Send a refused batch as smaller ones; whether all of it is done."""
        if tried.refusal is None or Refusal.TOO_LARGE in tried.refusal.meaning:
            self._bisection.learn(tried)
            return await self._parts(tried.left)
        return await self._halves(tried.left)

    async def _halves(self, step: Step) -> bool:
        """A `step` with a gateway that the server doesn't take, as two."""
        middle = len(step.gateways) // 2
        first, second = step.only(step.gateways[:middle]), step.only(step.gateways[middle:])
        if await self._piece(first):
            # The culprit must be in the other half, so that half is divided before it is sent.
            return await (self._halves(second) if len(second.gateways) > 1 else self._piece(second))
        await self._piece(second)
        return False

    async def _parts(self, step: Step) -> bool:
        """A `step` that is too large, in parts of the size that is known to be taken."""
        done, gateways = True, step.gateways
        while gateways:
            most = self._bisection.most(step)
            part, gateways = step.only(gateways[:most]), gateways[most:]
            done = await self._piece(part) and done
            if not done and most == 1 and not self._took and gateways:
                # Not even a single one was taken, so size isn't the reason.
                why = self.left.get(part.gateways[0], NOT_AGAIN)
                self.left.update(dict.fromkeys(gateways, why))
                break
        return done

    async def _piece(self, step: Step) -> bool:
        if self._stop.is_set():
            self.left.update(dict.fromkeys(step.gateways, NOT_AGAIN))
            return False
        tried = await self._attempt(step)
        self.sent += tried.outcome.attempts
        if tried.divisible:
            return await self.of(tried)
        if tried.outcome.settled:
            self._took = True
            return True
        self.unclear = self.unclear or tried.outcome.unclear
        self.left.update(_reasons(tried))
        self.refused |= _refused(tried)
        return False


def _reasons(tried: Tried) -> dict[str, str]:
    """Of each gateway that is left: why."""
    return dict.fromkeys(tried.left.gateways, _why(tried)) | {
        gateway: why for gateway, why in tried.reasons.items() if gateway in tried.left.gateways
    }


def _why(tried: Tried) -> str:
    """The words of a failure, without the request: that is the step's."""
    message = tried.outcome.message
    return message.removeprefix(f"{tried.refusal.request}: ") if tried.refusal else message
