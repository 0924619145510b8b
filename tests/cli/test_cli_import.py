"""`import`: a tie in the state, and nothing else."""

import json
from pathlib import Path
from typing import Any

import pytest
from cli_runs import RESOURCES, Run

SETTINGS = "  settings: {LEVEL: info, KEY: {fromEnv: LINE3_KEY}}\n  schedules: [{schedule: night}]\n"
MORE = """\
---
apiVersion: reconciler/v1
kind: Schedule
metadata: {name: night}
spec:
  download: {begin: 2027-02-01T00:00:00Z, end: 2087-02-01T06:00:00Z}
"""
OTHERS = "file:others.json"


@pytest.fixture(autouse=True)
def _secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LINE3_KEY", "canary-1")


@pytest.fixture
def made(folder: Path, run: Run) -> dict[str, str]:
    """What somebody else made: name → id of campaigns and packages. Nothing of it is ours."""
    both = RESOURCES + RESOURCES.partition("---\n")[2].partition("---\n")[2].replace("line-3", "other").join(
        ["---\n", ""]
    )
    (folder / "resources/line.yaml").write_text(both.replace("description: Line 3", "description: theirs"))
    ran = run("apply", "--auto-approve", "--state", OTHERS)
    assert ran.code == 0, ran
    (folder / "resources/line.yaml").write_text(RESOURCES + SETTINGS + MORE)
    ids = {}
    for what in ("campaign", "package"):
        listed = json.loads(run(what, "list", "--output", "json", "--state", OTHERS).out)
        ids |= {line["name"]: line["id"] for line in listed[f"{what}s"]}
    return ids


def state(folder: Path) -> Any:
    path = folder / ".reconciler/state.json"
    return json.loads(path.read_text()) if path.exists() else None


def test_a_campaign_of_another_name(folder: Path, made: dict[str, str], run: Run) -> None:
    """What can't be read is assumed, nothing is sent, and the next plan is said."""
    ran = run("import", "Campaign/line-3", made["other"])
    assert (ran.code, ran.err) == (1, ran.err)
    assert "name-taken" in ran.err
    assert state(folder) is None

    text = (RESOURCES + SETTINGS + MORE).replace("spec:\n  description", "spec:\n  name: mine\n  description")
    (folder / "resources/line.yaml").write_text(text.replace("packageSet: firmware\n  ", ""))
    ran = run("import", "Campaign/line-3", made["other"])
    assert ran.code == 0, ran.err
    first, then, *_ = ran.out.splitlines()
    assert first == f'Campaign/line-3 is campaign {made["other"]}, "other", from now on.'
    assert then == "The next plan:"
    for said in (
        '  ~ name         "other" → "mine"',
        '  ~ description  "theirs" → "Line 3"',
        "note[assumed]: Campaign/line-3: the settings can't be read",
        "note[assumed]: Campaign/line-3: the download window of 3 gateways can't be read",
        "    calls        stop-campaign (it can't be changed while it runs), edit-campaign, ",
    ):
        assert said in ran.out, said
    assert "Only written down" not in ran.out

    owned = state(folder)["campaigns"]["Campaign/line-3"]
    assert (owned["id"], owned["origin"], owned["status"]) == (made["other"], "adopted", "STARTED")
    assert owned["applied"]["settings"]["LEVEL"] == {"value": "info"}
    assert set(owned["applied"]["settings"]["KEY"]) == {"digest"}
    assert "canary" not in json.dumps(state(folder))
    assert owned["members"]["schedules.download"][0]["gateways"] == ["gw-1", "gw-2", "gw-3"]

    listed = json.loads(run("campaign", "list", "--output", "json").out)["campaigns"]
    assert {line["name"] for line in listed} == {"line-3", "other"}, "nothing was sent"
    planned = run("plan", "--output", "json", "--target", "Campaign/line-3")
    assert [step["operation"] for step in json.loads(planned.out)["steps"]] == [
        "stop-campaign",
        "edit-campaign",
        "start-campaign",
    ]


def test_again_is_nothing(folder: Path, made: dict[str, str], run: Run) -> None:
    text = (RESOURCES + SETTINGS + MORE).replace("description: Line 3", "description: theirs")
    (folder / "resources/line.yaml").write_text(text.replace("  packageSet: firmware\n", ""))
    first = run("import", "Campaign/line-3", made["line-3"])
    assert first.code == 0
    assert "The next plan has no step for it." in first.out
    before = state(folder)
    again = run("import", "Campaign/line-3", made["line-3"])
    assert again.code == 0
    assert "already; nothing was written." in again.out
    assert state(folder) == before
    assert run("plan", "--detailed-exitcode", "--target", "Campaign/line-3").code == 0


