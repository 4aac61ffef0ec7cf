"""One partition of a state topic and everything that is written together with it.

The writer holds a transactional id of its own, so that opening it fences whoever wrote the
partition before: a worker that lost the partition and does not know it yet can write nothing
more. A commit is one transaction of effects, states and consumed offsets.

Where a consumer begins to read is no proof of what was dealt with: it may have asked while the
last transaction of the writer before was not settled yet. Once that one is fenced it is, so the
offsets of what is read are asked for again then.
"""

import asyncio
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import NamedTuple

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import IllegalOperation, KafkaError

from pipeline.config import Kafka
from pipeline.workers.connection import (
    answering,
    client_settings,
    group_name,
    producer_settings,
    topic_name,
)
from pipeline.workers.producing import Headers, encode_headers
from pipeline.workers.unread import Hand, read_on
from pipeline.workers.whole_partition import read_whole
from schemas.topics import Topic

Offsets = Mapping[TopicPartition, int]
"""By partition, at the broker's topic name: the next offset to read."""
TRANSACTION_SECONDS_MAX = 60
"""The broker ends what is open for longer; a transaction is as long as two checkpoints are apart,
and whoever reads only what was committed waits so long for a writer that died."""
PENDING_SENDS_MAX = 20_000
"""Records on their way before a sender has to wait."""
ABORT_SECONDS_MAX = 3.0


class Committed(NamedTuple):
    """What earlier writers left, as of their last commit."""

    states: dict[str, bytes]
    next_offsets: Offsets
    """Of the partitions that were asked for; 0 where nothing was committed."""


@contextmanager
def _lost_transaction() -> Iterator[None]:
    """Say with one error what aiokafka says with three, by how much its sender has heard yet.

    A fenced writer gets the broker's error if it is the first to hear it; later its producer is
    in no transaction any more, and says so with errors that are made for a caller's mistakes.
    """
    try:
        yield
    except (IllegalOperation, AssertionError) as error:
        raise KafkaError(f"this writer can write no more: {error}") from error


def _hear_out(writer: AIOKafkaProducer) -> None:
    """Take note of the failures that a producer keeps for whoever waits for its transaction.

    Nobody does once a writer is fenced, and Python would print each as never retrieved.
    """
    kept: list[asyncio.Future[object] | None] = []
    with suppress(AttributeError):  # another release of aiokafka may keep them elsewhere
        batches = writer._message_accumulator._batches.values()  # noqa: SLF001
        kept = [each._drain_waiter for some in batches for each in some]  # noqa: SLF001
        kept.append(writer._txn_manager.wait_for_transaction_end())  # noqa: SLF001
    for future in kept:
        if future is not None and future.done() and not future.cancelled():
            future.exception()


