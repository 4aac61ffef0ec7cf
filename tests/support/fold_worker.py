"""The detect role over the counting fold, as a process that tests can kill.

python -m tests.support.fold_worker '{"brokers": …}' SHARE_MAX
"""

import sys

from pipeline.config import Config, Detection, Kafka
from pipeline.workers.app import run_worker
from pipeline.workers.detect import DetectRole
from tests.support.counting_fold import CountingFold


def main() -> None:
    """Run until a signal."""
    kafka = Kafka.model_validate_json(sys.argv[1])
    config = Config(kafka=kafka, detection=Detection(dead_letter_share_max=float(sys.argv[2])))
    role = DetectRole(config, lambda partition: CountingFold(partition, kafka.partitions))
    run_worker(kafka, role)


if __name__ == "__main__":
    main()
