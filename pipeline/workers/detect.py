"""The detect role: usage events in, incidents and window totals out, each exactly once.

A partition is opened when its first record arrives: its state log fences the owner before us
and gives back the states as of the last checkpoint. Effects are sent as they come; a checkpoint
makes them, the states and the offsets durable in one transaction. Whatever fails ends the
process, and the next owner folds again from the last checkpoint, with the same result.
"""

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, Protocol

import msgspec
from aiokafka import TopicPartition

from pipeline import metrics
from pipeline.config import Config
from pipeline.message import Message
from pipeline.metrics import WORKER_METRICS, Metrics
from pipeline.workers.budget import DeadLetterBudget
from pipeline.workers.producing import PACKED, pack
from pipeline.workers.role import Clock, Host, Record, Records, count_records, to_message
from pipeline.workers.state_log import StateLog
from schemas.dead_letter import DeadLetter
from schemas.gateway_use import UseAnswer
from schemas.incident import Incident
from schemas.spend_window import SpendWindow
from schemas.topics import (
    CONTENT_TYPE_HEADER,
    DEAD_LETTERS,
    DETECT_STATE,
    GATEWAY_USE,
    INCIDENTS,
    MOVED_HEADER,
    NDJSON,
    SPEND_WINDOWS,
    USAGE_EVENTS,
    Topic,
)

MOVED_GAP_SECONDS: Final = 0.1
"""Checkpoints that moved events ask for are at least so far apart: nobody reads beyond an open
transaction in the partitions that they went to."""
INCIDENT_GAP_SECONDS: Final = 1.0
"""The same for incidents. Who pages does not wait for the commit, since a revision that comes
again is the same; more commits would only make a storm of incidents slower."""
TURN_SECONDS: Final = 0.02
"""Folding makes way for everything else in the process this often."""
MOVED = {**PACKED, MOVED_HEADER: "1"}


class Effects(Protocol):
    """What folding a message led to."""

    @property
    def incidents(self) -> Sequence[Incident]: ...
    @property
    def dead_letters(self) -> Sequence[DeadLetter]: ...
    @property
    def moved(self) -> Sequence[tuple[str, bytes]]: ...
    @property
    def answers(self) -> Sequence[UseAnswer]: ...


class Checkpoint(Protocol):
    """What changed since the checkpoint before."""

    @property
    def states(self) -> Sequence[tuple[str, bytes | None]]: ...
    @property
    def windows(self) -> Sequence[SpendWindow]: ...


class Fold(Protocol):
    """The engine of one partition."""

    def restore(self, key: str, value: bytes) -> None: ...
    def fold(self, message: Message) -> Effects: ...
    def checkpoint(self) -> Checkpoint: ...
    @property
    def counts(self) -> Mapping[str, int]:
        """Events so far by what became of them."""


MakeFold = Callable[[int], Fold]
"""An empty fold of a partition."""


class Partition:
    """A partition of `usage-events` in our hands."""

    def __init__(
        self, config: Config, fold: Fold, log: StateLog, place: TopicPartition, counts: Metrics
    ) -> None:
        self._counts = counts
        self._counted: dict[str, int] = {}
        self._fold = fold
        self._log = log
        self._place = place
        self._partitions = config.kafka.partitions
        self._checkpoint_seconds = config.kafka.checkpoint_seconds
        self._next_offset: int | None = None
        self._gap_seconds = config.kafka.checkpoint_seconds
        self._checkpoint_at = 0.0
        self._encode = msgspec.json.Encoder().encode
        self.lock = asyncio.Lock()
        self.closed = False

    async def open(self, now: float) -> None:
        """Become the only writer of the partition's state, and load it."""
        states = await self._log.open()
        for key, value in states:
            self._fold.restore(key, value)
        self._counts.add(metrics.RESTORED, by=len(states))
        self._checkpoint_at = now

    async def fold(self, message: Message) -> Effects:
        """Fold a message and send what came of it, to count from the next checkpoint on."""
        effects = self._fold.fold(message)
        for incident in effects.incidents:
            await self._log.send(INCIDENTS, self._encode(incident), key=incident.key_id)
            self._counts.add(metrics.INCIDENTS, incident.severity)
            self._hurry(INCIDENT_GAP_SECONDS)
        for letter in effects.dead_letters:
            await self._log.send(DEAD_LETTERS, self._encode(letter))
            self._counts.add(metrics.DEAD_LETTERS, letter.reason)
        for answer in effects.answers:
            await self._log.send(GATEWAY_USE, self._encode(answer), key=answer.question_id)
        if effects.moved:
            for place, lines in pack(effects.moved, self._partitions):
                await self._log.send(USAGE_EVENTS, lines, partition=place, headers=MOVED)
            self._hurry(MOVED_GAP_SECONDS)
        self._next_offset = message.offset + 1
        return effects

    def due(self, now: float) -> bool:
        """Whether it is time for a checkpoint."""
        return self._next_offset is not None and now - self._checkpoint_at >= self._gap_seconds

    def _hurry(self, gap_seconds: float) -> None:
        self._gap_seconds = min(self._gap_seconds, gap_seconds)

    async def checkpoint(self, now: float) -> None:
        """Make everything folded so far durable."""
        if self._next_offset is None:
            return
        started = time.perf_counter()
        changed = self._fold.checkpoint()
        totals = ((window.key_id, self._encode(window)) for window in changed.windows)
        await self._log.send_many(SPEND_WINDOWS, totals)
        await self._log.commit(changed.states, {self._place: self._next_offset})
        self._next_offset = None
        self._gap_seconds = self._checkpoint_seconds
        self._checkpoint_at = now
        self._counts.observe(metrics.CHECKPOINT_SECONDS, value=time.perf_counter() - started)
        self._count_events()

    def _count_events(self) -> None:
        for outcome, number in self._fold.counts.items():
            self._counts.add(metrics.EVENTS, outcome, by=number - self._counted.get(outcome, 0))
            self._counted[outcome] = number

    async def close(self) -> None:
        """Drop what no checkpoint holds."""
        self.closed = True
        async with self.lock:
            await self._log.close()


