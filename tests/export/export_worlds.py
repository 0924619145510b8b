"""Servers that somebody filled by other means, and what an export of them has to be."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reconciler.app.pipeline import draft
from reconciler.export import Exported, Wanted, export
from reconciler.loading import load
from reconciler.model import DistributionList, Finding, ResourceId
from reconciler.plan import Plan
from reconciler.resolve import resolve
from reconciler.validation import validate
from tests.fakes import PULSE
from tests.world import AT_ONCE, World


@dataclass(frozen=True)
class Made:
    """A campaign as somebody made it. ``packages``: numbers of packages; ``overrides``: of gateways."""

    name: str
    description: str = ""
    packages: tuple[int, ...] = ()
    gateways: tuple[str, ...] = ()
    overrides: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    closed: tuple[str, ...] = ()
    distribution: str | None = None
    moves: tuple[str, ...] = ()
    """*start* and *stop*, in order."""


async def fill(world: World, packages: Iterable[str], campaigns: Iterable[Made]) -> list[str]:
    """Put it all there through the API; the ids of the campaigns."""
    client = world.provider.reads
    ids = [await upload(world, name) for name in packages]
    made: list[str] = []
    for one in campaigns:
        own = [ids[number] for number in one.packages]
        key = await client.create_campaign(one.name, description=one.description, packages=own)
        made.append(key)
        if one.gateways:
            await client.add_gateways(key, one.gateways)
        for gateway, numbers in one.overrides.items():
            await client.assign_gateway_packages(key, gateway, [ids[number] for number in numbers])
        for gateway in one.closed:
            await client.close_gateway(key, gateway)
        if one.distribution:
            await client.set_distribution_list(key, DistributionList(one.distribution, 60))
        for move in one.moves:
            await (client.start_campaign(key) if move == "start" else client.stop_campaign(key))
    return made


async def upload(world: World, name: str) -> str:
    from reconciler.providers.http.filebody import FileBody

    path = world.folder / "package.bin"
    path.write_bytes(b"content")
    from hashlib import sha256

    body = FileBody(path, 7, sha256(b"content").hexdigest())
    return await world.provider.reads.stream_package(body, name=name, description="by hand")


async def exported(world: World, folder: Path, **wanted: Any) -> Exported:
    """Export the world's server into `folder`, as `reconciler export` would."""
    owners = {owned.id: resource for resource, owned in world.store.load().campaigns.items()}
    return await export(world.provider.reads, world.provider.facts, owners, Wanted(folder, **wanted))


def tree(folder: Path) -> dict[str, bytes]:
    """Every file, hidden ones too."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def checked(folder: Path) -> tuple[Any, tuple[Finding, ...]]:
    """What the files ask for, and every finding about them."""
    loaded = load([folder], base=folder)
    valid = validate(loaded.documents)
    resolved = resolve(valid.documents, PULSE, root=folder, environ={})
    return resolved.desired, (*loaded.findings, *valid.findings, *resolved.findings)


async def adopting(world: World, folder: Path) -> Plan:
    """The plan that adopts what was exported."""
    from reconciler.options import Options
    from reconciler.state.base import bound_to

    desired, findings = checked(folder)
    assert not findings or not tree(folder), findings
    options = Options(adopt=True)
    state = bound_to(world.store.load(), world.provider.server, url=world.store.url)
    return (await draft(desired, state, world.provider, options, now=world.now, lookout=AT_ONCE)).plan


async def check_adopts(world: World, folder: Path) -> Exported:
    """Export, check, adopt, export again: no finding, no step, no byte."""
    first = await exported(world, folder)
    before = tree(folder)
    plan = await adopting(world, folder)
    assert plan.empty, [step.id for step in plan.steps()]
    assert not [finding for finding in plan.findings if finding.is_error], plan.findings
    again = await exported(world, folder)
    assert [*again.files.new, *again.files.changed, *again.files.foreign] == []
    # What is owned keeps its name, so the export of an adopted server is the same, too.
    if plan.records:
        await world.run(plan)
        assert set(world.store.load().campaigns) == campaigns_of(folder)
        await exported(world, folder)
    assert tree(folder) == before
    return first


def campaigns_of(folder: Path) -> set[ResourceId]:
    desired, _ = checked(folder)
    return {campaign.resource for campaign in desired.campaigns}
