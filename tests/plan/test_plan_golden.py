"""The format of plan files stays what it is: the older one was written before there was one codec for all,
and when each step still named every step before it that it waits for."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from plan_sample import ROOT, sample, save

from reconciler.model import Change, FromEnv, FromFile, Reason, Secret
from reconciler.plan.file import open_plan, plan_digest
from reconciler.plan.file.disk import SavedPlan
from reconciler.plan.model import CampaignImpact, Devices, Packages, Plan
from reconciler.state.base import (
    CampaignOwned,
    CampaignReplaced,
    Event,
    FreezeEnded,
    IntentNoted,
    NoticeNoted,
    PackageUploaded,
    PredecessorEnded,
    PredecessorForgotten,
    ReplacementBegun,
    RolloutNoted,
)
from tests.conftest import Golden
from tests.fakes import PULSE

GOLDEN = Path(__file__).parents[1] / "golden" / "plan-file.jsonl"
OLDER = GOLDEN.with_name("plan-file-0.1.jsonl")
DIGEST = "725056e9f68c2d43ff360bb15341cd98a5fd627c481c1c9add4282f99edbb291"


def test_a_plan_is_the_same_bytes_as_ever(golden: Golden, tmp_path: Path) -> None:
    made = sample()
    save(made, tmp_path / "plan")
    golden("plan-file.jsonl", (tmp_path / "plan").read_text("utf-8"))
    assert plan_digest(made.plan) == DIGEST


def test_what_was_written_is_read() -> None:
    saved, made = read(GOLDEN), sample()
    assert saved.plan == made.plan
    assert saved.fingerprints == made.fingerprints
    assert saved.head.options == made.options
    assert plan_digest(saved.plan) == DIGEST


def test_an_old_plan_file_is_read() -> None:
    """It says the same except for its needs, of which it has more: those that follow from others, too."""
    old, new = read(OLDER), read(GOLDEN)
    known = tuple(group for group in new.plan.groups if not group.key.startswith("replacement"))
    new = replace(new, plan=replace(new.plan, groups=known))
    without = [replace(group, needs=()) for group in old.plan.groups]
    assert without == [replace(group, needs=()) for group in new.plan.groups]
    guards = tuple(replace(trip, counts={}, until=None, waived_at=None) for trip in new.plan.guards)
    rest: Any = {"groups": (), "records": (), "changes": (), "unreadable": {}}
    assert replace(old.plan, **rest) == _not_in_devices(replace(new.plan, **rest, guards=guards))
    assert tuple(map(_undeclared, old.plan.changes)) == tuple(map(_untold, new.plan.changes))
    kept = (event for event in new.plan.records if not isinstance(event, _NEW))
    assert old.plan.records == tuple(map(_undescribed, kept))
    for before, now in zip(old.plan.groups, new.plan.groups, strict=True):
        assert set(now.needs) <= set(before.needs)


def _undeclared(change: Change) -> Change:
    """A package that went was said to be no longer declared, whoever declared its set."""
    goes = change.field == "packages" and change.after is None
    return replace(change, reason=Reason.NO_LONGER_USED) if goes else change


def _untold(change: Change) -> Change:
    """As it was written when uploads had no version, and what was still to be uploaded no digest."""
    match change.after:
        case {"version": _, **rest} if change.field == "packages":
            return replace(change, after=dict(rest))
        case list(packages):
            named = [{"upload": each["upload"]} if isinstance(each, dict) else each for each in packages]
            return replace(change, after=named)
    return change


def _not_in_devices(plan: Plan) -> Plan:
    """As it was written when plans said nothing of devices, and knew no names of packages."""
    rows = (
        replace(_undetailed(row), devices=Devices(), packages=Packages(), place=None, windows=())
        for row in plan.impact.campaigns
    )
    impact = replace(plan.impact, campaigns=tuple(rows), devices=Devices())
    return replace(plan, impact=impact, package_names={}, rollouts=(), waits=())


def _undetailed(row: CampaignImpact) -> CampaignImpact:
    """As it was written when no campaign had a successor."""
    return replace(row, replaced=(), ends=0, revision=False, stay=0)


def _undescribed(event: Event) -> Event:
    """As it was written when the state knew no description of a package, no predecessors, and no others."""
    match event:
        case PackageUploaded(uploaded):
            return PackageUploaded(replace(uploaded, description=None))
        case CampaignOwned(owned):
            return CampaignOwned(replace(owned, replacing=False, predecessors=(), rollout=None))
        case IntentNoted(intent):
            return IntentNoted(replace(intent, replaces=None, return_to=None, others=()))
    return event


_NEW = (
    CampaignReplaced,
    FreezeEnded,
    NoticeNoted,
    PredecessorEnded,
    PredecessorForgotten,
    ReplacementBegun,
    RolloutNoted,
)
"""What wasn't there when the older file was written."""


def read(path: Path) -> SavedPlan:
    def opened(secret: Secret) -> Secret:
        assert isinstance(secret.origin, FromEnv | FromFile)
        value = "canary-71aa" if isinstance(secret.origin, FromEnv) else "canary-90ff"
        return Secret(secret.source, value, secret.origin)

    return open_plan(path).read(ROOT, PULSE.operations, opened)


@pytest.mark.parametrize("seed", ["1", "2"])
def test_it_does_not_depend_on_the_order_of_sets(seed: str, tmp_path: Path) -> None:
    """Another process, another order: a plan would be stale as soon as it is made."""
    code = "from plan_sample import *; save(sample(), Path('plan'))"
    folders = [Path(__file__).parent, Path(__file__).parents[2]]
    env = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(map(str, folders))}
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=env, check=True)
    assert (tmp_path / "plan").read_bytes() == GOLDEN.read_bytes()
