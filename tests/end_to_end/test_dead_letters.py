"""Dead letters on the running stack: listed, shown, put back onto the log, dropped."""

import time
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer

from pipeline.config import Config, Kafka
from pipeline.store import Store
from pipeline.workers.connection import producer_settings, topic_name
from schemas.codec import encode
from schemas.partition import partition_of
from schemas.topics import MOVED_HEADER, USAGE_EVENTS
from tests.support.events import KEY, event
from tests.support.installation import Installation, clickhouse

pytestmark = pytest.mark.kafka


async def send(kafka: Kafka, value: bytes, partition: int, *, moved: bool = False) -> None:
    headers = [(MOVED_HEADER, b"1")] if moved else []
    async with AIOKafkaProducer(**producer_settings(kafka)) as producer:
        name = topic_name(kafka, USAGE_EVENTS)
        await producer.send_and_wait(name, value, partition=partition, headers=headers)


async def test_a_dead_letter_is_seen_and_put_back_or_dropped(topics: Kafka, tmp_path: Path) -> None:
    elsewhere = (partition_of(KEY, topics.partitions) + 1) % topics.partitions
    with clickhouse(tmp_path / "clickhouse") as address:
        config = Config.model_construct(kafka=topics, store=address)
        with Installation(config, tmp_path) as here, Store.open(address) as store:
            here.run("init")
            here.start("run", "--role", "detect,sink")
            # whoever moved it moved it to the wrong place: it must not go round in circles
            await send(topics, encode(event(time.time())), elsewhere, moved=True)
            await send(topics, b"{", elsewhere)

            async def counted() -> list[int]:
                """Dead letters, and days in which something was folded."""
                tables = ("dead_letters", "spend_windows WHERE granularity = '1d'")
                counts = [f"SELECT count() FROM v_{table}" for table in tables]  # noqa: S608 - ours
                return [int(store.query(sql).rows[0][0]) for sql in counts]

            await here.until(counted, [2, 0])
            place = f"usage-events/{elsewhere}/0/0"
            assert f"{place}  misplaced_twice" in said(here, "list")
            assert KEY in said(here, "show", place)
            assert "put back 1 of 1" in said(here, "retry", place)
            await here.until(counted, [2, 1])
            assert "put back 0 of 1" in said(here, "retry", "--reason", "not_json", code=1)
            assert "dropped 1" in said(here, "drop", "--reason", "not_json")
            assert "not_json" not in said(here, "list")


def said(here: Installation, *words: str, code: int = 0) -> str:
    """What `leakline dead-letters` prints."""
    done = here.ask("dead-letters", *words)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout
