"""`plan --out` and `apply --plan` in this process: what the runs over TCP leave out."""

import json

import pytest
from cli_runs import RESOURCES, edit

from reconciler.model import Server
from reconciler.state.stores import open_store


def saved(run, *arguments: str) -> str:
    """The digest of the plan that is saved."""
    ran = run("plan", "resources", "--out", "plan.jsonl", *arguments)
    assert ran.code == 0, ran.err
    return ran.out.rsplit("digest ", 1)[1].rstrip(".\n")


def test_what_cant_be_saved_or_read_is_one_clear_message(run, folder):
    nowhere = run("plan", "resources", "--out", "nowhere/plan.jsonl", "--output", "json")
    assert nowhere.code == 1
    why = "nowhere/plan.jsonl can't be written: No such file or directory"
    assert nowhere.err.startswith(f"error: {why}\n  hint: ")
    assert [each["message"] for each in json.loads(nowhere.out)["findings"]] == [why]
    missing = run("apply", "--plan", "nothing.jsonl")
    assert (missing.code, missing.err) == (
        1,
        "error: nothing.jsonl can't be read: No such file or directory\n  hint: Is the path right?\n",
    )
    no_plan = run("apply", "--plan", "resources/line.yaml", "--output", "json")
    assert no_plan.code == 4
    assert [each["code"] for each in json.loads(no_plan.out)["findings"]] == ["altered-plan"]
    folder_ = run("plan", "resources", "--out", "resources")
    assert "error: resources is not a file\n" in folder_.err


def test_a_plan_on_a_snapshot_is_not_saved(run, folder):
    ran = run("plan", "resources", "--out", "plan.jsonl", "--snapshot", "x")
    assert ran.code == 64
    assert "a plan on a snapshot can't be saved to be applied" in ran.err
    assert not (folder / "plan.jsonl").exists()


def test_a_plan_of_nothing_is_applied_as_often_as_one_likes(run, folder):
    assert run("apply", "resources", "--auto-approve").code == 0
    saved(run)
    for _ in range(2):
        ran = run("apply", "--plan", "plan.jsonl")
        assert (ran.code, ran.err) == (0, "")
        assert "\nNo changes.\nFrom plan.jsonl, digest " in ran.out


def test_a_plan_with_only_records_is_applied_once(run, folder):
    assert run("apply", "resources", "--auto-approve").code == 0
    (folder / ".reconciler" / "state.json").unlink()
    saved(run, "--adopt")
    assert run("apply", "--plan", "plan.jsonl").code == 0
    assert run("plan", "resources").out.endswith("No changes.\n")
    assert run("apply", "--plan", "plan.jsonl").code == 4


def test_the_same_plan_is_the_same_file(run, folder):
    path = folder / "plan.jsonl"
    first = (saved(run), path.read_bytes())
    assert (saved(run), path.read_bytes()) == first
    assert run("apply", "resources", "--auto-approve").code == 0
    edit(folder, "gw-3", "gw-4")
    again = (saved(run), path.read_bytes())
    assert again != first
    assert (saved(run), path.read_bytes()) == again


def test_what_comes_back_may_be_planned_and_applied_again(run, folder):
    """The same work on the same world is another file when there was an apply in between."""
    assert run("apply", "resources", "--auto-approve").code == 0
    digests = []
    for gateways in ("[gw-1, gw-2]", "[gw-1, gw-2, gw-3]") * 2:
        text = RESOURCES.replace("[gw-1, gw-2, gw-3]", gateways)
        (folder / "resources" / "line.yaml").write_text(text)
        digests.append(saved(run))
        applied = run("apply", "--plan", "plan.jsonl")
        assert applied.code == 0, applied.err
    assert digests[:2] == digests[2:]
    assert digests[0] != digests[1]


def test_the_digest_is_in_every_form(run, folder):
    short = saved(run)
    assert len(short) == 12
    as_json = json.loads(run("plan", "resources", "--out", "plan.jsonl", "--output", "json").out)
    assert as_json["digest"][:12] == short
    assert f"Digest: `{short}`" in run("plan", "resources", "--out", "p", "--output", "markdown").out
    assert "digest" not in json.loads(run("plan", "resources", "--output", "json").out)
    applied = run("apply", "--plan", "plan.jsonl", "--output", "markdown")
    assert applied.code == 0
    assert f"Digest: `{short}`" in applied.out


