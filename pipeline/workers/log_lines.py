"""Reading single lines of the log again, from where a dead letter says that they stood."""

import asyncio
from collections.abc import Iterable
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition

from pipeline.accept import raw_line
from pipeline.config import Kafka
from pipeline.dead_letters import Place
from pipeline.workers.connection import answering, client_settings
from pipeline.workers.role import to_message

FETCH_SECONDS_MAX: Final = 10.0


async def lines_at(kafka: Kafka, places: Iterable[Place]) -> dict[Place, bytes]:
    """The lines that are still in the log; the others are left out.

    Raises:
        KafkaError: the broker does not answer.
    """
    found: dict[Place, bytes] = {}
    settings = client_settings(await answering(kafka))
    async with AIOKafkaConsumer(**settings, enable_auto_commit=False) as consumer:
        for place in places:
            line = await _line_at(consumer, kafka, place)
            if line is not None:
                found[place] = line
    return found


async def _line_at(consumer: AIOKafkaConsumer, kafka: Kafka, place: Place) -> bytes | None:
    where = TopicPartition(kafka.topic_prefix + place.topic, place.partition)
    consumer.assign([where])
    first = (await consumer.beginning_offsets([where]))[where]
    end = (await consumer.end_offsets([where]))[where]
    if not first <= place.offset < end:
        return None
    consumer.seek(where, place.offset)
    async with asyncio.timeout(FETCH_SECONDS_MAX):
        record = await consumer.getone(where)
    if record.offset != place.offset:
        return None
    message = to_message(place.topic, record)
    return raw_line(message, place.index) if _has_line(message.value, place.index) else None


def _has_line(value: bytes, index: int) -> bool:
    return index <= value.count(b"\n")
