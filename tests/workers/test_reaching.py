"""Of several brokers those count that answer; the others hold nobody up."""

import pytest
from aiokafka import TopicPartition

from pipeline.config import Config, Kafka
from pipeline.serve import server
from pipeline.workers.connection import answering, reach, topic_name
from pipeline.workers.local_kafka import free_ports
from pipeline.workers.producing import EventLog
from pipeline.workers.state_log import StateLog
from pipeline.workers.topics_admin import check_topics
from schemas.topics import CLICKS, NOTIFY_STATE
from tests.support.kafka_log import read
from tests.support.silent import silent_brokers

HOURS = 10_000.0
SILENT = 9
"""A client begins with any of its brokers, and waits 40 seconds for one that is silent."""


def among(silent: list[str], kafka: Kafka) -> Kafka:
    return kafka.model_copy(update={"brokers": ", ".join([*silent, kafka.brokers])})


@pytest.mark.kafka
async def test_the_first_that_answers_is_named(topics: Kafka) -> None:
    with silent_brokers(SILENT) as silent:
        (closed,) = free_ports(1)
        found = await reach(among([*silent, f"127.0.0.1:{closed}"], topics), HOURS)
    assert found == topics


@pytest.mark.kafka
async def test_clients_do_not_wait_for_the_silent(topics: Kafka) -> None:
    async def commit(_: object) -> None:
        raise AssertionError("a transaction commits the offsets")

    place = TopicPartition(topic_name(topics, CLICKS), 0)
    with silent_brokers(SILENT) as silent:
        kafka = among(silent, topics)
        async with EventLog(kafka) as log:
            await log.send(CLICKS, "inc-1", b"a click")
        state = StateLog(kafka, "notify", NOTIFY_STATE, 0)
        assert (await state.open(place)).states == {}
        await state.close()
    assert len(await read(topics, CLICKS)) == 1


@pytest.mark.kafka
def test_topics_are_checked_past_the_silent(topics: Kafka) -> None:
    with silent_brokers(SILENT) as silent:
        check_topics(Config(kafka=among(silent, topics)))


async def test_nobody_answers() -> None:
    with silent_brokers(2) as silent:
        kafka = Kafka(brokers=",".join(silent))
        with pytest.raises(TimeoutError):
            await reach(kafka, 0.05)


async def test_who_says_no_is_heard_before_who_says_nothing() -> None:
    (closed,) = free_ports(1)
    with silent_brokers(1) as silent:
        kafka = Kafka(brokers=f"{silent[0]},127.0.0.1:{closed}")
        with pytest.raises(OSError, match=str(closed)):
            await reach(kafka, 0.2)


async def test_a_client_says_itself_that_nobody_answers() -> None:
    ports = free_ports(2)
    kafka = Kafka(brokers=",".join(f"127.0.0.1:{port}" for port in ports))
    assert await answering(kafka) == kafka


async def test_who_asks_whether_the_server_is_ready_waits_a_second(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[float] = []

    async def look(kafka: Kafka, seconds_max: float) -> Kafka:
        asked.append(seconds_max)
        raise TimeoutError(kafka.brokers)

    monkeypatch.setattr(server, "reach", look)
    assert not await server._answers(Config())
    assert asked == [1.0]
