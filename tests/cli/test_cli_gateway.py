"""`gateway …` and `package …` over TCP."""

import hashlib
import json
from dataclasses import replace

import pytest

from reconciler.model import UploadMode
from reconciler.providers.pulse.facts import facts_of
from reconciler.settings import ServerSettings


@pytest.fixture
def line_3(world) -> str:
    campaign_id = world.id_of("line-3")
    world.server.forget_calls()
    return campaign_id


def package_of(world, campaign_id: str) -> str:
    return world.api("GET", f"/api/campaigns/{campaign_id}")["packages"]["packages"][0]


def last(ran) -> str:
    return ran.out.splitlines()[-1]


def test_what_a_gateway_is_at(world, line_3):
    package = package_of(world, line_3)
    world.put(
        line_3, "gw-1", state="SCHEDULED_DOWNLOAD", downloaded={package: 4}, executed=["unpacked", "run"]
    )
    assert world.run("gateway", "state", "line-3", "gw-1").out.endswith(
        "Gateway  gw-1\nState    SCHEDULED_DOWNLOAD\n"
    )
    as_json = json.loads(world.run("gateway", "state", "line-3", "gw-1", "--output", "json").out)
    assert (as_json["campaign"], as_json["gateway"], as_json["state"]) == (
        line_3,
        "gw-1",
        "SCHEDULED_DOWNLOAD",
    )

    progress = world.run("gateway", "progress", "line-3", "gw-1").out
    assert progress.endswith("EXECUTION\n  unpacked\n  run\n")
    assert f"{package}  4           8   50 %" in progress
    shown = json.loads(world.run("gateway", "progress", "line-3", "gw-1", "--output", "json").out)
    assert shown["downloads"] == [{"package": package, "done": 4, "total": 8}]
    assert shown["execution"] == ["unpacked", "run"]

    packages = world.run("gateway", "packages", "line-3", "gw-1").out
    assert packages.endswith(f"PACKAGE\n{package}\n1 package.\n")
    assert {
        "get-gateway-state",
        "get-download-progress",
        "get-execution-progress",
        "get-gateway-packages",
    } <= set(world.operations())


def test_the_status_of_a_gateway_that_failed(world, line_3):
    world.put(line_3, "gw-2", state="FAILED", causedBy="checksum mismatch")
    text = world.run("gateway", "status", "line-3", "gw-2").out
    assert "State    FAILED\n" in text
    assert "Cause    checksum mismatch\n" in text
    assert text.endswith("No execution progress.\n")
    shown = json.loads(world.run("gateway", "status", "line-3", "gw-2", "--output", "json").out)
    assert (shown["state"], shown["cause"], shown["execution"]) == ("FAILED", "checksum mismatch", [])
    assert shown["changed"] > 1_700_000_000_000
    assert (
        json.loads(world.run("gateway", "status", "line-3", "gw-1", "--output", "json").out)["cause"] is None
    )


def test_what_a_server_leaves_out_or_garbles(world, line_3):
    world.proxy.tell("get-download-progress", body={})
    world.proxy.tell("get-gateway-packages", body={"packages": []})
    world.proxy.tell("get-active-campaigns", body={})
    assert "No download progress.\n" in world.run("gateway", "progress", "line-3", "gw-1").out
    assert world.run("gateway", "packages", "line-3", "gw-1").out.endswith("\n\n0 packages.\n")
    assert world.run("gateway", "active-campaigns", "gw-1").out.endswith("\n\n0 campaigns.\n")
    world.proxy.tell(
        "get-download-progress",
        body={"packagesProgress": [{"id": "p", "progress": "half", "total": 8}, {"id": "q", "progress": 1}]},
    )
    text = world.run("gateway", "progress", "line-3", "gw-1").out
    assert "p        ?           8   ?\nq        1           0   -\n" in text


def test_active_campaigns(world, line_3):
    text = world.run("gateway", "active-campaigns", "gw-1").out
    assert f"{line_3}  Campaign/line-3\n1 campaign.\n" in text
    shown = json.loads(world.run("gateway", "active-campaigns", "gw-1", "--output", "json").out)
    assert shown["campaigns"] == [{"id": line_3, "resource": "Campaign/line-3"}]


