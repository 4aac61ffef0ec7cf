"""Detection as a stage: the fold of one partition, whose effects and states go into a journal."""

from pipeline.engine.partition import PartitionFold
from pipeline.engine.rules import Rules
from pipeline.journal import Journal
from pipeline.message import Message
from schemas.topics import MOVED_HEADER, SPEND_WINDOWS, USAGE_EVENTS, Topic


class DetectStage:
    """Folds messages one by one, with a checkpoint after each; workers have `DetectRole`."""

    reads: tuple[Topic, ...] = (USAGE_EVENTS,)
    first: tuple[Topic, ...] = ()
    acts_on: tuple[Topic, ...] = ()

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self.fold: PartitionFold | None = None
        """None until the first message."""

    async def handle(self, message: Message, journal: Journal) -> None:
        """Fold a message; what came of it and the states become durable together."""
        fold = self.fold = self.fold or self._restored(journal)
        effects = fold.fold(message)
        for topic, record, key in effects.records():
            await journal.publish(topic, record, key=key)
        for key_id, event in effects.moved:
            await journal.publish(USAGE_EVENTS, event, key=key_id, headers={MOVED_HEADER: "1"})
        checkpoint = fold.checkpoint()
        for window in checkpoint.windows:
            await journal.publish(SPEND_WINDOWS, window, key=window.key_id)
        for name, state in checkpoint.states:
            journal.put(name, state)

    async def tick(self, now: float, journal: Journal) -> None:
        """Nothing waits here: a key's clock is its own."""

    def _restored(self, journal: Journal) -> PartitionFold:
        fold = PartitionFold(self._rules, partitions=1)
        for key in journal.keys():  # noqa: SIM118 - a journal is no mapping
            state = journal.get(key)
            if state is not None:
                fold.restore(key, state)
        return fold
