"""Who sends: this process, unless there is much that may be repeated, and somebody was asked to."""

import asyncio
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from reconciler.app.senders import sender_for, worth_workers
from reconciler.errors import ReconcilerError
from reconciler.plan.model import Plan
from reconciler.settings import DaskWorkers, LocalWorkers, Project, ServerSettings, WorkersAt, workers_at
from tests.apply.apply_script import SERVER, group

MANY = group("schedule-download", gateways=[f"gw-{n:04}" for n in range(2_000)], per_call=1, target="c-1")
FEW = replace(MANY, action=replace(MANY.action, gateways=MANY.gateways[1:]))  # type: ignore[call-arg]
ADDS = group("add-gateways", gateways=MANY.gateways, per_call=1, target="c-1")


@dataclass
class Locked:
    until: float | None = None


def sender(plan: Plan, workers: WorkersAt | None, url: str = "https://pulse.example.com") -> Any:
    async def main() -> Any:
        project = Project(Path(), server=ServerSettings(url=url, workers=workers))
        provider = SimpleNamespace(reads=None, pace=None)
        async with sender_for(project, plan, provider, Locked(), 4) as found:  # type: ignore[arg-type]
            return found

    return asyncio.run(main())


def test_much_of_what_may_be_repeated_is_worth_workers() -> None:
    assert worth_workers(Plan(SERVER, (FEW, MANY)))
    assert not worth_workers(Plan(SERVER, (FEW, ADDS)))
    assert not worth_workers(Plan(SERVER, ()))


@pytest.mark.parametrize(
    ("plan", "workers", "url"),
    [
        (Plan(SERVER, (MANY,)), None, "https://pulse.example.com"),
        (Plan(SERVER, (FEW, ADDS)), LocalWorkers(2), "https://pulse.example.com"),
        (Plan(SERVER, (FEW,)), DaskWorkers("dask.example.com"), "https://pulse.example.com"),
        (Plan(SERVER, (MANY,)), LocalWorkers(2), "embedded:"),
    ],
    ids=["nobody asked", "a few", "a few, far away", "embedded"],
)
def test_this_process_sends(
    plan: Plan, workers: WorkersAt | None, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)  # it would not even be found
    assert sender(plan, workers, url) is None


def test_workers_that_outlive_us_need_a_lease() -> None:
    with pytest.raises(ReconcilerError, match="the lock of a state in a file doesn't") as caught:
        sender(Plan(SERVER, (MANY,)), DaskWorkers("127.0.0.1"))
    assert "postgresql://" in (caught.value.hint or "")


def test_what_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("reconciler.workers.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ReconcilerError, match="workers need a package that isn't installed") as caught:
        sender(Plan(SERVER, (MANY,)), LocalWorkers(2))
    assert "reconciler[dask]" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("local:1", LocalWorkers(1)),
        ("local:64", LocalWorkers(64)),
        ("dask://10.0.0.7", DaskWorkers("10.0.0.7", 8786)),
        ("dask://Dask.Example.com:443", DaskWorkers("dask.example.com", 443)),
        ("dask://[::1]:9000", DaskWorkers("::1", 9000)),
    ],
)
def test_workers_are_named(text: str, at: WorkersAt) -> None:
    assert workers_at(text) == at
    assert workers_at(str(at)) == at


@pytest.mark.parametrize(
    "text",
    [
        *("", "4", "local", "local:", "local:0", "local:65", "local:-1", "local:two", "local:٣", "local:2 "),
        *("dask:", "dask://", "dask://host:0", "dask://host:70000", "dask://host/path", "dask://me@host"),
        *("tcp://host:8786", "dask://a b", "dask://host:8786?x=1", "dask:host", "dask://0x7f.1"),
    ],
)
def test_what_names_no_workers_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"wants|neither"):
        workers_at(text)
