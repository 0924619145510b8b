"""`audit …`, and what each command that writes leaves in the log."""
# ruff: noqa: E501 - a table keeps its rows

import json
from pathlib import Path
from typing import Any

import pytest
from cli_servers import World

import reconciler
from reconciler.audit.chain import ChainLink, encode, link_of, verify
from reconciler.state.file import FileStore

SHA = "0123456789" * 4


def store_of(folder: Path) -> FileStore:
    return FileStore(folder / ".reconciler" / "state.json")


def entries(folder: Path) -> list[dict[str, Any]]:
    """The lines of the log, which has to hold."""
    lines = list(store_of(folder).audit_lines())
    assert verify(lines).broken is None
    return [json.loads(line) for line in lines]


def last_run(folder: Path) -> tuple[dict[str, Any], list[dict[str, Any]], dict[str, Any]]:
    """Begin, calls and end of the last run."""
    every = entries(folder)
    begin, *calls, end = [entry for entry in every if entry["run"] == every[-1]["run"]]
    assert (begin["type"], end["type"]) == ("begin", "end")
    assert {call["type"] for call in calls} <= {"call"}
    return begin, calls, end


def write_log(folder: Path, *data: dict[str, Any], tail: str | None = None, run: int = 1) -> list[str]:
    """Lines of a run behind those that are there."""
    path = store_of(folder).audit_log
    path.parent.mkdir(exist_ok=True)
    link = link_of(tail) if tail else ChainLink()
    lines = []
    for each in data:
        line, link = encode(each, link, run=run)
        lines.append(line)
    with path.open("a") as file:
        file.writelines(f"{line}\n" for line in lines)
    return lines


# --- what commands leave -----------------------------------------------------------------------------


def test_an_apply_leaves_who_what_and_how_it_ended(world: World) -> None:
    begin, calls, end = last_run(world.folder)
    assert begin["operation"] == "apply"
    assert begin["version"] == reconciler.__version__
    assert begin["who"].keys() == {"holder", "host"}
    assert begin["server"] == {"provider": "pulse", "url": world.proxy.url}
    assert (len(begin["plan"]), sum(begin["steps"].values())) == (64, 4)
    assert "project" not in begin
    assert [call["operation"] for call in calls] == [
        "upload-package",
        "create-campaign",
        "add-gateways",
        "start-campaign",
    ]
    upload, create, add, start = calls
    assert create["packages"] == [upload["id"]]
    assert create["id"] == add["id"] == start["id"] == world.id_of("line-3")
    assert add["gateways"] == ["gw-1", "gw-2", "gw-3"]
    assert {call["outcome"] for call in calls} == {"done"}
    assert (end["exit"], end["outcomes"]) == (0, {"done": 4})


def test_a_run_is_found_by_the_digest_that_its_plan_was_shown_with(world: World) -> None:
    resources = world.folder / "resources" / "line.yaml"
    resources.write_text(resources.read_text().replace("Line 3", "Line three"))
    planned = world.run("plan", "resources", "--out", "reviewed.plan")
    digest = planned.out.splitlines()[-1].removeprefix("Saved as reviewed.plan, digest ").removesuffix(".")
    assert world.run("apply", "--plan", "reviewed.plan").code == 0
    begin = last_run(world.folder)[0]
    assert begin["plan"].startswith(digest)
    assert len(begin["planFile"]) == 64
    assert world.run("audit", "show", digest).out.splitlines()[2] == "Run        2, apply"


def test_an_apply_with_nothing_to_do_leaves_nothing(world: World) -> None:
    before = entries(world.folder)
    for words in (("apply", "resources", "--auto-approve"), ("plan", "resources"), ("status", "resources")):
        assert world.run(*words).code == 0
    assert entries(world.folder) == before


def test_a_refused_or_declined_apply_leaves_nothing(world: World) -> None:
    before = entries(world.folder)
    (world.folder / "resources" / "line.yaml").write_text("kind: Campaign\n")
    assert world.run("apply", "resources", "--auto-approve").code == 1
    assert world.run("campaign", "stop", "line-3").code == 1, "nobody to ask"
    assert world.run("campaign", "stop", "nobody", "--auto-approve").code == 1
    assert entries(world.folder) == before


