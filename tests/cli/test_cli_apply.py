"""plan, apply and status on the embedded server, from the command line to the database and back."""

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest
from cli_runs import RESOURCES, edit, environment

from reconciler.embedded import Running
from reconciler.model import Server
from reconciler.providers.pulse.entry import STATUSES
from reconciler.state.stores import open_store


def test_the_main_job(run, folder):
    planned = run("plan", "resources", "--detailed-exitcode")
    assert (planned.code, planned.err) == (2, "")
    assert planned.out.startswith("Server: embedded:\n\n3 gateways of 1 campaign: 3 join, 3 start")
    assert 'Campaign/line-3 "line-3": created, starts' in planned.out
    assert "  + gateways    " in planned.out
    assert "  3 (gw-1, gw-2, gw-3)\n" in planned.out
    assert planned.out.endswith("Plan: 1 to create, 1 package to upload; 4 calls.\n")
    assert not (folder / ".reconciler" / "state.json").exists(), "plan writes no state"

    applied = run("apply", "resources", "--auto-approve")
    assert applied.code == 0, applied.err
    assert applied.out.startswith(planned.out)
    assert applied.out.endswith("Applied to the embedded server: 4 done.\n")
    assert applied.err.splitlines()[-1] == "100 %: 4 of 4 calls"

    again = run("plan", "resources", "--detailed-exitcode")
    assert (again.code, again.out) == (0, "Server: embedded:\n\nNo changes.\n")
    nothing = run("apply", "resources", "--auto-approve")
    assert (nothing.code, nothing.out, nothing.err) == (0, "Server: embedded:\n\nNo changes.\n", "")

    status = run("status", "resources")
    assert status.code == 0
    assert status.out.splitlines()[-1].split()[:2] == ["Campaign/line-3", "line-3"]
    assert status.out.splitlines()[-1].endswith("in sync")


def test_apply_in_json_and_markdown(run, folder):
    planned = json.loads(run("plan", "resources", "--output", "json").out)
    applied = run("apply", "resources", "--auto-approve", "--output", "json")
    made = json.loads(applied.out)
    assert applied.code == made["summary"]["exitCode"] == 0
    assert made["steps"] == planned["steps"]
    assert {outcome["status"] for outcome in made["outcomes"]} == {"done"}
    nothing = json.loads(run("apply", "resources", "--auto-approve", "--output", "json").out)
    assert (nothing["steps"], nothing["outcomes"]) == ([], [])
    edit(folder, "description: Line 3", "description: Line three")
    markdown = run("plan", "resources", "--output", "markdown").out
    assert markdown.startswith("## ✅ May be applied\n\nServer `embedded:`\n")
    said = run("apply", "resources", "--auto-approve", "--output", "markdown").out
    assert said.startswith("## Apply: `embedded:`\n\nExit code 0")


def test_a_dry_run_is_the_plan(run, folder):
    planned = run("plan", "resources")
    dry = run("apply", "resources", "--dry-run", "--auto-approve")
    assert (dry.code, dry.out) == (planned.code, planned.out) == (0, planned.out)
    assert not (folder / ".reconciler" / "state.json").exists()


def test_without_a_terminal_nothing_is_written(process, folder):
    ran = process("apply", "resources")
    assert ran.code == 1
    assert ran.out.endswith("Plan: 1 to create, 1 package to upload; 4 calls.\n")
    assert ran.err == (
        "error: there is no terminal to ask on, so nothing was applied\n"
        "  hint: --auto-approve applies without asking; --dry-run only shows the plan.\n"
    )
    assert not (folder / ".reconciler" / "state.json").exists()


def test_with_nothing_to_ask_no_terminal_is_needed(run, process):
    assert run("apply", "resources", "--auto-approve").code == 0
    ran = process("apply", "resources")
    assert (ran.code, ran.out) == (0, "Server: embedded:\n\nNo changes.\n")
    as_json = process("apply", "resources", "--output", "json")
    assert as_json.code == json.loads(as_json.out)["summary"]["exitCode"] == 0


QUESTION = "Apply this to the embedded server? Type 'yes': "


