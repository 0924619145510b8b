"""The time in which a step may be sent: its end is like an interruption."""

import asyncio

from reconciler.apply.closing import Closing


def test_it_is_over_from_its_end_on() -> None:
    clock = [9.9]
    closing = Closing(asyncio.Event(), 10.0, lambda: clock[0])
    assert (closing.over, closing.is_set()) == (False, False)
    clock[0] = 10.0
    assert (closing.over, closing.is_set()) == (True, True)


def test_an_interruption_sets_it_too() -> None:
    async def body() -> None:
        stop = asyncio.Event()
        closing = Closing(stop, 10.0, lambda: 0.0)
        waiting = asyncio.create_task(closing.wait())
        await asyncio.sleep(0)
        assert not waiting.done()
        stop.set()
        assert await asyncio.wait_for(waiting, 5) is True
        assert (closing.over, closing.is_set()) == (False, True)

    asyncio.run(body())


def test_whoever_waits_goes_on_when_it_is_over() -> None:
    async def body() -> None:
        loop = asyncio.get_running_loop()
        begin = loop.time()
        closing = Closing(asyncio.Event(), 0.02, lambda: loop.time() - begin)
        assert await asyncio.wait_for(closing.wait(), 5) is True
        assert closing.over

    asyncio.run(body())
