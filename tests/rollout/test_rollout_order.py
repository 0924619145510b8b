"""Campaigns that come after others: when they begin, what they say meanwhile, what is refused."""

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from reconciler.app.pipeline import check
from reconciler.app.workspace import Workspace
from reconciler.model import RolloutStatus
from reconciler.plan import Plan
from reconciler.report.markdown import plan_markdown
from reconciler.report.plan_text import plan_lines
from reconciler.report.rollouts_report import rollout_item
from reconciler.rollout.situation import WaitFor
from reconciler.validation.schemas import inline, schema
from tests.world import World, run

ONE = """
apiVersion: reconciler/v1
kind: GatewayList
metadata: {{name: {name}}}
spec: {{gateways: [{name}-1, {name}-2]}}
---
apiVersion: reconciler/v1
kind: Campaign
metadata: {{name: {name}}}
spec: {{gatewayLists: [{name}], desiredStatus: STARTED{rollout}}}
---
"""
POLICY = """
apiVersion: reconciler/v1
kind: RolloutPolicy
metadata: {{name: {name}}}
spec: {{waves: [{{upTo: 1}}, {{}}]{after}}}
---
"""


def one(name: str, policy: str | None) -> str:
    return ONE.format(name=name, rollout=f", rollout: {{policy: {policy}}}" if policy else "")


def policy(name: str, *after: str) -> str:
    return POLICY.format(name=name, after=f", after: [{', '.join(after)}]" if after else "")


# In the order of their names, the last one comes first.
THREE = one("a", "third") + one("b", "second") + one("c", "first")
ORDER = policy("first") + policy("second", "c") + policy("third", "b", "c")


def views(plan: Plan) -> dict[str, tuple[str, list[str]]]:
    return {
        view.resource.name: (
            f"{view.wave} {view.status}",
            [f"{wait.reason}: {wait.text}" for wait in view.waits],
        )
        for view in plan.rollouts
    }


async def look(world: World, text: str) -> Plan:
    plan = await world.make_plan(text)
    await world.run(plan)
    return plan


async def done(world: World, name: str) -> None:
    owned = next(each for key, each in world.store.load().campaigns.items() if key.name == name)
    members = await world.provider.reads.gateways(owned.id)
    for gateway in sorted(id_ for ids in members.states.values() for id_ in ids):
        await world.control(f"campaigns/{owned.id}/devices/{gateway}", {"state": "ACTIVATION_COMPLETE"})


def test_each_begins_when_those_before_it_are_complete(tmp_path: Path) -> None:
    async def body() -> None:
        async with World.open(tmp_path) as world:
            text = THREE + ORDER
            first = await look(world, text)
            assert views(first) == {
                "a": ("0 progressing", ["after: b (not begun), c (progressing)"]),
                "b": ("0 progressing", ["after: c (progressing)"]),
                "c": ("1 progressing", []),
            }
            for name, following in (("c", "b"), ("b", "a")):
                while True:
                    await done(world, name)
                    plan = await look(world, text)
                    stands = {view.resource.name: view for view in plan.rollouts}
                    if stands[name].status is RolloutStatus.COMPLETE:
                        break
                    assert not stands[following].opens
                # In the same look, though its name comes first.
                assert stands[following].opens == 1

    run(body())


def test_what_has_begun_goes_on(tmp_path: Path) -> None:
    async def body() -> None:
        async with World.open(tmp_path) as world:
            before = one("a", "second") + one("c", "first") + policy("first")
            await look(world, before + policy("second"))
            await done(world, "a")
            plan = await look(world, before + policy("second", "c"))
            assert views(plan)["a"] == ("2 progressing", [])

    run(body())


