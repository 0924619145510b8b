"""What packages are called in plans: name and version, and no two alike; and what is read for that."""

import asyncio
from dataclasses import replace

from reconciler.app.pipeline import Planned, draft, in_devices
from reconciler.model import Desired, DesiredStatus, LivePackage, PackageById
from reconciler.options import Options
from reconciler.plan.model import Packages
from reconciler.plan.packages import called
from reconciler.providers.base import Detail, Facts
from reconciler.report.plan_text import plan_lines
from tests.fakes import NOW, PULSE, Project, campaign, desired, file
from tests.memory_provider import MemoryCampaign, MemoryServer

VERSIONED = replace(PULSE, details=PULSE.details | {Detail.PACKAGE_VERSION})
DIGEST = "3fa8b2c91d20" + 52 * "0"
TO_SEVEN = desired(campaign(packages=(PackageById("p-7"),), status=DesiredStatus.STOPPED))


def planned(project: Project, wanted: Desired, **options: bool) -> Planned:
    async def made() -> Planned:
        found = await draft(wanted, project.state, project.server, Options(**options), now=NOW)
        project.server.log.clear()
        return await in_devices(found, project.server)

    return asyncio.run(made())


def world(*packages: LivePackage, facts: Facts = VERSIONED) -> Project:
    live = MemoryCampaign("1", "line", packages=("p-1",), gateways={"a", "b"})
    project = Project(MemoryServer(live, packages=packages, facts=facts))
    project.own("line", "1")
    return project


def firmware(project: Project, wanted: Desired = TO_SEVEN) -> Packages:
    [row] = planned(project, wanted).plan.impact.campaigns
    return row.packages


def text(project: Project, wanted: Desired = TO_SEVEN, **options: bool) -> str:
    return "\n".join(plan_lines(planned(project, wanted, **options).plan))


def test_a_version_that_only_repeats_the_content_tells_nothing() -> None:
    assert called("fw", "2.0", None) == called("fw", "2.0", DIGEST) == "fw 2.0"
    assert called("fw", DIGEST[:12], DIGEST) == called("fw", None, DIGEST) == called("fw", "", None) == "fw"
    assert called("fw", "3", DIGEST) == "fw 3", "one digit that is alike is an accident"
    assert called("fw", f"{DIGEST[:12]}-2", DIGEST) == f"fw {DIGEST[:12]}-2"


def test_versions_are_told() -> None:
    old, new = LivePackage("p-1", "firmware", version="2.0"), LivePackage("p-7", "firmware", version="2.1")
    project = world(old, new)
    assert firmware(project) == Packages(("firmware 2.0",), ("firmware 2.1",))
    said = text(project)
    assert "firmware 2.0 → firmware 2.1" in said
    assert "2 get firmware 2.1 instead of firmware 2.0" in said


def test_a_version_is_read_though_the_state_knows_the_name_and_only_where_servers_keep_versions() -> None:
    old, new = LivePackage("p-1", "firmware", version="2.0"), LivePackage("p-7", "firmware", version="2.1")
    project, wanted = world(old, new), desired(campaign(packages=(file("x", "firmware", version="2.1"),)))
    project.uploaded(file("old", "firmware"), "p-1")
    assert firmware(project, wanted) == Packages(("firmware 2.0",), ("firmware 2.1",))
    assert "package p-1" in project.server.log
    other = world(old, new, facts=PULSE)
    other.uploaded(file("old", "fw.bin"), "p-1")
    assert firmware(other, wanted).before == ("fw.bin",)
    assert not [each for each in other.server.log if each.startswith("package ")], "that can't matter here"


def test_packages_that_are_called_alike_are_told_apart() -> None:
    """On a server without versions: by what they hold, or else by their ids."""
    old, new = LivePackage("p-1", "fw.bin"), LivePackage("p-7", "fw.bin", sha256=DIGEST)
    assert firmware(world(old, new, facts=PULSE)) == Packages(
        ("fw.bin (id p-1)",), ("fw.bin (3fa8b2c91d20)",)
    )
    assert "fw.bin (id p-1) → fw.bin (3fa8b2c91d20)" in text(world(old, new, facts=PULSE))


def test_a_file_of_the_same_name_that_is_still_to_be_uploaded() -> None:
    project, before, after = world(facts=PULSE), file("before"), file("after")
    project.uploaded(before, "p-1")
    wanted = desired(campaign(packages=(after,)))
    both = Packages((f"fw.bin ({before.sha256[:12]})",), (f"fw.bin ({after.sha256[:12]})",))
    assert firmware(project, wanted) == both
    assert f"{both.before[0]} → {both.after[0]}" in text(project, wanted)


def test_a_file_that_is_there_already_is_not_its_own_double() -> None:
    project, same = world(LivePackage("p-7", "fw.bin"), facts=PULSE), file("same")
    project.uploaded(same, "p-7")
    project.uploaded(file("other", "fx.bin"), "p-1")
    assert firmware(project, desired(campaign(packages=(same,)))) == Packages(("fx.bin",), ("fw.bin",))


def test_uploads_and_deleted_packages_are_told_with_their_version() -> None:
    project = world(
        LivePackage("p-1", "firmware", version="2.0"), LivePackage("p-7", "firmware", version="1.9")
    )
    project.uploaded(file("older", "firmware"), "p-7")
    wanted = desired(campaign(packages=(file("x", "firmware", version="2.1"),)))
    said = text(project, wanted, prune=True)
    assert "firmware 2.1 (1 bytes," in said
    assert "- package firmware 1.9" in " ".join(said.split())
