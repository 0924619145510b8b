"""All campaigns of the embedded server, counted for whoever looks."""

import asyncio
import sqlite3
from collections.abc import Callable

import httpx
import pytest

from reconciler.embedded import EmbeddedError, Running, census, create_app


def test_gateways_are_counted_by_state_with_causes(
    server: Running,
    api: httpx.Client,
    new_campaign: Callable[..., str],
    new_package: Callable[..., str],
) -> None:
    one = new_campaign("one", gateways=["a", "b", "c", "d"], packages=[new_package("fw.bin")])
    two = new_campaign("two")
    for gateway, state in (
        ("a", {"state": "FAILED", "causedBy": "no power"}),
        ("b", {"state": "FAILED"}),
        ("c", {"state": "ACTIVATION_COMPLETE"}),
    ):
        api.put(f"/_embedded/campaigns/{one}/devices/{gateway}", json=state).raise_for_status()
    api.put(f"/api/campaigns/{one}/devices/d/close", json={"gatewayId": "d"}).raise_for_status()
    found = asyncio.run(census(server.app))
    first, second = found.campaigns
    assert (first.id, first.name, first.status, first.packages) == (one, "one", "CREATED", ("fw.bin",))
    assert first.states == {"ACTIVATION_COMPLETE": 1, "FAILED": 2, "INSTANTIATED": 1}
    assert first.open == {"ACTIVATION_COMPLETE": 1, "FAILED": 2, "INSTANTIATED": 0}
    assert first.causes == {"no power": ("a",), "": ("b",)}
    assert (second.id, second.states, second.causes, second.packages) == (two, {}, {}, ())
    assert found.at > 1_700_000_000_000


def test_a_database_that_does_not_answer_is_an_error_of_the_server() -> None:
    app = create_app(":memory:")
    app.state.context.store.close()
    with pytest.raises(EmbeddedError, match="does not answer") as failure:
        asyncio.run(census(app))
    assert isinstance(failure.value.__cause__, sqlite3.Error)
