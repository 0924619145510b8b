"""`state …`: what is kept, looked at and fixed by hand, without a call to any server."""

import json
from pathlib import Path
from typing import Any

import pytest

from reconciler.app.caller import Question
from reconciler.audit.chain import verify
from reconciler.errors import StateError
from reconciler.model import Kind, OnRemove, ResourceId, Server
from reconciler.report.state_answers import state_entry
from reconciler.report.terminal import plain
from reconciler.state.base import (
    BracketOpened,
    CampaignOwned,
    Event,
    FieldApplied,
    Intent,
    IntentNoted,
    LockInfo,
    MembersApplied,
    Origin,
    Owned,
    PackageUploaded,
    Predecessor,
    State,
    StatusSet,
    Uploaded,
)
from reconciler.state.entries import StateEntry
from reconciler.state.file import FileStore

URL = "https://pulse.example.com"
SERVER = Server("pulse", URL)
LINE_3, LINE_4 = ResourceId(Kind.CAMPAIGN, "line-3"), ResourceId(Kind.CAMPAIGN, "line-4")
FIRMWARE = ResourceId(Kind.PACKAGE_SET, "firmware")
DIGEST = "d1" * 32
EVENTS: tuple[Event, ...] = (
    CampaignOwned(Owned(LINE_3, "c-3", Origin.CREATED, OnRemove.ABANDON)),
    StatusSet(LINE_3, "STARTED"),
    FieldApplied(LINE_3, "settings", {"LEVEL": {"value": "debug"}, "KEY": {"digest": DIGEST}}),
    FieldApplied(LINE_3, "callbackSet.completed", {"notificationDestinationId": "n-1"}),
    MembersApplied(LINE_3, "schedules.download", "1/2", tuple(f"gw-{n:03}" for n in range(12))),
    MembersApplied(LINE_3, "schedules.download", "3/4", ("gw-900",)),
    CampaignOwned(Owned(LINE_4, "c-4", Origin.ADOPTED)),
    BracketOpened(LINE_4, "STARTED"),
    IntentNoted(Intent("Campaign/line-5", "Line 5")),
    IntentNoted(Intent("sha256:" + "ef" * 32, "new.bin")),
    PackageUploaded(Uploaded("ab" * 32, "p-1", "fw.bin", FIRMWARE)),
    PackageUploaded(Uploaded("cd" * 32, "p-2", "old.bin", FIRMWARE)),
)


@pytest.fixture
def store(folder: Path, monkeypatch: pytest.MonkeyPatch) -> FileStore:
    """A state of the project in the working folder; its server is nowhere."""
    monkeypatch.setenv("RECONCILER_URL", URL)
    store = FileStore(folder / ".reconciler" / "state.json")
    with store.locked(SERVER, "apply") as session:
        session.record(*EVENTS)
    return store


def kept(store: FileStore) -> State:
    return store.load()


def audited(store: FileStore) -> list[dict[str, Any]]:
    lines = list(store.audit_lines())
    assert verify(lines).broken is None
    return [json.loads(line) for line in lines]


# --- looking -----------------------------------------------------------------------------------------


def test_list(run, store):
    ran = run("state", "list")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.splitlines() == [
        "Server: https://pulse.example.com",
        "",
        "State  file:.reconciler/state.json (serial 1)",
        "",
        "RESOURCE         ID   STATUS                              LAST APPLIED",
        (
            "Campaign/line-3  c-3  STARTED                             callbackSet.completed, settings"
            ", schedules.download (13)"
        ),
        "Campaign/line-4  c-4  stopped for a change, then STARTED  -",
        "Campaign/line-5  -    interrupted                         -",
        "",
        "RESOURCE             ID   NAME     SHA-256",
        "PackageSet/firmware  p-1  fw.bin   abababababab…",
        "PackageSet/firmware  p-2  old.bin  cdcdcdcdcdcd…",
        "",
        "3 campaigns, 2 packages.",
    ]
    listed = json.loads(run("state", "list", "--output", "json").out)
    assert listed["server"] == {"provider": "pulse", "url": URL, "organization": None}
    lineage = kept(store).lineage
    assert listed["state"] == {"url": "file:.reconciler/state.json", "lineage": lineage, "serial": 1}
    three, four, five = listed["campaigns"]
    assert three == {
        "resource": "Campaign/line-3",
        "id": "c-3",
        "status": "STARTED",
        "returnTo": None,
        "applied": ["callbackSet.completed", "settings"],
        "members": {"schedules.download": 13},
        "interrupted": False,
    }
    assert (four["returnTo"], five["id"], five["interrupted"]) == ("STARTED", None, True)
    assert [each["id"] for each in listed["packages"]] == ["p-1", "p-2"]
    assert audited(store) == [], "a look leaves nothing in the log"


