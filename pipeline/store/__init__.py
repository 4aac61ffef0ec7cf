"""Where everything is kept for people to ask about: ClickHouse, as a server or embedded.

The only place that imports `clickhouse_connect`. Both engines take the same calls.
"""

from pipeline.store.client import Rows, Store, check_store
from pipeline.store.errors import StoreError, StoreRefused, StoreUnavailable
from pipeline.store.later import LaterStore

__all__ = [
    "LaterStore",
    "Rows",
    "Store",
    "StoreError",
    "StoreRefused",
    "StoreUnavailable",
    "check_store",
]
