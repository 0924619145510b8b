"""Exactly the calls that are needed, counted where they arrive."""

from collections import Counter
from typing import Any

from e2e_runs import RESOURCES, WHOLE_WAY, Live, Workplace

PROJECT = """\
apiVersion: reconciler/v1
kind: Project
metadata: {name: plant}
spec:
  resources: [resources.yaml]
  server: {batchSize: 40}
"""

READS = ["versions", "list-campaigns", "get-campaign", "list-gateways", "list-packages"]
"""What a look at an owned campaign takes."""


def calls_of_apply(place: Workplace, live: Live) -> tuple[list[str], list[str]]:
    """The reads before the first write, and the writes."""
    live.forget()
    ran = place.run("apply", "--auto-approve")
    assert ran.code == 0, ran
    seen = live.operations()
    writes = live.writes()
    return seen[: seen.index(writes[0])] if writes else seen, writes


def test_exactly_these_calls(place: Workplace, live: Live) -> None:
    (place.folder / "reconciler.yaml").write_text(PROJECT)
    planned = place.run("plan")
    assert planned.code == 0
    assert live.operations() == ["versions", "list-campaigns"], "an empty server is asked once for each kind"
    reads, writes = calls_of_apply(place, live)
    # Before an upload: who holds that content already? What comes later is then known to be ours.
    assert (reads, writes) == (["versions", "list-campaigns", "list-packages"], WHOLE_WAY)

    more = ", ".join(f"gw-{n}" for n in range(10, 100))
    # Before a removal: who put the gateways there? And before a stop: is it still ours to stop?
    whose, running = ["get-distribution-list"], ["get-campaign"]
    edit_started = ["stop-campaign", "edit-campaign", "start-campaign"]
    three = "description: Line C\n  name: Line three"
    for what, old, new, extra, expected in [
        ("the description of a started one", "Line 3", "Line A", running, edit_started),
        ("one gateway less", "gw-2, gw-3]", "gw-3]", whose, ["remove-gateways"]),
        ("90 more with a batchSize of 40", "gw-3]", f"gw-3, {more}]", [], ["add-gateways"] * 3),
        ("STOPPED", "desiredStatus: STARTED", "desiredStatus: STOPPED", running, ["stop-campaign"]),
        ("the description of a stopped one", "Line A", "Line B", [], ["edit-campaign"]),
        ("two fields", "description: Line B", three, [], ["edit-campaign"]),
        ("a comment", "kind: Campaign\n", "kind: Campaign # of line 3\n", [], []),
        ("a field that is no longer managed", "  description: Line C\n", "", [], []),
    ]:
        place.edit(old, new)
        reads, writes = calls_of_apply(place, live)
        assert (Counter(reads), writes) == (Counter(READS + extra), expected), what

    live.forget()
    assert place.empty()
    assert sorted(live.operations()) == sorted(READS)
    (line,) = live.campaigns()
    campaign = live.call("GET", f"/api/campaigns/{line['id']}")
    assert (campaign["name"], campaign["description"], campaign["status"]) == (
        "Line three",
        "Line C",
        "STOPPED",
    )
    assert live.gateways(line["id"]) == {"gw-1", "gw-3"} | {f"gw-{n}" for n in range(10, 100)}


def test_a_field_left_out_keeps_its_live_value_through_every_edit(place: Workplace, live: Live) -> None:
    settings = "  settings: {channel: stable}\n"
    (place.folder / "resources.yaml").write_text(RESOURCES + settings)
    place.apply()
    (line,) = live.campaigns()
    before = look(live, line["id"])
    assert before["settings"] == {"channel": "stable"}
    assert (before["description"], len(before["packages"]), before["gateways"]) == (
        "Line 3",
        1,
        {"gw-1", "gw-2", "gw-3"},
    )
    for old, new, changed in [
        ("  description: Line 3\n", "  name: Line three\n", {"name": "Line three"}),
        ("  packageSet: firmware\n", "", {}),
        ("  gatewayLists: [hall]\n", "", {}),
        ("  desiredStatus: STARTED\n", "", {}),
        ("  name: Line three\n", "", {"name": "line-3"}),  # what it is called when nothing says so
    ]:
        place.edit(old, new)
        place.apply()
        before |= changed
        assert look(live, line["id"]) == before


def look(live: Live, campaign_id: str) -> dict[str, Any]:
    """All that can be managed of a campaign, written only and other."""
    shown = live.call("GET", f"/api/campaigns/{campaign_id}")
    hidden = live.call("GET", f"/_embedded/campaigns/{campaign_id}")
    return {
        **{key: shown[key] for key in ("name", "description", "packages", "status")},
        "settings": hidden["settings"],
        "gateways": live.gateways(campaign_id),
    }
