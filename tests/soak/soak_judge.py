"""Holds one look at a rollout against what was there before it: by the calls, the clock and `soak_oracle`.

Of the product it takes the record that the state keeps, before and after, and nothing else.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from reconciler.model import Kind, ResourceId, RolloutRecord, RolloutStatus
from reconciler.state.applied import FORGIVEN, ROLLBACK, ROLLOUT
from reconciler.state.base import State
from tests.e2e.e2e_runs import operation_of
from tests.properties.prop_lab import Held
from tests.soak.soak_fleet import BACK_POLICY, BACK_WAVES, DONE, ENDED, FAILED, FIRST, Answering, Device, Git
from tests.soak.soak_oracle import (
    DAY,
    HOUR,
    NOBODY,
    Counted,
    fails,
    is_met,
    is_open,
    level,
    share_of,
    too_many_failed,
    waves_of,
)
from tests.soak.soak_run import Told

if TYPE_CHECKING:
    from tests.soak.soak_rollout import Rollout

ADD, START, STOP = "add-gateways", "start-campaign", "stop-campaign"
GATEWAY = re.compile(r"g-\d\d")
SOAKS = {"0s": 0, "1h": HOUR, "6h": 6 * HOUR}
GOES_ON = (RolloutStatus.PROGRESSING, RolloutStatus.COMPLETE)
SAID = (0, 3, 5, 7)
"""Exit codes of a look that came to its end."""
GUARDED = 5


@dataclass
class Memory:
    """What is known of one rollout beside the server and the state."""

    barred: str = ""
    """Why nobody may join until a person says otherwise."""
    met: dict[int, int] = field(default_factory=dict)
    """Wave → since which look its gate has been met; 0: that of all who are in, as one wave."""
    words: dict[int, frozenset[str]] = field(default_factory=dict)
    """Wave → what a person let it skip, and it hasn't used."""
    used: bool = False
    """Whether a promotion was used up."""


@dataclass
class Found:
    """How a campaign stood at one moment."""

    held: Held | None
    state: State
    name: str
    kept: RolloutRecord | None = None
    """A record in the place of that of the state."""

    @property
    def members(self) -> Mapping[str, str]:
        return {name: state for name, (state, _) in self.held.gateways.items()} if self.held else {}

    @property
    def record(self) -> RolloutRecord:
        if self.kept is not None:
            return self.kept
        owned = self.state.campaigns.get(campaign(self.name))
        return owned.rollout if owned and owned.rollout else RolloutRecord()

    @property
    def forgiven(self) -> frozenset[str]:
        return self._noted(self.name, ROLLOUT, FORGIVEN)

    @property
    def taken_back(self) -> frozenset[str]:
        """Whom the way back takes, as the state has it."""
        return self._noted("c", ROLLBACK, "b")

    def _noted(self, name: str, what: str, value: str) -> frozenset[str]:
        owned = self.state.campaigns.get(campaign(name))
        return owned.members.get(what, {}).get(value, NOBODY) if owned else NOBODY

    @property
    def summary(self) -> str:
        """In one line."""
        status = self.held.status if self.held else "not there"
        return f"{status} {dict(Counter(self.members.values()))} {self.record}"

    @property
    def runs(self) -> bool:
        return self.held is not None and self.held.status == "STARTED"


def campaign(name: str) -> ResourceId:
    return ResourceId(Kind.CAMPAIGN, name)


def members_of(held: Held | None) -> frozenset[str]:
    return frozenset(held.gateways) if held else NOBODY


@dataclass(frozen=True)
class About:
    """What files say of a campaign, and what is known of it."""

    name: str
    waves: Sequence[Mapping[str, Any]]
    policy: Mapping[str, Any]
    declared: frozenset[str]
    memory: Memory
    git: Git
    """What else they say: as it was when the plan was made, for a plan that was saved."""


@dataclass(frozen=True)
class Look:
    """When, and how it ended; None: it was not one that has to do all that it can."""

    code: int | None
    now: int
    calls: Sequence[tuple[int, Any]]
    saved: bool = False
    """Whether it applied a plan that was saved earlier."""


class World(Protocol):
    """What a judge asks of a run."""

    fleet: Mapping[str, Device]
    answering: Answering
    told: Told
    resumes: bool


