"""Rules between the parts of one campaign."""

import pytest

from reconciler.model import (
    Place,
    Severity,
    several,
)
from reconciler.resolve.ids import MOST


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        ("{gatewayLists: [a], packageSet: p}", "{gatewayLists: [ab], packageSet: q}", "gateway `a3`"),
        (
            "{gatewayLists: [a], packageSet: p}",
            "{gatewayLists: [a], packageSet: q}",
            "gateway `a1` and 2 more",
        ),
        ("{gateways: [a1, b1], packageSet: p}", "{gateways: [b1], packageSet: q}", "gateway `b1`"),
        ("{gatewayLists: [a], packageSet: p}", "{gatewayLists: [a], packageSet: same}", None),
        ("{gatewayLists: [a], packageSet: p}", "{gatewayLists: [b], packageSet: q}", None),
        ("{gatewayLists: [a], packageSet: p}", "{gateways: [], packageSet: q}", None),
    ],
)
def test_two_overrides_for_one_gateway(parts, first: str, second: str, said: str | None) -> None:
    parts.resource("Campaign", "c", f"packageOverrides:\n- {first}\n- {second}")
    if said is None:
        assert parts.campaign().overrides
        return
    finding = parts.finding()
    assert (finding.code, finding.place) == ("override-overlap", Place("campaign-c.yaml", 7, 5))
    assert finding.message == f"{said} would get other packages by the override at campaign-c.yaml:6:5"


def test_each_pair_of_overrides_is_one_finding(parts) -> None:
    parts.resource(
        "Campaign",
        "c",
        """
packageOverrides:
- {gatewayLists: [a], packageSet: p}
- {gatewayLists: [b], packageSet: p}
- {gatewayLists: [ab], packageSet: q}
""",
    )
    findings = parts.resolve().findings
    assert sorted(finding.message.rpartition(" ")[2] for finding in findings) == [
        "campaign-c.yaml:6:5",
        "campaign-c.yaml:7:5",
    ]
    assert {finding.place for finding in findings} == {Place("campaign-c.yaml", 8, 5)}


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        ("{schedule: days, gatewayLists: [a]}", "{schedule: nights, gatewayLists: [ab]}",
         "gateway `a3` would get download"),
        ("{schedule: nights, gatewayLists: [a]}", "{schedule: nights, gatewayLists: [a]}",
         "gateway `a1` and 2 more would get download and execution"),
        ("{schedule: days}", "{schedule: nights}", "every gateway would get download"),
        ("{schedule: days}", "{schedule: nights, gatewayLists: [b]}", "gateway `b1` and 1 more would get"),
        ("{schedule: days, gatewayLists: [b]}", "{schedule: nights}", "gateway `b1` and 1 more would get"),
        ("{schedule: days}", "{schedule: nights, gatewayLists: [none]}", None),
        ("{schedule: days, gatewayLists: [a]}", "{schedule: nights, gatewayLists: [b]}", None),
    ],
)  # fmt: skip
def test_two_schedules_for_one_phase_of_a_gateway(parts, first: str, second: str, said: str | None) -> None:
    parts.resource("Campaign", "c", f"schedules:\n- {first}\n- {second}")
    if said is None:
        assert len(parts.campaign().schedules) == 2
        return
    finding = parts.finding()
    assert (finding.code, finding.place) == ("schedule-overlap", Place("campaign-c.yaml", 7, 5))
    assert finding.message.startswith(said)
    assert finding.message.endswith(" also by the schedule at campaign-c.yaml:6:5")


def test_schedules_of_different_phases_do_not_meet(parts) -> None:
    parts.resource("Schedule", "late", "activation: {begin: 2030-03-01T00:00Z, end: 2030-03-02T00:00Z}")
    parts.resource("Campaign", "c", "schedules: [{schedule: days}, {schedule: late}]")
    assert len(parts.campaign().schedules) == 2


@pytest.mark.parametrize(
    ("rest", "place", "said"),
    [
        (
            "packageOverrides: [{gatewayLists: [a, ab], packageSet: q}]",
            (6, 41),
            "gateway `b1` of this override is in no",
        ),
        (
            "packageOverrides: [{gateways: [a1, b2], packageSet: q}]",
            (6, 38),
            "gateway `b2` of this override is in no",
        ),
        (
            "schedules: [{schedule: days, gatewayLists: [b]}]",
            (6, 47),
            "gateway `b1` and 1 more of this schedule are",
        ),
        ("closedGateways: [a1, b2, a2]", (6, 24), "gateway `b2` of closedGateways is in no"),
        ("closedGateways: [a1]", None, None),
        ("schedules: [{schedule: days}]", None, None),
        ("distributionList: {distributionListId: d}\nclosedGateways: [b1]", None, None),
    ],
)
def test_gateways_outside_the_lists(
    parts, rest: str, place: tuple[int, int] | None, said: str | None
) -> None:
    parts.resource("Campaign", "c", f"gatewayLists: [a]\n{rest}")
    if place is None:
        assert parts.campaign().gateways == {"a1", "a2", "a3"}
        return
    finding = parts.finding()
    assert (finding.code, finding.place) == ("gateway-outside", Place("campaign-c.yaml", *place))
    assert finding.message.startswith(said)
    assert finding.message.endswith("no list of the campaign at campaign-c.yaml:5:17")


