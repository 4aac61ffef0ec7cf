"""Stages on a real broker: nothing lost or doubled by a crash, and one active worker."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from pipeline.config import Kafka
from pipeline.counts import Metrics
from pipeline.journal import Journal
from pipeline.message import Message
from pipeline.metrics import WORKER_METRICS
from pipeline.workers.connection import client_settings, group_name
from pipeline.workers.journals import AckJournal, StateJournal
from pipeline.workers.producing import EventLog
from pipeline.workers.stages import MissingTopicError, StagePlan, StageRole, Tenure
from pipeline.workers.state_log import Committed, Offsets
from pipeline.workers.unread import Hand
from schemas.topics import ACTIONS, INCIDENTS, KEYS, NOTIFY_STATE, VERDICTS, Topic
from tests.support.counting_stage import CRASHES, READS, CountingStage
from tests.support.kafka_log import WorkerProcess, bodies, eventually, read


async def send(topics: Kafka, per_topic: int) -> None:
    async with EventLog(topics) as log:
        sends = [log.send(topic, None, b"{}") for _ in range(per_topic) for topic in READS]
        await asyncio.gather(*sends)


def worker(topics: Kafka, crash: str = "", module: str = "counting_stage") -> WorkerProcess:
    return WorkerProcess(f"tests.support.{module}", topics.model_dump_json(), crash)


async def numbered(topics: Kafka, total: int, *workers: WorkerProcess) -> list[dict[str, Any]]:
    async def all_there() -> bool:
        return len(await bodies(topics, ACTIONS, committed=True)) >= total

    await eventually(all_there, *workers)
    return await bodies(topics, ACTIONS, committed=True)


async def is_joined_by(topics: Kafka, count: int) -> bool:
    """Whether so many workers have joined, and know what is theirs."""
    admin = AIOKafkaAdminClient(**client_settings(topics))
    await admin.start()
    try:
        (answer,) = await admin.describe_consumer_groups([group_name(topics, "notify")])
    finally:
        await admin.close()
    state, joined = answer.groups[0][2], answer.groups[0][5]
    return state == "Stable" and len(joined) == count


@pytest.mark.kafka
@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    ("module", "crashes"),
    [("counting_stage", CRASHES), ("sharing_stage", ("published", "handled"))],
)
async def test_crashes_between_commit_points_lose_and_double_nothing(
    topics: Kafka, module: str, crashes: Sequence[str]
) -> None:
    for crash in crashes:
        await send(topics, 3)
        with worker(topics, crash, module) as victim:
            assert victim.wait()[0] == 9
    total = 3 * len(crashes) * len(READS)
    with worker(topics, module=module) as last:
        actions = await numbered(topics, total, last)
        assert last.stop() == 0
    assert [action["number"] for action in actions] == list(range(1, total + 1))
    assert len({action["place"] for action in actions}) == total


@pytest.mark.kafka
@pytest.mark.timeout(120)
async def test_one_worker_is_active_and_the_other_takes_over(topics: Kafka) -> None:
    with worker(topics) as one, worker(topics) as other:
        await send(topics, 2)
        first = await numbered(topics, 2 * len(READS), one, other)
        # whoever is active after both have joined: a batch is never shared
        await eventually(lambda: is_joined_by(topics, 2), one, other)
        await send(topics, 3)
        second = await numbered(topics, 5 * len(READS), one, other)
        active = {action["by"] for action in second[len(first) :]}
        assert len(active) == 1
        workers = {one.pid: one, other.pid: other}
        workers.pop(active.pop()).stop()
        (heir,) = workers.values()
        await send(topics, 1)
        third = await numbered(topics, 6 * len(READS), heir)
        assert heir.stop() == 0
    assert {action["by"] for action in third[len(second) :]} == {heir.pid}
    assert [action["number"] for action in third] == list(range(1, 6 * len(READS) + 1))


@pytest.mark.kafka
@pytest.mark.timeout(120)
async def test_who_stood_by_reads_nothing_before_it_knows_where_to_go_on(topics: Kafka) -> None:
    """A broker that is slow to say so must not have messages come twice, or not at all."""
    slow = "slow_seeking_worker"
    with worker(topics, module=slow) as one, worker(topics, module=slow) as other:
        await send(topics, 1)
        await numbered(topics, len(READS), one, other)
        await eventually(lambda: is_joined_by(topics, 2), one, other)
        await send(topics, 1)
        active = (await numbered(topics, 2 * len(READS), one, other))[-1]["by"]
        victim, heir = (one, other) if active == one.pid else (other, one)
        victim.kill()
        await send(topics, 2)
        await numbered(topics, 4 * len(READS), heir)
        await send(topics, 1)
        actions = await numbered(topics, 5 * len(READS), heir)
    assert {action["by"] for action in actions[2 * len(READS) :]} == {heir.pid}
    assert [action["number"] for action in actions] == list(range(1, 5 * len(READS) + 1))
    assert len({action["place"] for action in actions}) == len(actions)


class Host:
    """The worker of a role that a test drives."""

    async def commit_offsets(self, offsets: Offsets) -> None:
        raise AssertionError(f"{offsets} belong into the transaction")

    def fail(self, error: BaseException) -> None:
        raise error


@pytest.mark.kafka
async def test_what_was_committed_is_not_handled_again(topics: Kafka) -> None:
    """Whatever a consumer reads again, of the same tenure or of one before."""
    await send(topics, 3)
    records = await read(topics, INCIDENTS)
    place = TopicPartition(topics.topic_prefix + INCIDENTS.name, 0)
    role = StageRole(
        topics, StagePlan("notify", READS, NOTIFY_STATE, CountingStage), Metrics(WORKER_METRICS)
    )
    await role.start(Host())
    await role.handle(place, records[:1])
    await role.handle(place, records[:2])
    await role.revoked()
    await role.handle(place, records)
    await role.stop()
    actions = await bodies(topics, ACTIONS, committed=True)
    assert [action["number"] for action in actions] == [1, 2, 3]


async def test_a_stage_that_remembers_needs_all_its_topics() -> None:
    plan = StagePlan("notify", READS, NOTIFY_STATE, CountingStage)
    role = StageRole(Kafka(), plan, Metrics(WORKER_METRICS))
    with pytest.raises(MissingTopicError, match="verdicts"):
        await role.assigned({TopicPartition("incidents", 0), TopicPartition("slack-clicks", 0)})
    await role.assigned(set())  # standing by is no mistake


class Log:
    """A state log that remembers with which offsets it was told to commit."""

    def __init__(self, *written: int) -> None:
        self.commits: list[dict[str, int]] = []
        self._written = written

    async def commit(self, states: Iterable[tuple[str, bytes | None]], offsets: Offsets) -> None:
        del states
        self.commits.append({place.topic: offset for place, offset in offsets.items()})

    async def read_on(self, starts: Offsets, hand: Hand) -> bool:
        for place in starts:
            for offset in self._written:
                await hand(place, Record(offset))
        return True

    async def close(self) -> None:
        """Nothing is held open."""

    def place(self, topic: Topic) -> TopicPartition:
        return TopicPartition(topic.name, 0)


class Remembering:
    """A stage that acts on incidents, and remembers what else comes."""

    reads: tuple[Topic, ...] = (INCIDENTS, VERDICTS, KEYS)
    acts_on: tuple[Topic, ...] = (INCIDENTS,)

    def __init__(self, *first: Topic) -> None:
        self.first = first
        self.asked, self.go_on = asyncio.Event(), asyncio.Event()
        self.go_on.set()

    async def handle(self, message: Message, journal: Journal) -> None:
        self.asked.set()
        await self.go_on.wait()
        journal.put(f"{message.topic}-{message.offset}", b"seen")

    async def tick(self, now: float, journal: Journal) -> None:
        del now, journal


def remembering(log: Log, stage: Remembering, anew: Offsets) -> Tenure:
    journal = StateJournal(log, Committed({}, {}), anew)  # type: ignore[arg-type]  # as much as is used
    return Tenure(stage, journal, Metrics(WORKER_METRICS))


async def test_a_message_that_makes_a_stage_act_is_committed_before_the_next() -> None:
    log = Log()
    tenure = remembering(log, Remembering(), {})
    await hand(tenure, 0, 1, 2)
    assert log.commits == [{"incidents": 1}, {"incidents": 2}, {"incidents": 3}]


async def test_messages_that_are_only_remembered_share_a_transaction() -> None:
    log = Log()
    tenure = remembering(log, Remembering(), {})
    records = [Record(offset) for offset in range(3)]
    await tenure.handle("keys", TopicPartition("keys", 0), records)
    assert log.commits == [{"keys": 3}]


async def test_an_orderly_end_makes_durable_what_was_handled_of_a_fetch() -> None:
    log, stage = Log(), Remembering()
    stage.go_on.clear()
    tenure = remembering(log, stage, {})
    records = [Record(offset) for offset in range(9)]
    handling = asyncio.create_task(tenure.handle("keys", TopicPartition("keys", 0), records))
    await stage.asked.wait()
    ending = asyncio.create_task(tenure.end(in_order=True))
    await asyncio.sleep(0)
    stage.go_on.set()
    await asyncio.gather(handling, ending)
    assert log.commits == [{"keys": 1}]


async def test_what_is_heard_first_takes_several_transactions_when_it_takes_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And the first of them says from where on the other topic is heard anew."""
    monkeypatch.setattr("pipeline.workers.stages.TICK_SECONDS", 0.0)
    log, stage = Log(0, 1, 2), Remembering(KEYS, VERDICTS)
    anew = {log.place(topic): 0 for topic in stage.first}
    await remembering(log, stage, anew).tick(0.0)
    assert log.commits[:2] == [{"keys": 0, "verdicts": 0}, {"keys": 1}]
    assert log.commits[-1] == {"verdicts": 3}


