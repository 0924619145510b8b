"""No file that somebody changed ends in a traceback, or in a bug of ours: state, plan, snapshot, audit log.

A few hundred seeded ones here; `make soak` tries 10,000 of each.
"""

import asyncio
import json
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from reconciler.app.auditlog import last_runs, one_run, verdict
from reconciler.app.pipeline import draft
from reconciler.app.savedplans import changed
from reconciler.apply import apply_plan
from reconciler.audit.recorder import AuditedRun, Who, recording
from reconciler.errors import Exit, ReconcilerError, fault_in_words
from reconciler.model import FromEnv, FromFile, Outcome, OutcomeStatus, Secret, Server
from reconciler.options import Options
from reconciler.plan import Plan
from reconciler.plan.file import open_plan
from reconciler.plan.stale import expired
from reconciler.providers.pulse.facts import facts_of
from reconciler.providers.snapshot import saved_server
from reconciler.report.apply_summary import applied_lines
from reconciler.report.command_answers import Answer
from reconciler.report.markdown import applied_markdown, plan_markdown
from reconciler.report.plan_document import applied_chunks, plan_chunks
from reconciler.report.plan_text import plan_lines
from reconciler.report.state_answers import lock, state_entry, state_list
from reconciler.report.terminal import plain
from reconciler.settings import ServerSettings
from reconciler.snapshot import open_snapshot, read_state
from reconciler.state.base import State, bound_to
from reconciler.state.entries import entries
from reconciler.state.file import FileStore
from tests.apply.apply_script import Script, step
from tests.fakes import campaign, desired
from tests.fuzz.tampering import (
    Seal,
    audit_seal,
    journal_seal,
    plan_seal,
    snapshot_seal,
    tampered,
    unsealed,
)
from tests.memory_provider import MemoryCampaign, MemoryServer
from tests.world import AT_ONCE

GOLDEN = Path(__file__).parents[1] / "golden"
PULSE = facts_of(ServerSettings())
NOW = 1_800_000_000_000
SERVER = Server("pulse", "https://pulse.example.com", "org-1")
FEW, MANY = 150, 10_000

SIZES = pytest.mark.parametrize(
    "size",
    [
        pytest.param(FEW, id="few"),
        pytest.param(MANY, id="many", marks=[pytest.mark.soak, pytest.mark.timeout(7200)]),
    ],
)
"""How many changed files are tried."""


def tried(size: int, data: bytes, seal: Seal, use: Callable[[bytes], None]) -> None:
    """`use` gets `size` changed files: whatever it raises is an error of ours."""
    refused, wrong = 0, dict[str, int]()
    for seed in range(size):
        made = tampered(data, Random(seed), seal)
        try:
            use(made)
        except ReconcilerError as error:
            refused += 1
            if "bug in" in error.message or len(error.message) > 2_000:
                wrong.setdefault(error.message[:300], seed)
        except Exception as error:  # noqa: BLE001 - all kinds of them, each once
            wrong.setdefault(f"{type(error).__name__}: {fault_in_words(error)}: {str(error)[:200]}", seed)
    assert wrong == {}, "what → a seed of it"
    assert refused < size, "some make sense"


def answered(answer: Answer) -> None:
    list(answer.text(SERVER, plain))
    json.loads("".join(answer.document(SERVER)))


def shown(plan: Plan) -> None:
    list(plan_lines(plan, plain))
    json.loads("".join(plan_chunks(plan, "ab" * 32)))
    plan_markdown(plan, digest="ab" * 32)


def memory_server() -> MemoryServer:
    return MemoryServer(MemoryCampaign("8c7f", "Line 3", "STARTED"), MemoryCampaign("1", "line", "STARTED"))


class Session:
    """A state in memory, under lock."""

    def __init__(self, state: State) -> None:
        self.state = state

    def record(self, *events: object, sync: bool = True) -> None:
        from reconciler.state.folding import fold

        self.state = fold(self.state, events)  # type: ignore[arg-type]


def applied(plan: Plan, state: State) -> None:
    """Run `plan`, and say what became of it. A bug of ours would be an outcome."""

    async def go() -> None:
        found = await apply_plan(
            plan,
            Script(),
            Session(state),
            delay=lambda *_: None,
            parallelism=4,
            settling=AT_ONCE.settling,  # type: ignore[arg-type]
        )
        said = (outcome.message for outcome in found.outcomes)
        bugs = [each for each in said if "bug in reconciler" in each and "apply_script.py" not in each]
        assert bugs == [], "but for those of the script, which answers only what it knows"
        if found.error is not None:
            raise found.error
        list(applied_lines(plan, found.outcomes, Exit.DONE, plain))
        "".join(applied_chunks(plan, found.outcomes, Exit.DONE, None))
        applied_markdown(plan, found.outcomes, Exit.DONE, digest=None)

    asyncio.run(go())


