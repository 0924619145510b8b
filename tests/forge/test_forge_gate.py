"""The gate: a plan job ends as the apply would, says so in its comment, and hears a policy."""

import contextlib
import io
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from reconciler.cli import main as reconciler
from reconciler.forge import jobs
from reconciler.forge.running import JobRun, run_policy, unpacked
from tests.forge.forge_server import TOKEN, Host

PROJECT = """\
apiVersion: reconciler/v1
kind: Project
metadata: {name: plant}
spec:
  resources: [fleet.yaml]
  server: {url: "embedded:"}
  guards:
    maxStarts: 0
"""
WAIVER = """\
    waivers:
      - {guard: maxStarts, campaign: CAMPAIGN, reason: the new hall opens, until: UNTIL}
"""
FLEET = """\
apiVersion: reconciler/v1
kind: Campaign
metadata: {name: line-3}
spec: {description: x, desiredStatus: STARTED}
"""
LATER, EARLIER = "2999-01-01T00:00Z", "2020-01-01T00:00:00+01:00"

Job = Callable[..., int]


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "checkout"
    folder.mkdir()
    (folder / "reconciler.yaml").write_text(PROJECT)
    (folder / "fleet.yaml").write_text(FLEET)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def job(checkout: Path, host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Job:
    """(job, **variables) → its exit code; the command runs in this process."""

    def in_here(command: str, form: str, flags: Sequence[str], environ: Mapping[str, str]) -> JobRun:
        arguments = unpacked(environ).get("ARGUMENTS", "").split()
        out, log = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(log):
            code = reconciler([command, "--output", form, *flags, *arguments])
        return JobRun(code, out.getvalue(), log.getvalue())

    monkeypatch.setattr(jobs, "run_command", in_here)
    event = tmp_path / "event.json"
    event.write_text(json.dumps({"pull_request": {"number": 7, "head": {"sha": "1" * 40}}}))
    environ = {
        "GITHUB_ACTIONS": "true",
        "GITHUB_TOKEN": TOKEN,
        "GITHUB_REPOSITORY": "acme/fleet",
        "GITHUB_API_URL": host.url,
        "GITHUB_EVENT_PATH": str(event),
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary"),
        "GITHUB_OUTPUT": str(tmp_path / "output"),
    }

    def run(name: str = "plan", **more: str) -> int:
        (tmp_path / "output").unlink(missing_ok=True)
        return jobs.main([name], {**environ, **more})

    return run


def told(tmp_path: Path) -> str:
    return (tmp_path / "output").read_text()


def waive(checkout: Path, campaign: str = "line-3", until: str = LATER) -> None:
    text = WAIVER.replace("CAMPAIGN", campaign).replace("UNTIL", until)
    (checkout / "reconciler.yaml").write_text(PROJECT + text)


def test_a_guard_fails_the_check_as_it_stops_the_apply(job, host, checkout, tmp_path) -> None:
    assert job() == 5
    assert told(tmp_path) == "exit-code=5\n"
    (said,) = host.said()
    assert "maxStarts" in said
    assert job("apply") == 5


def test_an_input_makes_it_a_warning(job, host, tmp_path, capsys) -> None:
    assert job(GATE="warn") == 0
    assert told(tmp_path) == "exit-code=5\n", "it is told all the same"
    assert "GATE=warn lets it pass" in capsys.readouterr().err
    assert "maxStarts" in host.said()[0]


def test_what_cant_be_planned_fails_also_where_refusals_pass(job, host, checkout) -> None:
    (checkout / "fleet.yaml").write_text(FLEET.replace("description", "descriptoin"))
    assert job(GATE="warn") == 1
    assert "unknown-field" in host.said()[0]


def test_a_waiver_in_git_opens_it(job, host, checkout, tmp_path) -> None:
    waive(checkout)
    assert job() == 0
    assert told(tmp_path) == "exit-code=0\n"
    assert "the new hall opens" in host.said()[0]
    assert "until 2999-01-01 00:00:00 UTC" in host.said()[0]


@pytest.mark.parametrize(("campaign", "until"), [("line-4", LATER), ("line-3", EARLIER)])
def test_one_for_another_campaign_and_one_that_is_over_dont(job, host, checkout, campaign, until) -> None:
    waive(checkout, campaign, until)
    assert job() == 5
    assert ("waiver-over" if until == EARLIER else "waiver-for-nobody") in host.said()[0]


def test_somebody_elses_campaign_fails_it_with_6(job, checkout, tmp_path) -> None:
    (checkout / "reconciler.yaml").write_text(PROJECT.replace("maxStarts: 0", "maxStarts: 9"))
    assert reconciler(["apply", "--auto-approve"]) == 0
    (checkout / ".reconciler" / "state.json").unlink()
    for left in (checkout / ".reconciler").glob("state.json*"):
        left.unlink()
    assert job() == 6
    assert job("apply") == 6
    assert job(GATE="warn") == 0


def test_the_plan_before_an_apply_fails_too_and_its_waiver_is_gits(job, host, checkout) -> None:
    waive(checkout)
    assert job(COMMENT="false", ARGUMENTS="--out plan.jsonl") == 0
    assert host.said() == []
    (checkout / "reconciler.yaml").write_text(PROJECT)
    assert job("apply", ARGUMENTS="--plan plan.jsonl") == 5, "the waiver is no longer in Git"
    waive(checkout, until=EARLIER)
    assert job("apply", ARGUMENTS="--plan plan.jsonl") == 5, "its time is over"
    waive(checkout)
    assert job("apply", ARGUMENTS="--plan plan.jsonl") == 0
    log = [json.loads(line) for line in (checkout / ".reconciler/state.json.audit").read_text().splitlines()]
    (waived,) = log[0]["waived"]
    assert (waived["guard"], waived["reason"]) == ("maxStarts", "the new hall opens")
    assert waived["until"] == "2999-01-01T00:00:00.000Z"


@pytest.mark.parametrize("off", ["false", "False", "0"])
@pytest.mark.parametrize("name", ["plan", "drift", "rollout"])
def test_no_comment_and_no_issue(job, host, name, off) -> None:
    job(name, COMMENT=off, GITHUB_TOKEN="")
    assert host.calls == []


def test_an_older_comment_is_replaced_whatever_went_wrong(job, host, checkout, monkeypatch) -> None:
    assert job(GATE="warn") == 0
    assert job(ARGUMENTS="--targett x") == 64
    (said,) = host.said()
    assert "There is no plan" in said
    assert "No such option" in said, "the reason stands there, too"
    (checkout / "reconciler.yaml").write_text("kind: [")
    assert job() == 1
    assert "yaml-syntax" in host.said()[0]
    for code, out in ((-9, "## Plan for half of it"), (3, "## What?"), (0, "")):
        monkeypatch.setattr(jobs, "run_command", lambda *_, c=code, o=out: JobRun(c, o, "it died"))
        assert job() == (code if code > 0 else 1)
        (said,) = host.said()
        assert "There is no plan" in said
        assert "it died" in said
    monkeypatch.setattr(jobs, "run_command", lambda *_: JobRun(0, "## Plan", ""))
    assert job() == 1, "how an apply would end isn't known: nothing is let pass"
    assert "There is no plan" in host.said()[0]


# --- the policy ------------------------------------------------------------------------------------

LOOK = f"{sys.executable} -c 'import json, sys; plan = json.load(sys.stdin); "


def test_a_policy_gets_the_plan_and_may_say_no(job, host, checkout, tmp_path) -> None:
    waive(checkout)
    look = """started = plan["summary"]["campaigns"]["started"]; sys.exit(f"no {started} on a Friday")'"""
    no = LOOK + look
    assert job(POLICY=no, GITHUB_TOKEN=TOKEN) == 1
    (said,) = host.said()
    assert "**The policy says no** (exit 1)" in said
    assert "no 1 on a Friday" in said
    assert job(POLICY=no, GATE="warn") == 0
    assert job(POLICY=LOOK + "'", PLAN_JSON=str(tmp_path / "plan.json")) == 0
    assert "The policy says yes" in host.said()[0]
    assert json.loads((tmp_path / "plan.json").read_text())["summary"]["applyExitCode"] == 0


def test_a_policy_does_not_open_what_a_guard_closed(job) -> None:
    assert job(POLICY=LOOK + "'") == 5


@pytest.mark.parametrize("policy", ["nowhere-to-be-found --x", "'open quote"])
def test_a_policy_that_cant_be_asked_says_no(job, host, checkout, policy) -> None:
    waive(checkout)
    assert job(POLICY=policy) == 1
    assert host.said()


def test_a_policy_gets_no_token(tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text("{}")
    names = (
        "RECONCILER_TOKEN",
        "RECONCILER_SECRETS",
        "GITHUB_TOKEN",
        "CI_JOB_TOKEN",
        "RECONCILER_GITLAB_TOKEN",
    )
    shown = f"{sys.executable} -c 'import os; print(sorted(os.environ))'"
    ran = run_policy(tmp_path / "plan.json", {**dict.fromkeys(names, "s3cret"), "KEPT": "x", "POLICY": shown})
    assert ran is not None
    assert "KEPT" in ran.out
    assert not [name for name in names if name in ran.out]


def test_markup_of_a_policy_is_text(job, host, checkout) -> None:
    waive(checkout)
    job(POLICY=LOOK + 'sys.exit("``` @everyone <b>")\'')
    assert "````text\n``` @everyone <b>\n````" in host.said()[0]


# --- the page --------------------------------------------------------------------------------------


def test_the_plan_is_left_as_a_page(job, checkout, tmp_path) -> None:
    page = tmp_path / "plan.html"
    page.write_text("of an older commit")
    assert job(PLAN_HTML=str(page)) == 5
    assert "Refused by a guard: <code>maxStarts</code>" in page.read_text()
    (checkout / "fleet.yaml").write_text(FLEET.replace("description", "descriptoin"))
    assert job(PLAN_HTML=str(page)) == 1
    assert "unknown-field" in page.read_text()


def test_without_the_extra_there_is_no_page_and_the_job_goes_on(
    job, checkout, tmp_path, monkeypatch, capsys
) -> None:
    waive(checkout)
    monkeypatch.setattr(jobs, "find_spec", lambda name: None)
    assert job(PLAN_HTML=str(tmp_path / "plan.html")) == 0
    assert "PLAN_HTML needs pip install 'reconciler[controller]'" in capsys.readouterr().err
    assert not (tmp_path / "plan.html").exists()
