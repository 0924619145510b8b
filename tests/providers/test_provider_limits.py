"""Numbers that others rely on: people who plan by the documentation, servers, slower machines.

Each stands here once more on purpose. Who changes one changes how much a run asks of a server, how long it
waits, or how much it takes in, and says so.
"""

from inspect import signature

import pytest

from reconciler import pacing
from reconciler.model import UploadMode
from reconciler.providers import base, opening
from reconciler.providers.hawkbit import calls as hawkbit_calls
from reconciler.providers.hawkbit import ending, making, query
from reconciler.providers.hawkbit import facts as hawkbit_facts
from reconciler.providers.hawkbit import kind as hawkbit_kind
from reconciler.providers.hawkbit import questions as hawkbit_questions
from reconciler.providers.hawkbit import writes as hawkbit_writes
from reconciler.providers.http import (
    answerbody,
    auth,
    connecting,
    engine,
    filebody,
    httpx_engine,
    names,
    paging,
    sender,
    shape,
    steps,
    wire,
)
from reconciler.providers.pulse import calls, facts, kind, writes
from reconciler.providers.pulse.codec import marks
from reconciler.providers.snapshot import SnapshotReads
from reconciler.settings import ServerSettings

MIB = 1024 * 1024
PULSE = facts.facts_of(ServerSettings()).limits
HAWKBIT = hawkbit_facts.facts_of(ServerSettings(provider="hawkbit", url="https://hawkbit.example.com")).limits


def default(call: object, name: str) -> object:
    """What a parameter is where it is left out."""
    assert callable(call)
    return signature(call).parameters[name].default