class Judge:
    """Of both campaigns, and of how they stand to each other."""

    code: int | None = None
    """How the look ended; None: it was not one that has to do all that it can."""

    def __init__(self, run: "Rollout", saved: Git | None = None) -> None:
        """`saved`: it applies a plan that was saved when files said that."""
        self.run, self.saved = run, saved
        self.git = saved or run.git
        self.names = ("c", "b") if run.git.way_back else ("c",)

    def __enter__(self) -> "Judge":
        run = self.run
        self.now = run.ground.context.clock.now_ms()
        self.first_call = len(run.seen.times)
        self.before = {name: run.found(name) for name in self.names}
        c = self.before["c"]
        if c.record.status is RolloutStatus.ABORTED:
            run.touched |= {name for name, state in c.members.items() if state != FIRST}
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is not None:
            return
        after = {name: self.run.found(name) for name in self.names}
        calls = self.run.seen.times[self.first_call :]
        look = Look(self.code, self.now, calls, self.saved is not None)
        for name in self.names:
            Case(self.run, self._about(name, after[name]), look, self.before[name], after[name]).judge()
        if "b" in self.names:
            self._ways(after, calls)

    def _about(self, name: str, after: Found) -> About:
        git, memory = self.git, self.run.memory[name]
        if name == "c":
            return About(name, git.waves, git.policy, frozenset(git.listed), memory, git)
        members = after.taken_back | members_of(self.before[name].held)
        return About(name, BACK_WAVES, BACK_POLICY, members, memory, git)

    # --- ways back ------------------------------------------------------------------------------------

    def _ways(self, after: Mapping[str, Found], calls: Sequence[tuple[int, Any]]) -> None:
        run, c, b = self.run, self.before["c"], self.before["b"]
        strange = after["b"].members.keys() - run.touched
        assert not strange, f"W2: {sorted(strange)} are in the way back, and nothing was changed on them"
        if b.held is None and after["b"].held is not None:
            assert c.record.status is RolloutStatus.ABORTED, f"W3: a way back from what is {c.record.status}"
            run.told.counts["W3 held"] += 1
            run.told.counts["ways back begun"] += 1
            run.told.counts["ways back that leave somebody out"] += bool(c.members.keys() - run.touched)
            run.told.counts["ways back begun by a look at rollouts only"] += run.rollouts_only
        run.told.counts.update(["W1 held", "W2 held"] if b.held or after["b"].held else [])
        self._never_both(after, calls)
        touched = any(state != FIRST for state in c.members.values())
        due = c.record.status is RolloutStatus.ABORTED and not c.runs and c.held and touched
        if due and b.held is None and self.code in (0, 3, 7) and not run.resumes:
            assert after["b"].held is not None, "W4: the way back is due, and was not begun"
            run.told.counts["W4 held"] += 1

    def _never_both(self, after: Mapping[str, Found], calls: Sequence[tuple[int, Any]]) -> None:
        ids = {held.id: name for at in (self.before, after) for name in at if (held := at[name].held)}
        runs = {name: self.before[name].runs for name in self.names}
        # Whoever is through with its way back has nothing to come from it.
        complete = self.before["b"].record.status is RolloutStatus.COMPLETE
        within = set(self.before["b"].members)
        for _, seen in calls:
            operation = "" if seen.method == "GET" else operation_of(seen.method, seen.path)
            name = next((name for key, name in ids.items() if f"/{key}" in seen.path), "")
            if not name or not 200 <= seen.status < 300:
                continue
            other = {"b": "c", "c": "b"}[name]
            if operation == START:
                over = other == "b" and (complete or not within)
                assert not runs[other] or over, f"W1: {name} was started while {other} runs"
                runs[name] = True
            elif operation == STOP:
                runs[name] = False
            elif operation == ADD:
                joins = set(GATEWAY.findall(json.dumps(seen.body)))
                if name == "b":
                    assert not runs["c"], f"W1: {sorted(joins)} join the way back while the first one runs"
                    within |= joins
                else:
                    busy = runs["b"] and within and not complete
                    assert not busy, f"W1: {sorted(joins)} join while the way back is under way"


