"""Numbers that others rely on: people who plan by the documentation, other versions, slower machines.

Each stands here once more on purpose. Who changes one changes what a run promises, and says so.
"""

from datetime import timedelta

import pytest

from reconciler.state import base, declared, filelog, folding, leased, leases, locks
from reconciler.state.postgresql import link, locked, reader
from reconciler.state.s3 import bucket
from reconciler.state.s3 import locked as s3_locked
from reconciler.state.s3 import reader as s3_reader

LIMITS: dict[str, tuple[object, object]] = {
    # What older and newer reconcilers write and read.
    "version of the format": (base.FORMAT_VERSION, 1),
    "plans that are known": (base.PLANS_KEPT, 100),
    "characters of a salt": (len(base.new_state().salt), 32),
    "characters of a text that is kept whole": (declared._LONGEST, 1000),
    "bytes of the log that are read at once": (filelog._BLOCK, 65_536),
    # docs/state.md: "once a second, or 500 facts at a time", "every 20 seconds", "60 (`lease`)".
    "held back at most": (leased.HELD_BACK, 500),
    "seconds for which facts are held back": (leases._TICK, 1.0),
    "seconds of a lease": (leases.DEFAULT_SECONDS, 60.0),
    "renewals in a lease": (leases._RENEWALS, 3),
    "shortest and longest lease": ((leases._SHORTEST, leases._LONGEST), (1.0, 3600.0)),
    # Memory, against copies of what is known of a million gateways.
    "events that wait": (folding.UNFOLDED, 50_000),
    # A write is repeated for less than a lease runs, and a failure is told within half a minute.
    "seconds in which PostgreSQL may come back": (locked.PATIENCE, 15.0),
    "seconds between two connections": (link._PAUSE, 0.5),
    "repeats of S3": (bucket._RETRY, {"max_retries": 5, "retry_timeout": timedelta(seconds=20)}),
    "time-outs of S3": (bucket._TIMES, {"timeout": "20s", "connect_timeout": "5s"}),
    # How long who waits for a lock sleeps: a file is asked more often than a server.
    "seconds between looks at a file": (locks._POLL_SECONDS, 0.1),
    "seconds between looks at a server": (leased._POLL_SECONDS, 0.5),
    # Requests of a reader.
    "segments of a journal": (s3_locked.CROWDED, 500),
    "segments that are read at once": (bucket._AT_ONCE, 16),
    "segments of the log that are held": (s3_reader._AT_ONCE, 64),
    "rows of the log that are held": (reader._PAGE, 1000),
    "reads of what is written all the time": (s3_reader._TRIES, 20),
    "seconds after which what a crash left is removed": (s3_reader._DAY, 86_400.0),
}


@pytest.mark.parametrize("what", LIMITS)
def test_limits(what: str) -> None:
    is_now, ought_to_be = LIMITS[what]
    assert is_now == ought_to_be
