"""Every read, question and write, answered by what went wrong at random: a value or an error of ours.

`FUZZ=10000 pytest tests/providers/test_fuzzed_answers.py` makes so many; the check makes a few.
"""

# ruff: noqa: E501 - a table reads best with a row a line

import asyncio
import json
import os
import random
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import pytest

from reconciler.errors import ReconcilerError, Unforeseen
from reconciler.model import OutcomeStatus, Step, StepGroup, Verb
from reconciler.pacing import Backoff
from reconciler.providers.base import Bindings, Provider
from reconciler.providers.http.engine import open_engine
from reconciler.providers.http.transport import Request, Response, Transport
from reconciler.providers.pulse.kind import connect
from tests.actions import action
from tests.providers.canned_server import provider as canned_provider
from tests.providers.mutations import mutated
from tests.providers.test_lying_answers import FILES, FLEET
from tests.world import World, operation_of

TIMES: Final = int(os.environ.get("FUZZ", "0"))
PAGE: Final = {"page": 1, "totalElements": "2", "totalPages": "1", "size": 500}
HONEST: Final[dict[str, Any]] = {
    "list-campaigns": {"campaigns": [{"id": "c1", "name": "x", "status": "CREATED"}, {"id": "c2", "name": "y", "status": "STARTED"}], "pageInfo": PAGE},
    "get-campaign": {"id": "c1", "name": "x", "status": "CREATED", "description": "d", "packages": {"packages": ["p1"]}},
    "list-gateways": {"gateways": [{"gatewayId": f"g{n}", "state": "INSTANTIATED", "closed": False} for n in (1, 2)], "pageResponse": PAGE},
    "get-distribution-list": {"distributionListId": "d", "reevaluationIntervalSeconds": "60", "campaignId": "c1"},
    "get-gateway-packages": {"packages": ["p1", "p2"]},
    "list-packages": {"programs": [{"id": "p1", "name": "a", "description": "x [sha256:0123456789abcdef]", "createdBy": "me", "createdOn": "1"}, {"id": "p2", "name": "b"}], "page": PAGE},
    "get-package": {"id": "p1", "name": "a", "description": "d", "createdBy": "me", "createdOn": "1700000000000"},
    "get-campaign-counts": {"aprovedNotStartedCount": "1", "startedCount": "2", "stoppedCount": 3},
    "get-campaign-status": {"campaignId": "c1", "status": "STARTED", "name": "x", "totalNumberOfGateways": "2", "creationTime": "1"},
    "get-gateway-state": {"state": "FAILED"},
    "get-gateway-status": {"campaignId": "c1", "gatewayId": "g1", "campaignState": {"state": "FAILED", "causedBy": "x"}, "timestamp": "1", "downloadProgress": {"packagesProgress": [{"id": "p1", "progress": "1", "total": "2"}]}, "executionProgress": ["one"]},
    "get-download-progress": {"packagesProgress": [{"id": "p1", "progress": "1", "total": "2"}]},
    "get-execution-progress": {"progress": ["one", "two"]},
    "get-active-campaigns": {"campaignId": ["c1", "c2"]},
    "create-campaign": {"uuid": "c1"},
    "edit-campaign": {"uuid": "c1"},
    "run-on-things": {"gateway_things": [{"gateway_id": "g1", "not_processed_thing_ids": ["t1"]}]},
    "other": {"currentApiVersion": "0.17"},
}  # fmt: skip

Ask = Callable[[Provider], Awaitable[object]]
READS: Final[tuple[Ask, ...]] = (
    lambda p: p.reads.campaigns(),
    lambda p: p.reads.campaigns(["x"]),
    lambda p: p.reads.campaigns(["x", "y"]),
    lambda p: p.reads.campaign("c1"),
    lambda p: p.reads.gateways("c1"),
    lambda p: p.reads.distribution_list("c1"),
    lambda p: p.reads.overrides("c1", ["g1"]),
    lambda p: p.reads.packages(),
    lambda p: p.reads.packages(["a"]),
    lambda p: p.reads.packages_of(["0123456789abcdef" * 4]),
    lambda p: p.reads.package("p1"),
    lambda p: p.questions.counts(),
    lambda p: p.questions.campaign_progress("c1"),
    lambda p: p.questions.gateway_state("c1", "g1"),
    lambda p: p.questions.gateway_status("c1", "g1"),
    lambda p: p.questions.gateway_packages("c1", "g1"),
    lambda p: p.questions.download_progress("c1", "g1"),
    lambda p: p.questions.execution_progress("c1", "g1"),
    lambda p: p.questions.active_campaigns("g1"),
    lambda p: p.questions.notify("c1", "g1"),
    lambda p: p.questions.package_infos(),
    lambda p: p.questions.package_info("p1"),
    lambda p: p.questions.greet(),
    lambda p: p.questions.probe(),
)
VERBS: Final = (
    Verb.CREATE, Verb.EDIT, Verb.DELETE, Verb.START, Verb.STOP, Verb.APPROVE, Verb.ADD, Verb.REMOVE, Verb.DISTRIBUTE,
    Verb.CALLBACK, Verb.OVERRIDE, Verb.DELETE_PACKAGE, Verb.SCHEDULE, Verb.CLOSE, Verb.THINGS,
)  # fmt: skip


