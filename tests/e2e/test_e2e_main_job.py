"""The main job over TCP: from an empty server to `No changes.`, and on through edits."""

import json
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest
from e2e_runs import RESOURCES, ROOT, TOKEN, WHOLE_WAY, Gate, Live, Workplace

from reconciler.embedded import Running

PASSWORD = "password-canary-77aa"
SECRET = "secret-canary-5c1d"
FILE_SECRET = "secret-canary-90ef"


def schema(name: str) -> jsonschema.Draft202012Validator:
    found = json.loads((ROOT / "schemas" / name).read_text("utf-8"))
    jsonschema.Draft202012Validator.check_schema(found)
    return jsonschema.Draft202012Validator(found)


def test_the_whole_way(place: Workplace, live: Live) -> None:
    valid = place.run("validate", "resources.yaml")
    assert (valid.code, valid.out, valid.err) == (0, "3 resources: no findings\n", "")
    assert live.operations() == [], "validate calls no server"

    planned = place.run("plan", "resources.yaml", "--detailed-exitcode")
    assert (planned.code, planned.err) == (2, "")
    assert planned.out.endswith("\nPlan: 1 to create, 1 package to upload; 4 calls.\n")
    assert not (place.folder / ".reconciler").exists(), "plan writes nothing"
    assert live.writes() == []

    applied = place.apply()
    assert applied.out == planned.out + f"Applied to {live.url}: 4 done.\n"
    assert live.writes() == WHOLE_WAY
    assert [line.split()[0] for line in applied.err.splitlines()] == ["25", "50", "75", "100"]

    live.forget()
    again = place.run("plan", "resources.yaml", "--detailed-exitcode")
    assert (again.code, again.out, again.err) == (0, f"Server: {live.url}\n\nNo changes.\n", "")
    assert place.run("apply", "--auto-approve", "resources.yaml").out == again.out
    assert live.writes() == []

    place.edit("gw-3]", "gw-4]")
    place.edit("description: Line 3", "description: Line three")
    place.edit("kind: Campaign", "kind: Campaign # a word")
    changed = place.run("plan", "resources.yaml")
    for said in ('"Line 3" → "Line three"', "gains 1 (gw-4), loses 1 (gw-3)", "5 calls"):
        assert said in changed.out
    live.forget()
    place.apply()
    assert live.writes() == [
        "stop-campaign",
        "edit-campaign",
        "remove-gateways",
        "add-gateways",
        "start-campaign",
    ]
    assert place.empty()

    (campaign,) = live.campaigns()
    assert live.gateways(campaign["id"]) == {"gw-1", "gw-2", "gw-4"}
    status = place.run("status", "resources.yaml")
    row = status.out.splitlines()[-1].split()
    assert (status.code, row[:4]) == (0, ["Campaign/line-3", "line-3", campaign["id"], "STARTED"])
    assert status.out.endswith("in sync\n")


def test_what_the_state_holds(place: Workplace, live: Live) -> None:
    place.apply()
    state = json.loads(place.state.read_text("utf-8"))
    schema("state.json").validate(state)
    (campaign,), (package,) = live.campaigns(), live.packages()
    assert state["server"] == {"provider": "pulse", "url": live.url, "organization": None}
    assert state["intents"] == {}
    assert {key: each["id"] for key, each in state["campaigns"].items()} == {
        "Campaign/line-3": campaign["id"]
    }
    assert [each["id"] for each in state["packages"].values()] == [package["id"]]
    assert state["campaigns"]["Campaign/line-3"]["status"] == "STARTED"
    assert {path.name for path in place.state.parent.iterdir()} == {
        "state.json",
        "state.json.audit",
        "state.json.backup",
    }
    assert place.state.stat().st_mode & 0o077 == 0, "the state is for its owner"
    before = place.state.read_bytes()
    place.apply()
    assert place.state.read_bytes() == before, "nothing to do, nothing to write"