def test_what_is_refused(folder: Path, made: dict[str, str], run: Run) -> None:
    def refused(*arguments: str, code: int = 1) -> str:
        before = state(folder)
        ran = run("import", *arguments)
        assert (ran.code, ran.out) == (code, "")
        assert (state(folder) or {}).get("campaigns") == (before or {}).get("campaigns")
        return ran.err

    said = refused("Campaign/line3", made["line-3"])
    assert said == "error: Campaign/line3 is not declared\n  hint: Did you mean Campaign/line-3?\n"
    assert "`reconciler export` writes the declarations" in refused("Campaign/zzzzzz", made["line-3"])
    said = refused("Campaign/line-3", "nobody")
    assert "there is no campaign with the id 'nobody' on embedded:\n" in said
    assert "`reconciler campaign list`" in said
    assert "there is no campaign with the id 'a/b'" in refused("Campaign/line-3", "a/b")
    assert "names no resource" in refused("line-3", made["line-3"], code=64)
    assert "a GatewayList is nothing" in refused("GatewayList/hall", "x", code=64)
    assert "Missing argument 'ID'" in refused("Campaign/line-3", code=64)

    assert run("import", "Campaign/line-3", made["line-3"], "--state", "file:x.json").code == 0
    mine = run("import", "Campaign/line-3", made["other"], "--state", "file:x.json")
    assert mine.code == 1
    assert f"Campaign/line-3 is campaign {made['line-3']} already" in mine.err
    assert "reconciler state rm Campaign/line-3" in mine.err

    path = folder / "resources/line.yaml"
    path.write_text(path.read_text() + "---\n" + RESOURCES.split("---\n")[2].replace("line-3", "more"))
    theirs = run("import", "Campaign/more", made["line-3"], "--state", "file:x.json")
    assert theirs.code == 1
    assert f"campaign {made['line-3']} belongs to Campaign/line-3 already" in theirs.err


def test_what_can_not_be_compared_is_not_recorded(folder: Path, made: dict[str, str], run: Run) -> None:
    path = folder / "resources/line.yaml"
    path.write_text(path.read_text().replace("- file: firmware.bin", "- name: nowhere.bin"))
    ran = run("import", "Campaign/line-3", made["line-3"])
    assert ran.code == 1
    assert "error[package-not-found]" in ran.err
    assert state(folder) is None


def test_somebody_else_may_hold_the_lock(folder: Path, made: dict[str, str], run: Run) -> None:
    from reconciler.model import Server
    from reconciler.state.stores import open_store

    store = open_store("file:.reconciler/state.json", root=folder)
    with store.locked(Server("pulse", "embedded:"), "apply"):
        ran = run("import", "Campaign/line-3", made["line-3"], "--lock-timeout", "0")
    assert ran.code == 1
    assert "is locked by" in ran.err


def test_what_is_taken_stands_in_the_audit_log(folder: Path, made: dict[str, str], run: Run) -> None:
    assert run("import", "Campaign/line-3", made["line-3"]).code == 0
    lines = (folder / ".reconciler/state.json.audit").read_text().splitlines()
    begin = next(line for line in map(json.loads, lines) if line.get("type") == "begin")
    assert begin["operation"] == "import"
    assert begin["takes"] == [{"resource": "Campaign/line-3", "id": made["line-3"]}]


# --- packages ------------------------------------------------------------------------------------------


def test_a_package_by_its_content(folder: Path, made: dict[str, str], run: Run) -> None:
    path = folder / "resources/line.yaml"
    path.write_text(RESOURCES.replace("description: Line 3", "description: theirs"))
    assert run("import", "Campaign/line-3", made["line-3"]).code == 0
    assert "upload-package" in run("plan").out, "the mark of somebody else's package isn't trusted"

    ran = run("import", "PackageSet/firmware", made["firmware.bin"])
    assert ran.code == 0, ran.err
    package = f'Package {made["firmware.bin"]}, "firmware.bin"'
    assert ran.out == (
        f'{package}, is the content of "firmware.bin" of PackageSet/firmware, from now on.\n'
        "The next plan uses it, and uploads nothing for it.\n"
    )
    assert run("plan", "--detailed-exitcode").code == 0
    again = run("import", "PackageSet/firmware", made["firmware.bin"])
    assert (again.code, "already; nothing was written." in again.out) == (0, True)


