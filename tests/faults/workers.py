"""The real roles over the broker in memory: consumer groups of processes that die and freeze."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiokafka import TopicPartition

from pipeline.config import Kafka
from pipeline.workers.connection import group_name
from pipeline.workers.role import READS_COMMITTED, Role
from pipeline.workers.stages import StageRole
from schemas.topics import Topic
from tests.faults.broker import Place, SimBroker
from tests.faults.clients import PROCESS, Process


class CrashError(BaseException):
    """The process is killed here; nothing in it may catch that."""


@dataclass(eq=False)
class Worker:
    """A process that runs a role: its partitions, and how far it has read each."""

    broker: SimBroker
    group: "Group"
    role: Role
    misfortune: "Misfortune"
    positions: dict[Place, int] = field(default_factory=dict)
    alive: bool = True
    waking: asyncio.Event | None = None
    """Set while it is frozen."""
    work: asyncio.Task[None] | None = None
    """The call that it is frozen in."""

    @property
    def awake(self) -> bool:
        return self.alive and self.waking is None

    async def commit_offsets(self, offsets: dict[TopicPartition, int]) -> None:
        """As a group's coordinator does: from members, for partitions that are theirs."""
        await self._point("ack")
        for place, offset in offsets.items():
            where = (place.topic, place.partition)
            if self in self.group.members and where in self.positions:
                self.broker.offsets[self.group.name, where] = offset
        await self._point("acked")

    def fail(self, error: BaseException) -> None:
        """The role cannot go on."""
        raise error

    async def do(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a call of the role, until it ends or the process freezes in it."""
        PROCESS.set(Process(self.broker, self._point))
        self.work = asyncio.create_task(work)
        await self._until_over_or_frozen()

    async def end(self) -> None:
        """Let the process end in good order, unless it freezes on the way."""
        await self.do(self.role.stop())
        self.alive = self.waking is not None

    async def wake(self) -> None:
        """Let a frozen process go on where it was."""
        if self.waking is not None:
            waking, self.waking = self.waking, None
            waking.set()
            await self._until_over_or_frozen()

    async def _until_over_or_frozen(self) -> None:
        work = self.work
        while work is not None and not work.done() and self.waking is None:
            await asyncio.wait({work}, timeout=0.0005)
        if work is None or not work.done():
            return
        self.work = None
        # whatever a role raises ends its process
        if work.cancelled() or work.exception() is not None:
            self.misfortune.died(work)
            self.alive = False

    async def _point(self, name: str) -> None:
        if not self.alive:
            raise CrashError(name)
        what = self.misfortune.strikes(self, name)
        if what == "kill":
            self.alive = False
            raise CrashError(name)
        if what == "freeze":
            self.waking = asyncio.Event()
            await self.waking.wait()


class Misfortune:
    """Decides what happens to a process at a call; nothing unless told otherwise."""

    def strikes(self, worker: Worker, point: str) -> str | None:
        """`kill`, `freeze` or None."""
        del worker, point
        return None

    def rereads(self, group: "Group") -> int:
        """How many records before what was committed a new owner of a partition begins."""
        del group
        return 0

    def died(self, work: asyncio.Task[None]) -> None:
        """A call of a role ended by raising."""


@dataclass(eq=False)
class Group:
    """A consumer group: workers of one role share the partitions of its topics."""

    broker: SimBroker
    kafka: Kafka
    name: str
    topics: Sequence[Topic]
    make: Callable[[], Role]
    misfortune: Misfortune
    members: list[Worker] = field(default_factory=list)
    frozen: list[Worker] = field(default_factory=list)
    """Workers that lost their partitions and do not know it."""

    @classmethod
    def of(
        cls,
        broker: SimBroker,
        kafka: Kafka,
        make: Callable[[], Role],
        misfortune: Misfortune,
    ) -> "Group":
        """The group of a role."""
        role = make()
        name = group_name(kafka, role.name)
        return cls(broker, kafka, name, role.topics, make, misfortune)

    @property
    def places(self) -> list[Place]:
        return [(t.name, n) for t in self.topics for n in range(self.broker.partitions[t.name])]

    async def rebalance(self, size: int) -> None:
        """Let the dead and the frozen go, start or stop workers, and share the partitions anew."""
        for member in [each for each in self.members if each.awake]:
            await member.do(member.role.revoked())
        self.frozen += [each for each in self.members if each.waking is not None]
        self.members = [each for each in self.members if each.awake][:size]
        while len(self.members) < size:
            worker = Worker(self.broker, self, self.make(), self.misfortune)
            worker.role._host = worker  # type: ignore[attr-defined]  # started, without its timers
            self.members.append(worker)
        for number, member in enumerate(self.members):
            # as the range assignor does: partition 0 of every topic goes to one worker
            mine = [place for place in self.places if place[1] % size == number]
            member.positions = {place: self._start(place) for place in mine}
            await member.do(_take_over(member.role, {TopicPartition(*place) for place in mine}))

    def _start(self, place: Place) -> int:
        committed = self.broker.offsets.get((self.name, place), 0)
        return max(0, committed - self.misfortune.rereads(self))

    async def deliver(self, worker: Worker, place: Place, count: int) -> bool:
        """Hand a worker its next records; whether there were any."""
        start = worker.positions[place]
        committed = worker.role.name in READS_COMMITTED
        found, end = self.broker.read(place, start, count, committed=committed)
        worker.positions[place] = end
        if found:
            await worker.do(worker.role.handle(TopicPartition(*place), found))
        return bool(found) or end > start

    def behind(self) -> bool:
        """Whether there is anything that the group has not acknowledged."""
        committed = any(each.role.name in READS_COMMITTED for each in self.members)
        return any(
            self._unread(place, self.broker.offsets.get((self.name, place), 0), committed=committed)
            for place in self.places
        )

    def _unread(self, place: Place, offset: int, *, committed: bool) -> bool:
        return bool(self.broker.read(place, offset, 1, committed=committed)[0])


async def _take_over(role: Role, places: set[TopicPartition]) -> None:
    await role.assigned(places)
    if isinstance(role, StageRole) and role._tenure is not None:
        await role._tenure  # begun in the background
