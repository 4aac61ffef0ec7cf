"""The roles that are stages: notify and enforce, which remember, and sink, which only stores.

A stage that remembers reads topics of one partition each. The range assignor gives them all to
the same worker of the group; the others stand by. What the stage publishes and remembers becomes
durable with the position of the message, in one transaction. A stage without a memory commits
by itself when what it was given is safe elsewhere; only then do the positions move.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import msgspec
from aiokafka import TopicPartition
from msgspec import Struct

from pipeline.config import Kafka
from pipeline.journal import Stage
from pipeline.workers.connection import topic_name
from pipeline.workers.role import Clock, Host, Records, to_message
from pipeline.workers.state_log import CommitOffsets, StateLog
from schemas.topics import Topic

TICK_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class StagePlan:
    """A stage, and what it needs of Kafka."""

    name: str
    topics: Sequence[Topic]
    """What it reads."""
    state: Topic | None
    """Where it remembers; None: it does not."""
    make: Callable[[], Stage]
    """A stage that has seen nothing yet."""


class MissingTopicError(Exception):
    """A worker owns some of its stage's topics, but not all."""


class StateJournal:
    """The journal of a stage that remembers: a transaction at each commit."""

    def __init__(self, log: StateLog, states: dict[str, bytes]) -> None:
        self._log = log
        self._states = states
        self._changed: dict[str, bytes | None] = {}
        self._offsets: dict[TopicPartition, int] = {}
        self._published = False

    @property
    def dirty(self) -> bool:
        """Whether something was published or remembered since the last commit."""
        return self._published or bool(self._changed)

    async def publish(
        self,
        topic: Topic,
        value: Struct | bytes,
        *,
        key: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Send a record in the open transaction."""
        self._published = True
        await self._log.send(topic, _body(value), key=key, headers=headers)

    def get(self, key: str) -> bytes | None:
        """What is remembered under a key."""
        return self._states.get(key)

    def put(self, key: str, value: bytes | None) -> None:
        """Remember, or forget (None)."""
        self._changed[key] = value
        if value is None:
            self._states.pop(key, None)
        else:
            self._states[key] = value

    def keys(self) -> list[str]:
        """Every key under which something is remembered."""
        return list(self._states)

    def handled(self, place: TopicPartition, offset: int) -> None:
        """Let the next commit carry the position after a message."""
        self._offsets[place] = offset + 1

    async def commit(self) -> None:
        """End the transaction, if there is anything in it."""
        if not (self.dirty or self._offsets):
            return
        changed, self._changed = self._changed, {}
        offsets, self._offsets = self._offsets, {}
        self._published = False
        await self._log.commit(changed.items(), offsets)

    async def close(self) -> None:
        """Drop what was not committed."""
        await self._log.close()


def _body(value: Struct | bytes) -> bytes:
    return value if isinstance(value, bytes) else msgspec.json.encode(value)


class AckJournal:
    """The journal of a stage without a memory: a commit moves the positions.

    A message counts once the stage has returned from handling it.
    """

    dirty = False
    """Never: the runner leaves commits to the stage."""

    def __init__(self, commit_offsets: CommitOffsets) -> None:
        self._commit_offsets = commit_offsets
        self._offsets: dict[TopicPartition, int] = {}

    async def publish(
        self,
        topic: Topic,
        value: Struct | bytes,
        *,
        key: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Refused: nothing would make it durable together with the positions."""
        raise NotImplementedError(f"a stage without a state topic cannot write to {topic.name}")

    def get(self, key: str) -> bytes | None:
        """Nothing."""
        del key

    def put(self, key: str, value: bytes | None) -> None:
        """Refused: there is nowhere to keep it."""
        raise NotImplementedError(f"a stage without a state topic cannot remember {key}")

    def keys(self) -> list[str]:
        """Nothing."""
        return []

    def handled(self, place: TopicPartition, offset: int) -> None:
        """Let the next commit carry the position after a message."""
        self._offsets[place] = offset + 1

    async def commit(self) -> None:
        """Commit the positions of the messages that the stage has handled."""
        offsets, self._offsets = self._offsets, {}
        if offsets:
            await self._commit_offsets(offsets)

    async def close(self) -> None:
        """Forget the positions: the messages come again, here or elsewhere."""
        self._offsets = {}


@runtime_checkable
class Closing(Protocol):
    """A stage that holds connections."""

    async def close(self) -> None:
        """Let go of them."""


class Tenure:
    """The time in which the partitions of a stage are ours.

    Each has a stage of its own: what an earlier one had in memory is out of date.
    """

    def __init__(self, stage: Stage, journal: StateJournal | AckJournal) -> None:
        self.stage = stage
        self.journal = journal
        self.lock = asyncio.Lock()
        self.over = False

    async def end(self) -> None:
        """Let go; an ongoing call of the stage is waited for."""
        self.over = True
        async with self.lock:
            await self.journal.close()
            if isinstance(self.stage, Closing):
                await self.stage.close()


class StageRole:
    """Runs a stage on its topics."""

    def __init__(
        self,
        kafka: Kafka,
        plan: StagePlan,
        now: Clock = time.time,
    ) -> None:
        self.name = plan.name
        self.topics = plan.topics
        self._kafka = kafka
        self._plan = plan
        self._now = now
        self._by_name = {topic_name(kafka, topic): topic.name for topic in plan.topics}
        self._tenure: asyncio.Task[Tenure] | None = None
        self._host: Host | None = None
        self._ticker: asyncio.Task[None] | None = None
        self._stopping = asyncio.Event()

    async def start(self, host: Host) -> None:
        """Begin to tick."""
        self._host = host
        self._ticker = asyncio.create_task(self._keep_ticking(host))

    async def assigned(self, partitions: set[TopicPartition]) -> None:
        """Take over, if the partitions are ours; a stage that remembers needs all its topics.

        Raises:
            MissingTopicError: some are ours and some are not.
        """
        if not partitions:
            return
        if self._plan.state is not None:
            absent = {TopicPartition(name, 0) for name in self._by_name} - partitions
            if absent:
                names = ", ".join(sorted(place.topic for place in absent))
                raise MissingTopicError(f"{self.name} was not given all of its topics: {names}")
        self._take_over()

    async def revoked(self) -> None:
        """Drop everything that was not committed."""
        beginning, self._tenure = self._tenure, None
        if beginning is not None:
            await (await beginning).end()

    async def handle(self, place: TopicPartition, records: Records) -> None:
        """Hand messages to the stage; what it did for one is committed before the next."""
        tenure = await self._take_over()
        topic, journal = self._by_name[place.topic], tenure.journal
        for record in records:
            async with tenure.lock:
                if tenure.over:
                    return
                await tenure.stage.handle(to_message(topic, record), journal)
                journal.handled(place, record.offset)
                if journal.dirty:
                    await journal.commit()
        async with tenure.lock:
            if isinstance(journal, StateJournal) and not tenure.over:
                await journal.commit()

    async def stop(self) -> None:
        """One more tick, so that the stage can make durable what it holds; then let go."""
        self._stopping.set()
        if self._ticker is not None:
            await self._ticker
        await self._tick()
        await self.revoked()

    def _take_over(self) -> asyncio.Task[Tenure]:
        if self._tenure is None:
            self._tenure = asyncio.create_task(self._begin())
        return self._tenure

    async def _begin(self) -> Tenure:
        if self._host is None:
            raise RuntimeError("the role was not started")
        commit = self._host.commit_offsets
        if self._plan.state is None:
            return Tenure(self._plan.make(), AckJournal(commit))
        log = StateLog(self._kafka, self.name, self._plan.state, 0, commit)
        states = dict(await log.open())
        return Tenure(self._plan.make(), StateJournal(log, states))

    async def _keep_ticking(self, host: Host) -> None:
        try:
            while not self._stopping.is_set():
                await self._tick()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._stopping.wait(), TICK_SECONDS)
        except Exception as error:  # noqa: BLE001 - reported, and the process ends
            host.fail(error)

    async def _tick(self) -> None:
        if self._tenure is None:
            return
        tenure = await self._tenure
        async with tenure.lock:
            if tenure.over:
                return
            await tenure.stage.tick(self._now(), tenure.journal)
            if tenure.journal.dirty:
                await tenure.journal.commit()
