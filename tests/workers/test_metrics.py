"""What workers count, and where they show it."""

import asyncio
import socket
from collections.abc import Iterable

import pytest
from aiohttp import ClientSession
from aiokafka import ConsumerRecord, TopicPartition

from detectors.baselines.totals import SOURCES_MAX
from pipeline.config import Config, ConfigError
from pipeline.counts import Metrics
from pipeline.engine import PartitionFold
from pipeline.journal import Journal
from pipeline.message import Message
from pipeline.metrics import ROWS, WORKER_METRICS
from pipeline.workers.journals import AckJournal
from pipeline.workers.partition import Partition
from pipeline.workers.role import Record
from pipeline.workers.run import start_role
from pipeline.workers.stages import Tenure
from pipeline.workers.state_log import Committed, Offsets
from schemas.topics import DETECT_STATE, INCIDENTS, Topic
from tests.support.events import START, event, packed, rules
from tests.support.silent_log import SilentLog, State


class KeptLog(SilentLog):
    """Keeps the states of the last commit."""

    def __init__(self, states: Iterable[tuple[str, bytes]] = ()) -> None:
        super().__init__(Config().kafka, "detect", DETECT_STATE, 0)
        self._states = dict(states)

    async def open(self, *reads: TopicPartition) -> Committed:
        del reads
        return Committed(self._states, {})

    async def commit(self, states: Iterable[State], offsets: Offsets) -> None:
        del offsets
        self._states = {key: value for key, value in states if value is not None}


async def _commit_nothing(offsets: Offsets) -> None:
    del offsets


def shown(counts: Metrics) -> dict[str, float]:
    """The values that are not 0."""
    lines = counts.render().decode().splitlines()
    pairs = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    return {name: float(value) for name, value in pairs if float(value)}


async def opened(log: KeptLog, counts: Metrics) -> Partition:
    place = TopicPartition("usage-events", 0)
    partition = Partition(Config(), PartitionFold(rules(), 0, 1), log, place, counts)
    await partition.open(0.0)
    return partition


async def test_detect_counts_events_by_what_became_of_them() -> None:
    log, counts = KeptLog(), Metrics(WORKER_METRICS)
    first = await opened(log, counts)
    events = [event(START + n, event_id=str(n % 4)) for n in range(5)]
    await first.fold(packed([*events, b"no json"], offset=0))
    await first.checkpoint(1.0)
    heir = await opened(log, counts)
    await heir.fold(packed([event(START + 10)], offset=1))
    await heir.checkpoint(2.0)
    found = shown(counts)
    assert found['leakline_events_total{outcome="folded"}'] == 5
    assert found['leakline_events_total{outcome="duplicate"}'] == 1
    assert found['leakline_dead_letters_total{reason="not_json"}'] == 1
    assert found["leakline_checkpoint_seconds_count"] == 2
    assert found["leakline_restored_keys_total"] == 3  # the key, the position, its log


async def test_detect_counts_the_limits_that_keys_stand_at() -> None:
    log, counts = KeptLog(), Metrics(WORKER_METRICS)
    partition = await opened(log, counts)
    crowd = [event(START, event_id=str(n), client_ip=f"203.0.113.{n}") for n in range(SOURCES_MAX)]
    await partition.fold(packed([*crowd, event(START + 300, event_id="later")], offset=0))
    await partition.checkpoint(1.0)
    assert shown(counts)['leakline_limits_met_total{limit="sources"}'] == 1


async def test_a_worker_shows_its_metrics_over_http() -> None:
    counts = Metrics(WORKER_METRICS)
    counts.add(ROWS, "usage_events", by=3)
    port = counts.serve("127.0.0.1", 0)
    async with (
        ClientSession() as session,
        session.get(f"http://127.0.0.1:{port}/metrics") as answer,
    ):
        assert 'leakline_rows_total{table="usage_events"} 3.0' in await answer.text()


def test_a_port_that_is_taken_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        config = Config(metrics_port=port - 1)
        with pytest.raises(ConfigError, match=f"metrics_port: cannot listen on 127.0.0.1:{port}"):
            start_role("sink", config)


class Stuck:
    """A stage that deals with a message when it may go on."""

    reads: tuple[Topic, ...] = (INCIDENTS,)
    first: tuple[Topic, ...] = ()
    acts_on = reads

    def __init__(self) -> None:
        self.go_on = asyncio.Event()

    async def handle(self, message: Message, journal: Journal) -> None:
        del message, journal
        await self.go_on.wait()

    async def tick(self, now: float, journal: Journal) -> None:
        del now, journal


def record(at: float) -> Record:
    return ConsumerRecord("incidents", 0, 0, int(at * 1000), 0, None, b"{}", None, 0, 2, ())


async def test_a_record_ages_as_long_as_a_role_is_stuck_at_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    counts, stage, now = Metrics(WORKER_METRICS), Stuck(), [START + 10]
    monkeypatch.setattr("pipeline.workers.role.time.time", lambda: now[0])
    tenure = Tenure(stage, AckJournal(_commit_nothing), counts)
    place = TopicPartition("incidents", 0)
    handling = asyncio.create_task(tenure.handle("incidents", place, [record(START)]))
    await asyncio.sleep(0)
    ages = []
    for at in (START + 10, START + 600):
        now[0] = at
        await asyncio.sleep(0)
        ages.append(shown(counts)['leakline_record_age_seconds{topic="incidents"}'])
    stage.go_on.set()
    await handling
    now[0] = START + 10_000
    ages.append(shown(counts)['leakline_record_age_seconds{topic="incidents"}'])
    assert ages == [10, 600, 600]  # nothing has come since, so nothing is late
    assert shown(counts)['leakline_records_total{topic="incidents"}'] == 1
