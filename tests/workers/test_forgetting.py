"""A key is forgotten by an empty message on `detect-state`, as docs/operations.md says."""

import time

import pytest
from aiokafka import AIOKafkaProducer

from pipeline.config import Kafka
from pipeline.workers.connection import producer_settings, topic_name
from pipeline.workers.producing import EventLog
from pipeline.workers.state_log import StateLog
from schemas.codec import encode
from schemas.partition import partition_of
from schemas.topics import DETECT_STATE
from tests.support.events import CLOUD, HOME, KEY, event
from tests.support.kafka_log import WorkerProcess, eventually, read

pytestmark = pytest.mark.kafka


async def folded(topics: Kafka, addresses: tuple[str, ...]) -> bytes:
    """A worker takes an event from each address, and ends; the key's state then."""
    before = len(await read(topics, DETECT_STATE, committed=True))
    now = time.time()
    events = [event(now - 10 - n, client_ip=each) for n, each in enumerate(addresses)]
    async with EventLog(topics) as log:
        await log.send_packed([(each.key_id, encode(each)) for each in events])
    with WorkerProcess("tests.support.engine_worker", topics.model_dump_json()) as worker:

        async def saved() -> bool:
            written = (await read(topics, DETECT_STATE, committed=True))[before:]
            return any(each.key == KEY.encode() for each in written)

        await eventually(saved, worker)
        assert worker.stop() == 0
    return (await states(topics))[KEY]


async def states(topics: Kafka) -> dict[str, bytes]:
    """What is stored in the key's partition."""
    log = StateLog(topics, "detect", DETECT_STATE, partition_of(KEY, topics.partitions))
    found = await log.open()
    await log.close()
    return dict(found.states)


async def test_a_key_is_forgotten_and_its_log_is_not_folded_again(topics: Kafka) -> None:
    assert HOME[0].encode() in await folded(topics, (HOME[0], HOME[1]))
    async with AIOKafkaProducer(**producer_settings(topics)) as producer:  # as the console's does
        await producer.send_and_wait(topic_name(topics, DETECT_STATE), None, key=KEY.encode())
    assert KEY not in await states(topics)
    again = await folded(topics, (CLOUD,))
    assert CLOUD.encode() in again
    assert HOME[0].encode() not in again
