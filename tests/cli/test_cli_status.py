"""`status` over TCP: what it reads, shows and answers."""

import json
from collections import Counter

import pytest
from jsonschema import Draft202012Validator

from reconciler.validation.schemas import schema


def document(world, *arguments: str):
    ran = world.run("status", "resources", "--output", "json", *arguments)
    made = json.loads(ran.out)
    Draft202012Validator(schema("status")).validate(made)
    return ran.code, made


@pytest.fixture
def line_3(world) -> str:
    campaign_id = world.id_of("line-3")
    world.server.forget_calls()
    return campaign_id


def test_one_state_stands_in_the_row_and_several_get_a_bar(world, line_3):
    plain = world.run("status", "resources").out.splitlines()
    assert len(plain) == 4
    assert plain[3].split() == [
        "Campaign/line-3",
        "line-3",
        line_3,
        "STARTED",
        "3",
        "INSTANTIATED",
        "in",
        "sync",
    ]
    world.put(line_3, "gw-1", state="ACTIVATION_COMPLETE")
    world.put(line_3, "gw-2", state="WAITING_FOR_DOWNLOAD")
    row, bar = world.run("status", "resources").out.splitlines()[3:]
    assert row.split()[3:] == ["STARTED", "3", "in", "sync"]
    assert bar == (
        f"  {'█' * 10}{'▒' * 10}{'░' * 10}  33 % done"
        "  INSTANTIATED 1, WAITING_FOR_DOWNLOAD 1, ACTIVATION_COMPLETE 1"
    )


def test_a_terminal_without_blocks_gets_letters(world, line_3, process):
    world.put(line_3, "gw-1", state="FAILED")
    out = process("status", "resources", PYTHONIOENCODING="ascii").out
    assert f"  {'.' * 20}{'x' * 10}  0 % done" in out
    assert "no cause is told (1): gw-1" in out


def test_failures_with_their_causes(world, line_3):
    for gateway, cause in (
        ("gw-1", "checksum mismatch"),
        ("gw-2", "checksum mismatch"),
        ("gw-3", "no power"),
    ):
        world.put(line_3, gateway, state="FAILED", causedBy=cause)
    world.server.forget_calls()
    lines = world.run("status", "resources").out.splitlines()
    assert lines[4:] == [
        "  failed: checksum mismatch (2): gw-1, gw-2",
        "  failed: no power (1): gw-3",
    ]
    assert Counter(world.operations())["get-gateway-status"] == 3
    _, made = document(world)
    assert made["campaigns"][0]["gateways"]["failures"] == [
        {"cause": "checksum mismatch", "gateways": ["gw-1", "gw-2"]},
        {"cause": "no power", "gateways": ["gw-3"]},
    ]
    assert made["summary"] | {"failed": 3, "pending": 0, "final": True} == made["summary"]


def test_only_so_many_are_asked_why(world, line_3, monkeypatch):
    monkeypatch.setattr("reconciler.app.overview.CAUSES", 1)
    for gateway in ("gw-1", "gw-2", "gw-3"):
        world.put(line_3, gateway, state="FAILED", causedBy="x")
    world.server.forget_calls()
    assert world.run("status", "resources").out.splitlines()[4:] == [
        "  failed: x (1): gw-1",
        "  failed: 2 more, not asked why",
    ]
    assert Counter(world.operations())["get-gateway-status"] == 1


def test_gateways_are_listed_failed_ones_first(world, line_3):
    package = world.api("GET", f"/api/campaigns/{line_3}")["packages"]["packages"][0]
    world.put(line_3, "gw-2", state="SCHEDULED_DOWNLOAD", downloaded={package: 6}, executed=["one", "two"])
    world.put(line_3, "gw-3", state="FAILED", causedBy="no power")
    world.run("gateway", "close", "line-3", "gw-1", "--auto-approve")
    lines = world.run("status", "resources", "--gateways").out.splitlines()
    at = lines.index("Gateways of Campaign/line-3")
    assert lines[at - 2 : at] == ["  closed: 1", ""]
    assert [line.split()[:2] for line in lines[at + 2 :]] == [
        ["gw-3", "FAILED"],
        ["gw-2", "SCHEDULED_DOWNLOAD"],
        ["gw-1", "INSTANTIATED"],
    ]
    assert lines[at + 3].split()[3:] == ["75", "%", "two", "-"]
    assert "INSTANTIATED (closed)" in lines[at + 4]
    world.server.forget_calls()
    limited = world.run("status", "resources", "--gateways", "--limit", "2").out.splitlines()
    assert limited[-1] == "and 1 more (--limit)"
    assert Counter(world.operations())["get-gateway-status"] == 2, "a failed one is asked once"
    _, made = document(world, "--gateways", "--limit", "2")
    assert [one["gateway"] for one in made["campaigns"][0]["gateways"]["listed"]] == ["gw-3", "gw-2"]


def test_reading_is_bounded_and_nothing_is_written(world, line_3):
    assert world.run("status", "resources").code == 0
    reads = {"/api/versions": 1, "get-campaign": 1, "list-gateways": 1}
    # Each list once, to see whether something is there twice.
    lists = {"list-campaigns": 1, "list-packages": 1}
    assert Counter(world.operations()) == reads | lists


