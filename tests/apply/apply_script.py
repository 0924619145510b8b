"""A server that plays a script, a state in memory, and plans made by hand.

Answers of a server are words, so that a table of them reads as one:

| word    | a send                          | word             | a look                                   |
|---------|---------------------------------|------------------|------------------------------------------|
| ok      | done; makes an id where it must | happened         | it has happened                          |
| none    | not needed                      | nothing          | it has not                               |
| waits   | left for a person               | left:b,c         | not for these gateways                   |
| 429     | surely not executed             | two              | two objects could be it: an error        |
| cut     | unclear                         | cut              | the look itself failed                   |
| 400 …   | refused with that status        |                  |                                          |
| broken  | an error that no server made    |                  |                                          |
| bug     | ValueError                      |                  |                                          |
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from reconciler.apply import Applied, apply_plan
from reconciler.errors import NotExecuted, ReconcilerError, Refused, StateError, Unclear
from reconciler.model import (
    Kind,
    Need,
    Outcome,
    OutcomeStatus,
    ResourceId,
    Server,
    Step,
    StepGroup,
    Verb,
)
from reconciler.pacing import Settling
from reconciler.plan import Plan
from reconciler.providers.base import Bindings, Readback, Result
from reconciler.providers.pulse.entry import STATUSES
from reconciler.providers.pulse.operations import OPERATIONS
from reconciler.state.base import CampaignOwned, Event, Origin, Owned, State
from reconciler.state.folding import fold
from tests.actions import FILE, action

T = TypeVar("T")

SERVER = Server("pulse", "https://pulse.example.com")
CAMPAIGN = ResourceId(Kind.CAMPAIGN, "line-3")
PACKAGES = ResourceId(Kind.PACKAGE_SET, "firmware")
SALT = "5a17"

VERBS = {
    "create-campaign": Verb.CREATE,
    "edit-campaign": Verb.EDIT,
    "delete-campaign": Verb.DELETE,
    "start-campaign": Verb.START,
    "stop-campaign": Verb.STOP,
    "approve-campaign": Verb.APPROVE,
    "add-gateways": Verb.ADD,
    "remove-gateways": Verb.REMOVE,
    "set-distribution-list": Verb.DISTRIBUTE,
    "register-completed-callback": Verb.CALLBACK,
    "assign-gateway-packages": Verb.OVERRIDE,
    "upload-package": Verb.UPLOAD,
    "delete-package": Verb.DELETE_PACKAGE,
    "schedule-download": Verb.SCHEDULE,
    "close-gateway": Verb.CLOSE,
    "run-on-things": Verb.THINGS,
    "retire": Verb.RETIRE,
    "end": Verb.END,
}
"""One operation of every verb."""


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end; what hangs is an error."""
    return asyncio.run(asyncio.wait_for(work, 20))


def campaign(name: str) -> ResourceId:
    return ResourceId(Kind.CAMPAIGN, name)


def group(
    operation: str,
    resource: ResourceId = CAMPAIGN,
    *,
    key: str = "",
    gateways: Iterable[str] = (),
    per_call: int = 0,
    needs: Iterable[str | Need] = (),
    **values: Any,
) -> StepGroup:
    """A group of `operation`; a need is the key of a group, or a Need. `values` are the Action's."""
    verb = VERBS[operation]
    if verb is Verb.DELETE_PACKAGE:
        values.setdefault("sha256", FILE.sha256)
    made = action(verb, resource, gateways=tuple(sorted(gateways)), **values)
    arrows = tuple(Need(need) if isinstance(need, str) else need for need in needs)
    known = OPERATIONS.get(operation, OPERATIONS["edit-campaign"])
    return StepGroup(key or f"{operation}:{resource.name}", made, known, per_call, arrows)


def step(operation: str, **values: Any) -> Step:
    """The only step of a group."""
    return Step(group(operation, **values), 0)


def plan(*groups: StepGroup, records: tuple[Event, ...] = ()) -> Plan:
    return Plan(SERVER, groups, records=records)


def bracket(resource: ResourceId = CAMPAIGN) -> tuple[StepGroup, StepGroup, StepGroup]:
    """Stop, edit, start: as a plan has them for a running campaign."""
    stop = group("stop-campaign", resource, bracket=True)
    edit = group("edit-campaign", resource, needs=[stop.key])
    needs = [stop.key, Need(edit.key, even_failed=True)]
    return stop, edit, group("start-campaign", resource, bracket=True, needs=needs)


class Bug(Exception):
    """What nobody foresaw."""


