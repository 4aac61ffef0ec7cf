"""The sink: every topic into the store, in batches, with nothing lost and nothing twice.

Inserts are idempotent (rows replace by deterministic keys), so a batch whose fate is unknown is
sent again, and messages that come again after a crash change nothing. Offsets may be acknowledged
whenever `pending` is 0.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from pipeline import metrics
from pipeline.accept import dead_letter
from pipeline.pause import backoff
from pipeline.registry import entry_of
from pipeline.store.errors import StoreUnavailable
from pipeline.store.rows import (
    ACTION_RESULTS,
    ACTIONS,
    DEAD_LETTERS,
    INCIDENTS,
    PROVIDER_USAGE,
    SPEND_WINDOWS,
    USAGE_EVENTS,
    VERDICTS,
    Table,
)
from schemas import topics
from schemas.codec import Refused, decode_control, decode_record
from schemas.key_record import KeyRecord

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from msgspec import Struct

    from pipeline.accept import Acceptor
    from pipeline.counts import Metrics
    from pipeline.journal import Journal
    from pipeline.message import Message
    from pipeline.store import LaterStore, Store

log = logging.getLogger(__name__)
R = TypeVar("R")
_TABLES: Final[tuple[tuple[topics.Topic, Table[Any]], ...]] = (
    (topics.INCIDENTS, INCIDENTS),
    (topics.SPEND_WINDOWS, SPEND_WINDOWS),
    (topics.VERDICTS, VERDICTS),
    (topics.ACTIONS, ACTIONS),
    (topics.ACTION_RESULTS, ACTION_RESULTS),
    (topics.PROVIDER_USAGE, PROVIDER_USAGE),
    (topics.DEAD_LETTERS, DEAD_LETTERS),
)
_BY_OTHERS: Final = frozenset({topics.PROVIDER_USAGE.name, topics.VERDICTS.name})
"""Those who write these may not know what must never be stored."""
BACKOFF_SECONDS: Final = 0.1
BACKOFF_SECONDS_MAX: Final = 10.0


class _Buffer(Generic[R]):
    """Records on their way into one table."""

    def __init__(self, table: Table[R]) -> None:
        self.table = table
        self.records: list[R] = []


class SinkStage:
    """A `Stage` that buffers rows, and knows what is durable.

    `handle` buffers, and writes when the buffer is full; `flush` makes everything handled so far
    durable. After any of `handle`, `tick` and `flush`, `pending == 0` says that all of it is, and
    that the offsets may be acknowledged. While the store is unavailable they wait, which holds the
    messages back; cancelling them is safe.
    """

    reads = (topics.USAGE_EVENTS, topics.KEYS, *(topic for topic, _ in _TABLES))
    first: tuple[topics.Topic, ...] = ()
    acts_on = reads

    def __init__(  # noqa: PLR0913 # what a sink can do without has a default
        self,
        store: Store | LaterStore,
        acceptor: Acceptor,
        counts: Metrics,
        *,
        batch_rows_max: int = 50_000,
        batch_seconds: float = 1.0,
        patience_seconds: float = math.inf,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """A sink with empty buffers.

        Args:
            store: where the rows go; migrated.
            acceptor: decodes usage events.
            counts: the workers' metrics.
            batch_rows_max: rows in one insert, and in the buffers before `handle` writes them.
            batch_seconds: rows wait no longer than this.
            patience_seconds: how long an unavailable store is tried again before `flush` raises.
            now: seconds of a clock that never goes back, or rows would wait for it.
            sleep: waits that many seconds.
        """
        self._store = store
        self._acceptor = acceptor
        self._batch_rows_max = batch_rows_max
        self._batch_seconds = batch_seconds
        self._patience_seconds = patience_seconds
        self._counts = counts
        self._now = now
        self._sleep = sleep
        self._usage = _Buffer(USAGE_EVENTS)
        self._dead_letters = _Buffer(DEAD_LETTERS)
        self._by_topic: dict[str, tuple[type[Struct], _Buffer[Any]]] = {}
        for topic, table in _TABLES:
            buffer = self._dead_letters if table is DEAD_LETTERS else _Buffer(table)
            body = topic.body
            if body is not None:
                self._by_topic[topic.name] = (body, buffer)
        self._buffers = (self._usage, *(buffer for _, buffer in self._by_topic.values()))
        self._oldest_at = math.inf
        self._writing = asyncio.Lock()

    @property
    def pending(self) -> int:
        """Rows that are not durable yet."""
        return sum(len(buffer.records) for buffer in self._buffers)

    async def handle(self, message: Message, journal: Journal) -> None:
        """Buffer a message's rows, and write when there are enough of them.

        Raises:
            StoreRefused: the store will never take the rows.
            StoreUnavailable: patience ran out.
        """
        del journal
        self._take(message)
        if self._oldest_at == math.inf and self.pending:
            self._oldest_at = self._now()
        if self.pending >= self._batch_rows_max:
            await self.flush()

    async def tick(self, now: float, journal: Journal) -> None:
        """Write what has waited long enough."""
        del now, journal
        if self._now() - self._oldest_at >= self._batch_seconds:
            await self.flush()

    async def flush(self) -> None:
        """Make everything handled so far durable.

        Raises:
            StoreRefused: the store will never take the rows.
            StoreUnavailable: patience ran out; the rows are still pending.
        """
        async with self._writing:
            for buffer in self._buffers:
                await self._drain(buffer)
            self._oldest_at = self._now() if self.pending else math.inf

    def _take(self, message: Message) -> None:
        if message.topic == topics.KEYS.name:
            self._check_entry(message)
            return
        known = self._by_topic.get(message.topic)
        if known is None:
            # Control records have topics of their own, and detection publishes the dead letters.
            self._usage.records += self._acceptor.accept(message, whole=True).uses
            return
        body, buffer = known
        decode = decode_control if message.topic in _BY_OTHERS else decode_record
        try:
            buffer.records.append(decode(message.value, body))
        except Refused as refused:
            self._keep_refused(message, refused, body)

    def _check_entry(self, message: Message) -> None:
        """Entries are for others, and have no table: what those cannot use is kept here, once."""
        try:
            entry_of(message)
        except Refused as refused:
            self._keep_refused(message, refused, KeyRecord)

    def _keep_refused(self, message: Message, refused: Refused, body: type[Struct]) -> None:
        # Straight into the store: the sink is the only reader of dead letters.
        self._dead_letters.records.append(dead_letter(message, 0, message.value, refused, body))

    async def _drain(self, buffer: _Buffer[R]) -> None:
        # What is handled meanwhile waits for the next flush.
        left = len(buffer.records)
        while left:
            batch = buffer.records[: min(left, self._batch_rows_max)]
            await self._insert(buffer.table, batch)
            del buffer.records[: len(batch)]
            left -= len(batch)

    async def _insert(self, table: Table[R], batch: list[R]) -> None:
        started, failures = self._now(), 0
        while True:
            try:
                # In a thread: the broker must go on hearing from us.
                await asyncio.to_thread(self._store.insert, table, batch)
            except StoreUnavailable as error:
                self._counts.add(metrics.STORE_UNAVAILABLE)
                failures += 1
                wait_seconds = backoff(failures, BACKOFF_SECONDS, 2.0, BACKOFF_SECONDS_MAX)
                if self._now() - started + wait_seconds > self._patience_seconds:
                    raise
                log.warning(
                    "the store is away; %d rows of %s again in %.1f s: %s",
                    len(batch),
                    table.name,
                    wait_seconds,
                    error,
                )
                await self._sleep(wait_seconds)
            else:
                self._counts.add(metrics.ROWS, table.name, by=len(batch))
                self._counts.observe(
                    metrics.INSERT_SECONDS, table.name, value=self._now() - started
                )
                return
