"""Guards from the command line: exit 5 and no write, waivers, and what is said of them."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

PROJECT = """\
apiVersion: reconciler/v1
kind: Project
metadata: {{name: plant}}
spec:
  resources: [resources]
  guards: {guards}
  environments:
    night: {{guards: {{maxStarts: 5}}}}
"""
NEW = """\
---
apiVersion: reconciler/v1
kind: Campaign
metadata: {name: line-4}
spec: {description: Line 4, desiredStatus: STARTED}
"""


def project(world, **guards: object) -> None:
    (world.folder / "reconciler.yaml").write_text(PROJECT.format(guards=json.dumps(guards)))


def edit(world, old: str, new: str) -> None:
    path = world.folder / "resources" / "line.yaml"
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))


def declare(world, text: str) -> None:
    path = world.folder / "resources" / "line.yaml"
    path.write_text(path.read_text() + text)


def state_of(world) -> dict[str, bytes]:
    """Everything that is kept, except for the lock."""
    kept = world.folder / ".reconciler"
    return {p.name: p.read_bytes() for p in kept.iterdir() if p.is_file() and "lock" not in p.name}


# --- what trips each -------------------------------------------------------------------------------


def lose_four_of_ten(world) -> None:
    many = ", ".join(f"gw-{number}" for number in range(1, 11))
    edit(world, "gateways: [gw-1, gw-2, gw-3]", f"gateways: [{many}]")
    assert world.run("apply", "--auto-approve").code == 0
    edit(world, "gw-7, gw-8, gw-9, gw-10]", "]")


def delete(world) -> None:
    project(world, maxDeletes=0)
    path = world.folder / "resources" / "line.yaml"
    path.write_text(path.read_text().rpartition("---\n")[0])


def start(world) -> None:
    project(world, maxStarts=0)
    declare(world, NEW)


def interrupt(world) -> None:
    world.put(world.id_of("line-3"), "gw-2", state="WAITING_FOR_DOWNLOAD")
    edit(world, "description: Line 3", "description: Line three")


def empty(world) -> None:
    project(world, maxGatewaysRemovedPercent=100)
    edit(world, "gateways: [gw-1, gw-2, gw-3]", "gateways: []")


def swap_all(world) -> None:
    edit(world, "gateways: [gw-1, gw-2, gw-3]", "gateways: [gw-7, gw-8, gw-9]")


def forget_all(world) -> None:
    (world.folder / "resources" / "line.yaml").write_text("# nothing\n")


def adopt(world) -> None:
    world.api("POST", "/api/campaigns", {"name": "line-4", "description": "of another team"})
    declare(world, NEW.replace(", desiredStatus: STARTED", ""))


@dataclass(frozen=True)
class Scene:
    guard: str
    make: Callable[[Any], None]
    found: int
    limit: int
    writes: tuple[str, ...]
    switch: str = "--resume"


SCENES = [
    Scene("maxGatewaysRemovedPercent", lose_four_of_ten, 4, 3, ("remove-gateways",)),
    Scene("maxGatewaysRemovedPercent", swap_all, 3, 0, ("remove-gateways", "add-gateways")),
    Scene("maxDeletes", delete, 1, 0, ("stop-campaign", "delete-campaign"), "--prune"),
    Scene("maxStarts", start, 1, 0, ("create-campaign", "start-campaign")),
    Scene("maxInFlightInterrupted", interrupt, 1, 0, ("stop-campaign", "edit-campaign", "start-campaign")),
    Scene("allowEmpty", empty, 3, 0, ("remove-gateways",)),
    Scene("allowEmpty", forget_all, 2, 0, ("stop-campaign", "delete-campaign", "delete-package"), "--prune"),
    Scene("mayLoseSettings", adopt, 1, 0, ("edit-campaign",), "--adopt"),
]


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.make.__name__)
def test_each_guard_stops_everything_until_it_is_waived(world, scene):
    project(world)
    scene.make(world)
    world.server.forget_calls()
    before = state_of(world)

    planned = world.run("plan", scene.switch, "--detailed-exitcode", "--output", "json")
    assert planned.code == 2, "in a plan it is a finding"
    said = json.loads(planned.out)
    (guard,) = said["guards"]
    assert (guard["guard"], guard["found"], guard["limit"]) == (scene.guard, scene.found, scene.limit)
    assert guard["waived"] is None
    (finding,) = [finding for finding in said["findings"] if finding["code"] == "guard-tripped"]
    assert finding["message"] == f"{scene.guard}: {guard['message']}"
    assert f'--waive {scene.guard} --reason "' in finding["hint"]
    assert "guards.waivers in the project file" in finding["hint"]

    refused = world.run("apply", "--auto-approve", scene.switch)
    assert refused.code == 5
    assert refused.out.endswith(f"Nothing was sent to {world.proxy.url}.\nExit code 5: a guard refused.\n")
    assert (
        refused.out.count(f"error[guard-tripped]: {scene.guard}: ")
        + refused.out.count(f"error[guard-tripped]: Campaign/line-3: {scene.guard}: ")
        == 1
    ), "nothing twice"
    assert world.writes() == []
    assert state_of(world) == before

    waived = world.run(
        *("apply", "--auto-approve", scene.switch, "--output", "json"),
        *("--waive", scene.guard, "--reason", "it is meant"),
    )
    assert waived.code == 0, waived
    assert tuple(world.writes()) == scene.writes
    (guard,) = json.loads(waived.out)["guards"]
    assert guard["waived"] == "it is meant"
    assert "note" in {f["severity"] for f in json.loads(waived.out)["findings"] if "waived" in f["code"]}


# --- several at once -------------------------------------------------------------------------------


@pytest.fixture
def thrice(world):
    """A plan that trips three guards."""
    empty(world)
    project(world, maxStarts=0, maxGatewaysRemovedPercent=100)
    edit(world, "description: Line 3", "description: Line three")
    declare(world, NEW)
    world.put(world.id_of("line-3"), "gw-2", state="WAITING_FOR_DOWNLOAD")
    world.server.forget_calls()
    return world


THREE = ["maxStarts", "maxInFlightInterrupted", "allowEmpty"]


@pytest.mark.parametrize("output", ["text", "json", "markdown"])
def test_all_are_named_at_once_and_waived_one_by_one(thrice, output):
    arguments = ["apply", "--auto-approve", "--output", output]
    for waived in range(3):
        ran = thrice.run(*arguments)
        assert ran.code == 5
        assert thrice.writes() == []
        for number, guard in enumerate(THREE):
            assert guard in ran.out
            assert (f'--waive {guard} --reason "' in ran.out.replace("\\", "")) == (number >= waived)
            assert (f"because {guard}" in ran.out) == (number < waived)
        arguments += ["--waive", THREE[waived], "--reason", f"because {THREE[waived]}"]
    assert thrice.run(*arguments).code == 0
    assert sorted(thrice.writes()) == sorted(
        [
            "create-campaign",
            "start-campaign",
            "stop-campaign",
            "edit-campaign",
            "remove-gateways",
            "start-campaign",
        ]
    )


def test_as_people_read_it(thrice, golden):
    waivers = {"allowEmpty": "the hall is closed; see #512", "maxDeletes": "to be sure"}
    given = [word for guard, why in waivers.items() for word in ("--waive", guard, "--reason", why)]
    ran = thrice.run("apply", "--auto-approve", *given)
    assert ran.code == 5
    said = ran.out[ran.out.index("resources/line.yaml:20:17: note[guard-waived]") :]
    golden("guards.txt", said.replace(thrice.proxy.url, "https://pulse.example.com"))


def test_an_environment_has_limits_of_its_own(world):
    project(world, maxStarts=0)
    declare(world, NEW)
    assert "guard-tripped" in world.run("plan").out
    assert "guard-tripped" not in world.run("plan", "-e", "night").out


def test_an_error_comes_first_and_still_nothing_is_sent(thrice):
    """What isn't stopped by the error is stopped by the guards."""
    for description in ("one", "two"):
        thrice.api("POST", "/api/campaigns", {"name": "twin", "description": description})
    declare(thrice, NEW.replace("line-4", "twin"))
    thrice.server.forget_calls()
    ran = thrice.run("apply", "--auto-approve")
    assert ran.code == 1
    assert "error[ambiguous-name]" in ran.out
    assert "Exit code 1: 1 error, listed above; and a guard refused.\n" in ran.out
    assert thrice.writes() == []