def test_a_campaign_without_declared_gateways_has_its_members_read(world, line_3):
    path = world.folder / "resources" / "line.yaml"
    path.write_text(path.read_text().replace("  gatewayLists: [hall]\n", ""))
    assert world.run("plan", "resources").code == 0
    assert "list-gateways" not in world.operations(), "a plan has no need to know"
    assert "3 INSTANTIATED" in world.run("status", "resources").out
    assert Counter(world.operations())["list-gateways"] == 1


def test_what_is_no_longer_declared(world, line_3):
    (world.folder / "resources" / "line.yaml").write_text(
        "apiVersion: reconciler/v1\nkind: GatewayList\nmetadata: {name: hall}\nspec: {gateways: [gw-1]}\n"
    )
    row = world.run("status", "resources").out.splitlines()[3]
    assert row.split()[3:] == ["STARTED", "3", "INSTANTIATED", "no", "longer", "declared"]
    code, made = document(world)
    assert (code, made["campaigns"][0]["inSync"]) == (0, False)
    world.api("PUT", f"/api/campaigns/{line_3}/stop", {"campaignId": line_3})
    world.api("DELETE", f"/api/campaigns/{line_3}")
    assert "not on the server, no longer declared" in world.run("status", "resources").out
    _, made = document(world)
    assert made["campaigns"][0]["gateways"] is None


def test_what_is_not_there_yet_or_not_ours(world, line_3):
    path = world.folder / "resources" / "line.yaml"
    path.write_text(path.read_text().replace("metadata: {name: line-3}", "metadata: {name: line-4}"))
    (world.folder / ".reconciler" / "state.json").unlink()
    assert "not on the server" in world.run("status", "resources").out
    path.write_text(path.read_text().replace("metadata: {name: line-4}", "metadata: {name: line-3}"))
    code, made = document(world)
    assert (code, made["campaigns"][0]["state"], made["campaigns"][0]["ids"]) == (0, "not ours", [line_3])


def test_what_goes_while_it_is_looked_at(world, line_3):
    world.put(line_3, "gw-1", state="FAILED")
    world.proxy.tell("get-gateway-status", status=404)
    assert "failed: 1 more, not asked why" in world.run("status", "resources").out
    world.proxy.tell("get-gateway-status", status=403)
    assert world.run("status", "resources").code == 1
    path = world.folder / "resources" / "line.yaml"
    path.write_text(path.read_text().replace("  gatewayLists: [hall]\n", ""))
    world.proxy.tell("list-gateways", status=404)
    assert world.run("status", "resources").out.splitlines()[3].split()[4] == "-"
    world.proxy.tell("list-gateways", status=403, body=b"no")
    ran = world.run("status", "resources", "--output", "json")
    assert ran.code == 1
    assert json.loads(ran.out)["findings"][0]["message"] == f"GET /api/campaigns/{line_3}/devices: 403 no"


def test_watch_ends_at_once_when_nothing_more_comes(world, line_3):
    for gateway in ("gw-1", "gw-2", "gw-3"):
        world.put(line_3, gateway, state="ACTIVATION_COMPLETE")
    ran = world.run("status", "resources", "--watch")
    assert ran.out.splitlines() == [
        f"Server: {world.proxy.url}",
        "Campaign/line-3: STARTED, 100 % of 3 gateways done (ACTIVATION_COMPLETE 3), in sync",
    ]


def test_an_outage_after_the_first_look_is_said_and_waited_for(world, line_3, monkeypatch):
    from reconciler.app import overview
    from reconciler.errors import Unclear

    looks = iter([None, Unclear("cut", request="GET /x"), None])
    look = overview.Overview.look

    async def failing(self, options):
        if error := next(looks):
            raise error
        if self.job.desired.campaigns and options.refresh_recorded:
            for gateway in ("gw-1", "gw-2", "gw-3"):
                world.put(line_3, gateway, state="ACTIVATION_COMPLETE")
        return await look(self, options)

    monkeypatch.setattr(overview.Overview, "look", failing)
    ran = world.run("status", "resources", "--watch", "--interval", "0.01")
    assert (ran.code, ran.err) == (0, "warning: GET /x: cut; looking again\n")
    assert "100 % of 3 gateways" in ran.out.splitlines()[-1]


def test_nothing_declared(run, folder):
    (folder / "resources" / "line.yaml").write_text("")
    ran = run("status", "resources")
    assert (ran.code, ran.out.splitlines()[2]) == (0, "No campaign is declared or owned.")


def test_documents_are_written_when_they_differ(capsys):
    from reconciler.cli.flags import Flags
    from reconciler.cli.status import Documents
    from reconciler.model import Server
    from reconciler.plan.model import Plan
    from reconciler.report.statuses import StatusReport

    viewer = Documents(Flags(), watch=True)
    for url in ("a", "a", "b"):
        viewer.show(StatusReport(Plan(Server("pulse", url)), ()))
    said = [json.loads(line)["server"]["url"] for line in capsys.readouterr().out.splitlines()]
    assert said == ["a", "b"]
