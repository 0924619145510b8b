"""Calendars of the whole project, and the zones of gateways that they ask for."""

import pytest
from conftest import Folder

from reconciler.loading import load
from reconciler.model import Place
from reconciler.resolve import resolve
from reconciler.resolve.resolver import Resolved
from reconciler.settings import NamedCalendar
from reconciler.validation import validate
from tests.fakes import PULSE

PLACE = Place("reconciler.yaml", 7, 5)


def resolved(folder: Folder, *names: str) -> Resolved:
    loaded = load([folder.root], base=folder.root)
    named = [NamedCalendar(name, PLACE) for name in names]
    documents = validate(loaded.documents).documents
    return resolve(documents, PULSE, root=folder.root, environ=None, named=named)


def berlin_and_rome(folder: Folder, zone: str = "gateway") -> None:
    folder.resource("Calendar", "nights", f"timezone: {zone}")
    folder.resource("Calendar", "other", "timezone: UTC")
    folder.resource("GatewayList", "berlin", "gateways: [b-1, b-2]\ntimezone: Europe/Berlin")
    folder.put("rome.csv", "gatewayId,timezone\nr-1,Europe/Rome\n")
    folder.resource("GatewayList", "rome", "file: rome.csv")
    folder.resource("Campaign", "c", "gatewayLists: [berlin, rome]")


def test_every_campaign_has_those_that_the_project_names(folder: Folder) -> None:
    berlin_and_rome(folder)
    found = resolved(folder, "nights")
    assert found.findings == ()
    [campaign] = found.desired.campaigns
    assert [each.name for each in campaign.calendars] == ["nights"]
    assert campaign.zones == {"Europe/Berlin": {"b-1", "b-2"}, "Europe/Rome": {"r-1"}}


def test_nothing_is_asked_for_where_none_is_named(folder: Folder) -> None:
    berlin_and_rome(folder)
    [campaign] = resolved(folder).desired.campaigns
    assert (campaign.calendars, campaign.zones) == ((), {})
    berlin_and_rome(folder, "Europe/Paris")
    [campaign] = resolved(folder, "nights", "other").desired.campaigns
    assert ([each.name for each in campaign.calendars], campaign.zones) == (["nights", "other"], {})


def test_a_rollout_waits_for_its_own_and_for_the_projects(folder: Folder) -> None:
    berlin_and_rome(folder)
    folder.resource("RolloutPolicy", "careful", "waves: [{}]\ncalendar: other")
    folder.resource("Campaign", "c", "gatewayLists: [berlin, rome]\nrollout: {policy: careful}")
    [campaign] = resolved(folder, "nights").desired.campaigns
    assert campaign.rollout is not None
    assert [each.name for each in campaign.rollout.calendars] == ["other", "nights"]
    assert campaign.rollout.zones == campaign.zones
    assert [each.name for each in campaign.calendars] == ["nights"]


def test_a_name_that_no_calendar_has(folder: Folder) -> None:
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
def test_zones_that_are_not_known(folder: Folder, spec: str, zone: str, codes: list[str]) -> None:
    berlin_and_rome(folder, zone)
    folder.resource("GatewayList", "plain", "gateways: [p-1]")
    folder.resource("GatewayList", "again", "gateways: [b-1]\ntimezone: Asia/Tokyo")
    folder.resource("Campaign", "c", spec)
    assert [each.code for each in resolved(folder, "nights").findings] == codes
