"""Keys a second that a new owner of a partition takes over: its state log read, and its fold ready.

The states are those of a simulated fleet, under many names, written as checkpoints write them.
"""

import asyncio
import secrets
from collections.abc import Iterator

from aiokafka import TopicPartition

from pipeline.config import Config, Kafka
from pipeline.default_rules import default_rules
from pipeline.engine import PartitionFold, Rules
from pipeline.workers.connection import topic_name
from pipeline.workers.state_log import StateLog
from pipeline.workers.topics_admin import create_topics
from schemas.topics import DETECT_STATE, USAGE_EVENTS
from tests.benchmarks.harness import Figures, Options, quantile, say, timed
from tests.benchmarks.load import lines, pack
from tests.support.kafka import open_broker

KEYS = 1_000_000
ORIGINALS = 1_000
KEYS_PER_CHECKPOINT = 10_000
State = tuple[str, bytes]


async def measure(options: Options) -> Figures:
    """Keys a second of one worker, and how long a million take it."""
    rules = default_rules(Config())
    states = _states(rules)
    with open_broker() as broker:
        kafka = Kafka(
            brokers=broker.bootstrap,
            topic_prefix=f"recovery-{secrets.token_hex(4)}.",
            partitions=1,
        )
        await asyncio.to_thread(create_topics, Config(kafka=kafka))
        keys = int(KEYS * options.scale)
        await _write(kafka, states, keys)
        with timed() as watch:
            found = await _take_over(kafka, PartitionFold(rules, 0, None))
    if found != keys:
        raise AssertionError(f"{found} keys came back of {keys}")
    rate = keys / watch.seconds
    say(
        f"  {keys:,} keys in {watch.seconds:.1f} s ({watch.cpu_seconds:.1f} s of CPU here)"
        " on one worker"
    )
    return {
        "recovery_keys": keys,
        "recovery_keys_per_s": rate,
        "recovery_cpu_us_per_key": watch.cpu_seconds / keys * 1e6,
        "recovery_million_keys_s": KEYS / rate,
        "recovery_state_bytes_p50": quantile([len(raw) for _, raw in states], 0.5),
    }


def _states(rules: Rules) -> list[State]:
    """What a checkpoint writes of a fleet's keys."""
    fold = PartitionFold(rules)
    for message in pack(lines(ORIGINALS, 100 * ORIGINALS)):
        fold.fold(message)
    return [(key, raw) for key, raw in fold.checkpoint().states if raw is not None]


def _copies(states: list[State], keys: int) -> Iterator[State]:
    for number in range(keys):
        key, raw = states[number % len(states)]
        yield f"{key}-{number}", raw


async def _write(kafka: Kafka, states: list[State], keys: int) -> None:
    log = StateLog(kafka, "detect", DETECT_STATE, 0)
    await log.open()
    place = TopicPartition(topic_name(kafka, USAGE_EVENTS), 0)
    copies = _copies(states, keys)
    for first in range(0, keys, KEYS_PER_CHECKPOINT):
        count = min(KEYS_PER_CHECKPOINT, keys - first)
        await log.commit([next(copies) for _ in range(count)], {place: first + count})
    await log.close()


async def _take_over(kafka: Kafka, fold: PartitionFold) -> int:
    """As the detect role does it; how many keys the fold knows."""
    log = StateLog(kafka, "detect", DETECT_STATE, 0)
    for key, raw in (await log.open()).states.items():
        fold.restore(key, raw)
    await log.close()
    return len(fold)