def test_nobody_is_asked_about_what_a_guard_refuses(thrice):
    """No terminal is needed to hear of it."""
    ran = thrice.run("apply")
    assert (ran.code, ran.err) == (5, "")
    assert thrice.writes() == []


def test_a_dry_run_shows_waivers_and_ends_as_a_plan(thrice):
    ran = thrice.run("apply", "--dry-run", "--waive", "maxStarts", "--reason", "tonight")
    assert ran.code == 0
    assert "Waived: tonight" in ran.out
    assert thrice.writes() == []


def test_a_waiver_that_is_not_needed_is_said(world):
    ran = world.run("apply", "resources", "--auto-approve", "--waive", "maxDeletes", "--reason", "for once")
    assert ran.code == 0
    assert "note[waiver-not-needed]: maxDeletes was waived, and nothing in this plan trips it\n" in ran.out


def test_a_first_apply_that_is_refused_leaves_no_state(folder, run):
    (folder / "reconciler.yaml").write_text(
        PROJECT.format(guards="{maxStarts: 0}").replace("  guards", "  server: {url: 'embedded:'}\n  guards")
    )
    assert run("apply", "--auto-approve").code == 5
    assert not (folder / ".reconciler" / "state.json").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--waive", "maxDelete", "--reason", "x"), "no guard 'maxDelete' (did you mean maxDeletes?)"),
        (("--waive", "everything", "--reason", "x"), "no guard 'everything' (there are: maxGateways"),
        (("--waive", "maxDeletes"), "every --waive needs a --reason of its own"),
        (("--reason", "x"), "there are 0 × --waive and 1 × --reason"),
        (("--waive", "maxDeletes", "--waive", "maxStarts", "--reason", "x"), "2 × --waive and 1 × --reason"),
        (("--waive", "maxDeletes", "--reason", "  "), "a --reason is empty"),
        (
            ("--waive", "maxDeletes", "--reason", "x", "--waive", "maxDeletes", "--reason", "y"),
            "waived twice",
        ),
        (("--waive", "maxDelete"), "did you mean maxDeletes?); every --waive needs"),
    ],
)
def test_a_wrong_waiver_is_64(run, folder, arguments, said):
    ran = run("apply", "resources", "--auto-approve", *arguments)
    assert ran.code == 64
    assert said in ran.err
    assert '  hint: Write --waive GUARD --reason "…" for each guard.\n' in ran.err
    assert ran.out == ""
    assert not (folder / ".reconciler").exists()
