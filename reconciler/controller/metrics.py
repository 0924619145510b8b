"""The figures of a controller for Prometheus, made from one `Shown`; never with the id of a gateway.

The table of them stands in `docs/controller.md`.

Tests: `tests/controller/test_controller_metrics.py`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate
from typing import Final, TypeVar

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

import reconciler
from reconciler.controller.counts import BUCKETS, Counts
from reconciler.controller.shown import Board, LookResult, Shown
from reconciler.model import RolloutStatus
from reconciler.plan.guards import Guard
from reconciler.providers.base import Stage
from reconciler.report.statuses import Row, Sync
from reconciler.rollout.situation import WaitFor

_PREFIX: Final = "reconciler_"
_STAGES: Final = {
    Stage.IDLE: "idle",
    Stage.UNDER_WAY: "under-way",
    Stage.DONE: "done",
    Stage.FAILED: "failed",
}
_CLOSED: Final = "closed"

_Labels = TypeVar("_Labels", bound=tuple[str, ...])


def metrics(shown: Shown) -> tuple[bytes, str]:
    """The text, and its media type."""
    return generate_latest(_Once(families(shown))), CONTENT_TYPE_LATEST


class MetricsText:
    """The text of what hangs on a board. It is made once for each look, however often it is asked for."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._made: tuple[tuple[object, ...], tuple[bytes, str]] | None = None

    def __call__(self) -> tuple[bytes, str]:
        """See `metrics`."""
        shown, made = self._board.shown, self._made
        rests_on = (shown.counts, shown.status, shown.looks, shown.calendars, shown.server)
        if made is None or any(a is not b for a, b in zip(made[0], rests_on, strict=True)):
            made = self._made = rests_on, metrics(shown)
        return made[1]


class _Once(Collector):
    """What `generate_latest` asks for: families that are made already."""

    def __init__(self, made: Iterable[Metric]) -> None:
        self._made = made

    def collect(self) -> Iterable[Metric]:
        return self._made


def families(shown: Shown) -> Iterator[Metric]:
    """Every metric."""
    yield from _of_looks(shown)
    yield from _of_campaigns(shown)
    yield from _of_rollouts(shown)
    calendars = {(each.name,): float(each.open) for each in shown.calendars if each.open is not None}
    yield _gauge("calendar_open", "Whether a calendar is open.", ["calendar"], calendars)
    guards: Iterable[str] = ()
    if shown.status is not None:
        guards = {trip.guard for trip in shown.status.plan.tripped}
    tripped = {(each.value,): float(each in guards) for each in Guard}
    yield _gauge("guard_tripped", "Whether a guard stands against the plan.", ["guard"], tripped)


def _of_looks(shown: Shown) -> Iterator[Metric]:
    counts = shown.counts
    server = "" if shown.server is None else str(shown.server)
    about = {(reconciler.__version__, server): 1.0}
    yield _gauge("build_info", "Which version looks at which server.", ["version", "server"], about)
    looks = {(each.value,): counts.looks.get(each.value, 0) for each in LookResult}
    yield _counter("looks", "Looks that are over.", ["result"], looks)
    took = HistogramMetricFamily(f"{_PREFIX}look_duration_seconds", "How long a look takes.")
    bounds = [*map(str, BUCKETS), "+Inf"]
    took.add_metric([], list(zip(bounds, accumulate(counts.took), strict=True)), counts.seconds)
    yield took
    succeeded = {} if counts.succeeded is None else {(): counts.succeeded / 1000}
    yield _gauge("last_success_timestamp_seconds", "When a look last went well.", [], succeeded)
    leads = float(bool(shown.looks) and not shown.standby)
    yield _gauge("leader", "Whether this replica held the lock at its last look.", [], {(): leads})
    both = ["operation", "outcome"]
    yield _counter("requests", "Requests, each time they are sent.", both, counts.requests)
    yield _counter("steps", "Steps of plans.", both, counts.steps)
    yield _counter(
        "notifications",
        "How often people were told by services outside.",
        ["event", "outcome"],
        counts.notices,
    )


def _of_campaigns(shown: Shown) -> Iterator[Metric]:
    stands = {(each.value,): 0.0 for each in Sync}
    for row in shown.rows:
        stands[row.sync.value,] += 1
    if shown.status is None:
        stands = {}
    yield _gauge("campaigns", "Declared or owned campaigns, by how they stand.", ["sync"], stands)
    stages = {(row.resource.name, stage): count for row in shown.rows for stage, count in _stages(row)}
    about = "Gateways of a campaign, each once; closed ones whatever else they are."
    yield _gauge("campaign_gateways", about, ["campaign", "stage"], stages)


