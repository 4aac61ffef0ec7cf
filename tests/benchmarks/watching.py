"""What worker processes do with a log: when they are through with it, and what it took them."""

import asyncio
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition

from pipeline.config import Kafka
from pipeline.workers.connection import client_settings, group_name, topic_name
from schemas.topics import USAGE_EVENTS
from tests.support.kafka_log import WorkerProcess

SECONDS_MAX: Final = 300.0
LOOK_SECONDS: Final = 0.2


async def folded(kafka: Kafka, workers: Sequence[WorkerProcess]) -> list[int]:
    """Wait until the group has committed everything; the largest worker's megabytes meanwhile."""
    name, sizes = topic_name(kafka, USAGE_EVENTS), list[int]()
    places = [TopicPartition(name, number) for number in range(kafka.partitions)]
    async with AIOKafkaConsumer(
        **client_settings(kafka), group_id=group_name(kafka, "detect"), enable_auto_commit=False
    ) as consumer:
        consumer.assign(places)
        deadline = time.monotonic() + SECONDS_MAX
        ends = await consumer.end_offsets(places)
        while any([(await consumer.committed(at) or 0) < ends[at] for at in places]):
            if time.monotonic() > deadline or any(each.exit_code is not None for each in workers):
                raise TimeoutError("the backlog was not folded")
            sizes.append(max(map(_rss_mb, workers)))
            await asyncio.sleep(LOOK_SECONDS)
    return sizes


def cpu_seconds(workers: Sequence[WorkerProcess]) -> float:
    """User and system time of processes so far."""
    ticks = 0
    for worker in workers:
        fields = Path(f"/proc/{worker.pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def _rss_mb(worker: WorkerProcess) -> int:
    pages = int(Path(f"/proc/{worker.pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") >> 20
