"""Which workers are used, and what is said of those that aren't."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.workers.admission import AHEAD, Admitted, Introduction, admitted, clock_offset

ADDRESS = "tls://10.0.0.7:4711"


def said(now: float = 1_000.0, version: str = "1.2", threads: int = 2) -> Introduction:
    return Introduction(version, now, threads, "alpha")


@pytest.mark.parametrize(("threads", "slots"), [(1, 1), (2, 2), (16, 2), (0, 1)])
def test_no_worker_gets_more_parcels_than_it_works_on(threads: int, slots: int) -> None:
    found = admitted(ADDRESS, said(threads=threads), version="1.2", asked=999.0, answered=1_001.0)
    assert found == Admitted(ADDRESS, "alpha", slots, 0.0)


@pytest.mark.parametrize("version", ["1.1", "1.2.dev0", "", "1.20"])
def test_another_version_is_refused(version: str) -> None:
    found = admitted(ADDRESS, said(version=version), version="1.2", asked=999.0, answered=1_001.0)
    assert found == f"it runs reconciler {version}, and this is 1.2"


@pytest.mark.parametrize(
    ("now", "why"),
    [
        (1_006.1, "its clock is 5 s ahead"),
        (993.9, "its clock is 5 s behind"),
        (4_601.0, "its clock is 3600 s ahead"),
    ],
)
def test_a_clock_that_is_wrong_is_refused(now: float, why: str) -> None:
    assert admitted(ADDRESS, said(now), version="1.2", asked=999.0, answered=1_001.0) == why


@given(st.floats(-1e4, 1e4), st.floats(0, 5), st.floats(0, 5))
def test_what_is_taken_for_the_offset_is_never_more_than_it_is(
    offset: float, there: float, back: float
) -> None:
    """However long the way there and back takes."""
    found = clock_offset(100.0 + there + offset, 100.0, 100.0 + there + back)
    assert abs(found) <= abs(offset) + 1e-6
    assert abs(found - offset) <= there + back + 1e-6
    assert found * offset >= 0


def test_a_long_way_is_no_wrong_clock() -> None:
    found = admitted(ADDRESS, said(1_000.0), version="1.2", asked=1_000.0, answered=1_000.0 + 3 * AHEAD)
    assert isinstance(found, Admitted)