def test_an_adoption_is_told_though_it_takes_no_call(world: World) -> None:
    campaign_id = world.id_of("line-3")
    store_of(world.folder).path.unlink()
    store_of(world.folder).audit_log.unlink()
    assert world.run("apply", "resources", "--auto-approve", "--adopt").code == 0
    begin, calls, end = last_run(world.folder)
    assert {"resource": "Campaign/line-3", "id": campaign_id} in begin["takes"]
    assert [each["resource"] for each in begin["takes"]] == ["PackageSet/firmware", "Campaign/line-3"]
    assert (calls, end["outcomes"]) == ([], {})


def test_what_is_given_up_is_told_though_it_takes_no_call(world: World) -> None:
    campaign_id = world.id_of("line-3")
    world.api("PUT", f"/api/campaigns/{campaign_id}/stop", {"campaignId": campaign_id})
    world.api("DELETE", f"/api/campaigns/{campaign_id}")
    for package in world.api("GET", "/api/programs?page.size=10")["programs"]:
        world.api("DELETE", f"/api/programs/{package['id']}")
    (world.folder / "resources" / "line.yaml").write_text(
        "apiVersion: reconciler/v1\nkind: GatewayList\nmetadata: {name: hall}\nspec: {gateways: [gw-1]}\n"
    )
    ran = world.run(
        "apply", "resources", "--auto-approve", "--prune", "--waive", "allowEmpty", "--reason", "torn down"
    )
    assert ran.code == 0, ran
    begin, calls, _ = last_run(world.folder)
    assert {"resource": "Campaign/line-3"} in begin["forgets"]
    assert [set(each) for each in begin["forgets"]] == [{"resource"}, {"sha256"}]
    assert calls == []


def test_a_waived_guard_is_told_with_its_reason(world: World) -> None:
    path = world.folder / "resources" / "line.yaml"
    path.write_text(path.read_text().replace("desiredStatus: STARTED", "desiredStatus: STOPPED"))
    assert world.run("apply", "resources", "--auto-approve").code == 0
    (world.folder / "reconciler.yaml").write_text(
        "apiVersion: reconciler/v1\nkind: Project\nmetadata: {name: p}\nspec: {guards: {maxStarts: 0}}\n"
    )
    path.write_text(path.read_text().replace("desiredStatus: STOPPED", "desiredStatus: STARTED"))
    before = entries(world.folder)
    assert world.run("apply", "--auto-approve").code == 5
    assert entries(world.folder) == before, "a guard that refuses lets nothing begin"
    ran = world.run("apply", "--auto-approve", "--waive", "maxStarts", "--reason", "agreed with the shift")
    assert ran.code == 0, ran
    begin, [call], _ = last_run(world.folder)
    (waived,) = begin["waived"]
    assert (waived["guard"], waived["found"], waived["limit"]) == ("maxStarts", 1, 0)
    assert waived["reason"] == "agreed with the shift"
    assert call["operation"] == "start-campaign"


