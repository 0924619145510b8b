"""What was reviewed is what is applied: plan files between real processes and a real server."""

import hashlib
import hmac
import json
import re
import stat
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from e2e_runs import RESOURCES, WHOLE_WAY, Answer, Gate, Live, Ran, Workplace

CANARY = "secret-canary-77b1"
SETTINGS = "  settings: {LEVEL: info, API_KEY: {fromEnv: API_KEY}, CERT: {fromFile: cert.txt}}\n"
OTHER = """\
---
apiVersion: reconciler/v1
kind: Campaign
metadata: {name: other}
spec: {description: Other}
"""


def plan(place: Workplace, *arguments: str) -> Ran:
    ran = place.run("plan", "resources.yaml", "--out", "plan.jsonl", *arguments)
    assert ran.code == 0, ran
    return ran


def apply(place: Workplace, *arguments: str, **env: str) -> Ran:
    return place.run("apply", "--plan", "plan.jsonl", *arguments, **env)


def campaign(live: Live, name: str) -> dict[str, Any]:
    """The live campaign of that name."""
    (found,) = [each["id"] for each in live.campaigns() if each["name"] == name]
    shown: dict[str, Any] = live.call("GET", f"/api/campaigns/{found}")
    return shown


def refused(place: Workplace, live: Live, *words: str, **env: str) -> None:
    """The plan is not applied: exit 4, no write, and `words` say why."""
    live.forget()
    ran = apply(place, **env)
    assert ran.code == 4, ran
    assert live.writes() == []
    assert ran.said == (
        "error: plan.jsonl can't be applied; nothing was written\n"
        "  hint: Make a new plan with `plan --out FILE`.\n"
    )
    for word in words:
        assert word in ran.err


def declare(place: Workplace, more: str = "") -> None:
    (place.folder / "resources.yaml").write_text(RESOURCES + more)


@pytest.fixture
def secretive(place: Workplace) -> Workplace:
    """A folder whose campaign has secrets, and another campaign."""
    place.env["API_KEY"] = CANARY
    place.canaries.append(CANARY)
    (place.folder / "cert.txt").write_text(CANARY)
    declare(place, SETTINGS + OTHER)
    return place


def test_who_has_the_plan_file_cannot_try_values(place: Workplace, live: Live) -> None:
    """Not with anything that stands in it; and all the same it tells that a value changed."""
    place.env["API_KEY"] = "4711"  # a secret that is soon guessed
    (place.folder / "cert.txt").write_text("1234")
    declare(place, SETTINGS)
    assert plan(place).code == 0
    text = (place.folder / "plan.jsonl").read_text()
    words = set(re.findall(r"[A-Za-z0-9_.:/-]+", text)) | {""}
    for value in ("4711", "1234"):
        for key in words:
            keyed = hmac.new(key.encode(), value.encode(), hashlib.sha256).hexdigest()
            assert keyed not in text
            assert hashlib.sha256(f"{key}{value}".encode()).hexdigest() not in text
            assert hashlib.sha256(f"{value}{key}".encode()).hexdigest() not in text
    place.env["API_KEY"] = "4712"
    refused(place, live, "the secret from environment variable API_KEY has another value than when")
    place.env["API_KEY"] = "4711"
    assert apply(place).code == 0
    place.edit("description: Line 3", "description: Line three")
    assert plan(place).code == 0
    (place.folder / "cert.txt").write_text("1235")
    refused(place, live, "the secret from file cert.txt has another value than when")


def test_a_state_that_cannot_be_begun_is_said(place: Workplace, live: Live) -> None:
    place.env["API_KEY"] = CANARY
    (place.folder / "cert.txt").write_text(CANARY)
    declare(place, SETTINGS)
    place.state.with_name("state.json.lock").mkdir(parents=True)
    ran = place.run("plan", "resources.yaml", "--out", "plan.jsonl")
    assert ran.code == 1
    assert "A plan with secrets needs a state for the key that tells whether they change" in ran.err
    assert not (place.folder / "plan.jsonl").exists()


