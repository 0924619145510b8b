"""What hawkBit has, exported and adopted: nothing is to be done."""

import asyncio
from pathlib import Path

import httpx
import pytest

from reconciler.app.pipeline import draft
from reconciler.export import Wanted, export
from reconciler.loading import load
from reconciler.options import Options
from reconciler.resolve import resolve
from reconciler.state.base import State
from reconciler.validation import validate
from tests.fakes import NOW
from tests.providers.hawkbit_world import HawkbitWorld, ids, line
from tests.providers.test_hawkbit_filters import listed, save
from tests.world import AT_ONCE

SOON = 1_900_000_000_000


@pytest.mark.parametrize(
    ("more", "spec"),
    [
        ({}, "delivery:\n    force: always\n"),
        ({"type": "soft"}, "delivery:\n    force: never\n"),
        ({"type": "downloadonly"}, "delivery:\n    only: download\n"),
        ({"type": "timeforced", "forcetime": SOON}, 'forceAfter: "2030-03-17T17:46:40Z"\n'),
        ({"type": "timeforced", "forcetime": SOON + 7}, 'forceAfter: "2030-03-17T17:46:40.007Z"\n'),
        ({"startAt": SOON}, 'startAt: "2030-03-17T17:46:40Z"\n'),
    ],
)
def test_how_it_is_delivered(tmp_path: Path, more: dict[str, object], spec: str) -> None:
    async def main() -> None:
        async with HawkbitWorld.open(tmp_path) as world:
            await world.apply(line(1, 2))
            body = {"name": "by hand", "distributionSetId": world.rollout("line").bundle}
            body |= {"targetFilterQuery": "id==gw-03", **more}
            by_hand(world, body)
            world.server.settle()
            await comes_to_rest(world, tmp_path / "out")
            assert spec in (tmp_path / "out" / "campaigns" / "by-hand.yaml").read_text()

    asyncio.run(main())


def by_hand(world: HawkbitWorld, body: dict[str, object]) -> None:
    url = f"{world.server.url}/rest/v1/rollouts"
    httpx.post(url, json=body, auth=("admin", "admin")).raise_for_status()


def test_a_filter_and_who_is_closed(tmp_path: Path) -> None:
    async def main() -> None:
        async with HawkbitWorld.open(tmp_path) as world:
            save(world, "hall 3", "id==gw-0*")
            await world.apply(listed(more=f"closedGateways: {ids(1)}"))
            await world.apply(listed(more=f"closedGateways: {ids(1, 2)}"))
            await comes_to_rest(world, tmp_path / "out")
            text = (tmp_path / "out" / "campaigns" / "line.yaml").read_text()
            assert "distributionListId: hall 3\n" in text
            assert "gatewayLists" not in text

    asyncio.run(main())


async def comes_to_rest(world: HawkbitWorld, out: Path) -> None:
    """What is exported is what is there."""
    await export(world.provider.reads, world.provider.facts, {}, Wanted(out))
    valid = validate(load([out], base=out).documents)
    resolved = resolve(valid.documents, world.provider.facts, root=out, environ={})
    assert not [f for f in (*valid.findings, *resolved.findings) if f.is_error]
    state = State("lineage", "5a17", server=world.provider.server)
    planned = await draft(
        resolved.desired, state, world.provider, Options(adopt=True), now=NOW, lookout=AT_ONCE
    )
    assert [step.id for step in planned.plan.steps()] == []
    assert not [f for f in planned.plan.findings if f.is_error]