LIMITS: dict[str, tuple[object, object]] = {
    # How much is asked of a server at once.
    "requests at once": (opening.PARALLELISM, 16),
    "requests at once, of Pulse": (default(kind.connect, "parallelism"), 16),
    "requests at once, of hawkBit": (default(hawkbit_kind.connect, "parallelism"), 16),
    "requests at once, of each kind": (
        [default(each.connect, "parallelism") for each in (kind.Pulse, hawkbit_kind.Hawkbit)],
        [16, 16],
    ),
    "requests at once, of a provider": (default(kind.provider_of, "parallelism"), 16),
    "requests at once, of a sender": (default(sender.Sender, "concurrency"), 16),
    "connections": (default(engine.open_engine, "connections"), 16),
    "pages at once, of Pulse": (default(calls.Calls, "parallelism"), 16),
    "reads at once, of a snapshot": (SnapshotReads.parallelism, 1),
    "rows of a page": (default(calls.Calls, "page_size"), 500),
    "most rows that hawkBit gives": (hawkbit_calls.MOST, 500),
    "gateways of a call": (facts.BATCH, 100),
    "gateways of a call of hawkBit": (hawkbit_facts.BATCH, 1000),
    "characters of a query of hawkBit": (query.ROOM, 6_000),
    "names from which on a list is read whole": (calls.SEARCHES, 10),
    # How long is waited, and how often it is tried again.
    "seconds of an answer that doesn't come": (default(engine.open_engine, "timeout"), 30.0),
    "time-outs of a whole answer": (connecting.WHOLE_ANSWER, 4),
    "seconds that a connection is kept": (engine._KEEPALIVE_SECONDS, 2.0),
    "bytes of an upload that a server stores in a second": (httpx_engine._UPLOAD_BYTES_PER_SECOND, 1_000_000),
    "tries of what can't be read": (sender._UNREADABLE_TRIES, 3),
    "seconds of a read beside its waits": (sender._SENDING_SECONDS, 30.0),
    "seconds of a token command": (auth.COMMAND_SECONDS, 60.0),
    "waits": (pacing.Backoff(), pacing.Backoff(base=0.2, cap=8.0, attempts=8, budget=300.0)),
    "seconds for a server to settle": (pacing.Settling().seconds, 30.0),
    "longest wait that a server may ask for": (pacing._LONGEST_WAIT, 31_536_000.0),
    "characters of a wait": (pacing._LONGEST_TEXT, 100),
    "seconds of a rate that was too fast": (default(pacing.RateLimiter, "settle"), 1.0),
    "slowest rate": (default(pacing.RateLimiter, "floor"), 0.5),
    "first guess of a rate": (default(pacing.RateLimiter, "guess"), 10.0),
    "seconds for which names are known": (names.AGE, 5.0),
    "seconds by which clocks may differ": (base.ALIKE, 5.0),
    "tries for a name": (names._TRIES, 3),
    "tries of hawkBit's objects": (making._TRIES, 5),
    "seconds until a rollout is looked at again": (ending.AT_WORK_SECONDS, 1.0),
    "minutes until a rollout is stuck": (hawkbit_questions.STUCK_MINUTES, 5),
    "turns of a write": (writes._TURNS, 4),
    # How much is taken in: memory, against servers that never end.
    "bytes of an answer": (answerbody.DEFAULT_MOST, 64 * MIB),
    "bytes of an answer that is no success": (answerbody._WORDS, 65_536),
    "bytes of a piece": (answerbody._PIECE, 262_144),
    "bytes of a small answer": (answerbody._SMALL, 4 * MIB),
    "large answers at a time": (answerbody._LARGE_AT_A_TIME, 4),
    "bytes of a list of Pulse": (default(calls.Calls, "most_bytes"), 512 * MIB),
    "answers of a list": (paging.LIST_ANSWERS, 8),
    "readings of a list": (paging.READINGS, 4),
    "pages of no use": (paging.USELESS_PAGES, 32),
    "pages without a total": (paging.PAGES_WITHOUT_TOTAL, 20_000),
    "pages of a total": (paging.MOST_PAGES, 200_000),
    "items of a list": (paging.MOST_ITEMS, 2_000_000),
    "bytes from which on values are counted": (shape._LARGE, 4 * MIB),
    "values of an answer": (shape.MOST_VALUES, 8_000_000),
    "bytes of a token's file": (auth._LONGEST_TOKEN, 65_536),
    "bytes of a file at a time": (filebody.CHUNK, MIB),
    # How much is shown.
    "characters of a glimpse": (shape.EXCERPT, 120),
    "characters that a glimpse looks at": (shape._LOOKED_AT, 10_000),
    "characters of what an answer says": (wire._SAID, 300),
    "bytes in which a no is looked for": (wire._WORDS, 1_000),
    "gateways that are named": (wire._NAMED, 5),
    "digits of a step": (steps._DIGITS, 16),
    # What servers keep, and what other versions wrote there.
    "characters of a package of Pulse": ((PULSE.package_name, PULSE.id), (255, 255)),
    "characters of a package's description": (PULSE.package_description, 102),
    "description with its mark": ((marks.DESCRIPTION_LIMIT, marks.MARK_LENGTH), (128, 16)),
    "bytes of an upload": (PULSE.upload, {UploadMode.MULTIPART: 1_000_000_000}),
    "characters of hawkBit": (
        (HAWKBIT.name, HAWKBIT.package_name, HAWKBIT.package_description, HAWKBIT.id),
        (128, 128, 512, 256),
    ),
    "bytes of an upload of hawkBit": (HAWKBIT.upload, {UploadMode.MULTIPART: 1 << 30}),
    "digits of hawkBit's names": (making.DIGITS, 12),
    "gateways of a group of hawkBit": (hawkbit_writes._GROUP, 10_000),
    "characters of a group's name": (hawkbit_writes._NAME, 128),
    "answers to a URL that is too long": (calls._TOO_LONG_A_URL, (414, 431)),
}


@pytest.mark.parametrize("what", LIMITS)
def test_limits(what: str) -> None:
    is_now, ought_to_be = LIMITS[what]
    assert is_now == ought_to_be


def test_no_id_makes_another_address() -> None:
    assert set(PULSE.reserved_ids) == {"things", ".", ".."}
