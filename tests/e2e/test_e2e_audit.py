"""The audit log as people meet it: begun before the server is called, whole after a kill, checked by hand."""

import json
from typing import Any

import pytest
from e2e_runs import WHOLE_WAY, Gate, Live, Moment, Workplace

from reconciler.audit.chain import verify

APPLY = ("apply", "--auto-approve", "resources.yaml")


def entries(place: Workplace) -> list[dict[str, Any]]:
    """The lines of the log, which has to hold."""
    lines = place.state.with_name("state.json.audit").read_text().splitlines()
    assert verify(lines).broken is None
    return [json.loads(line) for line in lines]


def of_run(place: Workplace, number: int) -> list[str]:
    """What a run left: its types of lines, and the calls by their operations."""
    return [each.get("operation", "end") for each in entries(place) if each["run"] == number]


def test_the_log_tells_what_the_server_saw(place: Workplace, live: Live) -> None:
    place.apply()
    assert of_run(place, 1) == ["apply", *WHOLE_WAY, "end"] == ["apply", *live.writes(), "end"]
    place.apply()
    assert len(entries(place)) == 6, "nothing to do, nothing to tell"
    (campaign,) = live.campaigns()
    assert place.run("campaign", "stop", campaign["id"], "--auto-approve").code == 0
    assert of_run(place, 2) == ["campaign stop", "stop-campaign", "end"]
    shown = place.run("audit", "show")
    assert (shown.code, shown.err) == (0, "")
    assert [line.split()[0] for line in shown.out.splitlines()[2:]] == ["RUN", "1", "2", "2"]
    verified = place.run("audit", "verify", "--expect", entries(place)[3]["hash"])
    assert verified.code == 0
    assert "that of line 4; 5 lines since" in verified.out


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("operation", WHOLE_WAY)
def test_kill_9_leaves_a_begin_without_an_end(
    place: Workplace, live: Live, operation: str, moment: Moment
) -> None:
    with Gate(live.url) as gate:
        place.env["RECONCILER_URL"] = gate.url
        hold = gate.hold(operation, moment)
        with place.started(*APPLY) as process:
            hold.wait(process)
            assert of_run(place, 1) == ["apply", *WHOLE_WAY[: WHOLE_WAY.index(operation)]], (
                "the begin and each call that ended stand there while the next is on its way"
            )
            process.kill()
        hold.drop()
        killed = place.run("audit", "show", "1")
        assert killed.code == 0
        assert "none: it was killed, or goes on\n" in killed.out
        left = WHOLE_WAY[WHOLE_WAY.index(operation) :]
        assert f"No outcome  {', '.join(f'{name} × 1' for name in sorted(left))}\n" in killed.out
        assert "no end\n" in place.run("audit", "show").out
        assert place.run("audit", "verify").code == 0
        place.apply()
        assert live.writes() == WHOLE_WAY, "each call once, over both runs"
        rest = left if moment == "before" else left[1:]
        # What the killed run made and did not hear of is taken, or found to be as it should.
        assert of_run(place, 2) == (["apply", *rest, "end"] if rest else [])


def test_a_line_that_was_cut_short_is_said_and_not_hidden(place: Workplace, live: Live) -> None:
    place.apply()
    log = place.state.with_name("state.json.audit")
    log.write_bytes(log.read_bytes()[:-20])
    broken = place.run("audit", "verify")
    assert broken.code == 1
    assert "breaks at line 6 (changed): it isn't what was written: it was changed, or cut short" in broken.out
    place.edit("Line 3", "Line three")
    place.apply()
    verified = place.run("audit", "verify")
    assert verified.code == 0
    assert "Line 6 was cut short by a crash, and the line after it says so.\n" in verified.out


def test_whoever_changes_the_log_is_found_and_no_run_goes_on_from_it(place: Workplace, live: Live) -> None:
    place.apply()
    log = place.state.with_name("state.json.audit")
    log.write_text(log.read_text().replace('"exit":0', '"exit":3'))
    live.forget()
    place.edit("Line 3", "Line three")
    ran = place.run(*APPLY)
    assert ran.code == 1
    assert "error: the last line of the audit log isn't as it was written" in ran.err
    assert "hint: `reconciler audit verify` says where it breaks" in ran.err
    assert live.writes() == []
    verified = place.run("audit", "verify", "--output", "json")
    assert (verified.code, json.loads(verified.out)["log"]["broken"]["line"]) == (1, 6)
    log.rename(log.with_name("kept-for-the-police"))
    place.apply()
    assert of_run(place, 1)[0] == "apply", "a new log begins"


def test_ci_says_who_and_what_was_checked_out(place: Workplace, live: Live) -> None:
    place.env |= {"CI": "true", "GITLAB_USER_LOGIN": "tanuki", "CI_COMMIT_SHA": "0123456789" * 4}
    place.apply()
    begin = entries(place)[0]
    assert begin["who"]["actor"] == "tanuki"
    assert begin["commit"] == {"dirty": None, "id": "0123456789" * 4}
