import asyncio
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.pacing import RateLimiter


class Time:
    """A clock that moves when somebody sleeps."""

    def __init__(self, late: float = 0.0) -> None:
        self.now = 1000.0
        self.late = late

    def clock(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now += seconds + self.late
        await asyncio.sleep(0)

    def limiter(self, limit: float | None = None) -> RateLimiter:
        return RateLimiter(limit, clock=self.clock, sleep=self.sleep)


def departures(time: Time, limiter: RateLimiter, calls: int) -> list[float]:
    left: list[float] = []

    async def call() -> None:
        await limiter.acquire()
        left.append(time.now)

    async def main() -> None:
        await asyncio.gather(*(call() for _ in range(calls)))

    asyncio.run(main())
    return left


def test_turns_come_in_the_order_of_asking() -> None:
    """Also when the time of somebody who asked first is over while others look at the clock."""
    time = Time()
    limiter = time.limiter(2.0)
    left: list[int] = []

    async def call(number: int) -> None:
        await limiter.acquire()
        left.append(number)

    async def main() -> None:
        await asyncio.gather(*map(call, range(6)))

    asyncio.run(main())
    assert left == list(range(6))


def test_nobody_waits_for_those_who_still_wait_when_the_limit_is_gone() -> None:
    time = Time()
    limiter = time.limiter(2.0)
    left: list[tuple[int, float]] = []

    async def call(number: int) -> None:
        await limiter.acquire()
        left.append((number, time.now))

    async def sleep(seconds: float) -> None:
        # Somebody waits in the turn, and it takes long.
        limiter.allow(None)
        await call(2)
        time.now += seconds

    async def main() -> None:
        limiter._sleep = sleep
        await asyncio.gather(call(0), call(1))

    asyncio.run(main())
    assert left == [(0, 1000.0), (2, 1000.0), (1, 1000.5)]


def test_without_a_limit_nobody_waits() -> None:
    time = Time()
    assert set(departures(time, time.limiter(), 1000)) == {1000.0}


@given(limit=st.floats(0.3, 500), late=st.floats(0, 0.3), calls=st.integers(2, 60))
def test_no_second_ever_holds_more_calls_than_the_limit(limit: float, late: float, calls: int) -> None:
    time = Time(late)
    left = departures(time, time.limiter(limit), calls)
    assert all(after - before >= 1 / limit - 1e-9 for before, after in pairwise(left))


# What may happen: so many calls ask at once, the server complains, time goes by.
happenings = st.lists(
    st.one_of(
        st.tuples(st.just("calls"), st.integers(1, 12)),
        st.tuples(st.just("complaint"), st.just(0)),
        st.tuples(st.just("quiet"), st.floats(0, 30)),
    ),
    max_size=40,
)


@given(limit=st.floats(0.2, 500), late=st.floats(0, 0.2), events=happenings)
def test_whatever_happens_the_declared_rate_is_never_passed(
    limit: float, late: float, events: list[tuple[str, float]]
) -> None:
    """It adapts below the limit: halved by complaints, given back by quiet, and never beyond."""
    time = Time(late)
    limiter = time.limiter(limit)
    left: list[float] = []

    async def call() -> None:
        await limiter.acquire()
        left.append(time.now)

    async def main() -> None:
        for what, amount in events:
            match what:
                case "calls":
                    await asyncio.gather(*(call() for _ in range(int(amount))))
                case "complaint":
                    limiter.too_much()
                case _:
                    time.now += amount
            assert limiter.rate is not None
            assert 0 < limiter.rate <= limit

    asyncio.run(main())
    assert all(after - before >= 1 / limit - 1e-9 for before, after in pairwise(left))
    # In any window that a second is long: never more than the limit, except for the one that it begins with.
    for at, began in enumerate(left):
        assert sum(began <= call < began + 1 for call in left[at:]) <= limit + 1


def test_the_limit_is_used() -> None:
    time = Time()
    left = departures(time, time.limiter(10), 31)
    assert left[-1] - left[0] == pytest.approx(3.0)


@pytest.mark.parametrize("limit", [0, -1, float("nan")])
def test_a_limit_that_is_none_is_refused(limit: float) -> None:
    with pytest.raises(ValueError, match="more than 0"):
        RateLimiter(limit)


def test_a_complaint_halves_the_rate_once_for_all_that_was_in_flight() -> None:
    time = Time()
    limiter = time.limiter(80)
    for _ in range(10):
        limiter.too_much()
    assert limiter.rate == 40
    time.now += 1
    limiter.too_much()
    assert limiter.rate == 20


def test_the_rate_recovers_slowly_and_never_passes_the_limit() -> None:
    time = Time()
    limiter = time.limiter(80)
    limiter.too_much()
    time.now += 1
    departures(time, limiter, 1)
    assert limiter.rate == pytest.approx(44)
    for _ in range(20):
        time.now += 1
        departures(time, limiter, 1)
    assert limiter.rate == 80


@pytest.mark.parametrize("often", [1, 2, 4, 8])
@pytest.mark.parametrize("limit", [None, 80])
def test_the_rate_recovers_by_a_tenth_a_second_however_often_somebody_asks(
    limit: float | None, often: int
) -> None:
    time = Time()
    limiter = time.limiter(limit)
    departures(time, limiter, 1 if limit else 80)
    limiter.too_much()
    for second in range(1, 5):
        for _ in range(often):
            assert limiter.rate == pytest.approx(40 * 1.1 ** (second - 1))
            time.now += 1 / often
            departures(time, limiter, 1)
        assert limiter.rate == pytest.approx(40 * 1.1**second)


def test_a_long_rest_gives_back_as_much_as_many_short_ones() -> None:
    time = Time()
    limiter = time.limiter(80)
    limiter.too_much()
    time.now += 3.5
    departures(time, limiter, 1)
    assert limiter.rate == pytest.approx(40 * 1.1**3)
    time.now += 10_000
    departures(time, limiter, 1)
    assert limiter.rate == 80


def test_without_a_limit_a_complaint_halves_what_was_sent_and_is_forgotten_in_the_end() -> None:
    time = Time()
    limiter = time.limiter()
    departures(time, limiter, 100)
    limiter.too_much()
    assert limiter.rate == 50
    rates: list[float | None] = []
    for _ in range(30):
        time.now += 1
        departures(time, limiter, 1)
        rates.append(limiter.rate)
    assert rates[0] == pytest.approx(55)
    assert rates[-1] is None


def test_a_complaint_about_the_first_call_does_not_bring_all_to_a_crawl() -> None:
    time = Time()
    limiter = time.limiter()
    departures(time, limiter, 1)
    limiter.too_much()
    assert limiter.rate == 5


def test_the_busiest_second_counts_not_the_one_just_begun() -> None:
    time = Time()
    limiter = time.limiter()
    departures(time, limiter, 100)
    time.now += 1
    departures(time, limiter, 1)
    limiter.too_much()
    assert limiter.rate == 50


def test_calls_under_a_limit_that_is_gone_count_too() -> None:
    time = Time()
    limiter = time.limiter(40.0)
    departures(time, limiter, 100)
    limiter.allow(None)
    limiter.too_much()
    assert limiter.rate == pytest.approx(20, abs=0.5)


def test_the_rate_has_a_floor() -> None:
    time = Time()
    limiters: list[Callable[[], RateLimiter]] = [time.limiter, lambda: time.limiter(0.1)]
    for make, floor in zip(limiters, (0.5, 0.1), strict=True):
        limiter = make()
        for _ in range(20):
            limiter.too_much()
            time.now += 1
        assert limiter.rate == floor


# --- a rate that is shared --------------------------------------------------------------------------


def test_without_a_limit_whatever_is_lent_has_none() -> None:
    limiter = Time().limiter()
    assert limiter.lend(4) is None
    limiter.give_back(None)


@given(st.lists(st.booleans(), max_size=40), st.floats(0.1, 1000), st.integers(1, 8))
def test_all_that_is_lent_and_our_own_calls_are_never_more_than_the_whole(
    lends: list[bool], limit: float, parts: int
) -> None:
    limiter, out = Time().limiter(limit), list[float]()
    for lend in lends:
        if lend:
            share = limiter.lend(parts)
            assert share is not None
            out.append(share)
        elif out:
            limiter.give_back(out.pop(0))
        assert sum(out) <= limit * (1 + 1e-9)
        assert len(out) > parts or sum(out) <= limit * parts / (parts + 1) * (1 + 1e-9)


def test_our_own_calls_leave_room_for_what_is_lent() -> None:
    time = Time()
    limiter = time.limiter(10.0)
    assert limiter.lend(1) == 5.0
    left = departures(time, limiter, 11)
    assert left[-1] - left[0] == pytest.approx(2.0)
    again = time.limiter(10.0)
    again.give_back(again.lend(1))
    left = departures(time, again, 11)
    assert left[-1] - left[0] == pytest.approx(1.0)


def test_a_complaint_halves_what_is_lent_next_and_lends_nothing_that_is_not_there() -> None:
    time = Time()
    limiter = time.limiter(12.0)
    assert [limiter.lend(2), limiter.lend(2)] == [4.0, 4.0]
    limiter.too_much()
    assert limiter.lend(2) == 0.0
    limiter.give_back(4.0)
    assert limiter.lend(2) == pytest.approx(2.0)


@pytest.mark.parametrize("seconds", [0.0, 0.9, 1.0, 3.0, 60.0])
def test_what_is_lent_is_a_share_of_the_rate_as_it_is_by_now(seconds: float) -> None:
    """It recovers also where nobody sends from here."""
    time = Time()
    limiter = time.limiter(100.0)
    limiter.too_much()
    time.now += seconds
    rate = min(100.0, 50.0 * 1.1 ** int(seconds))
    assert limiter.lend(3) == pytest.approx(rate / 4)
    assert limiter.rate == pytest.approx(rate)


def test_half_a_share_that_is_left_is_not_lent() -> None:
    limiter = Time().limiter(12.0)
    assert [limiter.lend(1), limiter.lend(2)] == [6.0, 4.0]
    assert limiter.lend(2) == 0.0, "2 of 4 is no more than half a share"
    assert limiter.lend(3) == 2.0
    assert limiter.lend(3) == 0.0


def test_nobody_gives_back_more_than_was_lent() -> None:
    time = Time()
    limiter = time.limiter(10.0)
    limiter.give_back(5.0)
    assert limiter.lend(1) == 5.0
    limiter.give_back(50.0)
    assert [limiter.lend(1), limiter.lend(1)] == [5.0, 5.0]


@pytest.mark.parametrize(("lent", "gap"), [(4.0, 1 / 6), (9.8, 2.0), (20.0, 2.0)])
def test_where_all_is_lent_our_own_calls_still_go_on(lent: float, gap: float) -> None:
    time = Time()
    limiter = time.limiter(10.0)
    limiter._lent = lent
    first, second = departures(time, limiter, 2)
    assert second - first == pytest.approx(gap)


def test_a_complaint_without_a_limit_counts_who_sends_beside_us() -> None:
    time = Time()
    limiter = time.limiter()
    time.now += 5
    limiter.too_much(4000.0)
    assert limiter.rate == pytest.approx(2000.0)


def test_a_limit_that_is_changed_keeps_what_a_complaint_taught() -> None:
    time = Time()
    limiter = time.limiter()
    limiter.allow(40.0)
    assert limiter.rate == 40.0
    limiter.too_much()
    limiter.allow(30.0)
    assert limiter.rate == 20.0
    limiter.allow(8.0)
    assert limiter.rate == 8.0
    limiter.allow(None)
    assert limiter.rate == 8.0
    calm = time.limiter(5.0)
    calm.allow(None)
    assert calm.rate is None


def test_a_complaint_never_makes_it_faster() -> None:
    limiter = Time().limiter()
    limiter.allow(0.2)
    limiter.too_much()
    assert limiter.rate == 0.2