class Fuzzed:
    """Answers every request with what went wrong of its honest answer."""

    def __init__(self, dice: random.Random) -> None:
        self.dice = dice
        self.answers = 0

    async def send(self, request: Request) -> Response:
        self.answers += 1
        entry = request.path in ("/api/versions", "/api/tokens")
        operation = "other" if entry else operation_of(request.method, request.path)
        return mutated(HONEST.get(operation, {}), self.dice)


def write(verb: Verb, part: str) -> Ask:
    """A step of that verb, sent or looked for."""

    async def ask(server: Provider) -> object:
        of_gateways = verb in (Verb.ADD, Verb.REMOVE, Verb.OVERRIDE, Verb.SCHEDULE, Verb.CLOSE, Verb.THINGS)
        values: dict[str, Any] = {"gateways": ("g1", "g2")} if of_gateways else {}
        if verb is Verb.THINGS:
            values["things"] = {"g1": ("t1",), "g2": ("t2",)}
        made = action(verb, **values)
        lowered = server.facts.lower(made)
        step = Step(StepGroup("k", made, lowered.operation, lowered.per_call), 0)
        bindings = Bindings({made.resource: "c1"}, {})
        if part == "run":
            return await server.writes.run(step, bindings)
        return await server.writes.verify(step, bindings)

    return ask


ASKS: Final = (*READS, *(write(verb, part) for verb in VERBS for part in ("run", "verify")))


async def _asked(seed: int) -> int:
    dice = random.Random(seed)
    transport = Fuzzed(dice)
    server = canned_provider(transport, backoff=Backoff(attempts=3, random=lambda: 1.0))
    ask = ASKS[seed % len(ASKS)]
    try:
        await ask(server)
    except ReconcilerError as error:
        if isinstance(error, Unforeseen) or len(str(error)) > 2_000:
            raise AssertionError(f"seed {seed}: {error}") from error
    except Exception as error:
        error.add_note(f"seed {seed}")
        raise
    return transport.answers


@pytest.mark.timeout(1800 if TIMES else 120)
def test_reads_questions_and_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reconciler.providers.http.paging.PAGES_WITHOUT_TOTAL", 50)

    async def main() -> None:
        answers, seed = 0, 0
        while answers < (TIMES or 600):
            answers += await _asked(seed)
            seed += 1

    asyncio.run(main())


class Meddling:
    """Now and then an answer of `inner` goes wrong on its way."""

    def __init__(self, inner: Transport, dice: random.Random) -> None:
        self.inner = inner
        self.dice = dice
        self.wrong = 0

    async def send(self, request: Request) -> Response:
        honest = await self.inner.send(request)
        if self.dice.random() > 0.15:
            return honest
        self.wrong += 1
        try:
            value = json.loads(honest.body)
        except ValueError:
            value = None
        return mutated(value, self.dice)


@pytest.mark.timeout(1800 if TIMES else 120)
def test_whole_runs_end_with_outcomes_and_errors_of_ours(tmp_path: Path) -> None:
    """Plans and applies against a server whose answers go wrong."""

    async def one(seed: int) -> int:
        dice = random.Random(seed)
        folder = tmp_path / str(seed)
        folder.mkdir()
        for name, content in FILES.items():
            (folder / name).write_text(content)
        quick = Backoff(base=0.0, attempts=3, random=lambda: 0.0)
        async with World.open(folder) as world, open_engine("embedded:", app=world.app) as engine:
            transport = Meddling(engine, dice)
            async with connect(world.settings, transport=transport, backoff=quick) as world.provider:
                for text in (FLEET, FLEET.replace("the text", "new"), ""):
                    try:
                        applied = await world.run(await world.make_plan(text, prune=True))
                    except ReconcilerError as error:
                        if isinstance(error, Unforeseen):
                            raise AssertionError(f"seed {seed}: {error}") from error
                        continue
                    except Exception as error:
                        error.add_note(f"seed {seed}")
                        raise
                    for outcome in applied.outcomes:
                        assert "a bug" not in outcome.message, (seed, outcome.message)
                        assert isinstance(outcome.status, OutcomeStatus)
        return transport.wrong

    wrong, seed = 0, 0
    while wrong < (TIMES // 10 or 20):
        wrong += asyncio.run(one(seed))
        seed += 1
