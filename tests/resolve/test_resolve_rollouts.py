"""Calendars, rollout policies, and the rollouts of campaigns."""

import pytest

from reconciler.model import (
    Budget,
    DailyWindow,
    Gate,
    OneFreeze,
    Share,
    YearlyFreeze,
)

HOUR = 3_600_000
POLICY = """
waves:
  - {name: canary, gatewayLists: [canary], soak: 24h}
  - {upTo: 1.5%, gate: {maxFailed: 3}}
  - {name: half, upTo: 50%, approval: true}
  - {name: rest}
gate: {minSuccessPercent: 80}
soak: 2h
deadline: 7d
disruptionBudget: {maxUnavailable: 2}
onFailure: stop
"""


def campaign(folder, rollout: str = "{policy: careful}", more: str = "") -> None:
    folder.resource("GatewayList", "line", f"gateways: [{', '.join(f'gw-{n}' for n in range(200))}]")
    folder.resource("GatewayList", "canary", "gateways: [gw-3, stranger]")
    folder.resource("Campaign", "c", f"gatewayLists: [line]\nrollout: {rollout}\n{more}")


def test_a_policy_becomes_the_waves_of_a_campaign(folder) -> None:
    folder.resource("RolloutPolicy", "careful", POLICY)
    campaign(folder, "{policy: careful, approved: half, paused: true}")
    rollout = folder.campaign().rollout
    canary, small, half, rest = rollout.waves
    assert (rollout.policy, rollout.seed, rollout.approved, rollout.paused) == ("careful", "c", 3, True)
    assert (canary.candidates, canary.soak, canary.share) == ({"gw-3", "stranger"}, 24 * HOUR, Share())
    assert (small.name, small.share, small.soak) == ("wave-2", Share(thousandths=1500), 2 * HOUR)
    assert small.gate == Gate(80.0, 20.0, 20, 3)
    assert (half.approval, half.gate) == (True, Gate(80.0, 20.0))
    assert rest.deadline == 7 * 24 * HOUR
    assert rollout.budget == Budget(2)
    assert rollout.on_failure == "stop"


def test_a_rollout_knows_its_gateways_by_a_digest(folder) -> None:
    """Of each list, in their order: the same on every machine, and another with other gateways."""
    folder.resource("RolloutPolicy", "careful", "waves: [{}]")
    folder.resource("Campaign", "c", "gatewayLists: [line, more]\nrollout: {policy: careful}")
    folder.resource("GatewayList", "more", "gateways: [gw-3]")
    digests = []
    for spec in (
        "gateways: [gw-1, gw-2]",
        "file: ids.txt",
        "gateways: [gw-1]\nfile: two.txt",
        "gateways: [gw-1]",
        "gateways: [gw-1, gw-22]",
        "gateways: [gw-1gw-2]",
    ):
        folder.put("ids.txt", "# ours\ngw-1\n\ngw-2 # the other\n")
        folder.put("two.txt", "gw-2\n")
        folder.resource("GatewayList", "line", spec)
        found = folder.campaign()
        assert found.rollout.listed.gateways is found.gateways
        digests.append(found.rollout.listed.digest)
    assert digests[0] == digests[1] == digests[2]
    assert len(set(digests)) == 4


def test_without_a_policy_no_list_is_digested(folder) -> None:
    folder.resource("GatewayList", "line", "gateways: [gw-1]")
    folder.resource("Campaign", "c", "gatewayLists: [line]")
    assert folder.campaign().rollout is None


