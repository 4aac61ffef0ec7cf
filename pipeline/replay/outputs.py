"""Where the results of a replay go: JSONL files, and the store."""

from collections.abc import Sequence
from typing import IO, Any

from pipeline.accept import Batch
from pipeline.replay.run import Results
from pipeline.store import Store
from pipeline.store import rows as tables
from pipeline.store.rows import Table
from schemas.codec import encode
from schemas.provider_usage import ProviderUsage
from schemas.spend_window import SpendWindow
from schemas.verdict import Verdict


class JsonLines:
    """Incidents and dead letters, one a line, in the order in which they come out."""

    def __init__(self, incidents: IO[bytes] | None, dead_letters: IO[bytes] | None) -> None:
        self._incidents = incidents
        self._dead_letters = dead_letters

    def take(self, batches: Sequence[Batch], results: Results) -> None:
        """Write what came of messages."""
        del batches
        if self._incidents is not None:
            self._incidents.write(b"".join(encode(each) + b"\n" for each in results.incidents))
        if self._dead_letters is not None:
            letters = (encode(each) + b"\n" for each in results.dead_letters)
            self._dead_letters.write(b"".join(letters))

    def windows(self, rows: list[SpendWindow]) -> None:
        """Totals go to a store only."""


class StoreRows:
    """Every table that a replay can fill, in inserts of many rows; `flush` writes the rest."""

    def __init__(self, store: Store, batch_rows_max: int) -> None:
        self._store = store
        self._batch_rows_max = batch_rows_max
        self._waiting: dict[str, tuple[Table[Any], list[Any]]] = {}

    def take(self, batches: Sequence[Batch], results: Results) -> None:
        """Add what messages held and what came of them."""
        for batch in batches:
            self._add(tables.USAGE_EVENTS, batch.uses)
        controls = [control for batch in batches for control in batch.controls]
        self._add(tables.PROVIDER_USAGE, [c for c in controls if isinstance(c, ProviderUsage)])
        self._add(tables.VERDICTS, [c for c in controls if isinstance(c, Verdict)])
        self._add(tables.INCIDENTS, results.incidents)
        self._add(tables.DEAD_LETTERS, results.dead_letters)

    def windows(self, rows: list[SpendWindow]) -> None:
        """Add totals."""
        self._add(tables.SPEND_WINDOWS, rows)

    def flush(self) -> None:
        """Write what is waiting."""
        for table, rows in self._waiting.values():
            self._store.insert(table, rows)
        self._waiting.clear()

    def count_others(self, replayed: int) -> int:
        """Events of the store, beyond so many different ones of this replay."""
        stored: int = self._store.query("SELECT count() FROM usage_events FINAL").rows[0][0]
        return max(0, stored - replayed)

    def _add(self, table: Table[Any], records: Sequence[Any]) -> None:
        if not records:
            return
        _, rows = self._waiting.setdefault(table.name, (table, []))
        rows.extend(records)
        if len(rows) >= self._batch_rows_max:
            self._store.insert(table, rows)
            del self._waiting[table.name]
