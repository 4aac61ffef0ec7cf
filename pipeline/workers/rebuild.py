"""Folding the log anew: the states of every partition are replaced, and its offsets put back.

What follows is ordinary work of the detect workers: they read the log again from there, with
states that are fresh and totals whose versions are above the earlier ones.
"""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition

from pipeline.config import Config, Kafka
from pipeline.default_rules import default_rules
from pipeline.engine.bookkeeping import Rebuild
from pipeline.engine.rebuilding import fresh_states, latest_epoch
from pipeline.store import Store
from pipeline.workers.connection import answering, client_settings, topic_name
from pipeline.workers.from_store import Folded, fold_stored
from pipeline.workers.state_log import StateLog
from pipeline.workers.topics_admin import members_of
from schemas.codec import encode
from schemas.topics import DETECT_STATE, INCIDENTS, SPEND_WINDOWS, USAGE_EVENTS

DAY_SECONDS: Final = 86_400


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
    events: int = 0
    """Events that were folded from the store."""


async def rebuild(config: Config, since: float, store: Store | None = None) -> Rebuilt:
    """Have the detect workers fold again what the log took since a time.

    Args:
        config: where the log is.
        since: Unix seconds; taken back to midnight UTC, so that no total is cut.
        store: has the events that the log no longer holds; they are folded here and now.

    Raises:
        RebuildError: detect workers run, or the log does not reach back and there is no store.
        StoreError: the store does not answer; run it again.
        BrokerError, KafkaError: the broker does not answer; run it again.
    """
    kafka = await answering(config.kafka)
    await _nobody_works(kafka)
    since = since // DAY_SECONDS * DAY_SECONDS
    # clocks of gateways may be ahead of the log's
    starts, ends, gone = await _offsets(kafka, since - config.detection.future_seconds)
    if gone and store is None:
        raise RebuildError(
            f"the log no longer reaches back to {since:.0f} (Unix seconds) in partitions"
            f" {', '.join(map(str, gone))}; choose a later day, or --from-store (the only way"
            " where a partition is empty by now)"
        )
    async with AsyncExitStack() as stack:
        logs = [
            StateLog(kafka, "detect", DETECT_STATE, number) for number in range(kafka.partitions)
        ]
        states = []
        for log in logs:
            stack.push_async_callback(log.close)
            states.append((await log.open()).states)
        rebuilt = Rebuild(latest_epoch(states) + 1, since)
        fresh = [
            dict(fresh_states(old, rebuilt, starts[place]))
            for place, old in zip(starts, states, strict=True)
        ]
        folded = [Folded() for _ in logs]
        if store is not None:
            rules = default_rules(config)
            folded = fold_stored(store, rules, fresh, since, list(starts.values()))
        for place, log, begun, part in zip(starts, logs, fresh, folded, strict=True):
            await _tell(log, part)
            await log.commit((begun | part.states).items(), {place: starts[place]})
    messages = sum(ends.values()) - sum(starts.values())
    events = sum(part.events for part in folded)
    return Rebuilt(rebuilt.epoch, since, sum(map(len, states)), messages, events)


async def _tell(log: StateLog, part: Folded) -> None:
    for incident in part.incidents:
        await log.send(INCIDENTS, encode(incident), key=incident.key_id)
    await log.send_many(SPEND_WINDOWS, ((each.key_id, encode(each)) for each in part.windows))


async def _nobody_works(kafka: Kafka) -> None:
    """Make sure that no detect worker would go on with the old states."""
    workers = await asyncio.to_thread(members_of, kafka, "detect")
    if workers:
        raise RebuildError(f"{workers} detect workers run; stop them first")


async def _offsets(
    kafka: Kafka, at: float
) -> tuple[dict[TopicPartition, int], dict[TopicPartition, int], list[int]]:
    """Where to begin in each partition, where it ends, and those that do not reach back."""
    name = topic_name(kafka, USAGE_EVENTS)
    places = [TopicPartition(name, number) for number in range(kafka.partitions)]
    async with AIOKafkaConsumer(**client_settings(kafka), enable_auto_commit=False) as consumer:
        firsts = await consumer.beginning_offsets(places)
        ends = await consumer.end_offsets(places)
        found = await consumer.offsets_for_times(dict.fromkeys(places, round(at * 1000)))
    starts = {p: ends[p] if found[p] is None else found[p].offset for p in places}
    # also where nothing is left: what was deleted may be of that time
    gone = [place.partition for place in places if 0 < firsts[place] >= starts[place]]
    return starts, ends, gone