def test_columns_of_data_files_choose_gateways(folder) -> None:
    folder.put("line.csv", "gatewayId,site,ring,unused\na,berlin,1,x\nb,hamburg,1,x\nc,berlin,2,x\nd,,1,x\n")
    folder.resource("GatewayList", "line", "file: line.csv")
    folder.resource(
        "RolloutPolicy",
        "careful",
        """
waves:
  - {where: {site: [berlin, paris], ring: 1}}
  - {where: {ring: 1}}
  - {}
disruptionBudget: {maxUnavailable: 10%, groupBy: site}
""",
    )
    folder.resource("Campaign", "c", "gatewayLists: [line]\nrollout: {policy: careful}")
    rollout = folder.campaign().rollout
    assert [wave.candidates for wave in rollout.waves] == [{"a"}, {"a", "b", "d"}, None]
    assert rollout.budget == Budget(None, 10_000, {"berlin": {"a", "c"}, "hamburg": {"b"}})


def test_a_calendar_of_a_zone(folder) -> None:
    folder.resource(
        "Calendar",
        "nights",
        """
timezone: Europe/Berlin
windows:
  - {days: [fri, sat], from: "22:00", to: "04:00"}
  - {from: 12:30, to: "24:00"}
freezes:
  - {name: year end, yearly: {from: 12-18, to: 01-06}}
  - {begin: 2027-03-01T00:00, end: 2027-03-08T00:00+01:00}
""",
    )
    folder.resource("RolloutPolicy", "careful", "waves: [{}]\ncalendar: nights")
    campaign(folder)
    (calendar,) = folder.campaign().rollout.calendars
    assert calendar.windows == (
        DailyWindow(22 * 60, 4 * 60, frozenset({4, 5})),
        DailyWindow(12 * 60 + 30, 24 * 60),
    )
    assert calendar.freezes == (
        YearlyFreeze((12, 18), (1, 6), "year end"),
        OneFreeze(1_803_855_600_000, 1_804_460_400_000),
    )


def test_a_calendar_of_gateways_takes_the_zone_of_each(folder) -> None:
    folder.resource("Calendar", "nights", "timezone: gateway")
    folder.resource("RolloutPolicy", "careful", "waves: [{}]\ncalendar: nights")
    folder.put("far.csv", "gatewayId,timezone\na,Asia/Tokyo\nb,\n")
    folder.resource("GatewayList", "far", "file: far.csv\ngateways: [c]\ntimezone: America/Lima")
    folder.resource("GatewayList", "near", "gateways: [d]\ntimezone: Europe/Berlin")
    folder.resource("Campaign", "c", "gatewayLists: [far, near]\nrollout: {policy: careful}")
    assert folder.campaign().rollout.zones == {
        "Asia/Tokyo": {"a"},
        "America/Lima": {"b", "c"},
        "Europe/Berlin": {"d"},
    }


@pytest.mark.parametrize(
    ("kind", "spec", "code", "line", "column"),
    [
        ("Calendar", "timezone: Europe/Belrin", "unknown-timezone", 5, 13),
        ("Calendar", 'timezone: UTC\nwindows: [{from: "22:00", to: "22:00"}]', "window-empty", 6, 33),
        ("Calendar", "timezone: UTC\nwindows: []", "never-open", 6, 12),
        ("Calendar", "timezone: UTC\nfreezes: [{yearly: {from: 02-30, to: 03-01}}]", "time-format", 6, 29),
        (
            "Calendar",
            "timezone: UTC\nfreezes: [{begin: 2027-01-02T00:00, end: 2027-01-01T00:00}]",
            "freeze-backwards",
            6,
            44,
        ),
        (
            "Calendar",
            "timezone: gateway\nfreezes: [{begin: 2027-01-02T00:00, end: 2027-01-03T00:00Z}]",
            "time-without-zone",
            6,
            21,
        ),
        ("RolloutPolicy", "waves: [{name: a, upTo: 1}, {name: a}]", "wave-name-twice", 5, 38),
        ("RolloutPolicy", "waves: [{gateways: [a], where: {b: c}}]", "wave-selector", 5, 34),
        ("RolloutPolicy", "waves: [{upTo: 10%}, {upTo: 5%}]", "wave-shrinks", 5, 31),
        ("RolloutPolicy", "waves: [{upTo: 10}, {upTo: 10}]", "wave-shrinks", 5, 30),
        ("RolloutPolicy", "waves: [{}, {upTo: 5}]", "wave-shrinks", 5, 22),
    ],
)
def test_what_is_wrong_is_found_where_it_stands(
    folder, kind: str, spec: str, code: str, line: int, column: int
) -> None:
    folder.resource(kind, "x", spec)
    finding = folder.finding()
    assert finding.code == code
    assert (finding.place.line, finding.place.column) == (line, column)
    assert finding.hint


