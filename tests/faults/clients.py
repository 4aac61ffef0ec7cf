"""Kafka clients that speak to the broker in memory, put in the place of aiokafka's.

A process may die or freeze at every call: before it, or after it was applied.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Self

from aiokafka import TopicPartition

from schemas.partition import partition_of
from tests.faults.broker import SimBroker, SimRecord, Transaction

BATCH_RECORDS_MAX = 40
"""Few, so that a checkpoint has several batches to die between."""


@dataclass(eq=False)
class Process:
    """Whoever calls: the broker that it sees, and what may happen to it at each call."""

    broker: SimBroker
    point: Callable[[str], Awaitable[None]]


PROCESS: ContextVar[Process] = ContextVar("PROCESS")
"""The process in which a task runs."""


class SimBatch:
    """Records that are sent together."""

    def __init__(self) -> None:
        self.records: list[tuple[bytes | None, bytes | None]] = []

    def append(
        self, *, key: bytes | None, value: bytes | None, timestamp: int | None
    ) -> object | None:
        """Add a record; None when the batch is full."""
        del timestamp
        if len(self.records) >= BATCH_RECORDS_MAX:
            return None
        self.records.append((key, value))
        return self

    def record_count(self) -> int:
        return len(self.records)


class SimProducer:
    """As much of `AIOKafkaProducer` as the state log uses."""

    def __init__(self, *, transactional_id: str | None = None, **_: object) -> None:
        self._process = PROCESS.get()
        self._broker = self._process.broker
        self._id = transactional_id
        self._epoch = 0
        self._transaction: Transaction | None = None

    async def start(self) -> None:
        if self._id is not None:
            await self._process.point("init")
            self._epoch = self._broker.take_id(self._id)

    async def stop(self) -> None:
        self._transaction = None

    async def begin_transaction(self) -> None:
        self._transaction = self._broker.begin(self._id or "", self._epoch)

    async def send(
        self,
        topic: str,
        value: bytes | None,
        *,
        key: bytes | None = None,
        headers: Sequence[tuple[str, bytes]] = (),
        partition: int | None = None,
    ) -> asyncio.Future[object]:
        await self._process.point("send")
        self._check()
        if partition is None:
            count = self._broker.partitions[topic]
            partition = partition_of(key.decode(), count) if key is not None and count > 1 else 0
        self._broker.append(
            (topic, partition),
            value,
            key=key,
            headers=tuple(headers),
            transaction=self._transaction,
        )
        await self._process.point("sent")
        return _done()

    def create_batch(self) -> SimBatch:
        return SimBatch()

    async def send_batch(
        self, batch: SimBatch, topic: str, *, partition: int
    ) -> asyncio.Future[object]:
        await self._process.point("send")
        self._check()
        for key, value in batch.records:
            self._broker.append((topic, partition), value, key=key, transaction=self._transaction)
        await self._process.point("sent")
        return _done()

    async def send_offsets_to_transaction(
        self, offsets: Mapping[TopicPartition, int], group: str
    ) -> None:
        self._check()
        if self._transaction is not None:
            for place, offset in offsets.items():
                self._transaction.offsets[group, (place.topic, place.partition)] = offset

    async def commit_transaction(self) -> None:
        await self._process.point("commit")
        self._broker.commit(self._id or "", self._epoch)
        self._transaction = None
        await self._process.point("committed")

    async def abort_transaction(self) -> None:
        # aiokafka asserts here when the producer was fenced
        assert self._transaction is not None
        assert self._transaction.state == "open"
        self._broker.abort(self._id or "", self._epoch)

    def _check(self) -> None:
        if self._id is not None:
            self._broker.check(self._id, self._epoch)


class SimConsumer:
    """As much of `AIOKafkaConsumer` as the state log uses to read what earlier writers left."""

    def __init__(
        self, *, isolation_level: str = "read_uncommitted", group_id: str = "", **_: object
    ) -> None:
        self._broker = PROCESS.get().broker
        self._group = group_id
        self._committed = isolation_level == "read_committed"
        self._positions: dict[TopicPartition, int] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        return

    def assign(self, places: Sequence[TopicPartition]) -> None:
        self._positions = dict.fromkeys(places, 0)

    async def beginning_offsets(
        self, places: Sequence[TopicPartition]
    ) -> dict[TopicPartition, int]:
        return dict.fromkeys(places, 0)

    async def end_offsets(self, places: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        return {each: self._end(each) for each in places}

    async def committed(self, place: TopicPartition) -> int | None:
        return self._broker.offsets.get((self._group, (place.topic, place.partition)))

    def highwater(self, place: TopicPartition) -> int:
        return self._broker.end((place.topic, place.partition), committed=False)

    def seek(self, place: TopicPartition, offset: int) -> None:
        self._positions[place] = offset

    async def position(self, place: TopicPartition) -> int:
        return self._positions[place]

    async def getmany(
        self, *places: TopicPartition, timeout_ms: int
    ) -> dict[TopicPartition, list[SimRecord]]:
        del timeout_ms
        return {
            place: found for place in places or self._positions if (found := self._fetch(place))
        }

    def _fetch(self, place: TopicPartition) -> list[SimRecord]:
        where, start = (place.topic, place.partition), self._positions[place]
        found, self._positions[place] = self._broker.read(
            where, start, 50, committed=self._committed
        )
        return found

    def _end(self, place: TopicPartition) -> int:
        return self._broker.end((place.topic, place.partition), committed=self._committed)


def _done() -> asyncio.Future[Any]:
    future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    future.set_result(None)
    return future
