"""Each exit code by a real run, and what is and isn't on the server after it."""

import json
import os
import pty
import subprocess
from pathlib import Path

import pytest
from e2e_runs import (
    CAMPAIGN,
    RESOURCES,
    SECONDS,
    WHOLE_WAY,
    Answer,
    Gate,
    Live,
    Workplace,
    command,
    environment,
    unused_port,
)

SECOND = CAMPAIGN.replace("line-3", "line-4").replace("Line 3", "Line 4")


def answered(place: Workplace, answer: str) -> tuple[int, str]:
    """`apply` at a terminal where somebody types `answer`: its exit code and its stdout."""
    master, slave = pty.openpty()
    try:
        process = subprocess.Popen(
            command("apply", "resources.yaml"),
            cwd=place.folder,
            env=environment(**place.env),
            stdin=slave,
            stderr=slave,
            stdout=subprocess.PIPE,
            encoding="utf-8",
            start_new_session=True,
        )
        os.close(slave)
        with process:
            asked = ""
            while "Type 'yes': " not in asked:
                asked += os.read(master, 4096).decode()
            os.write(master, f"{answer}\n".encode())
            out, _ = process.communicate(timeout=SECONDS)
    finally:
        os.close(master)
    return process.returncode, out


def test_0_when_the_prompt_is_declined_and_when_it_is_not(place: Workplace, live: Live) -> None:
    code, out = answered(place, "no")
    assert (code, out.splitlines()[-1]) == (0, "Nothing was applied: the answer was not 'yes'.")
    assert live.writes() == []
    assert not place.state.exists()
    code, out = answered(place, "yes")
    assert (code, out.splitlines()[-1]) == (0, f"Applied to {live.url}: 4 done.")
    assert live.writes() == WHOLE_WAY


def test_0_when_all_that_remains_waits_for_a_person(place: Workplace, live: Live) -> None:
    live.call("PUT", "/_embedded/settings", {"approvalNeeded": True})
    ran = place.apply()
    assert live.writes() == WHOLE_WAY[:3], "nobody may start what is not approved"
    assert "waiting for a person" in ran.out
    (campaign,) = live.campaigns()
    live.call("PUT", f"/api/campaigns/{campaign['id']}/approve", {"campaignId": campaign["id"]})
    place.apply()
    assert place.empty()


def test_1_without_a_terminal(place: Workplace, live: Live) -> None:
    ran = place.run("apply", "resources.yaml")
    assert ran.code == 1
    assert ran.said.startswith("error: there is no terminal to ask on")
    assert "--auto-approve" in ran.said
    assert live.writes() == []
    assert not place.state.exists()


def test_1_for_invalid_input(place: Workplace, live: Live) -> None:
    place.edit("packageSet: firmware", "packageSet: firmwear")
    place.edit("desiredStatus: STARTED", "desiredStatus: RUNNING")
    for name in ("validate", "plan", "apply"):
        ran = place.run(name, "resources.yaml", *(["--auto-approve"] if name == "apply" else []))
        assert ran.code == 1
        said = ran.out + ran.err
        # Every finding at once, each with its place.
        assert "resources.yaml:19:15: " in said
        assert "resources.yaml:21:18: " in said
        assert "firmware" in said, "the nearest known name"
    assert live.operations() == []


def test_1_for_a_refused_connection(place: Workplace) -> None:
    url = f"http://127.0.0.1:{unused_port()}"
    ran = place.run("apply", "--auto-approve", "resources.yaml", RECONCILER_URL=url)
    assert ran.code == 1
    assert ran.said.startswith(f"error: GET /api/versions: {url} refused the connection\n")
    assert "hint: Is the server running" in ran.said


def test_1_for_a_wrong_token_and_for_none(place: Workplace, live: Live) -> None:
    place.canaries.append("token-wrong-canary")
    wrong = place.run("apply", "--auto-approve", "resources.yaml", RECONCILER_TOKEN="token-wrong-canary")
    none = place.run("apply", "--auto-approve", "resources.yaml", RECONCILER_TOKEN="")
    for ran in (wrong, none):
        assert ran.code == 1
        assert "401" in ran.said
        assert "RECONCILER_TOKEN" in ran.said, "where to fix it"
    assert live.writes() == []


def test_1_while_somebody_else_holds_the_lock(place: Workplace, live: Live) -> None:
    with Gate(live.url) as gate:
        place.env["RECONCILER_URL"] = gate.url
        hold = gate.hold("create-campaign", "before")
        with place.started("apply", "--auto-approve", "resources.yaml") as first:
            hold.wait(first)
            second = place.run("apply", "--auto-approve", "resources.yaml")
            assert second.code == 1
            assert f"(process {first.popen.pid}) for 'apply' since " in second.said
            assert "--lock-timeout" in second.said
            assert place.run("plan", "resources.yaml").code == 0, "a plan needs no lock"
            with place.started("apply", "--auto-approve", "--lock-timeout", "60", "resources.yaml") as third:
                hold.release()
                assert first.end().code == 0
                patient = third.end()
        assert (patient.code, patient.out) == (0, f"Server: {gate.url}\n\nNo changes.\n")
        assert live.writes() == WHOLE_WAY


