"""What the key registry has told so far, for a fold that begins without knowing it."""

from collections import defaultdict
from collections.abc import Mapping
from contextlib import suppress

from aiokafka import TopicPartition

from pipeline.config import Config
from pipeline.reconcile.stage import configured_registry
from pipeline.registry import entry_of, key_of
from pipeline.workers.connection import topic_name
from pipeline.workers.whole_partition import read_whole
from schemas.codec import Refused
from schemas.key_record import KeyRecord
from schemas.partition import partition_of
from schemas.topics import KEYS


async def told_so_far(config: Config) -> Mapping[int, list[KeyRecord]]:
    """The entries of the file and of the topic, which has the last word, by partition of the key.

    Raises:
        ConfigError: the file cannot be read.
        KafkaError: the broker does not answer.
    """
    kafka = config.kafka
    latest = {record.key_id: record for record in configured_registry(config)}
    place = TopicPartition(topic_name(kafka, KEYS), 0)
    async for messages in read_whole(kafka, place):
        for message in messages:
            if not message.value:  # taken out
                latest.pop(key_of(message), None)
                continue
            with suppress(Refused):  # reported when it came
                record = entry_of(message)
                latest[record.key_id] = record
    told: defaultdict[int, list[KeyRecord]] = defaultdict(list)
    for key_id, record in latest.items():
        told[partition_of(key_id, kafka.partitions)].append(record)
    return told