class Buffer:
    """A stage whose messages are safe after a flush."""

    reads: tuple[Topic, ...] = (INCIDENTS,)
    first: tuple[Topic, ...] = ()
    acts_on = reads

    def __init__(self) -> None:
        self.pending = 0
        self.stuck = False

    async def handle(self, message: Message, journal: Journal) -> None:
        del journal
        if self.stuck:
            await asyncio.Event().wait()
        self.pending += 1
        if message.offset % 4 == 3:
            await self.flush()

    async def tick(self, now: float, journal: Journal) -> None:
        del now, journal
        await self.flush()

    async def flush(self) -> None:
        self.pending = 0


class Record:
    """What the role reads of a consumer's record."""

    partition = 0
    timestamp = 0
    key = None
    value = b"{}"
    headers = ()

    def __init__(self, offset: int) -> None:
        self.offset = offset


PLACE = TopicPartition("incidents", 0)


@pytest.fixture
def committed() -> list[int]:
    return []


@pytest.fixture
def tenure(committed: list[int]) -> Tenure:
    async def commit(offsets: Offsets) -> None:
        committed.append(offsets[PLACE])

    return Tenure(Buffer(), AckJournal(commit), Metrics(WORKER_METRICS))


async def hand(tenure: Tenure, *offsets: int) -> None:
    await tenure.handle("incidents", PLACE, [Record(offset) for offset in offsets])


async def test_positions_wait_for_the_buffer(tenure: Tenure, committed: list[int]) -> None:
    await hand(tenure, 0, 1, 2)
    assert committed == []
    await hand(tenure, 3)
    assert committed == [4]
    await hand(tenure, 4)
    await tenure.tick(0.0)
    assert committed == [4, 5]


async def test_an_orderly_end_flushes(tenure: Tenure, committed: list[int]) -> None:
    await hand(tenure, 0, 1)
    await tenure.end(in_order=True)
    assert committed == [2]


async def test_a_lost_partition_commits_nothing(tenure: Tenure, committed: list[int]) -> None:
    await hand(tenure, 0, 1)
    await tenure.end(in_order=False)
    await hand(tenure, 2, 3)
    await tenure.tick(0.0)
    assert committed == []


async def test_a_stuck_call_does_not_hold_up_a_rebalance(
    tenure: Tenure, committed: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.workers.stages.END_SECONDS_MAX", 0.05)
    tenure._stage.stuck = True  # type: ignore[attr-defined]  # the fixture's stage is a Buffer
    stuck = asyncio.create_task(hand(tenure, 0))
    await asyncio.sleep(0)
    await tenure.end(in_order=False)
    await stuck
    assert committed == []