def drafted(state: State, source: object) -> Plan:
    wanted = desired(
        campaign(
            "line-3",
            "Line 3",
            description="new",
            gateways={"gw-1", "gw-2"},
            settings={"LEVEL": "info", "KEY": Secret("environment variable KEY", "s3cret", FromEnv("KEY"))},
            closed={"gw-2"},
            things={"gw-1": ("t-1",)},
        )
    )
    bound = bound_to(state, source.server, url="file:state.json")  # type: ignore[attr-defined]
    made = asyncio.run(
        draft(wanted, bound, source, Options(prune=True), now=NOW, lookout=AT_ONCE)  # type: ignore[arg-type]
    )
    return made.plan


# --- the state -------------------------------------------------------------------------------------


def used_state(folder: Path) -> None:
    store = FileStore(folder / "state.json", url="file:state.json")
    state = store.load()
    answered(state_list(state, store.url))
    for entry in entries(state).values():
        answered(state_entry(entry, state, store.url))
    answered(lock(store.holder(), store.url))
    server = memory_server()
    plan = drafted(replace(state, server=server.server), server)
    shown(plan)
    applied(plan, state)
    with store.locked(state.server or SERVER, "apply") as session:
        session.record()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("state.json", "state.json.journal"):
        shutil.copy(GOLDEN / name, tmp_path / name)
    return tmp_path


def again(folder: Path, name: str, data: bytes) -> None:
    for each in folder.iterdir():
        each.unlink()
    shutil.copy(GOLDEN / "state.json", folder / "state.json")
    (folder / name).write_bytes(data)


@SIZES
@pytest.mark.parametrize(
    ("name", "seal"),
    [("state.json", unsealed), ("state.json.journal", journal_seal), ("state.json.lock", unsealed)],
)
def test_a_state(folder: Path, size: int, name: str, seal: Callable[[bytes], bytes]) -> None:
    def use(data: bytes) -> None:
        again(folder, name, data)
        used_state(folder)

    data = (GOLDEN / name).read_bytes()
    if name == "state.json.lock":
        for seed in range(size):
            use(tampered(data, Random(seed), seal))
        return
    tried(size, data, seal, use)


# --- plan files --------------------------------------------------------------------------------------


@SIZES
def test_a_plan_file(tmp_path: Path, size: int) -> None:
    path = tmp_path / "plan.jsonl"

    def opened(secret: Secret) -> Secret:
        assert isinstance(secret.origin, FromEnv | FromFile)
        return Secret(secret.source, "canary-71aa", secret.origin)

    def use(data: bytes) -> None:
        path.write_bytes(data)
        saved = open_plan(path).read(tmp_path, PULSE.operations, opened)
        shown(saved.plan)
        server = memory_server()
        state = State("lineage", "5a17", server=server.server)
        asyncio.run(changed(saved.plan, saved.fingerprints, server, state, PULSE))
        expired(saved.plan, NOW)
        applied(saved.plan, state)

    tried(size, (GOLDEN / "plan-file.jsonl").read_bytes(), plan_seal, use)


# --- snapshots ---------------------------------------------------------------------------------------


@SIZES
def test_a_snapshot(tmp_path: Path, size: int) -> None:
    path = tmp_path / "snapshot.jsonl"

    def use(data: bytes) -> None:
        path.write_bytes(data)
        saved = open_snapshot(path)
        shown(drafted(read_state(saved), saved_server(saved, PULSE)))

    tried(size, (GOLDEN / "snapshot.jsonl").read_bytes(), snapshot_seal, use)


# --- audit logs ----------------------------------------------------------------------------------------


@SIZES
def test_an_audit_log(tmp_path: Path, size: int) -> None:
    store = FileStore(tmp_path / "state.json", url="file:state.json")
    run = AuditedRun(
        "apply", "1.2.3", Who("ada", "laptop", "octocat"), SERVER, "plants", "prod", steps={"x": 1}
    )
    with store.locked(SERVER, "apply") as session:
        for status in (OutcomeStatus.DONE, OutcomeStatus.FAILED):
            with recording(session, run) as recorder:
                each = step("add-gateways", gateways="ab", per_call=9, target="c-1")
                recorder.outcome(Outcome(each, status, "no", unclear=True, left=("a",)))
    log = tmp_path / "state.json.audit"

    def use(data: bytes) -> None:
        log.write_bytes(data)
        answered(last_runs(store, 10))
        answered(verdict(store, None)[0])
        answered(verdict(store, "ab" * 32)[0])
        for number in ("1", "2"):
            with suppress(ReconcilerError):
                answered(one_run(store, number))
        with store.locked(SERVER, "apply") as session, recording(session, run) as recorder:
            recorder.outcome(Outcome(step("edit-campaign"), OutcomeStatus.DONE))

    tried(size, log.read_bytes(), audit_seal, use)
