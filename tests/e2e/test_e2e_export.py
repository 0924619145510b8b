"""200 campaigns that somebody made by other means become a repository that adopts them; then import."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from e2e_runs import TOKEN, Live, Workplace

from reconciler.embedded import Running
from tests.e2e.e2e_forks import Forks

CAMPAIGNS = 200
PROJECT = """\
apiVersion: reconciler/v1
kind: Project
metadata: {name: plant}
spec: {resources: [live], server: {engine: aiohttp}}
"""


def write(live: Live, method: str, path: str, **body: Any) -> Any:
    return live.call(method, path, body)


def upload(live: Live, name: str) -> str:
    import urllib.request

    headers = {
        "Authorization": f"Bearer {TOKEN}",
        "Content-Type": "application/octet-stream",
        "Content-Disposition": f'attachment; filename="{name}"',
    }
    url = f"{live.url}/api/programs/?description=by+hand"
    with urllib.request.urlopen(urllib.request.Request(url, name.encode(), headers, method="POST")) as answer:
        made: str = json.load(answer)["uuid"]
        return made


def create(live: Live, name: str, packages: list[str], gateways: list[str], description: str = "") -> str:
    key: str = write(live, "POST", "/api/campaigns", name=name, description=description, packages=packages)[
        "uuid"
    ]
    if gateways:
        write(live, "POST", f"/api/campaigns/{key}/devices", campaignId=key, gatewayIds=gateways)
    return key


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory, forks: Forks) -> Iterator[tuple[Workplace, Live]]:
    """A server that grew by hand, and a project that declares nothing of it yet."""
    with Running(token=TOKEN, record=True) as running:
        live = Live(running)
        packages = [upload(live, f"firmware {number}.bin") for number in range(6)]
        hall = [f"gw-{number:03}" for number in range(51)]
        for number in range(CAMPAIGNS):
            name = ["Line {}", "line-{}", "Größe: {} #x", "{}", "yes {}"][number % 5].format(number)
            if number in (40, 41):
                name = "twice"
            members = hall[: number % 4] if number % 100 else hall
            chosen = packages[number % 3 : number % 3 + number % 4]
            key = create(live, name, chosen, members, "a\nb: c" if number % 7 == 0 else "")
            if number % 20 == 5 and members:
                path = f"/api/campaigns/{key}/devices/{members[0]}"
                ids = {"campaignId": key, "gatewayId": members[0]}
                write(live, "PUT", f"{path}/packages", **ids, packages=[packages[5]])
            if number % 20 == 7:
                write(live, "PUT", f"/api/campaigns/{key}/devices/{members[1]}/close", campaignId=key)
            if number % 25 == 3:
                write(
                    live,
                    "PUT",
                    f"/api/campaigns/{key}/distribution-list",
                    campaignId=key,
                    distributionListId=f"dl {number}",
                    reevaluationIntervalSeconds=60,
                )
            if number % 3 == 0:
                write(live, "PUT", f"/api/campaigns/{key}/start")
            if number % 6 == 0:
                write(live, "PUT", f"/api/campaigns/{key}/stop")
        place = Workplace(
            tmp_path_factory.mktemp("grown") / "work",
            {"RECONCILER_URL": live.url, "RECONCILER_TOKEN": TOKEN},
            [TOKEN],
            start=forks,
        )
        (place.folder / "resources.yaml").unlink()
        (place.folder / "reconciler.yaml").write_text(PROJECT)
        (place.folder / "live").mkdir()
        yield place, live


def files(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_two_hundred_campaigns_by_hand_become_a_repository(grown: tuple[Workplace, Live]) -> None:
    place, live = grown
    live.forget()
    ran = place.run("export", "--out", "live")
    assert ran.code == 0, ran.err
    assert "Exported to live: 198 campaigns, " in ran.out
    assert ran.out.count("warning[not-exported]: 2 campaigns are called 'twice'; left out: ") == 1
    seen = Counter(live.operations())
    members = seen.pop("get-gateway-packages")
    # A page has 500 rows: each list is one request, and of each campaign there are three.
    each = {"get-campaign": 198, "list-gateways": 198, "get-distribution-list": 198}
    assert seen == {"versions": 1, "list-campaigns": 1, "list-packages": 1, **each}
    assert members == sum(
        len(live.gateways(line["id"])) for line in live.campaigns() if line["name"] != "twice"
    ) - sum(1 for number in range(CAMPAIGNS) if number % 20 == 7)

    tree = files(place.folder / "live")
    valid = place.run("validate", "--output", "json")
    assert (valid.code, json.loads(valid.out)["findings"]) == (0, [])
    planned = place.run("plan", "--adopt", "--detailed-exitcode", "--output", "json")
    plan = json.loads(planned.out)
    assert (planned.code, plan["steps"], plan["findings"]) == (0, [], [])
    assert not [call for call in live.writes() if call != "sign-in"]

    adopted = place.run("apply", "--adopt", "--auto-approve")
    assert adopted.code == 0, adopted
    assert live.writes() == []
    assert place.run("plan", "--detailed-exitcode").code == 0
    assert place.run("export", "--out", "live").code == 0
    assert files(place.folder / "live") == tree

    # Of two with one name, a person says which is which.
    (line, _) = [line for line in live.campaigns() if line["name"] == "twice"]
    (place.folder / "live/mine.yaml").write_text(
        "apiVersion: reconciler/v1\nkind: Campaign\nmetadata: {name: mine}\nspec: {description: mine now}\n"
    )
    imported = place.run("import", "Campaign/mine", line["id"])
    assert imported.code == 0, imported
    assert f'Campaign/mine is campaign {line["id"]}, "twice", from now on.' in imported.out
    assert "edit-campaign" in imported.out
    assert live.writes() == []
    # It may have settings that nobody declares, and an edit could wipe them.
    only = ("apply", "--auto-approve", "--target", "Campaign/mine")
    assert place.run(*only).code == 5
    waived = place.run(*only, "--waive", "mayLoseSettings", "--reason", "it has none")
    assert waived.code == 0, waived
    assert live.writes() == ["edit-campaign"]
    assert live.call("GET", f"/api/campaigns/{line['id']}")["name"] == "mine"


def test_an_edited_file_is_not_written_over(grown: tuple[Workplace, Live], tmp_path: Path) -> None:
    place, live = grown
    out = tmp_path / "out"
    assert place.run("export", "--out", str(out), "--name", "line-1", "--name", "Line 1?").code == 0
    before = files(out)
    edited = out / "campaigns/line-1.yaml"
    edited.write_text(edited.read_text().replace("spec:", "spec:\n  settings: {A: b}"))
    mine = edited.read_text()
    refused = place.run("export", "--out", str(out), "--name", "line-1")
    assert refused.code == 1
    assert "campaigns/line-1.yaml; nothing was written" in refused.said
    assert "--force" in refused.said
    looked = place.run("export", "--out", str(out), "--name", "line-1", "--dry-run")
    assert looked.code == 0
    assert "  in the way, made or changed by somebody: campaigns/line-1.yaml\n" in looked.out
    assert edited.read_text() == mine
    forced = place.run("export", "--out", str(out), "--name", "line-1", "--force")
    assert forced.code == 0
    assert "1 changed" in forced.out
    assert files(out) == before
    none = place.run("export", "--out", str(out), "--name", "nobody-*")
    assert none.code == 1
    assert "no campaign's name matches 'nobody-*'" in none.said
    assert live.writes().count("edit-campaign") <= 1
