"""Faults of the real stack, one after another while traffic goes on."""

import asyncio
import signal
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from schemas.topics import DETECT_STATE
from tests.faults.real_checks import violations
from tests.faults.real_stack import SESSION_SECONDS, Member, RealStack, resume, suspend
from tests.support.full_disk import SAYS as FULL_DISK_SAYS
from tests.support.full_disk import run as full_disk_run
from tests.support.kafka_log import read

if TYPE_CHECKING:
    from pipeline.demo.fake_gateway import Fault as GatewayFault
    from pipeline.demo.fake_slack import Fault as SlackFault

STOP_SECONDS_MAX = 10.0
TICK_SECONDS = 0.1
START_SECONDS = 15.0
SINK_ROUNDS = 1
COMPACTION_SECONDS_MAX = 60.0


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
    chosen = [stack.find(role)[0] for role in dict.fromkeys(each.role for each in stack.members)]
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
    """The broker is stopped in good order, and killed and gone for a minute."""
    for end, seconds in ((stack.broker.stop, 1.0), (stack.broker.kill, 60.0)):
        await stack.plant()
        await asyncio.to_thread(end)
        await asyncio.sleep(seconds)
        await asyncio.to_thread(stack.broker.start)
        await asyncio.sleep(5.0)
    await stack.plant()
    return Outcome("real: broker restarted, and gone for a minute", 2)


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
    await _refusing_gateway(stack)
    kinds = len(faults) + 3
    return Outcome("real: gateway 5xx, cut, time-out after acting, refusing, 404", kinds)


async def _refusing_gateway(stack: RealStack) -> None:
    """Nobody listens for a while; then one action is refused for good."""
    outcome = await violations(stack)
    port = int(stack.gateway.url.rpartition(":")[2])
    await stack.gateway.stop()
    await stack.plant()
    await asyncio.sleep(4.0)
    await stack.gateway.start(port)
    outcome += await violations(stack)
    stack.refusals += 1
    stack.gateway.faults.append("404")
    await stack.plant()


async def hangs(stack: RealStack) -> Outcome:
    """A detect worker hangs for good: the other does all the work, until somebody kills it."""
    outcome = Outcome("real: a worker that hangs", 1)
    member = stack.find("detect")[0]
    suspend(member)
    await stack.plant()
    outcome.violations += await violations(stack)
    member.process.kill()
    return outcome


async def compaction(stack: RealStack) -> Outcome:
    """The broker has compacted the changelog of detection; then both workers lose all they know."""
    outcome = Outcome("real: changelog compacted", 1)
    longest = 0
    deadline = time.monotonic() + COMPACTION_SECONDS_MAX
    while True:
        length = len(await read(stack.config.kafka, DETECT_STATE, committed=True))
        if length < longest:  # it only grows otherwise
            break
        if time.monotonic() > deadline:
            outcome.violations.append("the broker has not compacted the changelog")
            break
        longest = max(longest, length)
        await asyncio.sleep(0.5)
    for member in stack.find("detect"):
        member.process.kill()
    await stack.plant()
    return outcome


async def from_nothing(stack: RealStack) -> Outcome:
    """Detection is rebuilt: states of nothing, and the log read again from the day's beginning."""
    outcome = Outcome("real: states rebuilt from nothing", 1)
    outcome.violations += await violations(stack)
    stack.resting.add("detect")
    for member in stack.find("detect"):
        member.process.terminate()
        await asyncio.to_thread(member.process.wait)
    stack.rebuilds += 1
    code, said = await asyncio.to_thread(stack.leakline, "rebuild", "--from", "2020-01-01")
    if code:
        outcome.violations.append(f"rebuild: {said}")
    stack.resting.clear()
    await stack.plant()
    return outcome


async def terminate(stack: RealStack) -> Outcome:
    """SIGTERM to every worker, amid traffic and amid each outage: each ends within 10 s."""
    outages = (_no_outage, _hanging_outside, _refusing_store, _no_broker)
    outcome = Outcome("real: SIGTERM, also amid outages", len(outages) * len(stack.members))
    for outage in outages:
        # a process that still imports dies of the signal at once, and has nothing to make durable
        outcome.violations += await violations(stack)
        while not all(map(_hears, stack.members)):  # noqa: ASYNC110 - of others
            await asyncio.sleep(TICK_SECONDS)
        async with outage(stack):
            outcome.violations += await _terminated(stack, outage.__name__.strip("_"))
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
    """What does not end by itself and in time after SIGTERM; without an outage it ends with 0."""
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
        if code is None or (amid == "no_outage" and code != 0):
            found.append(f"{member.role}: ended with {code} after SIGTERM, amid {amid}")
    stack.resting.clear()
    return found


@asynccontextmanager
async def _no_outage(stack: RealStack) -> AsyncIterator[None]:
    await stack.plant()
    yield


@asynccontextmanager
async def _hanging_outside(stack: RealStack) -> AsyncIterator[None]:
    stack.front.fail("delay", seconds=20.0)
    stack.slack.faults += [("chat.postMessage", "time-out")] * 2
    stack.gateway.faults += ["time-out"] * 2
    await stack.plant()
    await asyncio.sleep(2.0)
    yield


@asynccontextmanager
async def _refusing_store(stack: RealStack) -> AsyncIterator[None]:
    port = stack.front.port
    await asyncio.to_thread(stack.front.refuse)
    await stack.plant()
    await asyncio.sleep(2.0)
    yield
    await asyncio.to_thread(stack.front.start, port)


@asynccontextmanager
async def _no_broker(stack: RealStack) -> AsyncIterator[None]:
    await stack.plant()
    await asyncio.to_thread(stack.broker.kill)
    await asyncio.sleep(1.0)
    yield
    await asyncio.to_thread(stack.broker.start)


FAULTS: tuple[Fault, ...] = (
    nothing,
    store,
    full_disk,
    slack,
    gateway,
    kills,
    rebalances,
    hangs,
    zombies,
    compaction,
    from_nothing,
    terminate,
    broker,
)
