"""Registry entries, verdicts and bills on their way to the partitions of their keys, on Kafka."""

import time
from pathlib import Path

import msgspec
import pytest
from aiokafka import AIOKafkaProducer

from pipeline.config import Config, Kafka
from pipeline.engine import PartitionFold
from pipeline.workers.connection import producer_settings, topic_name
from pipeline.workers.producing import EventLog
from pipeline.workers.role import to_message
from schemas.codec import encode
from schemas.key_record import KeyRecord
from schemas.partition import partition_of
from schemas.topics import (
    INCIDENTS,
    KEYS,
    PROVIDER_USAGE,
    RECONCILE_STATE,
    RECORD_HEADER,
    USAGE_EVENTS,
    VERDICTS,
    Topic,
)
from schemas.verdict import Verdict
from tests.reconcile.bills import DOLLARS_AN_HOUR, PROVIDER_KEY, bill, entry, traffic
from tests.support.events import event, rules
from tests.support.installation import Installation
from tests.support.kafka_log import bodies, eventually, read

pytestmark = pytest.mark.kafka

SHARING = ("key-0", "key-1", "key-2")
ALONE = "key-5"
"""Each in a partition of its own, of four."""


async def send(kafka: Kafka, topic: Topic, key: str, record: msgspec.Struct) -> None:
    async with AIOKafkaProducer(**producer_settings(kafka)) as producer:
        await producer.send_and_wait(topic_name(kafka, topic), encode(record), key=key.encode())


async def controls(kafka: Kafka, kind: str) -> list[tuple[int, dict[str, object]]]:
    """(partition, body) of the committed control records of a kind."""
    header = (RECORD_HEADER, kind.encode())
    return [
        (record.partition, msgspec.json.decode(record.value))
        for record in await read(kafka, USAGE_EVENTS, committed=True)
        if header in record.headers
    ]


async def test_bills_of_shared_and_lone_keys_end_where_they_belong(
    topics: Kafka, tmp_path: Path
) -> None:
    """Two detect workers, two reconcile workers, one of which stands by; one of each is killed."""
    assert len({partition_of(each, topics.partitions) for each in SHARING}) > 1
    everybody = [entry(each) for each in SHARING] + [entry(ALONE, "provider-2")]
    registry = tmp_path / "keys.jsonl"
    registry.write_bytes(b"".join(encode(each) + b"\n" for each in everybody))
    config = Config.model_construct(kafka=topics, keys=registry)
    with Installation(config, tmp_path) as here:
        workers = [here.start("run", "--role", role) for role in ("detect", "reconcile") * 2]

        async def registered() -> bool:
            return len(await controls(topics, "key")) == len(everybody)

        await eventually(registered)
        async with EventLog(topics) as log:
            events = traffic(*SHARING, ALONE)
            await log.send_packed([(each.key_id, encode(each)) for each in events])
        due = len(SHARING) * DOLLARS_AN_HOUR
        for record in (
            bill(due, "honest"),
            bill(60.0, "stolen", provider_key_id="provider-2"),
            bill(9.0, "unknown", provider_key_id="provider-3"),
        ):
            await send(topics, PROVIDER_USAGE, "bill", record)
        for victim in workers[:2]:
            here.kill(victim)

        async def judged() -> bool:
            told = {each["key_id"] for each in await bodies(topics, INCIDENTS, committed=True)}
            return (
                told >= {ALONE, "provider-3"} and len(await controls(topics, "provider-usage")) == 3
            )

        await eventually(judged)
    told = [
        (each["key_id"], each["revision"])
        for each in await bodies(topics, INCIDENTS, committed=True)
        if each["cause"] == "off_gateway"
    ]
    assert sorted(told) == [(ALONE, 1), ("provider-3", 1)], "what the three share is all used"
    for place, body in await controls(topics, "provider-usage"):
        assert place == partition_of(str(body["key_id"]), topics.partitions)
    whose = {body["model"]: body["key_id"] for _, body in await controls(topics, "provider-usage")}
    assert whose == {"honest": PROVIDER_KEY, "stolen": ALONE, "unknown": "provider-3"}
    for place, body in await controls(topics, "key"):
        assert place == partition_of(str(body["key_id"]), topics.partitions)
    assert len(await controls(topics, "key")) == len(everybody)