def test_reviewed_is_applied(secretive: Workplace, live: Live) -> None:
    place = secretive
    planned = plan(place)
    path = place.folder / "plan.jsonl"
    assert live.writes() == []
    begun = place.state.read_text()
    assert json.loads(begun)["serial"] == 1, "it keeps the key of the digests, and nothing else"
    assert json.loads(begun)["salt"] not in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert CANARY not in path.read_text()
    assert "\nSaved as plan.jsonl, digest " in planned.out
    digest = planned.out.rsplit("digest ", 1)[1]

    # Git moves on, and so does somebody else: that is not what was reviewed.
    place.edit("description: Line 3", "description: Line three")
    place.edit("gw-3", "gw-3, gw-4")
    live.call("POST", "/api/campaigns", {"name": "theirs"})
    live.forget()
    rehearsed = apply(place, "--dry-run")
    assert (rehearsed.code, live.writes()) == (0, []), rehearsed
    assert place.state.read_text() == begun
    applied = apply(place)
    assert applied.code == 0, applied
    assert sorted(live.writes()) == sorted([*WHOLE_WAY, "create-campaign"])
    assert f"\nFrom plan.jsonl, digest {digest}" in applied.out
    line = campaign(live, "line-3")
    assert (line["description"], line["status"]) == ("Line 3", "STARTED")
    assert live.gateways(line["id"]) == {"gw-1", "gw-2", "gw-3"}
    assert CANARY not in place.kept()

    refused(place, live, "error[applied-plan]: plan.jsonl was applied already\n")
    # What Git says by now is for the next plan to do.
    as_json = json.loads(plan(place, "--output", "json").out)
    applied = apply(place, "--output", "json")
    assert applied.code == 0, applied
    assert json.loads(applied.out)["digest"] == as_json["digest"]
    assert live.gateways(line["id"]) == {"gw-1", "gw-2", "gw-3", "gw-4"}
    assert place.empty()


@dataclass(frozen=True)
class World:
    """A server on which everything was applied, and a plan on it that touches `line`."""

    place: Workplace
    live: Live
    line: dict[str, Any]
    other: dict[str, Any]

    def edit(self, campaign: dict[str, Any], **fields: Any) -> None:
        spec = {"name": campaign["name"], "description": campaign["description"], **campaign["packages"]}
        body = {"campaignId": campaign["id"], "updateSpec": {**spec, **fields}}
        self.live.call("PUT", f"/api/campaigns/{campaign['id']}", body)

    def move(self, verb: str) -> None:
        self.live.call("PUT", f"/api/campaigns/{self.line['id']}/{verb}", {"campaignId": self.line["id"]})

    def gateways(self, method: str, *ids: str) -> None:
        body = {"campaignId": self.line["id"], "gatewayIds": ids}
        self.live.call(method, f"/api/campaigns/{self.line['id']}/devices", body)

    def write(self, name: str, content: str) -> None:
        (self.place.folder / name).write_text(content)

    def apply(self, text: str) -> None:
        """Another apply, from other files than those that were planned."""
        (self.place.folder / "elsewhere.yaml").write_text(text)
        ran = self.place.run("apply", "elsewhere.yaml", "--auto-approve")
        assert ran.code == 0, ran


@pytest.fixture
def world(secretive: Workplace, live: Live) -> World:
    place = secretive
    place.edit("desiredStatus: STARTED", "desiredStatus: STOPPED")
    place.apply()
    line, other = campaign(live, "line-3"), campaign(live, "other")
    world = World(place, live, line, other)
    world.move("start")
    world.move("stop")
    place.edit("description: Line 3", "description: Line three")
    place.edit("LEVEL: info", "LEVEL: debug")
    place.edit("gw-3]", "gw-3, gw-4]")
    place.edit("- file: firmware.bin", "- file: firmware.bin\n    - file: more.bin")
    (place.folder / "more.bin").write_bytes(b"more")
    with (place.folder / "resources.yaml").open("a") as file:
        file.write(OTHER.replace("other", "third"))
    plan(place)
    # Nothing of this is read again.
    (place.folder / "resources.yaml").unlink()
    return world


Deed = Callable[[World], object]


def nothing(_: World) -> None:
    pass


def delete_third(world: World) -> None:
    world.live.call("DELETE", f"/api/campaigns/{campaign(world.live, 'third')['id']}")


