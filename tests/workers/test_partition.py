"""A partition that stays with its worker through a rebalance, and one that does not."""

import asyncio
import re
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

import msgspec
import pytest
from aiokafka import TopicPartition

from pipeline.config import Config, Kafka
from pipeline.counts import Metrics
from pipeline.metrics import RESTORED, WORKER_METRICS
from pipeline.workers.detect import DetectRole
from pipeline.workers.producing import EventLog
from pipeline.workers.role import Records
from pipeline.workers.state_log import Offsets, StateLog
from schemas.partition import partition_of
from schemas.topics import DETECT_STATE, USAGE_EVENTS
from tests.support.counting_fold import CountingFold, State
from tests.support.kafka_log import make_anew, read

pytestmark = pytest.mark.kafka

KEY = "key-1"


class Host:
    """The worker of a role that a test drives."""

    def __init__(self, kafka: Kafka) -> None:
        self.counts = Metrics(WORKER_METRICS)
        make = partial(CountingFold, partitions=kafka.partitions)
        patient = kafka.model_copy(update={"checkpoint_seconds": 300.0})
        self.role = DetectRole(Config(kafka=patient), make, self.counts)
        name = kafka.topic_prefix + USAGE_EVENTS.name
        self.place = TopicPartition(name, partition_of(KEY, kafka.partitions))

    async def rebalanced(self, *, ours: bool = True) -> None:
        """What Faust calls: the partition is revoked, and assigned again or not."""
        await self.role.revoked()
        await self.role.assigned({self.place} if ours else set())

    async def handle(self, records: Records) -> None:
        await self.role.handle(self.place, records)

    @property
    def restored(self) -> int:
        line = f"\n{RESTORED.name} "
        return int(float(self.counts.render().decode().partition(line)[2].split()[0]))

    async def commit_offsets(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Never called: there are transactions."""

    def fail(self, error: BaseException) -> None:
        raise error


async def hosts(kafka: Kafka) -> tuple[Host, Host]:
    both = Host(kafka), Host(kafka)
    for each in both:
        await each.role.start(each)
    return both


async def log_of(kafka: Kafka, messages: int) -> list[Any]:
    """As many messages of one event, as a fetch gives them."""
    async with EventLog(kafka) as log:
        for number in range(messages):
            event = b'{"event_id": "%d", "key_id": "%s"}' % (number, KEY.encode())
            await log.send(USAGE_EVENTS, KEY, event)
    return await read(kafka, USAGE_EVENTS)


async def events_in_state(kafka: Kafka) -> int:
    (latest,) = {r.key: r.value for r in await read(kafka, DETECT_STATE, committed=True)}.values()
    return msgspec.msgpack.decode(latest, type=State).events


async def test_what_stays_keeps_its_states(topics: Kafka) -> None:
    records = await log_of(topics, 9)
    one, _ = await hosts(topics)
    await one.handle(records[:5])  # nothing is committed: the whole log comes again
    await one.rebalanced()
    await one.handle(records)
    await one.role.stop()
    assert one.restored == 0
    assert await events_in_state(topics) == 9


async def test_a_state_that_was_lost_is_said(
    topics: Kafka, caplog: pytest.LogCaptureFixture
) -> None:
    records = await log_of(topics, 3)
    one, other = await hosts(topics)
    await one.handle(records[:2])
    await one.role.stop()
    assert not caplog.messages, "nothing was there to be lost"
    await make_anew(topics, DETECT_STATE)
    await other.handle(records[2:])
    await other.role.stop()
    (said,) = caplog.messages
    assert re.search(r"usage-events/\d was read up to 2 .* `leakline rebuild", said)


async def test_what_another_had_meanwhile_is_opened_anew(topics: Kafka) -> None:
    records = await log_of(topics, 9)
    one, other = await hosts(topics)
    await one.handle(records[:5])
    await one.role.revoked()
    await other.handle(records[:7])
    await other.role.stop()
    await one.role.assigned({one.place})
    await one.handle(records[7:])  # committed by the other up to here
    await one.role.stop()
    assert one.restored == 1
    assert await events_in_state(topics) == 9


async def test_what_another_only_opened_is_opened_anew(topics: Kafka) -> None:
    records = await log_of(topics, 9)
    one, other = await hosts(topics)
    await one.handle(records[:5])
    await one.role.revoked()
    await other.handle(records[:7])
    await other.rebalanced(ours=False)
    await one.role.assigned({one.place})
    await one.handle(records)  # the other committed nothing, and may write no more
    await one.role.stop()
    assert one.restored == 0  # there was nothing to restore
    assert await events_in_state(topics) == 9
    await other.role.stop()


async def test_what_sleeps_writes_nothing(topics: Kafka) -> None:
    records = await log_of(topics, 3)
    one, _ = await hosts(topics)
    await one.handle(records)
    await one.role.revoked()
    await one.role.stop()
    assert await read(topics, DETECT_STATE) == []  # a commit may not show at once


async def test_who_is_put_to_sleep_while_waking_sleeps_on(
    topics: Kafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = await log_of(topics, 9)
    one, _ = await hosts(topics)
    await one.handle(records[:5])
    await one.rebalanced()
    committing, answered = asyncio.Event(), asyncio.Event()
    commit = StateLog.commit

    async def slowly(
        log: StateLog, states: Iterable[tuple[str, bytes | None]], offsets: Offsets
    ) -> None:
        committing.set()
        await answered.wait()
        await commit(log, states, offsets)

    monkeypatch.setattr(StateLog, "commit", slowly)
    waking = asyncio.create_task(one.handle(records))
    await committing.wait()
    revoking = asyncio.create_task(one.role.revoked())
    await asyncio.sleep(0)
    answered.set()
    await asyncio.gather(waking, revoking)
    await one.role.stop()
    assert await events_in_state(topics) == 5  # the rest was not ours to fold any more


async def test_what_went_away_is_let_go(topics: Kafka) -> None:
    records = await log_of(topics, 3)
    one, other = await hosts(topics)
    await one.handle(records)
    await one.rebalanced(ours=False)
    await other.handle(records)
    await other.role.stop()
    await one.role.stop()
    assert await events_in_state(topics) == 3
