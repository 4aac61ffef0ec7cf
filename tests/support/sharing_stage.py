"""A counting stage that acts on nothing: what a fetch brings shares a transaction.

python -m tests.support.sharing_stage KAFKA_JSON CRASH_POINT
"""

from schemas.topics import Topic
from tests.support import counting_stage


class SharingStage(counting_stage.CountingStage):
    """Numbers the messages, and publishes the numbers."""

    acts_on: tuple[Topic, ...] = ()


if __name__ == "__main__":
    counting_stage.main(SharingStage)
