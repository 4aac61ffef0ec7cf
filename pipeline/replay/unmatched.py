"""Registry entries that do nothing, because the events write the ids of their keys otherwise."""

from collections.abc import Iterator, Sequence
from typing import Final

from pipeline.accept import Batch
from pipeline.replay.run import Results
from schemas.key_record import KeyRecord
from schemas.redaction import other_form
from schemas.spend_window import SpendWindow

_TOLD_MAX: Final = 3


class Unmatched:
    """An output of a replay that holds the registry's ids against those of the events."""

    def __init__(self) -> None:
        self._used: set[str] = set()
        self._named: dict[str, str] = {}
        """By id in the registry, the other form of it."""

    def take(self, batches: Sequence[Batch], results: Results) -> None:
        """Note the ids of events, and those of entries that have another form."""
        del results
        for batch in batches:
            self._used.update(batch.key_ids)
            for control in batch.controls:
                if isinstance(control, KeyRecord) and (other := other_form(control.key_id)):
                    self._named[control.key_id] = other

    def windows(self, rows: list[SpendWindow]) -> None:
        """Totals name no other keys."""

    def lines(self) -> Iterator[str]:
        """What is to be written otherwise, once everything was taken."""
        used = self._used
        wrong = [(n, other) for n, other in self._named.items() if n not in used and other in used]
        for named, other in wrong[:_TOLD_MAX]:
            yield (
                f"warning: the registry's entry of {named} does nothing: the events name this key "
                f"{other}; write that"
            )
        if len(wrong) > _TOLD_MAX:
            yield f"warning: the same holds for {len(wrong) - _TOLD_MAX:,} more of its entries"