async def test_what_is_taken_out_of_the_file_leaves_the_topic(
    topics: Kafka, tmp_path: Path
) -> None:
    """By a message without a body, which compaction takes out in the end, too."""
    registry = tmp_path / "keys.jsonl"
    config = Config.model_construct(kafka=topics, keys=registry)
    for due, key_ids in ((2, SHARING[:2]), (3, SHARING[:1])):
        registry.write_bytes(b"".join(encode(entry(each)) + b"\n" for each in key_ids))
        with Installation(config, tmp_path) as here:
            here.start("run", "--role", "reconcile")

            async def loaded(due: int = due) -> bool:
                return len(await controls(topics, "key")) == due

            await eventually(loaded)
            here.stop()
    said = [(each.key.decode(), each.value) for each in await read(topics, KEYS, committed=True)]
    assert said[2:] == [(SHARING[1], None)]
    assert {"key_id": SHARING[1]} in [body for _, body in await controls(topics, "key")]


async def test_entries_of_a_large_registry_share_transactions(
    topics: Kafka, tmp_path: Path
) -> None:
    """One each, as it is for what acts outside of Kafka, would take hours for a million."""
    count = 300
    registry = tmp_path / "keys.jsonl"
    registry.write_bytes(b"".join(encode(entry(f"key-{n}")) + b"\n" for n in range(count)))
    with Installation(Config.model_construct(kafka=topics, keys=registry), tmp_path) as here:
        here.start("run", "--role", "reconcile")

        async def loaded() -> bool:
            return len(await controls(topics, "key")) == count

        await eventually(loaded)
        here.stop()
    remembered = await read(topics, RECONCILE_STATE, committed=True)
    ends = remembered[-1].offset + 1 - len(remembered)  # each has a place in the log
    assert ends < count / 10


async def test_a_registry_entry_its_change_and_a_verdict_reach_detection(
    topics: Kafka, tmp_path: Path
) -> None:
    """A key is revoked, used all the same, paged, and judged benign: detection hears each."""
    config = Config.model_construct(kafka=topics)
    key_ids = SHARING
    assert len({partition_of(each, topics.partitions) for each in key_ids}) > 1
    now = time.time()
    with Installation(config, tmp_path) as here:
        for role in ("detect", "reconcile", "notify"):
            here.start("run", "--role", role)
        for key_id in key_ids:
            await send(topics, KEYS, key_id, KeyRecord(key_id=key_id))
            revoked = KeyRecord(key_id=key_id, status="revoked", status_changed_at=now - 3600)
            await send(topics, KEYS, key_id, revoked)

        async def heard() -> bool:
            return len(await controls(topics, "key")) == 2 * len(key_ids)

        await eventually(heard)
        async with EventLog(topics) as log:
            events = [event(now - 60 + n, key_id=each) for each in key_ids for n in range(20)]
            await log.send_packed([(each.key_id, encode(each)) for each in events])

        async def told() -> bool:
            found = await bodies(topics, INCIDENTS, committed=True)
            return {each["key_id"] for each in found} == set(key_ids)

        await eventually(told)
        for each in await bodies(topics, INCIDENTS, committed=True):
            assert each["cause"] == "revoked_use"
            said = Verdict(
                incident_id=each["incident_id"],
                key_id=each["key_id"],
                verdict="benign",
                by="console:me",
                at=time.time(),
            )
            await send(topics, VERDICTS, each["incident_id"], said)

        async def released() -> bool:
            found = await bodies(topics, INCIDENTS, committed=True)
            calm = {each["key_id"] for each in found if each["status"] == "suppressed"}
            return calm == set(key_ids)

        await eventually(released)
    folds = [PartitionFold(rules(), n, topics.partitions) for n in range(topics.partitions)]
    again = [
        incident
        for record in await read(topics, USAGE_EVENTS, committed=True)
        for incident in folds[record.partition]
        .fold(to_message(USAGE_EVENTS.name, record))
        .incidents
    ]
    stored = await bodies(topics, INCIDENTS, committed=True)
    assert len(again) == len(stored)
