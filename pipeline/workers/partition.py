"""A partition of `usage-events` in a worker's hands: its fold, its log, what waits to be saved.

Effects are sent as they come; a checkpoint makes them, the states and the offsets durable in one
transaction. In a rebalance a partition falls asleep with its states. One that stays ours wakes
with its next record, if the broker still takes a commit: it does unless somebody else opened the
partition meanwhile, which takes over the transactional id.
"""

import asyncio
import logging
import time
from collections.abc import Mapping
from typing import Final, Protocol

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from pipeline import metrics
from pipeline.config import Config
from pipeline.counts import Metrics
from pipeline.engine import Checkpoint, Effects
from pipeline.message import Message
from pipeline.packing import PACKED, pack
from pipeline.workers.state_log import StateLog
from schemas.codec import encode
from schemas.topics import MOVED_HEADER, SPEND_WINDOWS, USAGE_EVENTS

log = logging.getLogger(__name__)

MOVED_GAP_SECONDS: Final = 0.1
"""Checkpoints that moved events ask for are at least so far apart: nobody reads beyond an open
transaction in the partitions that they went to."""
INCIDENT_GAP_SECONDS: Final = 1.0
"""The same for incidents. Who pages does not wait for the commit, since a revision that comes
again is the same; more commits would only make a storm of incidents slower."""
MOVED = {**PACKED, MOVED_HEADER: "1"}


class Fold(Protocol):
    """The engine of one partition."""

    def restore(self, key: str, value: bytes) -> None: ...
    def fold(self, *messages: Message) -> Effects: ...
    def checkpoint(self) -> Checkpoint: ...
    @property
    def counts(self) -> Mapping[str, int]:
        """Events so far by what became of them."""

    @property
    def limits(self) -> Mapping[str, int]:
        """How often keys stood at a limit of their states so far, by limit."""


class Partition:
    """The fold of a partition, and the one writer of what comes of it."""

    def __init__(
        self, config: Config, fold: Fold, log: StateLog, place: TopicPartition, counts: Metrics
    ) -> None:
        self._counts = counts
        self._counted: dict[tuple[str, str], int] = {}
        self._fold = fold
        self._log = log
        self._place = place
        self._partitions = config.kafka.partitions
        self._checkpoint_seconds = config.kafka.checkpoint_seconds
        self._next_offset: int | None = None
        self._folded = False
        self._gap_seconds = config.kafka.checkpoint_seconds
        self._checkpoint_at = 0.0
        self.lock = asyncio.Lock()
        self.asleep = False
        """In a rebalance, when nobody knows whose it will be: nothing is folded or written."""
        self.closed = False

    async def open(self, now: float) -> None:
        """Become the only writer of the partition's state, and load it."""
        states = (await self._log.open()).states
        if not states and (read := await self._log.next_offset(self._place)):
            log.warning(
                "%s/%d was read up to %d and there is no state of it: registry, verdicts and what"
                " was learnt are gone; `leakline rebuild --from-store` brings back what it can",
                self._place.topic,
                self._place.partition,
                read,
            )
        for key, value in states.items():
            self._fold.restore(key, value)
        self._counts.add(metrics.RESTORED, by=len(states))
        self._checkpoint_at = now

    async def fold(self, *messages: Message) -> Effects:
        """Fold messages and send what came of them, to count from the next checkpoint on."""
        effects = self._fold.fold(*messages)
        for topic, record, key in effects.records():
            await self._log.send(topic, encode(record), key=key)
        for incident in effects.incidents:
            self._counts.add(metrics.INCIDENTS, incident.severity)
            self._hurry(INCIDENT_GAP_SECONDS)
        for letter in effects.dead_letters:
            self._counts.add(metrics.DEAD_LETTERS, letter.reason)
        if effects.moved:
            for place, lines in pack(effects.moved, self._partitions):
                await self._log.send(USAGE_EVENTS, lines, partition=place, headers=MOVED)
            self._hurry(MOVED_GAP_SECONDS)
        self._next_offset = messages[-1].offset + 1
        self._folded = True
        return effects

    def due(self, now: float) -> bool:
        """Whether it is time for a checkpoint."""
        return self._folded and now - self._checkpoint_at >= self._gap_seconds

    def _hurry(self, gap_seconds: float) -> None:
        self._gap_seconds = min(self._gap_seconds, gap_seconds)

    async def checkpoint(self, now: float) -> None:
        """Make everything folded so far durable."""
        if not self._folded or self._next_offset is None:
            return
        started = time.perf_counter()
        changed = self._fold.checkpoint()
        totals = ((window.key_id, encode(window)) for window in changed.windows)
        await self._log.send_many(SPEND_WINDOWS, totals)
        await self._log.commit(changed.states, {self._place: self._next_offset})
        self._folded = False
        self._gap_seconds = self._checkpoint_seconds
        self._checkpoint_at = now
        self._counts.observe(metrics.CHECKPOINT_SECONDS, value=time.perf_counter() - started)
        self._count_events()

    async def sleep(self) -> None:
        """Hold still as soon as what is under way has ended."""
        self.asleep = True
        async with self.lock:
            pass

    async def wake(self, now: float) -> bool:
        """Go on, and say True, unless somebody else opened the partition since.

        The offsets alone are committed where nothing was folded, to hear the broker's answer.
        """
        if self._next_offset is None:
            return False
        self._folded = True
        self.asleep = False  # before the broker answers: the next rebalance may come meanwhile
        try:
            await self.checkpoint(now)
        except KafkaError:  # fenced, or too late for what was open: as if we had never owned it
            return False
        return True

    def _count_events(self) -> None:
        fold = self._fold
        for metric, found in ((metrics.EVENTS, fold.counts), (metrics.LIMITS, fold.limits)):
            for label, number in found.items():
                before = self._counted.get((metric.name, label), 0)
                self._counts.add(metric, label, by=number - before)
                self._counted[metric.name, label] = number

    async def close(self) -> None:
        """Drop what no checkpoint holds."""
        self.closed = True
        async with self.lock:
            await self._log.close()
