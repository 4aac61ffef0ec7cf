"""Faust as it is used here: its consumer, how it fetches, and what it leaves alone.

No other module but `app` imports it. Faust joins the group, moves partitions and fetches; it
acknowledges nothing by itself. Records of one fetch of one partition travel through it as one
event, since an event costs it more than folding one does.
"""

import contextlib
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, cast

import faust
from aiokafka import TopicPartition
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import KafkaError
from faust.auth import SASLCredentials
from faust.serializers.schemas import DecodeFunction
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, AppT, ConsumerMessage, EventT, Message

from pipeline.config import Kafka
from pipeline.workers import membership
from pipeline.workers.connection import group_name, ssl_context
from pipeline.workers.role import Records

FETCH_BYTES_MAX = 3 * 1024 * 1024
"""Of a partition in one fetch: what is folded together is quicker the more of it there is."""
FETCH_WAIT_MS = 100
"""For a fetch that finds nothing. aiokafka has one at a time with a broker, and leaves out of it
what the role has not taken yet: a partition that is behind waits for those that are idle."""
FETCHES_AHEAD = 4
"""Fetches that may wait for the role."""
WATCH_SECONDS = 1.0
"""How soon it is seen that the group cannot be joined."""
FULL_SECONDS = 0.02
"""When so many wait of every partition: how soon to look again."""


class _ConsumerThread(driver.AIOKafkaConsumerThread):
    def _create_worker_consumer(self, transport: driver.Transport) -> Any:  # noqa: ANN401
        consumer = super()._create_worker_consumer(transport)
        # the range assignor gives partition 0 of all topics to one worker: stages rely on it
        consumer._partition_assignment_strategy = [RangePartitionAssignor]  # noqa: SLF001
        consumer._isolation_level = cast("App", self.app).isolation_level  # noqa: SLF001
        consumer._fetch_max_wait_ms = FETCH_WAIT_MS  # noqa: SLF001
        return consumer

    @faust.Service.task
    async def _watch_group(self) -> None:
        """Fail when the group cannot be joined: nobody else would hear of it."""
        while not self.should_stop:
            await self.sleep(WATCH_SECONDS)
            if self._consumer is not None:
                try:
                    membership.look(self._consumer)
                except Exception as error:  # noqa: BLE001 - reported, and the process ends
                    fail = cast("App", self.app).fail
                    self.parent_loop.call_soon_threadsafe(fail, error)
                    return

    async def on_thread_stop(self) -> None:
        if self._consumer is not None:
            await membership.leave(self._consumer)
        await super().on_thread_stop()


class CommittingConsumer(driver.Consumer):
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
    Consumer = CommittingConsumer


class App(faust.App):
    isolation_level = "read_uncommitted"
    fail: Callable[[BaseException], None]
    """Hears of what the consumer cannot go on after."""

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


class Raw(faust.Schema[Any, Any]):
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


def new_app(kafka: Kafka, role: str) -> App:
    context = ssl_context(kafka)
    session = kafka.session_timeout_seconds
    return App(
        group_name(kafka, role),
        broker=[f"kafka://{broker.strip()}" for broker in kafka.brokers.split(",")],
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