def test_yes_applies(folder, on_a_terminal):
    with on_a_terminal(folder, "apply", "resources") as terminal:
        terminal.until(QUESTION)
        terminal.type("yes\n")
        code, out = terminal.end()
    assert code == 0
    assert out.endswith("Applied to the embedded server: 4 done.\n")
    assert "100 %: 4 of 4 calls" in terminal.said


@pytest.mark.parametrize("answer", ["no\n", "y\n", "\n", "\x04"])
def test_anything_else_does_not(folder, answer, on_a_terminal):
    with on_a_terminal(folder, "apply", "resources") as terminal:
        terminal.until(QUESTION)
        terminal.type(answer)
        code, out = terminal.end()
    assert code == 0
    assert out.endswith("Nothing was applied: the answer was not 'yes'.\n")
    assert not (folder / ".reconciler" / "state.json").exists()


def test_a_declined_json_apply_is_a_document_without_outcomes(folder, on_a_terminal):
    with on_a_terminal(folder, "apply", "resources", "--output", "json") as terminal:
        terminal.until(QUESTION)
        terminal.type("no\n")
        code, out = terminal.end()
    made = json.loads(out)
    assert (code, made["outcomes"], len(made["steps"])) == (0, [], 4)
    assert "Campaign/line-3" in terminal.said, "the plan to agree to is on the terminal"


def test_ctrl_c_at_the_question(folder, on_a_terminal):
    with on_a_terminal(folder, "apply", "resources") as terminal:
        terminal.until(QUESTION)
        terminal.process.send_signal(signal.SIGINT)
        code, _ = terminal.end()
    assert code == 1
    assert "error: interrupted" in terminal.said
    assert "Traceback" not in terminal.said
    assert not (folder / ".reconciler" / "state.json").exists()


def test_ctrl_c_a_moment_before_the_question_counts_too():
    from reconciler.cli.running import interruptible

    async def asking():
        task = asyncio.current_task()
        assert task is not None
        task.cancel()  # what asyncio makes of Ctrl-C
        with interruptible():
            pytest.fail("a question nobody can leave")

    with pytest.raises(KeyboardInterrupt):
        asyncio.run(asking())


def test_a_state_that_was_written_meanwhile_stops_apply(folder, run, on_a_terminal):
    assert run("apply", "resources", "--auto-approve").code == 0
    edit(folder, "description: Line 3", "description: Line three")
    with on_a_terminal(folder, "apply", "resources") as terminal:
        terminal.until("Type 'yes': ")
        assert run("apply", "resources", "--auto-approve").code == 0
        terminal.type("yes\n")
        code, _ = terminal.end()
    assert code == 1
    assert "Campaign/line-3: campaign " in terminal.said
    assert 'description "Line 3" → "Line three"' in terminal.said
    assert "error: what it touches changed since this was planned; nothing was applied" in terminal.said


def test_the_first_apply_of_two_wins(folder, run, on_a_terminal):
    with on_a_terminal(folder, "apply", "resources") as terminal:
        terminal.until(QUESTION)
        assert run("apply", "resources", "--auto-approve").code == 0
        terminal.type("yes\n")
        code, _ = terminal.end()
    assert code == 1
    assert run("plan", "resources").out.endswith("No changes.\n")


def test_a_held_lock_is_one_clear_message(folder, run):
    assert run("apply", "resources", "--auto-approve").code == 0
    edit(folder, "description: Line 3", "description: Line three")
    store = open_store("file:.reconciler/state.json", root=folder)
    with store.locked(store.load().server or Server("pulse", "embedded:"), "somebody"):
        ran = run("apply", "resources", "--auto-approve", "--output", "json")
    assert ran.code == 1
    assert ran.err.startswith("error: ")
    assert json.loads(ran.out)["findings"][0]["code"] == "run-failed"