class Case:
    """One campaign."""

    def __init__(self, run: World, about: About, look: Look, before: Found, after: Found) -> None:
        self.run, self.name, self.memory, self.git = run, about.name, about.memory, about.git
        self.code, self.now, self.calls, self.saved = look.code, look.now, look.calls, look.saved
        self.before, self.after, self.was, self.record = before, after, before.record, after.record
        self.waves_said, self.policy, self.declared = about.waves, about.policy, about.declared
        self.gate = self.policy["gate"]
        self.strange = frozenset(each for each in self.declared if not run.fleet[each].known)
        self.waves = waves_of(self.declared, self.waves_said, self.name)
        self.entered = self.declared & before.members.keys()
        states = {each: before.members[each] for each in self.entered}
        self.counted = Counted(
            frozenset(each for each, state in states.items() if state == DONE),
            frozenset(each for each, state in states.items() if state == FAILED) - before.forgiven,
        )
        self.edits = self.record.plan != self.was.plan
        self.edited = self.was.edited or (self.edits and bool(self.was.plan) and bool(self.entered))
        known = [wave - self.strange for wave in self.waves]
        self.opened_before = level(known, self.entered) if self.edits else self.was.wave
        self.opened = [n for n in range(self.opened_before + 1, self.record.wave + 1) if self.waves[n - 1]]
        self.joined = after.members.keys() - before.members.keys()

    def _held(self, *properties: str) -> None:
        self.run.told.counts.update(f"{each} held" for each in properties)

    def judge(self) -> None:
        if self.memory.barred.startswith("P11"):
            self._held("P11")
        gone = self.entered - self.after.members.keys()
        assert not gone, f"P7: {self.name} lost {sorted(gone)}, which are declared"
        self._held(*(["P7"] if self.entered else ()))
        self._notes_gates()
        if self.joined:
            self._barred()
            self._budget()
            open_now = NOBODY.union(*self.waves[: self.record.wave])
            assert self.joined <= open_now, f"P8: {sorted(self.joined - open_now)} are in no open wave"
            self._held("P2", "P3", "P8")
        self._opens()
        self._now()
        self._exact()
        self._brakes()
        if self.name == "c" and self.git.calendar:
            self._calendar()
        if self.record.status is RolloutStatus.ABORTED and not self.memory.barred:
            self.memory.barred = f"P3: somebody joins {self.name}, which is aborted"
        for number in [n for n in self.memory.words if n <= self.record.wave] if self.opened else []:
            del self.memory.words[number]
            self.memory.used = True

    # --- P2, P3, P4 -----------------------------------------------------------------------------------

    def _barred(self) -> None:
        was, held = self.was, self.before.held
        assert not self.memory.barred, self.memory.barred
        assert was.status in GOES_ON, f"P2: {sorted(self.joined)} join, and it is {was.status}"
        assert not (self.name == "c" and self.git.rollout.get("paused")), "P2: Git pauses it"
        owned = self.before.state.campaigns.get(campaign(self.name))
        stopped = held is not None and held.status == "STOPPED" and not was.frozen
        by_hand = stopped and owned is not None and owned.status == "STARTED"
        assert not by_hand or self.run.resumes, "P2: it is held"
        assert not too_many_failed(self.counted, self.gate), f"P3: {sorted(self.counted.failed)} failed"

    def _now(self) -> None:
        """Nothing is released, whenever it was planned, that counts and clock are against by now."""
        goes_on = self.was.status is RolloutStatus.PROGRESSING and self.was.plan and any(self.waves)
        if not goes_on:
            return
        released = self.joined or self.opened
        # Who only pauses a failed one leaves the campaign as Git wants it.
        starts = self.policy.get("onFailure") == "stop" and self._started()
        if released or starts:
            what = f"{sorted(self.joined)} join, waves {self.opened} open, started: {bool(starts)}"
            why = next(self._must(), "")
            assert not why, f"P3: {what}, and {why}"
        if self.joined:
            assert not self._overdue(), f"P2: {sorted(self.joined)} join, and the deadline has passed"
        self._held(*(["P17"] if self.saved and (released or starts) else ()))

    def _started(self) -> bool:
        """Whether a call started it that closes no bracket."""
        ids = {found.held.id for found in (self.before, self.after) if found.held}
        for _, seen in self.calls:
            if seen.method != "GET" and any(f"/{each}" in seen.path for each in ids):
                name = operation_of(seen.method, seen.path)
                if name in (STOP, START):
                    return name == START
        return False

    def _overdue(self) -> bool:
        """Whether a look would pause it: its wave took too long, and hasn't met its gate."""
        was = self.was
        skips = self.memory.words.get(self._next(), NOBODY)
        pauses = "deadline" in self.policy and self.policy["onDeadline"] == "pause"
        if not pauses or self.edited or not was.wave or "success" in skips:
            return False
        late = was.since and self.now > was.since + 2 * DAY
        return bool(late) and not self._met(self._last())

    def _met(self, number: int) -> bool:
        """Whether the gate of a wave is met by what devices say now; 0: that of all who are in."""
        wave = self.waves[number - 1] if number else self.entered
        group = wave - self.strange
        return is_met(group, self.counted, self.gate) or bool(wave and not group and self.entered)

    def _budget(self) -> None:
        budget = self.policy.get("disruptionBudget")
        if budget is None:
            return
        site_of = (lambda each: self.run.fleet[each].site) if "groupBy" in budget else (lambda _: "")
        before = Counter(site_of(each) for each in self._unfinished(self.before))
        after = Counter(site_of(each) for each in self._unfinished(self.after))
        for site, count in after.items():
            most = max(budget["maxUnavailable"], before[site])
            assert count <= most, f"P4: {count} of {site or 'all'} are not done, {most} may"
            self._held("P4")

    def _unfinished(self, found: Found) -> Iterator[str]:
        states = found.members.items()
        yield from (
            each
            for each, state in states
            if state != DONE and each in self.declared and each not in self.after.forgiven
        )

    # --- P1, P6, P15, words and checks ----------------------------------------------------------------

    def _opens(self) -> None:
        assert len(self.opened) <= 1, f"P6: waves {self.opened} opened at once"
        for number in self.opened:
            self._held("P6")
            skips = self.memory.words.get(number)
            self._asked(number, skips)
            self._passed(number, skips or NOBODY)
            self.run.told.counts["promotions used"] += skips is not None

    def _asked(self, number: int, skips: frozenset[str] | None) -> None:
        if self.waves_said[number - 1].get("approval"):
            given = self.git.rollout.get("approved", 0) >= number or skips is not None
            assert given, f"P1: wave {number} opened without a person's word"
            self.run.told.counts["waves approved of"] += 1
        if self.checks and "check" not in (skips or ()):
            said = self.run.answering.said
            assert self.run.answering.all_pass, f"P1: wave {number} opened, and checks say {said}"
            self.run.told.counts["waves that checks let pass"] += 1

    @property
    def checks(self) -> bool:
        return self.name == "c" and bool(self.git.checks_at)

    def _passed(self, number: int, skips: frozenset[str]) -> None:
        key = 0 if self.edited else self._last()
        proven = self.opened_before or (self.edited and self.entered)
        if not proven or (not key and not self.edited) or self.policy.get("onDeadline") == "skipIdle":
            return
        since = self.memory.met.get(key)
        said = f"wave {number} opened, and the gate of {f'wave {key}' if key else 'all who are in'}"
        why = (
            "P15" if not skips and not self.memory.words and self.run.told.counts["promotions used"] else "P1"
        )
        if "success" not in skips:
            assert since is not None, f"{why}: {said} was not met"
            assert self._met(key), f"{why}: {said} is met no longer"
        soak = SOAKS[self.waves_said[max(self.opened_before, 1) - 1].get("soak", "0s")]
        if since is not None and "soak" not in skips:
            assert self.now - since >= soak, f"{why}: {said} was met {self.now - since} ms ago, not {soak}"
        if not skips:
            self._held(why)

    def _last(self) -> int:
        return max((n for n in range(1, self.opened_before + 1) if self.waves[n - 1]), default=0)

    def _notes_gates(self) -> None:
        met = self.memory.met
        if self.edits:
            met.pop(0, None)
        for number in range(len(self.waves) + 1):
            if self._met(number):
                met.setdefault(number, self.now)
            elif self.code in (0, 3, 7):
                met.pop(number, None)

    # --- P10, P13 -------------------------------------------------------------------------------------

    def _exact(self) -> None:
        """Who opens a wave lets in just those that its share says, by the order of the hash."""
        held_up = "disruptionBudget" in self.policy or (self.name == "c" and self.git.calendar)
        if self.code not in (0, 3, 7) or not self.opened or held_up:
            return
        wanted = NOBODY.union(*self.waves[: self.record.wave]) - self.strange
        missing, more = wanted - self.after.members.keys(), self.joined - wanted
        assert not missing, f"P10: {sorted(missing)} are in an open wave, and did not join"
        assert not more, f"P10: {sorted(more)} joined"
        said = self.waves_said[self.record.wave - 1]
        if "gateways" not in said and not self.entered - wanted:
            before = len(NOBODY.union(*self.waves[: self.record.wave - 1]))
            share = max(before, share_of(said.get("upTo", "100%"), len(self.declared)))
            released = len(self.after.members.keys() & self.declared) + len(
                self.strange & NOBODY.union(*self.waves[: self.record.wave])
            )
            assert released == share, f"P13: {released} of {len(self.declared)} are released, not {share}"
            self._held("P13")
        self._held("P10")

    # --- P3, P19: what ends it, and that nothing holds that up ------------------------------------------

    def _brakes(self) -> None:
        was, status = self.was, self.record.status
        judged = was.status in (RolloutStatus.PROGRESSING, RolloutStatus.PAUSED) and was.plan
        if judged and any(self.waves) and self.code in SAID:
            why = next(self._must(), "")
            assert not why or status is RolloutStatus.ABORTED, f"P19: {why}, and it is {status}"
            self._held(*(["P19"] if why else ()))
            self.run.told.counts["aborts past a guard"] += bool(why) and self.code == GUARDED
        if status is RolloutStatus.ABORTED and was.status is not status and not self.record.by:
            assert any(self._may()), f"P3: it is aborted for no reason: {self.record.why}"
        if status is RolloutStatus.ABORTED and self.policy.get("onFailure") == "stop" and self.code in SAID:
            assert not self.after.runs, f"P19: {self.name} is aborted, and its campaign runs on"

    def _must(self) -> Iterator[str]:
        """Why it has to be aborted by this look."""
        if too_many_failed(self.counted, self.gate):
            yield f"{len(self.counted.failed)} failed"
        for group in self._groups():
            if fails(group, len(group), self.counted, self.gate):
                yield f"of {sorted(group)} failed {sorted(group & self.counted.failed)}"
        word = self.memory.words.get(self._next(), NOBODY)
        fails_now = self.checks and self.run.answering.said["errors"] == "fail"
        if fails_now and self.was.wave and "check" not in word:
            yield "the check errors fails"

    def _may(self) -> Iterator[str]:
        if too_many_failed(self.counted, self.gate):
            yield "failures"
        for group in self._groups():
            known = group - self.strange
            if fails(known, len(known), self.counted, self.gate):
                yield "a share"
        if self.checks and self.run.answering.said["errors"] == "fail":
            yield "a check"

    def _groups(self) -> Sequence[frozenset[str]]:
        return [self.entered] if self.edited else self.waves[: self.opened_before]

    def _next(self) -> int:
        return next((n for n, wave in enumerate(self.waves, 1) if n > self.opened_before and wave), 0)

    # --- P5 -------------------------------------------------------------------------------------------

    def _calendar(self) -> None:
        """By the calls that the server saw, and its clock."""
        run, stopped = self.run, False
        past = {n for n in self.opened if "calendar" in self.memory.words.get(n, ())}
        exempt = NOBODY.union(*(self.waves[n - 1] for n in past))
        held = self.after.held or self.before.held
        for at, seen in self.calls if held else ():
            if seen.method == "GET" or f"/{held.id}" not in seen.path:
                continue
            name = operation_of(seen.method, seen.path)
            if name == STOP:
                stopped = True
            if name == ADD:
                told = frozenset(GATEWAY.findall(json.dumps(seen.body))) - exempt
                shut = [each for each in told if not self._open(at, run.fleet[each].zone)]
                assert not shut, f"P5: {shut} join at {at}"
                self._held("P5")
            elif name == START and not stopped and not past:
                members = self.after.members
                zones = {run.fleet[each].zone for each in members if members[each] not in ENDED}
                assert all(self._open(at, zone) for zone in zones), f"P5: {name} at {at}"

    def _open(self, at: int, zone: str) -> bool:
        git = self.git
        begin, end = git.freeze
        place = zone if git.calendar == "gateway" else git.calendar
        return is_open(at, place, git.night) and not begin <= at < end
