"""The writer of a state partition: one at a time, all or nothing."""

import asyncio
import gc

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError
from pydantic import ValidationError

from pipeline.config import Kafka
from pipeline.workers.producing import EventLog
from pipeline.workers.state_log import TRANSACTION_SECONDS_MAX, Offsets, StateLog
from schemas.topics import DETECT_STATE, INCIDENTS, SPEND_WINDOWS, USAGE_EVENTS
from tests.support.kafka_log import bodies, read

pytestmark = pytest.mark.kafka

PLACE = 1


def new_log(topics: Kafka) -> StateLog:
    return StateLog(topics, "detect", DETECT_STATE, PLACE)


def offset(topics: Kafka, number: int) -> Offsets:
    return {TopicPartition(topics.topic_prefix + USAGE_EVENTS.name, PLACE): number}


async def test_the_latest_committed_states_come_back(topics: Kafka) -> None:
    log = new_log(topics)
    assert (await log.open()).states == {}
    many = [(f"key-{number}", b"x" * 5000) for number in range(300)]  # more than one batch
    await log.commit([("gone", b"1"), ("kept", b"1"), *many], offset(topics, 1))
    await log.commit([("gone", None), ("kept", b"2")], offset(topics, 2))
    await log.send(INCIDENTS, b'{"committed": false}')
    await log.send_many(DETECT_STATE, [("kept", b"3")])
    await log.close()
    again = new_log(topics)
    assert (await again.open()).states == dict(many) | {"kept": b"2"}
    await again.close()
    assert await bodies(topics, INCIDENTS, committed=True) == []


async def send_on(log: StateLog) -> None:
    """Make the producer ask the broker, and give it time to hear the answer."""
    for _ in range(200):
        await log.send(SPEND_WINDOWS, b"{}")
        await asyncio.sleep(0.05)


@pytest.mark.parametrize("heard", [False, True])
async def test_a_writer_is_fenced_by_the_next(topics: Kafka, *, heard: bool) -> None:
    """Whether it learns that as it commits, or its producer heard it before."""
    unheard: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, told: unheard.append(told))
    zombie = new_log(topics)
    await zombie.open()
    await zombie.commit([("key", b"1")], offset(topics, 1))
    await zombie.send(INCIDENTS, b"{}")
    heir = new_log(topics)
    assert (await heir.open()).states == {"key": b"1"}
    await heir.commit([("key", b"2")], offset(topics, 2))
    if heard:
        with pytest.raises(KafkaError):
            await send_on(zombie)
    with pytest.raises(KafkaError):
        async with asyncio.timeout(10):
            await zombie.commit([("key", b"1 again")], offset(topics, 1))
    await zombie.close()
    await heir.close()
    last = new_log(topics)
    assert (await last.open()).states == {"key": b"2"}
    await last.close()
    del zombie
    gc.collect()
    assert unheard == []


async def test_who_opens_learns_where_the_writer_before_stopped(topics: Kafka) -> None:
    name = topics.topic_prefix + USAGE_EVENTS.name
    async with EventLog(topics) as events:
        await events.send(USAGE_EVENTS, "key", b"{}")
    (record,) = await read(topics, USAGE_EVENTS)
    end = record.offset + 1
    place = TopicPartition(name, record.partition)
    empty = TopicPartition(name, (record.partition + 1) % topics.partitions)
    log = new_log(topics)
    assert (await log.open(place, empty)).next_offsets == {place: 0, empty: 0}
    await log.commit([("key", b"1")], {place: end})
    heir = new_log(topics)
    assert (await heir.open(place, empty)).next_offsets == {place: end, empty: 0}
    await heir.commit([("key", b"2")], {place: end + 1})  # as if the topic was made anew since
    await log.close()
    await heir.close()
    last = new_log(topics)
    assert (await last.open(place)).next_offsets == {place: 0}
    await last.close()


async def test_a_closed_log_takes_nothing(topics: Kafka) -> None:
    with pytest.raises(RuntimeError):
        await new_log(topics).send(INCIDENTS, b"{}")


def test_checkpoints_as_far_apart_as_may_be_fit_into_a_transaction() -> None:
    """Half of it is left for what a checkpoint waits for: folding, and a slow broker."""
    Kafka(checkpoint_seconds=TRANSACTION_SECONDS_MAX / 2)
    with pytest.raises(ValidationError, match="checkpoint_seconds"):
        Kafka(checkpoint_seconds=TRANSACTION_SECONDS_MAX / 2 + 1)
