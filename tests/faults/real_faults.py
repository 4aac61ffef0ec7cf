"""Faults of the real stack, one after another while traffic goes on."""

import asyncio
import subprocess
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.faults.real_checks import violations
from tests.faults.real_stack import SESSION_SECONDS, RealStack, resume, suspend

if TYPE_CHECKING:
    from pipeline.demo.fake_gateway import Fault as GatewayFault
    from pipeline.demo.fake_slack import Fault as SlackFault

STOP_SECONDS_MAX = 10.0
START_SECONDS = 15.0
SINK_ROUNDS = 1


@dataclass(slots=True)
class Outcome:
    """How often a fault was injected, and what was wrong afterwards."""

    fault: str
    repetitions: int
    violations: list[str] = field(default_factory=list)


Fault = Callable[[RealStack], Awaitable[Outcome]]


async def nothing(stack: RealStack) -> Outcome:
    """The stack comes up, and works."""
    await stack.plant()
    return Outcome("real: undisturbed", 1)


async def kills(stack: RealStack) -> Outcome:
    """kill -9 of every role in turn, twenty times, at random moments."""
    for number in range(20):
        if number % 4 == 0:
            await stack.plant()
        member = stack.members[number % len(stack.members)]
        await asyncio.sleep(stack.rng.uniform(0.2, 2.5))
        member.process.kill()
    await asyncio.sleep(1.0)
    return Outcome("real: kill -9 of each role", 20)


async def rebalances(stack: RealStack) -> Outcome:
    """A detect worker joins, another leaves, and back."""
    third = stack.start("detect")
    await stack.plant()
    await asyncio.sleep(6.0)
    third.terminate()
    await asyncio.to_thread(third.wait, 15)
    await stack.plant()
    await asyncio.sleep(2.0)
    return Outcome("real: rebalance in each direction", 2)


async def zombies(stack: RealStack) -> Outcome:
    """Each role is paused beyond its session, its partitions move, it comes back."""
    chosen = [stack.find(role)[0] for role in ("detect", "sink", "notify", "enforce")]
    await stack.plant()
    for member in chosen:
        suspend(member)
    await stack.plant()
    await asyncio.sleep(SESSION_SECONDS * 2.5)
    for member in chosen:
        resume(member)
    await asyncio.sleep(2.0)
    return Outcome("real: paused beyond the session", len(chosen))


async def broker(stack: RealStack) -> Outcome:
    """The broker is stopped in good order and once killed; each time it is gone for a while."""
    for end in (stack.broker.stop, stack.broker.kill):
        await stack.plant()
        await asyncio.to_thread(end)
        await asyncio.sleep(5.0)
        await asyncio.to_thread(stack.broker.start)
        await asyncio.sleep(5.0)
    await stack.plant()
    return Outcome("real: broker gone, and restarted", 2)


async def store(stack: RealStack) -> Outcome:
    """The store is slow, answers 500 before and after an insert, cuts, refuses for a while."""
    kinds = ("error", "error_after", "cut", "cut_after")
    for kind in kinds * SINK_ROUNDS:
        stack.front.fail(kind)
        await asyncio.sleep(0.4)
    stack.front.fail("delay", seconds=2.0)
    await stack.plant()
    port = stack.front.port
    await asyncio.to_thread(stack.front.refuse)
    await asyncio.sleep(6.0)
    await asyncio.to_thread(stack.front.start, port)
    return Outcome("real: store slow, 500, cut, refusing", len(kinds) * SINK_ROUNDS + 2)


async def slack(stack: RealStack) -> Outcome:
    """Slack limits, fails, and acts without answering."""
    stack.slack.retry_after_seconds = 3
    faults: tuple[SlackFault, ...] = ("429", "cut", "503")
    for fault in faults:
        stack.slack.faults.append(("chat.postMessage", fault))
        await stack.plant()
        await asyncio.sleep(1.0)
    stack.slack.faults.append(("chat.postMessage", "time-out"))
    await stack.plant()
    return Outcome("real: slack 429, 503, cut, time-out after the post", len(faults) + 1)


async def gateway(stack: RealStack) -> Outcome:
    """The gateway fails, and acts without answering; enforce is killed in between."""
    faults: tuple[GatewayFault, ...] = ("503", "cut", "time-out")
    for fault in faults:
        stack.gateway.faults.append(fault)
        await stack.plant()
        await asyncio.sleep(1.0)
    stack.gateway.faults.append("time-out")
    await stack.plant()
    await asyncio.sleep(0.7)
    stack.find("enforce")[0].process.kill()
    return Outcome("real: gateway 5xx, cut, time-out after acting", len(faults) + 1)


async def terminate(stack: RealStack) -> Outcome:
    """SIGTERM to every worker in the middle of traffic: each ends by itself within 10 s."""
    outcome = Outcome("real: SIGTERM drains within 10 s", len(stack.members))
    await stack.plant()
    # a process that still imports dies of the signal at once, and has nothing to make durable
    outcome.violations += await violations(stack)
    youngest = max(each.started_at for each in stack.members)
    await asyncio.sleep(max(0.0, youngest + START_SECONDS - time.monotonic()))
    processes = [member.process for member in stack.members]
    started = time.monotonic()
    for process in processes:
        process.terminate()
    for member, process in zip(list(stack.members), processes, strict=True):
        left = STOP_SECONDS_MAX - (time.monotonic() - started)
        try:
            code = await asyncio.to_thread(process.wait, max(0.1, left))
        except subprocess.TimeoutExpired:
            code = None
        if code != 0:
            outcome.violations.append(f"{member.role}: ended with {code} after SIGTERM")
    return outcome


FAULTS: tuple[Fault, ...] = (
    nothing,
    store,
    slack,
    gateway,
    kills,
    rebalances,
    zombies,
    terminate,
    broker,
)