class DetectRole:
    """Folds usage events, one partition at a time."""

    name = "detect"
    topics: Sequence[Topic] = (USAGE_EVENTS,)

    def __init__(
        self,
        config: Config,
        make_fold: MakeFold,
        now: Clock = time.monotonic,
        counts: Metrics | None = None,
    ) -> None:
        self._counts = counts or Metrics(WORKER_METRICS)
        self._config = config
        self._make_fold = make_fold
        self._now = now
        self._budget = DeadLetterBudget(config.detection.dead_letter_share_max)
        self._partitions: dict[int, Partition] = {}
        self._host: Host | None = None
        self._timer: asyncio.Task[None] | None = None
        self._stopping = asyncio.Event()

    async def start(self, host: Host) -> None:
        """Begin to look for checkpoints that are due."""
        self._host = host
        self._timer = asyncio.create_task(self._keep_checkpoints(host))

    async def assigned(self, partitions: set[TopicPartition]) -> None:
        """Nothing: a partition is opened by its first record."""

    async def revoked(self) -> None:
        """Drop every partition."""
        partitions, self._partitions = self._partitions, {}
        await asyncio.gather(*(partition.close() for partition in partitions.values()))

    async def handle(self, place: TopicPartition, records: Records) -> None:
        """Fold records, unless the partition is lost on the way."""
        partition = self._partitions.get(place.partition)
        if partition is None:
            partition = self._partitions[place.partition] = self._new(place)
            async with partition.lock:
                await partition.open(self._now())
        waiting = iter(records)
        while True:
            async with partition.lock:
                if partition.closed:
                    return
                if await self._fold_for_a_turn(partition, waiting):
                    break
            await asyncio.sleep(0)
        count_records(self._counts, USAGE_EVENTS.name, records)

    async def _fold_for_a_turn(self, partition: Partition, waiting: Iterator[Record]) -> bool:
        """Fold records until the turn is over; whether there are no more."""
        turn_ends_at = self._now() + TURN_SECONDS
        for record in waiting:
            message = to_message(USAGE_EVENTS.name, record)
            effects = await partition.fold(message)
            self._budget.spend(_events(message), len(effects.dead_letters))
            now = self._now()
            if partition.due(now):
                await partition.checkpoint(now)
            if now >= turn_ends_at:
                return False
        return True

    async def stop(self) -> None:
        """Checkpoint and let go of every partition."""
        self._stopping.set()
        if self._timer is not None:
            await self._timer
        partitions = list(self._partitions.values())
        await asyncio.gather(*(self._checkpoint(partition) for partition in partitions))
        await self.revoked()

    def _new(self, place: TopicPartition) -> Partition:
        if self._host is None:
            raise RuntimeError("the role was not started")
        log = StateLog(
            self._config.kafka, self.name, DETECT_STATE, place.partition, self._host.commit_offsets
        )
        return Partition(self._config, self._make_fold(place.partition), log, place, self._counts)

    async def _keep_checkpoints(self, host: Host) -> None:
        try:
            while not self._stopping.is_set():
                await asyncio.sleep(MOVED_GAP_SECONDS / 2)
                now = self._now()
                due = [part for part in self._partitions.values() if part.due(now)]
                await asyncio.gather(*(self._checkpoint(partition) for partition in due))
        except Exception as error:  # noqa: BLE001 - reported, and the process ends
            host.fail(error)

    async def _checkpoint(self, partition: Partition) -> None:
        async with partition.lock:
            if not partition.closed:
                await partition.checkpoint(self._now())


def _events(message: Message) -> int:
    packed = message.headers.get(CONTENT_TYPE_HEADER) == NDJSON
    return message.value.count(b"\n") + 1 if packed else 1
