"""Resident memory of a detect worker that is given far more than it can fold.

What it has not read yet waits at the broker, so a backlog is any input rate at all. A larger
backlog over the same keys must not make the worker larger.
"""

import asyncio
import secrets
import time
from pathlib import Path

from aiokafka import AIOKafkaConsumer, TopicPartition

from pipeline.config import Config, Kafka
from pipeline.workers.connection import client_settings, group_name, topic_name
from pipeline.workers.producing import EventLog
from pipeline.workers.topics_admin import create_topics
from schemas.codec import encode
from schemas.topics import USAGE_EVENTS
from tests.benchmarks.harness import Figures
from tests.support.events import HOME, event
from tests.support.kafka import Broker
from tests.support.kafka_log import WorkerProcess

KEYS = 1_000
EVENTS = 150_000
FACTOR = 4
BATCH = 5_000
SECONDS_MAX = 240.0


async def measure(broker: Broker) -> Figures:
    """Peak resident memory with a backlog, and with one that is four times as large."""
    small = await _peak_mb(broker, EVENTS)
    large = await _peak_mb(broker, EVENTS * FACTOR)
    return {
        "detect_backlog_events": EVENTS,
        "detect_backlog_rss_mb": small,
        f"detect_backlog_x{FACTOR}_rss_mb": large,
    }


async def _peak_mb(broker: Broker, events: int) -> int:
    """Peak resident megabytes of a worker that folds so many events at one go."""
    kafka = Kafka(
        brokers=broker.bootstrap,
        topic_prefix=f"memory-{secrets.token_hex(4)}.",
        partitions=4,
        checkpoint_seconds=1.0,
        transactions=broker.has_transactions,
    )
    await asyncio.to_thread(create_topics, Config(kafka=kafka))
    await _produce(kafka, events)
    with WorkerProcess("tests.support.engine_worker", kafka.model_dump_json()) as worker:
        deadline = time.monotonic() + SECONDS_MAX
        peak = 0
        while not await _all_read(kafka):
            assert time.monotonic() < deadline, "the backlog was not read in time"
            assert worker.exit_code is None, "the worker ended"
            peak = max(peak, _peak_kb(worker.pid))
        peak = max(peak, _peak_kb(worker.pid))
        worker.stop()
    return peak // 1024


async def _produce(kafka: Kafka, events: int) -> None:
    begin = time.time() - events / 1_000 - 60
    async with EventLog(kafka) as log:
        for first in range(0, events, BATCH):
            await log.send_packed([_event(begin, n) for n in range(first, first + BATCH)])


def _event(begin: float, number: int) -> tuple[str, bytes]:
    key_id = f"key-{number % KEYS}"
    at = begin + number / 1_000
    made = event(at, event_id=f"e{number}", key_id=key_id, client_ip=HOME[number % 3])
    return key_id, encode(made)


async def _all_read(kafka: Kafka) -> bool:
    """Whether everything that the topic holds was committed by the group."""
    name = topic_name(kafka, USAGE_EVENTS)
    places = [TopicPartition(name, number) for number in range(kafka.partitions)]
    group = group_name(kafka, "detect")
    async with AIOKafkaConsumer(
        **client_settings(kafka), group_id=group, enable_auto_commit=False
    ) as consumer:
        consumer.assign(places)
        ends = await consumer.end_offsets(places)
        return all([(await consumer.committed(place) or 0) >= ends[place] for place in places])


def _peak_kb(pid: int) -> int:
    """The high-water mark of a process; 0 where the system does not tell."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("VmHWM:")), 0)