def test_list_of_nothing(run, folder):
    ran = run("state", "list")
    assert ran.out.endswith("State  file:.reconciler/state.json (serial 0)\n\n0 campaigns, 0 packages.\n")
    assert not (folder / ".reconciler").exists()


def test_show_a_campaign(run, store):
    ran = run("state", "show", "Campaign/line-3")
    assert (ran.code, ran.err) == (0, "")
    assert (
        ran.out
        == """\
Server: https://pulse.example.com

State      file:.reconciler/state.json
Resource   Campaign/line-3
Id         c-3
Origin     created
On remove  abandon
Status     STARTED

LAST APPLIED
callbackSet.completed.notificationDestinationId  "n-1"
settings.KEY                                     (secret)
settings.LEVEL                                   "debug"

FIELD               VALUE  GATEWAYS
schedules.download  1/2    12: gw-000, gw-001, gw-002, gw-003, gw-004 and 7 more
schedules.download  3/4    1: gw-900
"""
    )
    shown = json.loads(run("state", "show", "Campaign/line-3", "--output", "json").out)
    assert shown["campaign"]["applied"]["settings"] == {"KEY": {"secret": True}, "LEVEL": {"value": "debug"}}
    assert shown["campaign"]["members"]["schedules.download"][0] == {
        "value": "1/2",
        "gateways": 12,
        "first": ["gw-000", "gw-001", "gw-002", "gw-003", "gw-004"],
    }
    assert (shown["interrupted"], shown["packages"]) == (None, [])
    assert DIGEST not in ran.out + json.dumps(shown)


def test_show_packages_and_what_was_interrupted(run, store):
    out = run("state", "show", "PackageSet/firmware").out
    assert out.count("SHA-256") == 2
    assert "ab" * 32 in out
    assert (
        "Interrupted  a create of 'Line 5'; the next plan looks"
        in run("state", "show", "Campaign/line-5").out
    )
    shown = json.loads(run("state", "show", "Campaign/line-5", "--output", "json").out)
    assert (shown["interrupted"], shown["campaign"]) == ({"name": "Line 5"}, None)


@pytest.mark.parametrize(
    ("word", "code", "said", "hint"),
    [
        ("Campaign/line-33", 1, "keeps nothing of Campaign/line-33", "Did you mean Campaign/line-3?"),
        ("Campaign/zzzzzzzz", 1, "keeps nothing of Campaign/zzzzzzzz", "`reconciler state list` shows"),
        ("firmware", 64, "'firmware' is not KIND/NAME", "Did you mean PackageSet/firmware?"),
        ("Thing/x", 64, "'Thing/x' is not KIND/NAME", "`reconciler state list` shows"),
    ],
)
@pytest.mark.parametrize("command", [("show",), ("rm", "--yes"), ("mv", "--yes", "Campaign/new")])
def test_what_is_not_there(run, store, command, word, code, said, hint):
    name, *more = command
    ran = run("state", name, word, *more)
    assert (ran.code, ran.out) == (code, "")
    assert said in ran.err
    assert hint in ran.err
    assert audited(store) == []


@pytest.mark.parametrize(
    "words", [("list",), ("show", "Campaign/line-3"), ("rm", "Campaign/line-3", "--yes")]
)
def test_a_state_of_another_server_is_refused(run, store, words):
    ran = run("state", *words, "--url", "https://other.example.com")
    assert ran.code == 1
    assert "belongs to the pulse server https://pulse.example.com" in ran.err
    assert LINE_3 in kept(store).campaigns


def test_no_secret_is_needed_and_a_server_is(run, folder, monkeypatch):
    project = "apiVersion: reconciler/v1\nkind: Project\nmetadata: {name: p}\nspec: {server: %s}\n"
    (folder / "reconciler.yaml").write_text(project % "{url: 'https://h', auth: {tokenEnv: NOT_SET}}")
    monkeypatch.setenv("CI", "1")
    ran = run("state", "list")
    assert (ran.code, ran.err) == (0, "")
    (folder / "reconciler.yaml").write_text(project % "{timeoutSeconds: 3}")
    ran = run("state", "list", "--output", "json")
    assert ran.code == 1
    assert json.loads(ran.out)["findings"][0]["code"] == "missing-url"


# --- mending -----------------------------------------------------------------------------------------


def test_mv_gives_all_that_is_kept_to_another_resource(run, store):
    before = kept(store).campaigns[LINE_3]
    ran = run("state", "mv", "Campaign/line-3", "Campaign/hall-3", "--auto-approve")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.endswith(
        "done: Campaign/hall-3 has what Campaign/line-3 had (campaign c-3); the server was not called\n"
    )
    after = kept(store)
    assert LINE_3 not in after.campaigns
    moved = after.campaigns[ResourceId(Kind.CAMPAIGN, "hall-3")]
    assert (moved.id, moved.status, moved.on_remove) == (before.id, before.status, before.on_remove)
    assert (moved.applied, moved.members) == (before.applied, before.members)
    begin, end = audited(store)
    assert (begin["operation"], begin["server"]["url"]) == ("state mv", URL)
    assert begin["about"] == {"resource": "Campaign/line-3", "to": "Campaign/hall-3", "ids": ["c-3"]}
    assert (end["exit"], end["outcomes"]) == (0, {})


def test_mv_of_packages_and_of_what_was_interrupted(run, store):
    assert run("state", "mv", "PackageSet/firmware", "PackageSet/fw", "--yes").code == 0
    assert {each.resource.name for each in kept(store).packages.values()} == {"fw"}
    said = json.loads(run("state", "mv", "Campaign/line-5", "Campaign/l5", "--yes", "--output", "json").out)
    assert (said["operation"], said["outcome"], said["to"]) == ("state-mv", "done", "Campaign/l5")
    assert kept(store).intents["Campaign/l5"] == Intent("Campaign/l5", "Line 5")
    assert "Campaign/line-5" not in kept(store).intents


@pytest.mark.parametrize(
    ("old", "new", "code", "said"),
    [
        ("Campaign/line-3", "Campaign/line-4", 1, "keeps something of Campaign/line-4 already: campaign c-4"),
        (
            "Campaign/line-3",
            "Campaign/line-5",
            1,
            "something of Campaign/line-5 already: an interrupted create",
        ),
        ("Campaign/line-3", "PackageSet/x", 64, "Campaign/line-3 is a Campaign, and PackageSet/x is not"),
        ("Campaign/line-3", "x", 64, "'x' is not KIND/NAME"),
        ("Campaign/line-3", "Campaign/a b", 64, "no resource can be called 'a b'"),
    ],
)
def test_mv_to_what_can_t_be(run, store, old, new, code, said):
    ran = run("state", "mv", old, new, "--yes")
    assert ran.code == code
    assert said in ran.err
    assert "hint: " in ran.err
    assert LINE_3 in kept(store).campaigns
    assert audited(store) == []


def test_rm_forgets_and_says_what_that_means(run, store):
    ran = run("state", "rm", "Campaign/line-3", "--yes")
    assert ran.code == 0
    assert "Campaign/line-3 is forgotten; campaign c-3 stays on the server as it is" in ran.out
    assert "`apply --adopt` takes it again" in ran.out
    assert LINE_3 not in kept(store).campaigns
    assert audited(store)[0]["about"] == {"resource": "Campaign/line-3", "ids": ["c-3"]}
    ran = run("state", "rm", "PackageSet/firmware", "--yes")
    assert "what was uploaded stays on the server" in ran.out
    assert kept(store).packages == {}
    ran = run("state", "rm", "Campaign/line-5", "--yes")
    assert "should the create have happened" in ran.out
    assert [key for key in kept(store).intents if key.startswith("Campaign/")] == []
    assert [line["operation"] for line in audited(store) if line["type"] == "begin"] == ["state rm"] * 3


@pytest.mark.parametrize(
    "words", [("mv", "Campaign/line-3", "Campaign/x"), ("rm", "Campaign/line-3")], ids=["mv", "rm"]
)
def test_who_can_t_be_asked_changes_nothing(run, store, words):
    ran = run("state", *words)
    assert (ran.code, ran.out) == (1, "")
    assert "there is no terminal to ask on, so nothing was done" in ran.err
    assert LINE_3 in kept(store).campaigns
    assert audited(store) == []


@pytest.mark.parametrize(
    "words",
    [("mv", "Campaign/line-3", "Campaign/x"), ("rm", "Campaign/line-3")],
    ids=["mv", "rm"],
)
@pytest.mark.parametrize("says", [True, False])
def test_a_person_is_asked(run, store, monkeypatch, words, says):
    asked: list[str] = []

    def confirmed(question: Question) -> bool:
        asked.append(question.text)
        return says

    monkeypatch.setattr("reconciler.cli.running.confirmed", confirmed)
    ran = run("state", *words)
    assert ran.code == 0
    assert "Campaign/line-3" in asked[0]
    assert "file:.reconciler/state.json" in asked[0]
    assert (LINE_3 in kept(store).campaigns) is not says
    assert ("declined: nothing was done" in ran.out) is not says


def test_who_is_locked_out_is_told_by_whom(run, store):
    with store.locked(SERVER, "apply"):
        ran = run("state", "rm", "Campaign/line-3", "--yes", "--lock-timeout", "0")
    assert ran.code == 1
    assert "is locked by " in ran.err
    assert "for 'apply'" in ran.err
    assert LINE_3 in kept(store).campaigns


def test_what_changed_while_a_person_was_asked_is_looked_at_again(run, store, monkeypatch):
    def confirmed(question: Question) -> bool:
        with store.locked(SERVER, "apply") as session:
            session.record(CampaignOwned(Owned(ResourceId(Kind.CAMPAIGN, "x"), "c-9", Origin.CREATED)))
        return True

    monkeypatch.setattr("reconciler.cli.running.confirmed", confirmed)
    ran = run("state", "mv", "Campaign/line-3", "Campaign/x")
    assert ran.code == 1
    assert "keeps something of Campaign/x already: campaign c-9" in ran.err
    assert audited(store)[-1]["exit"] == 1
    assert "already: campaign c-9" in audited(store)[-1]["error"]


# --- unlock ------------------------------------------------------------------------------------------

HELD = LockInfo("lock-1", "ada", "laptop", 4711, "apply", 1_800_000_000.0, expires=1_800_000_060.0)