def _stages(row: Row) -> Iterator[tuple[str, float]]:
    if row.gateways is not None:
        for stage, word in _STAGES.items():
            yield word, float(row.gateways.open.get(stage, 0))
        yield _CLOSED, float(row.gateways.closed)


def _of_rollouts(shown: Shown) -> Iterator[Metric]:
    views = {view.resource.name: view for view in shown.rollouts}
    one = ["campaign"]
    status = {
        (name, each.value): float(view.status is each)
        for name, view in views.items()
        for each in RolloutStatus
    }
    yield _gauge("rollout_status", "Where a rollout stands.", ["campaign", "status"], status)
    wave = {(name,): float(view.wave) for name, view in views.items()}
    yield _gauge("rollout_wave", "How many waves of a rollout are open.", one, wave)
    waves = {(name,): float(len(view.waves)) for name, view in views.items()}
    yield _gauge("rollout_waves", "How many waves a rollout has.", one, waves)
    waiting = {
        (name, each.value): float(any(wait.reason is each for wait in view.waits))
        for name, view in views.items()
        for each in WaitFor
    }
    yield _gauge("rollout_waiting", "What a rollout waits for.", ["campaign", "for"], waiting)
    following = {(n,): view.next_look / 1000 for n, view in views.items() if view.next_look is not None}
    yield _gauge("rollout_next_timestamp_seconds", "When a look may find something else.", one, following)
    since = {(name,): view.since / 1000 for name, view in views.items() if view.since}
    yield _gauge("rollout_since_timestamp_seconds", "When the last wave opened.", one, since)
    both = ["campaign", "to"]
    yield _counter("rollout_transitions", "Turns of a rollout.", both, shown.counts.turns)


def _gauge(name: str, about: str, labels: list[str], values: Mapping[_Labels, float]) -> Metric:
    made = GaugeMetricFamily(f"{_PREFIX}{name}", about, labels=labels)
    for key, value in sorted(values.items()):
        made.add_metric(list(key), value)
    return made


def _counter(name: str, about: str, labels: list[str], values: Mapping[_Labels, float]) -> Metric:
    made = CounterMetricFamily(f"{_PREFIX}{name}", about, labels=labels)
    for key, value in sorted(values.items()):
        made.add_metric(list(key), value)
    return made


# --- counting on from an earlier file ------------------------------------------------------------


def counted(text: str) -> Counts:
    """What the text of `metrics` has counted; nothing where it is none."""
    try:
        read = {family.name: family for family in text_string_to_metric_families(text)}
    except (ValueError, KeyError, IndexError):
        return Counts()

    def pairs(name: str, *labels: str) -> dict[tuple[str, ...], int]:
        samples = read[f"{_PREFIX}{name}"].samples if f"{_PREFIX}{name}" in read else ()
        found = {}
        for sample in samples:
            if sample.name == f"{_PREFIX}{name}_total" and _natural(sample.value):
                found[tuple(sample.labels.get(label, "") for label in labels)] = int(sample.value)
        return found

    def two(name: str, first: str, second: str) -> dict[tuple[str, str], int]:
        return {(key[0], key[1]): count for key, count in pairs(name, first, second).items()}

    took, seconds = _took(read.get(f"{_PREFIX}look_duration_seconds"))
    last = read.get(f"{_PREFIX}last_success_timestamp_seconds")
    succeeded = (
        next((round(s.value * 1000) for s in last.samples if _natural(s.value)), None) if last else None
    )
    return Counts(
        {key[0]: count for key, count in pairs("looks", "result").items()},
        took,
        seconds,
        succeeded,
        two("requests", "operation", "outcome"),
        two("steps", "operation", "outcome"),
        two("rollout_transitions", "campaign", "to"),
        two("notifications", "event", "outcome"),
    )


def _took(family: Metric | None) -> tuple[tuple[int, ...], float]:
    bounds = [*BUCKETS, math.inf]
    found = dict.fromkeys(bounds, 0)
    seconds = 0.0
    for sample in family.samples if family else ():
        if sample.name.endswith("_sum") and math.isfinite(sample.value):
            seconds = max(sample.value, 0.0)
        elif sample.name.endswith("_bucket") and _natural(sample.value):
            bound = float(sample.labels.get("le", "nan"))
            if bound in found:
                found[bound] = int(sample.value)
    reached = [found[bound] for bound in bounds]
    return tuple(max(a - b, 0) for a, b in zip(reached, [0, *reached], strict=False)), seconds


def _natural(value: float) -> bool:
    return math.isfinite(value) and 0 <= value < 2**53
