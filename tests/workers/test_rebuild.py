"""Folding the log again on a real broker: the same totals and incidents, under a new epoch."""

import asyncio
import time
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from kafka.admin import KafkaAdminClient

from pipeline.config import Config, Kafka
from pipeline.store import Store
from pipeline.store.rows import SPEND_WINDOWS as WINDOWS
from pipeline.store.rows import USAGE_EVENTS as TABLE
from pipeline.workers.connection import client_settings, topic_name
from pipeline.workers.producing import EventLog
from pipeline.workers.rebuild import RebuildError, rebuild
from pipeline.workers.role import to_message
from pipeline.workers.topics_admin import BrokerError, create_topics
from schemas.codec import encode
from schemas.key_record import KeyRecord
from schemas.spend_window import SpendWindow
from schemas.topics import DETECT_STATE, INCIDENTS, RECORD_HEADER, SPEND_WINDOWS, USAGE_EVENTS
from schemas.topics import KEYS as TOPIC_OF_KEYS
from tests.support.events import burst, rules
from tests.support.kafka_log import WorkerProcess, bodies, eventually, make_anew, read

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(120)]

KEYS = [f"key-{number}" for number in range(5)]
EPOCH = 1 << 40
TOTAL = SpendWindow(
    key_id=KEYS[0],
    granularity="1d",
    window_start=0.0,
    spend_usd=0.0,
    requests=1,
    errors=0,
    input_tokens=0,
    output_tokens=0,
    distinct_sources=1,
    unpriced_requests=0,
    version=1,
)


def worker(kafka: Kafka) -> WorkerProcess:
    return WorkerProcess("tests.support.engine_worker", kafka.model_dump_json())


async def send(kafka: Kafka, count: int) -> float:
    """Events of some keys, one of them planted; when the first happened."""
    at = time.time() - 30
    record = KeyRecord(key_id=KEYS[0], canary=True)
    events = [each for key_id in KEYS for each in burst(at, count, seconds=20, key_id=key_id)]
    async with EventLog(kafka) as log:
        header = {RECORD_HEADER: "key"}
        await log.send(USAGE_EVENTS, record.key_id, encode(record), header)
        await log.send_packed([(each.key_id, encode(each)) for each in events])
    return at


async def totals(kafka: Kafka) -> dict[tuple[str, str, str], dict[str, Any]]:
    """The row with the highest version of each window."""
    found: dict[tuple[str, str, str], dict[str, Any]] = {}
    rows = await bodies(kafka, SPEND_WINDOWS, committed=True)
    for row in sorted(rows, key=lambda each: int(each["version"])):
        found[row["key_id"], row["granularity"], row["window_start"]] = row
    return found


async def settled(kafka: Kafka, count: int, epoch: int, process: WorkerProcess) -> None:
    """Wait until the days of all keys count so many events under an epoch."""

    async def look() -> bool:
        days = [row for place, row in (await totals(kafka)).items() if place[1] == "1d"]
        counted = sum(row["requests"] for row in days if row["version"] >= epoch * EPOCH)
        return bool(counted == count * len(KEYS))

    await eventually(look, process)


def unversioned(rows: dict[tuple[str, str, str], dict[str, Any]]) -> dict[Any, Any]:
    return {place: row | {"version": 0} for place, row in rows.items()}


async def test_a_rebuild_counts_anew_and_says_nothing_new(topics: Kafka) -> None:
    at = await send(topics, 8)
    with worker(topics) as first:
        await settled(topics, 8, 0, first)
        with pytest.raises(RebuildError, match="1 detect workers run"):
            await rebuild(Config(kafka=topics), at)
        assert first.stop() == 0
    before, incidents = await totals(topics), await bodies(topics, INCIDENTS, committed=True)
    assert incidents
    rebuilt = await rebuild(Config(kafka=topics), at)
    assert (rebuilt.epoch, rebuilt.since % 86_400) == (1, 0)
    assert rebuilt.keys >= len(KEYS)
    with worker(topics) as second:
        await settled(topics, 8, 1, second)
        assert second.stop() == 0
    after = await totals(topics)
    assert unversioned(after) == unversioned(before)
    assert {row["version"] - before[place]["version"] for place, row in after.items()} == {EPOCH}
    again = await bodies(topics, INCIDENTS, committed=True)
    assert again == incidents * 2, "the same revisions once more, and no others"