def test_2_only_when_there_is_a_step_and_it_was_asked_for(place: Workplace) -> None:
    for output in ("text", "json"):
        detailed = place.run("plan", "--detailed-exitcode", "--output", output, "resources.yaml")
        assert detailed.code == 2
    assert place.run("plan", "resources.yaml").code == 0
    place.apply()
    assert place.run("plan", "--detailed-exitcode", "resources.yaml").code == 0


@pytest.mark.parametrize("output", ["text", "json"])
def test_3_when_the_server_refuses_one_of_several(place: Workplace, live: Live, output: str) -> None:
    (place.folder / "resources.yaml").write_text(f"{RESOURCES}---\n{SECOND}")
    with Gate(live.url) as gate:
        place.env["RECONCILER_URL"] = gate.url
        refusal = Answer(422, b'{"message": "not on a Sunday"}', {"Content-Type": "application/json"})
        gate.answer("create-campaign", refusal)
        ran = place.run("apply", "--auto-approve", "--output", output, "resources.yaml")
        assert ran.code == 3
        assert "not on a Sunday" in ran.out
        if output == "json":
            made = json.loads(ran.out)
            assert made["summary"]["exitCode"] == 3
            assert (
                sorted(outcome["status"] for outcome in made["outcomes"])
                == ["done"] * 4 + ["failed"] + ["skipped"] * 2
            )
        else:
            for said in ("4 done", "1 failed", "2 skipped", "Exit code 3: "):
                assert said in ran.out
        assert len(live.campaigns()) == 1, "the other one went on"
        place.apply()
        assert len(live.campaigns()) == 2
        assert len(live.packages()) == 1
        assert place.empty()


def test_3_when_a_package_goes_in_between(place: Workplace, live: Live) -> None:
    with Gate(live.url) as gate:
        place.env["RECONCILER_URL"] = gate.url

        def delete() -> None:
            (package,) = live.packages()
            live.call("DELETE", f"/api/programs/{package['id']}")

        gate.call("create-campaign", delete)
        ran = place.run("apply", "--auto-approve", "resources.yaml")
        assert ran.code == 3
        assert "1 done, 1 failed, 2 skipped" in ran.out
        place.apply()
        assert len(live.campaigns()) == len(live.packages()) == 1
        assert place.empty()


def test_6_when_the_name_belongs_to_somebody_else(place: Workplace, live: Live) -> None:
    (place.folder / "resources.yaml").write_text(f"{RESOURCES}---\n{SECOND}")
    foreign = live.call("POST", "/api/campaigns", {"name": "line-4", "description": "of another team"})
    live.forget()
    planned = place.run("plan", "resources.yaml")
    assert planned.code == 0, "in a plan it is a finding"
    assert "line-4" in planned.out
    ran = place.run("apply", "--auto-approve", "resources.yaml")
    assert ran.code == 6
    assert "Exit code 6: " in ran.out
    assert "--adopt" in ran.out
    assert live.writes() == WHOLE_WAY, "the rest went on"
    assert sorted(each["description"] for each in map(live_campaign(live), live.campaigns())) == [
        "Line 3",
        "of another team",
    ]
    assert place.run("apply", "--auto-approve", "resources.yaml").code == 6, "until somebody decides"
    place.apply("--adopt", "--waive", "mayLoseSettings", "--reason", "it has none")
    assert {"line-3", "line-4"} == {each["name"] for each in live.campaigns()}
    assert foreign["uuid"] in place.kept()
    assert place.empty()


def live_campaign(live: Live):
    return lambda line: live.call("GET", f"/api/campaigns/{line['id']}")


def test_64_for_a_wrong_command_line(nowhere: Workplace) -> None:
    for arguments, said in [
        (("plan", "--no-such-flag"), "No such option"),
        (("plan", "--output", "yaml"), "'yaml' is not one of"),
        (("aply",), "Did you mean 'apply'?"),
        (("apply", "--parallelism", "0"), "0 is not in the range"),
        (("schema", "Campain"), "there is no schema of 'Campain'"),
    ]:
        ran = nowhere.run(*arguments)
        assert ran.code == 64, ran
        assert said in ran.err
        assert ran.out == ""


def test_a_path_that_is_not_there(nowhere: Workplace, tmp_path: Path) -> None:
    ran = nowhere.run("validate", "no-such.yaml")
    assert ran.code == 1
    assert "no-such.yaml" in ran.out
