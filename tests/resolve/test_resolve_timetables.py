"""Schedules and callback sets."""

import pytest

from reconciler.model import Callback, CallbackEvent, Place, SchedulePhase, Severity, Window

DAY = 86_400_000


def test_every_phase_becomes_a_window(folder) -> None:
    folder.resource(
        "Schedule",
        "s",
        """
timezone: Europe/Berlin
activation: {begin: 2024-05-03 00:00, end: "2024-05-04T00:00"}
download: {begin: 2024-05-01T00:00:00+02:00, end: 2024-05-02T00:00}
execution: {begin: 2024-05-01T22:00:00Z, end: 2024-05-03T00:00}
""",
    )
    folder.resource("Campaign", "c", "schedules: [{schedule: s}]")
    (assignment,) = folder.campaign().schedules
    begin = 1_714_514_400_000  # 2024-04-30T22:00Z
    assert assignment.gateways is None
    assert assignment.windows == {
        SchedulePhase.DOWNLOAD: Window(begin, begin + DAY),
        SchedulePhase.EXECUTION: Window(begin + DAY, begin + 2 * DAY),
        SchedulePhase.ACTIVATION: Window(begin + 2 * DAY, begin + 3 * DAY),
    }
    assert list(assignment.windows) == list(SchedulePhase)


@pytest.mark.parametrize(
    ("spec", "code", "line", "column"),
    [
        ("download: {begin: 2024-05-01T00:00Z, end: 2024-05-01T00:00Z}", "end-before-begin", 5, 45),
        ("download: {begin: 2024-05-01T00:00Z, end: 2024-04-01T00:00Z}", "end-before-begin", 5, 45),
        ("download: {begin: 2024-05-01, end: 2024-06-01T00:00Z}", "time-format", 5, 21),
        ("download: {begin: 2024-05-01T00:00, end: 2024-06-01T00:00Z}", "time-without-zone", 5, 21),
        (
            "timezone: Europe/Belrin\ndownload: {begin: 2024-05-01T00:00, end: 2024-05-01T02:00Z}",
            "unknown-timezone",
            5,
            13,
        ),
        ("timezone: Europe/Berlin", "missing-field", 5, 3),
        (
            "timezone: Europe/Berlin\ndownload: {begin: 2024-03-31T02:30, end: 2024-06-01T00:00}",
            "time-skipped",
            6,
            21,
        ),
    ],
)
def test_what_is_wrong_is_found_where_it_stands(folder, spec: str, code: str, line: int, column: int) -> None:
    folder.resource("Schedule", "s", spec)
    finding = folder.finding()
    assert finding.is_error
    assert (finding.code, finding.place) == (code, Place("schedule-s.yaml", line, column))
    assert finding.hint


def test_both_ends_of_a_window_are_checked(folder) -> None:
    folder.resource("Schedule", "s", "download: {begin: then, end: later}")
    assert [finding.code for finding in folder.resolve().findings] == ["time-format", "time-format"]


def test_a_phase_that_begins_before_the_one_it_follows_is_a_warning(folder) -> None:
    folder.resource(
        "Schedule",
        "s",
        """
download: {begin: 2024-05-02T00:00Z, end: 2024-05-03T00:00Z}
activation: {begin: 2024-05-01T00:00Z, end: 2024-05-03T00:00Z}
""",
    )
    finding = folder.finding()
    assert finding.severity is Severity.WARNING
    assert finding.code == "phases-out-of-order"
    assert finding.message == "activation begins before download, which comes first"
    assert finding.place == Place("schedule-s.yaml", 6, 23)


def test_callbacks_by_event(folder) -> None:
    folder.resource(
        "CallbackSet",
        "cb",
        """
downloadProgress: {notificationDestinationId: d}
completed: {notificationDestinationId: c}
stateChange: {notificationDestinationId: s, trackedStates: [FAILED, DOWNLOAD_COMPLETE]}
""",
    )
    folder.resource("Campaign", "c", "callbackSet: cb")
    assert folder.campaign().callbacks == {
        CallbackEvent.COMPLETED: Callback("c"),
        CallbackEvent.STATE_CHANGE: Callback("s", frozenset({"FAILED", "DOWNLOAD_COMPLETE"})),
        CallbackEvent.DOWNLOAD_PROGRESS: Callback("d"),
    }


def test_no_tracked_states_and_none_declared_are_two_things(folder) -> None:
    folder.resource("CallbackSet", "a", "stateChange: {notificationDestinationId: s}")
    folder.resource("CallbackSet", "b", "stateChange: {notificationDestinationId: s, trackedStates: []}")
    folder.resource("Campaign", "a", "callbackSet: a")
    folder.resource("Campaign", "b", "callbackSet: b")
    first, second = folder.resolve().desired.campaigns
    assert first.callbacks[CallbackEvent.STATE_CHANGE].states is None
    assert second.callbacks[CallbackEvent.STATE_CHANGE].states == frozenset()


@pytest.mark.parametrize(
    ("state", "hint"), [("FAILD", "did you mean `FAILED`?"), ("XYZZY", "known are INSTANTIATED, ")]
)
def test_an_unknown_state_is_a_warning(folder, state: str, hint: str) -> None:
    folder.resource(
        "CallbackSet",
        "cb",
        f"stateChange: {{notificationDestinationId: s, trackedStates: [FAILED, {state}]}}",
    )
    folder.resource("Campaign", "c", "callbackSet: cb")
    resolved = folder.resolve()
    (finding,) = resolved.findings
    assert (finding.code, finding.severity) == ("unknown-state", Severity.WARNING)
    assert str(finding.hint).startswith(hint)
    states = resolved.desired.campaigns[0].callbacks[CallbackEvent.STATE_CHANGE].states
    assert states == {"FAILED", state}
