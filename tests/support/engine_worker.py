"""The detect role over the engine, as a process that tests can kill.

python -m tests.support.engine_worker KAFKA_JSON
"""

import sys

from pipeline.config import Config, Kafka
from pipeline.workers.run import start_role


def main() -> None:
    """Run until a signal."""
    start_role("detect", Config(kafka=Kafka.model_validate_json(sys.argv[1])))


if __name__ == "__main__":
    main()
