"""When the detect role saves its partitions, on logs that a test holds up."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from functools import partial
from typing import Any

import pytest
from aiokafka import TopicPartition

from pipeline.config import Config, Detection, Kafka
from pipeline.counts import Metrics
from pipeline.metrics import WORKER_METRICS
from pipeline.packing import PACKED
from pipeline.workers import detect
from pipeline.workers.detect import DetectRole
from pipeline.workers.state_log import Offsets
from schemas.partition import partition_of
from schemas.topics import USAGE_EVENTS, Topic
from tests.support.counting_fold import CountingFold
from tests.support.kafka_log import eventually
from tests.support.silent_log import SilentLog, State

PARTITIONS = 2
KEYS = {partition_of(key, PARTITIONS): key for key in ("key-1", "key-2", "key-3", "key-4")}


class HeldLog(SilentLog):
    """A commit waits until it is let through."""

    def __init__(self, kafka: Kafka, role: str, topic: Topic, partition: int) -> None:
        super().__init__(kafka, role, topic, partition)
        self.free = asyncio.Event()
        self.error: Exception | None = None
        self.commits: list[Offsets] = []

    async def commit(self, states: Iterable[State], offsets: Offsets) -> None:
        del states
        self.commits.append(offsets)
        await self.free.wait()
        if self.error is not None:
            raise self.error


class Host:
    """A worker that keeps what its role fails of."""

    def __init__(self) -> None:
        self.errors: list[BaseException] = []

    async def commit_offsets(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Never called: there are transactions."""

    def fail(self, error: BaseException) -> None:
        self.errors.append(error)


class Record:
    """As aiokafka gives them."""

    key: bytes | None = None
    headers = tuple((name, value.encode()) for name, value in PACKED.items())
    timestamp = 0

    def __init__(self, partition: int, offset: int, value: bytes) -> None:
        self.partition, self.offset, self.value = partition, offset, value


class Stand:
    """A role with a partition of each number, and their logs."""

    def __init__(self) -> None:
        kafka = Kafka(partitions=PARTITIONS, checkpoint_seconds=0.01)
        config = Config(kafka=kafka, detection=Detection(dead_letter_share_max=0.5))
        self.role = DetectRole(
            config, partial(CountingFold, partitions=PARTITIONS), Metrics(WORKER_METRICS)
        )
        self.host = Host()
        self._offset = 0

    async def handle(self, number: int) -> None:
        """Hand over an event of a partition."""
        self._offset += 1
        event = b'{"event_id": "%d", "key_id": "%s"}' % (self._offset, KEYS[number].encode())
        record: Any = Record(number, self._offset, event)
        await self.role.handle(TopicPartition(USAGE_EVENTS.name, number), [record])

    def log(self, number: int) -> HeldLog:
        log = self.role._partitions[number]._log
        assert isinstance(log, HeldLog)
        return log

    async def saving(self, number: int) -> None:
        """Wait until a commit of a partition is under way."""

        async def begun() -> bool:
            return bool(self.log(number).commits)

        await eventually(begun)


@pytest.fixture
async def stand(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stand]:
    monkeypatch.setattr(detect, "StateLog", HeldLog)
    stand = Stand()
    await stand.role.start(stand.host)
    yield stand
    if stand.role._timer is not None:
        stand.role._timer.cancel()


async def test_the_others_are_folded_and_saved_while_one_is_saved(stand: Stand) -> None:
    await stand.handle(0)
    await stand.saving(0)
    async with asyncio.timeout(5):
        await stand.handle(1)
        await stand.saving(1)
    assert len(stand.log(0).commits) == 1


async def test_what_is_being_saved_is_not_folded_into(stand: Stand) -> None:
    await stand.handle(0)
    await stand.saving(0)
    fold = asyncio.create_task(stand.handle(0))
    await asyncio.sleep(0.1)
    assert not fold.done()
    stand.log(0).free.set()
    async with asyncio.timeout(5):
        await fold


async def test_an_end_waits_for_what_is_being_saved(stand: Stand) -> None:
    await stand.handle(0)
    await stand.handle(1)
    await stand.saving(0)
    end = asyncio.create_task(stand.role.stop())
    await asyncio.sleep(0.1)
    assert not end.done()
    for number in range(PARTITIONS):
        stand.log(number).free.set()
    async with asyncio.timeout(5):
        await end


async def test_an_end_fails_with_what_is_being_saved(stand: Stand) -> None:
    await stand.handle(0)
    await stand.saving(0)
    log = stand.log(0)
    log.error = OSError("the broker is gone")
    log.free.set()
    with pytest.raises(OSError, match="the broker is gone"):
        await stand.role.stop()


async def test_nothing_is_saved_after_a_checkpoint_that_failed(stand: Stand) -> None:
    """Its states would be missing from the next one."""
    await stand.handle(0)
    await stand.saving(0)
    await asyncio.sleep(0.2)  # it was due again several times meanwhile
    log = stand.log(0)
    log.error = OSError("the broker is gone")
    log.free.set()

    async def failed() -> bool:
        return stand.host.errors == [log.error]

    await eventually(failed)
    await stand.handle(0)
    await stand.role.stop()
    assert len(log.commits) == 1


async def test_nothing_is_saved_after_a_fold_that_failed(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(*_: object) -> None:
        raise RuntimeError("half folded")

    assert stand.role._timer is not None
    stand.role._timer.cancel()
    await stand.handle(0)
    monkeypatch.setattr(CountingFold, "fold", breaks)
    with pytest.raises(RuntimeError, match="half folded"):
        await stand.handle(0)
    log = stand.log(0)
    log.free.set()
    await stand.role.stop()
    assert not log.commits
