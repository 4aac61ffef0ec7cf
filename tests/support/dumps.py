"""Everything that an installation keeps, to look for what it must not keep."""

import base64
from collections.abc import Iterable, Iterator

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from pipeline.config import Kafka
from pipeline.store import Store
from pipeline.workers.connection import client_settings
from pipeline.workers.role import Record

Dump = list[tuple[str, bytes]]
"""Where something is, and what it is; each place comes at least once."""


async def dump_topics(kafka: Kafka) -> Dump:
    """Every record of every topic of an installation, whoever made the topic."""
    places = await _partitions(kafka)
    found = [(place.topic, b"") for place in places]
    async with AIOKafkaConsumer(**client_settings(kafka), enable_auto_commit=False) as consumer:
        consumer.assign(places)
        ends = await consumer.end_offsets(places)
        await consumer.seek_to_beginning(*places)
        for place in places:
            while await consumer.position(place) < ends[place]:
                batch = await consumer.getmany(place, timeout_ms=50)
                found += [(place.topic, _bytes(record)) for record in batch.get(place, [])]
    return found


async def _partitions(kafka: Kafka) -> list[TopicPartition]:
    admin = AIOKafkaAdminClient(**client_settings(kafka))
    await admin.start()
    try:
        return [
            TopicPartition(topic["topic"], partition["partition"])
            for topic in await admin.describe_topics()
            if topic["topic"].startswith(kafka.topic_prefix)
            for partition in topic["partitions"]
        ]
    finally:
        await admin.close()


def _bytes(record: Record) -> bytes:
    headers = [part for name, value in record.headers for part in (name.encode(), value)]
    return b"\n".join([record.key or b"", record.value or b"", *headers])


def dump_store(store: Store) -> Dump:
    """Every row of every table."""
    tables = (
        "SELECT name FROM system.tables WHERE database = currentDatabase() AND engine != 'View'"
    )
    return [
        (name, repr(row).encode())
        for (name,) in store.query(tables).rows
        for row in [(), *store.query(f"SELECT * FROM {name}").rows]  # noqa: S608 - its own tables
    ]


def found_in(dump: Dump, secrets: Iterable[str]) -> set[tuple[str, str]]:
    """Where which secret stands, as it is or within base64."""
    needles = [(secret, text) for secret in secrets for text in _spellings(secret)]
    return {(place, secret) for place, data in dump for secret, text in needles if text in data}


def _spellings(secret: str) -> Iterator[bytes]:
    yield secret.encode()
    for before in range(3):  # base64 turns three bytes into four letters
        text = base64.b64encode(b"\0" * before + secret.encode())
        yield text[4 if before else 0 : -4]
