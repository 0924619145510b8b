"""`rehearse` on the command line: exit codes and forms."""

import json
from pathlib import Path

import pytest

from reconciler.errors import Exit
from tests.app.test_app_rehearsing import project
from tests.cli.cli_runs import Run

PROJECT = """\
apiVersion: reconciler/v1
kind: Project
metadata: {name: demo}
spec:
  resources: [line.yaml]
  server: {url: "https://campaigns.invalid"}
"""
POLICY_OF = """
apiVersion: reconciler/v1
kind: RolloutPolicy
metadata: {name: careful}
spec: {waves: WAVES}
"""
FROM = ("--from", "2027-03-01T09:00Z")


@pytest.fixture
def here(folder: Path) -> Path:
    """A project whose server nobody can reach."""
    project(folder, fleet=40)
    (folder / "reconciler.yaml").write_text(PROJECT)
    return folder


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("rates", "expect", "code"),
    [
        ("0", None, Exit.DONE),
        ("0.9", None, Exit.DONE),
        ("0,0.9", "aborted", Exit.ERROR),
        ("0.9", "aborted", Exit.DONE),
        ("0.9", "complete", Exit.ERROR),
        ("0", "complete", Exit.DONE),
    ],
)
def test_exit_codes(run: Run, rates: str, expect: str | None, code: Exit) -> None:
    expected = () if expect is None else ("--expect", expect)
    ran = run("rehearse", "line-3", "--failure-rate", rates, *FROM, *expected)
    assert (ran.code, ran.err) == (code, "")


@pytest.mark.usefixtures("here")
def test_json(run: Run) -> None:
    ran = run("rehearse", "--failure-rate", "0,0.9", *FROM, "--output", "json", "--seed", "2")
    document = json.loads(ran.out)
    assert (document["holds"], document["seed"], document["begin"]) == (True, 2, 1_803_891_600_000)
    [campaign] = document["rehearsals"]
    assert (campaign["resource"], campaign["policy"]) == ("Campaign/line-3", "careful")
    assert [each["verdict"] for each in campaign["runs"]] == ["complete", "aborted"]
    waves = campaign["runs"][0]["waves"]
    assert [wave["name"] for wave in waves] == ["canary", "wave-2", "half", "rest"]
    assert waves[0]["opened"] == document["begin"]
    assert campaign["runs"][0]["mostInFlight"] == 20


@pytest.mark.usefixtures("here")
def test_text_and_markdown_name_waves_and_verdicts(run: Run) -> None:
    text = run("rehearse", "--failure-rate", "0,0.9", *FROM).out
    assert "Campaign/line-3: rollout careful of 40 gateways in 4 waves" in text
    assert "24 h of soak" in text
    assert "90 %: aborted: wave canary" in text
    assert "nobody is in it" in text
    assert "approvals" in text
    markdown = run("rehearse", "--failure-rate", "0,0.9", *FROM, "--output", "markdown").out
    assert markdown.startswith("### ✅ Rehearsal")
    assert "| 90 % | aborted |" in markdown


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--failure-rate", "often"), Exit.USAGE, "'often' isn't a number from 0 to 1"),
        (("--failure-rate", "0,2"), Exit.USAGE, "'2' isn't a number from 0 to 1"),
        (("--failure-rate", "nan"), Exit.USAGE, "'nan' isn't a number"),
        (("--from", "tomorrow"), Exit.USAGE, "tomorrow"),
        (("--gateways", "0"), Exit.USAGE, "--gateways"),
        (("line-4",), Exit.ERROR, "'line-4' has no rollout here"),
    ],
)
def test_what_is_wrong_is_said(run: Run, arguments: tuple[str, ...], code: Exit, said: str) -> None:
    ran = run("rehearse", *arguments)
    assert ran.code == code
    assert said in ran.err


def test_what_a_rehearsal_lets_one_expect(folder: Path, run: Run) -> None:
    """The bound stays; beside it stands what is expected, and that it is by the rehearsal."""
    waves = "[{name: canary, upTo: 5, soak: 1h}, {name: half, upTo: 50%}, {name: rest}]"
    policy = POLICY_OF.replace("WAVES", waves)
    project(folder, policy, fleet=40)
    text = (folder / "line.yaml").read_text()
    text = text.replace("  packageSet: firmware\n", "").replace("  settings: {key: {fromEnv: NOT_SET}}\n", "")
    (folder / "line.yaml").write_text(text)
    (folder / "reconciler.yaml").write_text(PROJECT.replace("https://campaigns.invalid", "embedded:"))
    text = run("rehearse", "--failure-rate", "0", "--output", "json").out
    (folder / "pace.json").write_text(text)
    [rehearsal] = json.loads(text)["rehearsals"]
    waves = rehearsal["runs"][0]["waves"]
    took = waves[1]["waited"][0]["milliseconds"]
    assert waves[1]["waited"][0]["for"] == "success"
    plain, paced = (
        json.loads(run("plan", "--output", "json", *more).out) for more in ((), ("--pace", "pace.json"))
    )
    before, after = plain["rollouts"][0]["waves"], paced["rollouts"][0]["waves"]
    assert {wave["opensExpected"] for wave in before} == {None}
    bound = after[1]["opensNotBefore"]
    assert after[1]["opensExpected"] - bound == took
    assert "by the rehearsal: about " in run("plan", "--pace", "pace.json").out
    assert "by the rehearsal: about " in run("plan", "--pace", "pace.json", "--output", "markdown").out
    assert "by the rehearsal" not in run("plan").out
    assert run("plan", "--pace", "pace.json", "--out", "saved.plan").code == Exit.DONE
    applied = run("apply", "--plan", "saved.plan")
    assert applied.code == Exit.DONE, applied.err
    assert "by the rehearsal: about " in run("rollout", "show", "line-3", "--pace", "pace.json").out
    assert "by the rehearsal: about " in run("status", "--pace", "pace.json").out
    assert "opensExpected" in run("status", "--pace", "pace.json", "--output", "json").out


def test_a_pace_that_is_no_rehearsal(folder: Path, run: Run) -> None:
    project(folder, fleet=40)
    (folder / "reconciler.yaml").write_text(PROJECT.replace("https://campaigns.invalid", "embedded:"))
    (folder / "pace.json").write_text("{}")
    for command in (("plan",), ("status",), ("rollout", "show", "line-3")):
        ran = run(*command, "--pace", "pace.json")
        assert ran.code == Exit.ERROR
        assert "pace.json: it is no rehearsal as JSON" in ran.err
