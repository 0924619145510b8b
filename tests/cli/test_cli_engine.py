"""Commands that send many requests run on the loop that the engine of the project goes best on."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from cli_servers import World

from reconciler.providers.http import engine
from reconciler.providers.http.transport import Transport
from reconciler.providers.pulse import kind

RUNS = [
    "plan resources",
    "plan resources --out saved.plan",
    "apply resources --auto-approve",
    "apply resources --dry-run",
    "apply --plan saved.plan --dry-run",
    "status resources",
    "snapshot resources --out taken.snapshot",
    "export --out exported",
]


@pytest.fixture
def loops(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The modules of the loops on which an engine was opened."""
    seen: list[str] = []
    real = engine.open_engine

    @asynccontextmanager
    async def watched(*arguments: Any, **more: Any) -> AsyncIterator[Transport]:
        seen.append(type(asyncio.get_running_loop()).__module__)
        async with real(*arguments, **more) as transport:
            yield transport

    for module in (engine, kind):
        monkeypatch.setattr(module, "open_engine", watched)
    return seen


@pytest.mark.parametrize(("name", "loop"), [("aiohttp", "uvloop"), ("httpx", "asyncio.unix_events")])
def test_the_loop_of_an_engine(world: World, loops: list[str], name: str, loop: str) -> None:
    (world.folder / "reconciler.yaml").write_text(
        "apiVersion: reconciler/v1\nkind: Project\nmetadata: {name: p}\n"
        f"spec: {{server: {{url: '{world.proxy.url}', engine: {name}}}}}\n"
    )
    for words in RUNS:
        ran = world.run(*words.split())
        assert ran.code == 0, ran
    assert set(loops) == {loop}
    assert len(loops) == len(RUNS)
