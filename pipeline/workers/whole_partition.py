"""A partition read from its beginning to where it ends now, as far as it was committed."""

from collections.abc import AsyncIterator

from aiokafka import AIOKafkaConsumer, TopicPartition

from pipeline.config import Kafka
from pipeline.workers.connection import READER_WAIT_MS, reader_settings
from pipeline.workers.role import Records


async def read_whole(kafka: Kafka, place: TopicPartition) -> AsyncIterator[Records]:
    """Its records, as many at a time as a fetch brings.

    Args:
        kafka: where the broker is.
        place: the partition, at the broker's topic name.
    """
    async with AIOKafkaConsumer(**reader_settings(kafka)) as consumer:
        consumer.assign([place])
        start = (await consumer.beginning_offsets([place]))[place]
        end = (await consumer.end_offsets([place]))[place]
        consumer.seek(place, start)
        while await consumer.position(place) < end:
            yield (await consumer.getmany(place, timeout_ms=READER_WAIT_MS)).get(place, ())
