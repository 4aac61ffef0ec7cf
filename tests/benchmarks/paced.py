"""What is written for events that come as they would, by keys whose habits are known.

A backlog is folded many events of a key at a time. In a quiet fleet nearly every event has a
checkpoint of its own key to itself, which writes the key's state and totals: the most that an event
can cost.
"""

import asyncio
import secrets
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from aiokafka import TopicPartition

from pipeline.config import Config, Kafka
from pipeline.default_rules import default_rules
from pipeline.message import Message
from pipeline.workers.connection import topic_name
from pipeline.workers.producing import EventLog
from pipeline.workers.role import to_message
from pipeline.workers.state_log import StateLog
from pipeline.workers.topics_admin import create_topics
from schemas.codec import decode_event
from schemas.fields import epoch
from schemas.partition import partition_of
from schemas.topics import DETECT_STATE, SPEND_WINDOWS, USAGE_EVENTS
from tests.benchmarks.harness import Figures, Options
from tests.benchmarks.load import SHIFT_SECONDS_MAX, SPARSE, load
from tests.benchmarks.watching import cpu_seconds, folded
from tests.support.kafka import Broker
from tests.support.kafka_log import WorkerProcess, read

KEYS: Final = 10_000
EVENTS: Final = 60_000
"""Of which those are played that come …"""
PLAY_SECONDS: Final = 90.0
"""… in so many seconds, once every key may speak."""
PARTITIONS: Final = 8
IDLE_SECONDS: Final = 10.0
"""How long a worker is watched that has nothing to do: what that takes is no event's."""
STEP_SECONDS: Final = 0.5
"""Events are sent together that come within it."""


@dataclass(frozen=True, slots=True)
class Paced:
    """What came of it."""

    figures: Figures
    events: int
    windows: Sequence[Message]
    """The totals, as the sink reads them."""


async def measure_paced(broker: Broker, options: Options) -> Paced:
    """Bytes that are written for an event, with the checkpoints of a default configuration."""
    log = load(SPARSE, KEYS, EVENTS, default_rules(Config()))
    seconds = PLAY_SECONDS * options.scale
    rows = _steady(log.rows, seconds)
    kafka = Kafka(
        brokers=broker.bootstrap,
        topic_prefix=f"paced-{secrets.token_hex(4)}.",
        partitions=PARTITIONS,
    )
    await asyncio.to_thread(create_topics, Config(kafka=kafka))
    await _write_states(kafka, log.states)
    with WorkerProcess("tests.support.engine_worker", kafka.model_dump_json()) as worker:
        await _play(kafka, rows[:1])
        await folded(kafka, [worker])
        before = cpu_seconds([worker])
        await asyncio.sleep(IDLE_SECONDS)
        idle = (cpu_seconds([worker]) - before) / IDLE_SECONDS
        before, started = cpu_seconds([worker]), time.monotonic()
        await _play(kafka, rows[1:])
        await folded(kafka, [worker])
        spent = cpu_seconds([worker]) - before - idle * (time.monotonic() - started)
        worker.stop()
    events = await read(kafka, USAGE_EVENTS, committed=True)
    windows = await read(kafka, SPEND_WINDOWS, committed=True)
    states = (await read(kafka, DETECT_STATE, committed=True))[len(log.states) :]
    count = len(rows)
    figures: Figures = {
        "paced_events": count,
        "paced_events_per_s": count / seconds,
        "idle_cpu_share": idle,
        "paced_cpu_us_per_event": spent / (count - 1) * 1e6,
        "paced_states_per_event": len(states) / count,
        "paced_windows_per_event": len(windows) / count,
        "paced_log_bytes_per_event": size_of(events) / count,
        "paced_state_bytes_per_event": size_of(states) / count,
        "paced_window_bytes_per_event": size_of(windows) / count,
        "paced_state_bytes_per_key": sum(len(k) + len(v) for k, v in log.states) / len(log.states),
    }
    return Paced(figures, count, [to_message(SPEND_WINDOWS.name, record) for record in windows])


def _steady(rows: Sequence[bytes], seconds: float) -> list[bytes]:
    """Those of some seconds, from when the last copies of keys have begun."""
    first = _at(rows[0]) + SHIFT_SECONDS_MAX
    return [row for row in rows if first <= _at(row) < first + seconds]


def _at(row: bytes) -> float:
    return epoch(decode_event(row).occurred_at)


async def _write_states(kafka: Kafka, states: Sequence[tuple[str, bytes]]) -> None:
    """As earlier checkpoints would have left them."""
    by_partition = defaultdict[int, list[tuple[str, bytes]]](list)
    for key_id, state in states:
        by_partition[partition_of(key_id, kafka.partitions)].append((key_id, state))
    for partition, held in by_partition.items():
        log = StateLog(kafka, "detect", DETECT_STATE, partition)
        await log.open()
        place = TopicPartition(topic_name(kafka, USAGE_EVENTS), partition)
        await log.commit(held, {place: 0})
        await log.close()


async def _play(kafka: Kafka, rows: Sequence[bytes]) -> None:
    """Send events at the pace at which they came."""
    events = [(epoch(event.occurred_at), event.key_id) for event in map(decode_event, rows)]
    first, started, at = events[0][0], time.monotonic(), 0
    async with EventLog(kafka) as log:
        while at < len(rows):
            over = at
            until = first + time.monotonic() - started + STEP_SECONDS
            while over < len(rows) and events[over][0] < until:
                over += 1
            await log.send_packed([(events[n][1], rows[n]) for n in range(at, over)])
            at = over
            await asyncio.sleep(STEP_SECONDS)


def size_of(records: Sequence[Any]) -> int:
    """Keys and values; what a broker adds is a few percent."""
    return sum(len(each.key or b"") + len(each.value or b"") for each in records)
