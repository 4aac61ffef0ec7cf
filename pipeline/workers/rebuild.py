"""Folding the log anew: the states of every partition are replaced, and its offsets put back.

What follows is ordinary work of the detect workers: they read the log again from there, with
states that are fresh and totals whose versions are above the earlier ones.
"""

import asyncio
import time
from collections.abc import Iterable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from msgspec.structs import replace

from pipeline.config import Config, Kafka
from pipeline.default_rules import default_rules
from pipeline.engine.bookkeeping import Rebuild
from pipeline.engine.rebuilding import fresh_states, latest_epoch, with_position
from pipeline.store import Store
from pipeline.workers.connection import answering, client_settings, topic_name
from pipeline.workers.from_store import Folded, Start, fold_stored, stored_epoch
from pipeline.workers.state_log import StateLog
from pipeline.workers.told import told_so_far
from pipeline.workers.topics_admin import members_of
from schemas.codec import encode
from schemas.key_record import KeyRecord
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
        RebuildError: detect workers run, or the log does not reach back or the states are lost and
            there is no store.
        StoreError: the store does not answer; run it again.
        ConfigError: the key registry cannot be read.
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
        states: list[dict[str, bytes]] = []
        read: list[int] = []
        for log in logs:
            stack.push_async_callback(log.close)
            committed = await log.open(log.place(USAGE_EVENTS))
            states.append(committed.states)
            read += committed.next_offsets.values()
        if any(read) and not any(states) and store is None:
            raise RebuildError(
                "detect-state was lost, and without it only the store tells which totals are the"
                " latest: --from-store"
            )
        epoch = 1 + max(latest_epoch(states), 0 if store is None else stored_epoch(store))
        told = await told_so_far(config)
        before = map(with_position, states, read)
        fresh = _fresh(Rebuild(epoch, since), before, starts.values(), told)
        folded = [Folded() for _ in logs]
        if store is not None:
            rules = default_rules(config)
            folded = fold_stored(store, rules, fresh, since, list(starts.values()))
        for place, log, begun, part in zip(starts, logs, fresh, folded, strict=True):
            await _tell(log, part)
            await log.commit((begun | part.states).items(), {place: starts[place].offset})
    messages = sum(ends.values()) - sum(start.offset for start in starts.values())
    events = sum(part.events for part in folded)
    return Rebuilt(epoch, since, sum(map(len, states)), messages, events)


def _fresh(
    rebuild: Rebuild,
    states: Iterable[Mapping[str, bytes]],
    starts: Iterable[Start],
    told: Mapping[int, list[KeyRecord]],
) -> list[dict[str, bytes | None]]:
    """What replaces the states of each partition."""
    return [
        dict(fresh_states(old, _begun(rebuild, start), start.offset, told[number]))
        for number, (old, start) in enumerate(zip(states, starts, strict=True))
    ]


def _begun(rebuild: Rebuild, start: Start) -> Rebuild:
    """The rebuild of a partition: what lies before its start is of an earlier millisecond."""
    return replace(rebuild, read_at=start.at - 0.001)


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
) -> tuple[dict[TopicPartition, Start], dict[TopicPartition, int], list[int]]:
    """Where to begin in each partition, where it ends, and those that do not reach back."""
    name = topic_name(kafka, USAGE_EVENTS)
    places = [TopicPartition(name, number) for number in range(kafka.partitions)]
    async with AIOKafkaConsumer(**client_settings(kafka), enable_auto_commit=False) as consumer:
        firsts = await consumer.beginning_offsets(places)
        ends = await consumer.end_offsets(places)
        found = await consumer.offsets_for_times(dict.fromkeys(places, round(at * 1000)))
    starts = {
        place: Start(ends[place], time.time())
        if (first := found[place]) is None
        else Start(first.offset, first.timestamp / 1000.0)
        for place in places
    }
    # also where nothing is left: what was deleted may be of that time
    gone = [place.partition for place in places if 0 < firsts[place] >= starts[place].offset]
    return starts, ends, gone