@dataclass
class Script:
    """A provider that plays `answers` and `looks`: operation name or step id → words, in order.

    Without a word a send is ``ok``. ``log`` holds what happened, in order: ``send ID`` as it begins,
    ``end ID`` after it, and ``look ID``. `gate` is awaited while a step is in flight.
    """

    answers: Mapping[str, str] = field(default_factory=dict)
    looks: Mapping[str, str] = field(default_factory=dict)
    gate: Callable[[Step], Coroutine[Any, Any, None]] | None = None
    log: list[str] = field(default_factory=list)
    gateways: list[tuple[str, ...]] = field(default_factory=list)
    """Of each send and look."""
    sent: dict[str, list[tuple[str, ...]]] = field(default_factory=dict)
    """Step id → the gateways of each send."""
    bindings: list[Bindings] = field(default_factory=list)
    """As they were at each send."""
    flying: int = 0
    most: int = 0
    """How many steps were in flight at once, at most."""

    def __post_init__(self) -> None:
        self._answers = {name: words.split() for name, words in self.answers.items()}
        self._looks = {name: words.split() for name, words in self.looks.items()}

    @property
    def calls(self) -> list[str]:
        """``send ID`` and ``look ID``, in order."""
        return [entry for entry in self.log if not entry.startswith("end ")]

    async def run(self, step: Step, bindings: Bindings) -> Result:
        self.log.append(f"send {step.id}")
        self.gateways.append(step.gateways)
        self.sent.setdefault(step.id, []).append(step.gateways)
        self.bindings.append(Bindings(dict(bindings.campaigns), dict(bindings.packages)))
        self.flying += 1
        self.most = max(self.most, self.flying)
        try:
            await asyncio.sleep(0)
            if self.gate:
                await self.gate(step)
            return self._answered(step, self._word(self._answers, step, "ok"))
        finally:
            self.flying -= 1
            self.log.append(f"end {step.id}")

    async def verify(self, step: Step, bindings: Bindings) -> Readback:
        self.log.append(f"look {step.id}")
        self.gateways.append(step.gateways)
        await asyncio.sleep(0)
        word = self._word(self._looks, step, None)
        match word.split(":"):
            case ["happened"]:
                return Readback(True, _made(step))
            case ["nothing"]:
                return Readback(False)
            case ["left", ids]:
                left = tuple(gateway for gateway in ids.split(",") if gateway in step.gateways)
                return Readback(False, remaining=left if step.gateways else None)
            case ["two"]:
                raise ReconcilerError("two campaigns could be it: c-1, c-2", hint="delete one of them")
            case ["cut"]:
                raise Unclear("the look was cut", request="GET /x")
        raise AssertionError(f"no such look: {word}")

    def _answered(self, step: Step, word: str) -> Result:
        match word:
            case "ok":
                return Result(created=_made(step))
            case "none":
                return Result(OutcomeStatus.NOT_NEEDED, _made(step), "nothing to do")
            case "waits":
                return Result(OutcomeStatus.WAITING, message="somebody has to approve it")
            case "429":
                raise NotExecuted("too many requests", request="PUT /x", status=429, retry_after=7.5)
            case "cut":
                raise Unclear("the connection was cut", request="PUT /x")
            case "broken":
                raise ReconcilerError("the file fw.bin changed", hint="plan again")
            case "bug":
                raise Bug("nobody foresaw this")
        raise Refused("no", request="PUT /x", meaning=STATUSES.refusals.get(int(word), frozenset()))

    @staticmethod
    def _word(script: dict[str, list[str]], step: Step, default: str | None) -> str:
        words = script.get(step.id, script.get(step.operation.name))
        if words is None and default is not None:
            return default
        assert words, f"the script says nothing more about {step.id}"
        return words.pop(0)


def _made(step: Step) -> str | None:
    makes = step.action.verb in (Verb.CREATE, Verb.UPLOAD)
    return f"id-of-{step.resource.name}" if makes else None


class Memory:
    """A state in memory. `fails` says which events can't be written; `log` gets ``record NAMES``."""

    def __init__(
        self, fails: Callable[[Event], bool] = lambda _: False, log: list[str] | None = None
    ) -> None:
        self.state = State("lineage", SALT)
        self.fails = fails
        self.log: list[str] = [] if log is None else log
        self.recorded: list[Event] = []
        self.synced: list[bool] = []
        """Of each that was recorded: whether it had to be durable at once."""

    def record(self, *events: Event, sync: bool = True) -> None:
        self.state = fold(self.state, events)
        if any(map(self.fails, events)):
            raise StateError("the state can't be written")
        self.recorded += events
        self.synced += [sync] * len(events)
        if events:
            self.log.append(f"record {' '.join(type(event).__name__ for event in events)}")


OWNED = CampaignOwned(Owned(CAMPAIGN, "c-1", Origin.CREATED, status="STARTED"))


def remembering(*, fails: object = None, log: list[str] | None = None) -> Memory:
    """A state that owns the campaign: only of such a one is kept what its steps change."""
    memory = Memory(log=log)
    memory.record(OWNED)
    memory.log.clear()
    if fails is not None:
        memory.fails = lambda event: isinstance(event, fails)  # type: ignore[arg-type]
    return memory


AT_ONCE = Settling(0)
"""One look, and nobody waits."""


def no_delay(attempts: int, retry_after: float | None, waited: float) -> float | None:
    """Again at once, four times."""
    return 0.0 if attempts < 5 else None


def apply(plan: Plan, script: Script, memory: Memory | None = None, **values: Any) -> Applied:
    """Run a plan to its end."""
    values = {"delay": no_delay, "parallelism": 8, "settling": AT_ONCE, **values}
    return run(apply_plan(plan, script, memory or Memory(), **values))  # type: ignore[arg-type]


def by_id(outcomes: Iterable[Outcome]) -> dict[str, str]:
    """Step → what became of it; a step with two outcomes is an error."""
    found: dict[str, str] = {}
    for outcome in outcomes:
        assert outcome.step.id not in found
        found[outcome.step.id] = str(outcome.status)
    return found