async def test_a_rebuild_does_not_guess_whether_anybody_works(
    topics: Kafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    def is_loading(_: KafkaAdminClient, groups: list[str]) -> dict[str, Any]:
        return {groups[0]: {"error": "[Error 14] CoordinatorLoadInProgressError", "members": []}}

    monkeypatch.setattr(KafkaAdminClient, "describe_groups", is_loading)
    with pytest.raises(BrokerError, match="CoordinatorLoadInProgress"):
        await rebuild(Config(kafka=topics), time.time())


async def test_what_the_log_has_deleted_comes_from_the_store(topics: Kafka, store: Store) -> None:
    at = await sent_and_deleted(topics, store)
    await send(topics, 6)
    await into_store(topics, store)  # what the log still has must not be folded from both
    with worker(topics) as first:
        await settled(topics, 6, 0, first)
        assert first.stop() == 0
    with pytest.raises(RebuildError, match="choose a later day, or --from-store"):
        await rebuild(Config(kafka=topics), at)
    rebuilt = await rebuild(Config(kafka=topics), at, store)
    assert rebuilt.events == 8 * len(KEYS)
    with worker(topics) as second:
        await settled(topics, 14, 1, second)
        assert second.stop() == 0
    spent = [row["spend_usd"] for place, row in (await totals(topics)).items() if place[1] == "1d"]
    assert spent == [pytest.approx(14 * 0.002)] * len(KEYS)
    said = await bodies(topics, INCIDENTS, committed=True)
    assert {each["key_id"] for each in said} == {KEYS[0]}, "the store has the events, not the key"


async def test_what_the_log_has_deleted_to_its_end_is_missed(topics: Kafka, store: Store) -> None:
    """An empty partition has no offset for any time, nor anything to show what it once held."""
    at = await sent_and_deleted(topics, store)
    with pytest.raises(RebuildError, match="--from-store"):
        await rebuild(Config(kafka=topics), at)
    rebuilt = await rebuild(Config(kafka=topics), at, store)
    assert (rebuilt.events, rebuilt.messages) == (8 * len(KEYS), 0)


async def test_a_kafka_that_is_gone_leaves_the_store_the_registry_and_the_epoch(
    topics: Kafka, store: Store, tmp_path: Path
) -> None:
    """All topics are new, and only the store has what the old ones had."""
    new = topics.model_copy(update={"topic_prefix": topics.topic_prefix + "new."})
    await asyncio.to_thread(create_topics, Config(kafka=new))
    at = await send(topics, 8)
    await into_store(topics, store)
    store.insert(WINDOWS, [msgspec.structs.replace(TOTAL, version=5 * EPOCH)])
    async with EventLog(new) as log:  # as owners send it again
        await log.send(TOPIC_OF_KEYS, KEYS[0], encode(KeyRecord(key_id=KEYS[0], canary=True)))
        await log.send(TOPIC_OF_KEYS, KEYS[1], encode(KeyRecord(key_id=KEYS[1], canary=True)))
        await log.send(TOPIC_OF_KEYS, KEYS[1], b"")  # taken out
    file = tmp_path / "keys.jsonl"
    file.write_bytes(encode(KeyRecord(key_id=KEYS[2], canary=True)))
    rebuilt = await rebuild(Config(kafka=new, keys=file), at, store)
    assert (rebuilt.epoch, rebuilt.events, rebuilt.messages) == (6, 8 * len(KEYS), 0)
    said = await bodies(new, INCIDENTS, committed=True)
    planted = {KEYS[0], KEYS[2]}
    assert {each["key_id"] for each in said} == planted, "known by the topic, and by the file"
    again = await rebuild(Config(kafka=new), at, store)
    assert (again.epoch, again.events) == (7, 8 * len(KEYS))


async def test_states_that_were_lost_need_the_store(topics: Kafka, store: Store) -> None:
    """Only there totals tell of the rebuilds before."""
    assert (await rebuild(Config(kafka=topics), time.time())).epoch == 1, "nothing is lost yet"
    at = await send(topics, 8)
    with worker(topics) as first:
        await settled(topics, 8, 1, first)
        assert first.stop() == 0
    await make_anew(topics, DETECT_STATE)
    with pytest.raises(RebuildError, match=r"detect-state was lost, .* --from-store"):
        await rebuild(Config(kafka=topics), at)
    store.insert(WINDOWS, [msgspec.structs.replace(TOTAL, version=EPOCH)])
    assert (await rebuild(Config(kafka=topics), at, store)).epoch == 2


async def test_a_log_that_was_made_anew_is_refused_until_the_states_begin_with_it(
    topics: Kafka, store: Store
) -> None:
    at = await send(topics, 8)
    await into_store(topics, store)
    with worker(topics) as first:
        await settled(topics, 8, 0, first)
        assert first.stop() == 0
    await make_anew(topics, USAGE_EVENTS)
    await send(topics, 6)
    with worker(topics) as second:
        code, said = await asyncio.to_thread(second.wait)
    assert code == 1
    assert "OtherLogError" in said
    rebuilt = await rebuild(Config(kafka=topics), at, store)
    assert rebuilt.events == 8 * len(KEYS)
    with worker(topics) as third:
        await settled(topics, 14, 1, third)
        assert third.stop() == 0


async def sent_and_deleted(topics: Kafka, store: Store) -> float:
    """Eight events of each key that only the store has; when the first happened."""
    at = await send(topics, 8)
    await into_store(topics, store)
    await forget_log(topics)
    return at


async def into_store(kafka: Kafka, store: Store) -> None:
    """What the sink would have stored of the log."""
    for record in await read(kafka, USAGE_EVENTS):
        message = to_message(USAGE_EVENTS.name, record)
        store.insert(TABLE, rules().acceptor.accept(message, whole=True).uses)


async def forget_log(kafka: Kafka) -> None:
    """What retention does."""
    name = topic_name(kafka, USAGE_EVENTS)
    admin = AIOKafkaAdminClient(**client_settings(kafka))
    await admin.start()
    try:
        ends = Counter(record.partition for record in await read(kafka, USAGE_EVENTS))
        await admin.delete_records(
            {TopicPartition(name, n): RecordsToDelete(-1) for n in ends}, timeout_ms=10_000
        )
    finally:
        await admin.close()
