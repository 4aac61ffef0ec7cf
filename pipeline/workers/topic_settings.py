"""What leakline relies on in a topic, and what a topic that others made has instead."""

from collections.abc import Iterable, Iterator, Mapping

from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient

from pipeline.config import Kafka
from pipeline.workers.connection import REQUEST_BYTES_MAX, topic_name
from schemas.topics import DAY_MS, Topic

COMPACTED_SEGMENT_MS = 3_600_000
"""The newest segment is never compacted, so it must not grow for a week."""
SEGMENT_MS = DAY_MS
"""A segment is deleted as a whole, once its newest record is too old: so much later than its first
at most. The broker's own week would double what is kept of a slow topic."""
COMPACTION_LAG_MS = DAY_MS
"""What was replaced need not be compacted away for ever where little is written."""
FIXED = ("cleanup.policy", "message.timestamp.type")
"""With other values states are deleted, or the time of an event has nothing to be held against."""
ROOM = ("max.message.bytes",)
"""Below this batches are refused for good that everything here takes for sendable."""
AT_LEAST = ("retention.ms", "delete.retention.ms", "min.insync.replicas")
"""Below these less is kept, or less safely, than the documentation says."""
AT_MOST = ("segment.ms", "max.compaction.lag.ms")
"""Above these what is deleted or replaced stays for longer than it says."""
FOR_EVER_MS = "-1"

Found = Mapping[str, Mapping[str, str]]
"""By topic, the settings above that could be read."""


def wanted_settings(kafka: Kafka, topic: Topic) -> dict[str, str]:
    """The settings with which a topic is created."""
    kept = (
        {
            "cleanup.policy": "compact",
            "segment.ms": str(COMPACTED_SEGMENT_MS),
            "max.compaction.lag.ms": str(COMPACTION_LAG_MS),
        }
        if topic.compacted
        else {
            "cleanup.policy": "delete",
            "segment.ms": str(SEGMENT_MS),
            "retention.ms": str(topic.retention_ms),
        }
    )
    in_sync = {"min.insync.replicas": str(max(1, kafka.replication - 1))}
    room = {"max.message.bytes": str(REQUEST_BYTES_MAX)}
    return kept | in_sync | room | topic.settings


def read_settings(admin: KafkaAdminClient, names: Iterable[str]) -> Found:
    """What topics have, as far as the broker tells; it need not, or may not."""
    asked_for = FIXED + ROOM + AT_LEAST + AT_MOST
    asked = [
        ConfigResource(ConfigResourceType.TOPIC, name, dict.fromkeys(asked_for)) for name in names
    ]
    answer = admin.describe_configs(asked, config_filter="all").get("topic", {}) if asked else {}
    return {
        name: {key: each["value"] for key, each in settings.items()}
        for name, settings in answer.items()
    }


def wrong_settings(kafka: Kafka, topics: Iterable[Topic], found: Found) -> list[str]:
    """Settings with which leakline does not work as it says, one a line."""
    other = [
        f"{name} has {key}={has}, not {wanted}"
        for name, key, has, wanted in _compared(kafka, topics, found, FIXED)
        if has != wanted
    ]
    return other + _below(kafka, topics, found, ROOM)


def lax_settings(kafka: Kafka, topics: Iterable[Topic], found: Found) -> list[str]:
    """Settings with which it works, but keeps less or longer than it says, one a line."""
    above = [
        f"{name} has {key}={has}, above {wanted}"
        for name, key, has, wanted in _compared(kafka, topics, found, AT_MOST)
        if int(has) > int(wanted)
    ]
    return _below(kafka, topics, found, AT_LEAST) + above


def _below(kafka: Kafka, topics: Iterable[Topic], found: Found, keys: Iterable[str]) -> list[str]:
    return [
        f"{name} has {key}={has}, below {wanted}"
        for name, key, has, wanted in _compared(kafka, topics, found, keys)
        if has != FOR_EVER_MS and int(has) < int(wanted)
    ]


def _compared(
    kafka: Kafka, topics: Iterable[Topic], found: Found, keys: Iterable[str]
) -> Iterator[tuple[str, str, str, str]]:
    for topic in topics:
        name, wanted = topic_name(kafka, topic), wanted_settings(kafka, topic)
        for key in keys:
            has = found.get(name, {}).get(key)
            if key in wanted and has is not None:
                yield name, key, has, wanted[key]
