"""`PackageSet.keep`: earlier uploads that survive a prune, and the way back to them."""

from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.model import Finding
from reconciler.plan.model import Plan
from reconciler.state.base import PackageUploaded
from tests.world import World, run

SET = """
apiVersion: reconciler/v1
kind: PackageSet
metadata: {{name: fw}}
spec: {{packages: [{{file: fw-{version}.bin}}]{keep}}}
---
apiVersion: reconciler/v1
kind: Campaign
metadata: {{name: c}}
spec: {{packageSet: fw}}
"""
VERSIONS = (1, 2, 3, 4)


def declared(version: int, keep: int | None) -> str:
    return SET.format(version=version, keep=f", keep: {keep}" if keep else "")


async def released(world: World, keep: int | None) -> None:
    """Four releases, one after the other; the state says a second for each."""
    for version in VERSIONS:
        (world.folder / f"fw-{version}.bin").write_text(f"firmware {version}")
        await world.apply(declared(version, keep))
        with world.store.locked(world.provider.server, "test") as session:
            for upload in session.state.packages.values():
                if upload.name == f"fw-{version}.bin":
                    session.record(PackageUploaded(replace(upload, since=1_700_000_000 + version)))


def said(plan: Plan) -> list[Finding]:
    return [each for each in plan.findings if each.code == "upload-kept"]


def deleted(plan: Plan) -> list[str]:
    return sorted(
        str(each.before["name"])
        for each in plan.changes
        if each.after is None and isinstance(each.before, dict)
    )


@pytest.mark.parametrize(
    ("keep", "gone"),
    [
        (None, ["fw-1.bin", "fw-2.bin", "fw-3.bin"]),
        (1, ["fw-1.bin", "fw-2.bin"]),
        (2, ["fw-1.bin"]),
        (3, []),
        (9, []),
    ],
)
def test_the_newest_survive(tmp_path: Path, keep: int | None, gone: list[str]) -> None:
    async def body() -> None:
        async with World.open(tmp_path) as world:
            await released(world, keep)
            plan = await world.make_plan(declared(4, keep), prune=True)
            assert deleted(plan) == gone
            kept = sorted({"fw-1.bin", "fw-2.bin", "fw-3.bin"} - set(gone))
            assert [all(name in each.message for name in kept) for each in said(plan)] == [True] * bool(kept)
            await world.run(plan)
            after = await world.make_plan(declared(4, keep), prune=True)
            assert not after.groups
            assert len(said(after)) == bool(kept)

    run(body())


def test_the_way_back_uploads_nothing(tmp_path: Path) -> None:
    async def body() -> None:
        async with World.open(tmp_path) as world:
            await released(world, 1)
            await world.apply(declared(4, 1), prune=True)
            assert "upload-package" not in " ".join(await world.plan(declared(3, 1)))
            assert "upload-package" in " ".join(await world.plan(declared(2, 1)))
            # The one that was left is now the earlier one.
            await world.apply(declared(3, 1))
            plan = await world.make_plan(declared(3, 1), prune=True)
            assert not deleted(plan)
            assert "fw-4.bin" in said(plan)[0].message

    run(body())


def test_without_a_prune_nothing_is_said(tmp_path: Path) -> None:
    async def body() -> None:
        async with World.open(tmp_path) as world:
            await released(world, 1)
            assert not said(await world.make_plan(declared(4, 1)))

    run(body())


def test_a_set_that_is_gone_keeps_nothing(tmp_path: Path) -> None:
    async def body() -> None:
        async with World.open(tmp_path) as world:
            await released(world, 3)
            campaign = declared(4, 3).partition("---")[2].replace("spec: {packageSet: fw}", "spec: {}")
            await world.apply(campaign)
            plan = await world.make_plan(campaign, prune=True)
            assert not said(plan)
            # The last one is still the campaign's.
            assert deleted(plan) == ["fw-1.bin", "fw-2.bin", "fw-3.bin"]

    run(body())
