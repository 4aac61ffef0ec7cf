"""Faust: one app, one agent and one consumer group for a role. No other module imports it.

Faust joins the group, moves partitions and fetches; it acknowledges nothing by itself. Records
of one fetch of one partition travel through it as one event, since an event costs it more than
folding one does. Offsets are committed by the role, in its transactions or through `Host`.
"""

import asyncio
import contextlib
import logging
import os
import signal
import ssl
import sys
import threading
from collections.abc import AsyncIterator, Mapping
from multiprocessing import parent_process
from typing import Any, cast

import faust
from aiokafka import TopicPartition
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import KafkaError
from faust.auth import SASLCredentials
from faust.serializers.schemas import DecodeFunction
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, AppT, ConsumerMessage, EventT, Message
from yarl import URL

from pipeline.config import Kafka
from pipeline.workers.connection import group_name, ssl_context, topic_name
from pipeline.workers.role import READS_COMMITTED, Records, Role

FETCH_BYTES_MAX = 3 * 1024 * 1024
"""Of a partition in one fetch: what is folded together is quicker the more of it there is."""
FETCH_WAIT_MS = 100
"""For a fetch that finds nothing. aiokafka has one at a time with a broker, and leaves out of it
what the role has not taken yet: a partition that is behind waits for those that are idle."""
FETCHES_AHEAD = 4
"""Fetches that may wait for the role."""
FULL_SECONDS = 0.02
"""When so many wait of every partition: how soon to look again."""
STOP_SECONDS_MAX = 4.0
"""For the role to make durable what it holds, and again for Faust to end."""
END_SECONDS_MAX = 8.0
"""From the signal to the end, whatever hangs."""
QUIET = ("faust", "mode", "aiokafka", "kafka", __name__)
"""Loggers whose records, some of them one a fetch, would cost more than the work. Faust takes
this module's for what is derived from it here."""


class _ConsumerThread(driver.AIOKafkaConsumerThread):
    def _create_worker_consumer(self, transport: driver.Transport) -> Any:  # noqa: ANN401
        consumer = super()._create_worker_consumer(transport)
        # the range assignor gives partition 0 of all topics to one worker: stages rely on it
        consumer._partition_assignment_strategy = [RangePartitionAssignor]  # noqa: SLF001
        consumer._isolation_level = cast("_App", self.app).isolation_level  # noqa: SLF001
        consumer._fetch_max_wait_ms = FETCH_WAIT_MS  # noqa: SLF001
        return consumer


