"""Events a second through the detect role, beside Faust as it comes, other designs, other tools.

All on one broker on this machine and on the same messages, one worker over four partitions. The
clock runs from the first message to the last, of the detect role to its last checkpoint.
"""

import asyncio
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType

import faust
import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from pipeline.config import Config, Detection, Kafka
from pipeline.counts import Metrics
from pipeline.default_rules import default_rules
from pipeline.engine import Checkpoint, Effects, PartitionFold, Rules
from pipeline.evaluate.tables import table
from pipeline.garbage import collect_seldom
from pipeline.message import Message
from pipeline.metrics import WORKER_METRICS
from pipeline.workers.app import Worker
from pipeline.workers.connection import client_settings, topic_name
from pipeline.workers.detect import DetectRole
from pipeline.workers.partition import Fold
from pipeline.workers.producing import EventLog
from pipeline.workers.topics_admin import create_topics
from schemas.partition import partition_of
from schemas.topics import CONTENT_TYPE_HEADER, NDJSON, USAGE_EVENTS
from tests.benchmarks.compiled import compiled
from tests.benchmarks.harness import Figures, Options, say
from tests.benchmarks.load import BUSY, lines
from tests.benchmarks.naive import Naive
from tests.benchmarks.side_by_side import quix_messages_per_s, streams_messages_per_s
from tests.support.faust_patch import faust_as_proposed
from tests.support.kafka import Broker, open_broker

KEYS = 2_000
EVENTS_PACKED = 200_000
EVENTS_SINGLE = 60_000
EVENTS_PER_REQUEST = 2_000
"""What an intake packs at once; four partitions make it about 500 events a message."""
SECONDS_MAX = 300.0


class _KeyId(msgspec.Struct):
    key_id: str


class _Nothing:
    """A fold that does nothing, to measure what is around it."""

    counts: Mapping[str, int] = MappingProxyType({})
    limits = counts

    def restore(self, key: str, value: bytes) -> None:
        """Forget it."""

    def fold(self, *messages: Message) -> Effects:
        """No effects."""
        del messages
        return Effects()

    def checkpoint(self) -> Checkpoint:
        """No changes."""
        return Checkpoint()


class _Meter:
    """Counts events as they are folded, and says when all are there."""

    def __init__(self, events: int) -> None:
        self._left = events
        self.done = asyncio.Event()
        self.started_at = 0.0

    def around(self, fold: Fold) -> Fold:
        """The fold, counted."""
        return _Counted(fold, self)

    def count(self, events: int) -> None:
        """So many events have been folded."""
        self._left -= events
        if self._left <= 0:
            self.done.set()


class _Counted:
    def __init__(self, fold: Fold, meter: _Meter) -> None:
        self._fold = fold
        self._meter = meter
        self.restore = fold.restore
        self.checkpoint = fold.checkpoint
        self.counts = fold.counts
        self.limits = fold.limits

    def fold(self, *messages: Message) -> Effects:
        self._meter.started_at = self._meter.started_at or time.perf_counter()
        effects = self._fold.fold(*messages)
        for message in messages:
            packed = message.headers.get(CONTENT_TYPE_HEADER) == NDJSON
            self._meter.count(message.value.count(b"\n") + 1 if packed else 1)
        return effects


def measure(options: Options) -> Figures:
    """Figures by their names in the contract, printed and returned."""
    with open_broker() as broker:
        figures = asyncio.run(_measure(broker, options.scale))
    return {"kafka": broker.name, **figures}


