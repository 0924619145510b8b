"""What an export asks a server for, what it makes of odd answers, and when it writes nothing."""

import asyncio
from collections import Counter
from collections.abc import Collection, Mapping
from pathlib import Path

import pytest

from reconciler.errors import ReconcilerError, Refused
from reconciler.export import Exported, Wanted, export
from reconciler.model import DistributionList, LiveCampaign, LivePackage
from reconciler.providers.pulse.entry import STATUSES
from tests.conftest import Golden
from tests.export.export_worlds import checked, tree
from tests.memory_provider import MemoryCampaign, MemoryServer

PACKAGES = [
    LivePackage(f"p{number}", name) for number, name in enumerate(["fw.bin", "FW.bin", "boot", "c", "d"])
]


def run(server: MemoryServer, folder: Path, **wanted: object) -> Exported:
    return asyncio.run(export(server, server.facts, {}, Wanted(folder, **wanted)))  # type: ignore[arg-type]


def spec_of(folder: Path, name: str = "line") -> str:
    """The YAML of a campaign below ``spec:``."""
    return (folder / f"campaigns/{name}.yaml").read_text().partition("spec:")[2]


def test_as_few_requests_as_there_can_be(tmp_path: Path) -> None:
    many = [
        MemoryCampaign(f"c{n:03}", f"line {n}", gateways={"gw-1", "gw-2"}, closed={"gw-2"})
        for n in range(100)
    ]
    server = MemoryServer(*many, packages=PACKAGES)
    run(server, tmp_path / "a")
    kinds = Counter(read.split()[0] for read in server.log)
    one_each = dict.fromkeys(("campaign", "gateways", "distribution", "override"), 100)
    assert kinds == {"campaigns": 1, "packages": 1, **one_each}, "a closed gateway is not asked about"

    server.log.clear()
    run(server, tmp_path / "b", overrides=False, names=("line 7", "line 1?"))
    kinds = Counter(read.split()[0] for read in server.log)
    assert kinds == {"campaigns": 1, "packages": 1, "campaign": 11, "gateways": 11, "distribution": 11}
    assert "# packageOverrides were not read" in spec_of(tmp_path / "b", "line-7")


def test_a_campaign_with_everything(tmp_path: Path, golden: Golden) -> None:
    members = {f"gw-{number:02}" for number in range(4)}
    server = MemoryServer(
        MemoryCampaign(
            "8c7f",
            "Line 3",
            "STARTED",
            "Spring update\nof line 3\n",
            ("p0", "gone"),
            members,
            DistributionList("dl-7", 3600),
            closed={"gw-03"},
            overrides={"gw-01": ("p1",), "gw-02": ("gone", "p0")},
        ),
        MemoryCampaign("9d80", "Line 4", "STOPPED", "", ("p0", "p1", "p2", "p3", "p4"), members),
        packages=PACKAGES,
    )
    run(server, tmp_path)
    golden("export.txt", "".join(f"=== {name}\n{text.decode()}" for name, text in tree(tmp_path).items()))


@pytest.mark.parametrize(
    ("campaign", "said"),
    [
        (MemoryCampaign("1", "line", description="\ud800"), "the description holds what YAML can't"),
        (MemoryCampaign("1", "line", packages=("p\n",)), "packages with ids that YAML can't hold"),
        (
            MemoryCampaign("1", "line", gateways={"things", "gw"}),
            "gatewayLists is left out, for 'things' can't",
        ),
        (
            MemoryCampaign("1", "line", gateways={" gw"}, closed={" gw"}),
            "gatewayLists is left out, for ' gw' can't",
        ),
        (
            MemoryCampaign("1", "line", distribution=DistributionList("dl", None)),
            "its interval can't be read",
        ),
        (MemoryCampaign("1", "line", distribution=DistributionList("dl", 0)), "its interval can't be read"),
        (MemoryCampaign("1", "line", "BREWING"), "BREWING on the server: desiredStatus is left out"),
        (
            MemoryCampaign("1", "line", "APPROVAL_NEEDED"),
            "APPROVAL_NEEDED on the server: desiredStatus is left out",
        ),
        (MemoryCampaign("1", "line", "\n# x: y"), "desiredStatus is left out"),
        (MemoryCampaign("1", "line"), "no packages on the server; packageSet is left out"),
        (MemoryCampaign("1", "line", gateways={"a"}, overrides={"a": ("p\n",)}), "no packages on the server"),
    ],
    ids=[
        "half a character",
        "an odd package",
        "a reserved id",
        "an odd id that is closed",
        "no interval",
        "an interval of nothing",
        "an unknown status",
        "waiting",
        "a status that would end a comment",
        "nothing at all",
        "an odd package of a gateway",
    ],
)
def test_what_can_not_be_written_is_left_out_with_a_word(
    campaign: MemoryCampaign, said: str, tmp_path: Path
) -> None:
    run(MemoryServer(campaign), tmp_path)
    assert said in " ".join(spec_of(tmp_path).replace("#", "").split())
    desired, findings = checked(tmp_path)
    assert not findings
    assert desired.campaigns[0].overrides is None
    assert desired.campaigns[0].distribution is None
    assert desired.campaigns[0].status is None