def test_project_environment_actor_and_commit(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    (world.folder / "reconciler.yaml").write_text(
        "apiVersion: reconciler/v1\nkind: Project\nmetadata: {name: plants}\n"
        "spec: {resources: [resources], environments: {prod: {}}}\n"
    )
    monkeypatch.setenv("GITHUB_ACTOR", "octocat")
    monkeypatch.setenv("GITHUB_SHA", SHA)
    monkeypatch.setenv("RECONCILER_STATE", "file:prod.json")
    assert world.run("apply", "-e", "prod", "--auto-approve", "--adopt").code == 0
    begin = json.loads((world.folder / "prod.json.audit").read_text().splitlines()[0])
    assert (begin["project"], begin["environment"]) == ("plants", "prod")
    assert begin["who"]["actor"] == "octocat"
    assert begin["commit"] == {"id": SHA, "dirty": None}
    shown = world.run("audit", "show", "-e", "prod").out
    assert "octocat  prod         012345678901  -      0" in shown


def test_a_failed_call_is_told_with_its_message_and_attempts(world: World) -> None:
    world.proxy.tell("stop-campaign", status=403, body={"message": "not today"})
    ran = world.run("campaign", "stop", "line-3", "--auto-approve")
    assert ran.code == 1
    begin, [call], end = last_run(world.folder)
    assert begin["operation"] == "campaign stop"
    assert (call["operation"], call["outcome"], call["attempts"]) == ("stop-campaign", "failed", 1)
    assert "403 not today" in call["message"]
    assert (end["exit"], end["outcomes"]) == (1, {"failed": 1})
    assert "403 not today" in end["error"]


@pytest.mark.parametrize(
    ("words", "operation", "about"),
    [
        (("campaign", "stop", "line-3", "--yes"), "stop-campaign", "Campaign/line-3"),
        (("campaign", "start", "line-3"), "start-campaign", "Campaign/line-3"),
        (("gateway", "close", "line-3", "gw-1", "--yes"), "close-gateway", "Campaign/line-3"),
        (("gateway", "notify", "line-3", "gw-1"), "notify-gateway", "Campaign/line-3"),
        (("package", "upload", "resources/firmware.bin", "--name", "by-hand"), "upload-package", None),
    ],
    ids=lambda value: " ".join(value[:2]) if isinstance(value, tuple) else "",
)
def test_each_write_by_hand_leaves_a_run(world: World, words: Any, operation: str, about: str | None) -> None:
    ran = world.run(*words)
    assert ran.code == 0, ran
    begin, [call], end = last_run(world.folder)
    assert begin["operation"] == " ".join(words[:2])
    assert begin["server"]["url"] == world.proxy.url
    assert call["operation"] == operation
    assert call.get("resource") == about
    assert call["name"] == ("line-3" if about else "by-hand")
    assert call.get("gateways", ["gw-1"]) == ["gw-1"]
    assert (end["exit"], sum(end["outcomes"].values())) == (0, 1)


def test_what_is_not_ours_is_told_by_its_name_alone(world: World) -> None:
    other = world.api("POST", "/api/campaigns", {"name": "another"})["uuid"]
    assert world.run("campaign", "start", other).code == 0
    call = last_run(world.folder)[1][0]
    assert (call["id"], call["name"]) == (other, "another")
    assert "resource" not in call


def test_approve_and_delete_leave_a_run(world: World) -> None:
    made = world.run("package", "upload", "resources/firmware.bin", "--name", "gone", "--output", "json")
    package_id = json.loads(made.out)["created"]
    assert world.run("package", "delete", "gone", "--auto-approve").code == 0
    begin, [call], _ = last_run(world.folder)
    assert (begin["operation"], call["operation"]) == ("package delete", "delete-package")
    assert (call["id"], call["name"], call["outcome"]) == (package_id, "gone", "done")
    world.run("campaign", "approve", "line-3")
    begin, [call], end = last_run(world.folder)
    assert (begin["operation"], call["operation"]) == ("campaign approve", "approve-campaign")
    assert end["outcomes"] == {call["outcome"]: 1}


def test_a_notification_whose_answer_was_lost_is_told_as_unknown(world: World) -> None:
    world.proxy.tell("notify-gateway", cut=True, after=True)
    ran = world.run("gateway", "notify", "line-3", "gw-1")
    assert ran.code == 1
    assert "whether it was done is unknown" in ran.err
    _, [call], end = last_run(world.folder)
    assert (call["outcome"], call["gateways"], end["exit"]) == ("unknown", ["gw-1"], 1)


def test_a_notification_that_is_refused_is_told_as_failed(world: World) -> None:
    world.proxy.tell("notify-gateway", status=404, body={"message": "no such gateway"})
    assert world.run("gateway", "notify", "line-3", "gw-9").code == 1
    _, [call], end = last_run(world.folder)
    assert (call["outcome"], end["exit"]) == ("failed", 1)
    assert "no such gateway" in call["message"]


def test_nothing_is_sent_while_somebody_else_holds_the_lock(world: World) -> None:
    from reconciler.model import Server

    store = store_of(world.folder)
    with store.locked(Server("pulse", world.proxy.url), "apply"):
        ran = world.run("campaign", "stop", "line-3", "--auto-approve", "--lock-timeout", "0")
    assert ran.code == 1
    assert "is locked by" in ran.err
    assert "for 'apply'" in ran.err
    assert "stop-campaign" not in world.operations()


@pytest.mark.parametrize(
    "words", [("apply", "resources", "--auto-approve"), ("campaign", "stop", "line-3", "--auto-approve")]
)
def test_nothing_is_sent_when_the_log_can_t_be_written(world: World, words: Any) -> None:
    resources = world.folder / "resources" / "line.yaml"
    resources.write_text(resources.read_text().replace("Line 3", "Line three"))
    log = store_of(world.folder).audit_log
    whole = log.read_text()
    for spoil in (
        lambda: log.write_text(whole.replace('"exit":0', '"exit":3')),
        lambda: (log.unlink(), log.mkdir()),
    ):
        spoil()
        ran = world.run(*words)
        assert ran.code == 1
        assert "the audit log" in ran.err
        assert "hint: " in ran.err
    assert world.writes() == []


# --- audit show --------------------------------------------------------------------------------------

BEGIN = {"type": "begin", "at": "2027-01-15T08:00:00.000Z", "operation": "apply", "version": "1", "plan": "ab" * 32,
         "steps": {"add-gateways": 1, "start-campaign": 3}, "who": {"holder": "ada", "host": "laptop"}, "server": {"provider": "pulse", "url": "https://h"}}  # fmt: skip
CALL = {"type": "call", "at": "2027-01-15T08:00:01.000Z", "operation": "start-campaign", "outcome": "done",
        "resource": "Campaign/line-3", "id": "c-1", "attempts": 1}  # fmt: skip
END = {"type": "end", "at": "2027-01-15T08:00:02.000Z", "exit": 3, "outcomes": {"done": 1, "failed": 1}}


def test_show_without_a_log(run: Any, folder: Path) -> None:
    ran = run("audit", "show")
    assert (ran.code, ran.out) == (
        0,
        "Server: embedded:\n\nThe audit log of file:.reconciler/state.json is empty.\n",
    )
    assert json.loads(run("audit", "show", "--output", "json").out)["runs"] == []
    assert not (folder / ".reconciler").exists(), "a look makes nothing"


def test_show_lists_runs(run: Any, folder: Path) -> None:
    actor = {**BEGIN["who"], "actor": "octocat"}
    waived = [{"guard": "maxDeletes", "found": 12, "limit": 10, "reason": "the hall is gone"}]
    failed = {**CALL, "outcome": "failed"}
    lines = write_log(
        folder, {**BEGIN, "who": actor, "waived": waived, "environment": "prod"}, CALL, failed, END
    )
    write_log(folder, {**BEGIN, "commit": {"id": SHA, "dirty": True}}, CALL, tail=lines[-1], run=2)
    ran = run("audit", "show")
    assert (ran.code, ran.err) == (0, "")
    assert [" ".join(line.split()) for line in ran.out.splitlines()[2:]] == [
        "RUN BEGIN WHAT WHO ENVIRONMENT COMMIT CALLS EXIT",
        "1 2027-01-15T08:00:00.000Z apply, waived maxDeletes octocat prod - 1 done, 1 failed 3",
        "2 2027-01-15T08:00:00.000Z apply ada on laptop - 012345678901 (dirty) 1 done no end",
        "2 runs.",
    ]
    last = run("audit", "show", "--last", "1").out
    assert last.endswith("1 run of 2.\n")
    assert "octocat" not in last
    shown = json.loads(run("audit", "show", "--output", "json").out)
    first, second = shown["runs"]
    assert (first["run"], first["exit"], first["outcomes"], first["waived"]) == (
        1,
        3,
        {"done": 1, "failed": 1},
        waived,
    )
    assert (second["exit"], second["ended"]) == (None, None)
    assert shown["log"]["lines"] == 6


def test_show_a_run(run: Any, folder: Path) -> None:
    gateways = [f"gw-{n}" for n in range(5)]
    calls = [
        {**CALL, "operation": "add-gateways", "gateways": gateways},
        {**CALL, "outcome": "failed", "attempts": 3, "message": "500 no", "left": ["gw-4"]},
        {"type": "call", "operation": "x", "outcome": "odd\u001b[31m"},
    ]
    begin = {
        **BEGIN,
        "project": "plants",
        "environment": "prod",
        "planFile": "cd" * 32,
        "server": {**BEGIN["server"], "organization": "blue"},
        "waived": [
            {"guard": "maxDeletes", "found": 12, "limit": 10, "reason": "gone", "resource": "Campaign/x"}
        ],
        "takes": [{"resource": "Campaign/y", "id": "c-9"}],
        "forgets": [{"sha256": "ef" * 32}],
        "about": {"resource": "Campaign/z", "ids": ["c-7"]},
    }
    write_log(folder, begin, *calls, {**END, "error": "out of luck"})
    ran = run("audit", "show", "1")
    assert ran.code == 0
    head, body = ran.out.split("\n\n", 2)[1:]
    assert [line.split(maxsplit=1) for line in head.splitlines()][:-1] == [
        ["Run", "1, apply Campaign/z"],
        ["Begin", "2027-01-15T08:00:00.000Z"],
        ["End", "2027-01-15T08:00:02.000Z"],
        ["Who", "ada on laptop"],
        ["Server", "https://h (organization blue)"],
        ["Project", "plants"],
        ["Environment", "prod"],
        ["Plan", f"{'ab' * 32}, 4 steps"],
        ["Plan", f"file    {'cd' * 32}"],
        ["Waived", "maxDeletes for Campaign/x, 12 where 10 may be: gone"],
        ["Takes", "Campaign/y c-9"],
        ["Forgets", "ef" * 32],
        ["Ids", '["c-7"]'],
        ["Resource", "Campaign/z"],
        ["Calls", "1 done, 1 failed, 1 odd\\x1b[31m"],
        ["Exit", "3"],
        ["Error", "out of luck"],
    ]
    assert body.splitlines() == [
        "2027-01-15T08:00:01.000Z  done        add-gateways  Campaign/line-3 c-1  5 gateways: gw-0, gw-1, gw-2 and 2 more",
        "2027-01-15T08:00:01.000Z  failed      start-campaign  Campaign/line-3 c-1  not for 1 gateway: gw-4  3 attempts  500 no",
        "-  odd\\x1b[31m  x",
    ]  # fmt: skip
    shown = json.loads(run("audit", "show", "1", "--output", "json").out)
    assert shown["run"]["error"] == "out of luck"
    assert [call["outcome"] for call in shown["calls"]] == ["done", "failed", "odd\u001b[31m"]
    assert shown["calls"][0]["gateways"] == gateways, "all of them"


def test_show_a_run_by_a_digest(run: Any, folder: Path) -> None:
    lines = write_log(folder, BEGIN, END)
    lines += write_log(folder, {**BEGIN, "plan": "cd" * 32}, CALL, tail=lines[-1], run=2)
    own = json.loads(lines[2])["hash"]
    for word in ("2", "cdcdcd", own[:8] if not own[:8].isdecimal() else own):
        assert "Run         2, apply\n" in run("audit", "show", word).out
        assert "End         none: it was killed, or goes on\n" in run("audit", "show", word).out
        assert "No outcome  add-gateways × 1, start-campaign × 2\n" in run("audit", "show", word).out
    write_log(folder, BEGIN, END, tail=lines[-1], run=3)
    ran = run("audit", "show", "ababab")
    assert (ran.code, ran.out) == (1, "")
    assert "ababab could mean 2 runs: 1, 3" in ran.err


@pytest.mark.parametrize(
    ("word", "code", "said"),
    [("7", 1, "there is no run 7"), ("ffffff", 1, "there is no run ffffff"), ("xyz", 64, "'xyz' isn't a run"), ("abc", 64, "isn't a run")],
)  # fmt: skip
def test_show_what_is_no_run(run: Any, folder: Path, word: str, code: int, said: str) -> None:
    write_log(folder, BEGIN, END)
    ran = run("audit", "show", word)
    assert (ran.code, ran.out) == (code, "")
    assert said in ran.err
    assert "hint: " in ran.err


def test_show_warns_of_a_log_that_breaks_and_shows_what_it_can(run: Any, folder: Path) -> None:
    write_log(folder, BEGIN, CALL, END)
    log = store_of(folder).audit_log
    log.write_text(log.read_text().replace("line-3", "line-4"))
    ran = run("audit", "show")
    assert ran.code == 0
    assert "error: the audit log breaks at line 2 (changed): " in ran.out
    assert "From there on it proves nothing." in ran.out
    assert "apply" in ran.out
    assert "breaks at line 2" in run("audit", "show", "1").out
    assert json.loads(run("audit", "show", "--output", "json").out)["log"]["broken"]["line"] == 2


def test_show_reads_what_somebody_else_may_have_written(run: Any, folder: Path) -> None:
    odd = {"type": "begin", "who": 3, "server": [], "waived": "x", "commit": None, "takes": [1], "about": [2]}
    write_log(folder, odd, {"type": "call", "gateways": 3}, {"type": "surprise"})
    for words in (("audit", "show"), ("audit", "show", "1"), ("audit", "show", "1", "--output", "json")):
        assert run(*words).code == 0, words


# --- audit verify ------------------------------------------------------------------------------------


def test_verify_a_log_that_holds(world: World) -> None:
    ran = world.run("audit", "verify")
    assert (ran.code, ran.err) == (0, "")
    own = entries(world.folder)[-1]["hash"]
    assert "ok: none of 6 lines was changed, added or moved, and none is missing between them.\n" in ran.out
    assert f"Last hash: {own}\n" in ran.out
    assert world.run("campaign", "stop", "line-3", "--yes").code == 0
    ran = world.run("audit", "verify", "--expect", own)
    assert ran.code == 0
    assert "ok: the hash that was noted is that of line 6; 3 lines since.\n" in ran.out
    said = json.loads(world.run("audit", "verify", "--expect", own, "--output", "json").out)
    assert said["expected"] == {"hash": own, "line": 6}
    assert said["log"] == {
        "state": "file:.reconciler/state.json",
        "lines": 9,
        "hash": entries(world.folder)[-1]["hash"],
        "torn": [],
        "broken": None,
    }


def test_verify_finds_what_was_cut_off_by_the_hash_that_was_noted(run: Any, folder: Path) -> None:
    lines = write_log(folder, BEGIN, CALL, END)
    store_of(folder).audit_log.write_text(f"{lines[0]}\n")
    assert run("audit", "verify").code == 0
    for form in ("text", "json"):
        ran = run("audit", "verify", "--expect", json.loads(lines[2])["hash"], "--output", form)
        assert ran.code == 1, form
    assert '"line": null' in ran.out
    assert "error: no line has the hash that was noted" in run("audit", "verify", "--expect", "ab" * 32).out


def test_verify_names_the_place_of_a_break(run: Any, folder: Path) -> None:
    lines = write_log(folder, BEGIN, CALL, END)
    store_of(folder).audit_log.write_text(f"{lines[0]}\n{lines[2]}\n")
    ran = run("audit", "verify")
    assert (ran.code, ran.err) == (1, "")
    assert "error: the audit log breaks at line 2 (lost): line 2 should stand before line 3" in ran.out
    ran = run("audit", "verify", "--output", "json")
    assert ran.code == 1
    assert json.loads(ran.out)["log"]["broken"]["fault"] == "lost"


def test_verify_says_what_a_crash_cut_short(run: Any, folder: Path) -> None:
    write_log(folder, BEGIN)
    log = store_of(folder).audit_log
    with log.open("a") as file:
        file.write('{"at":')
    ran = run("audit", "verify")
    assert ran.code == 1
    assert "breaks at line 2 (changed): it isn't what was written: it was changed, or cut short" in ran.out
    from reconciler.model import Server

    with store_of(folder).locked(Server("pulse", "embedded:"), "apply") as session:
        line, _ = encode(BEGIN, link_of(session.audit_tail), run=2)
        session.audit(line)
    ran = run("audit", "verify")
    assert ran.code == 0
    assert "Line 2 was cut short by a crash, and the line after it says so.\n" in ran.out


def test_verify_an_empty_log(run: Any, folder: Path) -> None:
    ran = run("audit", "verify")
    assert (ran.code, ran.out.splitlines()[2:]) == (
        0,
        ["The audit log of file:.reconciler/state.json is empty."],
    )
    assert run("audit", "verify", "--expect", "ab" * 32).code == 1


@pytest.mark.parametrize("expected", ["", "abc", "AB" * 32, "zz" * 32])
def test_verify_expects_a_hash(run: Any, folder: Path, expected: str) -> None:
    ran = run("audit", "verify", "--expect", expected)
    assert (ran.code, ran.out) == (64, "")
    assert "error: --expect isn't a hash" in ran.err
    assert [path.name for path in folder.iterdir()] == ["resources"]
