"""Events into the log: packed by partition, acknowledged by all replicas, in order, once."""

import asyncio
import contextlib
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from aiokafka import AIOKafkaProducer

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

    async def __aenter__(self) -> Self:
        self._producer = AIOKafkaProducer(**producer_settings(await answering(self._kafka)))
        try:
            await self._producer.start()
        except BaseException:
            await self._producer.stop()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._producer is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STOP_SECONDS_MAX):
                    await self._producer.stop()

    async def send_packed(self, events: list[tuple[str, bytes]]) -> None:
        """Send usage events, (key id, JSON on one line); returns when all are durable.

        Raises:
            EventTooLargeError: an event does not fit into a message; nothing was sent.
            KafkaError: not all became durable; send them again.
        """
        messages = list(pack(events, self._kafka.partitions))
        name, headers = topic_name(self._kafka, USAGE_EVENTS), encode_headers(PACKED)
        producer = self._running()
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
        await self._running().send_and_wait(
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
        producer = self._running()
        places = range(self._kafka.partitions)
        sent = [
            await producer.send(name, value, partition=place, headers=headers) for place in places
        ]
        await asyncio.gather(*sent)
        return len(places)

    def _running(self) -> AIOKafkaProducer:
        if self._producer is None:
            raise RuntimeError("EventLog is used outside of its context")
        return self._producer
