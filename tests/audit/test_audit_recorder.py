"""What a run leaves in the log: its begin before anything else, each call, its end; and nothing secret."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from audit_logs import RUN, SERVER, MemoryLog, log_of, ticking

from reconciler.audit.calls import AuditedCall
from reconciler.audit.chain import decode, verify
from reconciler.audit.recorder import AuditedRun, AuditRecorder, Commit, Waiver, Who, recording
from reconciler.audit.runs import how_many, runs
from reconciler.errors import Exit, Refused, StateError
from reconciler.model import (
    CampaignFields,
    Kind,
    Operation,
    Outcome,
    OutcomeStatus,
    PackageFile,
    PendingUpload,
    Repeat,
    ResourceId,
    SchedulePhase,
    Secret,
    Step,
    StepGroup,
    Verb,
    Window,
)
from tests.actions import action

LINE_3 = ResourceId(Kind.CAMPAIGN, "line-3")
FIRMWARE = ResourceId(Kind.PACKAGE_SET, "firmware")
SHA = "ab" * 32
FILE = PackageFile(SHA, Path("fw.bin"), "fw.bin", 8, FIRMWARE)
WINDOW = {"phase": SchedulePhase.DOWNLOAD, "window": Window(1, 2)}


def step(verb: Verb, *, resource: ResourceId = LINE_3, per_call: int = 0, **fields: Any) -> Step:
    operation = Operation(f"{verb}-it", "PUT", "/", "", None, Repeat.IDEMPOTENT)
    return Step(StepGroup(str(verb), action(verb, resource, **fields), operation, per_call), 0)


def told(log: MemoryLog) -> list[dict[str, Any]]:
    """The lines, without what holds the chain, which has to hold."""
    assert verify(log.lines).broken is None
    return [
        {k: v for k, v in json.loads(line).items() if k not in ("hash", "previous", "number", "run")}
        for line in log.lines
    ]


def test_a_run_from_begin_to_end() -> None:
    log = MemoryLog()
    run = AuditedRun(
        "apply",
        "1.2.3",
        Who("ada", "laptop", "octocat"),
        SERVER,
        project="plants",
        environment="prod",
        commit=Commit("c0ffee" * 6 + "abcd", dirty=False),
        plan="9f86",
        steps={"stop-it": 1, "start-it": 1},
        waived=(
            Waiver("maxDeletes", "the old hall is gone", 12, 10),
            Waiver("maxStarts", "yes", 2, 1, LINE_3),
        ),
        about={"takes": [{"resource": "Campaign/x", "id": "c-9"}]},
    )
    with recording(log, run, clock=ticking()) as recorder:
        assert len(log.lines) == 1, "the begin stands before anything is done"
        recorder.outcome(Outcome(step(Verb.STOP, target="c-1"), OutcomeStatus.DONE))
        recorder.outcome(
            Outcome(step(Verb.START, target="c-1"), OutcomeStatus.FAILED, "500 no", 3, unclear=True)
        )
        recorder.code = Exit.PARTLY
    assert told(log) == [
        {
            "type": "begin",
            "at": "2027-01-15T08:00:00.250Z",
            "operation": "apply",
            "version": "1.2.3",
            "who": {"holder": "ada", "host": "laptop", "actor": "octocat"},
            "server": {"provider": "pulse", "url": "https://pulse.example.com", "organization": "blue"},
            "project": "plants",
            "environment": "prod",
            "commit": {"id": "c0ffee" * 6 + "abcd", "dirty": False},
            "plan": "9f86",
            "steps": {"start-it": 1, "stop-it": 1},
            "waived": [
                {"guard": "maxDeletes", "found": 12, "limit": 10, "reason": "the old hall is gone"},
                {
                    "guard": "maxStarts",
                    "found": 2,
                    "limit": 1,
                    "reason": "yes",
                    "resource": "Campaign/line-3",
                },
            ],
            "takes": [{"resource": "Campaign/x", "id": "c-9"}],
        },
        {
            "type": "call",
            "at": "2027-01-15T08:00:01.250Z",
            "operation": "stop-it",
            "resource": "Campaign/line-3",
            "id": "c-1",
            "outcome": "done",
            "attempts": 1,
        },
        {
            "type": "call",
            "at": "2027-01-15T08:00:02.250Z",
            "operation": "start-it",
            "resource": "Campaign/line-3",
            "id": "c-1",
            "outcome": "failed",
            "attempts": 3,
            "message": "500 no",
            "unclear": True,
        },
        {"type": "end", "at": "2027-01-15T08:00:03.250Z", "exit": 3, "outcomes": {"done": 1, "failed": 1}},
    ]
    assert log.writes == [(1, True), (1, False), (1, False), (1, True)]
    assert [json.loads(line)["run"] for line in log.lines] == [1, 1, 1, 1]


def test_runs_are_counted_on() -> None:
    log = MemoryLog()
    for _ in range(3):
        with recording(log, RUN):
            pass
    assert [json.loads(line)["run"] for line in log.lines] == [1, 1, 2, 2, 3, 3]
    assert verify(log.lines).broken is None


def test_what_is_not_known_is_left_out() -> None:
    log = MemoryLog()
    with recording(log, RUN, clock=ticking()):
        pass
    assert told(log)[0].keys() == {"type", "at", "operation", "version", "who", "server"}
    assert told(log)[0]["who"] == {"holder": "ada", "host": "laptop"}


def test_ids_that_the_run_made_are_known_from_then_on() -> None:
    log = MemoryLog()
    fields = CampaignFields("Line 3", packages=("p-1", PendingUpload(SHA)))
    override = {"packages": (PendingUpload("cd" * 32),), "gateways": ("gw-1",)}
    recorder = AuditRecorder(log)
    recorder.begin(RUN)
    for each, created in (
        (step(Verb.UPLOAD, resource=FIRMWARE, file=FILE), "p-2"),
        (step(Verb.CREATE, fields=fields), "c-1"),
        (step(Verb.ADD, gateways=("gw-1",), per_call=2), None),
        (step(Verb.OVERRIDE, **override, per_call=1), None),
        (step(Verb.DELETE_PACKAGE, resource=FIRMWARE, target="p-0", sha256="ef" * 32), None),
    ):
        recorder.outcome(Outcome(each, OutcomeStatus.DONE, created=created))
    upload, create, add, overridden, deleted = told(log)[1:]
    assert (upload["id"], upload["sha256"], upload["resource"]) == ("p-2", SHA, "PackageSet/firmware")
    assert (create["id"], create["packages"]) == ("c-1", ["p-1", "p-2"])
    assert add["id"] == overridden["id"] == "c-1"
    assert overridden["packages"] == ["sha256:" + "cd" * 32], "of an upload that came to nothing"
    assert (deleted["id"], deleted["sha256"]) == ("p-0", "ef" * 32)


def test_a_call_names_all_of_its_gateways_and_those_that_it_is_not_done_for() -> None:
    log = MemoryLog()
    recorder = AuditRecorder(log)
    recorder.begin(RUN)
    add = step(Verb.ADD, gateways=("gw-1", "gw-2", "gw-3"), per_call=2)
    recorder.outcome(Outcome(add, OutcomeStatus.FAILED, "no such gateway", left=("gw-2",)))
    call = told(log)[1]
    assert (call["gateways"], call["left"]) == (["gw-1", "gw-2"], ["gw-2"])


@pytest.mark.parametrize(
    ("fields", "carried"),
    [
        (
            {"verb": Verb.SCHEDULE, "phase": SchedulePhase.DOWNLOAD, "window": Window(1, 2)},
            {"window": [1, 2]},
        ),
        ({"verb": Verb.OVERRIDE, "packages": ("p-1", PendingUpload(SHA))}, {"packages": ["p-1", "p-new"]}),
        ({"verb": Verb.CLOSE, "target": "100 %s"}, {}),
    ],
    ids=["window", "packages", "nothing"],
)
def test_what_all_steps_of_a_group_have_in_common_is_said_of_each(
    fields: dict[str, Any], carried: dict[str, Any]
) -> None:
    """They are written in another way than other calls, which has to make the same lines."""
    first = step(gateways=("gw-1", "gw-2", "gw-3"), per_call=1, **fields)
    steps = list(first.group)
    target = fields.get("target", "c-new")
    made = [
        Outcome(step(Verb.CREATE, fields=CampaignFields("Line 3")), OutcomeStatus.DONE, created="c-new"),
        Outcome(step(Verb.UPLOAD, resource=FIRMWARE, file=FILE), OutcomeStatus.DONE, created="p-new"),
    ]
    ended = [
        Outcome(steps[0], OutcomeStatus.DONE),
        Outcome(steps[1], OutcomeStatus.DONE),
        Outcome(steps[2], OutcomeStatus.DONE, attempts=2),
        Outcome(steps[0], OutcomeStatus.FAILED, "no"),
        Outcome(steps[1], OutcomeStatus.DONE, "with words"),
    ]
    log, likewise = MemoryLog(), MemoryLog()
    recorder = AuditRecorder(log, clock=ticking())
    recorder.begin(RUN)
    recorder.outcomes([*made, *ended])
    recorder.end()
    other = AuditRecorder(likewise, clock=ticking())
    other.begin(RUN)
    other.outcomes(made)
    for each in ended:
        other.call(
            AuditedCall(
                each.step.operation.name,
                each.status,
                target,
                LINE_3,
                each.step.gateways,
                each.message,
                each.attempts,
                carried=carried,
            )
        )
    other.end()
    assert log.lines == likewise.lines
    assert verify(log.lines).broken is None


def test_a_window_is_told_and_a_setting_is_not() -> None:
    log = MemoryLog()
    recorder = AuditRecorder(log)
    recorder.begin(RUN)
    window = {"phase": SchedulePhase.DOWNLOAD, "window": Window(1, 2), "gateways": ("gw-1",)}
    recorder.outcome(Outcome(step(Verb.SCHEDULE, **window, per_call=1), OutcomeStatus.DONE))
    settings = {"PLAIN": "plain-canary", "KEY": Secret("KEY", "secret-canary")}
    fields = CampaignFields("Line 3", settings=settings)
    recorder.outcome(Outcome(step(Verb.EDIT, target="c-1", fields=fields), OutcomeStatus.DONE))
    assert told(log)[1]["window"] == [1, 2]
    assert "canary" not in "".join(log.lines)


def test_a_step_that_was_skipped_was_not_tried() -> None:
    log = MemoryLog()
    recorder = AuditRecorder(log)
    recorder.begin(RUN)
    recorder.outcome(Outcome(step(Verb.START), OutcomeStatus.SKIPPED, "needs create", 0))
    assert told(log)[1]["attempts"] == 0
    assert "id" not in told(log)[1]


def test_a_call_that_is_no_step() -> None:
    log = MemoryLog()
    with recording(log, RUN) as recorder:
        recorder.call(
            AuditedCall("notify-gateway", OutcomeStatus.UNKNOWN, "c-1", gateways=("gw-1",), message="cut")
        )
    call = told(log)[1]
    assert (call["id"], call["gateways"], call["outcome"]) == ("c-1", ["gw-1"], "unknown")
    assert "resource" not in call
    assert told(log)[2]["outcomes"] == {"unknown": 1}


# --- what goes wrong ---------------------------------------------------------------------------------


def test_nothing_begins_when_the_log_can_t_be_written() -> None:
    with pytest.raises(StateError, match="no space"), recording(MemoryLog(full=0), RUN):
        pytest.fail("it began")


def test_nothing_begins_behind_a_line_that_was_changed() -> None:
    log = MemoryLog([log_of(1)[0].replace("call", "cell")])
    with pytest.raises(StateError, match="isn't as it was written"), recording(log, RUN):
        pytest.fail("it began")
    assert len(log.lines) == 1


def test_calls_that_can_t_be_written_wait_for_the_end() -> None:
    log = MemoryLog(full=1)
    with recording(log, RUN, clock=ticking()) as recorder:
        for _ in range(3):
            recorder.outcome(Outcome(step(Verb.STOP, target="c-1"), OutcomeStatus.DONE))
            assert recorder.failure is not None
        assert len(log.lines) == 1
        log.full = None
    assert [line["type"] for line in told(log)] == ["begin", "call", "call", "call", "end"]
    assert [line["at"][17:19] for line in told(log)] == ["00", "01", "02", "03", "04"], "when they happened"
    assert recorder.failure is None


def test_calls_that_ended_together_are_one_write_and_a_line_each() -> None:
    log = MemoryLog()
    with recording(log, RUN, clock=ticking()) as recorder:
        done = [Outcome(step(verb, target="c-1"), OutcomeStatus.DONE) for verb in (Verb.STOP, Verb.START)]
        recorder.outcomes(done)
        recorder.outcomes([])
    assert log.writes == [(1, True), (2, False), (1, True)]
    assert [line.get("operation") for line in told(log)][1:3] == ["stop-it", "start-it"]


def test_a_bug_of_a_line_ends_the_run_and_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The calls behind it are written; the end is, too, and then says that one is missing."""
    log = MemoryLog()

    def buggy(_: object) -> str:
        raise ValueError("canary")

    missing = pytest.raises(
        StateError, match=r"a call is missing in the audit log: this is a bug in reconciler"
    )
    with missing as caught, recording(log, RUN, clock=ticking()) as recorder:
        with monkeypatch.context() as patch:
            patch.setattr("reconciler.audit.recorder.target_of", buggy)
            recorder.outcome(Outcome(step(Verb.STOP, target="c-1"), OutcomeStatus.DONE))
        assert recorder.failure is not None
        recorder.outcome(Outcome(step(Verb.START, target="c-1"), OutcomeStatus.DONE))
        assert recorder.failure is not None
    assert [line["type"] for line in told(log)] == ["begin", "call", "end"]
    assert "canary" not in str(caught.value) + "".join(log.lines)


