"""SIGTERM to every process of the real stack, in peace and amid each fault."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.faults.outcome import Outcome
from tests.faults.real_checks import violations
from tests.faults.real_stack import Member, RealStack, resume, suspend
from tests.faults.wrong_clock import set_clock

STOP_SECONDS_MAX = 10.0
TICK_SECONDS = 0.1
START_SECONDS = 15.0
WRONG_SECONDS = 290.0


async def terminate(stack: RealStack) -> Outcome:
    """SIGTERM to every process, amid traffic and amid each fault: each ends within 10 s."""
    faults = (
        _nothing, _hanging_outside, _failing_outside, _refusing_store, _rebalance, _no_broker,
    )  # fmt: skip
    outcome = Outcome("real: SIGTERM, also amid faults", len(faults) * len(stack.members))
    for fault in faults:
        # a process that still imports dies of the signal at once, and has nothing to make durable
        outcome.violations += await violations(stack)
        while not all(map(_hears, stack.members)):  # noqa: ASYNC110 - of others
            await asyncio.sleep(TICK_SECONDS)
        async with fault(stack):
            outcome.violations += await _terminated(stack, fault.__name__.strip("_"))
    return outcome


def _hears(member: Member) -> bool:
    """Whether a process has come so far that it handles SIGTERM."""
    try:
        status = Path(f"/proc/{member.process.pid}/status").read_text()
    except OSError:  # no such system
        return time.monotonic() > member.started_at + START_SECONDS
    caught = next(line for line in status.splitlines() if line.startswith("SigCgt:"))
    return bool(int(caught.split()[1], 16) >> (signal.SIGTERM - 1) & 1)


async def _terminated(stack: RealStack, amid: str) -> list[str]:
    """What does not end by itself and in time after SIGTERM; without a fault it ends with 0."""
    found = []
    stack.resting.update(each.role for each in stack.members)
    processes = [member.process for member in stack.members]
    for process in processes:
        process.terminate()
    # ticks and no clock: where everybody has to wait for a core, this process has to, too
    for _ in range(round(STOP_SECONDS_MAX / TICK_SECONDS)):
        if all(process.poll() is not None for process in processes):
            break
        await asyncio.sleep(TICK_SECONDS)
    for member, process in zip(list(stack.members), processes, strict=True):
        code = process.poll()
        if code is None:
            process.kill()
            await asyncio.to_thread(process.wait)
        if code is None or (amid == "nothing" and code != 0):
            found.append(f"{member.role}: ended with {code} after SIGTERM, amid {amid}")
    stack.resting.clear()
    return found


@asynccontextmanager
async def _nothing(stack: RealStack) -> AsyncIterator[None]:
    await stack.traffic.plant()
    yield


@asynccontextmanager
async def _hanging_outside(stack: RealStack) -> AsyncIterator[None]:
    stack.front.fail("delay", seconds=20.0)
    stack.slack.faults.append(("chat.postMessage", "time-out"))
    stack.gateway.faults.append("time-out")
    await stack.traffic.plant()
    await asyncio.sleep(2.0)
    yield
    _end_faults(stack)


@asynccontextmanager
async def _failing_outside(stack: RealStack) -> AsyncIterator[None]:
    """Everybody says no, and the clock has jumped."""
    set_clock(stack.clock, WRONG_SECONDS)
    stack.front.fail("error_half", times=1_000)
    stack.slack.down = True
    stack.gateway.faults.append("503")
    await stack.traffic.plant()
    await asyncio.sleep(2.0)
    set_clock(stack.clock, 0.0)
    yield
    _end_faults(stack)
    stack.slack.down = False


def _end_faults(stack: RealStack) -> None:
    """Nobody who comes later meets what was meant for who has ended."""
    stack.front.faults.clear()
    stack.slack.faults.clear()
    stack.gateway.faults.clear()


@asynccontextmanager
async def _refusing_store(stack: RealStack) -> AsyncIterator[None]:
    port = stack.front.port
    await asyncio.to_thread(stack.front.refuse)
    await stack.traffic.plant()
    await asyncio.sleep(2.0)
    yield
    await asyncio.to_thread(stack.front.start, port)


@asynccontextmanager
async def _rebalance(stack: RealStack) -> AsyncIterator[None]:
    """A worker that joined answers no more: the group waits for it."""
    third = Member("detect", stack.start("detect"))
    while not _hears(third):  # noqa: ASYNC110 - of others
        await asyncio.sleep(TICK_SECONDS)
    await stack.traffic.plant()
    await asyncio.sleep(0.5)
    suspend(third)
    yield
    resume(third)
    third.process.kill()
    await asyncio.to_thread(third.process.wait)


@asynccontextmanager
async def _no_broker(stack: RealStack) -> AsyncIterator[None]:
    await stack.traffic.plant()
    await asyncio.to_thread(stack.broker.kill)
    await asyncio.sleep(1.0)
    yield
    await asyncio.to_thread(stack.broker.start)
