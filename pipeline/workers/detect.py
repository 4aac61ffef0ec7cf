"""The detect role: usage events in, incidents and window totals out, each exactly once.

A partition is opened when its first record arrives: its state log fences the owner before us
and gives back the states as of the last checkpoint. Whatever fails ends the process, and the next
owner folds again from the last checkpoint, with the same result. In a rebalance only what moves
is opened anew; see `Partition`.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from typing import Final

from aiokafka import TopicPartition

from pipeline.config import Config
from pipeline.counts import Metrics
from pipeline.message import Message
from pipeline.workers.budget import DeadLetterBudget, DeadLetterBudgetExceededError
from pipeline.workers.partition import MOVED_GAP_SECONDS, Fold, Partition
from pipeline.workers.role import (
    Clock,
    Host,
    Record,
    Records,
    count_records,
    show_age,
    to_message,
)
from pipeline.workers.state_log import StateLog
from schemas.topics import DETECT_STATE, USAGE_EVENTS, Topic

GROUP_BYTES_MAX: Final = 4 * 1024 * 1024
"""Of messages that are folded together, mostly all that a fetch brought; then folding makes way
for everything else in the process."""
_OF_CLOCKS: Final = frozenset({"time_in_future"})
"""Reasons that stop nobody: one gateway's clock must not end the detection of every key."""

MakeFold = Callable[[int], Fold]
"""An empty fold of a partition."""


class DetectRole:
    """Folds usage events, one partition at a time."""

    name = "detect"
    topics: Sequence[Topic] = (USAGE_EVENTS,)

    def __init__(
        self,
        config: Config,
        make_fold: MakeFold,
        counts: Metrics,
        now: Clock = time.monotonic,
    ) -> None:
        self._counts = counts
        self._config = config
        self._make_fold = make_fold
        self._now = now
        self._budget = DeadLetterBudget(config.detection.dead_letter_share_max)
        self._partitions: dict[int, Partition] = {}
        self._timer: asyncio.Task[None] | None = None
        self._saving: dict[Partition, asyncio.Task[None]] = {}
        """Checkpoints under way: the other partitions are folded meanwhile."""
        self._failed = False
        """Something was folded or saved by halves: nothing may become durable after it."""

    async def start(self, host: Host) -> None:
        """Begin to look for checkpoints that are due."""
        self._timer = asyncio.create_task(self._keep_checkpoints(host))

    async def assigned(self, partitions: set[TopicPartition]) -> None:
        """Drop what has gone to somebody else; the rest is opened or woken by its next record."""
        await self._drop(self._partitions.keys() - {place.partition for place in partitions})

    async def revoked(self) -> None:
        """Let every partition sleep: it may stay ours."""
        await asyncio.gather(*(each.sleep() for each in self._partitions.values()))

    async def handle(self, place: TopicPartition, records: Records) -> None:
        """Fold records, unless the partition is lost on the way."""
        with show_age(self._counts, USAGE_EVENTS.name, records):
            await self._handle(place, records)

    async def _handle(self, place: TopicPartition, records: Records) -> None:
        partition = await self._ours(place)
        waiting = iter(records)
        while messages := _group(waiting):
            async with partition.lock:
                if partition.closed or partition.asleep:
                    return
                with self._or_nothing():
                    await self._fold(partition, messages)
            await asyncio.sleep(0)
        count_records(self._counts, USAGE_EVENTS.name, records)

    async def _ours(self, place: TopicPartition) -> Partition:
        """The partition of records that came, opened or awake."""
        partition = self._partitions.get(place.partition)
        if partition is not None and partition.asleep:
            async with partition.lock:
                awake = await partition.wake(self._now())
            if not awake:
                await self._drop({place.partition})
                partition = None
        if partition is None:
            partition = self._partitions[place.partition] = self._new(place)
            async with partition.lock:
                await partition.open(self._now())
        return partition

    async def _drop(self, numbers: AbstractSet[int]) -> None:
        gone = [self._partitions.pop(number) for number in numbers if number in self._partitions]
        await asyncio.gather(*(partition.close() for partition in gone))

    async def _fold(self, partition: Partition, messages: Sequence[Message]) -> None:
        effects = await partition.fold(*messages)
        dead = Counter(
            letter.offset for letter in effects.dead_letters if letter.reason not in _OF_CLOCKS
        )
        try:
            for message in messages:
                self._budget.spend(_events(message), dead[message.offset])
        except DeadLetterBudgetExceededError:
            # Or whoever starts us again would end here again, and nobody's key would be judged.
            await partition.checkpoint(self._now())
            raise

    async def stop(self) -> None:
        """Checkpoint and let go of every partition."""
        if self._timer is not None:
            self._timer.cancel()
        await asyncio.gather(*self._saving.values())
        partitions = list(self._partitions.values())
        await asyncio.gather(*(self._checkpoint(partition) for partition in partitions))
        await self._drop(set(self._partitions))

    def _new(self, place: TopicPartition) -> Partition:
        log = StateLog(self._config.kafka, self.name, DETECT_STATE, place.partition)
        return Partition(self._config, self._make_fold(place.partition), log, place, self._counts)

    async def _keep_checkpoints(self, host: Host) -> None:
        try:
            while True:
                await asyncio.sleep(MOVED_GAP_SECONDS / 2)
                self._save()
        except Exception as error:  # noqa: BLE001 - reported, and the process ends
            host.fail(error)

    def _save(self) -> None:
        """Begin the checkpoints that are due, and take note of those that ended."""
        for partition in [each for each, task in self._saving.items() if task.done()]:
            self._saving.pop(partition).result()
        now = self._now()
        for partition in self._partitions.values():
            if partition.due(now) and partition not in self._saving:
                self._saving[partition] = asyncio.create_task(self._checkpoint(partition))

    async def _checkpoint(self, partition: Partition) -> None:
        async with partition.lock:
            if not (partition.closed or partition.asleep or self._failed):
                with self._or_nothing():
                    await partition.checkpoint(self._now())

    @contextmanager
    def _or_nothing(self) -> Iterator[None]:
        """Let nothing become durable any more if a part of something may be missing."""
        try:
            yield
        except BaseException:
            self._failed = True
            raise


def _group(waiting: Iterator[Record]) -> list[Message]:
    """The next messages that are folded together; none when there are no more."""
    messages: list[Message] = []
    size = 0
    while size < GROUP_BYTES_MAX and (record := next(waiting, None)) is not None:
        messages.append(to_message(USAGE_EVENTS.name, record))
        size += len(messages[-1].value)
    return messages


def _events(message: Message) -> int:
    return message.value.count(b"\n") + 1 if message.packed else 1