class _Consumer(driver.Consumer):
    def _new_consumer_thread(self) -> _ConsumerThread:
        return _ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, ConsumerMessage]]:  # noqa: ASYNC109 - Faust's signature
        """Yield the records of each partition that one fetch brought, as one message."""
        if self.flow_active and not self._get_active_partitions():
            await self.sleep(FULL_SECONDS)  # Faust would sleep for a second
            return
        records, active = await self._wait_next_records(timeout)
        generation = self.app.consumer_generation_id
        if not records or not active or self.should_stop:
            return
        if not self.flow_active:
            # what was fetched is dropped; a rebalance that makes this fail seeks by itself
            with contextlib.suppress(KafkaError):
                await self.perform_seek()
            return
        for tp, found in records.items():
            if not self._still(generation):
                return
            if tp in active or tp in self._buffered_partitions:
                yield tp, _bundle(tp, found, generation)

    async def perform_seek(self) -> None:
        """Go back to what was committed, or to the beginning where nothing was.

        Faust stays where it is then, and what it dropped would be lost.
        """
        await super().perform_seek()
        unread = [tp for tp in self._get_active_partitions() if not self._read_offset[tp]]
        if unread:
            await self.seek_wait(dict.fromkeys(unread, 0))

    def _still(self, generation: int) -> bool:
        return self.flow_active and generation == self.app.consumer_generation_id

    async def commit_now(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Commit, past Faust's account of acknowledged messages."""
        await self._commit({TP(at.topic, at.partition): offset for at, offset in offsets.items()})


class _Transport(driver.Transport):
    Consumer = _Consumer


class _App(faust.App):
    isolation_level = "read_uncommitted"

    def _new_transport(self) -> _Transport:
        return _Transport(self.conf.broker_consumer, self, loop=self.loop)

    def _create_directories(self) -> None:
        """Leave the disk alone: there are no tables."""

    async def _on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Stop the flow in every rebalance, also when there was nothing to revoke.

        Faust does not then, and a worker that stood by would get records before it seeks: they
        come again after it, or are dropped from the queue that Faust empties as it resumes.
        """
        self.consumer.stop_flow()
        self.flow_control.suspend()
        await super()._on_partitions_revoked(revoked)


class _Raw(faust.Schema[Any, Any]):
    """No decoding: a message's value is the records themselves."""

    def compile(self, app: AppT, **_: Any) -> DecodeFunction:  # noqa: ANN401 - Faust's signature
        async def decode(message: Message, *, propagate: bool = False) -> EventT[Any]:
            del propagate
            return app.create_event(None, message.value, {}, message)

        return decode


def _bundle(tp: TP, records: Records, generation: int) -> ConsumerMessage:
    last = records[-1]
    return ConsumerMessage(
        last.topic, last.partition, last.offset, last.timestamp / 1000.0, last.timestamp_type,
        [], None, cast("bytes", records), None, tp=tp, generation_id=generation,
    )  # fmt: skip


def _credentials(kafka: Kafka, context: ssl.SSLContext | None) -> SASLCredentials | None:
    if not kafka.security_protocol.startswith("SASL"):
        return None
    password = kafka.sasl_password
    return SASLCredentials(
        username=kafka.sasl_username,
        password=password.get_secret_value() if password else None,
        mechanism=kafka.sasl_mechanism or "PLAIN",
        ssl_context=context,
    )


def _new_app(kafka: Kafka, role: str) -> _App:
    context = ssl_context(kafka)
    session = kafka.session_timeout_seconds
    return _App(
        group_name(kafka, role),
        broker=[URL(f"kafka://{broker.strip()}") for broker in kafka.brokers.split(",")],
        broker_credentials=_credentials(kafka, context),
        ssl_context=context,
        broker_session_timeout=session,
        broker_heartbeat_interval=session / 10,
        broker_rebalance_timeout=session,
        broker_request_timeout=max(30.0, 2 * session),
        broker_commit_livelock_soft_timeout=10**9,  # nothing is committed by Faust
        consumer_auto_offset_reset="earliest",
        consumer_max_fetch_size=FETCH_BYTES_MAX,
        processing_guarantee="at_least_once",
        stream_buffer_maxsize=FETCHES_AHEAD,
        stream_wait_empty=False,  # its default hangs a rebalance while nothing is acknowledged
        topic_allow_declare=False,
        topic_disable_leader=True,
        web_enabled=False,
    )


class Worker:
    """A role on Faust, in this process."""

    def __init__(self, kafka: Kafka, role: Role) -> None:
        self._role = role
        self._app = _new_app(kafka, role.name)
        if kafka.transactions and role.name in READS_COMMITTED:
            self._app.isolation_level = "read_committed"
        self._over = asyncio.Event()
        self._error: BaseException | None = None
        names = [topic_name(kafka, topic) for topic in role.topics]
        # acks=False: Faust keeps no account of offsets, the role commits them
        channel = self._app.topic(*names, schema=_Raw(), acks=False)
        self._app.agent(channel, name=role.name)(self._consume)
        self._app.on_partitions_assigned.connect(self._assigned)
        self._app.on_partitions_revoked.connect(self._revoked)

    async def run(self) -> None:
        """Work until told to stop.

        Raises:
            Exception: whatever the role or Faust could not go on after.
        """
        await self._role.start(self)
        try:
            await self._app.start()
            await self._app.wait(self._over.wait())
            error = self._error or self._app.crash_reason
            self._over.set()
            if error is not None:
                raise error
            async with asyncio.timeout(STOP_SECONDS_MAX):
                await self._role.stop()
        finally:
            async with asyncio.timeout(STOP_SECONDS_MAX):
                await self._app.stop()

    def stop(self) -> None:
        """Have `run` end in good order."""
        self._over.set()

    def fail(self, error: BaseException) -> None:
        """Have `run` end by raising."""
        self._error = self._error or error
        self._over.set()

    async def commit_offsets(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Commit outside a transaction; partitions that were lost in the meantime are left out."""
        await cast("_Consumer", self._app.consumer).commit_now(offsets)

    async def _consume(self, stream: Any) -> None:  # noqa: ANN401 - Faust is untyped here
        async for event in stream.noack().events():
            if self._over.is_set():
                return
            message = event.message
            try:
                place = TopicPartition(message.topic, message.partition)
                await self._role.handle(place, event.value)
            except Exception as error:  # noqa: BLE001 - Faust would go on with the next event
                self.fail(error)
                return

    async def _assigned(self, _app: Any, /, *args: Any, **_: Any) -> None:  # noqa: ANN401 - Faust's signature
        assigned: set[TP] = args[0]
        try:
            await self._role.assigned({TopicPartition(tp.topic, tp.partition) for tp in assigned})
        except Exception as error:  # noqa: BLE001 - Faust would go on with the next event
            self.fail(error)

    async def _revoked(self, *_: Any, **__: Any) -> None:  # noqa: ANN401 - Faust's signature
        try:
            await self._role.revoked()
        except Exception as error:  # noqa: BLE001 - Faust would go on with the next event
            self.fail(error)


def run_worker(kafka: Kafka, role: Role) -> None:
    """Run a role until a signal, or until the process that started this one is gone.

    Raises:
        Exception: whatever the role or Faust could not go on after.
    """
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.ERROR)
    asyncio.run(_run(kafka, role))


async def _run(kafka: Kafka, role: Role) -> None:
    worker = Worker(kafka, role)
    loop, parent = asyncio.get_running_loop(), parent_process()

    def stop() -> None:
        if parent is not None:
            loop.remove_reader(parent.sentinel)  # once readable it stays so
        worker.stop()
        _end_at_the_latest(role.name)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    if parent is not None:
        loop.add_reader(parent.sentinel, stop)
    await worker.run()


def _end_at_the_latest(role: str) -> None:
    """Let the process end even when a call to a broker or a store never returns.

    What was not committed by then comes again, as after any crash.
    """

    def end() -> None:
        sys.stderr.write(f"leakline: {role}: did not end in {END_SECONDS_MAX:.0f} s, gave up\n")
        sys.stderr.flush()
        os._exit(1)

    timer = threading.Timer(END_SECONDS_MAX, end)
    timer.daemon = True
    timer.start()
