"""A worker that may not join its group ends and says why; one that is told to stop leaves it."""

import asyncio
from contextlib import ExitStack
from typing import Any

import pytest
from kafka.admin import KafkaAdminClient

from pipeline.config import Kafka
from pipeline.workers.connection import group_name
from tests.support.kafka_log import WorkerProcess, eventually

pytestmark = pytest.mark.kafka

LONG_SECONDS = 30.0


def worker(kafka: Kafka) -> WorkerProcess:
    return WorkerProcess("tests.support.counting_stage", kafka.model_dump_json(), "")


def test_a_session_that_the_broker_refuses_is_said(topics: Kafka) -> None:
    kafka = topics.model_copy(update={"session_timeout_seconds": 0.3})
    with worker(kafka) as refused:
        code, said = refused.wait()
    assert code == 1
    assert "kafka.session_timeout_seconds: the broker does not accept 0.3" in said


async def test_who_stops_while_the_group_waits_for_another_leaves_it(topics: Kafka) -> None:
    """The session of a member that died is long: until it is over nobody is given partitions."""
    kafka = topics.model_copy(update={"session_timeout_seconds": LONG_SECONDS})
    with ExitStack() as stack:
        dead, waiting = (stack.enter_context(worker(kafka)) for _ in range(2))
        await eventually(lambda: _is(kafka, "Stable", members=2), dead, waiting)
        dead.kill()
        late = stack.enter_context(worker(kafka))
        await eventually(lambda: _is(kafka, "PreparingRebalance", members=3), waiting, late)
        assert late.stop() == 0
        assert await _is(kafka, "PreparingRebalance", members=2)


async def _is(kafka: Kafka, state: str, *, members: int) -> bool:
    found = await asyncio.to_thread(_describe, kafka)
    return (found["group_state"], len(found["members"])) == (state, members)


def _describe(kafka: Kafka) -> dict[str, Any]:
    admin = KafkaAdminClient(bootstrap_servers=kafka.brokers)
    try:
        group = group_name(kafka, "notify")
        found: dict[str, Any] = admin.describe_groups([group])[group]
        return found
    finally:
        admin.close()