LATE: dict[str, tuple[Deed, Deed, str, dict[str, str]]] = {
    "renamed": (
        lambda w: w.edit(w.line, name="mine"), lambda w: w.edit(w.line), ' name "line-3" → "mine"\n', {},
    ),
    "described": (
        lambda w: w.edit(w.line, description="x"), lambda w: w.edit(w.line),
        ' description "Line 3" → "x"\n', {},
    ),
    "without packages": (lambda w: w.edit(w.line, packages=[]), lambda w: w.edit(w.line), "] → []\n", {}),
    "started": (
        lambda w: w.move("start"), lambda w: w.move("stop"), ' status "STOPPED" → "STARTED"\n', {},
    ),
    "a gateway joined": (
        lambda w: w.gateways("POST", "gw-7"), lambda w: w.gateways("PUT", "gw-7"),
        "1 gateway joined (gw-7)\n", {},
    ),
    "a gateway left": (
        lambda w: w.gateways("PUT", "gw-1"), lambda w: w.gateways("POST", "gw-1"),
        "1 gateway left (gw-1)\n", {},
    ),
    "a name was taken": (
        lambda w: w.live.call("POST", "/api/campaigns", {"name": "third"}), delete_third,
        "the name 'third' was free, and is that of campaign ", {},
    ),
    "a secret was rotated": (
        nothing, nothing, "the secret from environment variable API_KEY has another value than",
        {"API_KEY": "rotated"},
    ),
    "a secret is not set": (
        nothing, nothing, "error[missing-secret]: environment variable API_KEY is empty\n", {"API_KEY": ""},
    ),
    "a secret in a file was rotated": (
        lambda w: w.write("cert.txt", "rotated"), lambda w: w.write("cert.txt", CANARY),
        "the secret from file cert.txt has another value than", {},
    ),
    "a package file changed": (
        lambda w: w.write("more.bin", "else"), lambda w: w.write("more.bin", "more"),
        "more.bin has another content than when the plan was made", {},
    ),
    "a package file is gone": (
        lambda w: (w.place.folder / "more.bin").unlink(), lambda w: w.write("more.bin", "more"),
        "more.bin` can't be read: No such file", {},
    ),
    "another server": (
        nothing, nothing, "error[foreign-plan]: the plan is of the server http://127.0.0.1:",
        {"RECONCILER_URL": "http://127.0.0.1:1"},
    ),
    "another environment": (
        nothing, nothing, "the plan is of the environment (none), and this run of prod\n",
        {"RECONCILER_ENVIRONMENT": "prod"},
    ),
    "another state": (
        nothing, nothing, ", and there is no state\n", {"RECONCILER_STATE": "file:none.json"},
    ),
}  # fmt: skip
"""What somebody does, how it is undone, what is said, and the environment of the run."""


def test_what_is_stale_is_not_applied_and_what_is_not_touched_doesnt_matter(world: World) -> None:
    place, live = world.place, world.live
    for deed, undo, words, env in LATE.values():
        deed(world)
        refused(place, live, words, **env)
        undo(world)
    path = place.folder / "plan.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"gw-4", b"gw-5"))
    refused(place, live, "error[altered-plan]: plan.jsonl was altered or cut off after it was written\n")
    path.write_bytes(whole)

    world.edit(world.other, description="theirs")
    live.call("POST", "/api/campaigns", {"name": "a new one"})
    world.apply(OTHER.replace("other", "fourth").replace("---\n", ""))
    live.forget()
    ran = apply(place)
    assert ran.code == 0, ran
    assert Counter(live.writes()) == {
        "upload-package": 1, "create-campaign": 1, "edit-campaign": 1, "add-gateways": 1,
    }  # fmt: skip
    assert campaign(live, "line-3")["description"] == "Line three"
    assert campaign(live, "other")["description"] == "theirs"
    refused(place, live, "error[applied-plan]")


def test_what_was_applied_partly_is_not_applied_again(place: Workplace, live: Live) -> None:
    plan(place)
    with Gate(live.url) as gate:
        gate.answer("start-campaign", Answer(403, b'{"message": "not today"}'), times=9)
        place.env["RECONCILER_URL"] = gate.url
        foreign = apply(place)
        assert foreign.code == 4, "through a gate it is another server"
        plan(place)
        partly = apply(place)
        assert partly.code == 3, partly
        refused(
            place,
            live,
            "was applied before, and not to its end\n  hint: a new plan does what is left to do\n",
        )
    place.env["RECONCILER_URL"] = live.url


def test_kill_9_counts_as_partly_applied(place: Workplace, live: Live) -> None:
    with Gate(live.url) as gate:
        place.env["RECONCILER_URL"] = gate.url
        plan(place)
        hold = gate.hold("create-campaign", "after")
        with place.started("apply", "--plan", "plan.jsonl") as process:
            hold.wait(process)
            process.kill()
        hold.drop()
        refused(place, live, "error[applied-plan]: plan.jsonl was applied before, and not to its end\n")
        plan(place)
        assert apply(place).code == 0
        live.forget()
        assert place.empty()


