"""What a fleet needs, from what one, two and four workers were seen to need here.

Events come faster than they are folded, so that the memory over time is that of overload.

Detect workers are processes in one group on one broker; all share this machine's cores, so what
scales is the CPU time of an event, and that is what the model is made of. The sink writes into the
embedded store, in this process.
"""

import asyncio
import math
import secrets
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from pipeline.config import Config, Kafka
from pipeline.config import Store as StoreConfig
from pipeline.counts import Metrics
from pipeline.default_rules import default_rules
from pipeline.evaluate.tables import table
from pipeline.message import Message
from pipeline.metrics import WORKER_METRICS
from pipeline.sink import SinkStage
from pipeline.store import Store
from pipeline.workers.producing import EventLog
from pipeline.workers.topics_admin import create_topics
from schemas.topics import DAY_MS, DETECT_STATE, SPEND_WINDOWS, USAGE_EVENTS
from tests.benchmarks.harness import Figures, Options, say, timed
from tests.benchmarks.load import lines, pack
from tests.benchmarks.memory import measure_memory
from tests.benchmarks.paced import measure_paced, size_of
from tests.benchmarks.sink_speed import NO_JOURNAL
from tests.benchmarks.watching import cpu_seconds, folded
from tests.support.kafka import Broker, open_broker
from tests.support.kafka_log import WorkerProcess, read

WORKERS: Final = (1, 2, 4)
KEYS: Final = 2_000
EVENTS: Final = 150_000
EVENTS_PER_REQUEST: Final = 4_000
PARTITIONS: Final = 8
CHECKPOINT_SECONDS: Final = 1.0
DAYS: Final = (1_000_000, 10_000_000, 100_000_000, 1_000_000_000)
"""Events a day that the table is made for."""
PEAK: Final = 3.0
"""The busiest hour of a day over the mean: offices sleep."""
BUSY_MAX: Final = 0.7
"""How much of a core is planned for; the rest is for catching up."""
PARTITIONS_PER_WORKER: Final = 4
"""So that workers get about the same share, and more of them can be started later."""
KEPT_DAYS: Final = USAGE_EVENTS.retention_ms // DAY_MS
"""Of events and totals; of states the log keeps the last of each key."""
Line = tuple[str, bytes]


class _KeyId(msgspec.Struct):
    key_id: str


@dataclass(frozen=True, slots=True)
class _Run:
    """So many detect workers at work on a backlog."""

    workers: int
    fed_per_s: float
    """Events a second that came in, until the backlog was complete."""
    events_per_s: float
    cpu_us_per_event: float
    rss_mb: list[int]
    """Of the largest worker, as time goes on."""


async def measure(options: Options) -> Figures:
    """Figures of this machine, and the table for other sizes; printed and returned."""
    rows = lines(KEYS, int(EVENTS * options.scale))
    events = [(msgspec.json.decode(row, type=_KeyId).key_id, row) for row in rows]
    with open_broker() as broker:
        runs = [await _detect(broker, events, workers) for workers in WORKERS]
        written = await _written(runs[-1][1], len(events))
        paced = await measure_paced(broker, options)
    figures: Figures = {"kafka": broker.name, "capacity_events": len(events), **written}
    figures |= paced.figures | measure_memory(options)
    for run, _ in runs:
        figures |= {
            f"detect_{run.workers}_workers_events_per_s": run.events_per_s,
            f"detect_{run.workers}_workers_fed_per_s": run.fed_per_s,
            f"detect_{run.workers}_workers_cpu_us_per_event": run.cpu_us_per_event,
            f"detect_{run.workers}_workers_rss_mb": max(run.rss_mb),
        }
    figures["log_bytes_per_event"] = sum(map(len, rows)) / len(rows)
    cpu_us, size = await _sink(pack(rows), "usage_events")
    figures["sink_cpu_us_per_row"] = cpu_us / len(rows)
    figures["store_bytes_per_event"] = size / len(rows)
    cpu_us, size = await _sink(paced.windows, "spend_windows")
    figures["sink_cpu_us_per_window"] = cpu_us / len(paced.windows)
    figures["paced_store_window_bytes_per_event"] = size / paced.events
    _print([run for run, _ in runs], figures)
    return {**figures, "data": "a simulated fleet"}


async def _detect(broker: Broker, events: list[Line], workers: int) -> tuple[_Run, Kafka]:
    kafka = Kafka(
        brokers=broker.bootstrap,
        topic_prefix=f"capacity-{secrets.token_hex(4)}.",
        partitions=PARTITIONS,
        checkpoint_seconds=CHECKPOINT_SECONDS,
    )
    await asyncio.to_thread(create_topics, Config(kafka=kafka))
    with ExitStack() as stack:
        started = [
            stack.enter_context(
                WorkerProcess("tests.support.engine_worker", kafka.model_dump_json())
            )
            for _ in range(workers)
        ]
        async with EventLog(kafka) as log:
            first, rest = events[:EVENTS_PER_REQUEST], events[EVENTS_PER_REQUEST:]
            await log.send_packed(first)  # by the time it is folded everybody has started
            await folded(kafka, started)
            before, cpu_before = time.perf_counter(), cpu_seconds(started)
            for start in range(0, len(rest), EVENTS_PER_REQUEST):
                await log.send_packed(rest[start : start + EVENTS_PER_REQUEST])
            fed_seconds = time.perf_counter() - before
        rss_mb = await folded(kafka, started)
        seconds = time.perf_counter() - before
        spent = cpu_seconds(started) - cpu_before
        for worker in started:
            worker.stop()
    run = _Run(
        workers,
        len(rest) / fed_seconds,
        len(rest) / seconds,
        spent / len(rest) * 1e6,
        rss_mb,
    )
    return run, kafka