def test_a_gateway_that_is_not_there(world, line_3):
    ran = world.run("gateway", "state", "line-3", "gw-9")
    assert ran.code == 1
    assert f"GET /api/campaigns/{line_3}/devices/gw-9/state: 404" in ran.err


# --- writes --------------------------------------------------------------------------------------


def test_notify(world, line_3):
    ran = world.run("gateway", "notify", "line-3", "gw-1")
    assert last(ran) == "done: gateway gw-1 is told to ask for its tasks"
    assert world.writes() == ["notify-gateway"]
    assert world.api("GET", f"/_embedded/campaigns/{line_3}/devices/gw-1")["notified"] == 1


@pytest.mark.parametrize(
    ("told", "sent", "code", "said"),
    [
        ({"cut": True}, 1, 1, "whether it was done is unknown, and it is not sent again"),
        ({"cut": True, "after": True}, 1, 1, "`reconciler gateway status"),
        ({"status": 500, "body": b"oops"}, 1, 1, "500 oops; whether it was done is unknown"),
        ({"status": 403, "body": b"no"}, 1, 1, "The operation needs the permission EDIT_CAMPAIGN."),
        ({"status": 404, "body": b"gone"}, 1, 1, "404 gone"),
        ({"status": 429, "times": 1}, 2, 0, ""),
        ({"status": 429, "headers": {"Retry-After": "1000"}}, 1, 1, "the server answered 429"),
    ],
)
def test_notify_is_never_repeated_once_it_may_have_arrived(world, line_3, told, sent, code, said):
    world.proxy.tell("notify-gateway", **told)
    ran = world.run("gateway", "notify", "line-3", "gw-1")
    assert (ran.code, world.proxy.count("notify-gateway")) == (code, sent)
    assert said in ran.err


def test_what_nobody_foresaw_by_hand_is_unclear_and_on_record(world, line_3, monkeypatch):
    async def notify(self, campaign_id, gateway):
        raise OverflowError("date value out of range")

    monkeypatch.setattr("reconciler.providers.pulse.questions.PulseQuestions.notify", notify)
    ran = world.run("gateway", "notify", "line-3", "gw-1")
    assert ran.code == 1
    assert "notify-gateway: this is a bug in reconciler: OverflowError in notify" in ran.err
    assert "whether it was done is unknown, and it is not sent again" in ran.err
    shown = json.loads(world.run("audit", "show", "--output", "json").out)
    assert shown["runs"][-1]["outcomes"] == {"unknown": 1}


def test_close(world, line_3):
    ran = world.run("gateway", "close", "line-3", "gw-1", "--auto-approve")
    assert last(ran) == f"done: campaign 'line-3' ({line_3}) is closed for gateway gw-1"
    again = world.run("gateway", "close", "line-3", "gw-1", "--auto-approve", "--output", "json")
    assert json.loads(again.out)["outcome"] == "not-needed"
    assert world.run("gateway", "close", "line-3", "gw-9", "--auto-approve").code == 1


def test_close_after_an_unclear_answer_is_looked_up(world, line_3):
    world.proxy.tell("close-gateway", cut=True, after=True)
    ran = world.run("gateway", "close", "line-3", "gw-1", "--auto-approve")
    assert last(ran).startswith("done: ")
    assert (world.proxy.count("close-gateway"), world.proxy.count("list-gateways")) == (1, 1)


def test_what_stays_unclear_says_so(world, line_3):
    world.proxy.tell("close-gateway", cut=True)
    world.proxy.tell("list-gateways", status=403)
    ran = world.run("gateway", "close", "line-3", "gw-1", "--auto-approve")
    assert ran.code == 1
    assert "hint: It may have been done all the same: look before you repeat it." in ran.err


# --- packages ------------------------------------------------------------------------------------


def test_list_and_info(world, line_3):
    package = package_of(world, line_3)
    digest = hashlib.sha256(b"firmware").hexdigest()
    text = world.run("package", "list").out
    assert text.splitlines()[2].split() == ["NAME", "ID", "BY", "CREATED", "DESCRIPTION"]
    assert f"firmware.bin  {package}" in text
    assert text.endswith("1 package.\n")
    (listed,) = json.loads(world.run("package", "list", "--name", "firmware.bin", "--output", "json").out)[
        "packages"
    ]
    assert (listed["id"], listed["mark"]) == (package, digest[:16])
    assert world.run("package", "list", "--name", "none").out.endswith("\n\n0 packages.\n")
    for word in (package, "firmware.bin"):
        shown = json.loads(world.run("package", "info", word, "--output", "json").out)["package"]
        assert shown == listed
    assert (
        f"Content      sha256:{digest[:16]}… (as its mark says)" in world.run("package", "info", package).out
    )


