"""An apply that is stopped or killed, at every call: the next one finds what happened and does the rest."""

import signal
import time

import pytest
from e2e_runs import CAMPAIGN, RESOURCES, SECONDS, WHOLE_WAY, Gate, Live, Moment, Ran, Workplace

APPLY = ("apply", "--auto-approve", "resources.yaml")
EDIT = ["stop-campaign", "edit-campaign", "start-campaign"]


def finished(place: Workplace, live: Live, description: str) -> None:
    """What is declared is there, once, and the state is at rest."""
    (campaign,), (package,) = live.campaigns(), live.packages()
    shown = live.call("GET", f"/api/campaigns/{campaign['id']}")
    assert (shown["status"], shown["description"]) == ("STARTED", description)
    assert shown["packages"] == {"packages": [package["id"]]}
    assert live.gateways(campaign["id"]) == {"gw-1", "gw-2", "gw-3"}
    assert {path.name for path in place.state.parent.iterdir()} == {
        "state.json",
        "state.json.audit",
        "state.json.backup",
    }


def killed(place: Workplace, gate: Gate, operation: str, moment: Moment) -> None:
    """An apply that is killed while `operation` is on its way, or its answer is."""
    hold = gate.hold(operation, moment)
    with place.started(*APPLY) as process:
        hold.wait(process)
        process.kill()
    # What was on its way never arrives.
    hold.drop()


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("operation", WHOLE_WAY)
def test_kill_9_while_it_is_made(place: Workplace, live: Live, operation: str, moment: Moment) -> None:
    with Gate(live.url) as gate:
        place.env["RECONCILER_URL"] = gate.url
        killed(place, gate, operation, moment)
        done = live.writes()
        assert done == WHOLE_WAY[: WHOLE_WAY.index(operation) + (moment == "after")]
        place.apply()
        assert live.writes() == WHOLE_WAY, "each call once, over both runs"
        finished(place, live, "Line 3")


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("operation", EDIT)
def test_kill_9_while_it_is_edited(place: Workplace, live: Live, operation: str, moment: Moment) -> None:
    with Gate(live.url) as gate:
        place.env["RECONCILER_URL"] = gate.url
        place.apply()
        live.forget()
        place.edit("Line 3", "Line three")
        killed(place, gate, operation, moment)
        place.apply()
        assert live.writes() == EDIT, "each call once, over both runs"
        finished(place, live, "Line three")
        assert place.empty()


def test_kill_9_again_and_again(place: Workplace, live: Live) -> None:
    with Gate(live.url) as gate:
        place.env["RECONCILER_URL"] = gate.url
        for operation in WHOLE_WAY:
            killed(place, gate, operation, "after")
        place.apply()
        assert live.writes() == WHOLE_WAY
        finished(place, live, "Line 3")
        assert place.empty()


def test_kill_9_among_many(place: Workplace, live: Live) -> None:
    names = [f"line-{n}" for n in range(3, 9)]
    several = [CAMPAIGN.replace("line-3", name) for name in names]
    (place.folder / "resources.yaml").write_text("---\n".join([RESOURCES.removesuffix(CAMPAIGN), *several]))
    with Gate(live.url) as gate:
        place.env["RECONCILER_URL"] = gate.url
        lost, unheard = gate.hold("create-campaign", "before"), gate.hold("create-campaign", "after")
        with place.started(*APPLY) as process:
            lost.wait(process)
            unheard.wait(process)
            deadline = time.monotonic() + SECONDS
            while live.writes().count("start-campaign") < 4:
                assert time.monotonic() < deadline
                time.sleep(0.01)
            process.kill()
        lost.drop()
        unheard.drop()
        assert len(live.campaigns()) == 5
        place.apply()
        assert sorted(each["name"] for each in live.campaigns()) == names
        assert {each["status"] for each in live.campaigns()} == {"STARTED"}
        assert len(live.packages()) == 1
        assert place.empty()


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_finishes_what_is_in_flight(place: Workplace, live: Live, kind: signal.Signals) -> None:
    with Gate(live.url) as gate:
        place.env["RECONCILER_URL"] = gate.url
        hold = gate.hold("create-campaign", "after")
        with place.started(*APPLY) as process:
            hold.wait(process)
            process.popen.send_signal(kind)
            process.until("stopping: what is in flight is finished")
            hold.release()
            ran = process.end()
        assert ran.code == 1
        assert "2 done, 2 skipped" in ran.out
        assert "Exit code 1: " in ran.out
        assert live.writes() == WHOLE_WAY[:2]
        (campaign,) = live.campaigns()
        assert campaign["id"] in place.state.read_text(), "what was made is known"
        assert not place.state.with_name("state.json.lock").exists()
        assert not place.state.with_name("state.json.journal").exists()
        place.apply()
        assert live.writes() == WHOLE_WAY
        finished(place, live, "Line 3")
        assert place.empty()


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_ends_at_once(place: Workplace, live: Live, kind: signal.Signals) -> None:
    with Gate(live.url) as gate:
        place.env["RECONCILER_URL"] = gate.url
        hold = gate.hold("create-campaign", "after")
        with place.started(*APPLY) as process:
            hold.wait(process)
            process.popen.send_signal(kind)
            process.until("stopping: ")
            process.popen.send_signal(kind)
            ran = process.end()
        said_so(ran)
        hold.drop()
        place.apply()
        assert live.writes() == WHOLE_WAY, "nothing was doubled"
        finished(place, live, "Line 3")


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_it_still_plans(place: Workplace, live: Live, kind: signal.Signals) -> None:
    with Gate(live.url) as gate:
        place.env["RECONCILER_URL"] = gate.url
        hold = gate.hold("list-campaigns", "before")
        with place.started(*APPLY) as process:
            hold.wait(process)
            process.popen.send_signal(kind)
            ran = process.end()
        said_so(ran)
        assert live.writes() == []
        hold.drop()
        place.apply()
        finished(place, live, "Line 3")


def said_so(ran: Ran) -> None:
    """Ended, and no more than that."""
    assert ran.code == 1
    assert "error: interrupted\n  hint: Nothing is lost" in ran.err


def test_two_at_once_make_nothing_twice(place: Workplace, live: Live) -> None:
    with place.started(*APPLY) as one, place.started(*APPLY, "--lock-timeout", "30") as other:
        first, second = one.end(), other.end()
    assert second.code == 0
    assert first.code == 0 or "is locked by" in first.said
    assert live.writes() == WHOLE_WAY
    finished(place, live, "Line 3")
