"""Episodes that once went wrong, or that chance meets too rarely."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from hypothesis import example

from reconciler.model import (
    Assignment,
    Desired,
    DesiredCampaign,
    DesiredStatus,
    DistributionList,
    Kind,
    Override,
    ResourceId,
    SchedulePhase,
    used_packages,
)
from reconciler.options import Options
from tests.properties.prop_strategies import FILES, PLACE, WINDOWS, Deed, Episode

Test = TypeVar("Test", bound=Any)


def campaign(name: str = "a", gateways: Sequence[str] | None = None, **fields: Any) -> DesiredCampaign:
    members = None if gateways is None else frozenset(gateways)
    return DesiredCampaign(ResourceId(Kind.CAMPAIGN, name), name, PLACE, gateways=members, **fields)


def project(*campaigns: DesiredCampaign) -> Desired:
    return Desired(campaigns, used_packages(campaigns))


def override(*gateways: str) -> tuple[Override, ...]:
    return (Override(frozenset(gateways), FILES[:1], PLACE),)


LISTED = DistributionList("dl-1", 60)
STARTED = DesiredStatus.STARTED
SOON = (Assignment({SchedulePhase.DOWNLOAD: WINDOWS["soon"]}, None, PLACE),)
TWO = project(campaign(gateways=["g1", "g2"], distribution=LISTED))

CASES: Mapping[str, Episode] = {
    "who leaves gets no window": Episode(
        TWO, project(campaign(gateways=["g1"], distribution=LISTED, schedules=SOON))
    ),
    "who leaves gets no packages back": Episode(
        project(campaign(gateways=["g1", "g2"], distribution=LISTED, overrides=override("g2"))),
        project(campaign(gateways=["g1"], distribution=LISTED, overrides=())),
    ),
    "who came by a distribution list is closed": Episode(
        TWO,
        project(campaign(gateways=["g1", "g2"], distribution=LISTED, closed=frozenset({"g5"}))),
        [Deed("add", 0, "g5")],
    ),
    "a distribution list without an interval": Episode(
        project(campaign()), project(campaign(distribution=DistributionList("dl-1")))
    ),
    "an override of a campaign that is deleted": Episode(
        project(campaign(gateways=["g1"], overrides=override("g1"))), Desired(), options=Options(prune=True)
    ),
    "an override that joining gives": Episode(
        project(campaign(gateways=[], packages=FILES[:1])),
        project(campaign(gateways=["g1"], packages=FILES[:1], overrides=override("g1"))),
    ),
    "a move from a later campaign to an earlier one": Episode(
        project(campaign("a", ["g1"], status=STARTED), campaign("b", ["g2", "g3"], status=STARTED)),
        project(campaign("a", ["g1", "g3"], status=STARTED), campaign("b", ["g2"], status=STARTED)),
    ),
}


def known_cases(test: Test) -> Test:
    """Has `test` meet all of them, before what is drawn."""
    for episode in CASES.values():
        test = example(episode=episode)(test)
    return test
