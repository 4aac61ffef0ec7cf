"""Faults of what surrounds leakline: broker, store, Slack and gateway."""

import asyncio
import tempfile
import time
from collections.abc import Callable, Sized
from pathlib import Path
from typing import TYPE_CHECKING

from schemas.topics import ACTION_RESULTS
from tests.faults.outcome import Outcome
from tests.faults.real_checks import violations
from tests.faults.real_stack import RealStack
from tests.support.full_disk import SAYS as FULL_DISK_SAYS
from tests.support.full_disk import run as full_disk_run
from tests.support.kafka_log import bodies

if TYPE_CHECKING:
    from pipeline.demo.fake_gateway import Fault as GatewayFault
    from pipeline.demo.fake_slack import Fault as SlackFault

STRIKE_SECONDS_MAX = 60.0
STORE_KINDS = ("error", "error_half", "error_after", "cut", "cut_after")
STORE_ROUNDS = 3
APART_SECONDS = 1.0
"""An insert succeeds between two faults, or the pauses before the next try would grow."""
STORE_SLOW_TIMES = 5
BROKER_GONE_SECONDS = 60.0
ALONE_SECONDS = 30.0
"""The store alone is gone, before the broker is and after."""
KILLS_BETWEEN = 3


async def broker(stack: RealStack) -> Outcome:
    """The broker is stopped in good order, and started again."""
    await stack.traffic.plant()
    await asyncio.to_thread(stack.broker.stop)
    await asyncio.to_thread(stack.broker.start)
    await asyncio.sleep(5.0)
    await stack.traffic.plant()
    return Outcome("real: broker restarted", 1)


async def both_gone(stack: RealStack) -> Outcome:
    """Nobody listens for two minutes where the store was, and amid them for one where the broker
    was.
    """
    port = stack.front.port
    await stack.traffic.plant()
    await asyncio.to_thread(stack.front.refuse)
    await asyncio.sleep(ALONE_SECONDS)
    await asyncio.to_thread(stack.broker.kill)
    await asyncio.sleep(BROKER_GONE_SECONDS)
    await asyncio.to_thread(stack.broker.start)
    await stack.traffic.plant()
    await asyncio.sleep(ALONE_SECONDS)
    await asyncio.to_thread(stack.front.start, port)
    return Outcome("real: store gone for two minutes, broker for one of them", 2)


async def store(stack: RealStack) -> Outcome:
    """The store answers 500 before, amid and after an insert, cuts as often, is slow, refuses."""
    count = len(STORE_KINDS) * STORE_ROUNDS + STORE_SLOW_TIMES + 1
    outcome = Outcome("real: store slow, refusing, 500 amid an insert, cut after it", count)
    for kind in STORE_KINDS * STORE_ROUNDS:
        stack.front.fail(kind)
        await _struck(stack.front.faults, outcome)
        await asyncio.sleep(APART_SECONDS)
    await stack.traffic.plant()
    stack.front.fail("delay", seconds=2.0, times=STORE_SLOW_TIMES)
    await _struck(stack.front.faults, outcome)
    port = stack.front.port
    await asyncio.to_thread(stack.front.refuse)
    await asyncio.sleep(5.0)
    await asyncio.to_thread(stack.front.start, port)
    return outcome


async def full_disk(stack: RealStack) -> Outcome:
    """The disk under an embedded store, which is no part of the stack, is full for a while."""
    del stack
    outcome = Outcome("real: disk of the embedded store full", 1)
    with tempfile.TemporaryDirectory(prefix="leakline-faults-") as folder:
        said = await asyncio.to_thread(full_disk_run, Path(folder) / "store")
    if said != FULL_DISK_SAYS:
        outcome.violations.append(f"embedded store: {said}")
    return outcome


async def slack(stack: RealStack) -> Outcome:
    """Slack limits, fails, is down, and acts without answering."""
    stack.slack.retry_after_seconds = 3
    faults: tuple[SlackFault, ...] = ("429", "cut", "503", "time-out")
    outcome = Outcome("real: slack 429, 503, down, cut, time-out after the post", len(faults) + 1)
    for fault in faults:
        stack.slack.faults.append(("chat.postMessage", fault))
        await stack.traffic.plant()
        await _struck(stack.slack.faults, outcome)
    stack.slack.down = True
    await stack.traffic.plant()
    await asyncio.sleep(6.0)
    stack.slack.down = False
    return outcome


async def gateway(stack: RealStack) -> Outcome:
    """The gateway fails, acts without answering, refuses connections, and refuses for good."""
    faults: tuple[GatewayFault, ...] = ("503", "cut", "time-out")
    outcome = Outcome(
        "real: gateway 5xx, cut, time-out after acting, refusing, 404", len(faults) + 2
    )
    for fault in faults:
        stack.gateway.faults.append(fault)
        await stack.traffic.plant()
        await _struck(stack.gateway.faults, outcome)
    outcome.violations += await violations(stack)
    port = int(stack.gateway.url.rpartition(":")[2])
    await stack.gateway.stop()
    await stack.traffic.plant()
    await asyncio.sleep(4.0)
    await stack.gateway.start(port)
    outcome.violations += await violations(stack)
    stack.refusals += 1
    stack.gateway.faults.append("404")
    await stack.traffic.plant()
    await _struck(stack.gateway.faults, outcome)
    return outcome


async def between(stack: RealStack) -> Outcome:
    """enforce and notify are killed between an intent and its outcome: the gateway has revoked,
    Slack has the message, and whoever asked for it dies before the answer.
    """
    outcome = Outcome("real: killed between intent and outcome", 2 * KILLS_BETWEEN)
    for _ in range(KILLS_BETWEEN):
        outcome.violations += await violations(stack)
        await _killed_between(stack, outcome)
    return outcome


async def _killed_between(stack: RealStack, outcome: Outcome) -> None:
    results = await _results(stack)
    revoked, told = len(stack.gateway.revoked), len(stack.slack.messages)
    stack.gateway.faults.append("time-out")
    stack.slack.faults.append(("chat.postMessage", "time-out"))
    await stack.traffic.plant()
    await _until(lambda: len(stack.slack.messages) > told, outcome)
    stack.find("notify")[0].process.kill()
    await _until(lambda: len(stack.gateway.revoked) > revoked, outcome)
    stack.find("enforce")[0].process.kill()
    if await _results(stack) != results:
        outcome.violations.append("enforce was killed too late, after the outcome")


async def _results(stack: RealStack) -> int:
    return len(await bodies(stack.config.kafka, ACTION_RESULTS))


async def _struck(faults: Sized, outcome: Outcome) -> None:
    """Wait until a fault has happened to somebody."""
    await _until(lambda: not faults, outcome)


async def _until(happened: Callable[[], bool], outcome: Outcome) -> None:
    deadline = time.monotonic() + STRIKE_SECONDS_MAX
    while not happened():
        if time.monotonic() > deadline:
            outcome.violations.append("a fault did not happen to anybody")
            return
        await asyncio.sleep(0.02)
