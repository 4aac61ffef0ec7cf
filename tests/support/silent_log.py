"""A state log that goes nowhere, for tests of what is above it."""

from collections.abc import Iterable

from aiokafka import TopicPartition

from pipeline.workers.state_log import Committed, Offsets, StateLog
from schemas.topics import Topic

State = tuple[str, bytes | None]


class SilentLog(StateLog):
    """Begins empty, sends nothing and keeps nothing."""

    async def open(self, *reads: TopicPartition) -> Committed:
        """No states."""
        return Committed({}, dict.fromkeys(reads, 0))

    async def next_offset(self, place: TopicPartition) -> int:
        """Nothing was read."""
        del place
        return 0

    async def send(self, topic: Topic, value: bytes, **_: object) -> None:
        """Let an effect go."""
        del topic, value

    async def send_many(self, topic: Topic, records: Iterable[State]) -> None:
        """Let effects go."""
        del topic, records

    async def commit(self, states: Iterable[State], offsets: Offsets) -> None:
        """Let a checkpoint go."""
        del states, offsets

    async def close(self) -> None:
        """Nothing to give up."""
