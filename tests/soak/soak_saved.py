"""A plan that is saved in a rollout, and applied when the world has moved on: P17.

Until then devices, clocks, people, checks and other runs go on. Then the file sends what counts, the record
and the clock allow at that moment, to which `soak_judge` holds it; or it is stale, and nothing comes of it.
"""

import json
from collections import Counter
from collections.abc import Iterable
from copy import deepcopy
from random import Random
from typing import TYPE_CHECKING, Any

from reconciler.model import RolloutStatus
from tests.e2e.e2e_runs import Ran
from tests.soak.soak_fleet import ENDED, FAILED, Device
from tests.soak.soak_judge import Judge
from tests.soak.soak_oracle import DAY, HOUR, MINUTE, is_open

if TYPE_CHECKING:
    from tests.soak.soak_rollout import Rollout

MOVES = (
    *("devices fail",) * 4,
    *("time",) * 3,
    *("until it closes", "person") * 2,
    *("word", "checks", "look", "troubled look"),
)
REFUSED = 4


def slowed(fleet: Iterable[Device], policy: dict[str, Any], chance: Random) -> None:
    """Many are under way for long, so that they can fail while a plan is saved; and the gate opens early."""
    for each in fleet:
        if chance.random() < 0.3:
            each.needs = chance.choice([1, 2, 3]) * DAY
    policy["gate"]["minSuccessPercent"] = 50
    policy["gate"]["maxFailed"] = chance.choice([0, 1, 3])


def a_word(run: "Rollout") -> None:
    """What turns a rollout, as it stands."""
    chance = run.random
    for name in chance.sample(("c", "b"), 2):
        if run._has_rollout(name):
            stands = run._record(name).status in (RolloutStatus.PAUSED, RolloutStatus.ABORTED)
            words = [("resume",), ("resume", "--forgive")] if stands else [("pause",), ("abort",)]
            run._word(*chance.choice(words), name=name)
            return


class Saved:
    """One plan file of a run."""

    def __init__(self, run: "Rollout") -> None:
        self.run, self.file = run, run.folder / "late.plan"
        self.git = deepcopy(run.git)
        """What files say now: the plan is made of it, whatever is merged later."""
        adopt = ["--adopt"] if run.adopts else []
        ran = run.place.run("plan", "--out", str(self.file), "--output", "json", *adopt)
        assert ran.code in (0, 1), ran
        self.steps = [step["id"] for step in json.loads(ran.out)["steps"]]
        run._say(f"a plan is saved: {self.steps}")
        self.moved: list[str] = []

    async def goes_on(self) -> None:
        """The world does, without it."""
        chance = self.run.random
        for _ in range(chance.choice([0, 1, 1, 2, 3])):
            # Most is at stake for a release while others are under way.
            fails = self.steps and not self.moved and chance.random() < 0.4
            self.moved.append("devices fail" if fails else chance.choice(MOVES))
            self.run.told.counts[f"while a plan is saved: {self.moved[-1]}"] += 1
            await self._move(self.moved[-1])

    async def _move(self, what: str) -> None:
        run, chance = self.run, self.run.random
        run._say(f"meanwhile: {what}")
        match what:
            case "time":
                run.now = run.ground.context.clock.now_ms()
                run._goes_on(chance.choice([5 * MINUTE, HOUR, 5 * HOUR, 26 * HOUR, 50 * HOUR]))
            case "until it closes":
                run.now = run.ground.context.clock.now_ms()
                run._goes_on(self._until_closed())
            case "devices fail":
                self._devices_fail()
            case "person":
                await run._person()
            case "word":
                a_word(run)
            case "checks":
                run.answering.changed(chance)
                run._say(f"checks say {run.answering.said}")
            case "look":
                await run._calm()
            case "troubled look":
                run._troubled()

    def _until_closed(self) -> int:
        """Milliseconds until the calendar is closed in one of its zones."""
        git, now = self.git, self.run.now
        zones = self.run.zones if git.calendar == "gateway" else [git.calendar] if git.calendar else []
        spans = range(MINUTE, DAY, 15 * MINUTE)
        return next((s for s in spans if not all(is_open(now + s, zone, git.night) for zone in zones)), HOUR)

    def _devices_fail(self) -> None:
        run, chance = self.run, self.run.random
        name = "b" if run.found("b").runs and chance.random() < 0.5 else "c"
        going = sorted(each for each, state in run.found(name).members.items() if state not in ENDED)
        some = chance.sample(going, min(len(going), chance.choice([1, 2, 4, len(going)])))
        run._put(name, dict.fromkeys(some, FAILED))
        run._say(f"{some} fail in {name}")

    async def applied(self) -> None:
        """It is applied: in one go, or with faults and kills, and now and then once more."""
        chance = self.run.random
        troubled = chance.random() < 0.3
        ran = self._apply(troubled=troubled)
        if chance.random() < 0.3:
            again = self._apply(troubled=False)
            if not troubled and ran.code != REFUSED:
                assert again.code == REFUSED or not json.loads(ran.out)["outcomes"], (
                    "P17: it is applied twice"
                )
        self.file.unlink()

    def _apply(self, *, troubled: bool) -> Ran:
        run, calls = self.run, len(self.run.seen.times)
        before = [run._record(name) for name in ("c", "b")]
        said = run._arm() if troubled else ""
        run._say(f"the plan file, after {self.moved}{said and ', with '}{said}")
        more = ["--parallelism", "1"] if run.slow else []
        with Judge(run, self.git):
            with run.place.started("apply", "--plan", str(self.file), "--output", "json", *more) as process:
                run.ground.reaper.victim(process)
                ran = process.end()
            run._disarm()
        run._ended(ran)
        sent = run._writes(calls)
        if ran.code == REFUSED:
            assert not sent, f"P17: a stale plan sent {sent}"
            after = [run._record(name) for name in ("c", "b")]
            assert before == after, f"P17: a stale plan turned {before} into {after}"
            idle = not self.moved and not run.slow and run.answering.all_pass
            assert not idle or "applied-plan" in ran.err, "P17: nothing happened, and the plan is stale"
        elif not troubled:
            assert ran.code in (0, 3, 7), ran
            document = json.loads(ran.out)
            names = {step["id"]: step["operation"] for step in document["steps"]}
            done = Counter(names[each["step"]] for each in document["outcomes"] if each["status"] == "done")
            # Who finds out whom the server refuses sends batches again in halves.
            halved = any(run._excused(each["message"]) for each in document["outcomes"])
            assert +done == sent or halved, f"P17: planned {done}, sent {sent}"
            run.told.counts["P17 held"] += 1
        stands = "stale" if ran.code == REFUSED else "troubled" if troubled else "applied"
        run.told.counts[f"late plan file {stands}{'' if self.moved else ' at once'}"] += 1
        run.told.counts["late plan files that sent something"] += bool(sent)
        return ran