def test_the_quickstart_needs_no_configuration(tmp_path: Path) -> None:
    nowhere = Workplace(tmp_path / "work")
    examples = str(ROOT / "examples" / "quickstart")
    assert nowhere.run("apply", "--auto-approve", examples).code == 0
    again = nowhere.run("plan", "--detailed-exitcode", examples)
    assert again.code == 0
    assert again.out.endswith("\nNo changes.\n")


@pytest.fixture
def signed_in() -> Iterator[Live]:
    with Running(token=TOKEN, username="ann", password=PASSWORD, record=True) as running:
        yield Live(running)


def test_basic_sign_in_and_a_token_that_ends_in_the_middle(tmp_path: Path, signed_in: Live) -> None:
    with Gate(signed_in.url) as gate:
        user = {"RECONCILER_USERNAME": "ann", "RECONCILER_PASSWORD": PASSWORD}
        place = Workplace(tmp_path / "work", {"RECONCILER_URL": gate.url, **user}, [PASSWORD])
        gate.call("add-gateways", lambda: signed_in.call("DELETE", "/_embedded/tokens"))
        place.apply()
        assert signed_in.operations().count("tokens") == 2, "one sign-in, and one more after the 401"
        statuses = [c.status for c in signed_in.running.calls if c.method == "POST" and "/devices" in c.path]
        assert statuses == [401, 200]
        assert place.empty()
        assert PASSWORD not in place.kept()


def test_a_wrong_password_is_one_message(tmp_path: Path, signed_in: Live) -> None:
    user = {"RECONCILER_USERNAME": "ann", "RECONCILER_PASSWORD": "wrong-canary"}
    place = Workplace(tmp_path / "work", {"RECONCILER_URL": signed_in.url, **user}, ["wrong-canary"])
    ran = place.run("apply", "--auto-approve", "resources.yaml")
    assert ran.code == 1
    assert ran.said.startswith("error: ")
    assert "401" in ran.said or "password" in ran.said
    assert signed_in.writes() == []
    half = place.run("plan", "resources.yaml", RECONCILER_PASSWORD="")
    assert half.code == 1
    assert "RECONCILER_USERNAME is set, but RECONCILER_PASSWORD is not" in half.err


PROJECT = """\
apiVersion: reconciler/v1
kind: Project
metadata: {{name: plant}}
spec:
  resources: [resources.yaml]
  server:
    url: {staging}
    auth: {{tokenEnv: PLANT_TOKEN}}
    pageSize: 7
  environments:
    production:
      server: {{url: "{production}", batchSize: 2}}
"""


def test_a_project_with_environments(tmp_path: Path, live: Live) -> None:
    with Running(token=TOKEN, record=True) as running:
        production = Live(running)
        place = Workplace(tmp_path / "work", {"PLANT_TOKEN": TOKEN}, [TOKEN])
        text = PROJECT.format(staging=live.url, production=production.url)
        (place.folder / "reconciler.yaml").write_text(text)
        assert place.run("apply", "--auto-approve").code == 0
        assert (len(live.campaigns()), len(production.campaigns())) == (1, 0)

        below = place.folder / "deep" / "er"
        below.mkdir(parents=True)
        deeper = Workplace.__new__(Workplace)
        deeper.__dict__ |= place.__dict__ | {"folder": below}
        ran = deeper.run("apply", "--auto-approve", "-e", "production")
        assert ran.code == 0
        assert ran.out.startswith(f"Server: {production.url}\n")
        adds = [body for _, _, _, body in production.running.calls if body and "gatewayIds" in str(body)]
        assert [len(body["gatewayIds"]) for body in adds] == [2, 1], "batchSize of the environment"
        assert place.state.exists()
        assert (place.folder / ".reconciler" / "production" / "state.json").exists()
        assert not (below / ".reconciler").exists()

        assert place.run("plan", RECONCILER_ENVIRONMENT="production").out.endswith("\nNo changes.\n")
        typo = place.run("plan", "--environment", "prodction")
        assert typo.code == 1
        assert "production" in typo.err
        # The environment overrides the file, and flags override both.
        ran = place.run("plan", "--url", live.url, RECONCILER_URL="http://127.0.0.1:1")
        assert (ran.code, ran.out) == (0, f"Server: {live.url}\n\nNo changes.\n")


