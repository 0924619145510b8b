"""The formula of `docs/reading.md` against what a server saw, of plans in which nothing has changed."""

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.world import World, run

PAGE = 5


@dataclass(frozen=True)
class Wanted:
    """A declared campaign; None: gateways, or overrides, are not managed."""

    gateways: int | None
    overrides: int | None = None
    distribution: bool = False

    @property
    def requests(self) -> int:
        pages = max(1, -(-self.gateways // PAGE)) if self.gateways is not None else 0
        return 1 + pages + self.distribution + (self.overrides or 0)

    def document(self, number: int) -> str:
        ids = [f"gw-{number}-{n:03}" for n in range(self.gateways or 0)]
        fields = [f"name: Campaign {number}"]
        if self.gateways is not None:
            fields.append(f"gatewayLists: [list-{number}]")
        if self.overrides is not None:
            with_own = f"[{{gateways: [{', '.join(ids[: self.overrides])}], packageSet: own}}]"
            fields.append(f"packageOverrides: {with_own if self.overrides else '[]'}")
        if self.distribution:
            fields.append("distributionList: {distributionListId: f-1, reevaluationIntervalSeconds: 60}")
        return (
            f"---\napiVersion: reconciler/v1\nkind: GatewayList\nmetadata: {{name: list-{number}}}\n"
            f"spec: {{gateways: [{', '.join(ids)}]}}\n"
            f"---\napiVersion: reconciler/v1\nkind: Campaign\nmetadata: {{name: c-{number}}}\n"
            f"spec: {{{', '.join(fields)}}}\n"
        )


@st.composite
def wanted(draw: st.DrawFn) -> Wanted:
    gateways = draw(st.none() | st.integers(0, 3 * PAGE))
    overrides = draw(st.none() | st.integers(0, min(gateways, 3))) if gateways else None
    return Wanted(gateways, overrides, draw(st.booleans()))


@settings(max_examples=25)
@given(st.lists(wanted(), max_size=4))
def test_a_plan_without_changes_sends_what_the_formula_says(campaigns: list[Wanted]) -> None:
    run(_check(campaigns))


async def _check(campaigns: list[Wanted]) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder)
        (path / "own.bin").write_text("own")
        text = (
            "apiVersion: reconciler/v1\nkind: PackageSet\nmetadata: {name: own}\n"
            "spec: {packages: [{file: own.bin}]}\n" + "".join(c.document(n) for n, c in enumerate(campaigns))
        )
        async with World.open(path, page_size=PAGE) as world:
            await world.control("distribution-lists/f-1", {"filter": {"site": "nowhere"}})
            await world.apply(text)
            world.seen.clear()
            assert await world.plan(text) == []
            # The version was asked for by the first plan. The package is declared, and no campaign's own.
            lists = 1 + bool(campaigns)
            assert len(world.seen) == 1 + lists + sum(campaign.requests for campaign in campaigns)