class StateLog:
    """The one writer of a partition of a state topic."""

    def __init__(self, kafka: Kafka, role: str, topic: Topic, partition: int) -> None:
        self._kafka = kafka
        self._topic = topic
        self._partition = partition
        self._group = group_name(kafka, role)
        self._producer: AIOKafkaProducer | None = None
        self._pending: list[asyncio.Future[object]] = []

    async def open(self, *reads: TopicPartition) -> Committed:
        """Fence earlier writers, and read what they left.

        Args:
            *reads: the partitions whose offsets this writer commits.

        Raises:
            KafkaError: the broker does not answer.
        """
        kafka = await answering(self._kafka)
        self._producer = AIOKafkaProducer(
            **producer_settings(kafka),
            transactional_id=f"{self._group}-{self._partition}",
            transaction_timeout_ms=1_000 * TRANSACTION_SECONDS_MAX,
        )
        await self._producer.start()
        await self._producer.begin_transaction()  # takes the id: nobody else can write now
        return Committed(await self._read(kafka), await self._next_offsets(kafka, reads))

    async def next_offset(self, place: TopicPartition) -> int:
        """Where the group goes on in a partition; 0 where it has not begun.

        Raises:
            KafkaError: the broker does not answer.
        """
        return (await self._next_offsets(self._kafka, [place]))[place]

    async def send(
        self,
        topic: Topic,
        value: bytes,
        *,
        key: str | None = None,
        headers: Headers | None = None,
        partition: int | None = None,
    ) -> None:
        """Send an effect; it counts from the next commit on.

        Raises:
            KafkaError: it will never count; the process must end.
        """
        with _lost_transaction():
            future = await self._writer().send(
                topic_name(self._kafka, topic),
                value or None,  # what is empty takes out what was there: compaction drops both
                key=key.encode() if key is not None else None,
                headers=encode_headers(headers),
                partition=partition,
            )
            await self._sent(future)

    async def send_many(self, topic: Topic, records: Iterable[tuple[str, bytes | None]]) -> None:
        """Send keyed records to this writer's own partition of a topic, a batch at a time.

        Raises:
            KafkaError: they will never count; the process must end.
        """
        writer, name = self._writer(), topic_name(self._kafka, topic)
        batch = writer.create_batch()
        with _lost_transaction():
            for key, value in records:
                raw = key.encode()
                if batch.append(key=raw, value=value, timestamp=None) is None:
                    future = await writer.send_batch(batch, name, partition=self._partition)
                    await self._sent(future)
                    batch = writer.create_batch()
                    batch.append(key=raw, value=value, timestamp=None)
            if batch.record_count():
                await self._sent(await writer.send_batch(batch, name, partition=self._partition))

    async def commit(self, states: Iterable[tuple[str, bytes | None]], offsets: Offsets) -> None:
        """Make effects, states and offsets durable together.

        Raises:
            KafkaError: they did not become durable; the process must end.
        """
        await self.send_many(self._topic, states)
        await self._settle()
        writer = self._writer()
        with _lost_transaction():
            if offsets:
                await writer.send_offsets_to_transaction(dict(offsets), self._group)
            await writer.commit_transaction()
            await writer.begin_transaction()

    def place(self, topic: Topic) -> TopicPartition:
        """The partition of a topic that belongs to this one."""
        return TopicPartition(topic_name(self._kafka, topic), self._partition)

    async def read_on(self, starts: Offsets, hand: Hand) -> bool:
        """Hand over what partitions hold from these offsets on; whether that is everything.

        Raises:
            KafkaError: the broker does not answer.
        """
        return await read_on(self._kafka, starts, hand)

    async def close(self) -> None:
        """Give up what was not committed. Never raises: a fenced writer has nothing to give up."""
        writer, self._producer = self._producer, None
        if writer is None:
            return
        pending, self._pending = self._pending, []
        asyncio.gather(*pending, return_exceptions=True)  # their failures are of no interest now
        try:
            async with asyncio.timeout(ABORT_SECONDS_MAX):
                await writer.abort_transaction()
        except (KafkaError, TimeoutError, AssertionError):
            pass  # aiokafka asserts that a fenced producer does not abort
        finally:
            await writer.stop()
            _hear_out(writer)

    async def _sent(self, future: asyncio.Future[object]) -> None:
        self._pending.append(future)
        if len(self._pending) >= PENDING_SENDS_MAX:
            await self._settle()

    async def _settle(self) -> None:
        pending, self._pending = self._pending, []
        await asyncio.gather(*pending)

    def _writer(self) -> AIOKafkaProducer:
        if self._producer is None:
            raise RuntimeError("the state log is closed")
        return self._producer

    async def _read(self, kafka: Kafka) -> dict[str, bytes]:
        """The latest value of every key of the partition."""
        place = TopicPartition(topic_name(self._kafka, self._topic), self._partition)
        states: dict[str, bytes | None] = {}
        async for records in read_whole(kafka, place):
            for record in records:
                states[record.key.decode()] = record.value
        return {key: value for key, value in states.items() if value is not None}

    async def _next_offsets(self, kafka: Kafka, reads: Collection[TopicPartition]) -> Offsets:
        """Where the group goes on; from 0 if the log ends before that, since it was begun anew."""
        if not reads:
            return {}
        async with AIOKafkaConsumer(
            **client_settings(kafka), group_id=self._group, enable_auto_commit=False
        ) as consumer:
            ends = await consumer.end_offsets(list(reads))
            offsets = {place: await consumer.committed(place) or 0 for place in reads}
        return {place: at if at <= ends[place] else 0 for place, at in offsets.items()}
