"""Which reads an observation takes: exactly those whose answer can matter, and none twice."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from reconciler.model import (
    Desired,
    DistributionList,
    LivePackage,
    OnRemove,
    Override,
    PackageById,
    PackageByName,
)
from reconciler.options import Targets
from reconciler.state.declared import members_value
from reconciler.targets import narrowed
from tests.fakes import Project, campaign, desired, file, holds, rid
from tests.memory_provider import MemoryCampaign, MemoryServer

V1, V2 = file("v1"), file("v2")
GATEWAYS = {"gw-1", "gw-2"}


def server() -> MemoryServer:
    return MemoryServer(
        MemoryCampaign("1", "line", "STARTED", "text", ("p-1",), set(GATEWAYS)),
        MemoryCampaign("2", "other", "STOPPED", packages=("p-2",)),
        packages=[
            LivePackage("p-1", "one"),
            LivePackage("p-2", "two"),
            holds("p-3", "three", V1),
        ],
    )


@dataclass(frozen=True)
class Case:
    wanted: Desired
    reads: list[str]
    owned: dict[str, str] = field(default_factory=dict)
    """Resource → id."""
    on_remove: OnRemove = OnRemove.DELETE
    uploaded: dict[str, str] = field(default_factory=dict)
    """Content → id."""
    intents: tuple[str, ...] = ()
    """Contents that were about to be uploaded."""
    options: dict[str, bool] = field(default_factory=dict)


def ours(wanted: Desired, reads: list[str], **more: Any) -> Case:
    return Case(wanted, reads, owned={"line": "1"}, **more)


def line(**fields: Any) -> Desired:
    return desired(campaign("line", **fields))


PRUNE, ADOPT = {"prune": True}, {"adopt": True}

CASES = {
    "nothing desired, nothing owned": Case(desired(), []),
    "nothing desired, something owned": ours(desired(), []),
    # campaigns
    "owned: by its id, and who else has its name": ours(
        line(description="x"), ["campaigns line", "campaign 1"]
    ),
    "not owned, nothing live": Case(desired(campaign("new")), ["campaigns new"]),
    "several not owned: one list": Case(desired(campaign("a"), campaign("b")), ["campaigns a b"]),
    "one owned, one not": ours(
        desired(campaign("line"), campaign("new")), ["campaigns line new", "campaign 1"]
    ),
    "somebody else's: nothing more about it": Case(
        line(gateways=GATEWAYS, packages=(PackageById("p-3"), PackageByName("two"))), ["campaigns line"]
    ),
    "adopted": Case(line(), ["campaigns line", "campaign 1"], options=ADOPT),
    "gone: its name is known by then": Case(line(), ["campaigns line", "campaign 9"], owned={"line": "9"}),
    "gone, and adopted by its name": Case(
        line(), ["campaigns line", "campaign 9", "campaign 1"], owned={"line": "9"}, options=ADOPT
    ),
    "renamed in Git: is the new name free?": ours(
        desired(campaign("line", "new")), ["campaigns new", "campaign 1"]
    ),
    "renamed to a name that was just looked up": ours(
        desired(campaign("line", "new"), campaign("new-one", "new")), ["campaigns new", "campaign 1"]
    ),
    "a resource that got another name": Case(line(), ["campaigns line", "campaign 1"], owned={"old": "1"}),
    # deletions
    "no longer declared, without --prune": Case(desired(), [], owned={"old": "2"}),
    "no longer declared, with --prune: the whole list first": Case(
        desired(), ["campaigns", "campaign 2"], owned={"old": "2"}, options=PRUNE
    ),
    "the whole list answers all names": Case(
        desired(campaign("new"), campaign("line", "renamed")),
        ["campaigns", "campaign 1", "campaign 2"],
        owned={"old": "2", "line": "1"},
        options=PRUNE,
    ),
    "to be abandoned: nothing": Case(
        desired(), [], owned={"old": "2"}, on_remove=OnRemove.ABANDON, options=PRUNE
    ),
    "a part of the project is left out: nothing": Case(
        desired(complete=False),
        [],
        owned={"old": "2"},
        uploaded={"v1": "p-3"},
        options=PRUNE,
    ),
    "nothing to delete, in spite of --prune": ours(line(), ["campaigns line", "campaign 1"], options=PRUNE),
    "moved, in spite of --prune: read once": Case(
        line(), ["campaigns", "campaign 1"], owned={"old": "1"}, options=PRUNE
    ),
    # gateways
    "gateways not managed": ours(line(description="x"), ["campaigns line", "campaign 1"]),
    "gateways managed, none too many": ours(
        line(gateways={*GATEWAYS, "gw-3"}), ["campaigns line", "campaign 1", "gateways 1"]
    ),
    "gateways to lose: who decides?": ours(
        line(gateways={"gw-1"}), ["campaigns line", "campaign 1", "gateways 1", "distribution 1"]
    ),
    "no gateways at all": ours(
        line(gateways=()), ["campaigns line", "campaign 1", "gateways 1", "distribution 1"]
    ),
    "a distribution list": ours(
        line(distribution=DistributionList("f-1")), ["campaigns line", "campaign 1", "distribution 1"]
    ),
    "a distribution list and gateways to lose": ours(
        line(distribution=DistributionList("f-1"), gateways={"gw-1"}),
        ["campaigns line", "campaign 1", "gateways 1", "distribution 1"],
    ),
    "gateways of a campaign to be created": Case(
        desired(campaign("new", gateways=GATEWAYS, distribution=DistributionList("f-1"))),
        ["campaigns new"],
    ),
    # packages
    "a package by id that is in place": ours(
        line(packages=(PackageById("p-1"),)), ["campaigns line", "campaign 1"]
    ),
    "a package by id that isn't": ours(
        line(packages=(PackageById("p-2"), PackageById("p-1"))),
        ["campaigns line", "campaign 1", "package p-2"],
    ),
    "a package by id that no campaign uses": ours(
        desired(campaign("line"), packages=[PackageById("p-2"), PackageByName("two")]),
        ["campaigns line", "campaign 1"],
    ),
    "packages by name: one list": ours(
        line(packages=(PackageByName("two"), PackageByName("one"))),
        ["campaigns line", "campaign 1", "packages one two"],
    ),
    "a file that was never uploaded": ours(line(packages=(V1,)), ["campaigns line", "campaign 1"]),
    "a file that was uploaded and is in place, and another package that holds it: who uses that?": ours(
        line(packages=(V1,)),
        ["campaigns line", "campaign 1", "packages-of 3bfc2695", "campaigns", "campaign 2"],
        uploaded={"v1": "p-1"},
    ),
    "a file that was uploaded and isn't in place": ours(
        line(packages=(V1,)),
        ["campaigns line", "campaign 1", "package p-3", "packages-of 3bfc2695"],
        uploaded={"v1": "p-3"},
    ),
    "a file that no campaign uses": ours(
        desired(campaign("line"), packages=[V1]),
        ["campaigns line", "campaign 1", "package p-3", "packages-of 3bfc2695"],
        uploaded={"v1": "p-3"},
    ),
    "an upload that is gone, and marks that nobody trusts": ours(
        line(packages=(V1,)), ["campaigns line", "campaign 1", "package p-9"], uploaded={"v1": "p-9"}
    ),
    "an upload whose answer was lost: marks": ours(
        line(packages=(V1,)), ["campaigns line", "campaign 1", "packages-of 3bfc2695"], intents=("v1",)
    ),
    "an intent of an upload, and names": ours(
        line(packages=(V1, PackageByName("one"))),
        ["campaigns line", "campaign 1", "packages one", "packages-of 3bfc2695"],
        intents=("v1",),
    ),
    "--adopt trusts marks": ours(
        line(packages=(V1,)), ["campaigns line", "campaign 1", "packages-of 3bfc2695"], options=ADOPT
    ),
    "an upload that is gone, with --adopt": ours(
        line(packages=(V1,)),
        ["campaigns line", "campaign 1", "package p-9", "packages-of 3bfc2695"],
        uploaded={"v1": "p-9"},
        options=ADOPT,
    ),
    "who uses a package: only before it is deleted": ours(
        line(packages=(V2,)),
        ["campaigns", "campaign 1", "package p-3", "packages-of fb04dcb6", "campaign 2"],
        uploaded={"v1": "p-3", "v2": "p-1"},
        options=PRUNE,
    ),
    "an upload that is gone: nobody uses it": ours(
        line(),
        ["campaigns", "campaign 1", "package p-9"],
        uploaded={"v1": "p-9"},
        options=PRUNE,
    ),
    "an upload that nobody declares, without --prune: nothing": ours(
        line(packages=(V2,)),
        ["campaigns line", "campaign 1", "packages-of fb04dcb6"],
        uploaded={"v1": "p-3", "v2": "p-1"},
    ),
    "an upload that is declared by its id now": ours(
        desired(campaign("line"), packages=[PackageById("p-3")]),
        ["campaigns line", "campaign 1"],
        uploaded={"v1": "p-3"},
        options=PRUNE,
    ),
    "an upload that is declared by its name now": ours(
        desired(campaign("line"), packages=[PackageByName("fw.bin")]),
        ["campaigns line", "campaign 1"],
        uploaded={"v1": "p-3"},
        options=PRUNE,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_exactly_these_reads(name: str) -> None:
    case = CASES[name]
    project = Project(server())
    for resource, campaign_id in case.owned.items():
        project.own(resource, campaign_id, on_remove=case.on_remove)
    for content, package_id in case.uploaded.items():
        project.uploaded(file(content), package_id)
    for content in case.intents:
        project.intends(file(content), "fw.bin")
    reads = project.reads(case.wanted, **case.options)
    assert reads == case.reads
    assert len(reads) == len(set(reads))


def test_a_package_of_an_override_is_looked_up_too() -> None:
    project = Project(server())
    override = Override(frozenset({"gw-1"}), (PackageById("p-3"),))
    wanted = desired(campaign("new", gateways={"gw-1"}, overrides=(override,)))
    assert project.reads(wanted) == ["campaigns new", "package p-3"]


@pytest.mark.parametrize(
    ("known", "closed", "look", "read"),
    [
        # As the last apply left it; not so; and what nobody knows.
        ("c", None, True, False),
        ("c", "b", True, False),
        ("x", None, True, True),
        ("", None, True, True),
        (None, None, True, True),
        ("c", None, False, True),
    ],
)
def test_a_look_takes_it_that_nobody_leaves_a_campaign_that_is_as_the_last_apply_left_it(
    known: str | None, closed: str | None, look: bool, read: bool
) -> None:
    """A campaign that the run leaves alone is read only where it may lose somebody who joins another one."""
    project = Project(
        MemoryServer(
            MemoryCampaign("1", "line", "STARTED", gateways={"a"}),
            MemoryCampaign("2", "other", "STARTED", gateways={"b", "c"}),
        )
    )
    project.own("line", "1")
    declared = {} if known is None else {"gateways": members_value(frozenset(known))}
    project.own("other", "2", declared=declared)
    other = campaign("other", gateways={"c"} | set(closed or ""), closed=closed)
    everything = desired(campaign("line", gateways={"a", "b"}), other)
    wanted = narrowed(everything, project.state, Targets((rid("line"),)))
    reads = project.reads(wanted, rollouts_only=look)
    assert ("gateways 2" in reads) is read
