"""Which steps a parcel is drawn of, and what a report makes of them."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import pytest

from reconciler.apply.carrying import Carrying
from reconciler.apply.patience import Newborns
from reconciler.apply.sender import PARCEL, Ended, Parcel, ParcelReport
from reconciler.errors import ReconcilerError
from reconciler.model import Outcome, OutcomeStatus, Skip, Step, StepGroup
from reconciler.pacing import Settling
from reconciler.providers.base import Bindings
from tests.apply.apply_script import group

FLEET = tuple(f"gw-{n:05}" for n in range(2 * PARCEL))
DONE, FAILED = OutcomeStatus.DONE, OutcomeStatus.FAILED


def windows(count: int, key: str = "windows", **values: object) -> StepGroup:
    return group("schedule-download", key=key, gateways=FLEET[:count], per_call=1, target="c-1", **values)  # type: ignore[arg-type]


@dataclass
class Answering:
    """Answers with `reports`, one after the other; the last of them for ever."""

    reports: Sequence[ParcelReport | Exception]
    sent: list[Parcel] = field(default_factory=list)
    turns: int = 0
    most: int = 1

    def carries(self, group: StepGroup) -> bool:
        return group.key == "windows"

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        self.turns += 1
        yield

    async def send(self, parcel: Parcel) -> ParcelReport:
        self.sent.append(parcel)
        answer = self.reports[min(len(self.sent), len(self.reports)) - 1]
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def halt(self) -> None:
        pass


def carrying(*reports: ParcelReport | Exception, seconds: float = 0) -> tuple[Carrying, Answering]:
    sender = Answering(reports)
    newborns = Newborns(Settling(seconds, clock=lambda: 100.0))
    bindings = Bindings({windows(1).action.resource: "made"})
    return Carrying(sender, bindings, newborns), sender


def carried(
    carry: Carrying, steps: Iterable[Step], *stands: Outcome | None
) -> tuple[list[list[Outcome]], list[Step]]:
    """What becomes of `steps`, in the portions in which it is told; and who was asked about."""
    asked: list[Step] = []

    def against(step: Step) -> Outcome | None:
        asked.append(step)
        return stands[len(asked) - 1] if len(asked) <= len(stands) else None

    async def main() -> list[list[Outcome]]:
        return [outcomes async for outcomes in carry.carry(list(steps), against)]

    return asyncio.run(main()), asked


def told(outcomes: Iterable[Outcome]) -> dict[str, str]:
    return {outcome.step.gateways[0]: str(outcome.status) for outcome in outcomes}


# --- drawing ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("counts", "parcels"),
    [
        ([], [0]),
        ([1], [1, 0]),
        ([PARCEL - 1], [PARCEL - 1, 0]),
        ([PARCEL], [PARCEL, 0]),
        ([PARCEL + 1], [PARCEL, 1, 0]),
        ([2 * PARCEL], [PARCEL, PARCEL, 0]),
        ([3, 4], [3, 4, 0]),
        ([0, 4], [4, 0]),
        ([PARCEL, 4], [PARCEL, 4, 0]),
    ],
)
def test_a_parcel_is_drawn_of_one_group(counts: list[int], parcels: list[int]) -> None:
    carry, _ = carrying()
    groups = [windows(count, f"group-{at}") for at, count in enumerate(counts)]
    for each in groups:
        carry.add(each, iter(each))
    drawn = [carry.draw() for _ in parcels]
    assert [len(each) for each in drawn] == parcels
    assert [step.id for each in drawn for step in each] == [step.id for each in groups for step in each]
    assert all(len({step.group.key for step in each}) <= 1 for each in drawn)
    assert not carry.ready


def test_what_comes_of_the_same_group_by_and_by_goes_out_together() -> None:
    carry, _ = carrying()
    steps = list(windows(7))
    other = windows(1, "other")
    carry.add(steps[0].group, iter(steps[:3]))
    carry.add(steps[0].group, iter(steps[3:5]))
    carry.add(other, iter(other))
    carry.add(steps[0].group, iter(steps[5:]))
    assert [[step.id for step in carry.draw()] for _ in range(3)] == [
        [step.id for step in steps[:5]],
        [step.id for step in other],
        [step.id for step in steps[5:]],
    ]


def test_what_comes_of_the_same_group_fills_a_parcel_and_no_more() -> None:
    carry, _ = carrying()
    steps = list(windows(PARCEL + 5))
    carry.add(steps[0].group, iter(steps[:3]))
    carry.add(steps[0].group, iter(steps[3:]))
    assert [[step.id for step in carry.draw()] for _ in range(3)] == [
        [step.id for step in steps[:PARCEL]],
        [step.id for step in steps[PARCEL:]],
        [],
    ]


def test_there_is_something_to_draw_as_long_as_steps_may_come() -> None:
    carry, _ = carrying()
    assert not carry.ready
    carry.add(windows(PARCEL), iter(windows(PARCEL)))
    assert carry.ready
    carry.draw()
    assert carry.ready, "nobody has seen that there are no more"
    assert carry.draw() == []
    assert not carry.ready


def test_the_sender_says_what_is_carried_and_when_it_is_its_turn() -> None:
    carry, sender = carrying()
    assert [carry.carries(windows(1, key)) for key in ("windows", "other")] == [True, False]

    async def main() -> None:
        async with carry.turn():
            assert sender.turns == 1

    asyncio.run(main())


# --- what is sent -------------------------------------------------------------------------------------


def test_a_parcel_says_of_whom_it_is_and_the_rest_is_another_one() -> None:
    carry, sender = carrying(ParcelReport("", b"\x05"), ParcelReport("", b"\x01"), ParcelReport("", b"\x03"))
    portions, _ = carried(carry, windows(5))
    assert [(parcel.id, parcel.gateways) for parcel in sender.sent] == [
        ("windows#1", FLEET[:5]),
        ("windows#2", (FLEET[1], FLEET[3], FLEET[4])),
        ("windows#3", (FLEET[3], FLEET[4])),
    ]
    assert {(parcel.group, parcel.target, parcel.young) for parcel in sender.sent} == {
        ("windows", "c-1", None)
    }
    assert [list(told(portion)) for portion in portions] == [
        [FLEET[0], FLEET[2]],
        [FLEET[1]],
        [FLEET[3], FLEET[4]],
    ]
    assert {outcome for portion in portions for outcome in portion} == {
        Outcome(step, DONE) for step in windows(5)
    }


def test_of_a_campaign_of_this_run_the_parcel_says_how_long_it_may_not_be_shown() -> None:
    carry, sender = carrying(ParcelReport("", b"\x01"), seconds=30)
    made = replace(windows(1), action=replace(windows(1).action, target=None))  # type: ignore[call-arg]
    carry._newborns.seen(made.action.resource, 12.5)
    carried(carry, made)
    assert [(parcel.target, parcel.young) for parcel in sender.sent] == [("made", 12.5)]


# --- what a report says -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ended", "outcome"),
    [
        (Ended(1, "failed", "no", 3), {"status": FAILED, "message": "no", "attempts": 3}),
        (Ended(1, "failed", "no"), {"status": FAILED, "message": "no", "attempts": 1}),
        (
            Ended(1, "unknown", "cut", 2, unclear=True),
            {"status": OutcomeStatus.UNKNOWN, "message": "cut", "attempts": 2, "unclear": True},
        ),
        (
            Ended(1, "failed", "no", refused=True),
            {"status": FAILED, "message": "no", "refused": (FLEET[1],)},
        ),
        (Ended(1, "done", "again", 2), {"status": DONE, "message": "again", "attempts": 2}),
    ],
)
def test_what_is_said_of_a_gateway_becomes_the_outcome_of_its_step(
    ended: Ended, outcome: dict[str, object]
) -> None:
    steps = list(windows(3))
    carry, _ = carrying(ParcelReport("", b"\x05", (ended,)))
    (portion,), _ = carried(carry, steps)
    assert portion == [
        Outcome(steps[0], DONE),
        Outcome(steps[2], DONE),
        Outcome(steps[1], **outcome),  # type: ignore[arg-type]
    ]


@pytest.mark.parametrize("more", [3, 4, 50])
def test_what_is_said_of_nobody_is_passed_over(more: int) -> None:
    report = ParcelReport("", b"\xff" * 8, (Ended(more, "failed", "who?"),))
    carry, sender = carrying(report)
    (portion,), _ = carried(carry, windows(3))
    assert told(portion) == dict.fromkeys(FLEET[:3], "done")
    assert len(sender.sent) == 1


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (
            ReconcilerError("nobody is there", hint="start one"),
            {"status": FAILED, "message": "nobody is there. Start one", "attempts": 0},
        ),
        (
            ValueError("odd"),
            {"status": OutcomeStatus.UNKNOWN, "attempts": 1, "unclear": True},
        ),
    ],
)
def test_an_error_ends_all_that_is_left_of_it(error: Exception, outcome: dict[str, object]) -> None:
    carry, sender = carrying(ParcelReport("", b"\x01"), error)
    (first, rest), _ = carried(carry, windows(3))
    assert told(first) == {FLEET[0]: "done"}
    assert [each.step.gateways[0] for each in rest] == [FLEET[1], FLEET[2]]
    assert all(getattr(each, name) == value for each in rest for name, value in outcome.items())
    assert len(sender.sent) == 2


@pytest.mark.parametrize("before", [0, 1, 19])
def test_so_many_reports_of_nothing_in_turn_and_it_is_given_up(before: int) -> None:
    nothing = ParcelReport("")
    carry, sender = carrying(*[nothing] * before, ParcelReport("", b"\x01"), nothing)
    portions, _ = carried(carry, windows(3))
    assert len(sender.sent) == before + 1 + 20
    assert told(portions[0]) == {FLEET[0]: "done"}
    assert len(portions) == 2
    assert {(each.status, each.attempts, bool(each.message)) for each in portions[1]} == {(FAILED, 0, True)}
    assert len(portions[1]) == 2


def test_before_each_parcel_is_asked_whether_it_may_be_sent() -> None:
    steps = list(windows(3))
    stands = Outcome.unsent(steps[0], OutcomeStatus.SKIPPED, "not now", Skip.INTERRUPTED)
    carry, sender = carrying(ParcelReport("", b"\x02"))
    portions, asked = carried(carry, steps, None, stands)
    assert [step.id for step in asked] == [steps[0].id, steps[0].id]
    assert portions == [
        [Outcome(steps[1], DONE)],
        [replace(stands, step=steps[0]), replace(stands, step=steps[2])],
    ]
    assert len(sender.sent) == 1
    assert stands.attempts == 0


def test_nothing_is_sent_of_no_steps() -> None:
    carry, sender = carrying(ParcelReport(""))
    assert carried(carry, []) == ([], [])
    assert not sender.sent
