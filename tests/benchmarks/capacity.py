"""What a fleet needs, from what one, two and four workers were seen to need here.

Events come faster than they are folded, so that the memory over time is that of overload.

Detect workers are processes in one group on one broker; all share this machine's cores, so what
scales is the CPU time of an event, and that is what the model is made of. The sink writes into the
embedded store, in this process.
"""

import asyncio
import math
import os
import secrets
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from pipeline.config import Config, Kafka
from pipeline.config import Store as StoreConfig
from pipeline.engine import default_rules
from pipeline.evaluate.tables import table
from pipeline.message import Message
from pipeline.sink import SinkStage
from pipeline.store import Store
from pipeline.workers.connection import client_settings, group_name, topic_name
from pipeline.workers.producing import EventLog
from pipeline.workers.topics_admin import create_topics
from schemas.topics import SPEND_WINDOWS, USAGE_EVENTS
from tests.benchmarks.harness import Figures, Options, say, timed
from tests.benchmarks.load import lines, pack
from tests.benchmarks.sink_speed import NO_JOURNAL
from tests.support.kafka import Broker, open_broker
from tests.support.kafka_log import WorkerProcess, read

WORKERS: Final = (1, 2, 4)
KEYS: Final = 2_000
EVENTS: Final = 150_000
EVENTS_PER_REQUEST: Final = 4_000
PARTITIONS: Final = 8
CHECKPOINT_SECONDS: Final = 1.0
SECONDS_MAX: Final = 300.0
LOOK_SECONDS: Final = 0.2
DAYS: Final = (1_000_000, 10_000_000, 100_000_000, 1_000_000_000)
"""Events a day that the table is made for."""
PEAK: Final = 3.0
"""The busiest hour of a day over the mean: offices sleep."""
BUSY_MAX: Final = 0.7
"""How much of a core is planned for; the rest is for catching up."""
PARTITIONS_PER_WORKER: Final = 4
"""So that workers get about the same share, and more of them can be started later."""
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
        windows = await _windows_per_event(runs[-1][1], len(events))
    figures: Figures = {"kafka": broker.name, "capacity_events": len(events), **windows}
    for run, _ in runs:
        figures |= {
            f"detect_{run.workers}_workers_events_per_s": run.events_per_s,
            f"detect_{run.workers}_workers_fed_per_s": run.fed_per_s,
            f"detect_{run.workers}_workers_cpu_us_per_event": run.cpu_us_per_event,
            f"detect_{run.workers}_workers_rss_mb": max(run.rss_mb),
        }
    figures["log_bytes_per_event"] = sum(map(len, rows)) / len(rows)
    figures |= await _sink(pack(rows))
    _print([run for run, _ in runs], figures)
    return {**figures, "data": "a simulated fleet"}


async def _detect(broker: Broker, events: list[Line], workers: int) -> tuple[_Run, Kafka]:
    kafka = Kafka(
        brokers=broker.bootstrap,
        topic_prefix=f"capacity-{secrets.token_hex(4)}.",
        partitions=PARTITIONS,
        checkpoint_seconds=CHECKPOINT_SECONDS,
        transactions=broker.has_transactions,
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
            await _all_folded(kafka, started)
            before, cpu_before = time.perf_counter(), _cpu_seconds(started)
            for start in range(0, len(rest), EVENTS_PER_REQUEST):
                await log.send_packed(rest[start : start + EVENTS_PER_REQUEST])
            fed_seconds = time.perf_counter() - before
        rss_mb = await _all_folded(kafka, started)
        seconds = time.perf_counter() - before
        cpu_seconds = _cpu_seconds(started) - cpu_before
        for worker in started:
            worker.stop()
    run = _Run(
        workers,
        len(rest) / fed_seconds,
        len(rest) / seconds,
        cpu_seconds / len(rest) * 1e6,
        rss_mb,
    )
    return run, kafka


async def _all_folded(kafka: Kafka, workers: Sequence[WorkerProcess]) -> list[int]:
    """Wait until the group has committed everything; the largest worker's megabytes meanwhile."""
    name, sizes = topic_name(kafka, USAGE_EVENTS), list[int]()
    places = [TopicPartition(name, number) for number in range(kafka.partitions)]
    async with AIOKafkaConsumer(
        **client_settings(kafka), group_id=group_name(kafka, "detect"), enable_auto_commit=False
    ) as consumer:
        consumer.assign(places)
        deadline = time.monotonic() + SECONDS_MAX
        ends = await consumer.end_offsets(places)
        while any([(await consumer.committed(at) or 0) < ends[at] for at in places]):
            if time.monotonic() > deadline or any(each.exit_code is not None for each in workers):
                raise TimeoutError("the backlog was not folded")
            sizes.append(max(map(_rss_mb, workers)))
            await asyncio.sleep(LOOK_SECONDS)
    return sizes


def _cpu_seconds(workers: Sequence[WorkerProcess]) -> float:
    """User and system time of processes so far."""
    ticks = 0
    for worker in workers:
        fields = Path(f"/proc/{worker.pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def _rss_mb(worker: WorkerProcess) -> int:
    pages = int(Path(f"/proc/{worker.pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") >> 20


async def _windows_per_event(kafka: Kafka, events: int) -> Figures:
    """Rows of totals that detection wrote, and their bytes."""
    records = await read(kafka, SPEND_WINDOWS, committed=True)
    return {
        "window_rows_per_event": len(records) / events,
        "window_bytes_per_event": sum(len(record.value) for record in records) / events,
    }


async def _sink(messages: list[Message]) -> Figures:
    """CPU of a row, and what it takes on disk once ClickHouse has merged."""
    acceptor = default_rules(Config()).acceptor
    with (
        tempfile.TemporaryDirectory() as folder,
        Store.open(StoreConfig(path=Path(folder) / "store")) as store,
    ):
        store.migrate()
        stage = SinkStage(store, acceptor)
        with timed() as watch:
            for message in messages:
                await stage.handle(message, NO_JOURNAL)
            await stage.flush()
        store.change("OPTIMIZE TABLE usage_events FINAL")
        ((rows, size),) = store.query(
            "SELECT sum(rows), sum(bytes_on_disk) FROM system.parts"
            " WHERE table = 'usage_events' AND active"
        ).rows
    return {
        "sink_cpu_us_per_row": watch.cpu_seconds / rows * 1e6,
        "store_bytes_per_event": size / rows,
    }


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
    say(table(("events a day", *_NEEDS), [_needs(day, figures) for day in DAYS]))


_NEEDS: Final = (
    "at the peak",
    "detect cores",
    "sink cores",
    "partitions",
    "log GB a day",
    "store GB a day",
)


def _needs(day: int, figures: Figures) -> tuple[str, ...]:
    """A row of the table: what so many events a day need."""
    last = f"detect_{WORKERS[-1]}_workers_cpu_us_per_event"
    known = {name: value for name, value in figures.items() if isinstance(value, float)}
    peak = day / 86_400 * PEAK
    detect_cores = peak * known[last] / 1e6 / BUSY_MAX
    log_bytes = known["log_bytes_per_event"] + known["window_bytes_per_event"]
    return (
        f"{day:,}",
        f"{peak:,.0f}/s",
        f"{detect_cores:.1f}",
        f"{peak * known['sink_cpu_us_per_row'] / 1e6 / BUSY_MAX:.1f}",
        f"{max(PARTITIONS, math.ceil(detect_cores) * PARTITIONS_PER_WORKER)}",
        f"{day * log_bytes / 1e9:,.1f}",
        f"{day * known['store_bytes_per_event'] / 1e9:,.1f}",
    )
