"""The states of a simulated gateway as a table, its polls, windows and work: all of it pure."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.embedded.errors import CallRefused
from reconciler.embedded.lifecycle import FIRST_STATE, GATEWAY_STATES
from reconciler.embedded.simulation.machine import (
    FINAL,
    MOVES,
    PHASES,
    SCHEDULED,
    On,
    PhaseWindow,
    Polls,
    after_poll,
    next_poll,
)
from reconciler.embedded.simulation.settings import Rate, Simulation, parse, show
from reconciler.embedded.simulation.work import PackagePart, failure, next_step

# state, then what a poll leads to: with approvals; with headless packages; outside of the window.
TABLE = """
INSTANTIATED                     INVENTORY_UP_TO_DATE             INVENTORY_UP_TO_DATE    INVENTORY_UP_TO_DATE
INVENTORY_UP_TO_DATE             WAITING_FOR_DOWNLOAD_APPROVAL    SCHEDULED_DOWNLOAD      WAITING_FOR_DOWNLOAD_APPROVAL
WAITING_FOR_DOWNLOAD_APPROVAL    SCHEDULED_DOWNLOAD               SCHEDULED_DOWNLOAD      SCHEDULED_DOWNLOAD
SCHEDULED_DOWNLOAD               WAITING_FOR_DOWNLOAD             WAITING_FOR_DOWNLOAD    SCHEDULED_DOWNLOAD
WAITING_FOR_DOWNLOAD             WAITING_FOR_DOWNLOAD             WAITING_FOR_DOWNLOAD    WAITING_FOR_DOWNLOAD
DOWNLOAD_COMPLETE                WAITING_FOR_EXECUTION_APPROVAL   SCHEDULED_EXECUTION     WAITING_FOR_EXECUTION_APPROVAL
WAITING_FOR_EXECUTION_APPROVAL   SCHEDULED_EXECUTION              SCHEDULED_EXECUTION     SCHEDULED_EXECUTION
SCHEDULED_EXECUTION              WAITING_FOR_EXECUTION            WAITING_FOR_EXECUTION   SCHEDULED_EXECUTION
WAITING_FOR_EXECUTION            WAITING_FOR_EXECUTION            WAITING_FOR_EXECUTION   WAITING_FOR_EXECUTION
EXECUTION_COMPLETE               WAITING_FOR_ACTIVATION_APPROVAL  SCHEDULED_ACTIVATION    WAITING_FOR_ACTIVATION_APPROVAL
WAITING_FOR_ACTIVATION_APPROVAL  SCHEDULED_ACTIVATION             SCHEDULED_ACTIVATION    SCHEDULED_ACTIVATION
SCHEDULED_ACTIVATION             WAITING_FOR_ACTIVATION           WAITING_FOR_ACTIVATION  SCHEDULED_ACTIVATION
WAITING_FOR_ACTIVATION           WAITING_FOR_ACTIVATION           WAITING_FOR_ACTIVATION  WAITING_FOR_ACTIVATION
"""  # noqa: E501 - a table


@pytest.mark.parametrize("row", TABLE.strip().splitlines(), ids=lambda row: row.split()[0])
def test_polls(row: str) -> None:
    state, approved, headless, outside = row.split()
    assert after_poll(state, headless=False, may_begin=True) == approved
    assert after_poll(state, headless=True, may_begin=True) == headless
    assert after_poll(state, headless=False, may_begin=False) == outside


def test_the_moves_go_through_all_states_in_order() -> None:
    seen = [FIRST_STATE]
    while seen[-1] in MOVES:
        seen.append(MOVES[seen[-1]].to)
    assert [*seen, "FAILED"] == list(GATEWAY_STATES)
    assert {"ACTIVATION_COMPLETE", "FAILED"} == FINAL == set(GATEWAY_STATES) - set(MOVES)
    assert [phase for phase in PHASES if SCHEDULED[phase] == f"SCHEDULED_{phase.upper()}"] == list(PHASES)
    for on in (On.WINDOW, On.WORK):
        assert [move.phase for move in MOVES.values() if move.on is on] == list(PHASES)


moments = st.integers(0, 10**13)


@given(gateway=st.text(), seed=st.integers(0, 9), every=st.integers(1, 10**6), now=moments)
def test_a_gateway_polls_at_an_offset_of_its_own(gateway: str, seed: int, every: int, now: int) -> None:
    polls = Polls.of(gateway, seed=seed, every=every)
    assert polls == Polls.of(gateway, seed=seed, every=every)
    first = polls.after(now)
    assert now < first <= now + every
    assert first % every == polls.offset
    assert polls.after(first) == first + every


@given(
    every=st.integers(1, 1000),
    now=st.integers(0, 5000),
    begin=st.integers(0, 5000),
    length=st.integers(1, 3000),
    duration=st.integers(0, 500),
)
def test_work_begins_at_the_first_poll_that_leaves_time_for_it(
    every: int, now: int, begin: int, length: int, duration: int
) -> None:
    polls, window = Polls(every, 7 % every), PhaseWindow(begin, begin + length)
    expected = next(
        (
            poll
            for poll in range(now + 1, begin + length + 1)
            if poll % every == polls.offset and begin <= poll and poll + duration <= begin + length
        ),
        None,
    )
    assert next_poll("SCHEDULED_DOWNLOAD", polls, now, window, duration) == expected
    assert next_poll("SCHEDULED_DOWNLOAD", polls, now, None, duration) == polls.after(now)
    assert next_poll("INSTANTIATED", polls, now, window, duration) == polls.after(now)


PARTS = [
    PackagePart("a", "a.zip", 10_000),
    PackagePart("b", "b.zip", 0),
    PackagePart("c", "c.zip", 1_500),
    PackagePart("a", "a.zip", 10_000),
]


@given(parts=st.lists(st.sampled_from(PARTS), max_size=4), rate=st.integers(1, 20_000))
def test_a_download_ends_with_all_of_each_package(parts: list[PackagePart], rate: int) -> None:
    pace = Simulation(download_bytes_per_second=rate)
    downloaded, steps, milliseconds, ended = {}, 0, 0, []
    while True:
        step = next_step("download", parts, downloaded, (), pace)
        assert all(step.downloaded[one] >= size for one, size in downloaded.items())
        downloaded, steps, milliseconds = dict(step.downloaded), steps + 1, milliseconds + step.duration
        ended += step.ends
        if step.last:
            break
    sizes = {part.id: part.size for part in parts}
    assert downloaded == sizes
    assert {part.id for part in ended} == set(sizes)
    exact = sum(sizes.values()) * 1000 / rate
    assert exact <= milliseconds <= exact + steps
    assert steps <= max(1, 4 * len(sizes))
    assert next_step("download", parts, downloaded, (), pace).last


def test_an_execution_tells_of_each_package() -> None:
    pace = Simulation(execution_seconds=2)
    first = next_step("execution", PARTS[:2], {}, (), pace)
    assert (first.duration, first.executed, first.ends, first.last) == (
        2000,
        ("1/2 a.zip: done",),
        (PARTS[0],),
        False,
    )
    second = next_step("execution", PARTS[:2], {}, first.executed, pace)
    assert (second.executed[1:], second.last) == (("2/2 b.zip: done",), True)
    none = next_step("execution", PARTS[:2], {}, second.executed, pace)
    assert (none.duration, none.last, none.executed) == (0, True, second.executed)
    assert next_step("execution", (), {}, (), pace).last


def causes(simulation: Simulation, gateways: int = 2000, campaign: str = "winter") -> dict[str, set[int]]:
    """Phase → the gateways of a campaign with one package that fail in it."""
    found: dict[str, set[int]] = {phase: set() for phase in PHASES}
    for number in range(gateways):
        for phase in PHASES:
            step = next_step(phase, PARTS[2:3], {}, (), Simulation(download_bytes_per_second=10_000))
            cause = failure(phase, step, campaign=campaign, gateway=f"gw-{number}", simulation=simulation)
            if cause is not None:
                assert phase in cause
                found[phase].add(number)
                break
    return found


def test_the_rate_is_kept_over_all_phases() -> None:
    found = causes(Simulation(failure_rate=Rate(0.03)))
    assert sum(map(len, found.values())) == pytest.approx(60, abs=20)
    assert all(found.values())
    assert found == causes(Simulation(failure_rate=Rate(0.03)))
    assert found != causes(Simulation(failure_rate=Rate(0.03), seed=1))
    assert found != causes(Simulation(failure_rate=Rate(0.03)), campaign="summer")
    assert not any(causes(Simulation()).values())


def test_a_rate_of_one_phase_and_of_one_package() -> None:
    found = causes(Simulation(failure_rate=Rate(phases={"activation": 0.1})))
    assert (len(found["download"]), len(found["execution"])) == (0, 0)
    assert len(found["activation"]) == pytest.approx(200, abs=60)
    assert sum(map(len, causes(Simulation(failures={"c": Rate(1.0)})).values())) == 2000
    assert not any(causes(Simulation(failures={"other": Rate(1.0)})).values())


def test_settings_go_to_json_and_back() -> None:
    values = {
        "enabled": True,
        "seed": 3,
        "pollSeconds": 60,
        "downloadBytesPerSecond": 5,
        "executionSeconds": 0,
        "activationSeconds": 1,
        "failureRate": {"execution": 0.5},
        "failures": {"p": 0.25, "q": {"download": 1.0}},
        "headless": ["p", "q"],
        "offlineRate": 0.25,
        "offlineHours": 3,
        "deliveryAttempts": 2,
        "deliveryBackoffSeconds": 0,
    }
    assert show(parse(Simulation(), values)) == values
    assert parse(parse(Simulation(), values), show(Simulation())) == Simulation()
    assert parse(Simulation(), {"headless": True}).headless is True


@pytest.mark.parametrize(
    "values",
    [
        {"nobody": 1},
        {"enabled": 1},
        {"seed": -1},
        {"seed": True},
        {"pollSeconds": 0},
        {"pollSeconds": 1.5},
        {"failureRate": 2},
        {"failureRate": True},
        {"failureRate": "often"},
        {"failureRate": {"flight": 0.1}},
        {"failureRate": {"download": 7}},
        {"failures": 0.1},
        {"failures": {"p": -1}},
        {"headless": "all"},
        {"headless": [1]},
        {"offlineRate": 1.5},
        {"offlineRate": {"download": 0.1}},
        {"offlineHours": -1},
    ],
)
def test_wrong_settings_are_refused(values: dict[str, object]) -> None:
    with pytest.raises(CallRefused) as refusal:
        parse(Simulation(), values)
    assert refusal.value.status == 400
    assert next(iter(values)) in refusal.value.message
