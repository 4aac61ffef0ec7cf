"""Topics at the broker: created by `leakline init`, checked before the workers start."""

import asyncio
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

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
from pipeline.workers.rights import missing_groups, missing_rights, topics_of
from pipeline.workers.topic_settings import (
    Found,
    lax_settings,
    read_settings,
    wanted_settings,
    wrong_settings,
)
from schemas.topics import TOPICS, Topic

CONNECT_MS_MAX = 5_000
REQUEST_MS_MAX = 15_000
Described = Mapping[str, Mapping[str, Any]]
"""By topic, what the broker says of it."""


class BrokerError(Exception):
    """The broker, or what stands on it, cannot be used. The text is for people."""


def create_topics(config: Config) -> list[str]:
    """Create the topics that are missing, and name them.

    Raises:
        BrokerError: there is no broker, or a topic exists that cannot be used as it is.
    """
    kafka = config.kafka
    with _admin(kafka) as admin:
        existing = _described(admin)
        _check(admin, kafka, TOPICS, existing)
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


def check_topics(config: Config, roles: Collection[str] | None = None) -> list[str]:
    """Make sure that the topics are there as configured.

    Args:
        config: where the broker is.
        roles: whose topics and groups are looked at, and whether they may use them; None: all
            topics, whoever may use them.

    Returns:
        What works, but keeps less or longer than it should, one a line.

    Raises:
        BrokerError: naming every topic that cannot be used as it is.
    """
    kafka = config.kafka
    topics = TOPICS if roles is None else topics_of(roles)
    with _admin(kafka) as admin:
        existing = _described(admin)
        names = [topic_name(kafka, topic) for topic in topics]
        missing = [name for name in names if name not in existing]
        if missing:
            raise BrokerError(
                "missing topics (run `leakline init`), or topics that this user may not describe:"
                f" {', '.join(missing)}"
            )
        found = _check(admin, kafka, topics, existing)
        if roles is not None:
            _check_rights(admin, kafka, roles, existing)
    return lax_settings(kafka, topics, found)


def members_of(kafka: Kafka, role: str) -> int:
    """How many workers of a role there are.

    Raises:
        BrokerError: the broker does not say.
    """
    with _admin(kafka) as admin:
        name = group_name(kafka, role)
        group = admin.describe_groups([name])[name]
    error = group["error"] or ""
    if error and "GroupIdNotFound" not in error:  # nobody ever joined it
        raise BrokerError(f"kafka: the group {name}: {error}")
    return len(group["members"])


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


def _described(admin: KafkaAdminClient) -> Described:
    return {found["name"]: found for found in admin.describe_topics()}


def _check(
    admin: KafkaAdminClient, kafka: Kafka, topics: Sequence[Topic], existing: Described
) -> Found:
    """Refuse topics that exist and cannot be used; what they are set to otherwise."""
    there = [topic for topic in topics if topic_name(kafka, topic) in existing]
    partitions = [
        f"{name} has {has} partitions, not {wanted}"
        for topic in there
        if (has := len(existing[name := topic_name(kafka, topic)]["partitions"]))
        != (wanted := topic.partitions or kafka.partitions)
    ]
    if partitions:
        raise BrokerError(f"kafka.partitions: {'; '.join(partitions)}")
    found = read_settings(admin, [topic_name(kafka, topic) for topic in there])
    wrong = wrong_settings(kafka, there, found)
    if wrong:
        raise BrokerError(f"settings of topics: {'; '.join(wrong)} (kafka-configs.sh changes them)")
    return found


def _check_rights(
    admin: KafkaAdminClient, kafka: Kafka, roles: Collection[str], existing: Described
) -> None:
    missing = [*missing_rights(kafka, roles, existing), *missing_groups(admin, kafka, roles)]
    if missing:
        raise BrokerError(f"kafka: {'; '.join(missing)} (docs/security.md)")


def _create(admin: KafkaAdminClient, kafka: Kafka, topic: Topic) -> None:
    wanted = {
        "num_partitions": topic.partitions or kafka.partitions,
        "replication_factor": kafka.replication,
        "configs": wanted_settings(kafka, topic),
    }
    try:
        admin.create_topics({topic_name(kafka, topic): wanted}, timeout_ms=REQUEST_MS_MAX)
    except TopicAlreadyExistsError:
        return  # somebody else ran `init` at the same time