def test_an_end_that_can_t_be_written_is_an_error() -> None:
    log = MemoryLog(full=1)
    with pytest.raises(StateError, match="no space"), recording(log, RUN):
        pass


def test_an_error_ends_the_run_with_what_it_says() -> None:
    log = MemoryLog()
    error = Refused("403 no", request="PUT /api/campaigns/1/stop", status=403)
    with pytest.raises(Refused), recording(log, RUN):
        raise error
    end = told(log)[1]
    assert (end["exit"], end["error"]) == (1, "PUT /api/campaigns/1/stop: 403 no")


@pytest.mark.parametrize("error", [KeyboardInterrupt(), asyncio.CancelledError(), ValueError("canary")])
def test_what_nobody_expected_ends_it_too_and_says_no_value(error: BaseException) -> None:
    log = MemoryLog()
    with pytest.raises(type(error)), recording(log, RUN):
        raise error
    end = told(log)[1]
    assert (end["exit"], end["error"]) == (1, f"interrupted: {type(error).__name__}")
    assert "canary" not in "".join(log.lines)


def test_of_two_errors_the_first_is_reported() -> None:
    log = MemoryLog(full=1)
    with pytest.raises(ValueError, match="mine") as caught, recording(log, RUN):
        raise ValueError("mine")
    assert caught.value.__notes__ == ["no space\nMake room."]
    assert len(log.lines) == 1


