"""A long reading says how far it is, and leaves a terminal as it was."""

import asyncio
from io import StringIO

import pytest

from reconciler.app.surveying import counting
from tests.memory_provider import MemoryServer


class Stream(StringIO):
    """Tells when something was written."""

    def __init__(self, terminal: bool) -> None:
        super().__init__()
        self.terminal = terminal
        self.written = asyncio.Event()

    def isatty(self) -> bool:
        return self.terminal

    def flush(self) -> None:
        self.written.set()


@pytest.mark.parametrize("terminal", [True, False])
def test_how_far_it_is(terminal: bool) -> None:
    async def body() -> str:
        server, stream = MemoryServer(), Stream(terminal)
        server.requests = {"get-campaign": 1_200, "list-gateways": 34}
        async with counting(server, stream, seconds=0.001) as told:
            told(12, 200)
            await stream.written.wait()
        return stream.getvalue()

    said = asyncio.run(body())
    line = "12 of 200 campaigns read, 1,234 requests so far"
    if terminal:
        assert said.startswith(f"\r\x1b[K{line}")
        assert said.endswith("\r\x1b[K")
    else:
        assert set(said.splitlines()) == {line}


def test_a_short_one_says_nothing_and_an_error_passes() -> None:
    async def body(stream: Stream) -> None:
        async with counting(MemoryServer(), stream):
            raise ValueError("as it is")

    async def quiet() -> str:
        stream = Stream(terminal=False)
        with pytest.raises(ValueError, match="as it is"):
            await body(stream)
        return stream.getvalue()

    assert asyncio.run(quiet()) == ""
