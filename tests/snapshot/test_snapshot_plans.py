"""A plan on a snapshot is the plan that the server would have got."""

import asyncio
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given

from reconciler.app.pipeline import draft
from reconciler.embedded.dialects import PRESETS, REFERENCE, Dialect
from reconciler.errors import ReconcilerError
from reconciler.model import Desired, Secret
from reconciler.providers.snapshot import saved_server
from reconciler.snapshot import Overrides, gateways_to_ask, read_state
from tests.dialects import dialect_scenarios
from tests.dialects.dialect_scenarios import COMMON, FILES, SCENARIOS, campaign, gateways
from tests.properties.prop_cases import known_cases
from tests.properties.prop_lab import ready
from tests.properties.prop_strategies import Episode, episodes, examples
from tests.snapshot.snapshot_worlds import TwiceWorld, saved_at, shown, taken
from tests.world import AT_ONCE, run


def play(name: str, dialect: Dialect) -> None:
    with pytest.MonkeyPatch.context() as patch, TemporaryDirectory() as folder:
        patch.setattr(dialect_scenarios, "World", TwiceWorld)
        asyncio.run(dialect_scenarios.play(name, Path(folder), dialect))


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_plan_of_a_scenario(name: str) -> None:
    play(name, REFERENCE)


@pytest.mark.parametrize("preset", [name for name in PRESETS if name != "reference"])
def test_in_every_dialect(preset: str) -> None:
    play("everything", PRESETS[preset])


@examples(25)
@given(episode=episodes())
@known_cases
def test_whatever_happened(episode: Episode) -> None:
    """Secrets aside, of which a snapshot says nothing."""
    run(_same_plan(replace(episode, before=_open(episode.before), after=_open(episode.after))))


async def _same_plan(episode: Episode) -> None:
    async with ready(episode) as lab:
        desired, options = lab.here(episode.after), episode.options
        lab.provider.reads.wire.requests.clear()
        online = await lab.plan_of(episode.after, options)
        asked = gateways_to_ask(Overrides.DECLARED, desired, lab.state)
        saved = saved_at(lab.folder / "s.jsonl", await taken(lab.provider, lambda: lab.state, asked))
        provider, state = saved_server(saved, lab.provider.facts), read_state(saved)
        offline = (await draft(desired, state, provider, options, now=lab.now, lookout=AT_ONCE)).plan
        assert shown(offline) == shown(online)
        assert offline == online


def _open(desired: Desired) -> Desired:
    """With every secret as a plain value."""
    opened = (
        replace(
            campaign,
            settings=campaign.settings
            and {k: v.reveal() if isinstance(v, Secret) else v for k, v in campaign.settings.items()},
        )
        for campaign in desired.campaigns
    )
    return replace(desired, campaigns=tuple(opened))


# --- secrets ------------------------------------------------------------------------------------------

WITH_SECRETS = COMMON + campaign(
    "c", "gw-1", settings="{KEY: {fromEnv: KEY}, PIN: {fromEnv: PIN}, LEVEL: info}", description=""
)


async def _with_secrets(world: TwiceWorld) -> None:
    world.desired(COMMON, **FILES)
    world.canaries = ["canary-1", "canary-2"]
    world.environ = {"KEY": "canary-1", "PIN": "1234"}
    await world.apply(WITH_SECRETS)
    state = world.load()
    (owned,) = state.campaigns.values()
    world.canaries += [state.salt, *(entry["digest"] for entry in _digests(owned.applied["settings"]))]


def _digests(settings: object) -> list[dict[str, str]]:
    assert isinstance(settings, dict)
    return [entry for entry in settings.values() if "digest" in entry]