def uploaded(folder: Path, run: Run, name: str, content: bytes) -> str:
    """A package by hand. Its id."""
    (folder / name).write_bytes(content)
    made = json.loads(run("package", "upload", name, "--output", "json").out)
    key: str = made["created"]
    return key


def test_a_package_without_a_mark_is_taken_on_trust(folder: Path, run: Run) -> None:
    import urllib.request

    from reconciler.embedded import Running

    with Running() as server:
        headers = {
            "Content-Type": "application/octet-stream",
            "Content-Disposition": 'attachment; filename="old.bin"',
        }
        request = urllib.request.Request(
            f"{server.url}/api/programs/?description=x", b"x", headers, method="POST"
        )
        with urllib.request.urlopen(request) as answer:
            key = json.load(answer)["uuid"]
        ran = run("import", "PackageSet/firmware", key, "--url", server.url)
        assert ran.code == 0, ran.err
        assert "That it holds the same can't be read back; it is taken on your word." in ran.out
        (upload,) = state(folder)["packages"].values()
        assert upload == {
            "id": key, "name": "old.bin", "resource": "PackageSet/firmware", "description": "x",
        }  # fmt: skip


def test_packages_that_are_refused(folder: Path, run: Run) -> None:
    def refused(resource: str, key: str) -> str:
        ran = run("import", resource, key)
        assert (ran.code, ran.out) == (1, "")
        return ran.err

    path = folder / "resources/line.yaml"
    other = uploaded(folder, run, "other.bin", b"other")
    same = uploaded(folder, run, "same.bin", b"firmware")
    assert "there is no package with the id 'none'" in refused("PackageSet/firmware", "none")
    assert "Did you mean PackageSet/firmware?" in refused("PackageSet/firmwares", same)
    said = refused("PackageSet/firmware", other)
    assert f"package {other} ('other.bin') is marked to hold other content" in said

    assert run("import", "PackageSet/firmware", same).code == 0
    twin = uploaded(folder, run, "twin.bin", b"firmware")
    assert f"recorded as package {same}, which is on the server" in refused("PackageSet/firmware", twin)
    assert run("package", "delete", same, "--auto-approve").code == 0
    assert run("import", "PackageSet/firmware", twin).code == 0, "the one before is gone"

    # The record of other content stands against it.
    kept = folder / ".reconciler/state.json"
    document = json.loads(kept.read_text())
    (upload,) = document["packages"].values()
    document["packages"] = {"0" * 64: upload}
    kept.write_text(json.dumps(document))
    assert "is recorded as other content, sha256:0000000000000000…" in refused("PackageSet/firmware", twin)

    path.write_text(RESOURCES.replace("- file: firmware.bin", f"- id: {other}"))
    assert "PackageSet/firmware declares no file of its own" in refused("PackageSet/firmware", other)
    (folder / "resources/two.bin").write_bytes(b"two")
    path.write_text(RESOURCES.replace("- file: firmware.bin", "- file: firmware.bin\n    - file: two.bin"))
    said = refused("PackageSet/firmware", other)
    assert "has 2 files, and 'other.bin' is the name of 0 of them: firmware.bin, two.bin" in said
    two = uploaded(folder, run, "two.bin", b"two")
    assert run("import", "PackageSet/firmware", two).code == 0, "told by its name"


def test_an_id_may_be_written_in_any_form(
    folder: Path, made: dict[str, str], run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The id that the server answers is the one that is recorded."""
    from reconciler.providers.pulse.client import PulseClient

    campaign, package = PulseClient.campaign, PulseClient.package

    async def any_campaign(self: PulseClient, campaign_id: str) -> Any:
        return await campaign(self, campaign_id.lower())

    async def any_package(self: PulseClient, package_id: str) -> Any:
        return await package(self, package_id.lower())

    monkeypatch.setattr(PulseClient, "campaign", any_campaign)
    monkeypatch.setattr(PulseClient, "package", any_package)
    ran = run("import", "Campaign/line-3", made["line-3"].upper())
    assert ran.code == 0, ran.err
    assert made["line-3"] in ran.out
    assert made["line-3"].upper() not in ran.out
    owned = json.dumps(state(folder))
    assert made["line-3"] in owned
    assert made["line-3"].upper() not in owned
    ran = run("import", "Campaign/line-3", made["line-3"].upper())
    assert (ran.code, json.dumps(state(folder))) == (0, owned), "it is that campaign already"
    ran = run("import", "PackageSet/firmware", made["firmware.bin"].upper())
    assert ran.code == 0, ran.err
    assert made["firmware.bin"] in json.dumps(state(folder))