def test_a_guard_stands_against_a_plan_in_a_file_until_it_is_waived(place: Workplace, live: Live) -> None:
    several = RESOURCES.replace("gw-3]", ", ".join(["gw-3", *(f"g-{n}" for n in range(20))]) + "]")
    (place.folder / "resources.yaml").write_text(several)
    place.apply()
    declare(place)
    plan(place)
    live.forget()
    ran = apply(place)
    assert (ran.code, live.writes()) == (5, []), ran
    why = ("--waive", "maxGatewaysRemovedPercent", "--reason", "the hall is closed")
    waived = apply(place, *why)
    assert waived.code == 0, waived
    assert live.writes() == ["remove-gateways"]


def test_what_is_in_flight_by_now_is_guarded_however_the_plan_found_it(place: Workplace, live: Live) -> None:
    """What gateways do makes no plan stale, but stopping them in the middle of it is a guard's business."""
    place.apply()
    (line,) = live.campaigns()
    place.edit("Line 3", "Line three")
    digest = plan(place).out.rsplit("digest ", 1)[1]
    for gateway, state in {"gw-1": "WAITING_FOR_DOWNLOAD", "gw-2": "DOWNLOAD_COMPLETE"}.items():
        live.call("PUT", f"/_embedded/campaigns/{line['id']}/devices/{gateway}", {"state": state})
    live.forget()
    before = place.kept()
    said = "maxInFlightInterrupted: 2 gateways in the middle of an update would be interrupted"
    ran = apply(place)
    assert ran.code == 5, ran
    assert (ran.out.count(said), ran.err) == (1, "")
    assert ran.out.endswith("Exit code 5: a guard refused.\n")
    as_json = apply(place, "--output", "json")
    assert as_json.code == 5, as_json
    made = json.loads(as_json.out)
    assert [(g["guard"], g["found"], g["waived"]) for g in made["guards"]] == [
        ("maxInFlightInterrupted", 2, None)
    ]
    assert said in apply(place, "--dry-run").out
    assert live.writes() == []
    assert place.kept() == before, "and the plan was not applied"

    waived = apply(place, "--waive", "maxInFlightInterrupted", "--reason", "agreed")
    assert waived.code == 0, waived
    assert live.writes() == ["stop-campaign", "edit-campaign", "start-campaign"]
    shown = place.run("audit", "show", "2", "--output", "json")
    begin = json.loads(shown.out)["run"]
    assert begin["plan"].startswith(digest.rstrip(".\n"))
    assert [(w["guard"], w["found"], w["reason"]) for w in begin["waived"]] == [
        ("maxInFlightInterrupted", 2, "agreed")
    ]


def test_the_project_and_the_environment_are_those_of_the_file(place: Workplace, live: Live) -> None:
    project = "apiVersion: reconciler/v1\nkind: Project\nmetadata: {name: %s}\nspec:\n"
    project += f"  environments: {{hall: {{server: {{url: '{live.url}'}}}}, yard: {{server: {{url: 'http://127.0.0.1:1'}}}}}}\n"
    (place.folder / "reconciler.yaml").write_text(project % "lines")
    del place.env["RECONCILER_URL"]
    ran = place.run("plan", "-e", "hall", "--out", "../plan.jsonl")
    assert ran.code == 0, ran
    nested = place.folder / "below"
    nested.mkdir()
    apart = Workplace(nested, place.env, place.canaries, start=place.start)
    (place.folder / "reconciler.yaml").write_text(project % "others")
    other = apart.run("apply", "--plan", "../../plan.jsonl")
    assert other.code == 4
    assert "the plan is of the project lines, and this run of others\n" in other.err
    (place.folder / "reconciler.yaml").write_text(project % "lines")
    yard = apart.run("apply", "--plan", "../../plan.jsonl", "-e", "yard")
    assert yard.code == 4
    assert yard.err.count("error[foreign-plan]: ") == 2, "the environment, and its server"
    ran = apart.run("apply", "--plan", "../../plan.jsonl")
    assert ran.code == 0, ran
    assert live.writes() == WHOLE_WAY
    assert (place.folder / ".reconciler" / "hall" / "state.json").is_file()