def test_the_audit_log_tells_which_plan_it_was(run, folder):
    short = saved(run)
    assert run("apply", "--plan", "plan.jsonl").code == 0
    store = open_store("file:.reconciler/state.json", root=folder)
    begun = [line for line in map(json.loads, store.audit_lines()) if line["type"] == "begin"]
    assert [line["plan"][:12] for line in begun] == [short]


def test_a_rehearsal_says_what_an_apply_would(run, folder):
    saved(run)
    ran = run("apply", "--plan", "plan.jsonl", "--dry-run")
    assert ran.code == 0
    assert "Plan: 1 to create, 1 package to upload; 4 calls.\nFrom plan.jsonl, digest " in ran.out
    assert not (folder / ".reconciler" / "state.json").exists()
    (folder / "resources" / "firmware.bin").write_bytes(b"else")
    ran = run("apply", "--plan", "plan.jsonl", "--dry-run", "--output", "json")
    assert ran.code == 4
    assert [each["code"] for each in json.loads(ran.out)["findings"]] == ["stale-plan"]


def test_a_state_that_is_not_the_one_it_was_made_on(run, folder):
    saved(run)
    assert run("apply", "resources", "--auto-approve", "--state", "file:other.json").code == 0
    ran = run("apply", "--plan", "plan.jsonl", "--state", "file:other.json")
    assert ran.code == 4
    assert "the plan was made before there was a state, and there is one now\n" in ran.err
    saved(run, "--state", "file:other.json")
    assert run("apply", "resources", "--adopt").code == 0
    edit(folder, "gw-3", "gw-4")
    saved(run, "--state", "file:other.json")
    ran = run("apply", "--plan", "plan.jsonl")
    assert ran.code == 4
    assert "error[foreign-plan]: the plan was made on the state " in ran.err
    assert "there is no state" not in ran.err


def test_a_secret_of_the_first_plan_is_known_to_the_first_state(run, folder, monkeypatch):
    """The digests of a plan that was made before there was a state hold in the state that it begins."""
    monkeypatch.setenv("LINE_KEY", "canary-1d20")
    edit(folder, "  description", "  settings: {KEY: {fromEnv: LINE_KEY}}\n  description")
    saved(run)
    assert "canary" not in (folder / "plan.jsonl").read_text()
    assert run("apply", "--plan", "plan.jsonl").code == 0
    assert run("plan", "resources").out.endswith("No changes.\n")
    monkeypatch.setenv("LINE_KEY", "canary-rotated")
    assert "settings.KEY" in run("plan", "resources").out


def test_adopted_secrets_of_the_first_plan_are_known_to_the_first_state(run, folder, monkeypatch):
    monkeypatch.setenv("LINE_KEY", "canary-1d20")
    edit(folder, "  description", "  settings: {KEY: {fromEnv: LINE_KEY}}\n  description")
    assert run("apply", "resources", "--auto-approve").code == 0
    (folder / ".reconciler" / "state.json").unlink()
    saved(run, "--adopt")
    assert run("apply", "--plan", "plan.jsonl").code == 0
    assert run("plan", "resources").out.endswith("No changes.\n")
    (folder / ".reconciler" / "state.json").unlink()
    assert run("apply", "resources", "--adopt").code == 0, "asked for nothing, so by plain apply, too"
    assert run("plan", "resources").out.endswith("No changes.\n")


def test_a_held_lock_is_no_stale_plan(run, folder):
    assert run("apply", "resources", "--auto-approve").code == 0
    edit(folder, "gw-3", "gw-4")
    saved(run)
    store = open_store("file:.reconciler/state.json", root=folder)
    with store.locked(store.load().server or Server("pulse", "embedded:"), "somebody"):
        ran = run("apply", "--plan", "plan.jsonl")
    assert ran.code == 1
    assert "is locked by" in ran.err


