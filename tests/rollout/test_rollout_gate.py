"""Looks at rollouts: each question alone, then worlds of fleets, people and clocks."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from random import Random

import pytest

from reconciler.model import (
    Budget,
    DesiredRollout,
    Gate,
    OnDeadline,
    Promotion,
    RolloutRecord,
    RolloutStatus,
    Share,
    Wave,
)
from reconciler.model.waves import assigned
from reconciler.rollout.calendars import Opening
from reconciler.rollout.gate import look
from reconciler.rollout.situation import CheckAnswer, CheckVerdict, Decision, Situation, WaitFor
from tests.fakes import in_waves

HOUR = 3_600_000
OPEN = {"": Opening(True)}
FLEET = frozenset(f"gw-{number:03}" for number in range(100))
WAVES = (
    Wave("canary", Share(10), soak=HOUR),
    Wave("half", Share(thousandths=50_000), soak=HOUR),
    Wave("rest"),
)
WISH = DesiredRollout("careful", WAVES, "seed")
ASSIGNED = assigned(FLEET, WAVES, "seed")
CANARY, HALF, REST = ASSIGNED


def seen(now: int = 10 * HOUR, **known: object) -> Situation:
    base = Situation(now, ASSIGNED, CANARY, openings=OPEN)
    return replace(base, **known)  # type: ignore[arg-type]


def after(wave: int = 1, since: int = HOUR, **known: object) -> RolloutRecord:
    return replace(RolloutRecord(wave=wave, since=since), **known)  # type: ignore[arg-type]


def some(members: frozenset[str], number: int) -> frozenset[str]:
    return frozenset(sorted(members)[:number])


def reasons(found: Decision) -> list[WaitFor]:
    return [wait.reason for wait in found.waits]


def test_the_first_wave_opens_at_once() -> None:
    found = look(WISH, RolloutRecord(), seen(entered=frozenset()))
    assert (found.opens, found.release) == (1, CANARY)
    assert found.record.since == 10 * HOUR


def test_the_first_wave_joins_a_campaign_that_doesnt_run_and_its_clock_begins_when_it_does() -> None:
    opened = look(WISH, RolloutRecord(), seen(entered=frozenset(), running=False))
    assert (opened.release, opened.record.since) == (CANARY, 0)
    waits = look(WISH, opened.record, seen(20 * HOUR, running=False))
    assert (waits.record.since, reasons(waits)) == (0, [WaitFor.NOT_RUNNING])
    runs = look(WISH, waits.record, seen(30 * HOUR))
    assert runs.record.since == 30 * HOUR


def test_a_wave_waits_for_its_successes_then_soaks_then_the_next_one_opens() -> None:
    waits = look(WISH, after(), seen(done=some(CANARY, 8)))
    assert (waits.opens, reasons(waits)) == (0, [WaitFor.SUCCESS])
    assert waits.waits[0].text == "8 of 10 done, 80 % < 90 %"
    reached = look(WISH, waits.record, seen(done=some(CANARY, 9)))
    assert (reached.record.reached, reasons(reached)) == (10 * HOUR, [WaitFor.SOAK])
    assert reached.waits[0].until == 11 * HOUR
    opens = look(WISH, reached.record, seen(11 * HOUR, done=some(CANARY, 9)))
    assert (opens.opens, opens.release) == (2, HALF)
    assert opens.record.reached is None


def test_a_soak_is_unbroken() -> None:
    record = after(reached=10 * HOUR)
    broken = look(WISH, record, seen(done=some(CANARY, 8)))
    assert broken.record.reached is None
    again = look(WISH, broken.record, seen(20 * HOUR, done=CANARY))
    assert again.record.reached == 20 * HOUR


@pytest.mark.parametrize(("failed", "aborts"), [(1, False), (2, True)])
def test_failures_that_are_certain_abort_before_the_sample_is_reached(failed: int, aborts: bool) -> None:
    found = look(WISH, after(), seen(failed=some(CANARY, failed)))
    assert (found.record.status is RolloutStatus.ABORTED) is aborts
    assert not found.release


def test_a_share_of_failures_counts_from_the_sample_on() -> None:
    inside = CANARY | HALF
    finished = sorted(HALF)
    for done, aborts in ((16, False), (17, True)):
        failed = frozenset(finished[:3])
        found = look(
            WISH, after(2), seen(entered=inside, failed=failed, done=frozenset(finished[3 : 3 + done]))
        )
        assert (found.record.status is RolloutStatus.ABORTED) is aborts


def test_failures_of_the_whole_rollout_are_counted_over_all_waves() -> None:
    waves = tuple(replace(wave, gate=Gate(max_failed_percent=100, max_failed=3)) for wave in WAVES)
    wish = replace(WISH, waves=waves)
    failed = some(CANARY, 2) | some(HALF, 2)
    found = look(wish, after(2), seen(entered=CANARY | HALF, failed=failed))
    assert found.record.status is RolloutStatus.ABORTED
    assert found.record.why == "4 gateways failed, more than the 3 that the rollout may have"


def test_a_limit_that_was_lowered_pauses() -> None:
    waves = tuple(replace(wave, gate=Gate(max_failed_percent=100, max_failed=1)) for wave in WAVES)
    found = look(replace(WISH, waves=waves), after(limit=5), seen(failed=some(CANARY, 2)))
    assert found.record.status is RolloutStatus.PAUSED


def test_forgiven_failures_no_longer_count() -> None:
    failed = some(CANARY, 5)
    found = look(WISH, after(), seen(failed=failed, forgiven=failed))
    assert found.record.status is RolloutStatus.PROGRESSING


@pytest.mark.parametrize(
    ("record", "known", "paused", "reason"),
    [
        (after(status=RolloutStatus.PAUSED), {}, False, WaitFor.PAUSED),
        (after(status=RolloutStatus.ABORTED), {}, False, WaitFor.ABORTED),
        (after(), {}, True, WaitFor.PAUSED_IN_GIT),
        (after(), {"held": True}, False, WaitFor.HELD),
        (after(), {"stays": True}, False, WaitFor.NOT_RUNNING),
        (after(), {"running": False}, False, WaitFor.NOT_RUNNING),
    ],
)
def test_nobody_joins_while_something_bars(
    record: RolloutRecord, known: dict[str, object], paused: bool, reason: WaitFor
) -> None:
    wish = replace(WISH, paused=paused)
    found = look(wish, record, seen(entered=some(CANARY, 5), done=CANARY, **known))
    assert (found.opens, found.release, reasons(found)) == (0, frozenset(), [reason])


@pytest.mark.parametrize(("entered", "joins"), [(5, 5), (10, 0)])
def test_who_lacks_of_an_open_wave_joins_while_it_waits(entered: int, joins: int) -> None:
    found = look(WISH, after(), seen(entered=some(CANARY, entered)))
    assert len(found.release) == joins
    assert found.release <= CANARY


def test_a_wave_that_wants_approval_waits_for_git_or_a_promotion() -> None:
    waves = (WAVES[0], replace(WAVES[1], approval=True), WAVES[2])
    wish, record = replace(WISH, waves=waves), after(reached=HOUR)
    situation = seen(done=CANARY)
    assert reasons(look(wish, record, situation)) == [WaitFor.APPROVAL]
    assert look(replace(wish, approved=2), record, situation).opens == 2
    promoted = look(wish, replace(record, promoted=(Promotion(2),)), situation)
    assert promoted.opens == 2
    assert promoted.record.promoted == ()


@pytest.mark.parametrize("skip", ["success", "soak", "calendar", "check"])
def test_a_promotion_skips_what_it_names_once(skip: str) -> None:
    record = after(reached=None if skip in ("soak", "success") else HOUR, promoted=(Promotion(2, (skip,)),))
    known: dict[str, object] = {"done": CANARY}
    if skip == "success":
        known = {"done": frozenset()}
        record = replace(record, promoted=(Promotion(2, ("success", "soak")),))
    elif skip == "calendar":
        known["openings"] = {"": Opening(False, opens=20 * HOUR)}
    elif skip == "check":
        known["checks"] = [CheckAnswer("errors", CheckVerdict.ERROR)]
    found = look(WISH, record, seen(**known))
    assert (found.opens, found.release) == (2, HALF)
    assert found.record.promoted == ()
    assert look(WISH, replace(record, promoted=()), seen(**known)).opens == 0


def test_a_closed_calendar_is_waited_for() -> None:
    closed = {"": Opening(False, opens=15 * HOUR)}
    found = look(WISH, after(reached=HOUR), seen(done=CANARY, openings=closed))
    assert (found.opens, found.release, reasons(found)) == (0, frozenset(), [WaitFor.CALENDAR])
    assert found.waits[0].until == 15 * HOUR


def test_a_wave_opens_for_the_zones_that_are_open() -> None:
    east = some(HALF, 15)
    wish = replace(WISH, zones={"east": east, "west": FLEET - east})
    openings = {"east": Opening(True), "west": Opening(False, opens=15 * HOUR)}
    found = look(wish, after(reached=HOUR), seen(done=CANARY, openings=openings))
    assert (found.opens, found.release) == (2, east)
    assert reasons(found) == [WaitFor.CALENDAR]


@pytest.mark.parametrize(
    ("answer", "opens", "status"),
    [
        (CheckAnswer("c", CheckVerdict.PASS), 2, RolloutStatus.PROGRESSING),
        (CheckAnswer("c", CheckVerdict.ERROR), 0, RolloutStatus.PROGRESSING),
        (CheckAnswer("c", CheckVerdict.FAIL, aborts=False), 0, RolloutStatus.PROGRESSING),
        (CheckAnswer("c", CheckVerdict.FAIL, "7 > 5"), 0, RolloutStatus.ABORTED),
    ],
)
def test_checks(answer: CheckAnswer, opens: int, status: RolloutStatus) -> None:
    found = look(WISH, after(reached=HOUR), seen(done=CANARY, checks=[answer]))
    assert (found.opens, found.record.status) == (opens, status)


def test_a_deadline_pauses_or_leaves_the_idle_out() -> None:
    waves = tuple(replace(wave, deadline=HOUR) for wave in WAVES)
    late = seen(done=some(CANARY, 5), idle=CANARY - some(CANARY, 5))
    paused = look(replace(WISH, waves=waves), after(), late)
    assert (paused.record.status, paused.record.why) == (RolloutStatus.PAUSED, "deadline")
    wish = replace(WISH, waves=waves, on_deadline=OnDeadline.SKIP_IDLE)
    found = look(wish, after(reached=HOUR), late)
    assert (found.opens, found.left_out) == (2, 5)


def test_a_wave_of_which_nobody_counts_any_more_is_never_passed() -> None:
    waves = tuple(replace(wave, deadline=HOUR) for wave in WAVES)
    wish = replace(WISH, waves=waves, on_deadline=OnDeadline.SKIP_IDLE)
    assert look(wish, after(reached=HOUR), seen(idle=CANARY)).opens == 0


def test_refused_ids_block_neither_gate_nor_budget() -> None:
    refused = some(CANARY, 5)
    wish = replace(WISH, budget=Budget(5))
    begun = look(wish, after(), seen(entered=frozenset(), refused=refused))
    assert begun.release == CANARY - refused
    found = look(
        wish, after(reached=HOUR), seen(entered=CANARY - refused, done=CANARY - refused, refused=refused)
    )
    assert found.opens == 2


def test_refused_ids_are_tried_once_more_when_a_wave_opens() -> None:
    refused = some(CANARY, 1)
    inside = CANARY - refused
    found = look(WISH, after(reached=HOUR), seen(entered=inside, done=inside, refused=refused))
    assert (found.opens, found.release) == (2, HALF | refused)


def test_a_wave_of_which_the_server_takes_nobody_proves_nothing() -> None:
    nobody = look(WISH, after(reached=HOUR), seen(entered=frozenset(), refused=CANARY))
    assert (nobody.opens, reasons(nobody)) == (0, [WaitFor.SUCCESS])
    assert nobody.waits[0].text == "the server takes none of its 10 gateways"
    # Those of the wave before have met their gate.
    found = look(WISH, after(2, reached=HOUR), seen(entered=CANARY, done=CANARY, refused=HALF))
    assert found.opens == 3


def test_where_nobody_is_in_a_campaign_that_does_not_run_holds_up_nothing() -> None:
    """It starts with those who join, so it may not wait for itself to run."""
    nobody = seen(entered=frozenset(), refused=CANARY, running=False)
    assert reasons(look(WISH, after(), nobody)) == [WaitFor.SUCCESS]
    promoted = (Promotion(2, ("success", "soak")),)
    found = look(WISH, after(promoted=promoted), nobody)
    assert (found.opens, found.release) == (2, CANARY | HALF)
    # All of its first wave were dropped from the lists.
    dropped = replace(nobody, waves=in_waves(frozenset(), *nobody.waves[1:]), refused=frozenset())
    for record in (after(reached=HOUR), after(since=0, reached=HOUR)):
        assert look(WISH, record, dropped).release == HALF


def test_a_budget_holds_in_each_group() -> None:
    sites = {"a": some(CANARY, 6), "b": CANARY - some(CANARY, 6)}
    wish = replace(WISH, budget=Budget(2, groups=sites))
    found = look(wish, RolloutRecord(), seen(entered=frozenset()))
    assert [len(found.release & site) for site in sites.values()] == [2, 2]
    assert reasons(found) == [WaitFor.BUDGET]


def test_failed_ones_keep_their_slot_until_they_are_forgiven() -> None:
    wish = replace(WISH, budget=Budget(1))
    failed = some(CANARY, 1)
    held = look(wish, after(), seen(entered=failed, failed=failed))
    assert not held.release
    assert len(look(wish, after(), seen(entered=failed, failed=failed, forgiven=failed)).release) == 1


def test_after_an_edit_of_the_waves_all_who_are_in_meet_the_gate() -> None:
    failing = look(WISH, after(0, edited=True), seen(failed=some(CANARY, 2)))
    assert failing.record.status is RolloutStatus.ABORTED
    waiting = look(WISH, after(0, edited=True), seen(done=some(CANARY, 5)))
    assert reasons(waiting) == [WaitFor.SUCCESS]
    passing = look(WISH, after(0, edited=True, reached=HOUR), seen(done=CANARY))
    assert (passing.opens, passing.record.edited) == (1, False)


def test_the_last_wave_is_followed_by_complete_which_stays() -> None:
    found = look(WISH, after(3, reached=HOUR), seen(entered=FLEET, done=FLEET))
    assert found.record.status is RolloutStatus.COMPLETE
    later = look(WISH, found.record, seen(20 * HOUR, entered=FLEET, failed=FLEET))
    assert later.record.status is RolloutStatus.COMPLETE
    newcomer = replace(seen(entered=FLEET), waves=in_waves(CANARY, HALF, REST | {"new"}))
    assert look(WISH, found.record, newcomer).release == {"new"}


def test_an_empty_fleet_is_not_complete() -> None:
    found = look(
        WISH, RolloutRecord(), Situation(0, in_waves(*[frozenset()] * 3), frozenset(), openings=OPEN)
    )
    assert found.record == RolloutRecord()


def test_a_clock_that_went_back_waits() -> None:
    found = look(WISH, after(reached=10 * HOUR), seen(HOUR, done=CANARY))
    assert reasons(found) == [WaitFor.SOAK]


# --- worlds ----------------------------------------------------------------------------------------


@dataclass
class World:
    """A fleet that fails, sleeps and is refused, on a clock; people and windows."""

    random: Random
    wish: DesiredRollout
    fleet: frozenset[str]
    rate: float
    now: int = 1000 * HOUR
    entered: set[str] = field(default_factory=set)
    done: set[str] = field(default_factory=set)
    failed: set[str] = field(default_factory=set)
    asleep: set[str] = field(default_factory=set)
    unknown: frozenset[str] = frozenset()
    refused: set[str] = field(default_factory=set)
    record: RolloutRecord = field(default_factory=RolloutRecord)

    def situation(self) -> Situation:
        hour = self.now // HOUR % 24
        opened = Opening(hour < 12, None, None if hour < 12 else (self.now // HOUR + 24 - hour) * HOUR)
        return Situation(
            self.now,
            assigned(self.fleet, self.wish.waves, self.wish.seed),
            frozenset(self.entered),
            frozenset(self.done),
            frozenset(self.failed),
            frozenset(self.entered - self.done - self.failed),
            refused=frozenset(self.refused),
            openings={"": opened},
        )

    def pass_time(self) -> None:
        self.now += self.random.choice((HOUR // 4, HOUR, 3 * HOUR))
        for each in sorted(self.entered - self.done - self.failed - self.asleep):
            if self.random.random() < 0.5:
                (self.failed if self.random.random() < self.rate else self.done).add(each)

    def join(self, release: frozenset[str]) -> None:
        self.refused |= release & self.unknown
        self.entered |= release - self.unknown


def world(seed: int) -> World:
    random = Random(seed)
    fleet = frozenset(f"gw-{number}" for number in range(random.randint(1, 80)))
    names = sorted(fleet)
    shares = sorted({random.randint(1, 99) for _ in range(random.randint(0, 3))})
    gate = Gate(90.0, 10.0, random.choice((1, 5, 20)), random.choice((None, 3, 10)))
    soaks = (0, HOUR, 6 * HOUR)
    waves = [
        Wave(f"w{share}", Share(thousandths=share * 1000), soak=random.choice(soaks), gate=gate)
        for share in shares
    ]
    if random.random() < 0.5:
        waves.insert(0, Wave("canary", candidates=frozenset(names[:3]), soak=HOUR, gate=gate))
    budget = random.choice((None, Budget(random.randint(1, 5)), Budget(thousandths=20_000)))
    wish = DesiredRollout("p", (*waves, Wave("rest", gate=gate)), "seed", budget)
    unknown = frozenset(random.sample(names, len(names) // 20))
    return World(random, wish, fleet, random.choice((0.0, 0.02, 0.3)), unknown=unknown)


def looks(scene: World, number: int) -> Iterator[tuple[Situation, RolloutRecord, Decision]]:
    for _ in range(number):
        before, situation = scene.record, scene.situation()
        found = look(scene.wish, before, situation)
        scene.record = found.record
        yield situation, before, found
        scene.refused -= found.release
        scene.join(found.release)
        scene.pass_time()


@pytest.mark.parametrize("start", range(0, 400, 40))
def test_worlds_hold_the_properties_of_a_rollout(start: int) -> None:
    for seed in range(start, start + 40):
        scene = world(seed)
        aborted = False
        for situation, before, found in looks(scene, 80):
            waves = situation.waves
            _gate_holds(scene.wish, situation, before, found)
            opened = frozenset().union(*waves[: found.record.wave])
            refused = frozenset() if found.opens else situation.refused
            assert found.release <= opened - situation.entered - refused
            assert found.record.wave == (found.opens or before.wave)
            assert not (aborted and found.release)
            if found.release:
                assert situation.openings[""].open
            aborted = aborted or found.record.status is RolloutStatus.ABORTED
            _budget_holds(scene.wish, situation, found.release)
            again = look(
                scene.wish, found.record, replace(situation, entered=situation.entered | found.release)
            )
            if not found.opens:
                assert (again.record, again.release) == (found.record, frozenset())


def _gate_holds(wish: DesiredRollout, seen: Situation, before: RolloutRecord, found: Decision) -> None:
    if not found.opens or not before.wave:
        return
    wave = wish.waves[before.wave - 1]
    members = seen.waves[before.wave - 1] - seen.refused
    assert len(members & seen.done) * 100 >= wave.gate.min_success * len(members)
    assert wave.soak == 0 or (before.reached is not None and seen.now >= before.reached + wave.soak)
    assert not any(seen.waves[before.wave : found.opens - 1])


def _budget_holds(wish: DesiredRollout, seen: Situation, release: frozenset[str]) -> None:
    if wish.budget is not None:
        unfinished = len(seen.entered - seen.done)
        most = max(wish.budget.of(len(seen.entered.union(*seen.waves))), unfinished)
        assert unfinished + len(release) <= most


@pytest.mark.parametrize("seed", range(60))
def test_a_rollout_without_failures_is_completed(seed: int) -> None:
    scene = replace(world(seed), rate=0.0)
    for _ in looks(scene, 2000):
        if scene.record.status is RolloutStatus.COMPLETE:
            break
    assert scene.record.status is RolloutStatus.COMPLETE