async def _written(kafka: Kafka, events: int) -> Figures:
    """What detection wrote for an event of the backlog: many of a key at a time."""
    windows = await read(kafka, SPEND_WINDOWS, committed=True)
    states = await read(kafka, DETECT_STATE, committed=True)
    return {
        "windows_per_event": len(windows) / events,
        "window_bytes_per_event": size_of(windows) / events,
        "state_bytes_per_event": size_of(states) / events,
    }


async def _sink(messages: Sequence[Message], name: str) -> tuple[float, int]:
    """Microseconds of CPU for messages, and a table's bytes on disk once ClickHouse has merged."""
    acceptor = default_rules(Config()).acceptor
    with (
        tempfile.TemporaryDirectory() as folder,
        Store.open(StoreConfig(path=Path(folder) / "store")) as store,
    ):
        store.migrate()
        stage = SinkStage(store, acceptor, Metrics(WORKER_METRICS))
        with timed() as watch:
            for message in messages:
                await stage.handle(message, NO_JOURNAL)
            await stage.flush()
        store.change(f"OPTIMIZE TABLE {name} FINAL")
        ((size,),) = store.query(
            "SELECT sum(bytes_on_disk) FROM system.parts WHERE table = {name:String} AND active",
            {"name": name},
        ).rows
    return watch.cpu_seconds * 1e6, size


def _print(runs: list[_Run], figures: Figures) -> None:
    shown = [
        (
            str(run.workers),
            f"{run.fed_per_s:,.0f}",
            f"{run.events_per_s:,.0f}",
            f"{run.cpu_us_per_event:.1f} µs",
            " ".join(str(size) for size in run.rss_mb[:: max(1, len(run.rss_mb) // 8)]),
        )
        for run in runs
    ]
    head = ("detect workers", "fed/s", "folded/s", "CPU per event", "MB of the largest, over time")
    say(table(head, shown))
    costs = _costs(figures)
    say(table(("of an event", *costs), _cost_rows(costs)))
    say(table(("events a day", *_NEEDS), [_needs(day, costs) for day in DAYS]))


@dataclass(frozen=True, slots=True)
class _Cost:
    """What an event takes: microseconds of CPU, and bytes."""

    detect_us: float
    sink_us: float
    events: float
    totals: float
    states: float
    store: float


def _costs(figures: Figures) -> dict[str, _Cost]:
    """Of a key that is busy between two checkpoints, and of one that is hardly there twice."""
    known = {name: value for name, value in figures.items() if isinstance(value, float)}
    row_us, window_us = known["sink_cpu_us_per_row"], known["sink_cpu_us_per_window"]
    window_store = known["paced_store_window_bytes_per_event"] / known["paced_windows_per_event"]
    busy, quiet = known["windows_per_event"], known["paced_windows_per_event"]
    return {
        "busy keys": _Cost(
            known[f"detect_{WORKERS[-1]}_workers_cpu_us_per_event"],
            row_us + busy * window_us,
            known["log_bytes_per_event"],
            known["window_bytes_per_event"],
            known["state_bytes_per_event"],
            known["store_bytes_per_event"] + busy * window_store,
        ),
        "quiet keys": _Cost(
            known["paced_cpu_us_per_event"],
            row_us + quiet * window_us,
            known["paced_log_bytes_per_event"],
            known["paced_window_bytes_per_event"],
            known["paced_state_bytes_per_event"],
            known["store_bytes_per_event"] + known["paced_store_window_bytes_per_event"],
        ),
    }


def _cost_rows(costs: dict[str, _Cost]) -> list[tuple[str, ...]]:
    names = {
        "detect_us": "detect, CPU µs",
        "sink_us": "sink, CPU µs, embedded store included",
        "events": "usage-events, bytes",
        "totals": "spend-windows, bytes",
        "states": "detect-state, bytes",
        "store": "store, merged, bytes",
    }
    return [
        (text, *(f"{getattr(cost, name):,.0f}" for cost in costs.values()))
        for name, text in names.items()
    ]


_NEEDS: Final = (
    "at the peak",
    "detect cores",
    "sink cores",
    "partitions",
    "log GB written a day",
    "log GB kept",
    "store GB a day",
)


def _needs(day: int, costs: dict[str, _Cost]) -> tuple[str, ...]:
    """A row of the table: what so many events a day need, of busy and of quiet keys."""
    peak = day / 86_400 * PEAK
    cores = peak / 1e6 / BUSY_MAX
    detect = [cores * cost.detect_us for cost in costs.values()]
    ranges = (
        _range([f"{each:,.1f}" for each in detect]),
        _range([f"{cores * cost.sink_us:,.1f}" for cost in costs.values()]),
        _range([f"{max(PARTITIONS, math.ceil(n) * PARTITIONS_PER_WORKER)}" for n in detect]),
        _range([_gb(day * (c.events + c.totals + c.states)) for c in costs.values()]),
        _range([_gb(day * KEPT_DAYS * (c.events + c.totals)) for c in costs.values()]),
        _range([_gb(day * c.store) for c in costs.values()]),
    )
    return (f"{day:,}", f"{peak:,.0f}/s", *ranges)


def _gb(size: float) -> str:
    return f"{size / 1e9:,.1f}"


def _range(values: Sequence[str]) -> str:
    low, high = values
    return low if low == high else f"{low} to {high}"