def test_every_id_outside_is_found_where_it_stands(parts) -> None:
    parts.resource("Campaign", "c", "gatewayLists: [a]\nclosedGateways: [a1, b2, b1]")
    assert [finding.place for finding in parts.resolve().findings] == [
        Place("campaign-c.yaml", 6, column) for column in (24, 28)
    ]


def test_very_many_ids_outside_are_not_a_flood(parts) -> None:
    ids = ", ".join(f"x{number}" for number in range(MOST + 3))
    parts.resource("Campaign", "c", f"gatewayLists: [a]\nclosedGateways: [{ids}]")
    *each, last = parts.resolve().findings
    assert len(each) == MOST
    assert {finding.code for finding in each} == {"gateway-outside"}
    assert (last.code, last.severity) == ("more-findings", Severity.NOTE)
    assert last.message.startswith("3 more gateways of closedGateways are in no list")


def test_without_lists_nobody_is_outside(parts) -> None:
    parts.resource("Campaign", "c", "closedGateways: [x]")
    assert parts.campaign().closed == {"x"}


def test_nobody_is_outside_a_list_with_errors(parts) -> None:
    parts.resource("GatewayList", "broken", "file: gone.txt")
    parts.resource("Campaign", "c", "gatewayLists: [a, broken]\nclosedGateways: [x]")
    assert parts.finding().code == "missing-file"


def test_what_is_in_several_sets() -> None:
    sets = [frozenset(f"{row}-{column}" for column in range(10)) for row in range(2_000)]
    assert several(sets) == frozenset()
    assert several([sets[0], sets[1], sets[0] | {"x"}, frozenset({"x"}), frozenset({"x"})]) == sets[0] | {"x"}


def pairs(parts) -> dict[int, list[int]]:
    """Line of an entry → the lines of the earlier ones that it goes against; the first entry is 0."""
    found: dict[int, list[int]] = {}
    for finding in parts.resolve().findings:
        earlier = int(finding.message.rsplit(":", 2)[1])
        found.setdefault(finding.place.line - 6, []).append(earlier - 6)
    return {later: sorted(found[later]) for later in sorted(found)}


@pytest.mark.parametrize(
    ("overrides", "wanted"),
    [
        # Each goes against the first one that has the gateway, not against all of them.
        (["a1 p", "a1 q", "a1 q", "a1 q"], {1: [0], 2: [0], 3: [0]}),
        (["a1 p", "a1 p", "a1 q", "a1 p"], {2: [0]}),
        (["a1 p", "b1 p", "a1,b1 q"], {2: [0, 1]}),
        (["a1,a2 p", "b1 p", "a1,a2,b1 q", "b1 same"], {2: [0, 1]}),
        (["a1 p", "a2 q", "a3 p"], {}),
    ],
)
def test_an_override_goes_against_the_first_that_gives_other_packages(
    parts, overrides: list[str], wanted: dict[int, list[int]]
) -> None:
    lines = (each.split() for each in overrides)
    rows = (f"- {{gateways: [{gateways}], packageSet: {packages}}}" for gateways, packages in lines)
    parts.resource("Campaign", "c", "\n".join(["packageOverrides:", *rows]))
    assert pairs(parts) == wanted


@pytest.mark.parametrize(
    ("schedules", "wanted"),
    [
        (["a", "a", "a"], {1: [0], 2: [0]}),
        (["a", "b", "ab"], {2: [0, 1]}),
        (["a", "b", "", ""], {2: [0, 1], 3: [2]}),
        (["", "a", "b", "ab"], {1: [0], 2: [0], 3: [0, 1, 2]}),
        (["a", "b", "none"], {}),
    ],
)
def test_a_schedule_goes_against_the_first_of_each_gateway(
    parts, schedules: list[str], wanted: dict[int, list[int]]
) -> None:
    rows = (f"- {{schedule: days{f', gatewayLists: [{name}]' if name else ''}}}" for name in schedules)
    parts.resource("Campaign", "c", "\n".join(["schedules:", *rows]))
    assert pairs(parts) == wanted


def test_overlaps_of_a_million_gateways_are_counted(folder) -> None:
    ids = "".join(f"gw-{number:06d}\n" for number in range(500_000))
    folder.write(x_txt=ids, y_txt=ids[7 * 10 :] + "other\n")
    folder.resource("GatewayList", "first", "file: x.txt")
    folder.resource("GatewayList", "second", "file: y.txt")
    folder.resource("Schedule", "days", "download: {begin: 2030-01-01T00:00Z, end: 2030-01-02T00:00Z}")
    folder.resource(
        "Campaign",
        "c",
        """
gatewayLists: [first]
schedules:
- {schedule: days, gatewayLists: [first]}
- {schedule: days, gatewayLists: [second]}
""",
    )
    outside, overlap = sorted(folder.resolve().findings, key=lambda finding: finding.code)
    assert outside.message.startswith("gateway `other` of this schedule is in no list")
    assert overlap.message.startswith("gateway `gw-000007` and 499,992 more would get download")
