"""Faults of leakline's own processes: killed, stopped, moved, with a wrong clock, without state."""

import asyncio
import time

from aiokafka import AIOKafkaConsumer, TopicPartition

from pipeline.workers.connection import client_settings, topic_name
from schemas.topics import DETECT_STATE
from tests.faults.outcome import Outcome
from tests.faults.real_checks import violations
from tests.faults.real_stack import SESSION_SECONDS, Member, RealStack, resume, suspend
from tests.faults.wrong_clock import set_clock
from tests.support.kafka_log import read

KILLS = 21
MID_WRITE_TRIES_MAX = 400
COMPACTION_SECONDS_MAX = 60.0
JUMPS_SECONDS = (290.0, -290.0, 30.0, -200.0, 0.0)
"""By how much the clock is wrong, one after another: it jumps by almost ten minutes."""


async def nothing(stack: RealStack) -> Outcome:
    """The stack comes up, and works."""
    await stack.traffic.plant()
    return Outcome("real: undisturbed, with an empty partition", 1)


async def kills(stack: RealStack) -> Outcome:
    """kill -9 of every process in turn, at random moments."""
    for number in range(KILLS):
        if number % 4 == 0:
            await stack.traffic.plant()
        member = stack.members[number % len(stack.members)]
        await asyncio.sleep(stack.rng.uniform(0.2, 2.5))
        member.process.kill()
    await asyncio.sleep(1.0)
    return Outcome("real: kill -9 of each role", KILLS)


async def rebalances(stack: RealStack) -> Outcome:
    """A detect worker joins, another leaves, and back."""
    third = stack.start("detect")
    await stack.traffic.plant()
    await asyncio.sleep(6.0)
    third.terminate()
    await asyncio.to_thread(third.wait, 15)
    await stack.traffic.plant()
    await asyncio.sleep(2.0)
    return Outcome("real: rebalance in each direction", 2)


async def hangs(stack: RealStack) -> Outcome:
    """A detect worker hangs for good: the other does all the work, until somebody kills it."""
    outcome = Outcome("real: a worker that hangs", 1)
    member = stack.find("detect")[0]
    suspend(member)
    await stack.traffic.plant()
    outcome.violations += await violations(stack)
    member.process.kill()
    return outcome


async def zombies(stack: RealStack) -> Outcome:
    """Each role is paused beyond its session, its partitions move, it comes back."""
    chosen = [stack.find(role)[0] for role in dict.fromkeys(each.role for each in stack.members)]
    await stack.traffic.plant()
    for member in chosen:
        suspend(member)
    await stack.traffic.plant()
    await asyncio.sleep(SESSION_SECONDS * 2.5)
    for member in chosen:
        resume(member)
    await asyncio.sleep(2.0)
    return Outcome("real: paused beyond the session", len(chosen))


async def mid_write(stack: RealStack) -> Outcome:
    """Each detect worker in turn is stopped while it writes states, loses its partitions, and
    comes back in the middle of that write.
    """
    workers = stack.find("detect")
    outcome = Outcome("real: zombie in the middle of a state write", len(workers))
    for member in workers:
        await stack.traffic.plant()
        if not await _suspended_mid_write(stack, member):
            outcome.violations.append("no worker was met in the middle of a state write")
        await stack.traffic.plant()
        await asyncio.sleep(SESSION_SECONDS * 2.5)
        resume(member)
        await asyncio.sleep(SESSION_SECONDS)
    return outcome


async def _suspended_mid_write(stack: RealStack, member: Member) -> bool:
    """Stop a worker again and again until it has a transaction open with states in it."""
    kafka = stack.config.kafka
    name = topic_name(kafka, DETECT_STATE)
    places = [TopicPartition(name, number) for number in range(kafka.partitions)]
    settings = client_settings(kafka) | {"enable_auto_commit": False}
    async with (
        AIOKafkaConsumer(**settings, isolation_level="read_committed") as committed,
        AIOKafkaConsumer(**settings) as all_there_is,
    ):
        for _ in range(MID_WRITE_TRIES_MAX):
            suspend(member)
            before = await committed.end_offsets(places)
            if before != await all_there_is.end_offsets(places):
                return True
            resume(member)
            await asyncio.sleep(stack.rng.uniform(0.0, 0.05))
    return False


async def clock(stack: RealStack) -> Outcome:
    """The clock of the machine that leakline runs on jumps, forth and back."""
    for seconds in JUMPS_SECONDS:
        set_clock(stack.clock, seconds)
        await stack.traffic.plant()
        await asyncio.sleep(3.0)
    return Outcome("real: clock jumps", len(JUMPS_SECONDS))


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
    await stack.traffic.plant()
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
    await stack.traffic.plant()
    return outcome
