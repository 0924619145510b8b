"""Exit 5 by real runs: the server sees no write and the state stays as it is, until each guard is waived."""

import json

import pytest
from e2e_runs import Live, Workplace

WAIVERS = (
    *("--waive", "maxInFlightInterrupted", "--reason", "night shift"),
    *("--waive", "allowEmpty", "--reason", "moved"),
    *("--waive", "maxGatewaysRemovedPercent", "--reason", "all of them"),
)


@pytest.fixture
def busy(place: Workplace, live: Live) -> Workplace:
    """A campaign in the middle of an update, that is to be emptied and edited."""
    place.apply()
    (campaign,) = live.campaigns()
    for gateway in ("gw-1", "gw-2"):
        path = f"/_embedded/campaigns/{campaign['id']}/devices/{gateway}"
        live.call("PUT", path, {"state": "WAITING_FOR_EXECUTION"})
    place.edit("gateways: [gw-1, gw-2, gw-3]", "gateways: []")
    place.edit("description: Line 3", "description: Line three")
    live.forget()
    return place


@pytest.mark.parametrize("output", ["text", "json", "markdown"])
def test_5_and_no_write_whatever_the_form(busy: Workplace, live: Live, output: str) -> None:
    before = busy.kept()
    ran = busy.run("apply", "--auto-approve", "resources.yaml", "--output", output)
    assert (ran.code, ran.err) == (5, "")
    assert live.writes() == []
    assert busy.kept() == before
    for guard in ("maxInFlightInterrupted", "allowEmpty"):
        assert guard in ran.out, "all of them at once"
    if output == "json":
        made = json.loads(ran.out)
        assert (made["summary"]["exitCode"], made["outcomes"]) == (5, [])
        assert [(g["guard"], g["found"], g["limit"]) for g in made["guards"]] == [
            ("maxGatewaysRemovedPercent", 3, 0),
            ("maxInFlightInterrupted", 2, 0),
            ("allowEmpty", 3, 0),
        ]


def test_waived_one_by_one(busy: Workplace, live: Live) -> None:
    assert busy.run("plan", "resources.yaml", "--detailed-exitcode").code == 2
    one = busy.run("apply", "--auto-approve", "resources.yaml", *WAIVERS[:4])
    assert one.code == 5
    assert "Waived: night shift" in one.out
    assert live.writes() == []
    every = busy.run("apply", "--auto-approve", "resources.yaml", *WAIVERS)
    assert every.code == 0, every
    assert live.writes() == ["stop-campaign", "edit-campaign", "remove-gateways", "start-campaign"]
    assert "Waived: moved" in every.out
    assert busy.empty()
    needless = busy.run("apply", "--auto-approve", "resources.yaml", *WAIVERS)
    assert (needless.code, needless.out.count("note[waiver-not-needed]")) == (0, 3)


def test_64_for_a_waiver_that_can_not_be_meant(busy: Workplace, live: Live) -> None:
    ran = busy.run("apply", "--auto-approve", "resources.yaml", "--waive", "allowempty", "--reason", "moved")
    assert (ran.code, ran.out) == (64, "")
    assert "there is no guard 'allowempty' (did you mean allowEmpty?)" in ran.err
    assert live.operations() == [], "before anything is asked"
