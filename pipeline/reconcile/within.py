"""Reconciling within one fold that sees every key: in a replay, questions are answered at once."""

from collections import deque
from collections.abc import Iterable

from pipeline.accept import Batch
from pipeline.engine import Effects, PartitionFold
from pipeline.message import Message
from pipeline.reconcile.join import Join, Routed
from schemas.key_record import KeyRecord
from schemas.provider_usage import ProviderUsage


class ReconcilingFold:
    """A fold of all keys to which bills come with the key whose they are."""

    def __init__(self, fold: PartitionFold) -> None:
        self._fold = fold
        self._join = Join(partitions=1)

    def fold(self, batches: Iterable[Batch]) -> Effects:
        """Fold what the acceptor made of messages, and what their bills lead to."""
        effects = Effects()
        waiting: list[Batch] = []
        for batch in batches:
            bills = self._hear(batch)
            if not bills:
                waiting.append(batch)
                continue
            self._fold_waiting(waiting, effects)
            self._route(bills, batch.message, effects)
        self._fold_waiting(waiting, effects)
        return effects

    def _hear(self, batch: Batch) -> list[ProviderUsage]:
        """Register keys; the bills among control records."""
        bills: list[ProviderUsage] = []
        for control in batch.controls:
            if isinstance(control, KeyRecord):
                self._join.register(control, batch.message.appended_at)
            elif isinstance(control, ProviderUsage):
                bills.append(control)
        return bills

    def _fold_waiting(self, waiting: list[Batch], effects: Effects) -> None:
        found = self._fold.fold_accepted(waiting)
        effects.incidents += found.incidents
        effects.dead_letters += found.dead_letters
        waiting.clear()

    def _route(self, bills: list[ProviderUsage], message: Message, effects: Effects) -> None:
        routed: deque[Routed] = deque(self._join.route(bills))
        while routed:
            step = Batch(message)
            step.controls.append(routed.popleft())
            found = self._fold.fold_accepted([step])
            effects.incidents += found.incidents
            for answer in found.answers:
                routed.extend(self._join.take(answer))
