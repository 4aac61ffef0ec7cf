"""Topics are created once, and checked; a broker that is not there is one line."""

import re

import pytest
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient

from pipeline.config import Config, Kafka
from pipeline.workers.connection import topic_name
from pipeline.workers.rights import SERVER
from pipeline.workers.topic_settings import read_settings
from pipeline.workers.topics_admin import (
    BrokerError,
    check_topics,
    create_topics,
)
from schemas.topics import (
    ACTIONS,
    CLICKS,
    DAY_MS,
    DEAD_LETTERS,
    DETECT_STATE,
    INCIDENTS,
    KEYS,
    TOPICS,
    USAGE_EVENTS,
    Topic,
)
from tests.support.kafka import Broker


def with_kafka(topics: Kafka, **changes: object) -> Config:
    return Config(kafka=topics.model_copy(update=changes))


@pytest.mark.kafka
def test_created_once(topics: Kafka) -> None:
    config = with_kafka(topics, topic_prefix=topics.topic_prefix + "again.")
    with pytest.raises(BrokerError, match="leakline init"):
        check_topics(config)
    names = create_topics(config)
    assert names == [config.kafka.topic_prefix + topic.name for topic in TOPICS]
    assert create_topics(config) == []
    check_topics(config)


@pytest.mark.kafka
def test_other_partitions_are_refused(topics: Kafka) -> None:
    config = with_kafka(topics, partitions=topics.partitions + 1)
    with pytest.raises(BrokerError, match=r"usage-events has 4 partitions, not 5"):
        create_topics(config)
    with pytest.raises(BrokerError, match=r"detect-state has 4 partitions"):
        check_topics(config)


@pytest.mark.kafka
def test_settings_arrive(kafka: Broker, topics: Kafka) -> None:
    admin = KafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    names = [topics.topic_prefix + topic.name for topic in (USAGE_EVENTS, DETECT_STATE, INCIDENTS)]
    found = admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, n) for n in names])
    admin.close()
    text = str(found)
    assert "LogAppendTime" in text
    assert "compact" in text
    assert str(INCIDENTS.retention_ms) in text


@pytest.mark.kafka
def test_every_topic_ends_its_segments_within_a_day(topics: Kafka) -> None:
    """A broker deletes and compacts whole ones, and its own default is a week."""
    config = with_kafka(topics, topic_prefix=topics.topic_prefix + "own.")
    create_topics(config)
    assert check_topics(config) == []
    admin = KafkaAdminClient(bootstrap_servers=topics.brokers)
    found = read_settings(admin, [topic_name(config.kafka, topic) for topic in TOPICS])
    admin.close()
    for topic in TOPICS:
        has = found[topic_name(config.kafka, topic)]
        assert int(has["segment.ms"]) <= DAY_MS
        if topic.compacted:
            assert int(has["max.compaction.lag.ms"]) <= DAY_MS
        else:
            assert int(has["retention.ms"]) == topic.retention_ms
    # A role that was away for as long as the log of events waits hears of a withdrawn entry.
    kept = int(found[topic_name(config.kafka, KEYS)]["delete.retention.ms"])
    assert kept >= USAGE_EVENTS.retention_ms


@pytest.mark.kafka
def test_topics_that_keep_for_too_long_are_named(topics: Kafka) -> None:
    config = with_kafka(topics, topic_prefix=topics.topic_prefix + "other.")
    make(config.kafka, KEYS, cleanup_policy="compact", segment_ms="1000")
    make(config.kafka, INCIDENTS, retention_ms=str(INCIDENTS.retention_ms))
    create_topics(config)
    said = [line.removeprefix(config.kafka.topic_prefix) for line in check_topics(config)]
    assert said == [
        f"keys has delete.retention.ms={DAY_MS}, below {7 * DAY_MS}",
        f"keys has max.compaction.lag.ms={2**63 - 1}, above {DAY_MS}",
        f"incidents has segment.ms={7 * DAY_MS}, above {DAY_MS}",
    ]


def make(kafka: Kafka, topic: Topic, **configs: str) -> None:
    """Create a topic as somebody else did."""
    settings = {name.replace("_", "."): value for name, value in configs.items()}
    wanted = {
        "num_partitions": topic.partitions or kafka.partitions,
        "replication_factor": 1,
        "configs": settings,
    }
    admin = KafkaAdminClient(bootstrap_servers=kafka.brokers)
    admin.create_topics({topic_name(kafka, topic): wanted})
    admin.close()


@pytest.mark.kafka
@pytest.mark.parametrize(
    ("topic", "has", "said"),
    [
        (DETECT_STATE, {"cleanup_policy": "delete"}, "cleanup.policy=delete, not compact"),
        (DETECT_STATE, {"cleanup_policy": "compact,delete"}, "cleanup.policy=compact,delete"),
        (INCIDENTS, {"cleanup_policy": "compact"}, "cleanup.policy=compact, not delete"),
        (USAGE_EVENTS, {}, "message.timestamp.type=CreateTime, not LogAppendTime"),
        (INCIDENTS, {"max_message_bytes": "200000"}, "max.message.bytes=200000, below 1000000"),
    ],
)
def test_topics_that_lose_or_refuse_what_is_needed_are_refused(
    topics: Kafka, topic: Topic, has: dict[str, str], said: str
) -> None:
    config = with_kafka(topics, topic_prefix=topics.topic_prefix + "other.")
    make(config.kafka, topic, **has)
    with pytest.raises(BrokerError, match=re.escape(f"{topic.name} has {said}")):
        create_topics(config)


@pytest.mark.kafka
def test_topics_that_keep_too_little_are_named(topics: Kafka) -> None:
    config = with_kafka(topics, topic_prefix=topics.topic_prefix + "other.")
    make(config.kafka, INCIDENTS, retention_ms="1000")
    make(config.kafka, ACTIONS, retention_ms="-1")
    create_topics(config)
    (low,) = [line for line in check_topics(config) if "retention" in line]
    assert low.endswith(f"incidents has retention.ms=1000, below {INCIDENTS.retention_ms}")
    replicated = with_kafka(config.kafka, replication=3)
    assert any("min.insync.replicas=1, below 2" in line for line in check_topics(replicated))


@pytest.mark.kafka
def test_a_role_needs_its_own_topics_alone(topics: Kafka) -> None:
    config = with_kafka(topics, topic_prefix=topics.topic_prefix + "own.")
    for topic in (DEAD_LETTERS, CLICKS):
        make(config.kafka, topic)
    make(config.kafka, USAGE_EVENTS, message_timestamp_type="LogAppendTime")
    check_topics(config, SERVER)
    with pytest.raises(BrokerError, match="incidents"):
        check_topics(config, ["notify"])


@pytest.mark.parametrize("address", ["127.0.0.1:1", "nowhere.invalid:9092"])
def test_an_unreachable_broker_is_one_line(address: str) -> None:
    with pytest.raises(BrokerError) as caught:
        check_topics(Config(kafka=Kafka(brokers=address)))
    assert address in str(caught.value)
    assert "\n" not in str(caught.value)
