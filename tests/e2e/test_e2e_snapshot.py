"""A snapshot taken where the credentials are, planned on where nothing is: in a fork's pull request."""

import json
import re
from pathlib import Path

import pytest
from e2e_runs import RESOURCES, TOKEN, Answer, Gate, Live, Workplace, unused_port

from tests.e2e.e2e_forks import Forks

SECRET = "canary-of-line-3"
PROJECT = """\
apiVersion: reconciler/v1
kind: Project
metadata: {{name: plant}}
spec:
  resources: [resources.yaml]
  state: {{url: {state}}}
  server:
    url: {url}
    auth: {{tokenEnv: PULSE_TOKEN}}
  environments: {{production: {{}}, staging: {{server: {{url: https://staging.example.com}}}}}}
"""
WITH_SECRET = f"{RESOURCES}  settings: {{KEY: {{fromEnv: LINE3_KEY}}, LEVEL: info}}\n"
EDITED = WITH_SECRET.replace("gw-3]", "gw-4]").replace("LEVEL: info", "LEVEL: debug")
PRODUCTION = ("--environment", "production")


@pytest.fixture
def main(tmp_path: Path, live: Live, forks: Forks) -> Workplace:
    """A checkout in which the main branch is applied; the credentials are here."""
    env = {"PULSE_TOKEN": TOKEN, "LINE3_KEY": SECRET}
    place = Workplace(tmp_path / "main", env, canaries=[TOKEN, SECRET], start=forks)
    (place.folder / "reconciler.yaml").write_text(PROJECT.format(url=live.url, state="file:kept/state.json"))
    (place.folder / "resources.yaml").write_text(WITH_SECRET)
    ran = place.run("apply", "--auto-approve", *PRODUCTION)
    assert ran.code == 0, ran
    return place


@pytest.fixture
def fork(tmp_path: Path, main: Workplace) -> Workplace:
    """Somebody's checkout with an edit; no credential, no secret, no state, and no server within reach."""
    place = Workplace(tmp_path / "fork", {"CI": "true"}, canaries=[TOKEN, SECRET], start=main.start)
    nowhere = f"http://127.0.0.1:{unused_port()}"
    project = (main.folder / "reconciler.yaml").read_text()
    (place.folder / "reconciler.yaml").write_text(project)
    (place.folder / "resources.yaml").write_text(EDITED)
    place.env |= {"HTTP_PROXY": nowhere, "HTTPS_PROXY": nowhere}
    return place


def test_a_fork_plans_as_main_would(main: Workplace, fork: Workplace, live: Live) -> None:
    snapshot = fork.folder / "snapshot.jsonl"
    live.forget()
    taken = main.run("snapshot", "--out", str(snapshot), *PRODUCTION)
    assert taken.code == 0, taken
    assert "Saved: 1 campaign, 3 gateways, the packages of 0 gateways, 1 package.\n" in taken.out
    assert live.writes() == []
    content = snapshot.read_text()
    assert not any(word in content for word in (TOKEN, SECRET, "salt"))
    # Of who is in a campaign a digest is kept, and the snapshot names them all; of secrets there is none.
    of_members = re.findall(r'"gateways": ?\{"count": ?3, ?"digest"', content)
    assert content.count("digest") == len(of_members)

    (main.folder / "resources.yaml").write_text(EDITED)
    live.forget()
    for form in ("text", "json", "markdown"):
        online = main.run("plan", "--output", form, *PRODUCTION)
        assert online.code == 0, online
        asked = len(live.operations())
        offline = fork.run("plan", "--snapshot", "snapshot.jsonl", "--output", form, *PRODUCTION)
        assert offline.code == 0, offline
        assert len(live.operations()) == asked, "the server was asked"
        if form == "json":
            there, here = json.loads(online.out), json.loads(offline.out)
            age = here.pop("snapshot")
            assert set(age) == {"taken", "ageSeconds"}
            (blind,) = [f for f in here["findings"] if f["code"] == "secret-not-compared"]
            assert blind["file"] == "resources.yaml"
            here["findings"].remove(blind)
            here["summary"]["notes"] -= 1
            assert here == there
            assert [step["operation"] for step in here["steps"]] == [
                "stop-campaign", "edit-campaign", "remove-gateways", "add-gateways", "start-campaign",
            ]  # fmt: skip
        elif form == "text":
            lines = offline.out.splitlines()
            assert re.fullmatch(
                r"Snapshot: \d+ seconds? old, taken \d{4}-\d\d-\d\d [\d:]{8} UTC; the server was not asked",
                lines.pop(1),
            )
            (at,) = [n for n, line in enumerate(lines) if "note[secret-not-compared]" in line]
            assert "can't tell whether the secret setting KEY changed" in lines[at]
            del lines[at : at + 2]
            lines[-1] = lines[-1].replace("; 1 note", "")
            assert [line for line in lines if line] == [line for line in online.out.splitlines() if line]
        else:
            assert re.search(
                r"On a \*\*snapshot \d+ seconds? old, taken .* UTC\*\*; the server was not", offline.out
            )

    (fork.folder / "resources.yaml").write_text(WITH_SECRET)
    same = fork.run("plan", "--snapshot", "snapshot.jsonl", "--detailed-exitcode", *PRODUCTION)
    assert (same.code, same.out.splitlines()[-1]) == (0, "No changes. 1 note.")


