"""What a role is to the worker that runs it, and how records become messages."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Protocol, TypeAlias

from aiokafka import ConsumerRecord, TopicPartition

from pipeline import metrics
from pipeline.counts import Metrics
from pipeline.message import Message
from schemas.topics import Topic

READS_COMMITTED = frozenset({"detect", "sink", "enforce", "reconcile"})
"""Roles that wait until what they read was committed. A moved event or a verdict of a transaction
that was given up comes again, perhaps too late to be recognised; an action nobody committed to
must not be carried out, nor be kept as if somebody had; and an entry of the registry's file comes
again only if the file still has it. A page must not wait for a checkpoint of detection, and need
not: of the incidents that `notify` reads, everything that was given up comes again as it was. What
a click led to does not; so notify reads no verdict of its own."""

Record: TypeAlias = "ConsumerRecord[bytes, bytes]"
Records = Sequence[Record]
"""Records of one partition, in order, as one fetch brought them."""
_NO_HEADERS: Mapping[str, str] = {}


class Host(Protocol):
    """What the worker offers to its role."""

    async def commit_offsets(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Commit the next offsets to read, outside any transaction.

        Partitions that were lost in the meantime are left out.
        """

    def fail(self, error: BaseException) -> None:
        """End the process: the role cannot go on."""


class Role(Protocol):
    """A consumer of topics. Whatever it raises ends the process."""

    name: str
    topics: Sequence[Topic]

    async def start(self, host: Host) -> None:
        """Called once, before the first record."""

    async def assigned(self, partitions: set[TopicPartition]) -> None:
        """These partitions, and no others, are ours from now on; quick."""

    async def revoked(self) -> None:
        """No partition is ours until some are assigned; nothing of them may be written."""

    async def handle(self, place: TopicPartition, records: Records) -> None:
        """Deal with records. Only one call at a time."""

    async def stop(self) -> None:
        """Make durable what was handled, and let go. No call to `handle` follows."""


def to_message(topic: str, record: Record) -> Message:
    """A record as a message of the topic, whose name carries no prefix."""
    headers = record.headers
    return Message(
        topic,
        record.partition,
        record.offset,
        record.value if record.value is not None else b"",
        record.timestamp / 1000.0,
        record.key,
        {name: value.decode(errors="replace") for name, value in headers}
        if headers
        else _NO_HEADERS,
    )


def count_records(counts: Metrics, topic: str, records: Records) -> None:
    """Note that records of a topic were dealt with."""
    if records:
        counts.add(metrics.RECORDS, topic, by=len(records))


@contextmanager
def show_age(counts: Metrics, topic: str, records: Records) -> Iterator[None]:
    """Show how old records get while they are dealt with: who is stuck does not come to say so."""
    if not records:
        yield
        return
    written_at: float = records[-1].timestamp / 1000.0

    def age() -> float:
        return max(0.0, time.time() - written_at)

    counts.follow(metrics.RECORD_AGE, topic, value=age)
    try:
        yield
    finally:
        last = age()
        counts.follow(metrics.RECORD_AGE, topic, value=lambda: last)


Clock = Callable[[], float]
"""Reads the time in seconds."""
