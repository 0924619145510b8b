"""Every kind of server is read in parcels as it is read by one process: values, errors, requests."""

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from provider_benches import BENCHES, Bench

from reconciler.errors import Refused, ServerError
from reconciler.model import Aspects, Kind, ResourceId, Scope, Verb
from reconciler.providers.base import Field
from reconciler.reading import read
from tests.readers.reading_crew import Crew, shared


async def made(bench: Bench) -> dict[str, Aspects]:
    """Three campaigns with gateways, and what is to be read of them."""
    found: dict[str, Aspects] = {}
    overridden = bench.facts.supports(Field.OVERRIDES)
    for number, count in enumerate((23, 1, 0)):
        resource = ResourceId(Kind.CAMPAIGN, f"line-{number}")
        gateways = bench.gateways[:count]
        campaign = await bench.create(f"line-{number}")
        if gateways:
            await bench.do(Verb.ADD, resource, target=campaign, gateways=gateways)
        found[campaign] = Aspects(
            members=True,
            distribution=bench.facts.supports(Field.DISTRIBUTION),
            overrides=frozenset(gateways[:2]) if overridden else frozenset(),
        )
    return found


def counted(provider: Any) -> dict[str, int]:
    return dict(provider.reads.requests)


@pytest.mark.parametrize("kind", BENCHES)
def test_what_is_read_in_parcels_is_what_one_process_reads(kind: str, tmp_path: Path) -> None:
    async def main() -> None:
        async with BENCHES[kind](tmp_path) as bench:
            provider = bench.provider
            scope = Scope(await made(bench), whole=True)
            before = counted(provider)
            alone = await read(scope, provider.reads)
            between = counted(provider)
            over: Any = SimpleNamespace(reads=provider.reads, answers=getattr(provider, "answers", {}))
            crew = Crew([over])
            async with shared(provider.reads, crew) as reads:
                assert await read(scope, reads) == alone
            after = counted(provider)
            assert len(crew.parcels) >= 2
            assert sum(len(each.gateways or ()) for each in alone.by_id.values() if each) == 24
            assert {name: after[name] - between.get(name, 0) for name in after} == {
                name: between[name] - before.get(name, 0) for name in between
            }

    asyncio.run(main())


@pytest.mark.parametrize("kind", BENCHES)
def test_a_campaign_that_is_not_there_is_the_same_error(kind: str, tmp_path: Path) -> None:
    async def main() -> None:
        async with BENCHES[kind](tmp_path) as bench:
            reads: Any = bench.provider.reads
            over: Any = SimpleNamespace(reads=reads, answers=getattr(bench.provider, "answers", {}))
            async with shared(reads, Crew([over])) as together:
                said: list[ServerError] = []
                for each in (reads, together):
                    try:
                        await each.gateways("4711")
                    except Refused as error:
                        said.append(error)
                    except KeyError:
                        return  # a server in memory that has no answer for that
                alone, theirs = said
                assert vars(theirs) == vars(alone)

    asyncio.run(main())
