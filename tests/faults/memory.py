"""Resident memory of a detect worker while ten times as much comes in as it can fold.

Twice the worker folds the same events: once they are all there is, and once as many more wait for
each as come in at ten times its own rate. What it has not read yet must wait at the broker.
"""

import asyncio
import secrets
import time

from aiokafka import AIOKafkaConsumer, TopicPartition

from pipeline.config import Config, Kafka
from pipeline.workers.connection import client_settings, group_name, topic_name
from pipeline.workers.producing import EventLog
from pipeline.workers.topics_admin import create_topics
from schemas.codec import encode
from schemas.topics import USAGE_EVENTS
from tests.benchmarks.harness import Figures
from tests.faults.outcome import Outcome
from tests.support.events import HOME, event
from tests.support.kafka import Broker
from tests.support.kafka_log import WorkerProcess
from tests.support.resident import peak_mb

KEYS = 1_000
EVENTS = 60_000
FACTOR = 10
BATCH = 1_000
SECONDS_MAX = 240.0
MORE_MB_MAX = 100
"""For fetches that were read ahead; what waits has 150 MB on the log alone."""


async def measure(broker: Broker) -> tuple[Figures, Outcome]:
    """Peak resident memory at the rate that is folded, and at ten times that."""
    alone = await _peak_mb(broker, EVENTS)
    crowded = await _peak_mb(broker, EVENTS * FACTOR)
    outcome = Outcome(f"real: {FACTOR} times the input that can be folded", 1)
    if crowded > alone + MORE_MB_MAX:
        outcome.violations.append(f"memory: {crowded} MB, {alone} MB when nothing waits")
    figures: Figures = {
        "detect_events_folded": EVENTS,
        "detect_rss_mb": alone,
        f"detect_rss_at_x{FACTOR}_input_mb": crowded,
    }
    return figures, outcome


async def _peak_mb(broker: Broker, events: int) -> int:
    """Peak resident megabytes of a worker by the time it has folded `EVENTS` of so many."""
    kafka = Kafka(
        brokers=broker.bootstrap,
        topic_prefix=f"memory-{secrets.token_hex(4)}.",
        partitions=4,
        checkpoint_seconds=1.0,
    )
    await asyncio.to_thread(create_topics, Config(kafka=kafka))
    await _produce(kafka, events)
    with WorkerProcess("tests.support.engine_worker", kafka.model_dump_json()) as worker:
        deadline = time.monotonic() + SECONDS_MAX
        while await _share_folded(kafka) < EVENTS / events:
            assert time.monotonic() < deadline, "the events were not folded in time"
            assert worker.exit_code is None, "the worker ended"
            await asyncio.sleep(0.1)
        peak = peak_mb(worker.pid)
        worker.stop()
    return peak


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


async def _share_folded(kafka: Kafka) -> float:
    """How much of what the topic holds the group has committed, from 0 to 1."""
    name = topic_name(kafka, USAGE_EVENTS)
    places = [TopicPartition(name, number) for number in range(kafka.partitions)]
    async with AIOKafkaConsumer(
        **client_settings(kafka), group_id=group_name(kafka, "detect"), enable_auto_commit=False
    ) as consumer:
        consumer.assign(places)
        committed = sum([await consumer.committed(place) or 0 for place in places])
        return float(committed / sum((await consumer.end_offsets(places)).values()))