def test_invalid_input_is_a_document_when_one_is_asked_for(folder, run):
    edit(folder, "packageSet: firmware", "packageSet: firmwear")
    text = run("plan", "resources")
    assert (text.code, text.out) == (1, "")
    assert "resources/line.yaml:19:15: error[dangling-reference]" in text.err
    assert text.err.endswith("error: 1 error in the input\n")
    as_json = run("plan", "resources", "--output", "json")
    assert json.loads(as_json.out)["findings"][0]["code"] == "dangling-reference"
    markdown = run("apply", "resources", "--output", "markdown")
    assert markdown.code == as_json.code == 1
    assert markdown.out.startswith("## ❌ Not applied: 1 error")


def test_what_this_project_does_not_own_is_6(folder, run):
    assert run("apply", "resources", "--auto-approve").code == 0
    (folder / ".reconciler" / "state.json").unlink()
    planned = run("plan", "resources")
    assert planned.code == 0
    assert "error[not-ours]" in planned.out
    assert planned.out.endswith(
        "An apply would end with 6: a live object of a declared name isn't ours; the rest goes on.\n"
    )
    assert run("status", "resources").out.count("not ours") == 1
    applied = run("apply", "resources", "--auto-approve")
    assert applied.code == 6
    assert applied.out.endswith(
        "Exit code 6: a live object of a declared name isn't ours; everything else is done.\n"
    )


def test_adopting_is_only_recorded(folder, run):
    assert run("apply", "resources", "--auto-approve").code == 0
    (folder / ".reconciler" / "state.json").unlink()
    adopted = run("apply", "resources", "--adopt")
    assert adopted.code == 0, "nothing is sent, so nobody is asked"
    assert "Campaign/line-3 is adopted" in adopted.out
    assert adopted.out.endswith("No changes.\n")
    assert run("plan", "resources").out == "Server: embedded:\n\nNo changes.\n"


def test_pruning_needs_the_whole_project(folder, run):
    project = (
        "apiVersion: reconciler/v1\nkind: Project\nmetadata: {name: p}\nspec:\n  server: {url: 'embedded:'}\n"
    )
    (folder / "reconciler.yaml").write_text(project + "  resources: [resources]\n")
    assert run("apply", "--auto-approve").code == 0
    (folder / "resources" / "line.yaml").write_text(RESOURCES.split("---\n")[0])
    partly = run("plan", "resources", "--prune")
    assert "warning[prune-needs-whole-project]" in partly.out
    assert "delete-campaign" not in partly.out
    whole = run("apply", "--prune", "--auto-approve")
    assert whole.code == 0
    assert "delete-campaign" in whole.out


@pytest.fixture
def server() -> Iterator[Running]:
    with Running(record=True, token="canary-token") as running:
        yield running


def test_over_tcp_with_a_rate_and_the_log(folder, run, server, monkeypatch):
    monkeypatch.setenv("RECONCILER_TOKEN", "canary-token")
    flags = ("--url", server.url, "--state", "file:other.json", "--verbose")
    ran = run("apply", "resources", "--auto-approve", "--max-rps", "200", "--parallelism", "2", *flags)
    assert ran.code == 0, ran.err
    assert f"Applied to {server.url}: 4 done." in ran.out
    assert (folder / "other.json").is_file()
    assert "canary" not in ran.out + ran.err + (folder / "other.json").read_text()


def test_a_wrong_token_and_a_dead_server_are_one_clear_message(folder, run, server, monkeypatch):
    monkeypatch.setenv("RECONCILER_TOKEN", "canary-wrong")
    wrong = run("plan", "resources", "--url", server.url)
    assert wrong.code == 1
    assert wrong.err.startswith("error: GET /")
    dead = run("plan", "resources", "--url", "http://127.0.0.1:9")
    assert dead.code == 1
    assert dead.err.startswith("error: GET /")
    assert "canary" not in wrong.err + dead.err