def test_a_package_that_is_none_or_several(world, line_3):
    assert "there is no package 'none'" in world.run("package", "info", "none").err
    (world.folder / "other.bin").write_bytes(b"other")
    assert world.run("package", "upload", "other.bin", "--name", "firmware.bin").code == 0
    ran = world.run("package", "delete", "firmware.bin", "--auto-approve")
    assert "'firmware.bin' could mean 2 packages: " in ran.err
    assert "hint: Name the one by its id." in ran.err


def test_info_of_a_package_without_a_mark(world, line_3):
    world.proxy.tell("get-package", body={"id": "p1", "name": "plain", "createdOn": "yesterday"})
    text = world.run("package", "info", "p1").out
    assert "Content      not marked\nBy           -\nCreated      -\n" in text


@pytest.mark.parametrize(
    ("upload", "operation"), [("auto", "upload-package"), ("streaming", "stream-package")]
)
def test_upload_marks_the_content(world, line_3, upload, operation):
    (world.folder / "new.bin").write_bytes(b"new")
    ran = world.run(
        "package", "upload", "new.bin", "--upload", upload, "--description", "Fresh", "--output", "json"
    )
    made = json.loads(ran.out)
    assert (ran.code, made["operation"], made["outcome"]) == (0, operation, "done")
    found = world.api("GET", f"/api/programs/{made['package']}/file-info")
    digest = hashlib.sha256(b"new").hexdigest()
    assert (found["name"], found["description"]) == ("new.bin", f"Fresh [sha256:{digest[:16]}]")
    assert world.api("GET", f"/_embedded/programs/{made['package']}")["sha256"] == digest == made["sha256"]


def test_an_upload_whose_answer_was_lost_is_found_and_not_sent_twice(world, line_3):
    (world.folder / "new.bin").write_bytes(b"new")
    world.proxy.tell("upload-package", cut=True, after=True)
    assert last(world.run("package", "upload", "new.bin")).startswith("done: new.bin is package ")
    assert world.proxy.count("upload-package") == 1


@pytest.mark.parametrize(
    ("content", "arguments", "said"),
    [
        (None, [], "new.bin can't be read: No such file"),
        (b"", [], "new.bin is empty"),
        (b"x", ["--name", "a\nb"], "can't be the name of a package"),
        (b"x", ["--name", " "], "can't be the name of a package"),
        (b"x", ["--description", "d" * 103], "the description of new.bin has 103 characters"),
    ],
)
def test_what_can_not_be_uploaded(world, line_3, content, arguments, said):
    if content is not None:
        (world.folder / "new.bin").write_bytes(content)
    ran = world.run("package", "upload", "new.bin", *arguments)
    assert (ran.code, ran.out) == (1, "")
    assert said in ran.err
    assert world.writes() == []


def test_what_is_too_large_for_multipart(world, line_3, monkeypatch):
    limits = replace(facts_of(ServerSettings()).limits, upload={UploadMode.MULTIPART: 2})
    monkeypatch.setattr("reconciler.providers.pulse.facts._LIMITS", limits)
    (world.folder / "new.bin").write_bytes(b"new")
    ran = world.run("package", "upload", "new.bin", "--upload", "multipart")
    assert "new.bin has 3 bytes, but multipart takes" in ran.err


def test_delete(world, line_3):
    used = world.run("package", "delete", "firmware.bin", "--auto-approve")
    assert used.code == 1
    assert "DELETE /api/programs/" in used.err
    assert ": 409 " in used.err
    (world.folder / "new.bin").write_bytes(b"new")
    assert world.run("package", "upload", "new.bin").code == 0
    ran = world.run("package", "delete", "new.bin", "--auto-approve")
    assert last(ran).endswith(") is deleted")
    world.proxy.tell("get-package", body={"id": "p1", "name": "gone"}, times=1)
    gone = world.run("package", "delete", "p1", "--auto-approve")
    assert last(gone) == "not needed: package 'gone' (p1) is deleted already"
