"""A store that is opened by whoever needs it first: a program starts also while it is away."""

import threading
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from pipeline.config import Store as StoreConfig
from pipeline.store.client import Rows, Store
from pipeline.store.rows import Table

R = TypeVar("R")


class LaterStore:
    """Calls of a `Store`, which raise what opening it raises until that works."""

    def __init__(self, config: StoreConfig) -> None:
        self._config = config
        self._store: Store | None = None
        self._opening = threading.Lock()

    def open(self) -> Store:
        """The store, opened by now.

        Raises:
            StoreUnavailable: nobody answers; try again.
            StoreRefused: wrong credentials.
        """
        with self._opening:
            if self._store is None:
                self._store = Store.open(self._config)
            return self._store

    def insert(self, table: Table[R], records: Sequence[R]) -> None:
        """See `Store.insert`."""
        self.open().insert(table, records)

    def query(self, sql: str, params: Mapping[str, Any] | None = None) -> Rows:
        """See `Store.query`."""
        return self.open().query(sql, params)
