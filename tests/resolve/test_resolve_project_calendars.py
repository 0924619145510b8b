"""Calendars of the whole project, and the zones of gateways that they ask for."""

from typing import Any

import pytest

from reconciler.loading import load
from reconciler.model import Place
from reconciler.resolve import resolve
from reconciler.resolve.resolver import Resolved
from reconciler.settings import NamedCalendar
from reconciler.validation import validate
from tests.fakes import PULSE

PLACE = Place("reconciler.yaml", 7, 5)


def resolved(folder: Any, *names: str) -> Resolved:
    loaded = load([folder.root], base=folder.root)
    named = [NamedCalendar(name, PLACE) for name in names]
    documents = validate(loaded.documents).documents
    return resolve(documents, PULSE, root=folder.root, environ=None, named=named)


def berlin_and_rome(folder: Any, zone: str = "gateway") -> None:
    folder.resource("Calendar", "nights", f"timezone: {zone}")
    folder.resource("Calendar", "other", "timezone: UTC")
    folder.resource("GatewayList", "berlin", "gateways: [b-1, b-2]\ntimezone: Europe/Berlin")
    folder.put("rome.csv", "gatewayId,timezone\nr-1,Europe/Rome\n")
    folder.resource("GatewayList", "rome", "file: rome.csv")
    folder.resource("Campaign", "c", "gatewayLists: [berlin, rome]")


def test_every_campaign_has_those_that_the_project_names(folder: Any) -> None:
    berlin_and_rome(folder)
    found = resolved(folder, "nights")
    assert found.findings == ()
    [campaign] = found.desired.campaigns
    assert [each.name for each in campaign.calendars] == ["nights"]
    assert campaign.zones == {"Europe/Berlin": {"b-1", "b-2"}, "Europe/Rome": {"r-1"}}


def test_nothing_is_asked_for_where_none_is_named(folder: Any) -> None:
    berlin_and_rome(folder)
    [campaign] = resolved(folder).desired.campaigns
    assert (campaign.calendars, campaign.zones) == ((), {})
    berlin_and_rome(folder, "Europe/Paris")
    [campaign] = resolved(folder, "nights", "other").desired.campaigns
    assert ([each.name for each in campaign.calendars], campaign.zones) == (["nights", "other"], {})


def test_a_rollout_waits_for_its_own_and_for_the_projects(folder: Any) -> None:
    berlin_and_rome(folder)
    folder.resource("RolloutPolicy", "careful", "waves: [{}]\ncalendar: other")
    folder.resource("Campaign", "c", "gatewayLists: [berlin, rome]\nrollout: {policy: careful}")
    [campaign] = resolved(folder, "nights").desired.campaigns
    assert campaign.rollout is not None
    assert [each.name for each in campaign.rollout.calendars] == ["other", "nights"]
    assert campaign.rollout.zones == campaign.zones
    assert [each.name for each in campaign.calendars] == ["nights"]


def test_a_name_that_no_calendar_has(folder: Any) -> None:
    berlin_and_rome(folder)
    [finding] = resolved(folder, "night").findings
    assert (finding.code, finding.place) == ("dangling-reference", PLACE)
    assert finding.hint is not None
    assert "nights" in finding.hint


@pytest.mark.parametrize(
    ("spec", "zone", "codes"),
    [
        ("gatewayLists: [plain]", "gateway", ["timezone-missing"]),
        ("gatewayLists: [plain]", "UTC", []),
        ("description: no lists", "gateway", ["timezone-missing"]),
        ("description: no lists", "UTC", []),
        ("distributionList: {distributionListId: d}", "gateway", ["timezone-missing"]),
        ("distributionList: {distributionListId: d}", "UTC", []),
        ("gatewayLists: [berlin, again]", "gateway", ["timezone-conflict"]),
        ("gatewayLists: []", "gateway", []),
    ],
)
def test_zones_that_are_not_known(folder: Any, spec: str, zone: str, codes: list[str]) -> None:
    berlin_and_rome(folder, zone)
    folder.resource("GatewayList", "plain", "gateways: [p-1]")
    folder.resource("GatewayList", "again", "gateways: [b-1]\ntimezone: Asia/Tokyo")
    folder.resource("Campaign", "c", spec)
    assert [each.code for each in resolved(folder, "nights").findings] == codes