def test_a_secret_is_neither_changed_nor_in_sync(tmp_path: Path) -> None:
    async def body() -> None:
        async with TwiceWorld.open(tmp_path) as world:
            await _with_secrets(world)
            world.blind.clear()
            await world.make_plan(WITH_SECRETS)
            (finding,) = world.blind
            assert finding.message == (
                "Campaign/c: can't tell whether the secret settings KEY, PIN changed: secrets are neither in"
                " a snapshot nor read to plan on one"
            )
            assert finding.place is not None
            assert finding.place.line > 1

            # What is known of them is still a difference: that one is gone, that another is new.
            saved = await world.snapshot(WITH_SECRETS)
            fewer = WITH_SECRETS.replace("PIN: {fromEnv: PIN}", "NEW: {fromEnv: PIN}")
            plan = await world.plan_offline(saved, fewer)
            assert [(change.field, change.before, change.after) for change in plan.changes] == [
                ("settings.NEW", None, {"secret": "environment variable PIN"}),
                ("settings.PIN", {"secret": "as last applied"}, None),
            ]
            assert [f.message.count("setting KEY changed") for f in plan.findings] == [1]

            # Plain where a secret was recorded, and the reverse: not told either.
            plain = WITH_SECRETS.replace("{fromEnv: PIN}", '"1234"').replace(
                "LEVEL: info", "LEVEL: {fromEnv: L}"
            )
            plan = await world.plan_offline(saved, plain)
            assert plan.empty
            assert ["settings KEY, LEVEL, PIN changed" in finding.message for finding in plan.findings] == [
                True
            ]

            # Sent again anyway: nothing is left to be told.
            plan = await world.plan_offline(saved, WITH_SECRETS, reassert=True)
            assert [change.field for change in plan.changes] == [
                f"settings.{k}" for k in ("KEY", "LEVEL", "PIN")
            ]
            assert "secret-not-compared" not in {finding.code for finding in plan.findings}

            # Adopting assumes them, as on the server.
            (world.folder / "state.json").unlink()
            await world.make_plan(WITH_SECRETS, adopt=True)
            assert await world.make_plan(WITH_SECRETS) is not None

    run(body())


def test_a_lost_create_says_as_little(tmp_path: Path) -> None:
    """An intent keeps what a create carries, digests too."""
    from reconciler.state.base import Intent, IntentNoted

    async def body() -> None:
        async with TwiceWorld.open(tmp_path) as world:
            world.environ = {"KEY": "canary-1", "PIN": "1234"}
            world.desired(COMMON, **FILES)
            with world.store.locked(world.provider.server, "apply") as session:
                applied = {"settings": {"KEY": {"digest": "canary-2"}, "LEVEL": {"value": "info"}}}
                session.record(IntentNoted(Intent("Campaign/c", "c", applied)))
            world.canaries = ["canary"]
            saved = await world.snapshot(WITH_SECRETS)
            assert "canary" not in saved.path.read_text()
            assert read_state(saved).intents["Campaign/c"].applied == {
                "settings": {"KEY": {"withheld": True}, "LEVEL": {"value": "info"}}
            }

    run(body())


# --- what a snapshot didn't read ----------------------------------------------------------------------


@pytest.mark.parametrize("overrides", Overrides)
def test_an_override_that_was_not_read(overrides: Overrides, tmp_path: Path) -> None:
    bare = COMMON + campaign("c", gateways(1, 3))
    overridden = COMMON + campaign(
        "c", gateways(1, 3), packageOverrides="[{gateways: [gw-1, gw-3], packageSet: other}]"
    )

    async def body() -> None:
        async with TwiceWorld.open(tmp_path) as world:
            world.overrides = overrides
            world.desired(COMMON, **FILES)
            await apply_once(world, bare)
            saved = await world.snapshot(bare)
            if overrides is Overrides.ALL:
                offline = await world.plan_offline(saved, overridden)
                assert [step.operation.name for step in offline.steps()] == [
                    "assign-gateway-packages",
                    "assign-gateway-packages",
                ]
                return
            with pytest.raises(
                ReconcilerError, match=r"which packages the gateway gw-1 and 1 more of campaign 'c'"
            ) as e:
                await world.plan_offline(saved, overridden)
            assert "--overrides all" in str(e.value.hint)
            assert not (await world.plan_offline(saved, overridden, refresh_recorded=True)).empty

    run(body())


async def apply_once(world: TwiceWorld, text: str) -> None:
    """Apply without planning twice."""
    from tests.world import World

    await world.run(await World.make_plan(world, text))


def test_a_snapshot_can_be_planned_on_and_nothing_else(tmp_path: Path) -> None:
    async def body() -> None:
        async with TwiceWorld.open(tmp_path) as world:
            world.desired(COMMON, **FILES)
            text = COMMON + campaign("c", "gw-1")
            saved = await world.snapshot(text)
            assert not (await world.plan_offline(saved, text)).empty
            assert not hasattr(saved_server(saved, world.provider.facts), "writes")

    run(body())
