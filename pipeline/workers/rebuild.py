"""Folding the log anew: the states of every partition are replaced, and its offsets put back.

What follows is ordinary work of the detect workers: they read the log again from there, with
states that are fresh and totals whose versions are above the earlier ones.
"""

from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from pipeline.config import Config, Kafka
from pipeline.engine.bookkeeping import Rebuild
from pipeline.engine.rebuilding import fresh_states, latest_epoch
from pipeline.workers.connection import client_settings, group_name, topic_name
from pipeline.workers.state_log import StateLog
from schemas.topics import DETECT_STATE, USAGE_EVENTS

DAY_SECONDS: Final = 86_400
Say = Callable[[str], None]
"""Takes a line for people."""


class RebuildError(Exception):
    """The log cannot be folded anew. The text is for people."""


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What the detect workers will do once they are started."""

    epoch: int
    since: float
    """Unix seconds; midnight UTC."""
    keys: int
    """States that were replaced."""
    messages: int
    """Offsets that will be read again."""


async def rebuild(config: Config, since: float) -> Rebuilt:
    """Have the detect workers fold again what the log took since a time.

    Args:
        config: where the log is.
        since: Unix seconds; taken back to midnight UTC, so that no total is cut.

    Raises:
        RebuildError: detect workers run, the log does not reach back, or there are no transactions.
        KafkaError: the broker does not answer; run it again.
    """
    kafka = config.kafka
    if not kafka.transactions:
        raise RebuildError("a rebuild needs a broker with transactions (kafka.transactions)")
    await _nobody_works(kafka)
    since = since // DAY_SECONDS * DAY_SECONDS
    # clocks of gateways may be ahead of the log's
    starts, ends = await _offsets(kafka, since - config.detection.future_seconds, since)
    async with AsyncExitStack() as stack:
        logs = [_log(kafka, number) for number in range(kafka.partitions)]
        states = []
        for log in logs:
            stack.push_async_callback(log.close)
            states.append(dict(await log.open()))
        rebuilt = Rebuild(latest_epoch(states) + 1, since)
        for place, log, old in zip(starts, logs, states, strict=True):
            fresh = fresh_states(old, rebuilt, starts[place])
            await log.commit(fresh, {place: starts[place]})
    return Rebuilt(
        rebuilt.epoch, since, sum(map(len, states)), sum(ends.values()) - sum(starts.values())
    )


def _log(kafka: Kafka, number: int) -> StateLog:
    return StateLog(kafka, "detect", DETECT_STATE, number, _outside_transactions)


async def _outside_transactions(_: object) -> None:
    raise RebuildError("offsets are committed in transactions alone")


async def _nobody_works(kafka: Kafka) -> None:
    """Make sure that no detect worker would go on with the old states."""
    group = group_name(kafka, "detect")
    admin = AIOKafkaAdminClient(**client_settings(kafka))
    await admin.start()
    try:
        (answer,) = await admin.describe_consumer_groups([group])
    finally:
        await admin.close()
    members = answer.groups[0][5]
    if members:
        raise RebuildError(f"{len(members)} detect workers run; stop them first")


async def _offsets(
    kafka: Kafka, at: float, since: float
) -> tuple[dict[TopicPartition, int], dict[TopicPartition, int]]:
    """Where to begin in each partition, and where it ends.

    Raises:
        RebuildError: the broker has deleted what is needed.
    """
    name = topic_name(kafka, USAGE_EVENTS)
    places = [TopicPartition(name, number) for number in range(kafka.partitions)]
    async with AIOKafkaConsumer(**client_settings(kafka), enable_auto_commit=False) as consumer:
        firsts = await consumer.beginning_offsets(places)
        ends = await consumer.end_offsets(places)
        found = await consumer.offsets_for_times(dict.fromkeys(places, round(at * 1000)))
    starts = {p: ends[p] if found[p] is None else found[p].offset for p in places}
    gone = [place.partition for place in places if 0 < firsts[place] >= starts[place] < ends[place]]
    if gone:
        raise RebuildError(
            f"the log no longer reaches back to {since:.0f} (Unix seconds) in partitions"
            f" {', '.join(map(str, gone))}; choose a later day"
        )
    return starts, ends
