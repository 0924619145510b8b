"""Campaigns: what is left out, what is empty, references, and things."""

import pytest

from reconciler.loading import load_text
from reconciler.model import (
    DesiredStatus,
    DistributionList,
    Joining,
    OnRemove,
    Override,
    PackageById,
    Place,
    ResourceId,
    SchedulePhase,
    Severity,
)
from reconciler.resolve import resolve
from tests.fakes import PULSE

UNMANAGED = [
    "description",
    "packages",
    "settings",
    "gateways",
    "distribution",
    "overrides",
    "schedules",
    "callbacks",
    "closed",
    "things",
    "status",
]


def test_what_is_left_out_is_not_managed(folder) -> None:
    folder.resource("Campaign", "c", "{}")
    campaign = folder.campaign()
    assert campaign.name == "c"
    assert [getattr(campaign, field) for field in UNMANAGED] == [None] * len(UNMANAGED)
    assert (campaign.approve, campaign.joining, campaign.on_remove) == (False, Joining.PAUSE, OnRemove.DELETE)
    assert (campaign.labels, campaign.places) == ({}, {})
    assert campaign.place_of("description") == campaign.place == Place("campaign-c.yaml", 1, 1)


def test_what_is_empty_is_managed_and_empty(folder) -> None:
    folder.resource(
        "Campaign",
        "c",
        """
description: ""
settings: {}
gatewayLists: []
packageOverrides: []
schedules: []
closedGateways: []
runOnThings: false
""",
    )
    campaign = folder.campaign()
    assert campaign.description == ""
    assert campaign.settings == {}
    assert (campaign.gateways, campaign.closed) == (frozenset(), frozenset())
    assert (campaign.overrides, campaign.schedules) == ((), ())
    assert campaign.things is None


def test_every_field(parts) -> None:
    parts.put(
        "c.yaml",
        """
apiVersion: reconciler/v1
kind: Campaign
metadata:
  name: c
  labels: {site: berlin}
spec:
  name: Campaign C
  description: d
  packageSet: p
  settings: {retries: "3"}
  gatewayLists: [a, b]
  packageOverrides:
    - {gatewayLists: [b], packageSet: q}
    - {gateways: [a1], packageSet: q}
  distributionList: {distributionListId: dl, reevaluationIntervalSeconds: 60}
  schedules:
    - {schedule: nights, gatewayLists: [a]}
  closedGateways: [a2]
  approve: true
  desiredStatus: STOPPED
  joinWhileStarted: direct
  onRemove: abandon
""",
    )
    campaign = parts.campaign()
    assert campaign.resource == ResourceId.parse("Campaign/c")
    assert (campaign.name, campaign.description) == ("Campaign C", "d")
    assert campaign.packages == (PackageById("p"),)
    assert campaign.settings == {"retries": "3"}
    assert campaign.gateways == {"a1", "a2", "a3", "b1", "b2"}
    assert campaign.overrides == (
        Override(frozenset({"b1", "b2"}), (PackageById("q"),)),
        Override(frozenset({"a1"}), (PackageById("q"),)),
    )
    assert campaign.distribution == DistributionList("dl", 60)
    assert campaign.schedules is not None
    assert campaign.schedules[0].gateways == {"a1", "a2", "a3"}
    assert list(campaign.schedules[0].windows) == [SchedulePhase.DOWNLOAD, SchedulePhase.EXECUTION]
    assert campaign.closed == {"a2"}
    assert (campaign.approve, campaign.status) == (True, DesiredStatus.STOPPED)
    assert (campaign.joining, campaign.on_remove) == (Joining.DIRECT, OnRemove.ABANDON)
    assert campaign.labels == {"site": "berlin"}
    assert campaign.place_of("description") == Place("c.yaml", 9, 16)
    assert campaign.place_of("callbackSet") == campaign.place == Place("c.yaml", 2, 1)


def test_values_are_plain_text(parts) -> None:
    """Not text that remembers how it was written: that has no place in JSON."""
    parts.resource("Campaign", "c", 'name: "on"\nsettings: {"yes": "no"}')
    campaign = parts.campaign()
    texts = [campaign.name, *campaign.settings, *campaign.settings.values()]
    assert {type(text) for text in texts} == {str}


def test_a_single_list_is_shared_not_copied(parts) -> None:
    for name, lists in (("c", "[a]"), ("d", "[a, none]"), ("e", "[none]"), ("f", "[a, b]")):
        parts.resource("Campaign", name, f"gatewayLists: {lists}")
    c, d, e, f = parts.resolve().desired.campaigns
    assert c.gateways is d.gateways
    assert e.gateways == frozenset()
    assert f.gateways == {"a1", "a2", "a3", "b1", "b2"}


def test_an_interval_left_out_is_not_managed(folder) -> None:
    folder.resource("Campaign", "c", "distributionList: {distributionListId: dl}")
    assert folder.campaign().distribution == DistributionList("dl", None)


def test_campaigns_and_packages_come_in_the_order_of_names(folder) -> None:
    for name in ("b", "c", "a"):
        folder.resource("Campaign", name, "{}", file=f"{ord(name) % 3}.yaml")
        folder.resource(
            "PackageSet", name, f"packages: [{{id: {name}}}, {{id: shared}}]", file=f"p{name}.yaml"
        )
    desired = folder.resolve().desired
    assert [campaign.name for campaign in desired.campaigns] == ["a", "b", "c"]
    assert [package.id for package in desired.packages] == ["a", "shared", "b", "c"]
    assert desired.complete


def test_what_validation_took_out_is_skipped_and_concluded_from_by_nobody(folder) -> None:
    text = """
apiVersion: reconciler/v1
kind: Campaign
metadata: {name: c}
spec:
  packageSet: gone
  gatewayLists: [gone]
  packageOverrides: [{gateways: [x], packageSet: gone}]
  schedules: [{schedule: gone}]
  callbackSet: gone
  closedGateways: [x]
"""
    (document,) = load_text(text, "c.yaml", folder.root / "c.yaml").documents
    resolved = resolve([document], PULSE, root=folder.root, environ={})
    assert resolved.findings == ()
    (campaign,) = resolved.desired.campaigns
    assert (campaign.packages, campaign.callbacks) == (None, None)
    assert (campaign.gateways, campaign.overrides, campaign.schedules) == (frozenset(), (), ())


def test_things_of_all_lists_together(folder) -> None:
    folder.resource("GatewayList", "a", "gateways: [g2, g1]\nthings: {g2: [t2, t1]}")
    folder.resource("GatewayList", "b", "gateways: [g2, g3]\nthings: {g3: [t9], g2: [t1, t0]}")
    folder.resource("Campaign", "c", "gatewayLists: [a, b]\nrunOnThings: true")
    things = folder.campaign().things
    assert things == {"g2": ("t2", "t1", "t0"), "g3": ("t9",)}
    assert list(things) == ["g2", "g3"]


@pytest.mark.parametrize("lists", ["", "gatewayLists: [a]\n"])
def test_no_things_to_run_on_is_a_warning(parts, lists: str) -> None:
    parts.resource("Campaign", "c", f"{lists}runOnThings: true")
    finding = parts.finding()
    assert (finding.code, finding.severity) == ("no-things", Severity.WARNING)


# --- settings ------------------------------------------------------------------------------------

SETTINGS = "settings: {plain: value, env: {fromEnv: LINE3}, file: {fromFile: keys/line3}}"


# --- rules between the parts ---------------------------------------------------------------------
