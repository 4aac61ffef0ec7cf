"""Who asks whether the server is ready must not make it ask the broker each time."""

import asyncio
from contextlib import AbstractAsyncContextManager

import pytest

from pipeline.config import Config
from pipeline.serve.app import build_app
from pipeline.serve.readiness import KEPT_SECONDS
from tests.support.serving import Client, Clock, MemoryLog, serving


class Broker:
    """Counts who looks at it, and lets them in when it is `up` and the gate is open."""

    def __init__(self) -> None:
        self.up = True
        self.looks = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self) -> bool:
        self.looks += 1
        await self.gate.wait()
        return self.up


def asked(broker: Broker, clock: Clock) -> AbstractAsyncContextManager[Client]:
    return serving(build_app(Config(), MemoryLog(), ready=broker, now=clock))


async def status(client: Client) -> int:
    async with client.get("/readyz") as answer:
        return answer.status


async def test_many_who_ask_at_once_share_one_look() -> None:
    broker = Broker()
    broker.gate.clear()
    async with asked(broker, Clock()) as client:
        asking = [asyncio.create_task(status(client)) for _ in range(20)]
        while not broker.looks:  # noqa: ASYNC110 - the server has no event for it
            await asyncio.sleep(0.01)
        assert not any(task.done() for task in asking)
        broker.gate.set()
        assert await asyncio.gather(*asking) == [200] * 20
    assert broker.looks == 1


@pytest.mark.parametrize("up", [True, False])
async def test_an_answer_holds_for_a_while_whichever_it_is(*, up: bool) -> None:
    broker, clock = Broker(), Clock()
    broker.up = up
    before, after = (200, 503) if up else (503, 200)
    async with asked(broker, clock) as client:
        assert [await status(client) for _ in range(5)] == [before] * 5
        broker.up = not up
        clock.now += KEPT_SECONDS - 0.001
        assert (await status(client), broker.looks) == (before, 1)
        clock.now += 0.001
        assert [await status(client) for _ in range(5)] == [after] * 5
    assert broker.looks == 2


async def test_a_clock_that_goes_back_does_not_keep_an_answer() -> None:
    broker, clock = Broker(), Clock()
    async with asked(broker, clock) as client:
        assert await status(client) == 200
        broker.up = False
        clock.now -= 3600
        assert await status(client) == 503
