from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.pacing import Backoff, http_date, retry_after

YEAR = 365 * 86_400.0
"""Who asks for more means never."""
NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("3", 3.0),
        (" 1.5 ", 1.5),
        ("0", 0.0),
        ("Sun, 01 Mar 2026 12:00:30 GMT", 30.0),
        ("Sun, 01 Mar 2026 12:00:30 -0000", 30.0),
        ("Sun, 01 Mar 2026 11:00:00 GMT", 0.0),
        ("-5", None),
        ("soon", None),
        ("", None),
        ("1.2.3", None),
        (".", None),
        ("٣", None),
        ("9" * 20, YEAR),
        ("9" * 5000, YEAR),
        ("1e400", None),
        ("inf", None),
        ("nan", None),
        ("-" + "9" * 400, None),
        ("Fri, 31 Dec 9999 23:59:59 GMT", YEAR),
        ("Fri, 31 Dec 9999 23:59:59 -2359", YEAR),
        ("Mon, 01 Jan 0001 00:00:00 +2359", 0.0),
        ("Mon, 01 Jan 0001 00:00:00 GMT", 0.0),
        ("Fri, 31 Dec 99999 23:59:59 GMT", None),
        (f"Fri, 31 Dec {'9' * 30} 23:59:59 GMT", None),
        (f"Fri, 31 Dec 2026 23:59:59 +{'9' * 40}", None),
        ("Fri, 31 Dec 2026 23:59:59 +9999", None),
        ("Fri, 99 Foo 2026 23:59:59 GMT", None),
        ("x" * 100_000, None),
    ],
)
def test_retry_after_reads_seconds_and_dates(value: str | None, seconds: float | None) -> None:
    assert retry_after(value, now=NOW) == seconds


@given(
    st.one_of(
        st.text(),
        st.text("0123456789.-+:, MonJanFebGMTZ\x00\t"),
        st.builds(
            "{}, {} {} {} {}:{} {}".format,
            st.sampled_from(["Mon", "x", ""]),
            st.integers(),
            st.sampled_from(["Jan", "Dec", "x"]),
            st.integers(),
            st.integers(),
            st.integers(),
            st.one_of(st.just("GMT"), st.integers().map("{:+}".format), st.text()),
        ),
    )
)
def test_whatever_stands_in_a_header_is_a_wait_or_none(text: str) -> None:
    wait = retry_after(text)
    assert wait is None or 0.0 <= wait <= YEAR
    date = http_date(text)
    assert date is None or date.timestamp() < 1e12


def test_retry_after_counts_from_now() -> None:
    assert retry_after("Sun, 01 Mar 1970 12:00:30 GMT") == 0.0


def test_waits_double_up_to_the_cap() -> None:
    backoff = Backoff(base=1, cap=5, attempts=99, budget=1000, random=lambda: 1.0)
    assert [backoff(n) for n in range(1, 6)] == [1, 2, 4, 5, 5]


def test_the_usual_waits() -> None:
    """Eight attempts, the last wait at the cap, and never longer than five minutes in all."""
    backoff = Backoff(random=lambda: 1.0)
    assert [backoff(n) for n in range(1, 9)] == [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 8.0, None]
    assert backoff(1, 300.0) == 300.0
    assert backoff(1, 300.1) is None
    assert 0.0 <= (Backoff()(3) or 0.0) <= 0.8


def test_jitter_is_full() -> None:
    assert Backoff(base=1, random=lambda: 0.0)(3) == 0.0
    assert Backoff(base=1, random=lambda: 0.5)(3) == 2.0


def test_the_server_may_ask_for_more() -> None:
    backoff = Backoff(base=1, random=lambda: 1.0)
    assert backoff(1, 7.0) == 7.0
    assert backoff(1, 0.1) == 1.0


def test_it_gives_up_after_its_attempts_and_its_budget() -> None:
    backoff = Backoff(base=1, attempts=3, budget=10, random=lambda: 1.0)
    assert backoff(2) == 2
    assert backoff(3) is None
    assert backoff(1, 10.0) == 10
    assert backoff(1, 10.1) is None
    assert backoff(1, 4.0, waited=6.0) == 4.0
    assert backoff(1, 4.0, waited=6.1) is None


@given(attempts=st.integers(1, 5000), asked=st.none() | st.floats(0, 100), jitter=st.floats(0, 1))
def test_never_less_than_asked_and_never_more_than_the_budget(
    attempts: int, asked: float | None, jitter: float
) -> None:
    delay = Backoff(attempts=10_000, random=lambda: jitter)(attempts, asked)
    if delay is None:
        assert (asked or 0) > 300
    else:
        assert (asked or 0) <= delay <= max(8.0, asked or 0) <= 300
