"""The engine on Kafka: kills and two workers leave what an undisturbed fold leaves."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from pydantic import SecretStr

from pipeline.config import Config, Kafka
from pipeline.config import Store as StoreConfig
from pipeline.counts import Metrics
from pipeline.default_rules import default_rules
from pipeline.engine import PartitionFold
from pipeline.journal import Journal
from pipeline.metrics import WORKER_METRICS
from pipeline.simulate import FleetSettings, simulate
from pipeline.sink import SinkStage
from pipeline.store import Store, StoreRefused
from pipeline.workers.compose import STAGES, build_role, plan_stage
from pipeline.workers.producing import EventLog
from pipeline.workers.role import to_message
from schemas.codec import encode
from schemas.topics import DEAD_LETTERS, INCIDENTS, SPEND_WINDOWS, TOPICS, USAGE_EVENTS
from tests.store.records import packed, usage
from tests.support.clickhouse_front import Front
from tests.support.kafka_log import WorkerProcess, bodies, eventually, read

EVENTS_PER_REQUEST = 400
COUNTS = Metrics(WORKER_METRICS)
JOURNAL: Journal = None  # type: ignore[assignment]  # the sink publishes and remembers nothing


def fleet() -> list[tuple[str, bytes]]:
    settings = FleetSettings(keys=16, days=4, seed=5, volume=0.1, attack_rate=0.5)
    return [(event.key_id, encode(event)) for event in simulate(settings).events()]


async def feed(topics: Kafka, events: Sequence[tuple[str, bytes]]) -> None:
    async with EventLog(topics) as log:
        for start in range(0, len(events), EVENTS_PER_REQUEST):
            await log.send_packed(list(events[start : start + EVENTS_PER_REQUEST]))


async def undisturbed(topics: Kafka) -> tuple[list[Any], dict[Any, Any]]:
    """Incidents, and the last totals, of one fold of each partition."""
    rules = default_rules(Config())
    folds = [PartitionFold(rules, n, topics.partitions) for n in range(topics.partitions)]
    incidents = []
    for record in await read(topics, USAGE_EVENTS):
        message = to_message(USAGE_EVENTS.name, record)
        incidents += folds[message.partition].fold(message).incidents
    windows = [window for fold in folds for window in fold.checkpoint().windows]
    return in_order(msgspec.to_builtins(incidents)), last(msgspec.to_builtins(windows))


def in_order(incidents: list[Any]) -> list[Any]:
    return sorted(incidents, key=lambda one: (one["key_id"], one["incident_id"], one["revision"]))


def last(windows: list[Any]) -> dict[Any, Any]:
    totals: dict[Any, Any] = {}
    for window in sorted(windows, key=lambda one: one["version"]):
        totals[window["key_id"], window["granularity"], window["window_start"]] = window
    return totals


def worker(topics: Kafka) -> WorkerProcess:
    return WorkerProcess("tests.support.engine_worker", topics.model_dump_json())


@pytest.mark.kafka
@pytest.mark.timeout(180)
async def test_the_engine_survives_kills_and_rebalances(topics: Kafka) -> None:
    events = fleet()
    third = len(events) // 3
    for topic, part in ((INCIDENTS, events[:third]), (SPEND_WINDOWS, events[third : 2 * third])):
        await feed(topics, part)
        before = len(await read(topics, topic))
        with worker(topics) as victim:

            async def wrote(topic: Any = topic, before: int = before) -> bool:  # noqa: ANN401
                return len(await read(topics, topic)) > before

            await eventually(wrote, victim)
            victim.kill()
    with worker(topics) as one, worker(topics) as other:
        await feed(topics, events[2 * third :])
        incidents, totals = await undisturbed(topics)

        async def complete() -> bool:
            return last(await bodies(topics, SPEND_WINDOWS, committed=True)) == totals

        await eventually(complete, one, other)
        assert one.stop() == 0
        assert other.stop() == 0
    assert incidents, "a test without incidents shows nothing"
    assert in_order(await bodies(topics, INCIDENTS, committed=True)) == incidents
    assert await bodies(topics, DEAD_LETTERS) == []


def test_every_role_reads_what_the_topics_say() -> None:
    config = Config()
    for name in ("detect", *STAGES):
        wanted = {topic.name for topic in TOPICS if name in topic.read_by}
        read_by_role = {topic.name for topic in build_role(name, config, COUNTS).topics}
        assert read_by_role == wanted - {f"{name}-state"}, name


def test_a_stage_that_remembers_reads_topics_of_one_partition() -> None:
    for name in STAGES:
        plan = plan_stage(name, Config(), COUNTS)
        if plan.state is not None:
            assert [topic.name for topic in plan.topics if topic.partitions != 1] == []


def test_only_what_leads_to_no_effect_outside_of_kafka_shares_a_transaction() -> None:
    config, shared = Config(), {}
    for name in STAGES:
        stage = plan_stage(name, config, COUNTS).make()
        shared[name] = {topic.name for topic in stage.reads if topic not in stage.acts_on}
    assert shared == {
        "sink": set(),
        "notify": {"keys"},
        "enforce": {"keys", "verdicts"},
        "reconcile": {"keys", "provider-usage", "gateway-use"},
        "poll": {"provider-usage"},
    }


def test_an_unknown_role_is_refused() -> None:
    with pytest.raises(ValueError, match="typo"):
        build_role("typo", Config(), COUNTS)


async def test_the_sink_is_made_while_the_store_is_away(front: Front, faulty_store: Store) -> None:
    """All roles end with one that cannot start; paging does not need the store."""
    config = Config(store=faulty_store._config)
    port = front.port
    front.refuse()
    stage = plan_stage("sink", config, COUNTS).make()
    assert isinstance(stage, SinkStage)
    await stage.handle(packed([usage(1)]), JOURNAL)
    writing = asyncio.create_task(stage.flush())
    await asyncio.to_thread(front.start, port)
    await writing
    assert faulty_store.query("SELECT count() FROM v_usage_events").rows == [(1,)]


def test_a_password_that_the_store_refuses_is_said_at_once(store_path: Path) -> None:
    front = Front(store_path, password="right")
    front.start()
    try:
        store = StoreConfig(host="127.0.0.1", port=front.port, password=SecretStr("wrong"))
        with pytest.raises(StoreRefused, match="refuses the user"):
            build_role("sink", Config(store=store), COUNTS)
    finally:
        front.stop()
