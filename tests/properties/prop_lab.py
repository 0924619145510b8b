"""A world whose desired side is drawn, not written as YAML; what its server holds; who meddles with it."""

import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

from reconciler.app.pipeline import draft
from reconciler.apply import Applied, apply_plan
from reconciler.embedded.errors import CallRefused
from reconciler.embedded.store import Store
from reconciler.embedded.tables import campaigns, gateways, packages
from reconciler.embedded.tables.packages import Package
from reconciler.errors import Refused
from reconciler.model import Desired, PackageFile
from reconciler.options import Options
from reconciler.plan import Plan
from reconciler.providers.base import Writes
from reconciler.state.base import State, bound_to
from tests.properties.prop_strategies import CONTENTS, VENDOR, VENDOR_NAME, Deed, Episode
from tests.world import AT_ONCE, World, no_delay, operation_of

MEMORY = next((path for path in ("/dev/shm",) if Path(path).is_dir()), None)
"""A folder in memory, where there is one: a state is written, and synced, very often here."""


@dataclass(frozen=True, slots=True)
class Held:
    """A campaign as the server holds it, with what no operation gives back."""

    id: str
    name: str
    description: str
    status: str
    under_approval: bool
    packages: frozenset[str]
    settings: Mapping[str, str]
    distribution: tuple[str | None, str | None]
    callbacks: Mapping[str, tuple[str, list[str]]]
    gateways: Mapping[str, tuple[str, bool]]
    """Gateway → state, closed."""
    own: Mapping[str, frozenset[str]]
    """Gateway → packages of its own, of those that were given some."""
    schedules: Mapping[tuple[str, str], tuple[str, str]]
    things: Mapping[tuple[str, str], int]
    modified: int

    def effective(self, gateway: str) -> frozenset[str]:
        return self.own.get(gateway, self.packages)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that a server holds."""

    campaigns: Mapping[str, Held]
    packages: Mapping[str, Package]

    def named(self, name: str) -> list[Held]:
        return [held for held in self.campaigns.values() if held.name == name]


def snapshot_of(store: Store) -> Snapshot:
    """All that the server over `store` holds."""
    with store.transaction(write=False) as db:
        rows = db.execute(
            "SELECT seq, id, name, description, status, made_under_approval, modified_ms, settings,"
            " distribution_list_id, reevaluation_seconds FROM campaigns ORDER BY seq"
        ).fetchall()
        held = {}
        for row in rows:
            seq = row["seq"]
            members = db.execute(
                "SELECT gateway_id, state, closed, overridden FROM gateways WHERE campaign = ?", (seq,)
            ).fetchall()
            own: dict[str, set[str]] = {m["gateway_id"]: set() for m in members if m["overridden"]}
            for line in db.execute(
                "SELECT gateway_id, package FROM gateway_packages WHERE campaign = ?", (seq,)
            ):
                own[line["gateway_id"]].add(line["package"])
            held[row["id"]] = Held(
                id=row["id"],
                name=row["name"],
                description=row["description"],
                status=row["status"],
                under_approval=bool(row["made_under_approval"]),
                packages=frozenset(campaigns.find(db, row["id"]).packages),
                settings=json.loads(row["settings"]),
                distribution=(row["distribution_list_id"], row["reevaluation_seconds"]),
                callbacks=campaigns.callbacks(db, seq),
                gateways={m["gateway_id"]: (m["state"], bool(m["closed"])) for m in members},
                own={gateway: frozenset(ids) for gateway, ids in own.items()},
                schedules={(g, phase): (b, e) for g, phase, b, e in gateways.schedules(db, seq)},
                things={(g, thing): runs for g, thing, runs in gateways.things(db, seq)},
                modified=row["modified_ms"],
            )
        stored = {row["id"]: packages.find(db, row["id"]) for row in db.execute("SELECT id FROM packages")}
    return Snapshot(held, stored)


@dataclass
class Lab(World):
    """See the module."""

    @classmethod
    @asynccontextmanager
    async def of(cls, episode: Episode) -> AsyncIterator[Self]:
        """A lab in which `episode.before` may be applied."""
        settings = {"batch_size": episode.batch}
        with TemporaryDirectory(dir=MEMORY) as folder:
            for content in CONTENTS:
                (Path(folder) / f"{content}.bin").write_text(content)
            async with cls.open(Path(folder), approval_needed=episode.approval, **settings) as lab:
                with lab.app.state.context.store.transaction(write=True) as db:
                    packages.insert(db, Package(VENDOR, VENDOR_NAME, "", "them", 1, 1, "00"))
                if episode.reapprove:
                    await lab.control("settings", {"reapproveAfterEdit": True})
                yield lab

    def here(self, desired: Desired) -> Desired:
        """`desired` with its package files in the folder of this lab."""

        def at(ref: Any) -> Any:
            return replace(ref, path=self.folder / ref.path.name) if isinstance(ref, PackageFile) else ref

        def moved(campaign: Any) -> Any:
            return replace(
                campaign,
                packages=None if campaign.packages is None else tuple(map(at, campaign.packages)),
                overrides=None
                if campaign.overrides is None
                else tuple(replace(o, packages=tuple(map(at, o.packages))) for o in campaign.overrides),
            )

        return replace(
            desired,
            campaigns=tuple(map(moved, desired.campaigns)),
            packages=tuple(map(at, desired.packages)),
        )

    @property
    def state(self) -> State:
        return bound_to(self.store.load(), self.provider.server, url=self.store.url)

    async def plan_of(
        self, desired: Desired, options: Options | None = None, state: State | None = None
    ) -> Plan:
        desired, state, chosen = self.here(desired), state or self.state, options or Options()
        return (await draft(desired, state, self.provider, chosen, now=self.now, lookout=AT_ONCE)).plan

    async def apply_of(
        self,
        desired: Desired,
        options: Options | None = None,
        *,
        through: Writes | None = None,
        without: Callable[[Plan], Plan] = lambda plan: plan,
    ) -> tuple[Plan, Applied]:
        """Lock, plan and apply, as the command does; `seen` then holds the calls of the apply alone.

        The steps run `through` that provider; `without` may take something out of the plan before.
        """
        with self.store.locked(self.provider.server, "apply") as session:
            plan = without(await self.plan_of(desired, options, session.state))
            self.seen.clear()
            applied = await apply_plan(
                plan,
                through or self.provider.writes,
                session,
                delay=no_delay,
                parallelism=8,
                settling=AT_ONCE.settling,
            )
        return plan, applied

    def answered(self) -> list[tuple[str, int]]:
        """The writes of the last apply, each with the status of its answer."""
        return [(operation_of(c.method, c.path), c.status) for c in self.seen if c.method != "GET"]

    # --- the server from behind ------------------------------------------------------------------

    def snapshot(self) -> Snapshot:
        return snapshot_of(self.app.state.context.store)

    async def meddle(self, deed: Deed) -> None:
        """Do it; what the server refuses doesn't happen."""
        client = self.provider.reads
        if deed.what == "lose state":
            for path in self.folder.glob("state.json*"):
                path.unlink()
            return
        try:
            if deed.what == "lose packages":
                for package in self.snapshot().packages.values():
                    if package.id != VENDOR:
                        await client.delete_package(package.id)
                return
            if deed.what == "foreign":
                made = await client.create_campaign(deed.value, description="foreign", packages=[VENDOR])
                await client.add_gateways(made, [deed.gateway])
                await client.start_campaign(made)
                return
            live = list(self.snapshot().campaigns.values())
            if live:
                await self._meddle_with(live[deed.which % len(live)], deed)
        except (Refused, CallRefused):
            pass

    async def _meddle_with(self, held: Held, deed: Deed) -> None:
        client, target, gateway = self.provider.reads, held.id, deed.gateway
        match deed.what:
            case "start":
                await client.start_campaign(target)
            case "stop":
                await client.stop_campaign(target)
            case "approve":
                await client.approve_campaign(target)
            case "describe" | "rename":
                renames = deed.what == "rename"
                await client.edit_campaign(
                    target,
                    deed.value if renames else held.name,
                    description=held.description if renames else deed.value,
                    packages=sorted(held.packages),
                    settings=held.settings,
                )
            case "add":
                await client.add_gateways(target, [gateway])
            case "remove":
                await client.remove_gateways(target, [gateway])
            case "close":
                await client.close_gateway(target, gateway)
            case "assign":
                await client.assign_gateway_packages(target, gateway, [VENDOR])
            case "state":
                with self.app.state.context.store.transaction(write=True) as db:
                    seq = campaigns.find(db, target).seq
                    gateways.put(db, seq, replace(gateways.find(db, seq, gateway), state=deed.value))
            case "distribute":
                await client.set_distribution_list(target, deed.value)
            case "delete":
                await client.delete_campaign(target)
            case other:
                raise AssertionError(other)


@asynccontextmanager
async def ready(episode: Episode) -> AsyncIterator[Lab]:
    """A lab in which Git's first wish is fulfilled and people have meddled."""
    async with Lab.of(episode) as lab:
        await lab.apply_of(episode.before)
        for deed in episode.deeds:
            await lab.meddle(deed)
        lab.now = episode.now
        yield lab
