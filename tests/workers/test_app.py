from pathlib import Path

import pytest

from pipeline.config import Kafka
from pipeline.workers.app import END_SECONDS_MAX
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


def test_a_worker_gives_up_before_it_is_killed() -> None:
    assert END_SECONDS_MAX < STOP_SECONDS_MAX
