"""A batch that the server refuses for some of its gateways: in halves, in bounded requests, told by name."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from math import log2

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.apply import Applied
from reconciler.apply.bisection import NOT_AGAIN
from reconciler.apply.retrier import Retrier
from reconciler.errors import NotExecuted, Refused, Unclear
from reconciler.model import DistributionList, Need, Outcome, OutcomeStatus, Skip, Step, StepGroup, Verb
from reconciler.providers.base import Bindings, Readback, Result
from reconciler.providers.pulse.entry import STATUSES
from reconciler.state.base import CampaignOwned, Origin, Owned
from tests.apply.apply_script import (
    AT_ONCE,
    CAMPAIGN,
    Memory,
    apply,
    by_id,
    campaign,
    group,
    no_delay,
    plan,
    run,
    step,
)

ADD, REMOVE = "add-gateways", "remove-gateways"
REQUEST = "POST /api/campaigns/1/devices"


@dataclass
class Fleet:
    """A server that takes a batch as a whole, or refuses it for the gateways in `bad`."""

    bad: frozenset[str] = frozenset()
    status: int = 422
    most: int = 1_000_000
    """No call may carry more gateways."""
    done: set[tuple[Verb, str, str]] = field(default_factory=set)
    sent: list[tuple[str, ...]] = field(default_factory=list)
    looks: int = 0
    before: Callable[[Step, int], None] = lambda step, sends: None
    named: int = 0
    """How many of those that it refuses the server names; 0: none."""

    async def run(self, step: Step, bindings: Bindings) -> Result:
        await asyncio.sleep(0)
        self.sent.append(step.gateways)
        self.before(step, len(self.sent))
        if (refused := sorted(self.bad.intersection(step.gateways))) or len(step.gateways) > self.most:
            message = f"{self.status} there is no {refused[0]}" if refused else f"{self.status} too many"
            raise Refused(
                message,
                request=REQUEST,
                status=self.status,
                meaning=STATUSES.refusals.get(self.status, frozenset()),
                gateways=refused[: self.named],
            )
        self.done |= {self._key(step, gateway) for gateway in step.gateways}
        return Result()

    async def verify(self, step: Step, bindings: Bindings) -> Readback:
        self.looks += 1
        left = tuple(g for g in step.gateways if self._key(step, g) not in self.done)
        return Readback(not left, remaining=left)

    def gateways(self) -> set[str]:
        return {gateway for _, _, gateway in self.done}

    @staticmethod
    def _key(step: Step, gateway: str) -> tuple[Verb, str, str]:
        return step.action.verb, step.resource.name, gateway


def settle(fleet: Fleet, one: Step, stop: asyncio.Event | None = None) -> Outcome:
    async def body() -> Outcome:
        return await Retrier(fleet, no_delay, AT_ONCE).settle(one, Bindings(), stop or asyncio.Event())  # type: ignore[arg-type]

    return run(body())


def names(count: int) -> list[str]:
    return [f"gw-{number:04}" for number in range(count)]


def batch(operation: str, count: int) -> Step:
    return step(operation, gateways=names(count), per_call=count)


# --- how many requests, and what they come to ------------------------------------------------------


@given(
    size=st.integers(2, 140), data=st.data(), status=st.sampled_from([400, 404, 409, 422]),
    operation=st.sampled_from([ADD, REMOVE]),
)  # fmt: skip
def test_those_in_order_are_done_in_bounded_requests(
    size: int, data: st.DataObject, status: int, operation: str
) -> None:
    bad = data.draw(st.frozensets(st.sampled_from(names(size)), min_size=1, max_size=min(size, 12)))
    fleet = Fleet(bad, status)

    found = settle(fleet, batch(operation, size))

    assert len(fleet.sent) <= 2 * len(bad) * log2(size) + 1
    assert found.attempts == len(fleet.sent)
    assert fleet.looks == 1, "the server shows that it did nothing, once"
    assert fleet.gateways() == set(names(size)) - bad
    assert found.status is OutcomeStatus.FAILED
    assert found.left == (tuple(sorted(bad)) if len(bad) < size else ())
    assert all(f"{gateway}: {status} there is no {gateway}" in found.message for gateway in found.left)


@pytest.mark.parametrize("size", [2, 3, 5, 6, 7, 9, 100])
def test_every_place_of_one_bad_gateway(size: int) -> None:
    for bad in names(size):
        fleet = Fleet(frozenset([bad]))
        found = settle(fleet, batch(ADD, size))
        assert len(fleet.sent) <= 2 * log2(size) + 1
        assert found.left == (bad,)


def test_the_words() -> None:
    one = settle(Fleet(frozenset(["gw-0002"])), batch(ADD, 4))
    assert one.message == "not done for 1 of 4 gateways: gw-0002: 422 there is no gw-0002"
    same = settle(Fleet(frozenset(["gw-0000", "gw-0003"]), most=1), batch(ADD, 4))
    assert same.message == (
        "not done for 2 of 4 gateways: gw-0000: 422 there is no gw-0000; gw-0003: 422 there is no gw-0003"
    )


def test_one_reason_of_many_is_said_once() -> None:
    def before(step: Step, sends: int) -> None:
        if fleet.bad.intersection(step.gateways):
            raise Refused("400 not today", request=REQUEST, status=400, meaning=STATUSES.refusals[400])

    fleet = Fleet(frozenset(["gw-0001", "gw-0003"]), before=before)
    found = settle(fleet, batch(ADD, 5))
    assert found.message == "not done for 2 of 5 gateways: gw-0001, gw-0003: 400 not today"


def test_all_are_bad_then_it_is_about_the_call() -> None:
    fleet = Fleet(frozenset(names(4)))
    found = settle(fleet, batch(ADD, 4))
    assert (found.status, found.left) == (OutcomeStatus.FAILED, ())
    assert found.message == f"{REQUEST}: 422 there is no gw-0000"
    assert found.attempts == len(fleet.sent) == 7


def test_a_call_that_was_too_large_is_done_in_parts() -> None:
    fleet = Fleet(most=3)
    found = settle(fleet, batch(ADD, 10))
    assert (found.status, found.message, found.left) == (OutcomeStatus.DONE, "", ())
    assert fleet.gateways() == set(names(10))


def test_what_had_happened_before_the_refusal_is_not_sent_again() -> None:
    fleet = Fleet(frozenset(["gw-0003"]), 409)
    fleet.done = {(Verb.ADD, CAMPAIGN.name, gateway) for gateway in names(3)}
    found = settle(fleet, batch(ADD, 5))
    assert fleet.sent == [
        tuple(names(5)),
        ("gw-0003", "gw-0004"),
        ("gw-0003",),
        ("gw-0004",),
    ]
    assert found.left == ("gw-0003",)


def test_what_is_left_of_a_batch_that_happened_is_named() -> None:
    """The server does what it can, and says no all the same."""
    fleet = Fleet(frozenset(["gw-0001"]), 409)
    fleet.done = {(Verb.REMOVE, CAMPAIGN.name, gateway) for gateway in ("gw-0000", "gw-0002")}
    found = settle(fleet, batch(REMOVE, 3))
    assert fleet.sent == [tuple(names(3)), ("gw-0001",)]
    assert found.left == ("gw-0001",)
    assert found.message == "not done for 1 of 3 gateways: gw-0001: 409 there is no gw-0001"


# --- what is never divided -------------------------------------------------------------------------


@pytest.mark.parametrize("status", [401, 403, 405, 413, None])
def test_a_no_to_the_call_is_not_divided(status: int | None) -> None:
    fleet = Fleet(frozenset(["gw-0001"]), status)  # type: ignore[arg-type]
    found = settle(fleet, batch(ADD, 4))
    assert (len(fleet.sent), fleet.looks, found.left) == (1, 0, ())


def test_things_are_not_divided() -> None:
    fleet = Fleet(frozenset(["gw-0001"]))
    found = settle(fleet, batch("run-on-things", 4))
    assert (len(fleet.sent), fleet.looks) == (1, 0)
    assert (found.status, found.left) == (OutcomeStatus.FAILED, ())


def test_after_an_unclear_answer_nothing_is_divided() -> None:
    def before(step: Step, sends: int) -> None:
        if sends == 1:
            raise Unclear("cut", request=REQUEST)

    fleet = Fleet(frozenset(["gw-0001"]), before=before)
    found = settle(fleet, batch(ADD, 4))
    assert fleet.sent == [tuple(names(4))] * 2
    assert (found.status, found.unclear, found.left) == (OutcomeStatus.FAILED, True, ())


# --- trouble on the way ----------------------------------------------------------------------------


@pytest.mark.parametrize("error", [NotExecuted, Unclear])
def test_a_part_is_repeated_as_any_step_is(error: type[NotExecuted | Unclear]) -> None:
    def before(step: Step, sends: int) -> None:
        if sends in (2, 4):
            raise error("later", request=REQUEST)

    fleet = Fleet(frozenset(["gw-0006"]), before=before)
    found = settle(fleet, batch(ADD, 8))
    assert found.left == ("gw-0006",)
    assert fleet.gateways() == set(names(8)) - {"gw-0006"}
    # One that may have happened is looked up, so that it can't pass for refused.
    assert fleet.looks == (1 if error is NotExecuted else 3)


def test_a_part_that_is_given_up_leaves_a_doubt() -> None:
    def before(step: Step, sends: int) -> None:
        if step.gateways == ("gw-0000", "gw-0001"):
            raise Unclear("cut", request=REQUEST)

    found = settle(Fleet(frozenset(["gw-0002"]), before=before), batch(ADD, 4))
    assert found.unclear
    assert found.left == ("gw-0000", "gw-0001", "gw-0002")
    assert found.message == (
        f"not done for 3 of 4 gateways: gw-0000, gw-0001: {REQUEST}: cut; gw-0002: 422 there is no gw-0002"
    )


@pytest.mark.parametrize("at", [1, 2, 3, 4])
def test_interrupted_nothing_more_is_sent(at: int) -> None:
    stop = asyncio.Event()

    def before(step: Step, sends: int) -> None:
        if sends == at:
            stop.set()

    fleet = Fleet(frozenset(["gw-0007"]), before=before)
    found = settle(fleet, batch(ADD, 8), stop)
    assert len(fleet.sent) == at
    assert found.status is OutcomeStatus.FAILED
    assert set(found.left or names(8)) == set(names(8)) - fleet.gateways()
    assert (NOT_AGAIN in found.message) == (at > 1)


# --- a no that is about the campaign ---------------------------------------------------------------


def batches(operation: str, count: int, per_call: int, **values: object) -> StepGroup:
    return group(operation, gateways=names(count), per_call=per_call, **values)


def of_group(fleet: Fleet, *groups: StepGroup, parallelism: int = 1, memory: Memory | None = None) -> Applied:
    return apply(plan(*groups), fleet, memory, parallelism=parallelism)  # type: ignore[arg-type]


@pytest.mark.parametrize("parallelism", [1, 16])
def test_one_batch_tries_for_all(parallelism: int) -> None:
    fleet = Fleet(frozenset(names(80)))
    found = of_group(fleet, batches(ADD, 80, 8), parallelism=parallelism)
    assert found.count(OutcomeStatus.FAILED) == 10
    assert len(fleet.sent) == 10 + 14, "ten batches, and one of them in all its parts"


@pytest.mark.parametrize("parallelism", [1, 16])
def test_where_anything_was_taken_every_batch_is_divided(parallelism: int) -> None:
    bad = frozenset(["gw-0000", "gw-0001", "gw-0002", "gw-0003", "gw-0017", "gw-0030"])
    fleet = Fleet(bad)
    found = of_group(fleet, batches(ADD, 32, 4), parallelism=parallelism)
    assert fleet.gateways() == set(names(32)) - bad
    assert found.count(OutcomeStatus.DONE) == 5
    assert sorted(outcome.left for outcome in found.outcomes if not outcome.settled) == [
        (),
        ("gw-0017",),
        ("gw-0030",),
    ]


def test_a_batch_that_was_taken_in_part_says_that_the_group_is_taken() -> None:
    """None is ever taken whole: of the batches behind one that is all bad the good ones still join."""
    bad = frozenset(["gw-0000", *names(12)[4:8], "gw-0009"])
    fleet = Fleet(bad)
    found = of_group(fleet, batches(ADD, 12, 4))
    assert fleet.gateways() == set(names(12)) - bad
    assert [outcome.left for outcome in found.outcomes] == [("gw-0000",), (), ("gw-0009",)]


def test_a_batch_of_which_nothing_was_taken_says_nothing_of_the_others() -> None:
    """The first fails for another reason, so one of the others still tries for all of them."""

    def before(step: Step, sends: int) -> None:
        if sends == 1:
            raise Refused("403 not you", request=REQUEST, status=403)

    fleet = Fleet(frozenset(names(32)), before=before)
    found = of_group(fleet, batches(ADD, 32, 8))
    assert found.count(OutcomeStatus.FAILED) == 4
    assert len(fleet.sent) == 4 + 14, "four batches, and one of them in all its parts"


def test_another_campaign_tries_for_itself() -> None:
    fleet = Fleet(frozenset(names(4)))
    groups = [batches(ADD, 4, 4, resource=campaign(name), key=name) for name in "ab"]
    of_group(fleet, *groups)
    assert len(fleet.sent) == 14


# --- what needs a batch that is done in part -------------------------------------------------------


def test_the_others_get_all_that_is_theirs() -> None:
    add = batches(ADD, 8, 4)
    schedule = batches("schedule-download", 8, 1, needs=[Need(add.key, by_gateway=True)])
    things = batches("run-on-things", 8, 8, needs=[Need(add.key, by_gateway=True)])
    start = group("start-campaign", needs=[add.key, schedule.key, things.key])
    fleet = Fleet(frozenset(["gw-0002", "gw-0005"]))

    def before(step: Step, sends: int) -> None:
        if step.action.verb is not Verb.ADD:
            assert not fleet.bad.intersection(step.gateways), "what is not in the campaign gets nothing"

    fleet.before = before
    found = of_group(fleet, add, schedule, things, start)

    outcomes = {outcome.step.id: outcome for outcome in found.outcomes}
    skipped = {name for name, outcome in outcomes.items() if outcome.status is OutcomeStatus.SKIPPED}
    assert skipped == {
        "schedule-download:line-3:gw-0002",
        "schedule-download:line-3:gw-0005",
        "run-on-things:line-3:1",
        "start-campaign:line-3",
    }
    assert {outcomes[name].skip for name in skipped} == {Skip.NOT_DONE}
    things_done = outcomes["run-on-things:line-3:1"]
    assert things_done.left == ("gw-0002", "gw-0005")
    assert things_done.message == (
        "not sent for gw-0002: needs add-gateways:line-3:1, which is not done;"
        " not sent for gw-0005: needs add-gateways:line-3:2, which is not done"
    )
    assert found.count(OutcomeStatus.DONE) == 6


def test_a_gateway_that_does_not_leave_holds_up_nobody_who_moves_with_it() -> None:
    leave = batches(REMOVE, 6, 6, resource=campaign("from"))
    join = batches(ADD, 6, 6, resource=campaign("to"), needs=[Need(leave.key, by_gateway=True)])
    fleet = Fleet(frozenset(["gw-0003"]), 409)
    found = of_group(fleet, leave, join)
    assert by_id(found.outcomes) == {leave.key + ":1": "failed", join.key + ":1": "skipped"}
    assert [outcome.left for outcome in found.outcomes] == [("gw-0003",), ("gw-0003",)]
    assert {g for verb, _, g in fleet.done if verb is Verb.ADD} == set(names(6)) - {"gw-0003"}


def test_a_part_that_fails_tells_of_both() -> None:
    leave = batches(REMOVE, 2, 1, resource=campaign("from"))
    join = batches(ADD, 4, 4, resource=campaign("to"), needs=[Need(leave.key, by_gateway=True)])
    fleet = Fleet(frozenset(["gw-0001", "gw-0003"]))
    found = of_group(fleet, leave, join)
    joined = found.outcomes[-1]
    assert (joined.status, joined.left) == (OutcomeStatus.FAILED, ("gw-0001", "gw-0003"))
    assert joined.message == (
        "not done for 1 of 3 gateways: gw-0003: 422 there is no gw-0003;"
        " not sent for gw-0001: needs remove-gateways:from:gw-0001, which is not done"
    )


def test_nobody_is_left_then_it_is_the_whole_step() -> None:
    leave = batches(REMOVE, 2, 1, resource=campaign("from"))
    join = batches(ADD, 3, 3, resource=campaign("to"), needs=[Need(leave.key, by_gateway=True)])
    fleet = Fleet(frozenset(names(3)))
    joined = of_group(fleet, leave, join).outcomes[-1]
    assert (joined.status, joined.left) == (OutcomeStatus.FAILED, ())


@pytest.mark.parametrize("operation", [ADD, REMOVE])
def test_the_state_learns_of_those_that_are_done(operation: str) -> None:
    memory = Memory()
    memory.record(CampaignOwned(Owned(CAMPAIGN, "1", Origin.CREATED)))
    shared = {"distribution": DistributionList("list-1")}
    of_group(Fleet(), batches(ADD, 4, 4, **shared), memory=memory)
    assert _added(memory) == set(names(4))
    more = names(8) if operation == ADD else names(4)
    again = group(operation, gateways=more, per_call=8, **(shared if operation == ADD else {}))
    of_group(Fleet(frozenset(["gw-0002", "gw-0006"])), again, memory=memory)
    wanted = set(names(8)) - {"gw-0006"} if operation == ADD else {"gw-0002"}
    assert _added(memory) == wanted


def _added(memory: Memory) -> Iterable[str]:
    (values,) = memory.state.campaigns[CAMPAIGN].members.values()
    return set().union(*values.values())


# --- a server that names those that it refuses -------------------------------------------------------


@given(
    size=st.integers(2, 60), data=st.data(), status=st.sampled_from([404, 409, 422, 451]),
    named=st.sampled_from([1, 3, 1_000]), operation=st.sampled_from([ADD, REMOVE]),
)  # fmt: skip
def test_without_those_that_are_named_the_rest_goes_out_at_once(
    size: int, data: st.DataObject, status: int, named: int, operation: str
) -> None:
    bad = data.draw(st.frozensets(st.sampled_from(names(size)), min_size=1, max_size=min(size - 1, 12)))
    fleet = Fleet(bad, status, named=named)

    found = settle(fleet, batch(operation, size))

    assert len(fleet.sent) == -(-len(bad) // named) + 1
    assert found.attempts == len(fleet.sent)
    assert fleet.gateways() == set(names(size)) - bad
    assert (found.status, found.left) == (OutcomeStatus.FAILED, tuple(sorted(bad)))
    assert all(gateway in found.message for gateway in bad)


def test_nobody_is_left_to_send() -> None:
    fleet = Fleet(frozenset(names(4)), 451, named=1_000)
    found = settle(fleet, batch(ADD, 4))
    assert (found.status, found.left, len(fleet.sent)) == (OutcomeStatus.FAILED, (), 1)
    assert found.message == f"{REQUEST}: 451 there is no gw-0000"


@pytest.mark.parametrize("told", [("stranger",), ("GW-0001",), ("",)])
def test_names_that_are_not_of_the_batch_say_nothing(told: tuple[str, ...]) -> None:
    def before(step: Step, sends: int) -> None:
        if "gw-0001" in step.gateways:
            raise Refused("no", request=REQUEST, status=422, meaning=STATUSES.refusals[422], gateways=told)

    fleet = Fleet(before=before)
    found = settle(fleet, batch(ADD, 4))
    assert found.left == ("gw-0001",), "halves find it"


def test_what_comes_after_the_names_is_told_beside_them() -> None:
    def before(step: Step, sends: int) -> None:
        if sends == 2:
            raise Refused("451 the campaign is closed", request=REQUEST, status=451)

    fleet = Fleet(frozenset(["gw-0001"]), 451, named=1, before=before)
    found = settle(fleet, batch(ADD, 3))
    assert (found.status, found.left, found.attempts) == (OutcomeStatus.FAILED, (), 2)
    assert fleet.gateways() == set()


def test_names_that_come_after_a_lost_answer_are_obeyed_too() -> None:
    def before(step: Step, sends: int) -> None:
        if sends == 1:
            raise Unclear("cut", request=REQUEST)

    fleet = Fleet(frozenset(["gw-0001"]), 451, named=1, before=before)
    found = settle(fleet, batch(ADD, 3))
    assert found.status is OutcomeStatus.FAILED
    assert "gw-0001" not in fleet.gateways()


def test_an_interrupted_run_sends_nothing_more() -> None:
    stop = asyncio.Event()
    fleet = Fleet(frozenset(["gw-0001"]), 451, named=1, before=lambda step, sends: stop.set())
    found = settle(fleet, batch(ADD, 3), stop)
    assert (found.status, len(fleet.sent)) == (OutcomeStatus.FAILED, 1)


# --- whom a clear no is about ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "refused"),
    [(400, True), (404, True), (409, True), (422, True), (401, False), (403, False), (413, False)],
)
@pytest.mark.parametrize("operation", [ADD, REMOVE, "assign-gateway-packages", "schedule-download"])
def test_of_one_gateway_the_meaning_of_the_no_says_whether_it_is_about_that(
    operation: str, status: int, refused: bool
) -> None:
    found = settle(Fleet(frozenset(["gw-0000"]), status), batch(operation, 1))
    assert found.status is OutcomeStatus.FAILED
    assert found.refused == (("gw-0000",) if refused else ())


@pytest.mark.parametrize("operation", ["run-on-things", "schedule-download"])
def test_of_several_that_are_not_divided_nobody_knows_whom_it_is_about(operation: str) -> None:
    assert settle(Fleet(frozenset(["gw-0001"])), batch(operation, 3)).refused == ()


def test_in_a_batch_it_is_about_those_that_are_left_where_the_server_took_others() -> None:
    found = settle(Fleet(frozenset(["gw-0001", "gw-0006"])), batch(ADD, 8))
    assert found.refused == found.left == ("gw-0001", "gw-0006")


@pytest.mark.parametrize("status", [409, 422])
def test_where_none_is_taken_it_may_be_about_the_campaign(status: int) -> None:
    assert settle(Fleet(frozenset(names(4)), status), batch(ADD, 4)).refused == ()


def test_where_none_of_a_batch_is_taken_others_of_the_group_tell() -> None:
    fleet = Fleet(frozenset(names(6)[3:]))
    group_of_two = group(ADD, gateways=names(6), per_call=3)
    found = apply(plan(group_of_two), fleet, parallelism=1).outcomes  # type: ignore[arg-type]
    assert [outcome.refused for outcome in found] == [(), tuple(names(6)[3:])]


def test_what_was_not_sent_any_more_was_not_refused() -> None:
    stop = asyncio.Event()

    def before(step: Step, sends: int) -> None:
        if step.gateways == ("gw-0001",):
            stop.set()

    fleet = Fleet(frozenset(["gw-0001"]), before=before)
    fleet.bad = frozenset(["gw-0001", "gw-0003"])
    found = settle(fleet, batch(ADD, 4), stop)
    assert (found.left, found.refused) == (("gw-0001", "gw-0002", "gw-0003"), ("gw-0001",))


def test_what_may_have_happened_was_not_refused() -> None:
    def before(step: Step, sends: int) -> None:
        if sends == 1:
            raise Unclear("cut", request=REQUEST)

    found = settle(Fleet(frozenset(["gw-0000"]), before=before), batch(ADD, 1))
    assert (found.unclear, found.refused) == (True, ())


@pytest.mark.parametrize("named", [1, 2])
def test_whom_the_server_names_is_refused(named: int) -> None:
    found = settle(Fleet(frozenset(["gw-0001", "gw-0003"]), named=named), batch(ADD, 5))
    assert found.refused == found.left == ("gw-0001", "gw-0003")
    assert found.attempts == 4 - named


def test_whom_the_server_names_is_refused_also_where_the_others_fail() -> None:
    def before(step: Step, sends: int) -> None:
        if sends > 1:
            raise NotExecuted("later", request=REQUEST)

    found = settle(Fleet(frozenset(["gw-0001"]), named=1, before=before), batch(ADD, 3))
    assert (found.left, found.refused) == ((), ("gw-0001",))
    assert found.attempts == 6