@pytest.mark.parametrize(
    ("beside", "said"),
    [
        (("resources.yaml",), "a PATH"),
        (("--prune",), "--prune"),
        (("--refresh", "full", "--target", "Campaign/line-3"), "--refresh and --target"),
    ],
)
def test_beside_a_plan_nothing_may_change_what_is_applied(run, folder, beside, said):
    ran = run("apply", "--plan", "plan.jsonl", *beside)
    assert ran.code == 64
    assert f"error: --plan stands without {said}: what is applied stands in the file\n" in ran.err


# --- after the prompt of a plain apply ----------------------------------------------------------


OTHER = RESOURCES.split("---\n")[2].replace("line-3", "other").replace("  packageSet: firmware\n", "")


def test_what_it_doesnt_touch_may_change_while_somebody_thinks(folder, run, on_a_terminal):
    text = RESOURCES + "---\n" + OTHER.replace("  gatewayLists: [hall]\n", "")
    (folder / "resources" / "line.yaml").write_text(text)
    assert run("apply", "resources", "--auto-approve").code == 0
    edit(folder, "description: Line 3\n  packageSet", "description: Line three\n  packageSet")
    with on_a_terminal(folder, "apply", "resources") as terminal:
        terminal.until("Type 'yes': ")
        edit(folder, "Line three", "Line 3")
        edit(folder, "{name: other}\nspec:\n  description: Line 3", "{name: other}\nspec:\n  description: x")
        assert run("apply", "resources", "--auto-approve").code == 0, "the state and the server move on"
        terminal.type("yes\n")
        code, out = terminal.end()
    assert code == 0, terminal.said
    assert out.endswith("Applied to the embedded server: 3 done.\n")


def test_what_is_in_flight_when_the_answer_comes_is_guarded(world, on_a_terminal):
    """Nothing else changed, and nobody was told of it in the preview."""
    folder = world.folder
    edit(folder, "description: Line 3", "description: Line three")
    world.server.forget_calls()
    with on_a_terminal(folder, "apply", "resources") as terminal:
        terminal.until("Type 'yes': ")
        world.put(world.id_of("line-3"), "gw-2", state="WAITING_FOR_DOWNLOAD")
        terminal.type("yes\n")
        code, out = terminal.end()
    assert code == 5, terminal.said
    assert "maxInFlightInterrupted: 1 gateway in the middle of an update would be interrupted" in out
    assert out.endswith("Exit code 5: a guard refused.\n")
    assert world.writes() == []


def test_another_state_while_somebody_thinks(folder, run, on_a_terminal):
    with on_a_terminal(folder, "apply", "resources") as terminal:
        terminal.until("Type 'yes': ")
        (folder / "elsewhere.yaml").write_text(OTHER.replace("  gatewayLists: [hall]\n", ""))
        assert run("apply", "elsewhere.yaml", "--auto-approve").code == 0
        terminal.type("yes\n")
        code, _ = terminal.end()
    assert code == 1
    assert (
        "error: the state was begun or replaced since this was planned; nothing was applied" in terminal.said
    )


def test_a_window_that_ends_while_somebody_thinks_is_not_sent(run, folder, monkeypatch):
    import reconciler.app.savedplans as module

    schedule = (
        "---\napiVersion: reconciler/v1\nkind: Schedule\nmetadata: {name: night}\n"
        "spec: {timezone: UTC, download: {begin: '2999-01-01T00:00:00', end: '2999-01-02T00:00:00'}}\n"
    )
    edit(folder, "  desiredStatus", "  schedules: [{schedule: night}]\n  desiredStatus")
    path = folder / "resources" / "line.yaml"
    path.write_text(path.read_text() + schedule)
    saved(run)

    class Late:
        @staticmethod
        def time() -> float:
            return 32_503_680_000.0

    monkeypatch.setattr(module, "time", Late)
    ran = run("apply", "--plan", "plan.jsonl")
    assert ran.code == 4
    assert "Campaign/line-3: the download window of 3 gateways ended 2999-01-02 00:00:00 UTC\n" in ran.err
