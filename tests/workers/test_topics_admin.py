"""Topics are created once, and checked; a broker that is not there is one line."""

import pytest
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient

from pipeline.config import Config, Kafka
from pipeline.workers.topics_admin import (
    BrokerError,
    check_topics,
    create_topics,
)
from schemas.topics import DETECT_STATE, INCIDENTS, TOPICS, USAGE_EVENTS
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
    kafka.require_transactions()  # brokers without them keep no settings either
    admin = KafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    names = [topics.topic_prefix + topic.name for topic in (USAGE_EVENTS, DETECT_STATE, INCIDENTS)]
    found = admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, n) for n in names])
    admin.close()
    text = str(found)
    assert "LogAppendTime" in text
    assert "compact" in text
    assert str(INCIDENTS.retention_ms) in text


@pytest.mark.parametrize("address", ["127.0.0.1:1", "nowhere.invalid:9092"])
def test_an_unreachable_broker_is_one_line(address: str) -> None:
    with pytest.raises(BrokerError) as caught:
        check_topics(Config(kafka=Kafka(brokers=address)))
    assert address in str(caught.value)
    assert "\n" not in str(caught.value)
