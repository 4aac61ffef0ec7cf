"""The roles that are stages: sink, which stores, and the others, which remember.

A stage that remembers reads topics of one partition each. The range assignor gives them all to
the same worker of the group; the others stand by. What the stage publishes and remembers becomes
durable with the position of the message, in one transaction: at once where a message made it act
outside of Kafka, else for all that a fetch brought. A stage that buffers has nothing to remember;
its positions move when nothing is pending.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from aiokafka import TopicPartition

from pipeline.config import Kafka
from pipeline.counts import Metrics
from pipeline.journal import Stage
from pipeline.message import Message
from pipeline.workers.connection import topic_name
from pipeline.workers.journals import AckJournal, StateJournal
from pipeline.workers.role import Clock, Host, Records, count_records, show_age, to_message
from pipeline.workers.state_log import StateLog
from schemas.topics import Topic

TICK_SECONDS = 1.0
END_SECONDS_MAX = 1.5
"""For a call of the stage to end by itself when its partitions are lost."""


@dataclass(frozen=True, slots=True)
class StagePlan:
    """A stage, and what it needs of Kafka."""

    name: str
    topics: Sequence[Topic]
    """What it reads."""
    state: Topic | None
    """Where it remembers; None: it does not."""
    make: Callable[[], Stage]
    """A stage that has seen nothing yet."""


class MissingTopicError(Exception):
    """A worker owns some of its stage's topics, but not all."""


@runtime_checkable
class Buffering(Protocol):
    """A stage whose messages are safe only once nothing is pending."""

    @property
    def pending(self) -> int:
        """What is not safe yet, of the messages handled so far."""

    async def flush(self) -> None:
        """Make everything handled so far safe."""


class Tenure:
    """The time in which the partitions of a stage are ours.

    Each has a stage of its own: what an earlier one had in memory is out of date.
    """

    def __init__(self, stage: Stage, journal: StateJournal | AckJournal, counts: Metrics) -> None:
        self._counts = counts
        self._stage = stage
        self._journal = journal
        self._lock = asyncio.Lock()
        self._first = tuple(stage.first)
        self._acts_on = {topic.name for topic in stage.acts_on}
        self._committed_at = 0.0
        """As of what it hears first."""
        self._calls: set[asyncio.Task[None]] = set()
        self._ends = False
        """No further message is handed on; what was handled is committed yet …"""
        self._over = False
        """… and from now on nothing is."""

    async def handle(self, topic: str, place: TopicPartition, records: Records) -> None:
        """Hand messages to the stage; those that make it act are committed one by one.

        The others share a transaction, which does not last: a tick commits what there is by then.
        """
        with show_age(self._counts, topic, records):
            await self._call(self._handle(topic, place, records))

    async def tick(self, now: float) -> None:
        """Let the stage look at the clock."""
        await self._call(self._tick(now))

    async def end(self, *, in_order: bool) -> None:
        """Let go. A call that takes too long is cancelled: its message will come again.

        Args:
            in_order: first make durable what was handled, as far as that can be done.
        """
        self._ends = True
        if in_order and self._calls:
            await asyncio.wait(self._calls, timeout=END_SECONDS_MAX)
        if in_order and isinstance(self._stage, Buffering):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._call(self._flush()), END_SECONDS_MAX)
        self._over = True
        if self._calls:
            await asyncio.wait(self._calls, timeout=END_SECONDS_MAX)
        for call in self._calls:
            call.cancel()
        async with self._lock:
            await self._journal.close()

    async def _call(self, work: Coroutine[None, None, None]) -> None:
        # a task of its own, so that `end` can cancel it without cancelling who waits for it
        call = asyncio.create_task(work)
        self._calls.add(call)
        call.add_done_callback(self._calls.discard)
        await asyncio.wait({call})
        if not call.cancelled():
            call.result()

    async def _handle(self, topic: str, place: TopicPartition, records: Records) -> None:
        for record in records:
            async with self._lock:
                if self._ends:
                    break
                await self._hear_first()
                if self._journal.is_handled(place, record.offset):
                    continue
                await self._stage.handle(to_message(topic, record), self._journal)
                self._journal.handled(place, record.offset)
                if self._journal.dirty and topic in self._acts_on:
                    await self._journal.commit()
        async with self._lock:
            if not self._over:
                await self._commit()
        count_records(self._counts, topic, records)

    async def _tick(self, now: float) -> None:
        async with self._lock:
            if not self._over:
                await self._hear_first()
                await self._stage.tick(now, self._journal)
                await self._commit()

    async def _hear_first(self) -> None:
        """Let the stage hear what it must know, however far behind its consumer is.

        That may be a whole registry, for which no transaction may last long enough.
        """
        first, self._first = self._first, ()
        if first:
            self._committed_at = time.monotonic()
            await self._journal.catch_up(first, self._hand)

    async def _hand(self, message: Message) -> None:
        if time.monotonic() >= self._committed_at + TICK_SECONDS:
            await self._journal.commit()
            self._committed_at = time.monotonic()
        await self._stage.handle(message, self._journal)

    async def _flush(self) -> None:
        async with self._lock:
            if isinstance(self._stage, Buffering):
                await self._stage.flush()
            await self._commit()

    async def _commit(self) -> None:
        if not isinstance(self._stage, Buffering) or self._stage.pending == 0:
            await self._journal.commit()


