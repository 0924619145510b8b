"""May the next wave open, and who joins? One look, as a pure function.

|    | question                                           | then                           |
|----|----------------------------------------------------|--------------------------------|
| 1  | more failures than the whole rollout may have      | abort; the limit fell: pause   |
| 2  | too large a share of failures in an open wave      | abort                          |
| 3  | a check fails                                      | abort                          |
| 4  | paused, aborted, paused in Git, held, not running  | nobody joins                   |
| 5  | fewer successes than the wave opened last needs    | wait; overdue: pause, or skip  |
| 6  | that has just been reached                         | note since when                |
| 7  | it hasn't soaked                                   | wait                           |
| 8  | no wave is left                                    | complete                       |
| 9  | the next one wants a person's word                 | wait                           |
|    | it is the first one, and other campaigns come before | wait                         |
| 10 | the calendar is closed for all of it               | wait                           |
| 11 | a check didn't pass                                | wait                           |
| 12 | none of these                                      | it opens: one a look           |

Then those of open waves join whose calendar is open, as many as the budget leaves room for.
After an edit of the waves the questions 2 and 5 are asked of all who are in, as if they were one wave.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from reconciler.model import (
    Budget,
    DesiredRollout,
    Gate,
    OnDeadline,
    Promotion,
    RolloutRecord,
    RolloutStatus,
    Wave,
)
from reconciler.model.sets import without
from reconciler.model.waves import ordered
from reconciler.rollout.budget import Slots
from reconciler.rollout.calendars import Opening
from reconciler.rollout.counts import Tally, WaveCounts
from reconciler.rollout.situation import CheckVerdict, Decision, Situation, Wait, WaitFor
from reconciler.text import plural


def look(wish: DesiredRollout, record: RolloutRecord, seen: Situation) -> Decision:
    """What becomes of a rollout; the same look at the same time again changes nothing."""
    return _Looking(wish, record, seen).look()


class _Looking:
    def __init__(self, wish: DesiredRollout, record: RolloutRecord, seen: Situation) -> None:
        self._wish = wish
        self._seen = seen
        self._record = record
        # A clock that went back waits.
        self._now = max(seen.now, record.since, record.reached or 0, record.at)
        self._failed = without(seen.failed, seen.forgiven)
        self._counts = WaveCounts(seen.waves, seen.entered, seen.done, self._failed, seen.idle, seen.refused)
        self._waits: list[Wait] = []
        self._left_out = 0
        self._opened = 0
        """The wave that opens just now; 0: none."""
        self._past_calendar = 0
        """The wave that opens just now past a closed calendar, by a person's word; 0: none."""

    def look(self) -> Decision:
        if not any(self._seen.waves.sizes):
            return Decision(self._record, tallies=self._counts.tallies)
        opens = 0
        if self._record.status is not RolloutStatus.COMPLETE:
            self._start_clock()
            self._judge()
            if not self._blocked():
                opens = self._advance()
        release = frozenset() if self._barred() else self._released()
        waits, promoted = tuple(self._waits), bool(self._past_calendar)
        return Decision(self._record, opens, release, waits, self._counts.tallies, self._left_out, promoted)

    # --- 1 to 4 --------------------------------------------------------------------------------

    def _start_clock(self) -> None:
        if self._record.wave and not self._record.since and self._seen.running:
            self._record = replace(self._record, since=self._now)

    def _judge(self) -> None:
        most = self._gate().max_failed
        before, self._record = self._record.limit, replace(self._record, limit=most)
        if self._record.status is RolloutStatus.ABORTED:
            return
        if most is not None and len(self._failed) > most:
            text = f"{len(self._failed)} gateways failed, more than the {most} that the rollout may have"
            if before is not None and len(self._failed) <= before:
                self._end(RolloutStatus.PAUSED, f"{text} since its limit was lowered")
            else:
                self._end(RolloutStatus.ABORTED, text)
        elif why := next(self._too_many(), None) or next(self._failing(), None):
            self._end(RolloutStatus.ABORTED, why)

    def _too_many(self) -> Iterator[str]:
        if self._record.edited:
            groups = [("those who are in", self._counts.whole, self._gate())]
        else:
            pairs = zip(self._wish.waves, self._counts.counted, strict=True)
            opened = list(pairs)[: self._record.wave]
            groups = [(f"wave {wave.name}", counted, wave.gate) for wave, counted in opened]
        for name, counted, gate in groups:
            failed, finished = counted.failed, counted.failed + counted.done
            limit = gate.max_failed_percent
            if finished >= gate.sample and failed * 100 > limit * finished:
                share = f"{failed * 100 / finished:.3g} % > {limit:g} %"
                yield f"{name}: {failed} of {finished} finished ones failed, {share}"
            elif failed * 100 > limit * counted.total:
                share = f"more than {limit:g} % however the rest ends"
                yield f"{name}: {failed} of {counted.total} failed, {share}"

    def _failing(self) -> Iterator[str]:
        promotion = self._promotion(self._following())
        if promotion and "check" in promotion.skips:
            return  # a person knows better
        for check in self._seen.checks or ():
            if check.verdict is CheckVerdict.FAIL and check.aborts:
                yield f"check {check.name} fails: {check.text}"

    def _blocked(self) -> bool:
        """Whether nobody may join; says why."""
        waits = list(self._bars())
        self._waits += waits
        return bool(waits)

    def _bars(self) -> Iterator[Wait]:
        record, seen = self._record, self._seen
        if record.status is RolloutStatus.ABORTED:
            yield Wait(WaitFor.ABORTED, text=record.why)
        elif record.status is RolloutStatus.PAUSED:
            yield Wait(WaitFor.PAUSED, text=record.why)
        if self._wish.paused:
            yield Wait(WaitFor.PAUSED_IN_GIT)
        if self._wish.behind:
            yield Wait(WaitFor.STILL_RUNS, text=self._wish.behind)
        if self._wish.way_back:
            yield Wait(WaitFor.WAY_BACK, text=self._wish.way_back)
        if seen.held:
            yield Wait(WaitFor.HELD)
        elif self._wish.behind or self._wish.way_back:
            return
        elif seen.stays or (record.wave and seen.entered and not seen.running):
            # Where nobody is in there is nobody to run for: it starts with those who join next.
            yield Wait(WaitFor.NOT_RUNNING)

    def _barred(self) -> bool:
        bars = {wait.reason for wait in self._bars()}
        if not self._record.since and not self._seen.stays:
            # The first wave may join a campaign that has not run yet.
            bars.discard(WaitFor.NOT_RUNNING)
        return bool(bars)

    # --- 5 to 12 -------------------------------------------------------------------------------

    def _advance(self) -> int:
        following = self._following()
        promotion = self._promotion(following)
        skips = promotion.skips if promotion else ()
        if (self._record.wave or self._record.edited) and not self._passed(skips):
            return 0
        if not following:
            self._end(RolloutStatus.COMPLETE, "")
            return 0
        if not self._may_open(following, skips):
            return 0
        promoted = tuple(each for each in self._record.promoted if each.wave > following)
        since = self._now if self._seen.running else 0
        self._record = replace(
            self._record, wave=following, since=since, reached=None, edited=False, promoted=promoted
        )
        self._opened = following
        self._past_calendar = following if "calendar" in skips else 0
        return following

    def _following(self) -> int:
        """The number of the next wave that has gateways; 0: there is none."""
        numbered = enumerate(self._seen.waves.sizes, start=1)
        return next((number for number, size in numbered if number > self._record.wave and size), 0)

    def _promotion(self, number: int) -> Promotion | None:
        return next((each for each in self._record.promoted if each.wave == number), None)

    def _passed(self, skips: Sequence[str]) -> bool:
        """Whether the wave opened last, or all who are in, have met the gate for as long as they must."""
        if not self._met() and "success" not in skips:
            return self._late()
        if self._record.reached is None:
            self._record = replace(self._record, reached=self._now)
        until = (self._record.reached or 0) + self._last().soak
        if self._now < until and "soak" not in skips:
            self._waits.append(Wait(WaitFor.SOAK, until, self._standing()))
            return False
        return True

    def _met(self) -> bool:
        counted = self._asked
        total = counted.total
        if not total and self._refused_wave():
            # A wave that was refused whole proves nothing; gateways of earlier waves do.
            return bool(self._seen.entered) or not self._following()
        if self._overdue() and self._wish.on_deadline is OnDeadline.SKIP_IDLE:
            self._left_out = counted.idle
            if counted.idle == total:
                return not total
            total -= counted.idle
        return counted.done * 100 >= self._gate().min_success * total

    def _late(self) -> bool:
        if self._record.reached is not None:
            self._record = replace(self._record, reached=None)
        if self._overdue() and self._wish.on_deadline is OnDeadline.PAUSE:
            self._end(RolloutStatus.PAUSED, "deadline")
            self._waits.append(Wait(WaitFor.PAUSED, text="deadline"))
            return False
        counted = self._asked
        if refused := 0 if counted.total else self._refused_wave():
            text = f"the server takes none of its {refused:,} gateways"
        else:
            idle = counted.idle
            text = self._standing() + (f"; {idle:,} never began" if idle else "")
        self._waits.append(Wait(WaitFor.SUCCESS, text=text))
        return False

    def _standing(self) -> str:
        """``431 of 500 done, 86.2 % < 90 %; 3 failed ≤ 50``."""
        counted, gate = self._asked, self._gate()
        done, failed = counted.done, len(self._failed)
        least = gate.min_success
        share = floored(done * 100, counted.total)
        met = done * 100 >= least * counted.total
        text = f"{done:,} of {counted.total:,} done, {share} % {'≥' if met else '<'} {least:g} %"
        if failed:
            text += f"; {failed:,} failed" + ("" if gate.max_failed is None else f" ≤ {gate.max_failed:,}")
        return text

    def _overdue(self) -> bool:
        deadline, since = self._last().deadline, self._record.since
        return deadline is not None and since > 0 and self._now > since + deadline

    def _may_open(self, number: int, skips: Sequence[str]) -> bool:
        wave = self._wish.waves[number - 1]
        if wave.approval and not self._promotion(number) and self._wish.approved < number:
            self._waits.append(Wait(WaitFor.APPROVAL, text=wave.name))
            return False
        if self._seen.before and not (self._record.wave or self._seen.entered):
            self._waits.append(Wait(WaitFor.AFTER, text=self._seen.before))
            return False
        told = self._openings(past_policy="calendar" in skips)
        its = [told[zone] for zone in self._zones_of(number, told)]
        if its and not any(each.open for each in its):
            self._wait_for_calendar(its)
            return False
        against = [check for check in self._seen.checks or () if check.verdict is not CheckVerdict.PASS]
        if against and "check" not in skips:
            self._waits += (Wait(WaitFor.CHECK, text=f"{each.name}: {each.text}") for each in against)
            return False
        return True

    # --- who joins -----------------------------------------------------------------------------

    def _released(self) -> frozenset[str]:
        """Of all open waves: who isn't in, whose calendar is open, as many as the budget has room for."""
        # The server may know refused gateways by now, so each wave tries them once more.
        refused = frozenset() if self._opened else self._seen.refused
        lacking = self._counts.lacking(refused)
        joining: list[frozenset[str]] = []
        closed: list[Opening] = []
        for number in range(1, self._record.wave + 1):
            if not lacking[number - 1]:
                continue
            rest = self._seen.waves[number - 1] - self._seen.entered - refused
            told = self._openings(past_policy=number == self._past_calendar)
            for zone, members in self._by_zone(rest, told):
                if not told[zone].open:
                    rest -= members
                    closed.append(told[zone])
            joining.append(rest)
        if closed and not any(wait.reason is WaitFor.CALENDAR for wait in self._waits):
            self._wait_for_calendar(closed)
        if self._wish.budget is None or not any(joining):
            return frozenset().union(*joining)
        return self._within(self._wish.budget, joining)

    def _within(self, budget: Budget, joining: Sequence[frozenset[str]]) -> frozenset[str]:
        slots = Slots(budget, self._seen)
        taken: set[str] = set()
        for wave in joining:
            taken.update(slots.take(ordered(wave, self._wish.seed)))
        if len(taken) < sum(map(len, joining)):
            never = slots.idle
            of = f", {never:,} of them by gateways that never began" if never else ""
            text = f"{slots.used:,} of {plural(slots.most, 'slot')} are held{of}"
            self._waits.append(Wait(WaitFor.BUDGET, text=text))
        return frozenset(taken)

    # --- words -----------------------------------------------------------------------------------

    def _openings(self, *, past_policy: bool) -> Mapping[str, Opening]:
        return self._seen.above if past_policy else self._seen.openings

    def _wait_for_calendar(self, told: Sequence[Opening]) -> None:
        opens = [each.opens for each in told if each.opens is not None]
        names = ", ".join(dict.fromkeys(name for each in told for name in each.closed))
        self._waits.append(Wait(WaitFor.CALENDAR, min(opens, default=None), names))

    def _zones_of(self, number: int, told: Mapping[str, Opening]) -> Iterator[str]:
        """The zones of a wave for which the calendars say something."""
        if "" in told:
            if self._seen.waves.sizes[number - 1]:
                yield ""
        elif told:
            members = self._seen.waves[number - 1]
            yield from (zone for zone, here in self._wish.zones.items() if not here.isdisjoint(members))

    def _by_zone(
        self, members: frozenset[str], told: Mapping[str, Opening]
    ) -> Iterator[tuple[str, frozenset[str]]]:
        """The zones of `members` for which the calendars say something."""
        if not told:
            return
        if "" in told:
            if members:
                yield "", members
            return
        for zone, gateways in self._wish.zones.items():
            if here := members & gateways:
                yield zone, here

    def _last(self) -> Wave:
        return self._wish.waves[max(self._record.wave, 1) - 1]

    def _gate(self) -> Gate:
        return self._last().gate

    @property
    def _asked(self) -> Tally:
        """Of whom the gate is asked."""
        counts, at = self._counts, max(self._record.wave, 1) - 1
        return counts.whole if self._record.edited else counts.counted[at]

    def _refused_wave(self) -> int:
        """How many of the wave opened last the server doesn't take."""
        return self._counts.tallies[max(self._record.wave, 1) - 1].refused

    def _end(self, status: RolloutStatus, why: str) -> None:
        if self._record.status is not status:
            self._record = replace(self._record, status=status, why=why, by="", at=self._now)


def floored(part: int, whole: int) -> str:
    """``86.2``: a share that never looks like more than it is."""
    tenths = part * 10 // whole if whole else 0
    return f"{tenths / 10:g}"