@pytest.fixture
def lease(store: FileStore, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The store as one whose locks are leases: `HELD`, until somebody takes it away. Gives what was taken."""
    taken: list[str] = []

    def unlock(self: FileStore, lock_id: str) -> None:
        if lock_id != HELD.id:
            raise StateError(f"the lock has another id: {HELD.id}", hint="Name that one.")
        taken.append(lock_id)

    monkeypatch.setattr(FileStore, "holder", lambda self: None if taken else HELD)
    monkeypatch.setattr(FileStore, "unlock", unlock)
    return taken


def test_unlock_says_who_holds_the_lock(run, lease):
    out = run("state", "unlock").out
    assert "Lock    lock-1\n" in out
    assert "Holder  ada on laptop (process 4711)\n" in out
    assert "For     apply\n" in out
    assert "Until   2027-01-15T08:01:00Z, unless its holder renews it\n" in out
    assert "`reconciler state unlock lock-1` takes the lock away" in out
    said = json.loads(run("state", "unlock", "--output", "json").out)["lock"]
    assert said == {
        "id": "lock-1", "holder": "ada", "host": "laptop", "pid": 4711, "operation": "apply",
        "since": 1_800_000_000_000, "expires": 1_800_000_060_000,
    }  # fmt: skip
    assert lease == []


@pytest.mark.parametrize("words", [("lock-1", "--yes"), ("lock-1", "--force"), ("--force",)])
def test_unlock_takes_the_lock_away_and_says_so_in_the_log(run, store, lease, words):
    ran = run("state", "unlock", *words)
    assert (ran.code, ran.err) == (0, "")
    assert (
        "done: the lock of file:.reconciler/state.json was taken from ada on laptop (process 4711)" in ran.out
    )
    assert lease == ["lock-1"]
    begin, end = audited(store)
    assert (begin["operation"], begin["about"]["lock"]["holder"], end["exit"]) == ("state unlock", "ada", 0)


def test_unlock_of_another_id_asks_nobody(run, store, lease):
    ran = run("state", "unlock", "lock-2")
    assert ran.code == 1
    assert "the lock has another id: lock-1" in ran.err
    assert audited(store) == []


def test_unlock_asks(run, store, lease):
    ran = run("state", "unlock", "lock-1")
    assert ran.code == 1
    assert "there is no terminal to ask on" in ran.err
    assert lease == []


def test_unlock_can_be_declined(run, store, lease, monkeypatch):
    monkeypatch.setattr("reconciler.cli.running.confirmed", lambda question: False)
    ran = run("state", "unlock", "lock-1")
    assert ran.code == 0
    assert "declined: nothing was done" in ran.out
    assert lease == []


def test_unlock_of_what_nobody_holds(run, store):
    assert "Nobody holds the lock of file:.reconciler/state.json." in run("state", "unlock").out
    assert json.loads(run("state", "unlock", "--output", "json").out)["lock"] is None
    ran = run("state", "unlock", "lock-1", "--yes")
    assert ran.code == 0
    assert "not needed: nobody holds the lock" in ran.out
    assert audited(store) == []


def test_a_lock_of_a_file_goes_with_its_process_only(run, store):
    with store.locked(SERVER, "apply"):
        assert "For     apply\n" in run("state", "unlock").out
        ran = run("state", "unlock", "--force")
    assert ran.code == 1
    assert "its lock can't be broken" in ran.err


def test_keys_that_others_named_steer_no_terminal(store: FileStore, run) -> None:
    with store.locked(SERVER, "apply") as session:
        session.record(
            FieldApplied(
                LINE_3, "settings", {"A\x1b[2J\x9b": {"value": "x\x1b[31m"}, "k" * 10_000: {"value": "1"}}
            )
        )
    ran = run("state", "show", "Campaign/line-3")
    assert ran.code == 0
    assert "settings.A\\x1b[2J" in ran.out
    assert not {"\x1b", "\x9b"} & set(ran.out)
    assert len(ran.out) < 5_000


def test_what_a_campaign_replaces_is_told():
    former = (Predecessor("c-1", ended=True), Predecessor("c-2"))
    owned = Owned(LINE_3, "c-3", Origin.CREATED, return_to="STARTED", replacing=True, predecessors=former)
    state = State("lineage", "5a17", campaigns={LINE_3: owned})
    answer = state_entry(StateEntry(LINE_3, owned), state, "file:state.json")
    said = "\n".join(answer.lines(plain))
    for line in (
        "Status       once what it replaces has ended, then STARTED",
        "Replaces     c-1, which has ended",
        "Replaces     c-2, which may still be under way",
        "Interrupted  a successor was about to take its place",
    ):
        assert line in said
    told = answer.data["campaign"]
    assert told["replacing"] is True
    assert told["predecessors"] == [{"id": "c-1", "ended": True}, {"id": "c-2", "ended": False}]