# --- parcels ----------------------------------------------------------------------------------------


def test_a_parcel_is_one_line_that_counts_as_its_calls() -> None:
    log = MemoryLog()
    window = Window(1_000, 2_000)
    gateways = ("gw-1", "gw-2", "gw-3")
    first = step(
        Verb.SCHEDULE,
        per_call=1,
        gateways=gateways,
        target="c-1",
        phase=SchedulePhase.DOWNLOAD,
        window=window,
    )
    steps = list(first.group)
    with recording(log, RUN) as recorder:
        recorder.parcel([Outcome(each, OutcomeStatus.DONE, attempts=n) for n, each in enumerate(steps, 1)])
        recorder.parcel([])
        recorder.outcome(Outcome(steps[0], OutcomeStatus.FAILED, "no"))
    _, parcel, single, end = told(log)
    assert (parcel["calls"], parcel["attempts"], parcel["gateways"]) == (3, 6, list(gateways))
    assert (parcel["id"], parcel["window"], parcel["outcome"]) == ("c-1", [1_000, 2_000], "done")
    assert "calls" not in single
    assert end["outcomes"] == {"done": 3, "failed": 1}
    (run,) = runs(filter(None, map(decode, log.lines)))
    assert run.outcomes == {"done": 3, "failed": 1}
    assert run.operations == {"schedule-it": 4}


@pytest.mark.parametrize("calls", ["3", None, -1, 0, 2.5, [], True])
def test_a_number_of_calls_that_is_none_counts_as_one(calls: Any) -> None:
    assert how_many({"calls": calls}) == 1
