"""What others have written by now can be asked for, and whether that is everything."""

import asyncio
import time

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient

from pipeline.config import Kafka
from pipeline.workers.connection import client_settings, producer_settings, topic_name
from pipeline.workers.producing import EventLog
from pipeline.workers.role import Record
from pipeline.workers.unread import read_on
from schemas.topics import KEYS, VERDICTS, Topic

pytestmark = pytest.mark.kafka


class Reader:
    """Keeps what it is handed."""

    def __init__(self, kafka: Kafka) -> None:
        self._kafka = kafka
        self.heard: list[bytes] = []

    async def read(self, *topics: Topic, offset: int = 0) -> bool:
        places = {TopicPartition(topic_name(self._kafka, topic), 0): offset for topic in topics}
        self.heard.clear()
        return await read_on(self._kafka, places, self._hand)

    async def _hand(self, place: TopicPartition, record: Record) -> None:
        del place
        self.heard.append(record.value)


async def write(topics: Kafka, topic: Topic, *values: bytes) -> None:
    async with EventLog(topics) as log:
        for value in values:
            await log.send(topic, "key", value)


async def test_everything_up_to_now_is_handed_over(topics: Kafka) -> None:
    reader = Reader(topics)
    assert await reader.read(VERDICTS, KEYS)
    assert reader.heard == []
    await write(topics, VERDICTS, b"1", b"2", b"3")
    await write(topics, KEYS, b"4")
    assert await reader.read(VERDICTS, KEYS)
    assert sorted(reader.heard) == [b"1", b"2", b"3", b"4"]
    assert await reader.read(VERDICTS, offset=2)
    assert reader.heard == [b"3"]


async def test_an_open_transaction_is_not_waited_for_and_hides_what_is_behind_it(
    topics: Kafka,
) -> None:
    reader, name = Reader(topics), topic_name(topics, VERDICTS)
    async with AIOKafkaProducer(**producer_settings(topics), transactional_id="tool") as tool:
        async with tool.transaction():
            await tool.send_and_wait(name, b"committed")
        assert await reader.read(VERDICTS)
        assert reader.heard == [b"committed"]
        await tool.begin_transaction()
        await tool.send_and_wait(name, b"given up")
        await write(topics, VERDICTS, b"behind it")
        began = time.monotonic()
        assert not await reader.read(VERDICTS)
        assert time.monotonic() < began + 10
        assert reader.heard == [b"committed"]
        ending = asyncio.create_task(_abort_soon(tool))
        assert await reader.read(VERDICTS), "who ends at once is waited for"
        assert reader.heard == [b"committed", b"behind it"]
        await ending


async def _abort_soon(tool: AIOKafkaProducer) -> None:
    await asyncio.sleep(0.3)
    await tool.abort_transaction()


async def test_what_the_log_has_deleted_is_passed_over(topics: Kafka) -> None:
    await write(topics, VERDICTS, b"1", b"2", b"3")
    admin = KafkaAdminClient(**client_settings(topics))
    place = TopicPartition(topic_name(topics, VERDICTS), 0)
    await asyncio.to_thread(admin.delete_records, {place: 2})
    admin.close()
    reader = Reader(topics)
    assert await reader.read(VERDICTS)
    assert reader.heard == [b"3"]
