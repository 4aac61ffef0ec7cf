"""A stage that counts, publishes what it counted, and can be made to crash in between.

python -m tests.support.counting_stage KAFKA_JSON CRASH_POINT
"""

import asyncio
import os
import sys

import msgspec

from pipeline.config import Kafka
from pipeline.counts import Metrics
from pipeline.journal import Journal
from pipeline.message import Message
from pipeline.metrics import WORKER_METRICS
from pipeline.workers.app import run_worker
from pipeline.workers.stages import StagePlan, StageRole
from schemas.topics import ACTIONS, CLICKS, INCIDENTS, NOTIFY_STATE, VERDICTS, Topic

READS: tuple[Topic, ...] = (INCIDENTS, CLICKS, VERDICTS)
CRASHES = ("published", "committed", "handled")


class CountingStage:
    """Numbers the messages: an intent under the number, committed, then the number published.

    One that acts on none of them has no intent.
    """

    reads = READS
    first: tuple[Topic, ...] = ()
    acts_on: tuple[Topic, ...] = READS

    def __init__(self, crash: str = "") -> None:
        self._crash = crash

    async def handle(self, message: Message, journal: Journal) -> None:
        number = int(journal.get("count") or b"0") + 1
        place = f"{message.topic}-{message.offset}"
        if self.acts_on and journal.get(place) is None:
            journal.put(place, b"intent")
            await journal.commit()
            await self._point("committed", number)
        await journal.publish(
            ACTIONS, msgspec.json.encode({"number": number, "place": place, "by": os.getpid()})
        )
        await self._point("published", number)
        journal.put("count", str(number).encode())
        await self._point("handled", number)

    async def tick(self, now: float, journal: Journal) -> None:
        if journal.get("ticked") is None:
            journal.put("ticked", str(now).encode())

    async def _point(self, name: str, number: int) -> None:
        if name == self._crash and number % 5 == 0:
            await asyncio.sleep(0.3)  # what was sent has left the process
            os._exit(9)


def main(stage: type[CountingStage] = CountingStage) -> None:
    """Run until a signal, or the crash."""
    kafka = Kafka.model_validate_json(sys.argv[1])
    plan = StagePlan("notify", READS, NOTIFY_STATE, lambda: stage(sys.argv[2]))
    run_worker(kafka, StageRole(kafka, plan, Metrics(WORKER_METRICS)))


if __name__ == "__main__":
    main()