def test_a_package_may_be_anything(tmp_path: Path) -> None:
    sets = [
        ("p0",),
        ("p0", "p1"),
        ("p1", "p0"),
        (),
        ("x/y",),
        tuple(f"p{n}" for n in range(5)),
        ("p2", "p3", "p4"),
    ]
    campaigns = [MemoryCampaign(str(n), f"c{n}", packages=packages) for n, packages in enumerate(sets)]
    campaigns.append(MemoryCampaign("9", "c9", packages=("p0",), gateways={"a"}, overrides={"a": ()}))
    made = run(MemoryServer(*campaigns, packages=[*PACKAGES, LivePackage("p9", "\n" * 300)]), tmp_path)
    names = sorted(path.stem for path in (tmp_path / "packages").iterdir())
    assert made.package_sets == len(names)
    assert names == [
        "FW.bin-2-and-4-more-21dda906",
        "FW.bin-2-and-fw.bin",
        "boot-and-c-and-d",
        "fw.bin",
        "nothing",
        "x-y",
    ]
    assert not checked(tmp_path)[1]


def test_long_names_stay_valid(tmp_path: Path) -> None:
    """A name of 128 characters that an owner has, and lists of its overrides."""
    from reconciler.model import Kind, ResourceId

    name = "n" * 128
    members = {f"g{number}" for number in range(60)}
    campaign = MemoryCampaign(
        "1", "x", packages=("p0",), gateways=members, overrides=dict.fromkeys(members, ("p1",))
    )
    server = MemoryServer(campaign, packages=PACKAGES)
    owners = {"1": ResourceId(Kind.CAMPAIGN, name)}
    asyncio.run(export(server, server.facts, owners, Wanted(tmp_path)))
    desired, findings = checked(tmp_path)
    assert not findings
    assert desired.campaigns[0].resource.name == name
    assert desired.campaigns[0].overrides[0].gateways == members


# --- what is in the way -------------------------------------------------------------------------------


def test_all_or_nothing_is_written(tmp_path: Path) -> None:
    one, two = MemoryCampaign("1", "one"), MemoryCampaign("2", "two")
    run(MemoryServer(one, two), tmp_path)
    edited = tmp_path / "campaigns/one.yaml"
    edited.write_text(edited.read_text().replace("CREATED", "created"))
    one.description = two.description = "new"
    before = tree(tmp_path)

    for _ in range(2):
        with pytest.raises(
            ReconcilerError, match=r"1 file in .* somebody made or changed: campaigns/one\.yaml;"
        ):
            run(MemoryServer(one, two, MemoryCampaign("3", "three")), tmp_path)
        assert tree(tmp_path) == before

    planned = run(MemoryServer(one, two, MemoryCampaign("3", "three")), tmp_path, dry_run=True)
    assert (planned.files.new, planned.files.changed) == (["campaigns/three.yaml"], ["campaigns/two.yaml"])
    assert planned.files.foreign == ["campaigns/one.yaml"]
    assert tree(tmp_path) == before

    run(MemoryServer(one, two, MemoryCampaign("3", "three")), tmp_path, force=True)
    assert "description: new" in edited.read_text()
    assert run(MemoryServer(one, two, MemoryCampaign("3", "three")), tmp_path).files.unchanged == [
        f"campaigns/{name}.yaml" for name in ("one", "three", "two")
    ]


