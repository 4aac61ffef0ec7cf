"""What others have written to partitions by now, read past the consumer group.

Records reach a role when its consumer gets round to them: one topic before another, and none while
the role is busy. Who must not act before it has heard everything asks for the rest here.
"""

import time
from collections.abc import Awaitable, Callable, Mapping

from aiokafka import AIOKafkaConsumer, TopicPartition

from pipeline.config import Kafka
from pipeline.workers.connection import READER_WAIT_MS, answering, reader_settings
from pipeline.workers.role import Record

SETTLE_SECONDS_MAX = 1.0
"""How long to wait for an open transaction; most are over at once, that of a dead writer is not."""

Hand = Callable[[TopicPartition, Record], Awaitable[None]]


async def read_on(kafka: Kafka, starts: Mapping[TopicPartition, int], hand: Hand) -> bool:
    """Hand over what partitions hold from these offsets on.

    Returns:
        Whether that is everything: not while a transaction on one of them is open.

    Raises:
        KafkaError: the broker does not answer.
    """
    async with AIOKafkaConsumer(**reader_settings(await answering(kafka))) as consumer:
        consumer.assign(list(starts))
        for place, offset in starts.items():
            consumer.seek(place, offset)
        moved_at, before = time.monotonic(), await _positions(consumer, starts)
        while not _at_the_end(consumer, before):
            found = await consumer.getmany(timeout_ms=READER_WAIT_MS)
            for place, records in found.items():
                for record in records:
                    await hand(place, record)
            now = await _positions(consumer, starts)
            if now != before:
                moved_at, before = time.monotonic(), now
            elif time.monotonic() > moved_at + SETTLE_SECONDS_MAX:
                return False
        return True


async def _positions(
    consumer: AIOKafkaConsumer, places: Mapping[TopicPartition, int]
) -> dict[TopicPartition, int]:
    return {place: await consumer.position(place) for place in places}


def _at_the_end(consumer: AIOKafkaConsumer, positions: Mapping[TopicPartition, int]) -> bool:
    """Whether nothing is behind the positions: a partition's end comes with its first fetch."""
    ends = {place: consumer.highwater(place) for place in positions}
    return all(end is not None and positions[place] >= end for place, end in ends.items())
