"""A worker whose stop hangs in a call that cannot be cancelled."""

import asyncio
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from aiokafka import TopicPartition

from pipeline.config import Kafka
from pipeline.workers.app import run_worker
from pipeline.workers.role import Host, Records
from schemas.topics import KEYS, Topic


class HangingRole:
    """Says when it was given its partition, and then never ends."""

    name = "hanging"
    topics: Sequence[Topic] = (KEYS,)

    def __init__(self, ready: Path) -> None:
        self._ready = ready

    async def start(self, host: Host) -> None:
        """Nothing to do."""

    async def assigned(self, partitions: set[TopicPartition]) -> None:
        """Say so."""
        if partitions:
            self._ready.touch()

    async def revoked(self) -> None:
        """Nothing to do."""

    async def handle(self, place: TopicPartition, records: Records) -> None:
        """Nothing to do."""

    async def stop(self) -> None:
        """Never return, not even when cancelled."""
        await asyncio.to_thread(threading.Event().wait)


if __name__ == "__main__":
    run_worker(Kafka.model_validate_json(sys.argv[1]), HangingRole(Path(sys.argv[2])))
