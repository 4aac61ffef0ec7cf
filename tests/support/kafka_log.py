"""Reading topics as they are, and worker processes that tests can pause and kill."""

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from pipeline.config import Config, Kafka
from pipeline.workers.connection import client_settings, topic_name
from pipeline.workers.topics_admin import create_topics
from schemas.topics import Topic

ROOT = Path(__file__).parents[2]
WAIT_SECONDS_MAX = 40.0
DECIDED_SECONDS_MAX = 1.0


async def read(kafka: Kafka, topic: Topic, *, committed: bool = False) -> list[Any]:
    """Every record of a topic, by partition and offset."""
    places = [
        TopicPartition(topic_name(kafka, topic), number)
        for number in range(topic.partitions or kafka.partitions)
    ]
    records: list[Any] = []
    async with AIOKafkaConsumer(
        **client_settings(kafka),
        enable_auto_commit=False,
        fetch_max_wait_ms=20,
        isolation_level="read_committed" if committed else "read_uncommitted",
    ) as consumer:
        consumer.assign(places)
        if committed:
            await _decided(kafka, consumer, places)
        ends = await consumer.end_offsets(places)
        for place, start in (await consumer.beginning_offsets(places)).items():
            consumer.seek(place, start)
        for place in places:
            while await consumer.position(place) < ends[place]:
                records += (await consumer.getmany(place, timeout_ms=20)).get(place, [])
    return records


async def _decided(kafka: Kafka, consumer: AIOKafkaConsumer, places: list[TopicPartition]) -> None:
    """Wait a little for transactions that have ended: a commit may not show at once."""
    deadline = time.monotonic() + DECIDED_SECONDS_MAX
    async with AIOKafkaConsumer(**client_settings(kafka), enable_auto_commit=False) as everything:
        while time.monotonic() < deadline:
            if await consumer.end_offsets(places) == await everything.end_offsets(places):
                return
            await asyncio.sleep(0.02)


async def bodies(kafka: Kafka, topic: Topic, *, committed: bool = False) -> list[dict[str, Any]]:
    """The JSON of every record of a topic."""
    return [
        msgspec.json.decode(record.value)
        for record in await read(kafka, topic, committed=committed)
        if record.value is not None
    ]


async def eventually(condition: Callable[[], Awaitable[bool]], *workers: "WorkerProcess") -> None:
    """Wait for a condition; fail when it does not come, or when a worker ends meanwhile."""
    deadline = time.monotonic() + WAIT_SECONDS_MAX
    while not await condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        for worker in workers:
            assert worker.exit_code is None, f"a worker ended with {worker.exit_code}"
        await asyncio.sleep(0.2)


async def make_anew(kafka: Kafka, topic: Topic) -> None:
    """What happens to a topic where its brokers' disks are lost."""
    name = topic_name(kafka, topic)
    admin = AIOKafkaAdminClient(**client_settings(kafka))

    async def gone() -> bool:
        return name not in await admin.list_topics()

    await admin.start()
    try:
        await admin.delete_topics([name])
        await eventually(gone)
    finally:
        await admin.close()
    await asyncio.to_thread(create_topics, Config(kafka=kafka))


class WorkerProcess:
    """A Python module as a process."""

    def __init__(self, module: str, *arguments: str) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - our own command line
            [sys.executable, "-m", module, *arguments], cwd=ROOT, stderr=subprocess.PIPE
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        return self._process.poll()

    def pause(self) -> None:
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def stop(self, seconds_max: float = 10.0) -> int:
        """Ask it to end, and wait; it may take so long."""
        self._process.terminate()
        return self._process.wait(seconds_max)

    def wait(self) -> tuple[int, str]:
        """The exit code and what it said on stderr."""
        said = self._process.communicate(timeout=WAIT_SECONDS_MAX)[1]
        return self._process.returncode, said.decode()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.exit_code is None:
            self.kill()
        if self._process.stderr is not None:
            self._process.stderr.close()
