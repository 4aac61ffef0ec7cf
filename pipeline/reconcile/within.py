"""Reconciling within one fold that sees every key: in a replay, questions are answered at once."""

from collections import deque

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

    def fold(self, message: Message, batch: Batch) -> Effects:
        """Fold a message, and what its bills lead to."""
        bills: list[ProviderUsage] = []
        for control in batch.controls:
            if isinstance(control, KeyRecord):
                self._join.register(control)
            elif isinstance(control, ProviderUsage):
                bills.append(control)
        if not bills:
            return self._fold.fold(message, batch)
        effects = Effects()
        routed: deque[Routed] = deque(self._join.route(bills))
        while routed:
            step = Batch()
            step.controls.append(routed.popleft())
            found = self._fold.fold(message, step)
            effects.incidents += found.incidents
            for answer in found.answers:
                routed.extend(self._join.take(answer))
        return effects
