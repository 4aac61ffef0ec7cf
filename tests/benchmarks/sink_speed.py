"""Rows a second into the store: from messages as the sink does it, and what parts of it cost."""

import asyncio
import gc
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from clickhouse_connect.driver.insert import InsertContext

from pipeline.accept import Acceptor, Use
from pipeline.config import Config
from pipeline.config import Store as StoreConfig
from pipeline.counts import Metrics
from pipeline.default_rules import default_rules
from pipeline.garbage import collect_seldom
from pipeline.message import Message
from pipeline.metrics import WORKER_METRICS
from pipeline.sink import SinkStage
from pipeline.store import Store
from pipeline.store.rows import USAGE_EVENTS
from tests.benchmarks.harness import Figures, Options, say, timed
from tests.benchmarks.load import lines, pack

KEYS = 10_000
ROWS = 400_000
BATCH_ROWS = 50_000
SINGLE_ROWS = 300


def measure(options: Options) -> Figures:
    """Rows a second by way of writing, printed and returned."""
    messages = pack(lines(KEYS, max(BATCH_ROWS, int(ROWS * options.scale))))
    acceptor = default_rules(Config()).acceptor
    events = [each for message in messages for each in acceptor.accept(message, whole=True).uses]
    collect_seldom()
    gc.collect()
    gc.freeze()  # what is measured is not who holds the events
    with tempfile.TemporaryDirectory() as folder, _server(Path(folder) / "http") as server:
        with Store.open(StoreConfig(path=Path(folder) / "embedded")) as embedded:
            rates = _rates(embedded, "sink", messages, acceptor, events)
            rates["sink_per_event_rows_per_s"] = _singles(embedded, events[:SINGLE_ROWS])
        with Store.open(server) as served:
            rates |= _rates(served, "sink_http", messages, acceptor, events)
    gc.unfreeze()
    _print(rates, len(events))
    return {**rates, "sink_rows": len(events)}


def _rates(
    store: Store,
    name: str,
    messages: Sequence[Message],
    acceptor: Acceptor,
    events: list[Use],
) -> dict[str, float]:
    store.migrate()
    with timed() as watch:
        _staged(store, messages, acceptor)
    rates = {
        f"{name}_rows_per_s": len(events) / watch.seconds,
        # the steadier figure on a shared machine; of HTTP without the store's own
        f"{name}_cpu_us_per_row": watch.cpu_seconds / len(events) * 1e6,
        f"{name}_insert_rows_per_s": len(events) / _inserted(store, events),
        f"{name}_bare_rows_per_s": len(events) // BATCH_ROWS * BATCH_ROWS / _bare(store, events),
    }
    _check(store, events)
    return rates


def _staged(store: Store, messages: Sequence[Message], acceptor: Acceptor) -> None:
    """From the messages to durable rows, as the role does it."""
    stage = SinkStage(store, acceptor, Metrics(WORKER_METRICS), batch_rows_max=BATCH_ROWS)

    async def work() -> None:
        for message in messages:
            await stage.handle(message, NO_JOURNAL)
        await stage.flush()

    asyncio.run(work())


NO_JOURNAL: Any = None
"""The sink has nothing to publish."""


def _inserted(store: Store, events: list[Use]) -> float:
    """Seconds for events that were decoded before."""

    def insert() -> None:
        for start in range(0, len(events), BATCH_ROWS):
            store.insert(USAGE_EVENTS, events[start : start + BATCH_ROWS])

    return _seconds(insert)


def _bare(store: Store, events: list[Use]) -> float:
    """Ready columns, as the driver takes them: what is left is the driver and the engine."""
    columns = USAGE_EVENTS.encode(events[:BATCH_ROWS])
    types = store._column_types(USAGE_EVENTS.name)
    rounds = len(events) // BATCH_ROWS

    def insert() -> None:
        for _ in range(rounds):
            context = InsertContext(
                USAGE_EVENTS.name,
                USAGE_EVENTS.columns,
                [types[name] for name in USAGE_EVENTS.columns],
                column_oriented=True,
                settings={"optimize_on_insert": "0"},
                block_size=BATCH_ROWS,
            )
            context.data = columns
            store._client.data_insert(context)

    return _seconds(insert)


def _singles(store: Store, events: list[Use]) -> float:
    def insert() -> None:
        for event in events:
            store.insert(USAGE_EVENTS, [event])

    return len(events) / _seconds(insert)


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _check(store: Store, events: list[Use]) -> None:
    """Nothing was measured that did not happen: every event once, and its money."""
    count, nanos = store.query(
        "SELECT count(), toInt64(sum(cost_usd) * 1000000000) FROM v_usage_events"
    ).rows[0]
    if (count, nanos) != (len(events), sum(use.nanos for use in events)):
        raise AssertionError(f"{count} rows worth {nanos} nano-dollars are not what was written")


@contextmanager
def _server(path: Path) -> Iterator[StoreConfig]:
    command = [sys.executable, "-m", "tests.support.clickhouse_front", "--path", str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - our own
        try:
            port = int(process.stdout.readline()) if process.stdout else 0
            yield StoreConfig(host="127.0.0.1", port=port, timeout_seconds=120)
        finally:
            process.terminate()


def _print(rates: dict[str, float], rows: int) -> None:
    columns = len(USAGE_EVENTS.columns)
    say(f"rows/s into the store, {rows:,} events of {columns} columns, {BATCH_ROWS:,} a batch")
    for name, what in (("sink", "embedded"), ("sink_http", "over HTTP")):
        say(
            f"  {what:<16} {rates[f'{name}_rows_per_s']:>10,.0f} from messages,"
            f" {rates[f'{name}_insert_rows_per_s']:>10,.0f} from decoded events,"
            f" {rates[f'{name}_bare_rows_per_s']:>10,.0f} from ready columns;"
            f" {rates[f'{name}_cpu_us_per_row']:.1f} µs of CPU a row from messages"
        )
    say(f"  an insert a row  {rates['sink_per_event_rows_per_s']:>10,.0f}")
