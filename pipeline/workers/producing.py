"""Events into the log: packed by partition, acknowledged by all replicas, in order, once.

A producer numbers what it sends, and counts on when something was given up: from then on the
broker refuses everything that follows in the partition. Such a producer is replaced.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from types import TracebackType
from typing import Self

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from pipeline.config import Kafka
from pipeline.packing import PACKED, pack
from pipeline.workers.connection import answering, producer_settings, topic_name
from schemas.calibration import Calibration
from schemas.codec import encode
from schemas.topics import RECORD_HEADER, USAGE_EVENTS, Topic

Headers = Mapping[str, str]
STOP_SECONDS_MAX = 3.0
"""A broker that does not answer keeps nobody from ending: who was not answered sends again."""


def encode_headers(headers: Headers | None) -> list[tuple[str, bytes]]:
    """Headers as Kafka's clients take them."""
    return [(name, value.encode()) for name, value in headers.items()] if headers else []


class EventLog:
    """The producer of intake and tools. Use as an async context manager."""

    def __init__(self, kafka: Kafka) -> None:
        self._kafka = kafka
        self._producer: AIOKafkaProducer | None = None
        self._failed = False
        """The producer is to be replaced before it is used again."""
        self._replacing = asyncio.Lock()
        self._stopping: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._producer = await self._started()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            self._stop(producer)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_SECONDS_MAX):
                await asyncio.gather(*self._stopping)

    async def send_packed(self, events: list[tuple[str, bytes]]) -> None:
        """Send usage events, (key id, JSON on one line); returns when all are durable.

        Raises:
            EventTooLargeError: an event does not fit into a message; nothing was sent.
            KafkaError: not all became durable; send them again.
        """
        messages = list(pack(events, self._kafka.partitions))
        name, headers = topic_name(self._kafka, USAGE_EVENTS), encode_headers(PACKED)
        async with self._sound() as producer:
            sent = [
                await producer.send(name, value, partition=place, headers=headers)
                for place, value in messages
            ]
            await asyncio.gather(*sent)

    async def send(
        self, topic: Topic, key: str | None, value: bytes, headers: Headers | None = None
    ) -> None:
        """Send one record, to the partition of its key; returns when it is durable.

        Raises:
            KafkaError: it may not have become durable; send it again.
        """
        async with self._sound() as producer:
            await producer.send_and_wait(
                topic_name(self._kafka, topic),
                value,
                key=key.encode() if key is not None else None,
                headers=encode_headers(headers),
            )

    async def send_to_all(self, calibration: Calibration) -> int:
        """Put a calibration into every partition of the events; returns how many there are.

        Raises:
            KafkaError: it may be in some of them; send it again.
        """
        name, value = topic_name(self._kafka, USAGE_EVENTS), encode(calibration)
        headers = encode_headers({RECORD_HEADER: "calibration"})
        places = range(self._kafka.partitions)
        async with self._sound() as producer:
            sent = [
                await producer.send(name, value, partition=place, headers=headers)
                for place in places
            ]
            await asyncio.gather(*sent)
        return len(places)

    @contextlib.asynccontextmanager
    async def _sound(self) -> AsyncIterator[AIOKafkaProducer]:
        """The producer; it is not used again if what it is used for fails."""
        if self._failed:
            await self._replace()
        producer = self._running()
        try:
            yield producer
        except KafkaError:
            self._failed = self._failed or producer is self._producer
            raise

    async def _replace(self) -> None:
        async with self._replacing:
            failed = self._producer
            if self._failed and failed is not None:
                self._producer = await self._started()
                self._failed = False
                self._stop(failed)  # not at once: what it has on its way may still arrive

    async def _started(self) -> AIOKafkaProducer:
        producer = AIOKafkaProducer(**producer_settings(await answering(self._kafka)))
        try:
            await producer.start()
        except BaseException:
            await producer.stop()
            raise
        return producer

    def _stop(self, producer: AIOKafkaProducer) -> None:
        stopping = asyncio.create_task(producer.stop())
        self._stopping.add(stopping)
        stopping.add_done_callback(self._stopping.discard)

    def _running(self) -> AIOKafkaProducer:
        if self._producer is None:
            raise RuntimeError("EventLog is used outside of its context")
        return self._producer
