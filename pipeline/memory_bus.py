"""The log within one process: what Kafka is to the workers, for the embedded mode and for tests.

Stages behave as they do on Kafka: what they publish and remember becomes durable at a commit, the
position of a message after its stage returned, and a stage that died gets the message again.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct

from pipeline.journal import Journal, Stage, body_of
from pipeline.message import Message
from pipeline.packing import PACKED, pack
from schemas.topics import TOPICS, USAGE_EVENTS, Topic

Fault = Callable[[str], None]
"""Called with `publish`, `commit` (before it) and `committed` (after it); raises to crash there."""


def _no_fault(point: str) -> None:
    del point


class MemoryJournal:
    """A stage's durable state, and what it has written since the last commit."""

    def __init__(
        self, append: Callable[["_Record"], None], fault: Fault, *, transactions: bool
    ) -> None:
        self._append = append
        self._fault = fault
        self._transactions = transactions
        self._durable: dict[str, bytes] = {}
        self._changes: dict[str, bytes | None] = {}
        self._outbox: list[_Record] = []

    async def publish(
        self,
        topic: Topic,
        value: Struct | bytes,
        *,
        key: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Send a record at the next commit, or at once without transactions."""
        self._fault("publish")
        record = _Record(topic, value, key, headers)
        if self._transactions:
            self._outbox.append(record)
        else:
            self._append(record)

    def get(self, key: str) -> bytes | None:
        """What is remembered under a key, uncommitted changes included."""
        return self._changes[key] if key in self._changes else self._durable.get(key)

    def put(self, key: str, value: bytes | None) -> None:
        """Remember or forget at the next commit."""
        self._changes[key] = value

    def keys(self) -> list[str]:
        """Every key that holds a value, uncommitted changes included."""
        gone = {key for key, value in self._changes.items() if value is None}
        new = [k for k, v in self._changes.items() if v is not None and k not in self._durable]
        return [key for key in self._durable if key not in gone] + new

    async def commit(self) -> None:
        """Make everything since the last commit durable at once."""
        self._fault("commit")
        self.settle()
        self._fault("committed")

    def settle(self) -> None:
        """What a commit does, without the points at which it may crash."""
        for record in self._outbox:
            self._append(record)
        for key, value in self._changes.items():
            if value is None:
                self._durable.pop(key, None)
            else:
                self._durable[key] = value
        self.drop()

    def drop(self) -> None:
        """Lose what was not committed."""
        self._outbox.clear()
        self._changes.clear()


class _Record(Struct):
    topic: Topic
    value: Struct | bytes
    key: str | None
    headers: Mapping[str, str] | None


class _Seat:
    """A stage, how far it has read, and what it remembers."""

    def __init__(self, stage: Stage, journal: MemoryJournal) -> None:
        self.stage = stage
        self.journal = journal
        self.positions = dict.fromkeys((topic.name for topic in stage.reads), 0)


class MemoryBus:
    """Topics of one partition each, and the stages that read them.

    Args:
        stages: each is given every message of the topics that it reads, in order.
        now: Unix seconds, stamped on messages.
        fault: where a simulation crashes.
        transactions: off, what is published can be read although its stage crashed before the
            commit, as on a broker that has none.
    """

    def __init__(
        self,
        stages: Sequence[Stage],
        now: Callable[[], float],
        fault: Fault = _no_fault,
        *,
        transactions: bool = True,
    ) -> None:
        self.transactions = transactions
        self._now = now
        self._fault = fault
        self._turn = asyncio.Lock()
        self.topics: dict[str, list[Message]] = {topic.name: [] for topic in TOPICS}
        self._seats = [
            _Seat(stage, MemoryJournal(self._append, fault, transactions=transactions))
            for stage in stages
        ]

    async def publish(
        self,
        topic: Topic,
        value: Struct | bytes,
        key: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Append a record from outside of the stages."""
        self._append(_Record(topic, value, key, headers))

    async def run_until_quiet(self) -> None:
        """Deliver messages, what they lead to included, until every stage has read all.

        Raises:
            Exception: a stage could not go on; `restart` it, and its message comes again.
        """
        async with self._turn:
            while any([await self._deliver(seat) for seat in self._seats]):
                pass

    async def tick(self, now: float) -> None:
        """Give every stage its tick, then deliver what came of it."""
        async with self._turn:
            for seat in self._seats:
                await seat.stage.tick(now, seat.journal)
                await seat.journal.commit()
        await self.run_until_quiet()

    def restart(self, old: Stage, new: Stage) -> None:
        """Put a new stage in the place of one that died: what it had not committed is lost."""
        seat = next(seat for seat in self._seats if seat.stage is old)
        seat.stage = new
        seat.journal.drop()

    def journal(self, stage: Stage) -> Journal:
        """What a stage remembers."""
        return next(seat.journal for seat in self._seats if seat.stage is stage)

    def _append(self, record: _Record) -> None:
        log = self.topics[record.topic.name]
        log.append(
            Message(
                topic=record.topic.name,
                partition=0,
                offset=len(log),
                value=body_of(record.value),
                appended_at=self._now(),
                key=None if record.key is None else record.key.encode(),
                headers=dict(record.headers or {}),
            )
        )

    async def _deliver(self, seat: _Seat) -> bool:
        """Hand a stage its next message of each topic; whether there was any."""
        busy = False
        for topic, position in seat.positions.items():
            if position < len(self.topics[topic]):
                busy = True
                await seat.stage.handle(self.topics[topic][position], seat.journal)
                self._fault("commit")
                seat.positions[topic] = position + 1
                seat.journal.settle()
                self._fault("committed")
        return busy


class BusLog:
    """The log as producers see it: what intake and tools write to."""

    def __init__(self, bus: MemoryBus) -> None:
        self._bus = bus

    async def send_packed(self, events: list[tuple[str, bytes]]) -> None:
        """Append usage events, as few messages as their size allows."""
        for _, lines in pack(events, partitions=1):
            await self._bus.publish(USAGE_EVENTS, lines, headers=PACKED)

    async def send(self, topic: Topic, key: str | None, value: bytes) -> None:
        """Append one record."""
        await self._bus.publish(topic, value, key)
