"""The figures of a controller."""

import math
import shutil
import subprocess
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

import reconciler
from reconciler.controller.counts import BUCKETS, Counts, Happened
from reconciler.controller.metrics import MetricsText, counted, metrics
from reconciler.controller.past import LookResult, PastLook
from reconciler.controller.shown import Board, CalendarShown, Shown
from reconciler.model import Kind, ResourceId, RolloutStatus, Server
from reconciler.plan.model import GuardTrip, Plan
from reconciler.providers.base import Stage
from reconciler.report.statuses import Gateways, Row, StatusReport, Sync
from reconciler.report.terminal import Tone
from reconciler.rollout.situation import Wait, WaitFor
from reconciler.rollout.views import RolloutView, WaveView

NOW = 1_800_000_000_000
LINE, OTHER = (ResourceId(Kind.CAMPAIGN, name) for name in ("line", "other"))
SERVER = Server("pulse", "https://pulse.example.com")
VIEW = RolloutView(
    LINE,
    "careful",
    RolloutStatus.PAUSED,
    10,
    4,
    wave=1,
    since=NOW - 5_000,
    waves=(WaveView("a", 4), WaveView("b", 6)),
    waits=(Wait(WaitFor.SOAK),),
    next_look=NOW + 1_500,
)
GATEWAYS = Gateways(
    {"FAILED": 1, "INSTANTIATED": 3},
    {Stage.FAILED: 1, Stage.IDLE: 3},
    closed=1,
    open={Stage.FAILED: 1, Stage.IDLE: 2},
    causes={"gateway gw-secret-1 lost power": ("gw-secret-1",)},
)
ROWS = (
    Row(LINE, "Line", ("1",), "STARTED", GATEWAYS, Tone.GOOD, "in sync", sync=Sync.IN_SYNC),
    Row(OTHER, "Other", (), None, None, Tone.WARNING, "held", sync=Sync.HELD),
)
PLAN = Plan(
    SERVER,
    rollouts=(VIEW,),
    guards=(GuardTrip("maxDeletes", "many"), GuardTrip("maxStarts", "m", waived="x")),
)
SHOWN = Shown(
    "line",
    NOW,
    60_000,
    server=SERVER,
    looks=(PastLook(NOW, 0.3, LookResult.GUARD),),
    status=StatusReport(PLAN, ROWS),
    calendars=(CalendarShown("nights", True), CalendarShown("site", None), CalendarShown("days", False)),
    counts=Counts().after(
        PastLook(NOW, 0.3, LookResult.GUARD),
        Happened(
            {("get-campaign", "ok"): 3},
            {("start-campaign", "failed"): 1},
            {("line", "wave-opened"): 2, ("gone", "aborted"): 1},
            {("aborted", "sent"): 4},
        ),
        ["line"],
    ),
)


def samples(shown: Shown) -> dict[str, float]:
    """``name{label="…"}`` → value."""
    found = {}
    for family in text_string_to_metric_families(metrics(shown)[0].decode()):
        for sample in family.samples:
            labels = ",".join(f"{k}={v}" for k, v in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (f"reconciler_build_info{{server={SERVER},version={reconciler.__version__}}}", 1),
        ("reconciler_looks_total{result=guard}", 1),
        ("reconciler_looks_total{result=failed}", 0),
        ("reconciler_look_duration_seconds_bucket{le=0.25}", 0),
        ("reconciler_look_duration_seconds_bucket{le=0.5}", 1),
        ("reconciler_look_duration_seconds_bucket{le=+Inf}", 1),
        ("reconciler_look_duration_seconds_count", 1),
        ("reconciler_look_duration_seconds_sum", 0.3),
        ("reconciler_last_success_timestamp_seconds", NOW / 1000 + 0.3),
        ("reconciler_leader", 1),
        ("reconciler_requests_total{operation=get-campaign,outcome=ok}", 3),
        ("reconciler_steps_total{operation=start-campaign,outcome=failed}", 1),
        ("reconciler_campaigns{sync=in-sync}", 1),
        ("reconciler_campaigns{sync=held}", 1),
        ("reconciler_campaigns{sync=changed}", 0),
        ("reconciler_campaign_gateways{campaign=line,stage=idle}", 2),
        ("reconciler_campaign_gateways{campaign=line,stage=failed}", 1),
        ("reconciler_campaign_gateways{campaign=line,stage=under-way}", 0),
        ("reconciler_campaign_gateways{campaign=line,stage=closed}", 1),
        ("reconciler_rollout_status{campaign=line,status=paused}", 1),
        ("reconciler_rollout_status{campaign=line,status=aborted}", 0),
        ("reconciler_rollout_wave{campaign=line}", 1),
        ("reconciler_rollout_waves{campaign=line}", 2),
        ("reconciler_rollout_waiting{campaign=line,for=soak}", 1),
        ("reconciler_rollout_waiting{campaign=line,for=approval}", 0),
        ("reconciler_rollout_next_timestamp_seconds{campaign=line}", NOW / 1000 + 1.5),
        ("reconciler_rollout_since_timestamp_seconds{campaign=line}", NOW / 1000 - 5),
        ("reconciler_rollout_transitions_total{campaign=line,to=wave-opened}", 2),
        ("reconciler_calendar_open{calendar=nights}", 1),
        ("reconciler_calendar_open{calendar=days}", 0),
        ("reconciler_guard_tripped{guard=maxDeletes}", 1),
        ("reconciler_guard_tripped{guard=maxStarts}", 0),
        ("reconciler_notifications_total{event=aborted,outcome=sent}", 4),
    ],
)
def test_each_figure_says_what_is_shown(name: str, value: float) -> None:
    assert samples(SHOWN)[name] == pytest.approx(value)


