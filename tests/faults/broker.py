"""A broker in memory, as far as leakline relies on one: order within a partition, transactions
that fence, offsets of groups that move with them, compaction. It has no clock of its own.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from aiokafka.errors import KafkaError

Headers = tuple[tuple[str, bytes], ...]
Place = tuple[str, int]
"""Topic and partition."""


class FencedError(KafkaError):  # type: ignore[misc]  # aiokafka has no types
    """The producer's transactional id has a younger owner, or its transaction ran out of time."""


@dataclass(slots=True, eq=False)
class Transaction:
    """What becomes readable, and moves a group's offsets, at once or never."""

    state: Literal["open", "committed", "aborted"] = "open"
    offsets: dict[tuple[str, Place], int] = field(default_factory=dict)
    number: int = 0
    """When it was committed, in the order of everything that was written."""


@dataclass(frozen=True, slots=True)
class SimRecord:
    """A record as a consumer gets it."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    """Milliseconds since 1970."""
    key: bytes | None
    value: bytes | None
    headers: Headers
    transaction: Transaction | None
    number: int
    """When it was written, in the order of everything that was."""

    @property
    def counts_from(self) -> int:
        """When it began to count."""
        return self.number if self.transaction is None else self.transaction.number


class SimBroker:
    """Logs, the owners of transactional ids, and the offsets of groups."""

    def __init__(self, partitions: Mapping[str, int], now: Callable[[], float]) -> None:
        self._now = now
        self.partitions = dict(partitions)
        self.logs: dict[Place, list[SimRecord | None]] = {
            (topic, number): [] for topic, count in partitions.items() for number in range(count)
        }
        self.offsets: dict[tuple[str, Place], int] = {}
        self.history: list[SimRecord] = []
        """Every record that was ever written, also those that are gone."""
        self._epochs: dict[str, int] = {}
        self._open: dict[str, Transaction] = {}
        self._number = 0

    def append(
        self,
        place: Place,
        value: bytes | None,
        *,
        key: bytes | None = None,
        headers: Headers = (),
        transaction: Transaction | None = None,
    ) -> None:
        """Write a record."""
        log = self.logs[place]
        at = round(self._now() * 1000)
        self._number += 1
        record = SimRecord(*place, len(log), at, key, value, headers, transaction, self._number)
        log.append(record)
        self.history.append(record)

    def read(
        self, place: Place, offset: int, count: int, *, committed: bool
    ) -> tuple[list[SimRecord], int]:
        """Records from an offset on, and the offset after them."""
        found: list[SimRecord] = []
        end = self.end(place, committed=committed)
        log = self.logs[place]
        while offset < end and len(found) < count:
            record = log[offset]
            offset += 1
            if record is not None and (not committed or _is_committed(record)):
                found.append(record)
        return found, offset

    def end(self, place: Place, *, committed: bool) -> int:
        """The offset behind the last record that may be read."""
        log = self.logs[place]
        if committed and self._open:
            for offset, record in enumerate(log):
                transaction = record.transaction if record is not None else None
                if transaction is not None and transaction.state == "open":
                    return offset
        return len(log)

    def take_id(self, name: str) -> int:
        """Fence earlier owners of a transactional id, and give the epoch of the new one."""
        self._finish(name, "aborted")
        self._epochs[name] = self._epochs.get(name, 0) + 1
        return self._epochs[name]

    def begin(self, name: str, epoch: int) -> Transaction:
        """Open a transaction.

        Raises:
            FencedError: the id belongs to somebody else by now.
        """
        self.check(name, epoch)
        self._open[name] = Transaction()
        return self._open[name]

    def check(self, name: str, epoch: int) -> None:
        """Refuse a producer that is not the latest owner of its id."""
        if self._epochs.get(name) != epoch:
            raise FencedError(name)

    def commit(self, name: str, epoch: int) -> None:
        """End a transaction: all of it counts."""
        self.check(name, epoch)
        self._finish(name, "committed")

    def abort(self, name: str, epoch: int) -> None:
        """End a transaction: nothing of it counts."""
        self.check(name, epoch)
        self._finish(name, "aborted")

    def time_out_transactions(self) -> int:
        """What the coordinator does to transactions that take too long; how many there were."""
        names = list(self._open)
        for name in names:
            self._finish(name, "aborted")
            self._epochs[name] += 1
        return len(names)

    def compact(self, topic: str) -> None:
        """Leave the last committed record of each key, and what nobody has decided yet."""
        for place, log in self.logs.items():
            if place[0] != topic:
                continue
            end = self.end(place, committed=True)
            kept = {r.key: r.offset for r in log[:end] if r is not None and _is_committed(r)}
            for offset, record in enumerate(log[:end]):
                if record is not None and kept.get(record.key) != offset:
                    log[offset] = None

    def ever_committed(self, topic: str) -> list[SimRecord]:
        """Every record of a topic that counts or did, in the order in which they began to."""
        found = [each for each in self.history if each.topic == topic and _is_committed(each)]
        return sorted(found, key=lambda each: (each.counts_from, each.number))

    def committed(self, topic: str) -> list[SimRecord]:
        """Every record of a topic that counts, by partition and offset."""
        return [
            record
            for place in sorted(self.logs)
            if place[0] == topic
            for record in self.read(place, 0, len(self.logs[place]), committed=True)[0]
        ]

    def _finish(self, name: str, state: Literal["committed", "aborted"]) -> None:
        transaction = self._open.pop(name, None)
        if transaction is None:
            return
        transaction.state = state
        self._number += 1
        transaction.number = self._number
        if state == "committed":
            self.offsets.update(transaction.offsets)


def _is_committed(record: SimRecord) -> bool:
    return record.transaction is None or record.transaction.state == "committed"
