"""A role on Faust: one app, one agent and one consumer group.

Offsets are committed by the role, in its transactions or through `Host`.
"""

import asyncio
import contextlib
import logging
import os
import threading
from collections.abc import Mapping
from multiprocessing import parent_process
from typing import Any, cast

from aiokafka import TopicPartition

from pipeline.config import Kafka
from pipeline.stopping import stop_signals
from pipeline.workers import faust_app, membership
from pipeline.workers.connection import answering, topic_name
from pipeline.workers.faust_app import CommittingConsumer, Raw, new_app
from pipeline.workers.role import READS_COMMITTED, Role

log = logging.getLogger(__name__)

STOP_SECONDS_MAX = 4.0
"""For the role to make durable what it holds, and again for Faust to end."""
END_SECONDS_MAX = 8.0
"""From the signal to the end, whatever hangs."""
QUIET = ("faust", "mode", "aiokafka", "kafka", faust_app.__name__)
"""Loggers whose records, some of them one a fetch, would cost more than the work. Faust takes
the module's for what is derived from it there."""


class Worker:
    """A role on Faust, in this process."""

    def __init__(self, kafka: Kafka, role: Role) -> None:
        self._role = role
        self._app = new_app(kafka, role.name)
        if role.name in READS_COMMITTED:
            self._app.isolation_level = "read_committed"
        self._app.fail = lambda error: self.fail(membership.explain(error, kafka, role.name))
        self._over = asyncio.Event()
        self._error: BaseException | None = None
        names = [topic_name(kafka, topic) for topic in role.topics]
        # acks=False: Faust keeps no account of offsets, the role commits them
        channel = self._app.topic(*names, schema=Raw(), acks=False)
        self._app.agent(channel, name=role.name)(self._consume)
        self._app.on_partitions_assigned.connect(self._assigned)
        self._app.on_partitions_revoked.connect(self._revoked)

    async def run(self) -> None:
        """Work until told to stop.

        Raises:
            Exception: whatever the role or Faust could not go on after.
        """
        await self._role.start(self)
        # it returns when partitions were given, which another worker's end may hold up for long
        starting = asyncio.create_task(self._app.start())
        try:
            await self._until_over(starting)
            async with asyncio.timeout(STOP_SECONDS_MAX):
                await self._role.stop()
        except BaseException:
            with contextlib.suppress(TimeoutError):  # what went wrong first is said
                await self._leave(starting)
            raise
        await self._leave(starting)

    async def _until_over(self, starting: asyncio.Task[None]) -> None:
        over = asyncio.create_task(self._over.wait())
        await asyncio.wait({starting, over}, return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
            await self._app.wait(over)
        error = self._error or self._app.crash_reason
        self._over.set()
        if error is not None:
            raise error

    async def _leave(self, starting: asyncio.Task[None]) -> None:
        async with asyncio.timeout(STOP_SECONDS_MAX):
            await self._app.stop()
            with contextlib.suppress(asyncio.CancelledError):
                await starting

    def stop(self) -> None:
        """Have `run` end in good order."""
        self._over.set()

    def fail(self, error: BaseException) -> None:
        """Have `run` end by raising."""
        self._error = self._error or error
        self._over.set()

    async def commit_offsets(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Commit outside a transaction; partitions that were lost in the meantime are left out."""
        await cast("CommittingConsumer", self._app.consumer).commit_now(offsets)

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
        assigned = {TopicPartition(tp.topic, tp.partition) for tp in args[0]}
        try:
            await self._role.assigned(assigned)
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
    worker = Worker(await answering(kafka), role)
    loop, parent = asyncio.get_running_loop(), parent_process()

    def stop() -> None:
        if parent is not None:
            loop.remove_reader(parent.sentinel)  # once readable it stays so
        worker.stop()
        _end_at_the_latest()

    for number in stop_signals():
        loop.add_signal_handler(number, stop)
    if parent is not None:
        loop.add_reader(parent.sentinel, stop)
    await worker.run()


def _end_at_the_latest() -> None:
    """Let the process end even when a call to a broker or a store never returns.

    What was not committed by then comes again, as after any crash.
    """

    def end() -> None:
        log.error("did not end in %.0f s, gave up", END_SECONDS_MAX)
        os._exit(1)

    timer = threading.Timer(END_SECONDS_MAX, end)
    timer.daemon = True
    timer.start()