async def _measure(broker: Broker, scale: float) -> Figures:
    packed, single = int(EVENTS_PACKED * scale), int(EVENTS_SINGLE * scale)
    events = [
        (msgspec.json.decode(line, type=_KeyId).key_id, line) for line in lines(KEYS, packed, BUSY)
    ]
    singles, packs = await _filled(broker, events, single)
    rules = default_rules(Config())
    collect_seldom()
    with tempfile.TemporaryDirectory() as folder:
        naive = Naive(Path(folder) / "naive.db")
        naive_rate = await _untuned(singles, single // 6, lambda line: naive.run([line]))
        naive.close()
    figures: Figures = {
        "aiokafka_messages_per_s": await _bare(singles, single),
        "faust_untuned_messages_per_s": await _untuned(singles, single, lambda _: None),
        "faust_patched_messages_per_s": await _patched(singles, single),
        "faust_naive_events_per_s": naive_rate,
        "quix_spend_messages_per_s": await quix_messages_per_s(singles, single),
        "kafka_streams_spend_messages_per_s": await streams_messages_per_s(singles, single),
        "faust_worker_only_messages_per_s": await _detect(singles, single, lambda _: _Nothing()),
        "faust_single_events_per_s": await _detect(singles, single, _engine(rules, singles)),
        "faust_packed_events_per_s": await _detect(packs, len(events), _engine(rules, packs)),
    }
    # Topics of its own: what one worker has folded and stored, the next leaves out.
    singles, packs = await _filled(broker, events, single)
    figures |= await asyncio.to_thread(
        compiled,
        "tests.benchmarks.faust_speed",
        singles=singles.model_dump_json(),
        single=single,
        packs=packs.model_dump_json(),
        packed=len(events),
    )
    _print(figures)
    return figures


async def _filled(
    broker: Broker, events: list[tuple[str, bytes]], single: int
) -> tuple[Kafka, Kafka]:
    """New topics: so many events one a message, and all of them packed."""
    singles, packs = [await asyncio.to_thread(_topics, broker) for _ in range(2)]
    await _send_single(singles, events[:single])
    await _send_packed(packs, events)
    return singles, packs


def of_this_form(singles: str, single: int, packs: str, packed: int) -> Figures:
    """The detect role on the same topics (their settings as JSON), whatever form the core has."""
    rules = default_rules(Config())
    collect_seldom()
    figures: Figures = {}
    for name, settings, count in (("single", singles, single), ("packed", packs, packed)):
        kafka = Kafka.model_validate_json(settings)
        rate = asyncio.run(_detect(kafka, count, _engine(rules, kafka)))
        figures[f"faust_compiled_{name}_events_per_s"] = rate
    return figures


WHAT = {
    "aiokafka_messages_per_s": "aiokafka alone, which looks at nothing",
    "faust_untuned_messages_per_s": "Faust as its guide shows it, doing nothing",
    "faust_patched_messages_per_s": "the same with the changes of docs/faust-consumer.md",
    "faust_naive_events_per_s": "as its guide shows it, with River models, a row an event",
    "quix_spend_messages_per_s": "Quix Streams, spend per key and minute alone",
    "kafka_streams_spend_messages_per_s": "Kafka Streams (Java), spend per key and minute alone",
    "faust_worker_only_messages_per_s": "leakline's worker with an engine that does nothing",
    "faust_single_events_per_s": "leakline's detect role, all of it, an event a message",
    "faust_packed_events_per_s": "leakline's detect role, all of it, events packed by an intake",
    "faust_compiled_single_events_per_s": "the same with the core compiled, an event a message",
    "faust_compiled_packed_events_per_s": "the same with the core compiled, events packed",
}


def _print(figures: Figures) -> None:
    naive = figures["faust_naive_events_per_s"]
    rows = [
        (what, f"{rate:,.0f}", f"{rate / naive:,.1f}")
        for name, what in WHAT.items()
        if isinstance(rate := figures.get(name), float) and isinstance(naive, float)
    ]
    say(table(("one worker on the same messages", "a second", "times the naive design"), rows))


def _engine(rules: Rules, kafka: Kafka) -> Callable[[int], Fold]:
    return lambda partition: PartitionFold(rules, partition, kafka.partitions)


def _topics(broker: Broker) -> Kafka:
    kafka = Kafka(
        brokers=broker.bootstrap,
        topic_prefix=f"bench-{uuid.uuid4().hex[:8]}.",
        partitions=4,
    )
    create_topics(Config(kafka=kafka))
    return kafka


async def _send_packed(kafka: Kafka, events: list[tuple[str, bytes]]) -> None:
    async with EventLog(kafka) as log:
        for start in range(0, len(events), EVENTS_PER_REQUEST):
            await log.send_packed(events[start : start + EVENTS_PER_REQUEST])


async def _send_single(kafka: Kafka, events: Iterable[tuple[str, bytes]]) -> None:
    places: dict[str, int] = {}
    async with EventLog(kafka) as log:
        producer, name = log._running(), topic_name(kafka, USAGE_EVENTS)
        for key, line in events:
            if key not in places:
                places[key] = partition_of(key, kafka.partitions)
            await producer.send(name, line, key=key.encode(), partition=places[key])
        await producer.flush()


async def _bare(kafka: Kafka, messages: int) -> float:
    """A consumer without a group that looks at nothing."""
    name = topic_name(kafka, USAGE_EVENTS)
    async with AIOKafkaConsumer(
        **client_settings(kafka), enable_auto_commit=False, auto_offset_reset="earliest"
    ) as consumer:
        consumer.assign([TopicPartition(name, number) for number in range(kafka.partitions)])
        # From before the first fetch, which may bring everything there is.
        left, started_at = messages, time.perf_counter()
        while left > 0:
            records = await consumer.getmany(timeout_ms=500)
            left -= sum(len(found) for found in records.values())
        return messages / (time.perf_counter() - started_at)


async def _untuned(kafka: Kafka, messages: int, work: Callable[[bytes], None]) -> float:
    """Faust as its guide shows it: one event a message, acknowledged by itself."""
    app = faust.App(
        f"{kafka.topic_prefix}untuned-{uuid.uuid4().hex[:8]}",
        broker=f"kafka://{kafka.brokers}",
        web_enabled=False,
        topic_disable_leader=True,
        topic_allow_declare=False,
        datadir=str(Path(tempfile.gettempdir()) / "leakline-untuned"),
    )
    meter = _Meter(messages)

    async def agent(stream: faust.StreamT[bytes]) -> None:
        async for line in stream:
            meter.started_at = meter.started_at or time.perf_counter()
            work(line)
            meter.count(1)

    channel = app.topic(topic_name(kafka, USAGE_EVENTS), value_serializer="raw")
    app.agent(channel, name="untuned")(agent)
    await app.start()
    try:
        await _within(meter.done.wait())
        return messages / (time.perf_counter() - meter.started_at)
    finally:
        await app.stop()


async def _patched(kafka: Kafka, messages: int) -> float:
    """Untuned Faust with the changes that could go upstream."""
    with faust_as_proposed():
        return await _untuned(kafka, messages, lambda _: None)


async def _detect(kafka: Kafka, events: int, make: Callable[[int], Fold]) -> float:
    """The detect role in a group of its own, from the first message to the last checkpoint."""
    meter = _Meter(events)
    config = Config(kafka=kafka, detection=Detection(dead_letter_share_max=1.0))
    role = DetectRole(
        config, lambda partition: meter.around(make(partition)), Metrics(WORKER_METRICS)
    )
    role.name = f"detect-{uuid.uuid4().hex[:8]}"
    worker = Worker(kafka, role)
    running = asyncio.create_task(worker.run())
    waiting = asyncio.create_task(meter.done.wait())
    await _within(asyncio.wait({running, waiting}, return_when=asyncio.FIRST_COMPLETED))
    await role.stop()
    seconds = time.perf_counter() - meter.started_at
    worker.stop()
    await running
    waiting.cancel()
    return events / seconds


async def _within(work: Awaitable[object]) -> None:
    async with asyncio.timeout(SECONDS_MAX):
        await work
