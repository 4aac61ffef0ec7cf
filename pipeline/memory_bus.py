"""The log within one process: what Kafka is to the workers, for the embedded mode and for tests.

Stages behave as they do on Kafka: what they publish and remember becomes durable at a commit, the
position of a message after its stage returned, and a stage that died gets the message again.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct

from pipeline.journal import Hand, Journal, Stage, body_of
from pipeline.message import Message
from pipeline.packing import PACKED, pack
from schemas.topics import TOPICS, USAGE_EVENTS, Topic


class _Record(Struct):
    topic: Topic
    value: Struct | bytes
    key: str | None
    headers: Mapping[str, str] | None


Append = Callable[[_Record], None]
Logs = Mapping[str, Sequence[Message]]
"""What each topic holds."""


class MemoryJournal:
    """A stage's durable state, and what it has written and read since the last commit."""

    def __init__(self, append: Append, logs: Logs) -> None:
        self._append = append
        self._logs = logs
        self._durable: dict[str, bytes] = {}
        self._changes: dict[str, bytes | None] = {}
        self._outbox: list[_Record] = []
        self._positions: dict[str, int] = {}
        self._handled: dict[str, int] = {}

    async def publish(
        self,
        topic: Topic,
        value: Struct | bytes,
        *,
        key: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Send a record at the next commit."""
        self._outbox.append(_Record(topic, value, key, headers))

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

    async def catch_up(self, topics: Sequence[Topic], hand: Hand) -> bool:
        """Hand over what the topics hold."""
        for topic in topics:
            while (message := self.unread(topic.name)) is not None:
                await hand(message)
                self.handled(topic.name, message.offset)
        return True

    def unread(self, topic: str) -> Message | None:
        """The next message to read."""
        log, position = self._logs[topic], self._handled.get(topic, self._positions.get(topic, 0))
        return log[position] if position < len(log) else None

    def handled(self, topic: str, offset: int) -> None:
        """Let the next commit carry the position after a message."""
        self._handled[topic] = offset + 1

    async def commit(self) -> None:
        """Make everything since the last commit durable at once."""
        for record in self._outbox:
            self._append(record)
        self._positions |= self._handled
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
        self._handled.clear()


class MemoryBus:
    """Topics of one partition each, and the stages that read them.

    Args:
        stages: each is given every message of the topics that it reads, in order.
        now: Unix seconds, stamped on messages.
        journal: makes the journal of a stage.
    """

    def __init__(
        self,
        stages: Sequence[Stage],
        now: Callable[[], float],
        journal: Callable[[Append, Logs], MemoryJournal] = MemoryJournal,
    ) -> None:
        self._now = now
        self._turn = asyncio.Lock()
        self.topics: dict[str, list[Message]] = {topic.name: [] for topic in TOPICS}
        self._journals = {stage: journal(self._append, self.topics) for stage in stages}

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
            Exception: a stage could not go on.
        """
        async with self._turn:
            while any([await self._deliver(*each) for each in self._journals.items()]):
                pass

    async def tick(self, now: float) -> None:
        """Give every stage its tick, then deliver what came of it."""
        async with self._turn:
            for stage, journal in self._journals.items():
                await stage.tick(now, journal)
                await journal.commit()
        await self.run_until_quiet()

    def journal(self, stage: Stage) -> Journal:
        """What a stage remembers."""
        return self._journals[stage]

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

    async def _deliver(self, stage: Stage, journal: MemoryJournal) -> bool:
        """Hand a stage its next message of each topic; whether there was any."""
        busy = False
        for topic in stage.reads:
            message = journal.unread(topic.name)
            if message is not None:
                busy = True
                await stage.handle(message, journal)
                journal.handled(topic.name, message.offset)
                await journal.commit()
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
