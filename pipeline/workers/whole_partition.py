"""A partition read from its beginning to where it ends now, as far as it was committed."""

from collections.abc import AsyncIterator
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition

from pipeline.workers.role import Records

FETCH_BYTES_MAX: Final = 8 * 1024 * 1024
WAIT_MS: Final = 20
"""A fetch at the very end waits for records that will not come, only to pass a commit marker."""


async def read_whole(clients: dict[str, Any], place: TopicPartition) -> AsyncIterator[Records]:
    """Its records, as many at a time as a fetch brings.

    Args:
        clients: the settings of a Kafka client.
        place: the partition, at the broker's topic name.
    """
    async with AIOKafkaConsumer(
        **clients,
        enable_auto_commit=False,
        isolation_level="read_committed",
        max_partition_fetch_bytes=FETCH_BYTES_MAX,
        fetch_max_wait_ms=WAIT_MS,
    ) as consumer:
        consumer.assign([place])
        start = (await consumer.beginning_offsets([place]))[place]
        end = (await consumer.end_offsets([place]))[place]
        consumer.seek(place, start)
        while await consumer.position(place) < end:
            yield (await consumer.getmany(place, timeout_ms=WAIT_MS)).get(place, ())
