"""Who holds a lock, how that is told, and how it is waited for."""

import logging
import os
import re
import socket
from dataclasses import replace

import pytest

from reconciler.errors import StateLocked
from reconciler.state import locks
from reconciler.state.base import LockInfo
from reconciler.state.locks import acquire, described, locked_by, moment, new_lock

INFO = LockInfo("1f", "erin", "ci-2", 77, "apply", 1e300)
NOON = 1_700_000_000.0
TIME = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[+-]\d\d:\d\d"


def test_a_lock_is_of_this_process() -> None:
    one, two = new_lock("apply"), new_lock("plan")
    assert (one.host, one.pid, one.operation) == (socket.gethostname(), os.getpid(), "apply")
    assert (one.expires, two.operation) == (None, "plan")
    assert one.id != two.id
    assert 0 <= two.since - one.since < 60


def test_who_holds_it_since_when() -> None:
    assert described(INFO) == "erin on ci-2 (process 77) for 'apply'", (
        "of a time that is none nothing is said"
    )
    said = described(replace(INFO, since=NOON))
    assert re.fullmatch(rf"erin on ci-2 \(process 77\) for 'apply' since {TIME}", said)


@pytest.mark.parametrize("seconds", [1e300, float("inf"), float("nan"), -1e300])
def test_a_time_that_is_none(seconds: float) -> None:
    assert moment(seconds, after="at") == ""


def test_a_time_in_the_zone_of_who_reads_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert re.fullmatch(rf" at {TIME}", moment(NOON + 0.7, after="at"))


@pytest.mark.parametrize(
    ("info", "who", "more"),
    [
        (None, "another process", None),
        (INFO, "erin on ci-2 (process 77) for 'apply'", None),
        (replace(INFO, expires=NOON), "erin on ci-2 (process 77) for 'apply'", rf"from {TIME} on; "),
        (replace(INFO, expires=0.0), "erin on ci-2 (process 77) for 'apply'", rf"from {TIME} on; "),
    ],
)
def test_what_the_loser_is_told(info: LockInfo | None, who: str, more: str | None) -> None:
    error = locked_by(info, url="file:x")
    assert error.message == f"the state file:x is locked by {who}"
    hint = error.hint or ""
    assert hint.startswith("Run it again when that is done, or wait for it with --lock-timeout SECONDS.")
    assert ("state unlock 1f" in hint) == (more is not None)
    assert re.search(f"anybody may take the lock {more or ''}", hint) or more is None


class Time:
    """A clock that moves as somebody sleeps."""

    def __init__(self) -> None:
        self.naps: list[float] = []

    def monotonic(self) -> float:
        return 100.0 + sum(self.naps)

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.naps.append(seconds)


@pytest.mark.parametrize(
    ("timeout", "every", "free_after", "naps"),
    [
        # So many attempts fail; None: all of them.
        (0.0, 0.5, 0, []),
        (0.0, 0.5, None, []),
        (10.0, 0.5, 0, []),
        (10.0, 0.5, 2, [0.5, 0.5]),
        (1.25, 0.5, None, [0.5, 0.5, 0.25]),
        (1.0, 0.5, 2, [0.5, 0.5]),
        (1.0, 0.5, None, [0.5, 0.5]),
        (0.25, None, None, [0.1, 0.1, 0.05]),
    ],
)
def test_it_is_waited_for(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    timeout: float,
    every: float | None,
    free_after: int | None,
    naps: list[float],
) -> None:
    time = Time()
    monkeypatch.setattr(locks, "time", time)
    tried = 0

    def attempt() -> str | None:
        nonlocal tried
        tried += 1
        return "mine" if free_after is not None and tried > free_after else None

    often = {} if every is None else {"every": every}
    if free_after is None:
        with pytest.raises(StateLocked, match="locked by erin"):
            acquire(attempt, lambda: INFO, url="file:x", timeout=timeout, **often)
    else:
        assert acquire(attempt, lambda: INFO, url="file:x", timeout=timeout, **often) == "mine"
    assert time.naps == pytest.approx(naps)
    assert tried == len(naps) + 1
    said = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    waits = (
        f"waiting up to {timeout:g} s: the state file:x is locked by erin on ci-2 (process 77) for 'apply'"
    )
    assert said == ([waits] if naps else []), "once"


def test_what_is_gained_may_be_false() -> None:
    """A descriptor may be 0."""
    assert acquire(lambda: 0, lambda: None, url="file:x", timeout=0) == 0
