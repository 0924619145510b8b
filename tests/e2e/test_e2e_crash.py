"""`kill -9` at every step boundary of a plan of all operations: the next apply does the rest, once."""

import json
import re
import signal
from collections.abc import Iterator
from itertools import islice

import pytest

from tests.e2e.e2e_crash import AFTER, APPLY, MADE, PLAN, PLANNED, Point, Scene, Where, Whole, scene
from tests.e2e.e2e_forks import Forks
from tests.e2e.e2e_runs import Moment

PARTS = 4
"""The points are spread over so many tests, for processes that run tests side by side."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, forks: Forks) -> Iterator[Scene]:
    with scene(tmp_path_factory.mktemp("crash"), forks) as made:
        yield made


@pytest.fixture(scope="module")
def whole(made: Scene) -> Whole:
    return made.whole()


def test_the_plan_holds_every_operation(made: Scene, whole: Whole) -> None:
    planned = json.loads(made.anew().run(*PLAN, "--output", "json").out)
    assert {step["operation"] for step in planned["steps"]} == PLANNED
    assert len(whole.writes) == len(planned["steps"])


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("where", ["call", "record"])
def test_kill_9_at_every_boundary(made: Scene, whole: Whole, where: Where, moment: Moment, part: int) -> None:
    """Before the server has a call and after; before what came of it is written down and after."""
    points = islice(whole.points(where, moment), part, None, PARTS)
    wrong = [f"{point}: {line}" for point in points for line in made.recovered(whole, point)]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("moment", ["before", "after"])
def test_what_may_never_be_repeated_waits_to_be_asked_for(made: Scene, whole: Whole, moment: Moment) -> None:
    """Nobody knows whether the things were run: that is said on every run, and only `--reassert` sends it."""
    at = next(n for n, (name, _) in enumerate(whole.writes, 1) if name == "run-on-things")
    place = made.anew()
    assert made.killed(place, Point(at, "call", moment)).code == -signal.SIGKILL
    ran = made.writes().count(whole.writes[at - 1])
    assert ran == (moment == "after")
    for _ in range(2):
        again = place.run(*APPLY)
        assert again.code == 0
        # Another one may have been under way beside it.
        assert re.search(r"whether the things of .+ were run is not known", again.out)
    assert made.writes().count(whole.writes[at - 1]) == ran
    assert place.run(*APPLY, "--reassert").code == 0
    assert made.writes().count(whole.writes[at - 1]) == ran + 1
    assert "is not known" not in place.run(*APPLY).out
    assert made.writes().count(whole.writes[at - 1]) == ran + 1


def test_what_git_gives_up_after_a_crash_is_named(made: Scene, whole: Whole) -> None:
    """Nobody can tell whether the campaign is the one that the killed run made: a person decides."""
    at = next(n for n, (name, _) in enumerate(whole.writes, 1) if name == "create-campaign")
    place = made.anew()
    assert made.killed(place, Point(at, "call", "after")).code == -signal.SIGKILL
    (lost,) = (held for held in made.snapshot().campaigns.values() if held.name == "made")
    place.edit(AFTER, AFTER.replace(MADE, ""))
    for _ in range(2):
        again = place.run(*APPLY)
        assert again.code == 0
        assert "note[perhaps-ours]: Campaign/made: it is no longer declared" in again.out
        assert f"the campaign 'made' (id {lost.id}) may be ours" in again.out
    made.live.call("DELETE", f"/api/campaigns/{lost.id}")
    assert "perhaps-ours" not in place.run(*APPLY).out
    assert not made.state(place).intents


def test_a_stop_of_ours_is_nobody_elses(made: Scene, whole: Whole) -> None:
    """Killed with the stop on its way, and Git wants the campaign started again: it isn't held."""
    (at,) = (
        n for n, (name, what) in enumerate(whole.writes, 1) if name == "stop-campaign" and "/stopped/" in what
    )
    place = made.anew()
    assert made.killed(place, Point(at, "call", "after")).code == -signal.SIGKILL
    place.edit("desiredStatus: STOPPED", "desiredStatus: STARTED")
    again = place.run(*APPLY)
    assert again.code == 0
    assert "held" not in again.out
    (campaign,) = (held for held in made.snapshot().campaigns.values() if held.name == "stopped")
    assert campaign.status == "STARTED"
