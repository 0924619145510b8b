"""Devices in words."""

from dataclasses import replace

import pytest

from reconciler.model import Change, Kind, Reason, ResourceId
from reconciler.plan.model import CampaignImpact, Devices, Impact, Packages
from reconciler.report.devices import campaign_words, interrupted_words, packages_words, total_words

NONE = Devices(0, 0, 0, 0, 0, 0, 0, 0)
EDIT, SAME = Packages(("fw-2.1.bin",), ("fw-2.2.bin",)), Packages(("fw-2.1.bin",), ("fw-2.1.bin",))


def row(devices: Devices, packages: Packages = SAME, name: str = "line") -> CampaignImpact:
    return CampaignImpact(ResourceId(Kind.CAMPAIGN, name), name, devices=devices, packages=packages)


@pytest.mark.parametrize(
    ("devices", "packages", "said"),
    [
        (replace(NONE, members=3000, start=3000), SAME, "3,000 gateways: 3,000 start with fw-2.1.bin"),
        (replace(NONE, members=1, start=1), Packages(), "1 gateway: 1 starts with no package"),
        (
            replace(NONE, members=120, update=22, finished=98, interrupt=5),
            EDIT,
            "120 gateways: 22 get fw-2.2.bin instead of fw-2.1.bin, 98 have finished with fw-2.1.bin",
        ),
        (
            replace(NONE, members=2, update=1, finished=1),
            EDIT,
            "2 gateways: 1 gets fw-2.2.bin instead of fw-2.1.bin, 1 has finished with fw-2.1.bin",
        ),
        (
            replace(NONE, members=6, join=6, start=6, update=6),
            Packages((), ("fw-2.2.bin", "x.bin")),
            "6 gateways: 6 join, 6 start, 6 get fw-2.2.bin, x.bin",
        ),
        (replace(NONE, members=40, leave=40, stop=31), SAME, "40 gateways: 40 leave, 31 stop"),
        (replace(NONE, members=7), SAME, "7 gateways"),
        (replace(NONE, members=None), SAME, ""),
        (
            replace(NONE, members=None, join=None, start=None, update=None),
            SAME,
            "how many start, join and get packages is not known yet",
        ),
        (Devices(), SAME, ""),
    ],
)
def test_of_a_campaign(devices: Devices, packages: Packages, said: str) -> None:
    assert campaign_words(row(devices, packages)) == said


def test_packages_of_single_gateways_are_not_called_those_of_the_campaign() -> None:
    said = campaign_words(row(replace(NONE, members=9, update=3, finished=1), SAME), own=True)
    assert said == "9 gateways: 3 get packages, 1 has finished with other packages"


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (0, ""),
        (1, "1 gateway in the middle of an update is interrupted"),
        (1200, "1,200 gateways in the middle of an update are interrupted"),
        (None, "gateways in the middle of an update may be interrupted: how many is not known"),
    ],
)
def test_who_is_interrupted(count: int | None, said: str) -> None:
    assert interrupted_words(replace(NONE, interrupt=count)) == said


def test_in_all() -> None:
    rows = (row(replace(NONE, update=22), EDIT), row(replace(NONE, members=5), name="quiet"))
    total = replace(NONE, members=125, update=22, interrupt=2)
    assert list(total_words(Impact(rows, devices=total))) == [
        "125 gateways of 2 campaigns: 22 get fw-2.2.bin instead of fw-2.1.bin.",
        "2 gateways in the middle of an update are interrupted.",
    ]
    other = row(replace(NONE, update=1), Packages(("a",), ("b",)), "other")
    [said] = total_words(Impact((*rows, other), devices=replace(total, update=23, interrupt=0)))
    assert said == "125 gateways of 3 campaigns: 23 get packages."
    quiet = Impact(rows[1:], devices=replace(NONE, members=5))
    assert list(total_words(quiet)) == ["No gateway joins, leaves, starts, stops or gets packages."]
    unknown = replace(NONE, members=None, start=4)
    assert list(total_words(Impact(rows, devices=unknown))) == ["Gateways of 2 campaigns: 4 start."]
    assert list(total_words(Impact(rows))) == [], "nobody counted them"
    assert list(total_words(Impact())) == []


def test_in_all_where_only_single_gateways_get_something() -> None:
    quiet = Impact((row(NONE),), devices=replace(NONE, members=5))

    def change(field: str, *members: str) -> Change:
        return Change(ResourceId(Kind.CAMPAIGN, "line"), field, None, None, Reason.DIFFERS, members=members)

    night = (change("schedules.download", "a", "b"), change("schedules.activation", "b", "c"))
    quietly = "No gateway joins, leaves, starts, stops or gets packages"
    assert list(total_words(quiet, night)) == [f"{quietly}; 3 get other windows."]
    others = (*night[:1], change("closedGateways", "d"), change("runOnThings", "a"), change("name"))
    assert list(total_words(quiet, others)) == [
        f"{quietly}; 2 get other windows, 1 is closed, 1 runs on its things."
    ]
    assert list(total_words(quiet, (change("name"),))) == [f"{quietly}."]
    starts = replace(quiet, devices=replace(NONE, members=5, start=5))
    assert list(total_words(starts, night)) == ["5 gateways of 1 campaign: 5 start."]


def test_names_of_packages() -> None:
    assert packages_words(()) == "no package"
    assert packages_words(("a", "b\x1b", "c", "d")) == "a, b\\x1b, c and 1 more"
