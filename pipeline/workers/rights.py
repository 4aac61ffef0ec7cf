"""What each role does with topics and groups, and whether the broker lets it."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

from kafka.admin import KafkaAdminClient
from kafka.errors import GroupAuthorizationFailedError

from pipeline.config import Kafka
from pipeline.roles import ROLES
from pipeline.workers.connection import group_name, topic_name
from schemas.topics import TOPICS, Topic

SERVER: Final = ("intake", "serve")
"""What `leakline serve` is called where topics are described."""


def topics_of(roles: Collection[str]) -> list[Topic]:
    """The topics that roles read or write."""
    return [topic for topic in TOPICS if _operations(topic, roles)]


def missing_rights(
    kafka: Kafka, roles: Collection[str], described: Mapping[str, Mapping[str, Any]]
) -> Iterator[str]:
    """What roles may not do with their topics, one a line.

    Args:
        kafka: how topics are called.
        roles: whose topics are looked at.
        described: what the broker says of each topic; without an authoriser it allows everything.
    """
    for topic in topics_of(roles):
        name = topic_name(kafka, topic)
        allowed = described[name].get("authorized_operations")
        lacking = [each for each in _operations(topic, roles) if allowed and each not in allowed]
        if lacking:
            yield f"no right to {' and '.join(lacking).lower()} the topic {name}"


def missing_groups(admin: KafkaAdminClient, kafka: Kafka, roles: Collection[str]) -> Iterator[str]:
    """Groups that roles may not read as, one a line; little is told of one nobody joined yet."""
    for role in ROLES:
        if role in roles and not _may_join(admin, group := group_name(kafka, role)):
            yield f"no right to read as the group {group}"


def _operations(topic: Topic, roles: Collection[str]) -> list[str]:
    done = {"READ": topic.read_by, "WRITE": topic.written_by}
    return [each for each, who in done.items() if not set(who).isdisjoint(roles)]


def _may_join(admin: KafkaAdminClient, group: str) -> bool:
    try:
        found = admin.describe_groups([group])[group]
    except GroupAuthorizationFailedError:
        return False
    if "GroupAuthorizationFailed" in (found.get("error") or ""):
        return False
    allowed = found.get("authorized_operations")
    return not allowed or "READ" in allowed