class StageRole:
    """Runs a stage on its topics."""

    def __init__(
        self,
        kafka: Kafka,
        plan: StagePlan,
        counts: Metrics,
        now: Clock = time.time,
    ) -> None:
        self._counts = counts
        self.name = plan.name
        self.topics = plan.topics
        self._kafka = kafka
        self._plan = plan
        self._now = now
        self._by_name = {topic_name(kafka, topic): topic.name for topic in plan.topics}
        self._tenure: asyncio.Task[Tenure] | None = None
        self._host: Host | None = None
        self._ticker: asyncio.Task[None] | None = None
        self._stopping = asyncio.Event()

    async def start(self, host: Host) -> None:
        """Begin to tick."""
        self._host = host
        self._ticker = asyncio.create_task(self._keep_ticking(host))

    async def assigned(self, partitions: set[TopicPartition]) -> None:
        """Take over, if the partitions are ours; a stage that remembers needs all its topics.

        Raises:
            MissingTopicError: some are ours and some are not.
        """
        if not partitions:
            return
        if self._plan.state is not None:
            absent = {TopicPartition(name, 0) for name in self._by_name} - partitions
            if absent:
                names = ", ".join(sorted(place.topic for place in absent))
                raise MissingTopicError(f"{self.name} was not given all of its topics: {names}")
        self._take_over()

    async def revoked(self) -> None:
        """Drop everything that was not committed."""
        await self._end(in_order=False)

    async def handle(self, place: TopicPartition, records: Records) -> None:
        """Hand messages to the stage."""
        tenure = await self._take_over()
        await tenure.handle(self._by_name[place.topic], place, records)

    async def stop(self) -> None:
        """Make durable what the stage holds, and let go."""
        self._stopping.set()
        if self._ticker is not None:
            await self._ticker
        await self._end(in_order=True)

    async def _end(self, *, in_order: bool) -> None:
        beginning, self._tenure = self._tenure, None
        if beginning is not None:
            await (await beginning).end(in_order=in_order)

    def _take_over(self) -> asyncio.Task[Tenure]:
        if self._tenure is None:
            self._tenure = asyncio.create_task(self._begin())
        return self._tenure

    async def _begin(self) -> Tenure:
        if self._host is None:
            raise RuntimeError("the role was not started")
        stage = self._plan.make()
        if self._plan.state is None:
            return Tenure(stage, AckJournal(self._host.commit_offsets), self._counts)
        log = StateLog(self._kafka, self.name, self._plan.state, 0)
        committed = await log.open(*(TopicPartition(name, 0) for name in self._by_name))
        # without, the group would never read again what was lost with the states
        anew = {} if committed.states else {log.place(topic): 0 for topic in stage.first}
        return Tenure(stage, StateJournal(log, committed, anew), self._counts)

    async def _keep_ticking(self, host: Host) -> None:
        try:
            while not self._stopping.is_set():
                await self._tick()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._stopping.wait(), TICK_SECONDS)
        except Exception as error:  # noqa: BLE001 - reported, and the process ends
            host.fail(error)

    async def _tick(self) -> None:
        if self._tenure is not None:
            await (await self._tenure).tick(self._now())
