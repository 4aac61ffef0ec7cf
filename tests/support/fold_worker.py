"""The detect role over the counting fold, as a process that tests can kill.

python -m tests.support.fold_worker KAFKA_JSON DEAD_LETTER_SHARE_MAX SECONDS_PER_MESSAGE
"""

import sys
import time
from functools import partial

from pipeline.config import Config, Detection, Kafka
from pipeline.counts import Metrics
from pipeline.engine import Effects
from pipeline.message import Message
from pipeline.metrics import WORKER_METRICS
from pipeline.workers.app import run_worker
from pipeline.workers.detect import DetectRole
from tests.support.counting_fold import CountingFold


class SlowFold(CountingFold):
    """Takes its time, so that a kill finds it at work."""

    seconds = 0.0

    def fold(self, *messages: Message) -> Effects:
        time.sleep(self.seconds * len(messages))
        return super().fold(*messages)


def main() -> None:
    """Run until a signal; then say on stderr what was counted."""
    kafka = Kafka.model_validate_json(sys.argv[1])
    config = Config(kafka=kafka, detection=Detection(dead_letter_share_max=float(sys.argv[2])))
    SlowFold.seconds = float(sys.argv[3])
    counts = Metrics(WORKER_METRICS)
    make = partial(SlowFold, partitions=kafka.partitions)
    run_worker(kafka, DetectRole(config, make, counts))
    sys.stderr.write(counts.render().decode())


if __name__ == "__main__":
    main()
