"""The tuned consumer: the version of Faust that it was made for, what it leans on, what it does."""

import asyncio
import contextlib
import hashlib
import inspect
import tomllib
from collections.abc import AsyncIterator, Awaitable, Callable
from importlib.metadata import version
from types import MethodType, SimpleNamespace
from typing import Any, cast

import pytest
from aiokafka import ConsumerRecord
from aiokafka.consumer.fetcher import READ_COMMITTED
from aiokafka.errors import IllegalStateError
from faust.transport.consumer import Consumer
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread
from faust.types import TP
from mode import Service

from pipeline.config import Kafka
from pipeline.workers.faust_app import (
    FETCH_WAIT_MS,
    FULL_SECONDS,
    CommittingConsumer,
    _ConsumerThread,
    new_app,
)
from tests.support.faust_patch import apply, patched_consumer
from tests.support.installation import ROOT

ONE, TWO = TP("usage-events", 0), TP("usage-events", 1)


def test_faust_is_pinned_to_the_version_that_was_read() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (pin,) = [each for each in project["dependencies"] if each.startswith("faust-streaming")]
    assert pin == f"faust-streaming=={version('faust-streaming')}"


@pytest.mark.parametrize(
    ("method", "digest"),
    [
        (Consumer.getmany, "4b168d84882a70d6"),
        (Consumer._wait_next_records, "6218e1969a636b3f"),
        (Consumer._drain_messages, "44a2500309e83c63"),
        (AIOKafkaConsumerThread._create_worker_consumer, "c2701bfc3e6f6cad"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_what_is_stood_in_for_or_leant_on_is_as_it_was_read(
    method: Callable[..., Any], digest: str
) -> None:
    """When it is not: read it again, see that `faust_app` still does as much."""
    source = inspect.getsource(inspect.unwrap(method))
    assert hashlib.sha256(source.encode()).hexdigest()[:16] == digest


@pytest.mark.kafka
async def test_what_faust_has_no_setting_for_reaches_the_fetches(topics: Kafka) -> None:
    app = new_app(topics, "detect")
    app.isolation_level = "read_committed"
    thread = object.__new__(_ConsumerThread)
    thread.app, thread.consumer = app, cast("Any", SimpleNamespace(in_transaction=False))
    transport = cast("Any", SimpleNamespace(url=app.conf.broker, default_port=9092))
    consumer = thread._create_worker_consumer(transport)
    await consumer.start()
    try:
        fetcher = consumer._fetcher
        assert fetcher._fetch_max_wait_ms == FETCH_WAIT_MS
        assert fetcher._isolation_level == READ_COMMITTED
    finally:
        await consumer.stop()


class Stub:
    """As much of a consumer as `getmany` uses."""

    def __init__(self, records: dict[TP, list[Any]]) -> None:
        self.app = SimpleNamespace(consumer_generation_id=7)
        self.flow_active = True
        self.should_stop = False
        self.seeks = 0
        self._records = records
        self._buffered_partitions: set[TP] = set()
        self.active = {ONE}
        self.slept: list[float] = []

    def _get_active_partitions(self) -> set[TP]:
        return self.active

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    async def _wait_next_records(self, _: float) -> tuple[dict[TP, list[Any]], set[TP]]:
        return self._records, self.active

    async def perform_seek(self) -> None:
        self.seeks += 1
        raise IllegalStateError

    def _still(self, generation: int) -> bool:
        return CommittingConsumer._still(cast("CommittingConsumer", self), generation)


def records(place: TP, *offsets: int) -> list[Any]:
    return [
        ConsumerRecord(place.topic, place.partition, n, 1000 * n, 0, None, b"{}", None, 0, 2, ())
        for n in offsets
    ]


async def got(stub: Stub) -> list[tuple[TP, int, int]]:
    """Partition, offset and number of records of each message."""
    found = CommittingConsumer.getmany(cast("CommittingConsumer", stub), 1.0)
    return [(tp, each.offset, len(cast("list[Any]", each.value))) async for tp, each in found]


async def test_a_fetch_is_a_message_for_each_partition_that_is_ours() -> None:
    stub = Stub({ONE: records(ONE, 3, 4, 5), TWO: records(TWO, 8)})
    assert await got(stub) == [(ONE, 5, 3)]
    stub._buffered_partitions = {TWO}
    assert await got(stub) == [(ONE, 5, 3), (TWO, 8, 1)]


async def test_when_enough_waits_of_every_partition_room_is_soon_noticed() -> None:
    stub = Stub({ONE: records(ONE, 3)})
    stub.active = set()
    assert await got(stub) == []
    assert stub.slept == [FULL_SECONDS]
    stub.active = {ONE}
    assert await got(stub) == [(ONE, 3, 1)]
    assert stub.slept == [FULL_SECONDS]


async def test_what_was_fetched_in_a_rebalance_is_dropped_and_fetched_again() -> None:
    stub = Stub({ONE: records(ONE, 3)})
    stub.flow_active = False
    assert await got(stub) == []
    assert stub.seeks == 1


async def test_nothing_of_an_earlier_generation_is_handed_on() -> None:
    stub = Stub({ONE: records(ONE, 3), TWO: records(TWO, 8)})
    stub._buffered_partitions = {TWO}
    found = CommittingConsumer.getmany(cast("CommittingConsumer", stub), 1.0)
    first, _ = await anext(found)
    stub.app.consumer_generation_id = 8
    assert first == ONE
    assert [each async for each in found] == []


# What could go upstream, against the original


class Draining(Service):
    """As much of a consumer as draining uses; the deliveries are the test's."""

    app = SimpleNamespace(topics=SimpleNamespace(acks_enabled_for=lambda _: False))
    transport = SimpleNamespace(app=SimpleNamespace(should_stop=False))
    consumer_stopped_errors = ()
    _commit_every = None
    _delivery = None
    stop_flow: Callable[[], None]
    resume_flow: Callable[[], None]

    def __init__(self, kind: Any, deliver: Callable[[int], Awaitable[None]]) -> None:  # noqa: ANN401 - original or changed
        super().__init__()
        self._kind = kind
        self._deliver_number = deliver
        self._read_offset: dict[TP, int | None] = {ONE: None}
        self.suspend_flow = asyncio.Event()
        self.can_resume_flow = asyncio.Event()
        self.delivered: list[int] = []
        for name in ("stop_flow", "resume_flow", "_deliver"):
            if hasattr(kind, name):
                setattr(self, name, MethodType(getattr(kind, name), self))

    async def callback(self, message: ConsumerRecord[bytes, bytes]) -> None:
        await self._deliver_number(message.offset)
        self.delivered.append(message.offset)

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, Any]]:  # noqa: ASYNC109 - Faust's signature
        del timeout
        for record in [*records(ONE, 1, 2, 3), *records(ONE, 2, 4)]:  # 2 comes again
            yield ONE, record
        self._stopped.set()

    async def drain(self) -> tuple[list[int], int | None]:
        """What was delivered, and how far was read."""
        await self._kind._drain_messages(self, SimpleNamespace(_stopped=asyncio.Event()))
        await asyncio.sleep(0)
        return self.delivered, self._read_offset[ONE]


KINDS = pytest.mark.parametrize("kind", [Consumer, patched_consumer().Consumer], ids=["now", "new"])


@KINDS
async def test_messages_come_in_order_however_long_a_delivery_waits(kind: type[Any]) -> None:
    async def at_once(number: int) -> None:
        del number

    async def waits(number: int) -> None:
        for _ in range(number % 3):
            await asyncio.sleep(0)
        await asyncio.sleep(0.001)

    for deliver in (at_once, waits):
        assert await Draining(kind, deliver).drain() == ([1, 2, 3, 4], 4)


@KINDS
@pytest.mark.parametrize("before", [False, True])
async def test_a_rebalance_cuts_off_a_delivery_that_waits(kind: type[Any], *, before: bool) -> None:
    cut: list[int] = []

    async def stuck(number: int) -> None:
        if number == 2:
            if before:
                draining.stop_flow()
            else:
                asyncio.get_running_loop().call_later(0.01, draining.stop_flow)
            try:
                await asyncio.Event().wait()
            finally:
                cut.append(number)
        draining.resume_flow()

    draining = Draining(kind, stuck)
    assert await draining.drain() == ([1, 3, 4], 4)
    assert cut == [2]


@KINDS
async def test_who_cancels_the_fetcher_ends_it(kind: type[Any]) -> None:
    async def stuck(number: int) -> None:
        if number == 2:
            await asyncio.Event().wait()

    draining = Draining(kind, stuck)
    work = asyncio.create_task(draining.drain())
    await asyncio.sleep(0.01)
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert draining.delivered == [1]


@KINDS
@pytest.mark.parametrize("waits", [False, True])
async def test_a_delivery_that_fails_ends_the_fetcher(kind: type[Any], *, waits: bool) -> None:
    async def fails(number: int) -> None:
        if waits:
            await asyncio.sleep(0)
        if number == 3:
            raise ArithmeticError

    draining = Draining(kind, fails)
    with pytest.raises(ArithmeticError):
        await draining.drain()
    assert draining.delivered == [1, 2]


@KINDS
async def test_a_delivery_may_catch_what_it_waits_for(kind: type[Any]) -> None:
    async def catches(number: int) -> None:
        broken = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(broken.set_exception, KeyError(number))
        with contextlib.suppress(KeyError):
            await broken
        await asyncio.sleep(0)

    assert await Draining(kind, catches).drain() == ([1, 2, 3, 4], 4)


def test_a_change_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="fits in 0 places"):
        apply("@@ -1 +1 @@\n-tea\n+coffee\n", "milk\n")
    with pytest.raises(ValueError, match="fits in 2 places"):
        apply("@@ -1 +1 @@\n-tea\n+coffee\n", "tea\ntea\n")