def test_plans_in_json_follow_their_schema(place: Workplace, live: Live) -> None:
    valid = schema("plan.json")
    first = json.loads(place.run("plan", "resources.yaml", "--output", "json").out)
    valid.validate(first)
    assert [step["operation"] for step in first["steps"]] == WHOLE_WAY
    assert first["server"]["url"] == live.url
    assert live.writes() == []
    applied = place.run("apply", "resources.yaml", "--auto-approve", "--output", "json")
    made = json.loads(applied.out)
    valid.validate(made)
    assert made["steps"] == first["steps"]
    assert {outcome["status"] for outcome in made["outcomes"]} == {"done"}
    place.edit("desiredStatus: STARTED", "desiredStatus: STOPPED")
    second = json.loads(place.run("plan", "resources.yaml", "--output", "json").out)
    valid.validate(second)
    (step,) = second["steps"]
    (campaign,) = live.campaigns()
    assert (step["operation"], step["method"]) == ("stop-campaign", "PUT")
    assert step["path"] == f"/api/campaigns/{campaign['id']}/stop"
    (place.folder / "resources.yaml").write_text("kind: [")
    broken = place.run("plan", "resources.yaml", "--output", "json")
    assert broken.code == 1
    assert json.loads(broken.out)["findings"]


def test_a_plan_of_5000_changes_fits_in_a_comment(place: Workplace) -> None:
    one = RESOURCES.split("---\n")[2].replace(
        "packageSet: firmware\n  gatewayLists: [hall]", "name: Campaign %d"
    )
    documents = [one.replace("line-3", f"line-{n}") % n for n in range(1_700)]
    (place.folder / "resources.yaml").write_text("---\n".join(documents))
    summary = json.loads(place.run("plan", "resources.yaml", "--output", "json").out)["summary"]
    assert (summary["changes"], summary["steps"]) == (3 * 1_700, 2 * 1_700)
    ran = place.run("plan", "resources.yaml", "--output", "markdown")
    assert ran.code == 0
    assert len(ran.out) <= 65_536
    assert "3,400 calls" in ran.out


SECRETIVE = """\
  settings:
    license: {fromEnv: LICENSE}
    key: {fromFile: line.key}
    channel: stable
"""


def test_secrets_show_nowhere(place: Workplace, live: Live) -> None:
    place.canaries += [SECRET, FILE_SECRET, "secret-canary"]
    (place.folder / "resources.yaml").write_text(RESOURCES + SECRETIVE)
    (place.folder / "line.key").write_text(FILE_SECRET)
    missing = place.run("plan", "resources.yaml")
    assert missing.code == 1
    assert "environment variable LICENSE is not set" in missing.err
    place.env["LICENSE"] = SECRET
    for output in ("text", "json", "markdown"):
        assert place.run("plan", "resources.yaml", "--output", output, "--verbose").code == 0
    with Gate(live.url) as gate:
        place.env["RECONCILER_URL"] = gate.url
        gate.call("create-campaign", lambda: journals.append(place.kept()), moment="after")
        journals: list[str] = []
        place.apply("--verbose")
        assert journals, "the state was read in the middle, with its journal"
        (campaign,) = live.campaigns()
        sent = live.call("GET", f"/_embedded/campaigns/{campaign['id']}")["settings"]
        assert sent == {"license": SECRET, "key": FILE_SECRET, "channel": "stable"}
        assert place.empty()
        place.env["LICENSE"] = SECRET + "-new"
        changed = place.run("plan", "resources.yaml", "--output", "json")
        assert {"stop-campaign", "edit-campaign"} <= {
            s["operation"] for s in json.loads(changed.out)["steps"]
        }
        place.apply("--verbose")
        assert place.empty()
        assert place.run("status", "resources.yaml", "--verbose").code == 0
    for kept in (*journals, place.kept()):
        assert "secret-canary" not in kept
        assert TOKEN not in kept
    assert "stable" in place.kept(), "plain values are plain"
