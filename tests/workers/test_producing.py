"""The log takes what is packed, and single records."""

import asyncio

import msgspec
import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import MessageSizeTooLargeError

from detectors.calibration import SHIPPED
from pipeline.config import Kafka
from pipeline.workers import producing
from pipeline.workers.connection import client_settings, topic_name
from pipeline.workers.producing import EventLog
from pipeline.workers.role import to_message
from schemas.partition import partition_of
from schemas.topics import (
    CONTENT_TYPE_HEADER,
    KEYS,
    MESSAGE_BYTES_MAX,
    NDJSON,
    USAGE_EVENTS,
)
from tests.support.events import rules
from tests.support.kafka_log import read


@pytest.mark.kafka
async def test_the_log_takes_packed_and_single_records(topics: Kafka) -> None:
    large = b"x" * MESSAGE_BYTES_MAX
    async with EventLog(topics) as log:
        await log.send_packed([("a", b"1"), ("b", b"2"), ("a", b"3"), ("large", large)])
        await log.send(USAGE_EVENTS, "a", b"4", {"leakline-record": "key"})
        await log.send(KEYS, "a", b"5")
    messages = [to_message(USAGE_EVENTS.name, each) for each in await read(topics, USAGE_EVENTS)]
    packed = [each for each in messages if each.headers.get(CONTENT_TYPE_HEADER) == NDJSON]
    lines = {line: each.partition for each in packed for line in each.value.split(b"\n")}
    home = {key: partition_of(key, topics.partitions) for key in ("a", "b", "large")}
    assert lines == {b"1": home["a"], b"2": home["b"], b"3": home["a"], large: home["large"]}
    (single,) = [each for each in messages if each not in packed]
    assert (single.partition, single.key, single.record) == (home["a"], b"a", "key")
    assert single.appended_at > 1.7e9
    assert [each.value for each in await read(topics, KEYS)] == [b"5"]


@pytest.mark.kafka
async def test_a_calibration_reaches_every_partition_and_is_heard_there(topics: Kafka) -> None:
    calibration = msgspec.structs.replace(SHIPPED, version="2", page_nats=9.0)
    async with EventLog(topics) as log:
        assert await log.send_to_all(calibration) == topics.partitions
    messages = [to_message(USAGE_EVENTS.name, each) for each in await read(topics, USAGE_EVENTS)]
    assert sorted(each.partition for each in messages) == list(range(topics.partitions))
    for message in messages:
        assert rules().acceptor.accept(message).controls == [calibration]


async def set_room(kafka: Kafka, bytes_max: int) -> None:
    """How large a batch may be that the topic of events takes."""
    name, wanted = topic_name(kafka, USAGE_EVENTS), {"max.message.bytes": str(bytes_max)}
    admin = AIOKafkaAdminClient(**client_settings(kafka))
    await admin.start()
    try:
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, configs=wanted)])
    finally:
        await admin.close()


@pytest.mark.kafka
async def test_what_the_broker_refused_once_keeps_nothing_out(topics: Kafka) -> None:
    await set_room(topics, 100_000)
    async with EventLog(topics) as log:
        await log.send(USAGE_EVENTS, "a", b"9")
        with pytest.raises(MessageSizeTooLargeError):
            await log.send_packed([("a", b"x" * 200_000)])
        await asyncio.gather(*(log.send_packed([("a", b"%d" % n)]) for n in range(9)))
    assert {each.value for each in await read(topics, USAGE_EVENTS)} == {
        b"%d" % n for n in range(10)
    }


async def test_nothing_is_sent_outside_of_the_context() -> None:
    with pytest.raises(RuntimeError):
        await EventLog(Kafka()).send_packed([])


class Silent:
    """A producer whose broker is gone, with something still unsent."""

    def __init__(self, **_: object) -> None:
        """Whatever the settings."""

    async def start(self) -> None:
        """It was there then."""

    async def stop(self) -> None:
        await asyncio.sleep(3600)


async def test_a_broker_that_is_gone_keeps_nobody_from_ending(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(producing, "AIOKafkaProducer", Silent)
    monkeypatch.setattr(producing, "STOP_SECONDS_MAX", 0.01)
    async with asyncio.timeout(60), EventLog(Kafka()):
        pass
