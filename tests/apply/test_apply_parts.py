"""A batch that is too large for the server goes out in parts; one that is done in part is told by name."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from reconciler.apply.retrier import Retrier
from reconciler.errors import PartlyDone, Refusal, Refused, Unclear
from reconciler.model import Outcome, OutcomeStatus, Step
from reconciler.providers.base import Bindings, Readback, Result
from tests.apply.apply_script import group, no_delay, run, step

ADD, REMOVE, THINGS = "add-gateways", "remove-gateways", "run-on-things"
REQUEST = "POST /api/campaigns/1/devices"
HINT = "A smaller server.batchSize makes smaller requests."


@dataclass
class Proxy:
    """It lets calls with at most `most` gateways through."""

    most: int
    sent: list[int] = field(default_factory=list)
    done: set[str] = field(default_factory=set)
    looks: int = 0

    async def run(self, step: Step, bindings: Bindings) -> Result:
        await asyncio.sleep(0)
        self.sent.append(len(step.gateways))
        if len(step.gateways) > self.most:
            large = frozenset({Refusal.TOO_LARGE})
            raise Refused("413 too large", request=REQUEST, status=413, meaning=large, hint=HINT)
        self.done.update(step.gateways)
        return Result()

    async def verify(self, step: Step, bindings: Bindings) -> Readback:
        self.looks += 1
        raise AssertionError("nothing was done: there is nothing to look for")


def names(count: int) -> list[str]:
    return [f"gw-{number:04}" for number in range(count)]


def things(count: int) -> dict[str, tuple[str, ...]]:
    return dict.fromkeys(names(count), ("t-1",))


def batch(operation: str, count: int) -> Step:
    more = {"things": things(count)} if operation == THINGS else {}
    return step(operation, gateways=names(count), per_call=count, **more)


@pytest.mark.parametrize("operation", [ADD, REMOVE, THINGS])
@pytest.mark.parametrize(
    ("most", "sent"),
    [(100, [100]), (99, [100, 50, 50]), (30, [100, 50, 25, 25, 25, 25]), (1, [100, 50, 25, 13, 7, 4, 2])],
)
def test_it_goes_out_in_equal_parts(operation: str, most: int, sent: list[int]) -> None:
    proxy = Proxy(most)
    outcome = run(Retrier(proxy, no_delay).settle(batch(operation, 100), Bindings(), asyncio.Event()))  # type: ignore[arg-type]
    assert outcome.status is OutcomeStatus.DONE
    assert outcome.attempts == len(proxy.sent)
    assert proxy.done == set(names(100))
    assert proxy.sent == sent + [1] * (len(proxy.sent) - len(sent)) * (most == 1)
    assert proxy.looks == 0


def test_later_batches_are_no_larger() -> None:
    proxy = Proxy(30)
    retrier = Retrier(proxy, no_delay)  # type: ignore[arg-type]
    whole = group(ADD, gateways=names(300), per_call=100)

    async def one_by_one() -> list[Outcome]:
        return [await retrier.settle(each, Bindings(), asyncio.Event()) for each in whole]

    outcomes = run(one_by_one())
    assert {outcome.status for outcome in outcomes} == {OutcomeStatus.DONE}
    assert proxy.sent == [100, 50, 25, 25, 25, 25, *[25] * 8]
    assert [outcome.attempts for outcome in outcomes] == [6, 4, 4]


def test_a_limit_is_of_one_operation() -> None:
    proxy = Proxy(30)
    retrier = Retrier(proxy, no_delay)  # type: ignore[arg-type]
    run(retrier.settle(batch(ADD, 60), Bindings(), asyncio.Event()))
    proxy.sent.clear()
    run(retrier.settle(batch(REMOVE, 20), Bindings(), asyncio.Event()))
    assert proxy.sent == [20]


def test_not_even_one_goes_through() -> None:
    proxy = Proxy(0)
    outcome = run(Retrier(proxy, no_delay).settle(batch(ADD, 100), Bindings(), asyncio.Event()))  # type: ignore[arg-type]
    assert outcome.status is OutcomeStatus.FAILED
    assert not outcome.left, "it is not done for any"
    assert "server.batchSize" in outcome.message
    assert len(proxy.sent) <= 15, "not each of a hundred is sent to learn the same"


def test_what_remains_when_a_person_interrupts() -> None:
    stop = asyncio.Event()

    class Impatient(Proxy):
        async def run(self, step: Step, bindings: Bindings) -> Result:
            if len(self.sent) == 2:
                stop.set()
            return await super().run(step, bindings)

    proxy = Impatient(25)
    outcome = run(Retrier(proxy, no_delay).settle(batch(ADD, 100), Bindings(), stop))  # type: ignore[arg-type]
    assert outcome.status is OutcomeStatus.FAILED
    assert outcome.left == tuple(names(100)[25:])


# --- done in part ----------------------------------------------------------------------------------


@dataclass
class Partly:
    """It takes all but `bad`, of which the answer names `named`; a look shows all but `hidden` of it."""

    bad: frozenset[str]
    named: Mapping[str, str]
    hidden: list[frozenset[str]] = field(default_factory=list)
    sent: list[tuple[str, ...]] = field(default_factory=list)
    done: set[str] = field(default_factory=set)
    looks_fail: bool = False

    async def run(self, step: Step, bindings: Bindings) -> Result:
        self.sent.append(step.gateways)
        self.done |= set(step.gateways) - self.bad
        if not self.bad.isdisjoint(step.gateways):
            among = {gateway: why for gateway, why in self.named.items() if gateway in step.gateways}
            raise PartlyDone("some were not added", request=REQUEST, failed=among)
        return Result()

    async def verify(self, step: Step, bindings: Bindings) -> Readback:
        if self.looks_fail:
            raise Unclear("cut", request="GET /x")
        shown = self.done - (self.hidden.pop(0) if self.hidden else frozenset())
        left = tuple(gateway for gateway in step.gateways if gateway not in shown)
        return Readback(not left, remaining=left)


def settled(server: Partly, one: Step) -> Outcome:
    return run(Retrier(server, no_delay).settle(one, Bindings(), asyncio.Event()))  # type: ignore[arg-type]


BAD = frozenset({"gw-0001", "gw-0003"})


@pytest.mark.parametrize("operation", [ADD, REMOVE])
def test_those_that_the_answer_names_are_failed_and_the_others_done(operation: str) -> None:
    server = Partly(BAD, {"gw-0001": "no such device", "gw-0003": "it is retired"})
    outcome = settled(server, batch(operation, 5))
    assert outcome.status is OutcomeStatus.FAILED
    assert outcome.left == tuple(sorted(BAD))
    assert not outcome.unclear
    words = "gw-0001: no such device; gw-0003: it is retired"
    assert outcome.message == f"not done for 2 of 5 gateways: {words}"
    assert len(server.sent) == 1


def test_those_that_nobody_names_are_told_by_the_look() -> None:
    outcome = settled(Partly(BAD, {}), batch(ADD, 5))
    assert outcome.left == tuple(sorted(BAD))
    assert "some were not added" in outcome.message


def test_what_is_there_all_the_same_is_done() -> None:
    server = Partly(BAD, dict.fromkeys(BAD, "it was there before"))
    server.done |= BAD
    outcome = settled(server, batch(ADD, 5))
    assert (outcome.status, outcome.left) == (OutcomeStatus.DONE, ())


def test_others_that_are_not_there_yet_are_sent_again() -> None:
    server = Partly(BAD, dict.fromkeys(BAD, "no"), hidden=[frozenset({"gw-0000"})])
    outcome = settled(server, batch(ADD, 5))
    assert outcome.left == tuple(sorted(BAD))
    assert server.sent[1:] == [("gw-0000", "gw-0001", "gw-0003")]


def test_without_a_look_none_counts_as_done() -> None:
    outcome = settled(Partly(BAD, dict.fromkeys(BAD, "no"), looks_fail=True), batch(ADD, 5))
    assert (outcome.status, outcome.left) == (OutcomeStatus.FAILED, ())
    assert "some were not added" in outcome.message


def test_things_can_not_be_looked_at_and_the_answer_says_it() -> None:
    outcome = settled(Partly(BAD, dict.fromkeys(BAD, "t-1 was not processed")), batch(THINGS, 5))
    assert (outcome.status, outcome.left) == (OutcomeStatus.FAILED, tuple(sorted(BAD)))
    unnamed = settled(Partly(BAD, {}), batch(THINGS, 5))
    assert (unnamed.status, unnamed.left) == (OutcomeStatus.UNKNOWN, ())


@pytest.mark.parametrize(
    ("named", "refused"),
    [({}, ()), ({"gw-0001": "no such device"}, ("gw-0001",)), (dict.fromkeys(BAD, "no"), tuple(sorted(BAD)))],
)
@pytest.mark.parametrize("operation", [ADD, REMOVE])
def test_a_clear_no_is_about_those_that_are_named(
    operation: str, named: dict[str, str], refused: tuple[str, ...]
) -> None:
    outcome = settled(Partly(BAD, named), batch(operation, 5))
    assert (outcome.status, outcome.left) == (OutcomeStatus.FAILED, tuple(sorted(BAD)))
    assert outcome.refused == refused
    if named == {"gw-0001": "no such device"}:
        assert outcome.message == (
            f"not done for 2 of 5 gateways: gw-0001: no such device; gw-0003: {REQUEST}: some were not added"
        )
