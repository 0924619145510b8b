"""What text and Markdown share of a plan."""

from reconciler.model import (
    Kind,
    ResourceId,
)
from reconciler.report.blocks import recorded
from reconciler.state.base import (
    CampaignAbandoned,
    CampaignForgotten,
    CampaignOwned,
    FieldApplied,
    MembersApplied,
    Origin,
    Owned,
    PackageForgotten,
    PackageUploaded,
    StatusSet,
    Uploaded,
)

CAMPAIGN = ResourceId(Kind.CAMPAIGN, "line-3")


def test_what_is_only_recorded_in_words():
    package = Uploaded("a" * 64, "p1", "fw.bin", ResourceId(Kind.PACKAGE_SET, "firmware"))
    events = (
        CampaignOwned(Owned(CAMPAIGN, "c3", Origin.CREATED)),
        CampaignForgotten(CAMPAIGN),
        CampaignAbandoned(CAMPAIGN),
        PackageUploaded(package),
        PackageForgotten("b" * 64),
        FieldApplied(CAMPAIGN, "settings", {}),
        MembersApplied(CAMPAIGN, "schedules", "v", ("a", "b")),
        MembersApplied(CAMPAIGN, "packageOverrides", "v", ("a",)),
        StatusSet(CAMPAIGN, "STARTED"),
    )
    assert list(recorded(events)) == [
        "Campaign/line-3 is found again: it is campaign c3 on the server",
        "Campaign/line-3 is forgotten: the server no longer has it",
        "Campaign/line-3 is given up: it stays on the server",
        'package "fw.bin" is on the server already: it is p1',
        "package sha256:bbbbbbbbbbbbbbbb is forgotten: it is gone, or is given up",
        "Campaign/line-3 settings is assumed to be as declared: it can't be read",
        "Campaign/line-3 schedules of 2 gateways is assumed to be as declared: it can't be read",
        "Campaign/line-3 packageOverrides of 1 gateway is as declared already",
    ]


def test_a_campaign_that_another_resource_declares_moves():
    spring = ResourceId(Kind.CAMPAIGN, "spring")
    events = (
        CampaignForgotten(CAMPAIGN),
        CampaignOwned(Owned(spring, "c3", Origin.CREATED)),
        CampaignForgotten(ResourceId(Kind.CAMPAIGN, "gone")),
    )
    assert list(recorded(events)) == [
        "Campaign/line-3 is Campaign/spring from now on: it is campaign c3 on the server",
        "Campaign/gone is forgotten: the server no longer has it",
    ]
