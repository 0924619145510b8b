"""What is exported is valid, adopts the server without a step, and is the same again; in every dialect."""

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from reconciler.embedded.dialects import PRESETS
from tests.export.export_worlds import Made, check_adopts, fill
from tests.world import World, run

LONG = tuple(f"gw-{number:03}" for number in range(52))
VARIED = [
    Made("Line 3, Frühling", "Spring\nof line 3: yes", (0,), ("gw-1", "1.10", "yes", "a#b", "a b")),
    Made("running", "", (0, 1), LONG, {"gw-001": (2,), "gw-002": (2,), "gw-003": (0, 1)}, moves=("start",)),
    Made("stopped", "", (1, 0), LONG, closed=("gw-005",), moves=("start", "stop")),
    Made("own packages for many", "", (0,), LONG, dict.fromkeys(LONG[:51], (1, 2))),
    Made("by list", "d", (0,), ("x-1",), {"x-1": (1,)}, distribution="dl-7"),
    Made("nothing at all"),
    Made("yes", "~", (2,), tuple(f"g {number} #{number}" for number in range(55))),
    Made("dup"),
    Made("dup"),
]
PACKAGES = ["firmware 1.0.bin", "firmware-1.0.bin", "null"]


@pytest.mark.parametrize("dialect", PRESETS)
def test_a_varied_server(dialect: str, tmp_path: Path) -> None:
    async def body() -> None:
        async with World.open(tmp_path, dialect=PRESETS[dialect], page_size=7) as world:
            await fill(world, PACKAGES, VARIED)
            made = await check_adopts(world, tmp_path / "out")
            assert (made.campaigns, [finding.code for finding in made.findings]) == (7, ["not-exported"])

    run(body())


ids = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1, max_size=12)
ids = ids.map(str.strip).filter(lambda text: text not in ("", "things", ".", ".."))
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)
traps = st.sampled_from(["yes", "1.10", "#", "a: b", " x", "x\ny", "2024-01-01", "~", "A", "a", "a-2", "a 2"])


@st.composite
def campaigns(draw: st.DrawFn) -> Made:
    members = tuple(draw(st.lists(ids | traps.map(str.strip), max_size=6, unique=True)))
    some = st.lists(st.sampled_from(members), unique=True) if members else st.just([])
    sets = st.lists(st.integers(0, 2), max_size=3, unique=True).map(tuple)
    return Made(
        name=draw((texts | traps).filter(str.strip)),
        description=draw(texts | traps),
        packages=draw(sets),
        gateways=members,
        overrides={gateway: draw(sets.filter(bool)) for gateway in draw(some)},
        closed=tuple(draw(some)),
        distribution=draw(st.none() | ids),
        moves=draw(st.sampled_from([(), ("start",), ("start", "stop")])),
    )


@settings(max_examples=25)
@given(st.lists(campaigns(), max_size=5), st.lists((texts | traps).filter(str.strip), min_size=3, max_size=3))
@example([Made("a" * 300), Made("a" * 255), Made("a" * 254 + "b")], ["x", "X", "x"])
def test_any_server(made: list[Made], packages: list[str]) -> None:
    async def body() -> None:
        with TemporaryDirectory() as folder:
            async with World.open(Path(folder)) as world:
                await fill(world, [name[:100] for name in packages], made)
                await check_adopts(world, Path(folder) / "out")

    asyncio.run(body())
