from pathlib import Path
from unittest.mock import AsyncMock

import pytest
from faust.types import TP

from pipeline.config import Kafka
from pipeline.workers.app import END_SECONDS_MAX, _Consumer
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


async def test_who_seeks_goes_back_to_the_beginning_where_nothing_was_committed() -> None:
    """Faust's own seek stays where it is then: records that it dropped would be lost."""
    read, unread = TP("topic", 0), TP("topic", 1)
    consumer = _Consumer.__new__(_Consumer)
    consumer._active_partitions, consumer._read_offset = {read, unread}, {}
    consumer._committed_offset = {}
    consumer._thread = thread = AsyncMock()
    thread.seek_to_committed.return_value = {read: 7, unread: None}
    await consumer.perform_seek()
    thread.seek_wait.assert_awaited_once_with({unread: 0})


def test_a_worker_gives_up_before_it_is_killed() -> None:
    assert END_SECONDS_MAX < STOP_SECONDS_MAX
