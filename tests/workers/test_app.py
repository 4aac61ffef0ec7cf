import asyncio
import os
import socket
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import cast
from unittest.mock import AsyncMock

import pytest
from faust.types import TP

from pipeline.config import Kafka
from pipeline.workers import app
from pipeline.workers.app import END_SECONDS_MAX
from pipeline.workers.faust_app import CommittingConsumer
from pipeline.workers.role import Role
from pipeline.workers.run import STOP_SECONDS_MAX
from tests.support.kafka_log import WorkerProcess, eventually


@pytest.mark.kafka
async def test_a_worker_that_cannot_stop_in_order_ends_all_the_same(
    topics: Kafka, tmp_path: Path
) -> None:
    """A store or a broker that never answers must not hold the process."""
    ready = tmp_path / "ready"
    settings = topics.model_dump_json()
    with WorkerProcess("tests.support.hanging_worker", settings, str(ready)) as worker:

        async def started() -> bool:
            return ready.exists()

        await eventually(started, worker)
        assert worker.stop(seconds_max=3 * END_SECONDS_MAX) == 1
        assert "did not end" in worker.wait()[1]


def test_who_gives_up_says_so_in_the_log(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    over = threading.Event()
    monkeypatch.setattr(os, "_exit", lambda _: over.set())
    monkeypatch.setattr(app, "END_SECONDS_MAX", 0.0)
    app._end_at_the_latest()
    assert over.wait(10)
    assert "ERROR" in caplog.text
    assert "did not end" in caplog.text


async def test_a_worker_whose_parent_is_gone_is_told_to_stop_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The parent's sentinel stays readable: who goes on looking at it never rests again."""
    ours, theirs = socket.socketpair()
    told: list[str] = []

    class Working:
        def __init__(self, kafka: Kafka, role: Role) -> None:
            del kafka, role
            self._over = asyncio.Event()

        async def run(self) -> None:
            theirs.close()
            await self._over.wait()
            for _ in range(10):
                await asyncio.sleep(0)

        def stop(self) -> None:
            told.append("stop")
            self._over.set()

    monkeypatch.setattr(app, "Worker", Working)
    monkeypatch.setattr(app, "parent_process", lambda: SimpleNamespace(sentinel=ours.fileno()))
    monkeypatch.setattr(app, "_end_at_the_latest", lambda: told.append("deadline"))
    with ours:
        await app._run(Kafka(), cast("Role", SimpleNamespace(name="idle")))
    assert told == ["stop", "deadline"]


@pytest.mark.parametrize("change", ["assigned", "revoked"])
async def test_a_worker_ends_when_its_role_cannot_take_or_leave_partitions(change: str) -> None:
    """Faust would go on, and read what nobody keeps."""
    error = ConnectionError("the store log is away")
    role = SimpleNamespace(name="detect", topics=[], **{change: AsyncMock(side_effect=error)})
    worker = app.Worker(Kafka(), cast("Role", role))
    await (worker._assigned(None, set()) if change == "assigned" else worker._revoked())
    assert worker._over.is_set()
    assert worker._error is error
    worker.fail(RuntimeError("what follows from it"))
    assert worker._error is error, "what went wrong first is said"


async def test_who_seeks_goes_back_to_the_beginning_where_nothing_was_committed() -> None:
    """Faust's own seek stays where it is then: records that it dropped would be lost."""
    read, unread = TP("topic", 0), TP("topic", 1)
    consumer = CommittingConsumer.__new__(CommittingConsumer)
    consumer._active_partitions, consumer._read_offset = {read, unread}, {}
    consumer._committed_offset = {}
    consumer._thread = thread = AsyncMock()
    thread.seek_to_committed.return_value = {read: 7, unread: None}
    await consumer.perform_seek()
    thread.seek_wait.assert_awaited_once_with({unread: 0})


def test_a_worker_gives_up_before_it_is_killed() -> None:
    assert END_SECONDS_MAX < STOP_SECONDS_MAX
