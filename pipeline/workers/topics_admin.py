"""Topics at the broker: created by `leakline init`, checked before the workers start."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from kafka.admin import KafkaAdminClient
from kafka.errors import KafkaError, TopicAlreadyExistsError

from pipeline.config import Config, Kafka
from pipeline.workers.connection import (
    UNREACHED,
    client_settings,
    group_name,
    reach,
    topic_name,
    unreachable,
)
from schemas.topics import TOPICS, Topic

CONNECT_MS_MAX = 5_000
REQUEST_MS_MAX = 15_000
COMPACTED_SEGMENT_MS = 3_600_000
"""The newest segment is never compacted, so it must not grow for a week."""


class BrokerError(Exception):
    """The broker, or what stands on it, cannot be used. The text is for people."""


def create_topics(config: Config) -> list[str]:
    """Create the topics that are missing, and name them.

    Raises:
        BrokerError: there is no broker, or a topic exists with another number of partitions.
    """
    kafka = config.kafka
    with _admin(kafka) as admin:
        existing = _partitions(admin)
        _check_partitions(kafka, existing)
        missing = [topic for topic in TOPICS if topic_name(kafka, topic) not in existing]
        for topic in missing:
            _create(admin, kafka, topic)
        names = [topic_name(kafka, topic) for topic in missing]
        if names:
            admin.wait_for_topics(names)
        with suppress(KafkaError):
            # a new broker begins to keep groups when it is asked for one; the first worker would
            # be told to come again, and log an error
            admin.describe_groups([group_name(kafka, "detect")])
        return names


def check_topics(config: Config) -> None:
    """Make sure that the topics are there as configured.

    Raises:
        BrokerError: naming every topic that is not.
    """
    with _admin(config.kafka) as admin:
        existing = _partitions(admin)
    names = [topic_name(config.kafka, topic) for topic in TOPICS]
    missing = [name for name in names if name not in existing]
    if missing:
        raise BrokerError(f"missing topics (run `leakline init`): {', '.join(missing)}")
    _check_partitions(config.kafka, existing)


@contextmanager
def _admin(kafka: Kafka) -> Iterator[KafkaAdminClient]:
    try:
        admin = KafkaAdminClient(
            **client_settings(asyncio.run(reach(kafka))),
            bootstrap_timeout_ms=CONNECT_MS_MAX,
            request_timeout_ms=REQUEST_MS_MAX,
        )
    except (*UNREACHED, KafkaError) as error:
        raise BrokerError(unreachable(kafka, error)) from None
    try:
        yield admin
    except KafkaError as error:
        raise BrokerError(unreachable(kafka, error)) from None
    finally:
        admin.close()


def _partitions(admin: KafkaAdminClient) -> dict[str, int]:
    return {found["name"]: len(found["partitions"]) for found in admin.describe_topics()}


def _check_partitions(kafka: Kafka, existing: dict[str, int]) -> None:
    wrong = [
        f"{name} has {existing[name]} partitions, not {wanted}"
        for topic in TOPICS
        if (name := topic_name(kafka, topic)) in existing
        and existing[name] != (wanted := topic.partitions or kafka.partitions)
    ]
    if wrong:
        raise BrokerError(f"kafka.partitions: {'; '.join(wrong)}")


def _create(admin: KafkaAdminClient, kafka: Kafka, topic: Topic) -> None:
    wanted = {
        "num_partitions": topic.partitions or kafka.partitions,
        "replication_factor": kafka.replication,
        "configs": _settings(kafka, topic),
    }
    try:
        admin.create_topics({topic_name(kafka, topic): wanted}, timeout_ms=REQUEST_MS_MAX)
    except TopicAlreadyExistsError:
        return  # somebody else ran `init` at the same time


def _settings(kafka: Kafka, topic: Topic) -> dict[str, str]:
    kept = (
        {"cleanup.policy": "compact", "segment.ms": str(COMPACTED_SEGMENT_MS)}
        if topic.compacted
        else {"cleanup.policy": "delete", "retention.ms": str(topic.retention_ms)}
    )
    in_sync = {"min.insync.replicas": str(max(1, kafka.replication - 1))}
    return kept | in_sync | topic.settings
