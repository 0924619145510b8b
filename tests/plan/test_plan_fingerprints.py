"""Fingerprints and plan files are the same in another process, where sets have another order."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from reconciler.model import (
    Assignment,
    Callback,
    CallbackEvent,
    DistributionList,
    LivePackage,
    Override,
    PackageById,
    PackageByName,
    Place,
    SchedulePhase,
    Window,
)
from reconciler.plan.fingerprints import Of
from reconciler.state.applied import packages_value
from tests.fakes import NOW, Project, campaign, desired, file
from tests.memory_provider import MemoryCampaign, MemoryServer
from tests.plan.plan_files import Made, planned

ROOT = Path(__file__).parents[2]
PLACE = Place("c.yaml", 1, 1)
LETTERS = "abcdefgh"


def world() -> Made:
    """A plan of many names, packages, gateways and values, some of which go away."""
    ids = [f"gw-{number}" for number in range(40)]
    packages = [LivePackage(f"p-{letter}", f"name-{letter}") for letter in (*LETTERS, "z")]
    uploads = [file(f"v{number}") for number in range(8)]
    live = [
        MemoryCampaign(
            f"c-{letter}",
            f"line-{letter}",
            "STARTED",
            packages=(*(f"p-{each}" for each in LETTERS[at:]), *(["p-z"] if letter not in "ef" else [])),
            gateways=set(ids[at:]),
            overrides=dict.fromkeys(ids[at + 2 : at + 9], (f"p-{LETTERS[at]}", "p-a")),
            distribution=DistributionList("dl", 60) if at == 3 else None,
        )
        for at, letter in enumerate(LETTERS)
    ]
    project = Project(MemoryServer(*live, packages=packages))
    window = Window(NOW + 1, NOW + 10**9)
    wanted = []
    for at, letter in enumerate(LETTERS[:6]):
        members = {
            "packageOverrides": {packages_value(["p-a", "p-b"]): frozenset(ids[at + 2 : at + 20])},
            "schedules.download": {f"{NOW}/{NOW + at + 5}": frozenset(ids[at:])},
        }
        if at < 4:
            project.own(f"line-{letter}", f"c-{letter}", members=members)
        wanted.append(
            campaign(
                f"line-{letter}",
                name=f"line-{LETTERS[(at + 1) % 4]}" if at < 4 else f"new-{letter}",
                packages=(PackageById("p-a"), PackageByName(f"name-{letter}"), uploads[at]),
                gateways={*ids[at + 1 :], f"more-{letter}"},
                overrides=(Override(frozenset(ids[at + 3 : at + 12]), (PackageById("p-b"),), PLACE),),
                schedules=(Assignment(dict.fromkeys(SchedulePhase, window), None, PLACE),),
                callbacks={CallbackEvent.STATE_CHANGE: Callback("here", frozenset({"B", "A", "C"}))},
                things=dict.fromkeys(ids[at + 1 :], ("t-2", "t-1")),
            )
        )
    for letter in LETTERS[6:]:
        project.own(f"line-{letter}", f"c-{letter}")
    project.uploaded(uploads[7], "p-z")
    project.uploaded(uploads[1], "p-b")
    project.intends(uploads[2], "fw.bin")
    return asyncio.run(planned(project, desired(*wanted), prune=True, adopt=True))


def told() -> str:
    """All fingerprints, and a plan file as it is written."""
    made = world()
    with TemporaryDirectory() as folder:
        path = Path(folder, "made.plan")
        made.save(path)
        return repr([(each.of, each.key, each.facts) for each in made.fingerprints]) + path.read_text()


def test_the_world_has_every_kind_of_fingerprint() -> None:
    assert {each.of for each in world().fingerprints} == set(Of)


def test_fingerprints_and_plans_are_the_same_whatever_order_sets_have() -> None:
    code = "from tests.plan.test_plan_fingerprints import told; print(told())"
    said = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            cwd=ROOT,
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for seed in ("0", "1", "2")
    }
    assert len(said) == 1
