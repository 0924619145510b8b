"""*There is no such thing*, of what this run made a moment ago: waited out, and not for ever."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from reconciler.apply.retrier import Retrier
from reconciler.errors import Refused, Unclear
from reconciler.model import OutcomeStatus, PendingUpload, Step
from reconciler.providers.base import Bindings, Readback, Result
from reconciler.providers.pulse.entry import STATUSES
from tests.actions import FILE
from tests.apply.apply_script import no_delay, run, step
from tests.fakes import Ticking

GONE = STATUSES.refusals[404]
BY_GATEWAY = {"schedule-download", "run-on-things"}
LATER = [
    "add-gateways",
    "remove-gateways",
    "start-campaign",
    "approve-campaign",
    "edit-campaign",
    "set-distribution-list",
    "register-completed-callback",
    "assign-gateway-packages",
    "schedule-download",
    "close-gateway",
    "run-on-things",
]


class Late:
    """A server that answers for what it made only `lag` seconds later."""

    def __init__(self, time: Ticking, lag: float, *, lost: int = 0, package: bool = False) -> None:
        self.time, self.lag = time, lag
        self.package = package
        """Whether it is the package that shows late."""
        self.born: float | None = None
        self.lost = lost
        """So many answers are cut, except for those to creates."""
        self.sent: list[str] = []

    async def run(self, step: Step, bindings: Bindings) -> Result:
        self.sent.append(step.operation.name)
        if step.operation.name in ("create-campaign", "upload-package"):
            if self.package and step.operation.name == "create-campaign":
                self._there()
            else:
                self.born = self.time.now
            return Result(created="c-1")
        if self.lost:
            self.lost -= 1
            raise Unclear("cut", request="PUT /x")
        self._there()
        return Result()

    def _there(self) -> None:
        if self.born is None or self.time.now < self.born + self.lag:
            raise Refused("404 not found", request="PUT /x", status=404, meaning=GONE)

    async def verify(self, step: Step, bindings: Bindings) -> Readback:
        self._there()
        return Readback(False, remaining=step.gateways or None)


def settled(late: Late, *steps: Step) -> list[Any]:
    async def body() -> list[Any]:
        retrier = Retrier(late, no_delay, late.time.settling)  # type: ignore[arg-type]
        stop = asyncio.Event()
        return [await retrier.settle(one, Bindings(), stop) for one in steps]

    return run(body())


def values(operation: str) -> Mapping[str, Any]:
    about_one = "gateway" in operation or operation in BY_GATEWAY
    return {"gateways": ("a",), "per_call": 1} if about_one else {}


@pytest.mark.parametrize("operation", LATER)
@pytest.mark.parametrize("lag", [0, 2, 20])
def test_a_campaign_that_shows_late_is_waited_for(operation: str, lag: float) -> None:
    late = Late(Ticking(), lag)
    _, found = settled(late, step("create-campaign"), step(operation, target=None, **values(operation)))
    assert found.status is OutcomeStatus.DONE
    assert late.time.now >= lag


@pytest.mark.parametrize("operation", LATER)
def test_not_for_ever(operation: str) -> None:
    late = Late(Ticking(), 100)
    _, found = settled(late, step("create-campaign"), step(operation, target=None, **values(operation)))
    assert found.status is OutcomeStatus.FAILED
    assert late.time.now == 30


@pytest.mark.parametrize("operation", ["start-campaign", "edit-campaign", "delete-campaign"])
def test_what_this_run_did_not_make_is_not_waited_for(operation: str) -> None:
    late = Late(Ticking(), 100)
    _, found = settled(late, step("create-campaign"), step(operation, target="9"))
    assert late.time.now == 0
    assert found.status is not OutcomeStatus.DONE


@pytest.mark.parametrize("operation", LATER)
def test_where_reads_show_it_a_no_may_be_about_a_gateway_and_about_nothing_else(operation: str) -> None:
    late = Late(Ticking(), 100)
    looks: list[str] = []

    async def shown(step: Step, bindings: Bindings) -> Readback:
        looks.append(step.operation.name)
        return Readback(False, remaining=step.gateways or None)

    late.verify = shown  # type: ignore[method-assign]
    _, found = settled(late, step("create-campaign"), step(operation, target=None, **values(operation)))
    assert found.status is OutcomeStatus.FAILED
    about_gateways = operation in ("add-gateways", "remove-gateways", "close-gateway")
    assert late.time.now == (0 if about_gateways else 30)
    assert late.sent.count(operation) == (1 if about_gateways else 8)
    assert looks or not about_gateways


def test_a_look_after_a_cut_waits_too() -> None:
    late = Late(Ticking(), 5, lost=1)
    _, found = settled(
        late, step("create-campaign"), step("add-gateways", target=None, gateways=("a",), per_call=3)
    )
    assert found.status is OutcomeStatus.DONE
    assert late.sent == ["create-campaign", "add-gateways", "add-gateways"]
    assert late.time.now == 0.5 + 1 + 2 + 4, "looks come less and less often"


def test_a_gateway_that_is_meant_is_not_waited_for() -> None:
    late = Late(Ticking(), 0)

    async def unknown(step: Step, bindings: Bindings) -> Result:
        if step.operation.name == "add-gateways" and "b" in step.gateways:
            raise Refused("404 no gateway b", request="PUT /x", status=404, meaning=GONE)
        return Result(created="c-1")

    late.born, late.run = 0.0, unknown  # type: ignore[method-assign]
    _, found = settled(
        late, step("create-campaign"), step("add-gateways", target=None, gateways=("a", "b"), per_call=3)
    )
    assert late.time.now == 0
    assert found.left == ("b",)


@pytest.mark.parametrize("operation", ["create-campaign", "edit-campaign", "assign-gateway-packages"])
def test_a_package_that_shows_late_is_waited_for(operation: str) -> None:
    late = Late(Ticking(), 4, package=True)
    packages = (PendingUpload(FILE.sha256),)
    more: dict[str, Any] = (
        {"packages": packages, "gateways": ("a",), "per_call": 1}
        if operation == "assign-gateway-packages"
        else {"fields": carrying(packages)}
    )
    upload = step("upload-package")
    _, found = settled(
        late, upload, step(operation, **({"target": "9"} if "create" not in operation else {}), **more)
    )
    assert found.status is OutcomeStatus.DONE
    assert late.time.now >= 4


def carrying(packages: Any) -> Any:
    from reconciler.model import CampaignFields

    return CampaignFields("line", "", packages)