def test_every_report_says_so(tmp_path: Path) -> None:
    async def body() -> None:
        async with World.open(tmp_path) as world:
            plan = await world.make_plan(THREE + ORDER)
            waiting = next(view for view in plan.rollouts if view.resource.name == "a")
            said = "it begins when others are complete: b (not begun), c (progressing)"
            assert f"Waits: Campaign/a, {waiting.where}: {said}." in list(plan_lines(plan))
            assert f"- waits: `{said}`" in "".join(plan_markdown(plan))
            item = json.loads(json.dumps(rollout_item(waiting)))
            assert item["waits"] == [{"for": "after", "until": None, "text": said}]
            assert item["waves"][0]["opensNotBefore"] is None
            for name in ("plan", "status"):
                rule = inline(schema(name))["properties"]["rollouts"]["items"]
                Draft202012Validator(rule).validate(item)
            assert waiting.waits[0].reason is WaitFor.AFTER

    run(body())


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        (one("a", "p") + policy("p", "b"), ["dangling-reference"]),
        (one("a", "p") + one("b", None) + policy("p", "b"), ["after-without-rollout"]),
        (one("a", "p") + policy("p", "a"), ["rollout-cycle"]),
        (one("a", "p") + one("b", "q") + policy("p", "b") + policy("q", "a"), ["rollout-cycle"]),
        (THREE + ORDER, []),
    ],
)
def test_what_has_no_end_is_refused(tmp_path: Path, text: str, codes: list[str]) -> None:
    (tmp_path / "a.yaml").write_text(text)
    findings = check(Workspace(tmp_path, {}), offline=True).findings
    assert [each.code for each in findings] == codes
    assert all(each.place and each.hint for each in findings)


SET = """
apiVersion: reconciler/v1
kind: CampaignSet
metadata: {{name: pilots}}
spec:
  generators: [list: [{{site: p1}}, {{site: p2}}]]
  template:
    metadata: {{name: "${{site}}"}}
    spec: {{gatewayLists: ["${{site}}"], desiredStatus: STARTED{rollout}}}
  gatewayList:
    metadata: {{name: "${{site}}"}}
    spec: {{gateways: ["${{site}}-1", "${{site}}-2"]}}
---
"""


def test_a_set_comes_first_with_all_of_its_campaigns(tmp_path: Path) -> None:
    text = SET.format(rollout=", rollout: {policy: first}") + one("a", "second")
    text += policy("first") + policy("second", "{set: pilots}")
    (tmp_path / "a.yaml").write_text(text)
    checked = check(Workspace(tmp_path, {}), offline=True)
    assert not checked.findings
    wishes = {each.resource.name: each.rollout for each in checked.desired.campaigns}
    assert [each.name for each in wishes["a"].after] == ["p1", "p2"]
    assert not wishes["p1"].after


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        (one("a", "p") + policy("p", "{set: none}"), ["dangling-reference"]),
        (SET.format(rollout="") + one("a", "p") + policy("p", "{set: pilots}"), ["after-without-rollout"]),
        (SET.format(rollout=", rollout: {policy: p}") + policy("p", "{set: pilots}"), ["rollout-cycle"]),
        (one("a", "p") + policy("p", "{sets: x}"), ["unknown-field"]),
        (one("a", "p") + policy("p", "3"), ["wrong-type"]),
    ],
)
def test_a_set_that_can_not_come_first(tmp_path: Path, text: str, codes: list[str]) -> None:
    (tmp_path / "a.yaml").write_text(text)
    findings = check(Workspace(tmp_path, {}), offline=True).findings
    assert [each.code for each in findings] == codes


def test_a_long_row_of_policies_is_no_matter_of_depth(tmp_path: Path) -> None:
    text = "".join(one(f"c{n}", f"p{n}") + policy(f"p{n}", *[f"c{n - 1}"][: n and 1]) for n in range(1500))
    (tmp_path / "a.yaml").write_text(text)
    assert not check(Workspace(tmp_path, {}), offline=True).findings
    (tmp_path / "a.yaml").write_text(
        text.replace("metadata: {name: p0}\nspec: {", "metadata: {name: p0}\nspec: {after: [c1499], ")
    )
    (found,) = check(Workspace(tmp_path, {}), offline=True).findings
    assert found.code == "rollout-cycle"
    assert len(found.message) < 400