@pytest.mark.parametrize(
    ("waves", "rollout", "more", "code"),
    [
        ("[{}]", "{policy: careful, approved: haf}", "", "unknown-wave"),
        ("[{}]", "{policy: careful, approved: 2}", "", "unknown-wave"),
        ("[{upTo: 5}]", "{policy: careful}", "", "rollout-partial"),
        ("[{where: {site: a}}, {}]", "{policy: careful}", "", "unknown-column"),
        ("[{gateways: [nobody]}, {}]", "{policy: careful}", "", "canary-not-members"),
        ("[{upTo: 200}, {}]", "{policy: careful}", "", "wave-empty"),
        (
            "[{}]",
            "{policy: careful}",
            "distributionList: {distributionListId: d, reevaluationIntervalSeconds: 60}",
            "rollout-with-distribution-list",
        ),
    ],
)
def test_a_policy_and_a_campaign_go_together(folder, waves: str, rollout: str, more: str, code: str) -> None:
    folder.resource("RolloutPolicy", "careful", f"waves: {waves}")
    campaign(folder, rollout, more)
    found = {finding.code: finding for finding in folder.resolve().findings}
    assert code in found
    assert found[code].hint


def test_a_rollout_needs_lists(folder) -> None:
    folder.resource("RolloutPolicy", "careful", "waves: [{}]")
    folder.resource("Campaign", "c", "rollout: {policy: careful}")
    assert folder.finding().code == "rollout-without-lists"


def test_gateways_without_a_zone_and_of_two_zones_are_named(folder) -> None:
    folder.resource("Calendar", "nights", "timezone: gateway")
    folder.resource("RolloutPolicy", "careful", "waves: [{}]\ncalendar: nights")
    folder.resource("GatewayList", "one", "gateways: [a, b]\ntimezone: Europe/Berlin")
    folder.resource("GatewayList", "other", "gateways: [b]\ntimezone: Asia/Tokyo")
    folder.resource("GatewayList", "third", "gateways: [z]")
    folder.resource("Campaign", "c", "gatewayLists: [one, other, third]\nrollout: {policy: careful}")
    found = {finding.code: finding for finding in folder.resolve().findings}
    assert set(found) == {"timezone-conflict", "timezone-missing"}
    assert "gateway `b`" in found["timezone-conflict"].message
    assert "gatewaylist-one.yaml" in (found["timezone-conflict"].hint or "")
    assert "first `z`" in found["timezone-missing"].message


def test_a_policy_that_isnt_there_dangles(folder) -> None:
    campaign(folder, "{policy: missing}")
    assert [finding.code for finding in folder.every_finding()] == ["dangling-reference"]


@pytest.mark.parametrize(("said", "joins"), [("", "direct"), ("joinWhileStarted: pause", "pause")])
def test_waves_join_a_running_campaign_without_a_stop(folder, said: str, joins: str) -> None:
    folder.resource("RolloutPolicy", "careful", "waves: [{}]")
    campaign(folder, more=said)
    (found,) = folder.resolve().desired.campaigns
    assert found.joining == joins
    assert [each.code for each in folder.every_finding()] == (["rollout-pauses"] if said else [])


def test_who_joins_without_a_rollout_stops_the_campaign(folder) -> None:
    folder.resource("GatewayList", "line", "gateways: [gw-1]")
    folder.resource("Campaign", "c", "gatewayLists: [line]")
    assert folder.campaign().joining == "pause"