def test_of_the_right_project_and_server_only(main: Workplace, fork: Workplace, tmp_path: Path) -> None:
    assert main.run("snapshot", "--out", "s.jsonl", *PRODUCTION).code == 0
    snapshot = str(main.folder / "s.jsonl")
    ran = fork.run("plan", "--snapshot", snapshot)
    assert ran.code == 1
    assert "of the project 'plant' in the environment 'production', and this is" in ran.said
    ran = fork.run("plan", "--snapshot", snapshot, *PRODUCTION, "--url", "https://other.example.com/")
    assert ran.code == 1
    assert "and the project's server is https://other.example.com\n" in ran.said
    # A state that takes credentials is not even opened.
    ran = fork.run(
        "plan", "--snapshot", snapshot, *PRODUCTION, "--state", "postgresql://nobody@127.0.0.1:1/x"
    )
    assert ran.code == 0, ran
    # Who leaves the server to a variable that a fork doesn't have gets the snapshot's.
    project = (fork.folder / "reconciler.yaml").read_text()
    (fork.folder / "reconciler.yaml").write_text(re.sub(r"    url: http://127.*\n", "", project))
    ran = fork.run("plan", "--snapshot", snapshot, *PRODUCTION)
    assert ran.code == 0, ran
    altered = tmp_path / "altered.jsonl"
    altered.write_text((main.folder / "s.jsonl").read_text().replace("STARTED", "STOPPED", 1))
    ran = fork.run("plan", "--snapshot", str(altered), *PRODUCTION, "--output", "json")
    assert ran.code == 1
    assert "isn't a whole snapshot: what its last line says of the others isn't true" in ran.said
    assert json.loads(ran.out)["findings"][0]["code"] == "run-failed"


def test_a_snapshot_that_fails_leaves_the_one_before(main: Workplace, live: Live) -> None:
    good = main.run("snapshot", "--out", "s.jsonl", *PRODUCTION)
    assert good.code == 0
    before = (main.folder / "s.jsonl").read_bytes()
    names = {path.name for path in main.folder.iterdir()}
    with Gate(live.url) as gate:
        gate.answer("list-gateways", Answer(403, b"no"))
        # The state belongs to the server behind the gate, by its own address.
        ran = main.run(
            "snapshot", "--out", "s.jsonl", "--url", gate.url, "--state", "file:other.json", *PRODUCTION
        )
    assert ran.code == 1
    assert "403" in ran.said
    assert (main.folder / "s.jsonl").read_bytes() == before
    assert {path.name for path in main.folder.iterdir()} == names
    nowhere = main.run("snapshot", "--out", "none/s.jsonl", *PRODUCTION)
    assert nowhere.code == 1
    assert "none/s.jsonl can't be written: No such file or directory" in nowhere.said
    assert main.run("snapshot", *PRODUCTION).code == 64
    (main.folder / "resources.yaml").write_text("kind: [")
    broken = main.run("snapshot", "--out", "s.jsonl", *PRODUCTION)
    assert broken.code == 1
    assert "yaml-syntax" in broken.err
    # What is declared matters only where overrides are.
    assert main.run("snapshot", "--out", "s.jsonl", "--overrides", "none", *PRODUCTION).code == 0