def scheduled(folder: Any, spec: str, entry: str = "{schedule: s}") -> Resolved:
    folder.resource("Schedule", "s", spec)
    folder.resource("Campaign", "c", f"gatewayLists: [berlin, rome]\nschedules: [{entry}]")
    return resolved(folder)


WINDOWS = 'timezone: gateway\nwindows: [{from: "22:00", to: "04:00"}, {from: "12:00", to: "12:30"}]'


def test_a_schedule_takes_the_next_window_of_a_calendar(folder: Any) -> None:
    berlin_and_rome(folder)
    folder.resource("Calendar", "nights", WINDOWS)
    found = scheduled(folder, "activation: {calendar: nights, atLeast: 90m}")
    assert found.findings == ()
    [campaign] = found.desired.campaigns
    [assignment] = campaign.schedules or ()
    [(phase, wish)] = assignment.calendars.items()
    assert (phase, wish.calendar.name, wish.at_least) == ("activation", "nights", 5_400_000)
    assert assignment.windows == {}
    assert campaign.zones.keys() == {"Europe/Berlin", "Europe/Rome"}


def test_zones_are_asked_of_those_whom_a_schedule_is_for(folder: Any) -> None:
    berlin_and_rome(folder)
    folder.resource("Calendar", "nights", WINDOWS)
    folder.resource("GatewayList", "rome", "gateways: [r-1]")
    spec = "activation: {calendar: nights}"
    assert scheduled(folder, spec, "{schedule: s, gatewayLists: [berlin]}").findings == ()
    assert [e.code for e in scheduled(folder, spec, "{schedule: s, gatewayLists: [rome]}").findings] == [
        "timezone-missing"
    ]
    assert [e.code for e in scheduled(folder, spec).findings] == ["timezone-missing"]


@pytest.mark.parametrize(
    ("calendar", "at_least", "codes"),
    [
        (WINDOWS, "6h", []),
        (WINDOWS, "361m", ["never-open"]),
        ("timezone: UTC\nwindows: []", "0s", ["never-open", "never-open"]),
        ("timezone: UTC", "0s", ["calendar-without-windows"]),
        ('timezone: UTC\nwindows: [{from: "12:00", to: "12:00"}]', "0s", ["window-empty", "never-open"]),
    ],
)
def test_calendars_that_have_no_next_window(
    folder: Any, calendar: str, at_least: str, codes: list[str]
) -> None:
    berlin_and_rome(folder)
    folder.resource("Calendar", "nights", calendar)
    found = scheduled(folder, f"activation: {{calendar: nights, atLeast: {at_least}}}")
    assert [each.code for each in found.findings] == codes


def test_a_calendar_that_a_schedule_names_has_to_be_there(folder: Any) -> None:
    berlin_and_rome(folder)
    folder.resource("Schedule", "s", "activation: {calendar: night}")
    loaded = load([folder.root], base=folder.root)
    [finding] = validate(loaded.documents).findings
    assert (finding.code, finding.message) == (
        "dangling-reference",
        "there is no Calendar of the name `night`",
    )


@pytest.mark.parametrize(
    "phase",
    ["{calendar: nights, begin: 2030-01-01T00:00Z}", "{atLeast: 1h}", "{calendar: nights, atLeast: soon}"],
)
def test_a_phase_is_one_or_the_other(folder: Any, phase: str) -> None:
    berlin_and_rome(folder)
    folder.resource("Schedule", "s", f"activation: {phase}")
    loaded = load([folder.root], base=folder.root)
    found = validate(loaded.documents).findings
    assert [each.severity for each in found] == ["error"]
    assert found[0].place is not None
    assert found[0].place.file == "schedule-s.yaml"
