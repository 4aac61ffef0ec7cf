"""A slow counting stage whose broker takes its time to say where a new owner goes on.

python -m tests.support.slow_seeking_worker KAFKA_JSON ""
"""

import asyncio

from pipeline.journal import Journal
from pipeline.message import Message
from pipeline.workers import faust_app
from tests.support import counting_stage

SEEK_SECONDS = 0.6
HANDLE_SECONDS = 0.4
"""Two messages take longer than the seek: those of other topics wait in Faust's queue."""


class SlowStage(counting_stage.CountingStage):
    """Numbers the messages, one after another."""

    async def handle(self, message: Message, journal: Journal) -> None:
        await asyncio.sleep(HANDLE_SECONDS)
        await super().handle(message, journal)


class SlowConsumer(faust_app.CommittingConsumer):
    """Seeks to what the broker said a while ago."""

    async def perform_seek(self) -> None:
        told = await self.seek_to_committed()
        await asyncio.sleep(SEEK_SECONDS / 2)
        await self.seek_wait({tp: offset or 0 for tp, offset in told.items()})
        await asyncio.sleep(SEEK_SECONDS / 2)


if __name__ == "__main__":
    faust_app._Transport.Consumer = SlowConsumer
    counting_stage.main(SlowStage)
