"""The composition root of the embedded mode: every stage in one process, on a log in memory."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from pipeline.config import Config
from pipeline.counts import Metrics
from pipeline.default_rules import default_rules
from pipeline.engine.stage import DetectStage
from pipeline.memory_bus import BusLog, MemoryBus
from pipeline.metrics import SERVER_METRICS, WORKER_METRICS
from pipeline.notify.stage import NotifyStage
from pipeline.reconcile.stage import ReconcileStage
from pipeline.response.enforce import EnforceStage
from pipeline.serve.app import build_app
from pipeline.serve.connections import listen
from pipeline.serve.reading import StoreReader
from pipeline.sink import SinkStage
from pipeline.store import Store

TICK_SECONDS: Final = 0.2


@dataclass(frozen=True, slots=True)
class Embedded:
    """The running parts."""

    bus: MemoryBus
    log: BusLog
    store: Store
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
        ListenError: the address is taken.
    """
    rules, counts = default_rules(config), Metrics(WORKER_METRICS)
    async with AsyncExitStack() as parts:
        store = parts.enter_context(Store.open(config.store))
        store.migrate()
        sink = SinkStage(store, rules.acceptor, counts, batch_rows_max=config.store.batch_rows_max)
        notify = NotifyStage.from_config(config, now, counts)
        enforce = EnforceStage.from_config(config, now, counts)
        reconcile = ReconcileStage.from_config(config, now)
        bus = MemoryBus((reconcile, DetectStage(rules), sink, notify, enforce), now)
        log = BusLog(bus)
        served = Metrics(SERVER_METRICS)
        app = build_app(config, log, StoreReader(store), counts=served, now=now)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        parts.push_async_callback(runner.cleanup)
        server = await listen(runner, config.serve.host, config.serve.port, served)
        parts.callback(server.close)
        host, port = server.sockets[0].getsockname()[:2]
        yield Embedded(bus, log, store, sink, f"http://{host}:{port}", now)
        await sink.flush()
