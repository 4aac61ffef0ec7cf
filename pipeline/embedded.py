"""The composition root of the embedded mode: every stage in one process, on a log in memory."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from pipeline.config import Config
from pipeline.engine import PartitionFold, Rules, default_rules
from pipeline.journal import Journal
from pipeline.memory_bus import MemoryBus
from pipeline.message import Message
from pipeline.notify.stage import NotifyStage
from pipeline.packing import PACKED, pack
from pipeline.reconcile.stage import ReconcileStage
from pipeline.response.enforce import EnforceStage
from pipeline.serve.app import build_app
from pipeline.serve.reading import StoreReader
from pipeline.sink import SinkStage
from pipeline.store import Store
from schemas.topics import (
    DEAD_LETTERS,
    GATEWAY_USE,
    INCIDENTS,
    MOVED_HEADER,
    SPEND_WINDOWS,
    USAGE_EVENTS,
    Topic,
)

TICK_SECONDS: Final = 0.2


class DetectStage:
    """The engine as a stage: a checkpoint after every message, in the journal."""

    reads: tuple[Topic, ...] = (USAGE_EVENTS,)

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self.fold: PartitionFold | None = None
        """None until the first message."""

    async def handle(self, message: Message, journal: Journal) -> None:
        """Fold a message; what came of it and the states become durable together."""
        fold = self.fold = self.fold or self._restored(journal)
        effects = fold.fold(message)
        for incident in effects.incidents:
            await journal.publish(INCIDENTS, incident, key=incident.key_id)
        for letter in effects.dead_letters:
            await journal.publish(DEAD_LETTERS, letter)
        for answer in effects.answers:
            await journal.publish(GATEWAY_USE, answer, key=answer.question_id)
        for key_id, event in effects.moved:
            await journal.publish(USAGE_EVENTS, event, key=key_id, headers={MOVED_HEADER: "1"})
        checkpoint = fold.checkpoint()
        for window in checkpoint.windows:
            await journal.publish(SPEND_WINDOWS, window, key=window.key_id)
        for key, state in checkpoint.states:
            journal.put(key, state)

    async def tick(self, now: float, journal: Journal) -> None:
        """Nothing waits here: a key's clock is its own."""

    def _restored(self, journal: Journal) -> PartitionFold:
        fold = PartitionFold(self._rules, partitions=1)
        for key in journal.keys():  # noqa: SIM118 - a journal is no mapping
            state = journal.get(key)
            if state is not None:
                fold.restore(key, state)
        return fold


class BusLog:
    """The log that the HTTP server writes to."""

    def __init__(self, bus: MemoryBus) -> None:
        self._bus = bus

    async def send_packed(self, events: list[tuple[str, bytes]]) -> None:
        """Append usage events, as few messages as their size allows."""
        for _, lines in pack(events, partitions=1):
            await self._bus.publish(USAGE_EVENTS, lines, headers=PACKED)

    async def send(self, topic: Topic, key: str | None, value: bytes) -> None:
        """Append one record."""
        await self._bus.publish(topic, value, key)


@dataclass(frozen=True, slots=True)
class Embedded:
    """The running parts."""

    bus: MemoryBus
    log: BusLog
    store: Store
    detect: DetectStage
    sink: SinkStage
    url: str
    """Where the server listens."""
    now: Callable[[], float]

    async def settle(self) -> None:
        """Let every stage read everything, and make the rows durable."""
        await self.bus.run_until_quiet()
        await self.bus.tick(self.now())
        await self.sink.flush()

    async def keep_going(self) -> None:
        """Settle again and again, for what arrives over HTTP; until cancelled."""
        while True:
            await self.settle()
            await asyncio.sleep(TICK_SECONDS)


@asynccontextmanager
async def embedded(config: Config, now: Callable[[], float] = time.time) -> AsyncIterator[Embedded]:
    """Put everything together and listen as `serve` says; the store is migrated.

    Raises:
        StoreError: the store cannot be opened.
        ConfigError: a part of the configuration cannot be used.
        OSError: the address is taken.
    """
    rules = default_rules(config)
    async with AsyncExitStack() as parts:
        store = parts.enter_context(Store.open(config.store))
        store.migrate()
        detect = DetectStage(rules)
        sink = SinkStage(store, rules.acceptor, batch_rows_max=config.store.batch_rows_max)
        notify = NotifyStage.from_config(config, now)
        enforce = EnforceStage.from_config(config, now)
        reconcile = ReconcileStage.from_config(config, now)
        bus = MemoryBus((reconcile, detect, sink, notify, enforce), now)
        log = BusLog(bus)
        runner = web.AppRunner(build_app(config, log, StoreReader(store), now=now), access_log=None)
        await runner.setup()
        parts.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, config.serve.host, config.serve.port).start()
        host, port = runner.addresses[0][:2]
        yield Embedded(bus, log, store, detect, sink, f"http://{host}:{port}", now)
        await sink.flush()