def test_a_failed_step_is_3(folder, run, monkeypatch):
    from reconciler.errors import Refused
    from reconciler.providers.pulse.writes import PulseWrites

    real = PulseWrites.run

    async def refuse(self, step, bindings):
        if step.operation.name == "start-campaign":
            raise Refused(
                "403 no permission", request="PUT /api/campaigns/x/start", meaning=STATUSES.refusals[403]
            )
        return await real(self, step, bindings)

    monkeypatch.setattr(PulseWrites, "run", refuse)
    ran = run("apply", "resources", "--auto-approve")
    assert ran.code == 3
    assert "failed: Campaign/line-3: start-campaign\n  403 no permission\n" in ran.out
    assert ran.out.endswith("Exit code 3: some steps failed; all others are done or listed above.\n")


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_finishes_what_is_in_flight_and_the_next_apply_does_the_rest(folder, run, kind):
    head = "apiVersion: reconciler/v1\nkind: Project\nmetadata: {name: p}\n"
    (folder / "reconciler.yaml").write_text(f"{head}spec: {{server: {{url: 'embedded:', batchSize: 1}}}}\n")
    edit(folder, "[gw-1, gw-2, gw-3]", str([f"gw-{number}" for number in range(30)]))
    command = [sys.executable, "-m", "reconciler", "apply", "--auto-approve", "--max-rps", "20"]
    with subprocess.Popen(
        command,
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    ) as applying:
        assert applying.stderr is not None
        line = next(line for line in applying.stderr if "calls" in line)
        assert " of 33 calls" in line
        applying.send_signal(kind)
        out, err = applying.communicate(timeout=60)
    assert applying.returncode == 1
    assert "stopping: what is in flight is finished" in err
    assert (
        "of 1 resource, because the run was interrupted\n  next: apply again: it goes on from here\n" in out
    )
    assert out.endswith(
        "Exit code 1: the run was interrupted; what was begun is finished, and all of it is recorded.\n"
    )
    assert "Traceback" not in out + err
    rest = run("apply", "--auto-approve")
    assert rest.code == 0
    assert "create-campaign" not in rest.out
    assert run("plan").out.endswith("No changes.\n")


def test_one_step_is_asked_about_as_one(folder, run, on_a_terminal):
    assert run("apply", "resources", "--auto-approve").code == 0
    edit(folder, "desiredStatus: STARTED", "desiredStatus: STOPPED")
    with on_a_terminal(folder, "apply", "resources") as terminal:
        terminal.until("Apply this to the embedded server? Type 'yes': ")
        terminal.type("yes\n")
        code, out = terminal.end()
    assert code == 0
    assert out.endswith("Applied to the embedded server: 1 done.\n")


def test_a_first_apply_looks_again_after_the_answer(folder, run, on_a_terminal):
    with on_a_terminal(folder, "apply", "resources") as terminal:
        terminal.until(QUESTION)
        assert run("apply", "resources", "--auto-approve", "--state", "file:other.json").code == 0
        terminal.type("yes\n")
        code, _ = terminal.end()
    assert code == 1
    assert "the name 'line-3' was free, and is that of campaign " in terminal.said
    assert "error: what it touches changed since this was planned; nothing was applied" in terminal.said


@pytest.mark.parametrize("output", ["text", "json"])
def test_a_state_that_cant_be_written_still_leaves_a_summary(folder, run, monkeypatch, output):
    import reconciler.apply
    from reconciler.apply import Applied
    from reconciler.errors import StateError
    from reconciler.model import Outcome, OutcomeStatus

    async def apply_plan(plan, provider, session, *, on_outcome, **_):
        on_outcome(done := Outcome(next(plan.steps()), OutcomeStatus.DONE))
        return Applied((done,), error=StateError("the disk is full", hint="make room"))

    monkeypatch.setattr(reconciler.apply, "apply_plan", apply_plan)
    ran = run("apply", "resources", "--auto-approve", "--output", output)
    assert ran.code == 1
    assert ran.err.endswith("error: the disk is full\n  hint: make room\n")
    if output == "text":
        assert "Applied to the embedded server: 1 done.\nExit code 1: " in ran.out
    else:
        summary = json.loads(ran.out)["summary"]
        assert (summary["exitCode"], summary["outcomes"]["done"]) == (1, 1)


def test_an_embedded_database_that_cant_be_used_is_said(folder, run):
    (folder / ".reconciler" / "embedded.db").mkdir(parents=True)
    ran = run("plan", "resources")
    assert ran.code == 1
    assert ran.err.startswith("error: ")
    assert "embedded.db" in ran.err