def test_what_is_gone_from_the_server_stays_and_is_said(tmp_path: Path) -> None:
    both = MemoryServer(MemoryCampaign("1", "one", gateways={"a"}), MemoryCampaign("2", "two"))
    run(both, tmp_path)
    made = run(MemoryServer(MemoryCampaign("2", "two")), tmp_path)
    assert [(f.code, f.message.split()[0]) for f in made.findings] == [
        ("stale-export", "campaigns/one.yaml"),
        ("stale-export", "gateways/one.yaml"),
    ]
    assert not run(both, tmp_path, names=("two",)).findings, "a part says nothing of the rest"


def test_a_dry_run_does_not_even_make_the_folder(tmp_path: Path) -> None:
    made = run(MemoryServer(MemoryCampaign("1", "one")), tmp_path / "x/y", dry_run=True)
    assert made.files.new == ["campaigns/one.yaml"]
    assert not (tmp_path / "x").exists()


def test_an_export_that_fails_leaves_nothing(tmp_path: Path) -> None:
    class Broken(MemoryServer):
        async def gateways(self, campaign_id: str) -> object:  # type: ignore[override]
            if campaign_id == "c19":
                raise ReconcilerError("no more")
            return await super().gateways(campaign_id)

    with pytest.raises(ReconcilerError, match="no more"):
        run(Broken(*(MemoryCampaign(f"c{n:02}", f"line-{n:02}") for n in range(40))), tmp_path / "out")
    assert tree(tmp_path) == {}


# --- campaigns that move while they are read ------------------------------------------------------------


class Leaving(MemoryServer):
    """``gone``: campaigns that are deleted after the list was read; ``left``: how often gateways leave."""

    gone: Collection[str] = ()
    left = 0

    async def campaign(self, campaign_id: str) -> LiveCampaign | None:
        return None if campaign_id in self.gone else await super().campaign(campaign_id)

    async def overrides(self, campaign_id: str, gateways: Collection[str]) -> Mapping[str, tuple[str, ...]]:
        if self.left:
            self.left -= 1
            raise Refused("no such gateway", request="GET x", meaning=STATUSES.refusals[404])
        return await super().overrides(campaign_id, gateways)


def test_what_vanishes_is_left_out(tmp_path: Path) -> None:
    server = Leaving(MemoryCampaign("1", "one"), MemoryCampaign("2", "two"))
    server.gone = ("1",)
    assert run(server, tmp_path).campaigns == 1
    assert list(tree(tmp_path)) == ["campaigns/two.yaml"]


@pytest.mark.parametrize(("left", "fails"), [(1, False), (2, False), (3, True)])
def test_a_gateway_that_leaves_meanwhile_makes_another_reading(
    left: int, fails: bool, tmp_path: Path
) -> None:
    server = Leaving(MemoryCampaign("1", "one", gateways={"a"}))
    server.left = left
    if fails:
        with pytest.raises(Refused):
            run(server, tmp_path)
    else:
        assert run(server, tmp_path).campaigns == 1
    assert server.log.count("gateways 1") == left + (not fails)


def test_another_refusal_is_an_error(tmp_path: Path) -> None:
    class Forbidden(MemoryServer):
        async def gateways(self, campaign_id: str) -> object:  # type: ignore[override]
            raise Refused("not allowed", request="GET x", meaning=STATUSES.refusals[403])

    with pytest.raises(Refused, match="not allowed"):
        run(Forbidden(MemoryCampaign("1", "one")), tmp_path)


@pytest.mark.parametrize("odd", [".", "..", "things"])
def test_a_gateway_that_has_no_address_blocks_nothing(odd: str, tmp_path: Path) -> None:
    class Strict(MemoryServer):
        async def overrides(
            self, campaign_id: str, gateways: Collection[str]
        ) -> Mapping[str, tuple[str, ...]]:
            if odd in gateways:
                raise Refused(f"{odd!r} can't be the id of anything", request="GET x")
            return await super().overrides(campaign_id, gateways)

    server = Strict(
        MemoryCampaign("1", "one", gateways={odd, "a"}), MemoryCampaign("2", "two", gateways={"b"})
    )
    assert run(server, tmp_path).campaigns == 2
    assert not checked(tmp_path)[1]


def test_ids_that_a_reader_would_doubt_are_read_back_without_a_word(tmp_path: Path) -> None:
    ids = {f"gw-{number:03}" for number in range(60)} | {"a b", "c,d", "e#f", "1.5E+10"}
    run(MemoryServer(MemoryCampaign("1", "one", gateways=ids)), tmp_path)
    desired, findings = checked(tmp_path)
    assert not findings
    assert desired.campaigns[0].gateways == ids