def test_campaigns_that_are_gone_are_not_counted_on() -> None:
    assert not any("gone" in name for name in samples(SHOWN))


def test_no_gateway_is_named() -> None:
    assert b"gw-secret" not in metrics(SHOWN)[0]


def test_nothing_is_said_of_what_was_not_read() -> None:
    found = samples(replace(SHOWN, status=None, looks=(), counts=Counts(), calendars=()))
    assert "reconciler_last_success_timestamp_seconds" not in found
    assert not any(name.startswith(("reconciler_campaign", "reconciler_rollout")) for name in found)
    assert found["reconciler_leader"] == 0


def test_a_standby_leads_nothing() -> None:
    assert samples(replace(SHOWN, looks=(PastLook(NOW, 0.1, LookResult.STANDBY),)))["reconciler_leader"] == 0


def test_names_of_others_do_not_break_the_text() -> None:
    odd = ResourceId(Kind.CAMPAIGN, 'a"b\\c\nd')
    rows = (replace(ROWS[0], resource=odd),)
    found = samples(replace(SHOWN, status=StatusReport(Plan(SERVER), rows)))
    assert found['reconciler_campaign_gateways{campaign=a"b\\c\nd,stage=idle}'] == 2


def test_prometheus_finds_nothing_to_say_of_it() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is missing: it comes with Debian's prometheus")
    text = metrics(SHOWN)[0]
    ran = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, check=False)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, b"", b"")


def test_the_text_is_made_once_for_each_look() -> None:
    board = Board(SHOWN)
    text = MetricsText(board)
    first = text()
    board.shown = replace(SHOWN, ticked=NOW + 1, next_look=NOW + 2)
    assert text() is first
    board.shown = replace(SHOWN, counts=replace(SHOWN.counts, succeeded=1_000))
    assert b"reconciler_last_success_timestamp_seconds 1.0" in text()[0]


words = st.text(st.characters(codec="utf-8", exclude_characters="\r"), min_size=1, max_size=8)
pairs = st.dictionaries(st.tuples(words, words), st.integers(0, 2**40), max_size=4)
KNOWN = st.sampled_from([each.value for each in LookResult])


@given(
    st.builds(
        Counts,
        st.dictionaries(KNOWN, st.integers(0, 2**40)),
        st.tuples(*[st.integers(0, 2**30)] * (len(BUCKETS) + 1)),
        st.floats(0, 2**40),
        st.none() | st.integers(0, 2**41),
        pairs,
        pairs,
        pairs,
        pairs,
    )
)
def test_a_file_is_counted_on_from(counts: Counts) -> None:
    text = metrics(replace(SHOWN, counts=counts))[0].decode()
    again = counted(text)
    every = {each.value: 0 for each in LookResult}
    assert again == replace(counts, looks={**every, **counts.looks})


@pytest.mark.parametrize(
    "text",
    ["", "garbage {", 'reconciler_looks_total{result="x"} NaN\n', "reconciler_looks_total -1\n", "\x00\x01"],
)
def test_what_is_no_such_file_counts_nothing(text: str) -> None:
    assert counted(text) == Counts()


@pytest.mark.parametrize(("seconds", "bucket"), [(0.0, 0), (0.1, 0), (0.11, 1), (600.0, 11), (math.inf, 12)])
def test_looks_are_counted_by_how_long_they_take(seconds: float, bucket: int) -> None:
    look = PastLook(NOW, min(seconds, 10_000.0), LookResult.NOTHING)
    assert Counts().after(look, Happened()).took[bucket] == 1
